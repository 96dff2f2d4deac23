"""The look at what was counted: this region's person on duty is called for each anomaly, once."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.federation_pb2 import WaitingAnomalies
from gateway.api.region.v1.anomaly_service_pb2 import AnomalyCause
from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.errors import Refused
from gateway.federation.body import ANOMALY
from gateway.federation.policies import ANOMALOUS, UNKNOWN_NUMBERS
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, to_microseconds, to_timestamp
from gateway.time.looks import until_look
from region_node.care.anomalies import rows
from region_node.care.anomalies.rows import Anomaly
from region_node.care.anomalies.rules import Bounds, Counted, Found, OperatorHours, found
from region_node.care.escalations.body import Escalated, due_by, tell_body
from region_node.node.context import RegionContext
from region_node.node.unknown_numbers import Party
from region_node.requests.dealings import HOUR, hour_of
from region_node.tickets.followed import Facts

ALERTS = "anomaly"
"""The first word of the names of alerts."""
LOOK = 10.0
"""Seconds between two looks."""
OF_ONE_REGION = 10
"""The most anomalies of operator systems of a region by one cause in an hour, and of staff: who invents names calls
nobody more often, and hides nothing of another level."""
_LATE = timedelta(minutes=10)  # after an hour: its last commits are done then
_USUAL = timedelta(hours=1)  # until somebody has looked, without a row in the matrix of responsibility
_log = logging.getLogger(__name__)


class AnomalyWatch:
    """A loop of each process of a region, and what it has found at its last look."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        context.unknown_numbers.follow(store)
        self.waiting: Sequence[WaitingAnomalies] = ()
        """The anomalies that wait for people, by the asking region."""

    async def run(self) -> None:
        """Runs until cancelled. While the store does not respond, the last look stays."""
        while True:
            try:
                await self.look()
            except Refused as refused:
                _log.info("anomalies are looked for again soon: %s", refused)
            await asyncio.sleep(until_look(LOOK))

    async def look(self) -> None:
        """Looks once, and writes where there is anything new. Raises Refused where the store does not respond.

        Writes nothing while the clock is not settled: by a wrong one, hours end too soon, and rows are removed.
        """
        if self._context.border.clock.is_settled():
            now = self._clock.now()
            counted, is_due = await self._store.read(lambda tx: _seen(tx, self._context, now))
            self._context.unknown_numbers.learn(_unknown(counted, hour_of(now)), hour_of(now))
            if is_due:
                await self._store.write(lambda tx: look(tx, self._context, now))
        self.waiting = await self._store.read(rows.waiting)


def look(tx: Transaction, context: RegionContext, now: datetime) -> None:
    """Raises each new anomaly, and ends the hours that are over: their work is learnt, their counters are removed."""
    counted = rows.counted(tx)
    known = rows.of_hours(tx, {each.hour for each in counted})
    numbers = Counter((each.hour, each.region, each.cause) for each in known)
    for new in _new(tx, context, counted, known):
        same = (new.hour, new.region, new.cause)
        numbers[same] += 1
        _raise(tx, context, new, numbers[same], now)
    over = _over(counted, now)
    for hour, of_hour in groupby(over, lambda each: each.hour):
        for each in of_hour:
            _learn(tx, context, each)
        rows.end_hour(tx, hour)
    for too_many in _too_many(counted[len(over) :]):  # they are in the order of their hours
        rows.fold(tx, too_many)
    if over:
        rows.forget(tx, now)


def _seen(tx: Transaction, context: RegionContext, now: datetime) -> tuple[list[Counted], bool]:
    """All counters, and whether a look has anything to write.

    Another process may do it first: the look decides by what it reads.
    """
    counted = rows.counted(tx)
    known = rows.of_hours(tx, {each.hour for each in counted})
    return counted, bool(_over(counted, now) or _too_many(counted) or _new(tx, context, counted, known))


def _unknown(counted: Iterable[Counted], hour: int) -> list[tuple[Party, int]]:
    """The unknown numbers of an hour, as `UnknownNumbers.learn` takes them."""
    return [
        (Party(each.region, each.operator, each.staff_id), each.unknown_numbers)
        for each in counted
        if each.hour == hour
    ]


def _over(counted: Iterable[Counted], now: datetime) -> list[Counted]:
    """The counters of the hours that are over."""
    return [each for each in counted if each.hour < hour_of(now - _LATE)]


def _new(tx: Transaction, context: RegionContext, counted: Iterable[Counted], known: Iterable[Anomaly]) -> list[Found]:
    """What was found and is not known yet, without what a region has at a level beyond the most of an hour."""
    raised = {each.found for each in known}
    groups = Counter(_group(each) for each in known)
    new = []
    for each in found(
        counted,
        lambda region: _bounds(context, region),
        lambda hour, region, operator: _is_usual(tx, context, hour, region, operator),
        context.region,
    ):
        if each[:5] not in raised and groups[_group(each)] < OF_ONE_REGION:
            groups[_group(each)] += 1
            new.append(each)
    return new


def _group(each: Anomaly | Found) -> tuple[int, str, int, bool, bool]:
    """The hour, region, cause, and the level: of the region as a whole, of an operator system, or of staff."""
    return each.hour, each.region, each.cause, bool(each.operator), bool(each.staff_id)


def _raise(tx: Transaction, context: RegionContext, new: Found, number: int, now: datetime) -> None:
    hour = datetime.fromtimestamp(new.hour * HOUR, UTC)
    cause = AnomalyCause.Name(new.cause).removeprefix("ANOMALY_CAUSE_").lower().replace("_", "-")
    anomaly_id = f"{hour:%Y-%m-%dT%HZ}/{new.region}/{cause}/{number}"
    due = due_by(context, ANOMALY, now, _USUAL)
    rows.insert(
        tx,
        Anomaly(
            id=anomaly_id,
            hour=new.hour,
            cause=new.cause,
            region=new.region,
            operator=new.operator,
            staff_id=new.staff_id,
            counted=new.counted,
            most=new.most,
            find_time=to_microseconds(now),
            due_time=to_microseconds(due),
        ),
    )
    facts = Facts(
        name=f"{ALERTS}/{anomaly_id}",
        origin=new.region,
        owner=context.region,
        operator="",
        version=1,
        state=0,
        created=to_timestamp(now),
        number="",
        home="",
    )
    trigger = EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED
    escalated = Escalated(1, trigger, to_timestamp(now), due_time=None)
    tell_body(tx, context, facts, escalated, "AlertOfAnomaly", ANOMALY, now)
    _log.warning("an anomaly was found: %s counted %d, where %d is the most", anomaly_id, new.counted, new.most)


def _bounds(context: RegionContext, region: str) -> Bounds:
    """By the policies, which stand in the order of the fields."""
    return Bounds(*(context.figure(each, region) for each in (*ANOMALOUS, *UNKNOWN_NUMBERS)))


def _is_usual(tx: Transaction, context: RegionContext, hour: int, region: str, operator: str) -> bool:
    """By the hours of the operator system; by those of its region while that is learnt."""
    day, hour_of_day = _place(context, hour)
    of_operator, of_region = rows.hours_of(tx, region, operator), rows.hours_of(tx, region, "")
    if of_operator is not None and of_operator.is_learnt(day):
        return of_operator.is_usual(day, hour_of_day)
    return of_region is None or of_region.is_usual(day, hour_of_day)


def _learn(tx: Transaction, context: RegionContext, worked: Counted) -> None:
    if not worked.lines:
        return
    day, hour_of_day = _place(context, worked.hour)
    for operator in {worked.operator, ""}:
        known = rows.hours_of(tx, worked.region, operator)
        if known is None and operator and not rows.has_room(tx, worked.region):
            continue
        known = known or OperatorHours.begun(worked.region, operator, day)
        rows.keep_hours(tx, known.with_work(day, hour_of_day))


def _place(context: RegionContext, hour: int) -> tuple[int, int]:
    """The day, in days since 1970, and the hour of the day by the calendar of this region."""
    local = datetime.fromtimestamp(hour * HOUR, ZoneInfo(context.time_zone))
    return (local.date() - datetime.fromtimestamp(0, UTC).date()).days, local.hour


def _too_many(counted: Iterable[Counted]) -> list[list[Counted]]:
    """The counters of each region in an hour that are more than it may have."""
    by_region: dict[tuple[int, str], list[Counted]] = {}
    for each in counted:
        by_region.setdefault((each.hour, each.region), []).append(each)
    return [each for each in by_region.values() if len(each) > rows.ROWS_OF_REGION + 1]
