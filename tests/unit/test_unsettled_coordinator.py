"""A coordinator decides nothing that lasts by a clock that nobody has confirmed since its start."""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Generic, Never, TypeVar, cast

import grpc
import pytest

from coordinator.enrolments import decisions
from coordinator.enrolments.service import EnrolmentPorts, EnrolmentService, JoiningService
from coordinator.planned_outages.service import PlannedOutageRegistryService
from coordinator.problems.correlator import Correlator
from coordinator.problems.current import CurrentNetwork
from coordinator.problems.making_room import RoomMaker
from coordinator.problems.service import ProblemPorts, ProblemService
from coordinator.registry.port import Registry, Snapshot
from coordinator.registry.problem_port import Administered, Book
from coordinator.registry.record_port import DecideRecord
from coordinator.registry.rules import RegionFacts
from coordinator.risks.service import RiskPorts, RiskService
from coordinator.risks.watch import RiskWatch
from gateway.api.coordinator.v1.enrolment_service_pb2 import (
    Enrolment,
    EnrolmentState,
    EnrolRequest,
    EnrolResponse,
    InviteRegionRequest,
    RejectEnrolmentRequest,
)
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import HoldPlannedOutageRequest, PlannedOutageHeader
from gateway.api.coordinator.v1.problem_service_pb2 import (
    Problem,
    RecordReportRequest,
    ReportAffectedRequest,
    ReportEventRequest,
    ReportKind,
)
from gateway.api.coordinator.v1.risk_service_pb2 import AddRiskRequest, ChangeRiskRequest, Risk, RiskEntry, RiskReview
from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, reason_name
from gateway.federation.catalogue import Federation
from gateway.security.enrolling import enrolment_id
from gateway.security.identity import Identity
from gateway.time.agreed_clock import LISTENING
from gateway.time.clock import to_timestamp
from tests.shipped import shipped_configuration
from tests.simulation.calls import Method, Q, R, served
from tests.simulation.registry import SimulatedRegistry
from tests.unit.network_events import event
from tests.unit.test_agreed_clock import DAY, NOW, YEAR, Machine, started
from tests.unit.test_enrolments import AUTHORITY, FEDERATION, HASH, LI, NODE
from tests.unit.test_planned_outages import DETOUR, DIRECT

Row = TypeVar("Row", Enrolment, Risk)
WRONG = [YEAR, -YEAR]
HOUR = timedelta(hours=1)
SICHUAN, HENAN = (Identity("crossregion", Role.ROLE_REGION, each, "") for each in ("sichuan", "henan"))
ADMIN = Identity("crossregion", Role.ROLE_ADMIN, "", "anna")


class Kept(Generic[Row]):
    """See `Records`. Records by id."""

    def __init__(self, *kept: Row) -> None:
        self.kept: dict[str, Row] = {each.id: each for each in kept}

    async def all(self) -> Sequence[Row]:
        """See the port."""
        return list(self.kept.values())

    async def find(self, record_id: str) -> Row | None:
        """See the port."""
        return self.kept.get(record_id)

    async def change(self, record_id: str, decide: DecideRecord[Row], by: Administered) -> Row | None:
        """See the port."""
        if (after := decide(self.kept.get(record_id))) is not None:
            self.kept[record_id] = after
        return self.kept.get(record_id)

    async def remove(self, record_id: str) -> None:
        """See the port."""
        del self.kept[record_id]


class Inviting:
    """A coordinator whose clock is off at its start, with enrolments."""

    def __init__(
        self, error: timedelta, *kept: Enrolment, has_joined: bool = True, last: datetime | None = None
    ) -> None:
        self.machine, self.enrolments = Machine(), Kept(*kept)
        self.machine.error = error
        self.clock = started(self.machine, last)
        snapshot = Snapshot(1, None, {"henan": RegionFacts("henan", ever_joined=has_joined)})
        registry = cast("Registry", SimpleNamespace(enrolments=self.enrolments, snapshot=lambda: snapshot))
        ports = EnrolmentPorts(FEDERATION, registry, self.clock, lambda: [AUTHORITY.certificate], None)
        self.service, self._joining = EnrolmentService(ports), JoiningService(ports)

    def agree(self) -> None:
        """Puts the clock right, and has a region confirm it."""
        self.machine.error = timedelta(0)
        self.clock.hear("region/henan", self.machine.true)

    async def invited(self, name: bytes = bytes(32)) -> str:
        """The reason for which an invitation of an hour is refused; empty for none."""
        request = InviteRegionRequest(region="hunan", token_hash=name, hours=1)
        return await refused(self.service.InviteRegion, ADMIN, request)

    async def enrolled(self) -> str:
        """The state in which a node finds its enrolment, or the reason for which it is refused."""
        context = SimpleNamespace(peer=lambda: "ipv4:192.0.2.1:7")
        try:
            answer = await self._joining.Enrol(
                NODE.request(), cast("grpc.aio.ServicerContext[EnrolRequest, EnrolResponse]", context)
            )
        except Refused as found:
            return reason_name(found.reason)
        return EnrolmentState.Name(answer.state).removeprefix("ENROLMENT_STATE_")


def registered() -> SimulatedRegistry:
    return SimulatedRegistry(random.Random(1), lambda: Federation(1, shipped_configuration()))


def waiting(state: EnrolmentState.ValueType, end: datetime) -> Enrolment:
    return Enrolment(
        id=enrolment_id(HASH), region="hunan", state=state, token_hash=HASH, invited_by=LI, end_time=to_timestamp(end)
    )


def requested(end: datetime) -> Enrolment:
    """The enrolment of a node with keys, which waits for a decision."""
    found, sent = waiting(decisions.REQUESTED, end), NODE.request()
    found.tls_request, found.signing_request = sent.tls_request, sent.signing_request
    return found


def planned(key: str, link: str) -> HoldPlannedOutageRequest:
    start, end = to_timestamp(NOW + HOUR), to_timestamp(NOW + 2 * HOUR)
    return HoldPlannedOutageRequest(
        planned_outage=PlannedOutageHeader(id=key, links=[link], start_time=start, end_time=end, version=1)
    )


FIRST, OTHER = planned("sichuan/planned/1", DIRECT), planned("henan/planned/1", DETOUR)


async def refused(method: Method[Q, R], caller: Identity, request: Q) -> str:
    """The reason of the refusal of a call; empty for none."""
    try:
        await served(method, caller, request)
    except Refused as found:
        return reason_name(found.reason)
    return ""


@pytest.mark.parametrize("error", WRONG)
def test_no_outage_is_held_by_a_wrong_clock_and_of_two_that_cut_both_ways_one_is_held_later(error: timedelta) -> None:
    async def scenario() -> None:
        machine, registry = Machine(), registered()
        machine.error = error
        clock = started(machine)
        service = PlannedOutageRegistryService(cast("Registry", registry), clock)
        assert await refused(service.HoldPlannedOutage, SICHUAN, FIRST) == "CLOCK_UNTRUSTED"
        clock.hear("region/henan", machine.true)
        assert await refused(service.HoldPlannedOutage, SICHUAN, FIRST) == "CLOCK_UNTRUSTED", "it is wrong still"
        machine.error = timedelta(0)
        assert await refused(service.HoldPlannedOutage, SICHUAN, FIRST) == ""
        assert await refused(service.HoldPlannedOutage, HENAN, OTHER) == "PLANNED_OUTAGE_CONFLICT"
        assert list(registry.windows) == [FIRST.planned_outage]

    asyncio.run(scenario())


def test_an_outage_is_held_where_nobody_has_answered_a_start() -> None:
    async def scenario() -> None:
        machine = Machine()
        service = PlannedOutageRegistryService(cast("Registry", registered()), started(machine, NOW - DAY))
        assert await refused(service.HoldPlannedOutage, SICHUAN, FIRST) == "CLOCK_UNTRUSTED"
        machine.passed = LISTENING
        assert await refused(service.HoldPlannedOutage, SICHUAN, FIRST) == ""

    asyncio.run(scenario())


@pytest.mark.parametrize("error", WRONG)
def test_no_count_and_no_report_of_a_problem_is_dated_by_a_wrong_clock(error: timedelta) -> None:
    async def scenario() -> None:
        machine, registry = Machine(), registered()
        registry.kept = Book({}, {"problem/1": Problem(header=ProblemHeader(id="problem/1"))})
        machine.error = error
        clock, kept = started(machine), cast("Registry", registry)
        nobody = cast("Correlator", SimpleNamespace(note_event=lambda: None))
        service = ProblemService(ProblemPorts(kept, CurrentNetwork(kept), nobody, cast("RoomMaker", None), clock))
        count = ReportAffectedRequest(problem_id="problem/1", customers=7, problem_version=1)
        report = RecordReportRequest(problem_id="problem/1", kind=ReportKind.REPORT_KIND_ORAL)
        assert await refused(service.ReportAffected, SICHUAN, count) == "CLOCK_UNTRUSTED"
        assert await refused(service.RecordReport, ADMIN, report) == "CLOCK_UNTRUSTED"
        machine.error = timedelta(0)
        clock.hear("region/henan", machine.true)
        assert await refused(service.ReportAffected, SICHUAN, count) == ""
        assert [each.count_time for each in registry.kept.problems["problem/1"].affected] == [to_timestamp(NOW)]

    asyncio.run(scenario())


@pytest.mark.parametrize("error", WRONG)
def test_no_event_is_dated_by_a_wrong_clock(error: timedelta) -> None:
    async def scenario() -> None:
        machine, registry = Machine(), registered()
        machine.error = error
        clock, kept = started(machine), cast("Registry", registry)
        nobody = cast("Correlator", SimpleNamespace(note_event=lambda: None))
        service = ProblemService(ProblemPorts(kept, CurrentNetwork(kept), nobody, cast("RoomMaker", None), clock))
        request = ReportEventRequest(event=event("sichuan/alarm/1", sites=["chengdu"]))
        assert await refused(service.ReportEvent, SICHUAN, request) == "CLOCK_UNTRUSTED"
        assert not registry.kept.events
        machine.error = timedelta(0)
        clock.hear("region/henan", machine.true)
        assert await refused(service.ReportEvent, SICHUAN, request) == ""
        assert [each.tell_time for each in registry.kept.events.values()] == [to_timestamp(NOW)]

    asyncio.run(scenario())


@pytest.mark.parametrize("loop", [RiskWatch, Correlator])
def test_no_risk_is_raised_and_no_problem_found_by_a_wrong_clock(
    loop: type[RiskWatch] | type[Correlator], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        machine, looked = Machine(), asyncio.Event()
        machine.error = YEAR
        clock = started(machine)
        at_work = loop(cast("Never", SimpleNamespace(clock=clock)))

        async def look() -> float:
            looked.set()
            return 0.0

        monkeypatch.setattr(at_work, "look", look)
        running = asyncio.ensure_future(at_work.run())
        for _ in range(9):
            await asyncio.sleep(0)
        assert not looked.is_set()
        machine.error = timedelta(0)
        clock.hear("region/henan", machine.true)
        await looked.wait()
        running.cancel()

    asyncio.run(scenario())


@pytest.mark.parametrize("error", WRONG)
def test_no_risk_and_no_review_is_dated_by_a_wrong_clock(error: timedelta) -> None:
    async def scenario() -> None:
        kept = Risk(id="risk/1", likelihood=1, impact=1, history=[RiskEntry(create_time=to_timestamp(NOW - DAY))])
        machine, risks = Machine(), Kept(kept)
        machine.error = error
        clock = started(machine)
        registry = cast("Registry", SimpleNamespace(risks=risks, snapshot=registered().snapshot))
        service = RiskService(RiskPorts(registry, clock))
        added = AddRiskRequest(
            request_id="1",
            title="one",
            likelihood=1,
            impact=1,
            owner_region="sichuan",
            owner_department=shipped_configuration().body.departments[0].code,
        )
        reviewed = ChangeRiskRequest(risk_id="risk/1", note="done", review=RiskReview())
        assert await refused(service.AddRisk, ADMIN, added) == "CLOCK_UNTRUSTED"
        assert await refused(service.ChangeRisk, ADMIN, reviewed) == "CLOCK_UNTRUSTED"
        assert risks.kept == {kept.id: kept}
        machine.error = timedelta(0)
        clock.hear("region/henan", machine.true)
        assert await refused(service.AddRisk, ADMIN, added) == ""
        assert await refused(service.ChangeRisk, ADMIN, reviewed) == ""
        dated = [entry.create_time for risk in risks.kept.values() for entry in risk.history]
        assert dated == [to_timestamp(each) for each in (NOW - DAY, NOW, NOW)]

    asyncio.run(scenario())


@pytest.mark.parametrize("error", WRONG)
def test_no_invitation_is_dated_by_a_wrong_clock_or_removes_another(error: timedelta) -> None:
    async def scenario() -> None:
        past = Enrolment(id="past", end_time=to_timestamp(NOW - 38 * DAY))
        recent = Enrolment(id="recent", end_time=to_timestamp(NOW - DAY))
        it = Inviting(error, past, recent)
        assert await it.invited() == "CLOCK_UNTRUSTED"
        assert it.enrolments.kept == {"past": past, "recent": recent}
        it.agree()
        assert await it.invited() == ""
        made = it.enrolments.kept.pop(enrolment_id(bytes(32)))
        assert made.end_time == to_timestamp(NOW + HOUR)
        assert it.enrolments.kept == {"recent": recent}

    asyncio.run(scenario())


def test_before_a_region_has_joined_nobody_has_to_confirm_the_clock_of_an_invitation_and_none_is_removed() -> None:
    async def scenario() -> None:
        past = Enrolment(id="past", end_time=to_timestamp(NOW - 38 * DAY))
        it = Inviting(timedelta(0), past, has_joined=False)
        assert await it.invited() == ""
        assert it.enrolments.kept.keys() == {"past", enrolment_id(bytes(32))}
        it.machine.passed = LISTENING
        assert await it.invited(bytes([1]) * 32) == ""
        assert it.enrolments.kept.keys() == {enrolment_id(each) for each in (bytes(32), bytes([1]) * 32)}

    asyncio.run(scenario())


def test_after_months_alone_a_coordinator_invites_as_soon_as_one_region_confirms_its_clock() -> None:
    async def scenario() -> None:
        it = Inviting(timedelta(0), last=NOW - 32 * DAY)
        it.machine.passed = 10 * LISTENING
        assert await it.invited() == "CLOCK_UNTRUSTED", "nobody else could know how long it was away"
        it.agree()
        assert await it.invited() == ""

    asyncio.run(scenario())


@pytest.mark.parametrize("error", WRONG)
def test_no_token_ends_by_a_wrong_clock_and_no_keys_are_dated_by_one(error: timedelta) -> None:
    async def scenario() -> None:
        open_ = waiting(decisions.INVITED, NOW + HOUR)
        it = Inviting(error, open_)
        assert await it.enrolled() == "CLOCK_UNTRUSTED"
        assert it.enrolments.kept == {open_.id: open_}
        it.agree()
        assert await it.enrolled() == "REQUESTED"
        assert it.enrolments.kept[open_.id].end_time == to_timestamp(NOW + decisions.DECISION_TIME)

    asyncio.run(scenario())


def test_a_node_that_waits_for_a_decision_waits_on_while_the_clock_is_wrong() -> None:
    async def scenario() -> None:
        it = Inviting(YEAR, requested(NOW + DAY))
        assert await it.enrolled() == "REQUESTED"
        it.agree()
        it.machine.passed = 2 * DAY.total_seconds()
        it.agree()
        assert await it.enrolled() == "ENDED"

    asyncio.run(scenario())


@pytest.mark.parametrize("error", WRONG)
def test_no_enrolment_is_decided_by_a_wrong_clock(error: timedelta) -> None:
    async def scenario() -> None:
        asked = requested(NOW + DAY)
        approval = NODE.approval()
        approval.enrolment_id = asked.id
        it = Inviting(error, asked)
        assert await refused(it.service.ApproveEnrolment, ADMIN, approval) == "CLOCK_UNTRUSTED"
        rejection = RejectEnrolmentRequest(enrolment_id=asked.id)
        assert await refused(it.service.RejectEnrolment, ADMIN, rejection) == "CLOCK_UNTRUSTED"
        assert it.enrolments.kept == {asked.id: asked}
        it.agree()
        assert await refused(it.service.RejectEnrolment, ADMIN, rejection) == ""
        assert it.enrolments.kept[asked.id].decision_time == to_timestamp(NOW)

    asyncio.run(scenario())
