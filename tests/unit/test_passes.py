"""Passes that make room in the registry: one at a time, at intervals, for those who wait."""

import asyncio
import random
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from coordinator.membership.members import CurrentMembers
from coordinator.problems.correlator import Correlator
from coordinator.problems.current import CurrentNetwork
from coordinator.problems.making_room import RoomMaker
from coordinator.problems.service import ProblemPorts, ProblemService
from coordinator.registry.passes import Passes
from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Administered, Book, Decide
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, ReportEventRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.security.identity import Identity
from gateway.time.agreed_clock import AgreedClock
from tests.shipped import shipped_configuration
from tests.simulation.calls import served
from tests.simulation.registry import SimulatedRegistry
from tests.unit.network_events import event
from tests.unit.test_agreed_clock import NOW, YEAR, Machine, agreed, started


def test_those_who_come_during_a_pass_wait_for_it_and_make_none() -> None:
    async def scenario() -> None:
        passes, may_end, made = Passes(agreed(Machine())), asyncio.Event(), list[datetime]()

        async def remove(now: datetime) -> bool:
            made.append(now)
            await may_end.wait()
            return True

        waiting = [asyncio.create_task(passes.make("sichuan", remove)) for _ in range(5)]
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
        may_end.set()
        await asyncio.gather(*waiting)
        assert made == [NOW]

    asyncio.run(scenario())


def test_a_pass_that_fails_is_made_again_after_the_usual_interval() -> None:
    async def scenario() -> None:
        machine, made = Machine(), list[float]()
        passes = Passes(agreed(machine))

        async def remove(now: datetime) -> bool:
            made.append(machine.passed)
            raise OSError

        for machine.passed in (0, 4, 5):
            try:
                await passes.make("sichuan", remove)
            except OSError:
                continue
        assert made == [0, 5]

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [YEAR, -YEAR])
def test_a_start_by_a_wrong_clock_makes_no_pass_and_delays_none_once_others_put_it_right(error: timedelta) -> None:
    async def scenario() -> None:
        machine, made = Machine(), list[datetime]()
        machine.error = error
        clock = started(machine)
        passes = Passes(clock)

        async def remove(now: datetime) -> bool:
            made.append(now)
            return True

        await passes.make("sichuan", remove)
        assert not made
        machine.error = timedelta(0)
        clock.hear("region/sichuan", machine.true)
        await passes.make("sichuan", remove)
        assert made == [NOW]

    asyncio.run(scenario())


class _Full(SimulatedRegistry):
    """A registry in which the share of a region is full, and nothing of it may go."""

    reads = 0

    async def keep_event(self, event: NetworkEvent) -> bool:
        """See the port."""
        return False

    async def change(self, decide: Decide, by: Administered | None = None) -> Book:
        """See the port."""
        self.reads += 1
        return await super().change(decide, by)


def _served_from(full: _Full, clock: AgreedClock, correlator: object = None) -> ProblemService:
    registry = cast("Registry", full)
    room = RoomMaker(registry, cast("CurrentMembers", None))
    return ProblemService(
        ProblemPorts(registry, CurrentNetwork(registry), cast("Correlator", correlator), room, clock),
    )


async def _report(service: ProblemService, region: str, site: str) -> None:
    """Reports an alarm for which no room is found."""
    request = ReportEventRequest(event=event(f"{region}/alarm/1", sites=[site]))
    with pytest.raises(Refused, match="TOO_BUSY"):
        await served(service.ReportEvent, Identity("crossregion", Role.ROLE_REGION, region, ""), request)


def test_the_next_pass_over_the_events_comes_later_where_one_has_removed_nothing() -> None:
    full, machine = _Full(random.Random(1), lambda: Federation(1, shipped_configuration())), Machine()

    async def scenario() -> None:
        service = _served_from(full, agreed(machine))
        for machine.passed, reads in ((0, 1), (119, 1), (120, 2), (120, 2)):
            await _report(service, "sichuan", "chengdu")
            assert full.reads == reads

    asyncio.run(scenario())


def test_a_pass_over_the_events_for_one_region_that_has_removed_nothing_postpones_none_for_another() -> None:
    full = _Full(random.Random(1), lambda: Federation(1, shipped_configuration()))

    async def scenario() -> None:
        service = _served_from(full, agreed(Machine()))
        for region, site, reads in (
            ("sichuan", "chengdu", 1),
            ("guangdong", "guangzhou", 2),
            ("sichuan", "chengdu", 2),
        ):
            await _report(service, region, site)
            assert full.reads == reads

    asyncio.run(scenario())


class _MadeByOthers(_Full):
    """A registry whose share the correlator has just made room in, and which counts it at the next change only."""

    async def keep_event(self, event: NetworkEvent) -> bool:
        """See the port."""
        return self.reads > 0


def test_an_event_is_taken_into_room_that_others_have_made_since_the_last_count() -> None:
    registry = _MadeByOthers(random.Random(1), lambda: Federation(1, shipped_configuration()))
    heard = list[str]()
    service = _served_from(registry, agreed(Machine()), SimpleNamespace(note_event=lambda: heard.append("event")))
    request = ReportEventRequest(event=event("sichuan/alarm/1", sites=["chengdu"]))
    asyncio.run(served(service.ReportEvent, Identity("crossregion", Role.ROLE_REGION, "sichuan", ""), request))
    assert heard == ["event"]
