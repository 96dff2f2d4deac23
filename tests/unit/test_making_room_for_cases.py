"""Reports of a region with a full share make room among its own cases, at intervals, and nobody else waits for that."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

import pytest

from coordinator.cases.service import CasePorts, CaseService
from coordinator.membership.members import CurrentMembers
from coordinator.registry.port import Registry
from coordinator.registry.shares import region_of
from coordinator.routing.channels import RegionChannels
from gateway.api.coordinator.v1.case_service_pb2 import ReportCaseRequest
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import WorkItem
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused
from gateway.security.identity import Identity
from tests.simulation.calls import served
from tests.unit.test_agreed_clock import YEAR, Machine, started

PATIENCE_S = 20.0  # reached only where a test fails


@dataclass
class Crowded:
    """A registry in which the share of sichuan is full."""

    freed: int = 0
    """How many cases each pass removes."""
    passes: list[str] = field(default_factory=list)
    under_way: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep_case(self, header: CaseHeader) -> bool:
        """See the port."""
        return region_of(header.ticket_id) != "sichuan"

    async def forget_cases(
        self, decide: Callable[[Sequence[CaseHeader]], Sequence[CaseHeader]], region: str = ""
    ) -> int:
        """See the port. The first pass ends as soon as the test says so."""
        self.passes.append(region)
        if len(self.passes) == 1:
            self.under_way.set()
            await self.may_end.wait()
        return self.freed


class Scene:
    """A coordinator with a registry."""

    def __init__(self, *, freed: int = 0, error: timedelta = timedelta(0)) -> None:
        self.registry = Crowded(freed)
        self.machine = Machine()
        self.machine.error = error
        self.clock = started(self.machine)
        ports = CasePorts(
            cast("Registry", self.registry), cast("CurrentMembers", None), cast("RegionChannels", None), self.clock
        )
        self._service = CaseService(ports)

    def agree(self) -> "Scene":
        """Puts the clock right, and has a region confirm it."""
        self.machine.error = timedelta(0)
        self.clock.hear("region/henan", self.machine.true)
        return self

    async def report(self, region: str) -> str:
        """The reason of the refusal of a case; empty for none."""
        header = CaseHeader(ticket_id=f"{region}/20261201-1", version=1, items=[WorkItem(number=1)])
        caller = Identity("crossregion", Role.ROLE_REGION, region, "")
        try:
            await served(self._service.ReportCase, caller, ReportCaseRequest(header=header))
        except Refused as refused:
            return str(refused)
        return ""


def test_accepted_reports_of_others_do_not_wait_for_the_room_of_a_region() -> None:
    async def scenario() -> None:
        it = Scene().agree()
        refused = [asyncio.create_task(it.report("sichuan")) for _ in range(3)]
        await it.registry.under_way.wait()
        async with asyncio.timeout(PATIENCE_S):
            assert await it.report("henan") == ""
        it.registry.may_end.set()
        assert all("TOO_BUSY" in each for each in await asyncio.gather(*refused))
        assert it.registry.passes == ["sichuan", ""], "the region's own cases, once for all who wait"

    asyncio.run(scenario())


@pytest.mark.parametrize(("freed", "pause"), [(1, 5), (0, 120)])
def test_the_next_pass_over_the_cases_of_a_region_comes_later_where_one_has_freed_nothing(
    freed: int, pause: int
) -> None:
    async def scenario() -> None:
        it = Scene(freed=freed).agree()
        it.registry.may_end.set()
        for it.machine.passed, count in ((0, 1), (pause - 1, 1), (pause, 2), (pause, 2)):
            assert "TOO_BUSY" in await it.report("sichuan")
            assert it.registry.passes == ["sichuan"] * count

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [YEAR, -YEAR])
def test_a_start_by_a_wrong_clock_forgets_no_case_and_delays_nothing_once_others_put_it_right(error: timedelta) -> None:
    async def scenario() -> None:
        it = Scene(freed=1, error=error)
        it.registry.may_end.set()
        assert await it.report("henan") == ""
        assert "TOO_BUSY" in await it.report("sichuan")
        assert it.registry.passes == []
        it.agree()
        assert await it.report("henan") == ""
        assert "TOO_BUSY" in await it.report("sichuan")
        assert it.registry.passes == ["", "sichuan"]

    asyncio.run(scenario())
