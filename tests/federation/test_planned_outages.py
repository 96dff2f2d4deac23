"""Planned outages across regions: announced in time, never on both paths, with notices by the customers' homes."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.coordinator.v1 import planned_outage_registry_service_pb2 as coordinator_api
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2_grpc import (
    PlannedOutageRegistryServiceStub as CoordinatorStub,
)
from gateway.api.region.v1 import planned_outage_service_pb2 as api
from gateway.api.region.v1.agreement_pb2 import StatementLineKind as Kind
from gateway.api.region.v1.planned_outage_service_pb2 import PlannedOutage, PlannedOutageState
from gateway.api.region.v1.planned_outage_service_pb2_grpc import PlannedOutageServiceStub
from gateway.time.clock import to_timestamp
from tests.federation.agreements import SERVICE, Agreements, month_of
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.line_bindings import bind
from tests.federation.refusals import once_confirmed, refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until

HOUR = timedelta(hours=1)
NOTICE = timedelta(hours=73)
ONE_WAY, OTHER_WAY = "chengdu-zhengzhou-1", "zhengzhou-xian-1"
ONLY_WAY, LINES = "chengdu-guangzhou-1", "lines-chengdu-guangzhou"


def works(federation: Federation, region: str) -> PlannedOutageServiceStub:
    return PlannedOutageServiceStub(federation.dial_node(region, f"region/{region}/staff/liu"))


def announcing(
    federation: Federation,
    link: str,
    ahead: timedelta = NOTICE,
    lasts: timedelta = 2 * HOUR,
    *,
    emergency: bool = False,
) -> api.AnnouncePlannedOutageRequest:
    begins = federation.clock.now() + ahead
    return api.AnnouncePlannedOutageRequest(
        request_id=federation.next_id(),
        links=[link],
        start_time=to_timestamp(begins),
        end_time=to_timestamp(begins + lasts),
        emergency=emergency,
    )


async def announce(federation: Federation, region: str, request: api.AnnouncePlannedOutageRequest) -> PlannedOutage:
    return (await works(federation, region).AnnouncePlannedOutage(request, timeout=CALL_SECONDS)).planned_outage


async def cancel(federation: Federation, region: str, planned: PlannedOutage) -> PlannedOutage:
    request = api.CancelPlannedOutageRequest(request_id=federation.next_id(), planned_outage_id=planned.id)
    done = await works(federation, region).CancelPlannedOutage(request, timeout=CALL_SECONDS)
    again = await works(federation, region).CancelPlannedOutage(request, timeout=CALL_SECONDS)
    assert again == done
    return done.planned_outage


async def held(federation: Federation) -> list[str]:
    """The ids of what the coordinator holds."""
    stub = CoordinatorStub(federation.dial_coordinator("admin/root"))
    found = await stub.ListPlannedOutages(coordinator_api.ListPlannedOutagesRequest(), timeout=CALL_SECONDS)
    return [each.id for each in found.planned_outages]


async def told(federation: Federation, region: str, number: str, count: int) -> list[str]:
    """The texts about planned outages that a customer's home region has written, once there are so many."""
    database = federation.database(region)
    index = database.index_of(number)
    sql = "SELECT notice_id FROM notices WHERE kind = 'planned-outage' AND number = ?"

    async def holds() -> bool:
        return len(database.rows(sql, index)) >= count

    await until(holds, f"{count} notices are there")
    return [str(notice_id) for (notice_id,) in database.rows(f"{sql} ORDER BY notice_id", index)]


async def test_customers_of_every_region_are_told_once_of_what_takes_their_line_down(federation: Federation) -> None:
    number = await Counter(federation, "guangdong").new_customer()
    await Agreements(federation, "guangdong").make(number, LINES)
    request = announcing(federation, ONLY_WAY)
    planned = await announce(federation, "sichuan", request)
    assert (planned.state, list(planned.services)) == (PlannedOutageState.PLANNED_OUTAGE_STATE_ANNOUNCED, [LINES])
    assert await announce(federation, "sichuan", request) == planned, "once more"
    assert planned.id in await held(federation)
    notices = await told(federation, "guangdong", number, 1)
    moving = api.ChangePlannedOutageRequest(
        request_id=federation.next_id(),
        planned_outage_id=planned.id,
        start_time=to_timestamp(federation.clock.now() + NOTICE + HOUR),
        end_time=to_timestamp(federation.clock.now() + NOTICE + 2 * HOUR),
    )
    moved = (await works(federation, "sichuan").ChangePlannedOutage(moving, timeout=CALL_SECONDS)).planned_outage
    assert (moved.version, moved.start_time) == (2, moving.start_time)
    again = await works(federation, "sichuan").ChangePlannedOutage(moving, timeout=CALL_SECONDS)
    assert again.planned_outage == moved
    assert len(await told(federation, "guangdong", number, 2)) == 2
    cancelled = await cancel(federation, "sichuan", planned)
    assert cancelled.state == PlannedOutageState.PLANNED_OUTAGE_STATE_CANCELLED
    assert len(await told(federation, "guangdong", number, 3)) == 3
    assert notices[0] in await told(federation, "guangdong", number, 3)
    assert planned.id not in await held(federation)
    texts = [each.en for each in federation.texts(number)]
    assert ["was moved" in each for each in texts if "will be interrupted" in each] == [False, True]
    left = "SELECT COUNT(*) FROM service_outages WHERE source = ? AND withdrawn = 0"
    assert federation.database("guangdong").rows(left, planned.id) == [(0,)]


async def test_lines_that_use_what_goes_down_count_beside_agreements_and_each_customer_is_told_once(
    federation: Federation,
) -> None:
    counter = Counter(federation, "guangdong")
    both, late_agreement, late_line = [await counter.new_customer() for _ in range(3)]
    await Agreements(federation, "guangdong").make(both, LINES)
    assert await bind(counter, both, LINES) == 1
    only_bound = await Counter(federation, "sichuan").new_customer()
    assert await bind(Counter(federation, "sichuan"), only_bound, LINES) == 1
    planned = await announce(federation, "sichuan", announcing(federation, ONLY_WAY))
    await told(federation, "guangdong", both, 1)
    await told(federation, "sichuan", only_bound, 1)
    await Agreements(federation, "guangdong").make(late_agreement, LINES)
    assert await bind(counter, late_line, LINES) == 1
    for number in (late_agreement, late_line):
        assert len(await told(federation, "guangdong", number, 1)) == 1, "it was announced before"
    await cancel(federation, "sichuan", planned)
    for region, number in (
        ("guangdong", both),
        ("guangdong", late_agreement),
        ("guangdong", late_line),
        ("sichuan", only_bound),
    ):
        assert len(await told(federation, region, number, 2)) == 2, "once of the window, once that it is cancelled"


async def test_two_regions_never_take_both_ways_of_a_service_at_the_same_time(federation: Federation) -> None:
    first = await announce(federation, "sichuan", announcing(federation, ONE_WAY))
    assert list(first.services) == [], "the lines have another way"
    second = announcing(federation, OTHER_WAY, NOTICE + HOUR)
    henan = works(federation, "henan")
    for _ in range(2):
        refused = await refusal(henan.AnnouncePlannedOutage(second, timeout=CALL_SECONDS))
        assert refused.reason == "PLANNED_OUTAGE_CONFLICT"
        assert refused.parameters["outage"] == first.id
        assert SERVICE in refused.parameters["affected"]
    listing = await henan.ListPlannedOutages(api.ListPlannedOutagesRequest(include_ended=True), timeout=CALL_SECONDS)
    assert not any(second.request_id in each.id for each in listing.planned_outages)
    later = await announce(federation, "henan", announcing(federation, OTHER_WAY, NOTICE + 2.1 * HOUR))
    moving = api.ChangePlannedOutageRequest(
        request_id=federation.next_id(),
        planned_outage_id=later.id,
        start_time=second.start_time,
        end_time=second.end_time,
    )
    assert (await refusal(henan.ChangePlannedOutage(moving, timeout=CALL_SECONDS))).reason == "PLANNED_OUTAGE_CONFLICT"
    await cancel(federation, "sichuan", first)
    moved = (await henan.ChangePlannedOutage(moving, timeout=CALL_SECONDS)).planned_outage
    assert moved.start_time == second.start_time
    await cancel(federation, "henan", moved)


async def test_what_was_announced_in_time_is_excluded_and_an_emergency_is_an_outage(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        home, number = Agreements(federation, "guangdong"), await Counter(federation, "guangdong").new_customer()
        agreement = await home.make(number, LINES)
        month = month_of(federation)
        for request in (
            announcing(federation, ONLY_WAY, lasts=10 * HOUR),
            announcing(federation, ONLY_WAY, HOUR, emergency=True),
        ):
            planned = await announce(federation, "sichuan", request)

            async def knows(source: str = planned.id) -> bool:
                known = "SELECT COUNT(*) FROM service_outages WHERE source = ?"
                return federation.database("guangdong").rows(known, source) == [(1,)]

            await until(knows, "the home region knows")
        await federation.advance(timedelta(days=32))
        found = await home.has_stated(agreement, month)
        assert timedelta(microseconds=found.downtime_us) == 2 * HOUR, "of the emergency alone"
        assert found.credit.minor_units > 0
        kinds = [each.kind for each in found.lines]
        assert kinds.count(Kind.STATEMENT_LINE_KIND_OUTAGE) == 1
        assert Kind.STATEMENT_LINE_KIND_PLANNED not in kinds, "it takes nothing off where nothing else was out"


@pytest.mark.parametrize(
    ("region", "link", "ahead", "lasts", "reason"),
    [
        ("sichuan", ONLY_WAY, timedelta(hours=71), HOUR, "PLANNED_OUTAGE_NOTICE_SHORT"),
        ("guangdong", ONLY_WAY, NOTICE, HOUR, "NETWORK_NOT_OF_REGION"),
        ("sichuan", "none", NOTICE, HOUR, "LINK_UNKNOWN"),
        ("sichuan", ONLY_WAY, -HOUR, HOUR, "REQUEST_INVALID"),
        ("sichuan", ONLY_WAY, NOTICE, timedelta(), "REQUEST_INVALID"),
        ("sichuan", ONLY_WAY, NOTICE, timedelta(days=40), "REQUEST_INVALID"),
    ],
)
async def test_a_planned_outage_that_cannot_be_is_refused(
    federation: Federation, region: str, link: str, ahead: timedelta, lasts: timedelta, reason: str
) -> None:
    request = announcing(federation, link, ahead, lasts)
    node = works(federation, region)
    assert (await refusal(node.AnnouncePlannedOutage(request, timeout=CALL_SECONDS))).reason == reason


async def test_what_is_over_or_unknown_is_neither_moved_nor_cancelled(federation: Federation) -> None:
    node = works(federation, "sichuan")
    none = api.CancelPlannedOutageRequest(request_id=federation.next_id(), planned_outage_id="sichuan/planned/none")
    assert (await refusal(node.CancelPlannedOutage(none, timeout=CALL_SECONDS))).reason == "PLANNED_OUTAGE_NOT_FOUND"
    planned = await announce(federation, "sichuan", announcing(federation, ONLY_WAY))
    await cancel(federation, "sichuan", planned)
    again = api.CancelPlannedOutageRequest(request_id=federation.next_id(), planned_outage_id=planned.id)
    assert (await refusal(node.CancelPlannedOutage(again, timeout=CALL_SECONDS))).reason == "PLANNED_OUTAGE_OVER"


async def test_without_a_coordinator_nothing_is_announced_and_the_same_request_goes_on_with_it(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, ["sichuan"]) as federation:
        request, node = announcing(federation, ONLY_WAY), works(federation, "sichuan")
        assert federation.coordinator is not None
        port = federation.coordinator.port
        await federation.coordinator.stop()
        refused = await refusal(node.AnnouncePlannedOutage(request, timeout=CALL_SECONDS))
        assert refused.reason == "REGISTRY_UNAVAILABLE"
        assert federation.database("sichuan").rows("SELECT COUNT(*) FROM service_outages") == [(0,)]
        await federation.start_coordinator(port)
        planned = await once_confirmed(lambda: announce(federation, "sichuan", request))
        assert planned.state == PlannedOutageState.PLANNED_OUTAGE_STATE_ANNOUNCED
        assert await held(federation) == [planned.id]
