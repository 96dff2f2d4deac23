"""The nightly purge: class by class, page by page, each page one transaction with its place.

A timer holds the place. So any process continues after a stop, and no page is done twice.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import DataClass, RetentionRule
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import Timer, is_set, set_timer
from gateway.time.clock import to_microseconds
from region_node.lifecycle.holds.operations import held_now
from region_node.lifecycle.holds.sending import send_holds
from region_node.lifecycle.registry import Registry
from region_node.lifecycle.retention.classes import purgers
from region_node.records.purging.port import Cut, Page, Purger
from region_node.records.purging.reports import note_complete, note_removed
from region_node.records.purging.rules import cutoff, next_purge, night_of

PURGE_TIMER = "purge"
PAGE = 200  # rows in one transaction, for which everything else of the region waits
_RETRY = timedelta(minutes=1)
_BREATH = timedelta(milliseconds=50)  # between two pages, for everything else that the store has to do


def ensure_purge(tx: Transaction, now: datetime) -> None:
    """Sets the timer if it is missing: the first run finds the beginning of the region's night."""
    if not is_set(tx, PURGE_TIMER):
        set_timer(tx, PURGE_TIMER, kind=PURGE_TIMER, subject="wait", due=now)


def purge(tx: Transaction, registry: Registry, timer: Timer, now: datetime) -> None:
    """Does one page and returns for the next; after the last one, in the next night.

    The subject of the timer is `wait`, or empty at the beginning of a night. Otherwise it is the night, the number of
    the class and the place in it.
    """
    try:
        federation = registry.context.federation
        zone = ZoneInfo(registry.context.time_zone)
    except Refused:  # no configuration yet
        _come_back(tx, timer.subject, now + _RETRY)
        return
    if timer.subject == "wait":
        _come_back(tx, "", next_purge(now, zone))
        return
    if not timer.subject:
        send_holds(tx, registry, now)
        for kind in registry.kinds:
            kind.retention.forget(tx, now)
    night, data_class, place = _place(timer.subject) if timer.subject else (f"{night_of(now, zone)}", 0, "")
    known = purgers(registry)
    classes = [each for each in known if federation.retention_rule(each) is not None]
    if data_class == 0 and classes:
        data_class = classes[0]
    # The class may have left the rules since the night began.
    current = DataClass.ValueType(data_class)
    rule = federation.retention_rule(current)
    purger = known.get(current)
    if rule is not None and purger is not None:
        page = _page(tx, registry, rule, purger, place, now)
        note_removed(tx, night, current, removed=page.removed, held=page.held)
        failpoints.reach("purge.before-commit")
        if page.place:
            _come_back(tx, f"{night} {data_class} {page.place}", now + _BREATH)
            return
        _finish(tx, night, current, purger, now)
    following = _behind(current, list(known), classes)
    if following is not None:
        _come_back(tx, f"{night} {following} ", now + _BREATH)
    else:
        _come_back(tx, "", next_purge(now, zone))


def _page(tx: Transaction, registry: Registry, rule: RetentionRule, purger: Purger, place: str, now: datetime) -> Page:
    if rule.WhichOneof("kept") == "policy":
        return Page(0, 0, "")
    before = cutoff(rule, now, ZoneInfo(registry.context.time_zone))
    return purger.page(tx, Cut(to_microseconds(before), held_now(tx, registry.kinds, now), PAGE, now), place)


def _finish(tx: Transaction, night: str, data_class: DataClass.ValueType, purger: Purger, now: datetime) -> None:
    """Ends a class: adds it to the report, and to the audit chain where rows were removed."""
    done = note_complete(tx, night, data_class, purger.oldest(tx))
    if done.removed or done.held:
        detail = f"night {night}, {done.removed} removed, {done.held} held"
        name = DataClass.Name(data_class)
        audit.append(tx, now=now, actor="timer", action="Purge", subject=f"retention/{name}", detail=detail)


def _behind(
    data_class: DataClass.ValueType, order: list[DataClass.ValueType], classes: list[DataClass.ValueType]
) -> DataClass.ValueType | None:
    """The class that comes after one, in the order of the purgers."""
    if data_class not in order:
        return None
    left = order[order.index(data_class) + 1 :]
    return next((each for each in left if each in classes), None)


def _place(subject: str) -> tuple[str, int, str]:
    night, data_class, place = subject.split(" ", 2)
    return night, int(data_class), place


def _come_back(tx: Transaction, subject: str, due: datetime) -> None:
    set_timer(tx, PURGE_TIMER, kind=PURGE_TIMER, subject=subject, due=due)
