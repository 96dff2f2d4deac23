"""Reports of a region with a full share make room among its own cases, at intervals, and nobody else waits for that."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
from tests.unit.network_events import NOON

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


@dataclass
class _Clock:
    instant: datetime = NOON

    def now(self) -> datetime:
        """See the port."""
        return self.instant


class Scene:
    """A coordinator with a registry."""

    def __init__(self, *, freed: int = 0) -> None:
        self.registry = Crowded(freed)
        self.clock = _Clock()
        ports = CasePorts(
            cast("Registry", self.registry), cast("CurrentMembers", None), cast("RegionChannels", None), self.clock
        )
        self._service = CaseService(ports)

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
        it = Scene()
        refused = [asyncio.create_task(it.report("sichuan")) for _ in range(3)]
        await it.registry.under_way.wait()
        async with asyncio.timeout(PATIENCE_S):
            assert await it.report("henan") == ""
        it.registry.may_end.set()
        assert all("TOO_BUSY" in each for each in await asyncio.gather(*refused))
        assert it.registry.passes == ["sichuan", ""], "the region's own cases, once for all who wait"

    asyncio.run(scenario())


@pytest.mark.parametrize(("freed", "pause"), [(1, timedelta(seconds=5)), (0, timedelta(minutes=2))])
def test_the_next_pass_over_the_cases_of_a_region_comes_later_where_one_has_freed_nothing(
    freed: int, pause: timedelta
) -> None:
    async def scenario() -> None:
        it = Scene(freed=freed)
        it.registry.may_end.set()
        for after, count in ((timedelta(0), 1), (pause - timedelta(seconds=1), 1), (pause, 2), (pause, 2)):
            it.clock.instant = NOON + after
            assert "TOO_BUSY" in await it.report("sichuan")
            assert it.registry.passes == ["sichuan"] * count

    asyncio.run(scenario())
