"""The home region counts what others do with its lines, and tells its people of what is beyond a bound, once."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.region.v1.anomaly_service_pb2 import AcknowledgeAnomalyRequest, AnomalyFinding, ListAnomaliesRequest
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.store.port import Operation, Store
from gateway.time.clock import Clock, from_timestamp
from region_node.business.orders.home import dealer_of
from region_node.care.anomalies import rows
from region_node.care.anomalies.rules import (
    FAILURES,
    LEARNING_DAYS,
    LINES,
    REMEMBERED_DAYS,
    UNUSUAL,
    OperatorHours,
)
from region_node.care.anomalies.service import AnomalyService, acknowledge
from region_node.care.anomalies.watching import OF_ONE_REGION, AnomalyWatch, look
from region_node.requests.auditing import AuditedCall
from region_node.requests.dealings import Dealer, count_failure, count_line
from tests.unit.purging import NOW, Archive, archive

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CLERK = Dealer("henan", "counter", "clerk-7")
MISUSE = AnomalyFinding.ANOMALY_FINDING_MISUSE
NEWEST = (2**62, "")
AT_NOW = cast("Clock", SimpleNamespace(now=lambda: NOW))


class Books:
    """The records of a region as a store, to which other processes come between two operations."""

    def __init__(self, kept: Archive) -> None:
        self.tx = kept.tx
        self.writes = 0

    async def read(self, operation: Operation[object]) -> object:
        found = operation(self.tx)
        await asyncio.sleep(0)
        return found

    async def write(self, operation: Operation[object]) -> object:
        self.writes += 1
        return await self.read(operation)

    def subscribe(self, event: type[object], listener: object) -> None:
        """Nothing here is published."""


@pytest.fixture(name="kept")
def what_a_region_keeps() -> Iterator[Archive]:
    with archive() as found:
        yield found


def bound(kept: Archive, name: str, region: str = "henan") -> int:
    most = kept.context.figure(f"anomalous-{name}", region)
    assert most is not None
    return most


def count(kept: Archive, dealer: Dealer, lines: int = 0, failures: int = 0, at: datetime = NOW) -> None:
    """Counts one of each, and adds the others to the same counter."""
    for amount, counts, column in ((lines, count_line, "lines"), (failures, count_failure, "failures")):
        if amount:
            before = {each[:4]: each for each in rows.counted(kept.tx)}
            counts(kept.tx, dealer, at)
            (changed,) = (each for each in rows.counted(kept.tx) if each != before.get(each[:4]))
            kept.tx.execute(
                f"UPDATE dealings SET {column} = {column} + :more WHERE hour = :hour AND region = :region"
                " AND operator = :operator AND staff_id = :staff_id",
                more=amount - 1,
                hour=changed.hour,
                region=changed.region,
                operator=changed.operator,
                staff_id=changed.staff_id,
            )


def found(kept: Archive) -> list[rows.Anomaly]:
    return rows.before(kept.tx, NEWEST, 1000, is_all=True)


def alerts(kept: Archive) -> list[str]:
    return [each.subject for each in audit.rows(kept.tx) if each.action == "AlertOfAnomaly"]


@pytest.mark.parametrize(
    ("dealer", "name", "cause"),
    [
        (CLERK, "lines-of-staff", LINES),
        (CLERK, "failures-of-staff", FAILURES),
        (Dealer("henan", "counter", "self-service"), "failures-of-operator", FAILURES),
        (Dealer("henan", "counter", "self-service"), "lines-of-operator", LINES),
        (Dealer("henan", "no name\n"), "failures-of-region", FAILURES),
    ],
)
def test_people_are_told_once_in_an_hour_of_what_is_beyond_a_bound_and_not_at_it(
    kept: Archive, dealer: Dealer, name: str, cause: int
) -> None:
    most = bound(kept, name)
    lines = int(cause == LINES)
    count(kept, dealer, lines * most, (1 - lines) * most)
    look(kept.tx, kept.context, NOW)
    assert not found(kept)
    count(kept, dealer, lines, 1 - lines)
    for _ in range(2):
        look(kept.tx, kept.context, NOW)
        (anomaly,) = found(kept)
        assert (anomaly.cause, anomaly.region, anomaly.counted, anomaly.most) == (cause, "henan", most + 1, most)
        assert alerts(kept) == [f"anomaly/{anomaly.id}"]
        assert "clerk" not in anomaly.id
    count(kept, dealer, lines * (most + 1), (1 - lines) * (most + 1), at=NOW + HOUR)
    look(kept.tx, kept.context, NOW + HOUR)
    assert len(found(kept)) == 2, "another hour counts anew"


def test_a_region_that_invents_names_calls_people_a_few_times_and_fills_no_table(kept: Archive) -> None:
    most = bound(kept, "failures-of-staff")
    for number in range(2 * OF_ONE_REGION):
        count(kept, Dealer("henan", "counter", f"clerk-{number}"), failures=most + 1)
    for number in range(rows.ROWS_OF_REGION + 100):
        count_line(kept.tx, Dealer("henan", f"invented-{number}"), NOW)
    look(kept.tx, kept.context, NOW)
    for number in range(100):
        count_line(kept.tx, Dealer("henan", f"later-{number}"), NOW)
    many = bound(kept, "failures-of-region")
    count(kept, Dealer("henan", "no name\n"), failures=many)
    look(kept.tx, kept.context, NOW)
    levels = Counter((bool(each.operator), bool(each.staff_id)) for each in found(kept))
    assert levels == {(True, True): OF_ONE_REGION, (True, False): 1, (False, False): 1}, "no level hides another"
    assert len({each.id for each in found(kept)}) == levels.total()
    left = rows.counted(kept.tx)
    assert len(left) <= rows.ROWS_OF_REGION + 1
    assert sum(each.lines for each in left) == rows.ROWS_OF_REGION + 200, "nothing that was counted is lost"
    assert sum(each.failures for each in left) == 2 * OF_ONE_REGION * (most + 1) + many


def test_work_at_an_hour_at_which_the_operator_system_does_not_work_is_an_anomaly_at_far_fewer_lines(
    kept: Archive,
) -> None:
    few = bound(kept, "lines-at-unusual-hours") + 1
    for day in range(LEARNING_DAYS + 1):
        at = NOW + day * DAY
        count(kept, CLERK, lines=few, at=at)
        look(kept.tx, kept.context, at + 2 * HOUR)
    assert not found(kept), "nothing is unusual in its first days, nor the usual hour ever"
    assert not rows.counted(kept.tx), "hours that are over leave no counter"
    night = NOW + LEARNING_DAYS * DAY + 10 * HOUR
    count(kept, CLERK, lines=few, at=night)
    count(kept, Dealer("henan", "new-system"), lines=few, at=night)
    look(kept.tx, kept.context, night)
    causes = {(each.operator, each.cause) for each in found(kept)}
    assert causes == {("counter", UNUSUAL), ("new-system", UNUSUAL)}, "a new name has the hours of its region"


@settings(max_examples=20)
@given(st.sets(st.integers(0, 23), max_size=6), st.integers(LEARNING_DAYS - 1, LEARNING_DAYS + 1))
def test_an_hour_is_usual_by_work_on_three_days_of_four_weeks_in_it_or_beside_it(worked: set[int], days: int) -> None:
    known = OperatorHours.begun("henan", "counter", 0)
    for day in range(days):
        for hour in worked:
            known = known.with_work(day, hour)
    beside = {(hour + step) % 24 for hour in worked for step in (-1, 0, 1)}
    usual = beside if days >= LEARNING_DAYS else set(range(24))
    assert {hour for hour in range(24) if known.is_usual(days, hour)} == usual


def test_work_of_long_ago_makes_no_hour_usual_and_a_clock_that_steps_back_changes_nothing() -> None:
    known = OperatorHours.begun("henan", "counter", 0)
    for day in (0, 1, 2):
        known = known.with_work(day, 3)
    later = known.with_work(2 + REMEMBERED_DAYS, 12)
    assert known.is_usual(LEARNING_DAYS, 3)
    assert not later.is_usual(2 + REMEMBERED_DAYS, 3)
    assert later.with_work(2, 3) == later


def test_a_member_of_staff_who_reads_and_orders_without_an_operator_system_is_counted_as_one_person() -> None:
    order = Order(origin_region="sichuan", operator="staff/wang")
    order.request.requester.staff_id = "wang"
    assert AuditedCall("region/sichuan/staff/wang", "wang", NOW).dealer == dealer_of(order)


def test_an_anomaly_is_acknowledged_once_with_a_finding_and_its_file(kept: Archive) -> None:
    count(kept, CLERK, failures=bound(kept, "failures-of-staff") + 1)
    look(kept.tx, kept.context, NOW)
    (anomaly,) = found(kept)
    (waiting,) = rows.waiting(kept.tx)
    assert (waiting.region, waiting.count, from_timestamp(waiting.begin_time)) == ("henan", 1, NOW)
    wang, li = (AuditedCall("region/sichuan/staff/" + name, name, NOW) for name in ("wang", "li"))
    mistake = AcknowledgeAnomalyRequest(
        anomaly_id=anomaly.id, finding=AnomalyFinding.ANOMALY_FINDING_MISTAKE, reference="INC-1"
    )
    done = acknowledge(kept.tx, mistake, wang)
    assert acknowledge(kept.tx, mistake, li) == done
    with pytest.raises(Refused) as refused:
        acknowledge(kept.tx, AcknowledgeAnomalyRequest(anomaly_id=anomaly.id, finding=MISUSE, reference="INC-2"), li)
    assert refused.value.reason == Reason.REASON_ANOMALY_ACKNOWLEDGED
    with pytest.raises(Refused) as refused:
        acknowledge(kept.tx, AcknowledgeAnomalyRequest(anomaly_id="none", finding=MISUSE, reference="INC-2"), li)
    assert refused.value.reason == Reason.REASON_ANOMALY_NOT_FOUND
    assert not rows.waiting(kept.tx)
    assert not rows.before(kept.tx, NEWEST, 10, is_all=False)
    look(kept.tx, kept.context, NOW)
    assert len(found(kept)) == 1, "it comes not again in its hour"
    look(kept.tx, kept.context, NOW + rows.KEPT + DAY)
    assert not found(kept)


def test_pages_show_each_anomaly_once_the_newest_first(kept: Archive) -> None:
    service = AnomalyService(cast("Store", Books(kept)), AT_NOW)
    for later in range(3):
        count(kept, CLERK, failures=bound(kept, "failures-of-staff") + 1, at=NOW + later * HOUR)
        look(kept.tx, kept.context, NOW + later * HOUR)
    request, shown = ListAnomaliesRequest(page_size=1, all=True), list[str]()
    while True:
        page = asyncio.run(service.ListAnomalies(request, cast("Any", None)))
        shown += [each.id for each in page.anomalies]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert shown == [each.id for each in found(kept)]
    assert len(set(shown)) == 3


def test_own_operator_systems_have_bounds_and_the_own_region_has_none(kept: Archive) -> None:
    count(kept, Dealer("sichuan", "counter"), failures=bound(kept, "failures-of-region", "sichuan") + 1)
    look(kept.tx, kept.context, NOW)
    assert [(each.region, each.operator, each.cause) for each in found(kept)] == [("sichuan", "counter", FAILURES)]


def test_a_federation_without_the_policies_finds_nothing(kept: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    count(kept, CLERK, lines=10_000, failures=10_000)
    with contextlib.ExitStack() as stack:
        stack.enter_context(monkeypatch.context()).setattr(type(kept.context), "figure", lambda *_: None)
        look(kept.tx, kept.context, NOW)
    assert not found(kept)


def test_a_look_by_a_clock_that_nobody_confirms_ends_no_hour(kept: Archive) -> None:
    clock = kept.context.border.clock
    ahead = cast("Clock", SimpleNamespace(now=lambda: NOW + DAY))
    watch = AnomalyWatch(kept.context, cast("Store", Books(kept)), ahead)
    count(kept, CLERK, lines=1)
    clock.start_from(NOW)
    asyncio.run(watch.look())
    assert rows.counted(kept.tx)
    clock.hear("guangdong", clock.wall())
    asyncio.run(watch.look())
    assert not rows.counted(kept.tx)


def test_of_two_processes_that_find_the_same_one_calls_people(kept: Archive) -> None:
    books = Books(kept)
    count(kept, CLERK, failures=bound(kept, "failures-of-staff") + 1)
    watches = [AnomalyWatch(kept.context, cast("Store", books), AT_NOW) for _ in range(2)]

    async def look_at_once() -> None:
        await asyncio.gather(*(watch.look() for watch in watches))

    asyncio.run(look_at_once())
    assert books.writes == 2, "both have found it"
    assert len(found(kept)) == len(alerts(kept)) == 1
    assert [[each.count for each in watch.waiting] for watch in watches] == [[1], [1]]


def test_each_read_and_each_write_of_a_look_reads_counters_and_anomalies_once(kept: Archive) -> None:
    books, statements = Books(kept), list[str]()
    watch = AnomalyWatch(kept.context, cast("Store", books), AT_NOW)
    kept.connection.set_trace_callback(statements.append)
    for failures, writes in ((bound(kept, "failures-of-staff"), 0), (1, 1)):
        count(kept, CLERK, failures=failures)
        statements.clear()
        asyncio.run(watch.look())
        assert books.writes == writes
        for table in ("dealings ORDER BY hour", "anomalies WHERE hour ="):
            assert sum(table in each for each in statements) == 1 + writes, (table, statements)


def test_an_anomaly_that_waits_for_people_is_never_too_old(kept: Archive) -> None:
    count(kept, CLERK, failures=bound(kept, "failures-of-staff") + 1)
    look(kept.tx, kept.context, NOW)
    count(kept, CLERK, lines=1, at=NOW + rows.KEPT)
    look(kept.tx, kept.context, NOW + rows.KEPT + DAY)
    assert len(rows.waiting(kept.tx)) == 1


def test_an_operator_system_that_invents_members_of_staff_is_found_by_what_they_have_done_together(
    kept: Archive,
) -> None:
    clerks = rows.ROWS_OF_REGION + 100
    for number in range(clerks):
        count_line(kept.tx, Dealer("henan", "counter", f"clerk-{number}"), NOW)
    count_line(kept.tx, Dealer("henan", "kiosk", "clerk-1"), NOW)
    look(kept.tx, kept.context, NOW)
    left = rows.counted(kept.tx)
    assert len(left) <= rows.ROWS_OF_REGION
    assert sum(each.lines for each in left if each.operator == "counter") == clerks
    assert sum(each.lines for each in left) == clerks + 1


def test_the_hours_of_a_region_that_invents_operator_systems_are_learnt_and_fill_no_table(
    kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "NAMES_OF_REGION", 3)
    for number in range(9):
        count_line(kept.tx, Dealer("henan", f"invented-{number}"), NOW)
    look(kept.tx, kept.context, NOW + 2 * HOUR)
    assert kept.count("operator_hours") == 3
    assert rows.hours_of(kept.tx, "henan", "") is not None
