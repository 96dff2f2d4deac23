"""No region fills the registry that all share: a real coordinator with each registry, and what it keeps after it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from coordinator.registry import passes, shares
from coordinator.registry.case_room import charges_of
from coordinator.registry.embedded import EmbeddedRegistry
from coordinator.registry.etcd.registry import EtcdRegistry
from coordinator.registry.etcd.settings import EtcdSettings
from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Book
from gateway.api.coordinator.v1.administration_pb2 import AssignNumberRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.coordinator.v1.case_service_pb2 import ReportCaseRequest
from gateway.api.coordinator.v1.case_service_pb2_grpc import CaseServiceStub
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import HoldPlannedOutageRequest, PlannedOutageHeader
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2_grpc import PlannedOutageRegistryServiceStub
from gateway.api.coordinator.v1.problem_service_pb2 import (
    ListProblemsRequest,
    NetworkEvent,
    ReportAffectedRequest,
    ReportEventRequest,
)
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import WorkItem
from gateway.errors import Refused, reason_name
from gateway.federation.assignments import Standing, signed_assignment
from gateway.federation.policies import GIVEN_AWAY
from gateway.rpc.channels import invoke
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import to_timestamp
from tests.contract.coordinators import PATIENCE_S, Federation, RegionKeys, federation, keys_of, run
from tests.contract.small_federation import CLOCK, FEDERATION, Certificates
from tests.shipped import shipped_configuration
from tests.unit.network_events import CRITICAL, MINOR, event

KIB = 1024
LINK = "chengdu-guangzhou-1"
SITES = {"sichuan": ("chengdu", "xichang", "songpan"), "guangdong": ("guangzhou", "shenzhen")}
BUSY = "TOO_BUSY"
pytestmark = pytest.mark.usefixtures("settled_alone")
T = TypeVar("T")


class Registered:
    """A coordinator with one registry, and that registry itself once the coordinator has stopped."""

    def __init__(self, certificates: Certificates, data: Path, etcd: EtcdSettings | None) -> None:
        self.certificates = certificates
        self._data = data
        self._etcd = etcd

    def serving(self, number: int = 0) -> AbstractAsyncContextManager[Federation]:
        """The coordinator of a number; several only with etcd."""
        data = self._data / str(number)
        return federation(self.certificates, data, number=number, etcd=self._etcd)

    async def read(self, read: Callable[[Registry], Awaitable[T]]) -> T:
        """What is in the registry; no coordinator serves meanwhile."""
        lease = timedelta(minutes=10)
        if self._etcd is not None:
            directory = self._data / "reader"
            directory.mkdir(exist_ok=True)
            etcd = await EtcdRegistry.open(self._etcd, FEDERATION, directory, AgreedClock(CLOCK), lease)
            try:
                return await read(etcd)
            finally:
                await etcd.close()
        store = SqliteStore(self._data / "0" / "coordinator.db", migrations_of("gateway", "coordinator"))
        embedded = await EmbeddedRegistry.open(store, AgreedClock(CLOCK), lease)
        try:
            return await read(embedded)
        finally:
            await embedded.close()
            await store.close()

    async def book(self) -> Book:
        """The events and problems in the registry."""
        return await self.read(lambda registry: registry.problems.book())


@pytest.fixture(autouse=True)
def room_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the intervals between two attempts to make room, which bound what refused reports cost."""
    for interval in ("EVERY", "AGAIN"):
        monkeypatch.setattr(passes, interval, 0.0)


@pytest.fixture(params=["embedded", "etcd"], name="registered")
def registered_by_each(request: pytest.FixtureRequest, tmp_path: Path, certificates: Certificates) -> Registered:
    etcd = request.getfixturevalue("etcd") if request.param == "etcd" else None
    data = tmp_path / "data"
    data.mkdir()
    return Registered(certificates, data, etcd)


async def outcome(call: Awaitable[T]) -> str:
    """The reason of a refusal; empty for none."""
    try:
        await call
    except Refused as refused:
        return reason_name(refused.reason)
    return ""


def region_of(record_id: str) -> str:
    return record_id.partition("/")[0]


async def tell(it: Federation, told: NetworkEvent) -> str:
    stub = ProblemServiceStub(it.as_(f"region/{region_of(told.id)}"))
    return await outcome(invoke(stub.ReportEvent, ReportEventRequest(event=told), PATIENCE_S))


async def report(it: Federation, case: CaseHeader) -> str:
    stub = CaseServiceStub(it.as_(f"region/{region_of(case.ticket_id)}"))
    return await outcome(invoke(stub.ReportCase, ReportCaseRequest(header=case), PATIENCE_S))


def alarm(number: int, *, version: int = 1, ended: bool = False, region: str = "sichuan") -> NetworkEvent:
    """A minor alarm, which makes no problem, and is in none of the next two: they are of other sites and days."""
    raised = CLOCK.now() - timedelta(days=90) + number * timedelta(days=1)
    site = SITES[region][number % len(SITES[region])]
    cleared = raised + timedelta(minutes=5) if ended else None
    return event(
        f"{region}/alarm/{number:04}", sites=[site], raised=raised, cleared=cleared, version=version, severity=MINOR
    )


def case(number: int, *, version: int = 1, ended: bool = False, region: str = "sichuan") -> CaseHeader:
    now = CLOCK.now()
    found = CaseHeader(
        ticket_id=f"{region}/20261201-{number}", version=version, items=[WorkItem(number=1, region="henan")]
    )
    if ended:
        found.end_time.CopyFrom(to_timestamp(now - timedelta(days=20) + number * timedelta(minutes=1)))
    return found


def window(number: int, *, version: int = 1, withdrawn: bool = False) -> PlannedOutageHeader:
    begins = CLOCK.now().replace(minute=0, second=0, microsecond=0) + number * timedelta(hours=2)
    start, end = to_timestamp(begins), to_timestamp(begins + timedelta(hours=1))
    key = f"sichuan/planned/{number}"
    return PlannedOutageHeader(
        id=key, links=[LINK], start_time=start, end_time=end, version=version, withdrawn=withdrawn
    )


async def hold(it: Federation, wanted: PlannedOutageHeader) -> str:
    stub = PlannedOutageRegistryServiceStub(it.as_("region/sichuan"))
    request = HoldPlannedOutageRequest(planned_outage=wanted)
    return await outcome(invoke(stub.HoldPlannedOutage, request, PATIENCE_S))


def test_a_region_that_invents_alarms_stays_below_its_share_and_the_alarms_of_others_are_taken(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "EVENTS", 64 * KIB)

    async def scenario() -> None:
        async with registered.serving() as it:
            await it.apply()
            told = [await tell(it, alarm(each)) for each in range(20)]
            taken = told.count("")
            assert told == [""] * taken + [BUSY] * (20 - taken)
            assert 10 <= taken < 20
            assert await tell(it, alarm(1, region="guangdong")) == ""
            assert await tell(it, alarm(0)) == "", "a repeat"
            assert await tell(it, alarm(0, version=2)) == "", "a change"
            grave = alarm(1, version=2)
            grave.severity = CRITICAL
            assert await tell(it, grave) == "", "a change that makes a problem"
        async with registered.serving() as it:
            assert await tell(it, alarm(30)) == BUSY, "after a restart it is the same"
            assert await tell(it, alarm(2, version=2, ended=True)) == "", "an end"
            assert await tell(it, alarm(3, version=2, ended=True)) == ""
            assert [await tell(it, alarm(each)) for each in (30, 31)] == ["", ""], "the ended ones gave room"
        book = await registered.book()
        assert book.charges["sichuan"] <= shares.EVENTS
        assert {"sichuan/alarm/0030", "sichuan/alarm/0031", "guangdong/alarm/0001"} <= book.events.keys()

    run(scenario())


def test_a_region_with_months_of_ended_alarms_is_never_refused_and_loses_the_oldest(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "EVENTS", 64 * KIB)

    async def scenario() -> None:
        async with registered.serving() as it:
            await it.apply()
            for each in range(40):
                assert (each, await tell(it, alarm(each))) == (each, "")
                assert (each, await tell(it, alarm(each, version=2, ended=True))) == (each, "")
        book = await registered.book()
        assert book.charges["sichuan"] <= shares.EVENTS
        names = sorted(book.events)
        assert names == [f"sichuan/alarm/{each:04}" for each in range(40 - len(names), 40)]

    run(scenario())


def test_a_region_that_invents_cases_stays_below_its_share_and_the_cases_of_others_are_taken(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "CASES", 32 * KIB)

    async def scenario() -> None:
        async with registered.serving() as it:
            await it.apply()
            told = [await report(it, case(each)) for each in range(20)]
            assert told == [""] * 16 + [BUSY] * 4
            assert await report(it, case(1, region="guangdong")) == ""
            assert await report(it, case(0)) == "", "a repeat"
            assert await report(it, case(0, version=2)) == "", "a change"
        async with registered.serving() as it:
            assert await report(it, case(20)) == BUSY, "after a restart it is the same"
        async with registered.serving() as it:
            for each in range(1, 7):
                assert await report(it, case(each, version=2, ended=True)) == "", "an end"
            assert await report(it, case(20)) == "", "the ended ones gave room"
        cases = await registered.read(lambda registry: registry.cases())
        assert charges_of(cases)["sichuan"] <= shares.CASES
        assert {"sichuan/20261201-20", "guangdong/20261201-1"} <= {each.ticket_id for each in cases}

    run(scenario())


def test_a_region_with_a_month_of_ended_cases_is_never_refused_and_loses_the_oldest(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "CASES", 32 * KIB)

    async def scenario() -> None:
        async with registered.serving() as it:
            await it.apply()
            for each in range(40):
                assert (each, await report(it, case(each))) == (each, "")
                assert (each, await report(it, case(each, version=2, ended=True))) == (each, "")
        cases = await registered.read(lambda registry: registry.cases())
        assert charges_of(cases)["sichuan"] <= shares.CASES
        numbers = sorted(int(each.ticket_id.rpartition("-")[2]) for each in cases)
        assert numbers == list(range(40 - len(numbers), 40))

    run(scenario())


def test_a_region_that_invents_windows_stays_below_its_share_and_withdrawn_ones_fill_nothing(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "PLANNED_OUTAGES", 2 * KIB)
    monkeypatch.setattr("coordinator.planned_outages.rules._MOST_WITHDRAWN", 3)

    async def scenario() -> None:
        async with registered.serving() as it:
            await it.apply()
            assert [await hold(it, window(each)) for each in range(1, 11)] == [""] * 8 + [BUSY] * 2
        async with registered.serving() as it:
            assert await hold(it, window(9)) == BUSY, "after a restart it is the same"
            for each in range(1, 9):
                assert await hold(it, window(each, version=2, withdrawn=True)) == ""
            for each in range(20, 40):
                assert await hold(it, window(each)) == ""
                assert await hold(it, window(each, version=2, withdrawn=True)) == ""
            assert await hold(it, window(9)) == ""
        held = await registered.read(lambda registry: registry.planned_outages())
        assert [each.id for each in held if not each.withdrawn] == ["sichuan/planned/9"]
        assert [(each.id, list(each.links)) for each in held if each.withdrawn] == [
            (f"sichuan/planned/{each}", []) for each in (37, 38, 39)
        ]

    run(scenario())


def test_what_a_region_writes_at_two_coordinators_counts_at_both(
    certificates: Certificates, tmp_path: Path, etcd: EtcdSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "EVENTS", 64 * KIB)
    monkeypatch.setattr(shares, "CASES", 32 * KIB)
    registered = Registered(certificates, tmp_path, etcd)

    async def scenario() -> None:
        async with registered.serving(0) as one, registered.serving(1) as other:
            await one.apply()
            while await tell(other, alarm(0)):  # the other coordinator has the configuration soon
                pass
            alarms = [await tell((one, other)[each % 2], alarm(each)) for each in range(60)]
            cases = [await report((one, other)[each % 2], case(each)) for each in range(60)]
            assert alarms[-1] == cases[-1] == BUSY
        book = await registered.book()
        assert book.charges["sichuan"] <= shares.EVENTS * 5 / 4, "each knows the writes of the other by its next look"
        kept = await registered.read(lambda registry: registry.cases())
        assert charges_of(kept)["sichuan"] <= shares.CASES * 5 / 4

    run(scenario())


async def count(it: Federation, problem_id: str, customers: int, region: str = "sichuan") -> str:
    stub = ProblemServiceStub(it.as_(f"region/{region}"))
    request = ReportAffectedRequest(problem_id=problem_id, customers=customers, problem_version=1)
    return await outcome(invoke(stub.ReportAffected, request, PATIENCE_S))


async def until_refused(change: Callable[[int], Awaitable[str]]) -> int:
    """How many versions of a record were taken, from the second one on, before the first refusal."""
    for version in range(2, 40):
        if refusal := await change(version):
            assert refusal == BUSY
            return version - 2
    raise AssertionError("each version was taken")


def test_a_region_that_changes_its_records_without_end_is_refused_and_others_go_on(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    for records in ("EVENT", "CASE", "PLANNED_OUTAGE"):
        monkeypatch.setattr(shares, f"{records}_WRITES", 4 * KIB)

    async def scenario() -> None:
        async with registered.serving() as it:
            await it.apply()
            assert [await tell(it, alarm(1)), await report(it, case(1)), await hold(it, window(1))] == [""] * 3
            changes: Sequence[Callable[[int], Awaitable[str]]] = (
                lambda version: tell(it, alarm(1, version=version)),
                lambda version: report(it, case(1, version=version)),
                lambda version: hold(it, window(1, version=version)),
            )
            for change in changes:
                taken = await until_refused(change)
                assert 4 <= taken <= 16, "each counts with its keys"
                assert await change(taken + 1) == "", "a repeat"
                assert await change(taken + 2) == BUSY
            assert await tell(it, alarm(1, region="guangdong")) == ""
            assert await report(it, case(1, region="guangdong")) == ""

    run(scenario())


def test_counts_of_a_region_without_end_are_refused_and_leave_its_alarms_their_room(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "COUNT_WRITES", 32 * KIB)

    async def scenario() -> None:
        async with registered.serving() as it:
            await it.apply()
            grave = alarm(1)
            grave.severity = CRITICAL
            assert await tell(it, grave) == ""
            stub = ProblemServiceStub(it.as_("admin/root"))
            while not (found := (await invoke(stub.ListProblems, ListProblemsRequest(), PATIENCE_S)).problems):
                pass
            name = found[0].header.id
            taken = await until_refused(lambda customers: count(it, name, customers))
            assert 4 <= taken <= 8, "each writes the problem"
            assert await count(it, name, taken + 1) == "", "a repeat"
            assert await count(it, name, 1, region="guangdong") == ""
            assert [await tell(it, alarm(each)) for each in range(2, 6)] == [""] * 4

    run(scenario())


def given(keys: RegionKeys, number: str) -> AssignNumberRequest:
    """The assignment by which a region gives a number to guangdong."""
    standing = Standing(keys.region, 0)
    made = signed_assignment(number, "guangdong", keys.region, standing, keys.signer, keys.certificate, CLOCK.now())
    return AssignNumberRequest(assignment=made, signing_certificate=keys.certificate)


async def assign(it: Federation, request: AssignNumberRequest) -> str:
    stub = ConfigurationServiceStub(it.as_(f"region/{request.assignment.giver}"))
    return await outcome(invoke(stub.AssignNumber, request, PATIENCE_S))


def permitting(numbers: int) -> Configuration:
    """The configuration, with so many numbers that each region may give away."""
    configuration = shipped_configuration()
    next(each for each in configuration.policies if each.name == GIVEN_AWAY).figure.value = numbers
    return configuration


def test_a_region_gives_away_as_many_numbers_as_the_policy_permits_and_more_once_it_is_raised(
    registered: Registered,
) -> None:
    many = "NUMBERS_GIVEN_TOO_MANY"

    async def scenario() -> None:
        regions = [keys_of(registered.certificates, each) for each in ("sichuan", "guangdong")]
        numbers = [f"+861985100009{each}" for each in range(6)]
        given_away = [given(regions[0], each) for each in numbers]
        async with registered.serving() as it:
            await it.apply(permitting(4))
            for each in regions:
                await it.join(each)
            told = [await assign(it, each) for each in given_away]
            assert told == [""] * 4 + [many] * 2
            assert await assign(it, given_away[0]) == "", "a repeat"
        async with registered.serving() as it:
            assert [await assign(it, each) for each in given_away] == told, "after a restart it is the same"
            await it.apply(permitting(5))
            assert [await assign(it, each) for each in given_away] == [""] * 5 + [many]
        kept = await registered.read(lambda registry: registry.assignments.of(numbers[5]))
        assert not kept.assignments

    run(scenario())


def test_a_region_that_gives_too_many_numbers_away_within_an_hour_waits(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "ASSIGNMENT_WRITES", 8 * KIB)

    async def scenario() -> None:
        sichuan, guangdong = (keys_of(registered.certificates, each) for each in ("sichuan", "guangdong"))
        given_away = [given(sichuan, f"+861985100009{each}") for each in range(9)]
        async with registered.serving() as it:
            await it.apply()
            for each in (sichuan, guangdong):
                await it.join(each)
            told = [await assign(it, each) for each in given_away]
            taken = told.count("")
            assert told == [""] * taken + [BUSY] * (9 - taken)
            assert 2 <= taken <= 6, "each counts with its certificate"
            assert await assign(it, given_away[0]) == "", "a repeat"

    run(scenario())
