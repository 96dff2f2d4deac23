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
from gateway.store.quarantine import QuarantinedWork, may_run
from gateway.store.timers import TIMERS, Timer, set_timer
from gateway.time.clock import from_microseconds, to_microseconds
from region_node.care.quarantine import watching
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
_LATEST = timedelta(days=1)  # a later purge asks people
_TOO_LATE = "late"
_BREATH = timedelta(milliseconds=50)  # between two pages, for everything else that the store has to do


def ensure_purge(tx: Transaction, now: datetime) -> None:
    """Sets the timer if it is missing, or later than any night: a clock that was believed may have been wrong.

    The first run finds the beginning of the region's night.
    """
    timer = tx.find(TIMERS, PURGE_TIMER)
    if timer is None or from_microseconds(timer.due_time) > now + _LATEST:
        set_timer(tx, PURGE_TIMER, kind=PURGE_TIMER, subject="wait", due=now)


def purge(tx: Transaction, registry: Registry, timer: Timer, now: datetime) -> None:
    """Does one page and returns for the next; after the last one, in the next night.

    The subject of the timer is empty at the beginning of a night, `wait` before the first one, and `late` while people
    decide on it. Otherwise it is the night, the number of the class and the place in it.
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
    begins = timer.subject in ("", _TOO_LATE)
    if begins and not _may_begin(tx, registry, timer, f"{night_of(now, zone)}", now):
        _come_back(tx, _TOO_LATE, now + _RETRY)
        return
    if begins:
        send_holds(tx, registry, now)
        for kind in registry.kinds:
            kind.retention.forget(tx, now)
    night, data_class, place = (f"{night_of(now, zone)}", 0, "") if begins else _place(timer.subject)
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


def _may_begin(tx: Transaction, registry: Registry, timer: Timer, night: str, now: datetime) -> bool:
    """Whether a night may begin: a purge that comes a day late removes more than a day's worth beyond the usual."""

    def leave(tx: Transaction, work: QuarantinedWork, now: datetime) -> None:
        watching.keep(tx, registry.context, work, now)

    is_late = timer.subject == _TOO_LATE or now - from_microseconds(timer.due_time) > _LATEST
    return not is_late or may_run(tx, PURGE_TIMER, night, now, leave)


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
