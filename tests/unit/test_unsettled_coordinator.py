"""A coordinator decides nothing that lasts by a clock that nobody has confirmed since its start."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from coordinator.enrolments.service import EnrolmentPorts, EnrolmentService
from coordinator.planned_outages.service import PlannedOutageRegistryService
from coordinator.problems.correlator import Correlator
from coordinator.problems.current import CurrentNetwork
from coordinator.problems.making_room import RoomMaker
from coordinator.problems.service import ProblemPorts, ProblemService
from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Administered, Book
from coordinator.registry.record_port import DecideRecord
from gateway.api.coordinator.v1.enrolment_service_pb2 import Enrolment, InviteRegionRequest
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import HoldPlannedOutageRequest, PlannedOutageHeader
from gateway.api.coordinator.v1.problem_service_pb2 import (
    Problem,
    RecordReportRequest,
    ReportAffectedRequest,
    ReportKind,
)
from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, reason_name
from gateway.federation.catalogue import Federation
from gateway.security.identity import Identity
from gateway.time.agreed_clock import LISTENING
from gateway.time.clock import to_timestamp
from tests.shipped import shipped_configuration
from tests.simulation.calls import Method, Q, R, served
from tests.simulation.registry import SimulatedRegistry
from tests.unit.test_agreed_clock import DAY, NOW, YEAR, Machine, started
from tests.unit.test_planned_outages import DETOUR, DIRECT

WRONG = [YEAR, -YEAR]
HOUR = timedelta(hours=1)
SICHUAN, HENAN = (Identity("crossregion", Role.ROLE_REGION, each, "") for each in ("sichuan", "henan"))
ADMIN = Identity("crossregion", Role.ROLE_ADMIN, "", "anna")


@dataclass
class Enrolments:
    """See `Records`. Of each enrolment, the time at which its token ended."""

    ended: dict[str, datetime]

    async def all(self) -> Sequence[Enrolment]:
        """See the port."""
        return [Enrolment(id=name, end_time=to_timestamp(ended)) for name, ended in self.ended.items()]

    async def change(self, record_id: str, decide: DecideRecord[Enrolment], by: Administered) -> Enrolment | None:
        """See the port. Nothing is kept."""
        return decide(None)

    async def remove(self, record_id: str) -> None:
        """See the port."""
        del self.ended[record_id]


def registered() -> SimulatedRegistry:
    return SimulatedRegistry(random.Random(1), lambda: Federation(1, shipped_configuration()))


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


def test_an_invitation_removes_no_other_by_a_wrong_clock() -> None:
    async def scenario() -> None:
        machine, kept = Machine(), Enrolments({"past": NOW - 38 * DAY, "recent": NOW - DAY})
        machine.error = YEAR
        clock = started(machine)
        registry = cast("Registry", SimpleNamespace(enrolments=kept))
        service = EnrolmentService(EnrolmentPorts("crossregion", registry, clock, lambda: (), None))
        request = InviteRegionRequest(region="sichuan", token_hash=bytes(32), hours=1)
        assert await refused(service.InviteRegion, ADMIN, request) == ""
        assert kept.ended.keys() == {"past", "recent"}
        machine.error = timedelta(0)
        clock.hear("region/henan", machine.true)
        assert await refused(service.InviteRegion, ADMIN, request) == ""
        assert kept.ended.keys() == {"recent"}

    asyncio.run(scenario())
