"""The failures of a run with their times, drawn from the seed, and over at a given time."""

import asyncio
import contextvars
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta

from gateway.api.federation.v1.federation_pb2 import MemberState
from tests.simulation.businesses import WANTS
from tests.simulation.coordinator import Coordinator
from tests.simulation.disk import AFTER, BEFORE
from tests.simulation.history import History
from tests.simulation.moving import Move, carry_out, is_delicate, is_possible
from tests.simulation.network import Network, Weather
from tests.simulation.people import Manners
from tests.simulation.provider import Provider
from tests.simulation.region import Region
from tests.simulation.virtual_time import Process, WallTime
from tests.simulation.world import UNPLANNED, Subscriber, subscribers

_WILD = 10.0  # seconds: a greater error is one of so many years for a while
_WILD_FOR = 8.0  # seconds
_YEAR = 365 * 86_400.0  # seconds
CLOCK_ERROR = 14.0  # seconds: two nodes stay within the 30 s that the federation allows between members
LATE = "henan"  # the region that joins late, where one does

# What must have happened somewhere in a run of many seeds; otherwise the run proves nothing about it.
KINDS = (
    "requests lost",
    "answers lost",
    "batches doubled",
    "messages delayed",
    "messages on a cut link",
    "handlers cancelled",
    "links cut",
    "crashes of a region",
    "crashes before a commit",
    "crashes after a commit",
    "crashes of the coordinator",
    "commits failed",
    "clocks stepped",
    "wild clocks",
    "days passed",
    "weeks passed",
    "months passed",
    "regions isolated",
    "regions suspended",
    "regions joined late",
    "numbers moved",
    "numbers moved back",
    "numbers moved with an answer on its way",
    "calls lost",
    "answers to callers lost",
    "callers who gave up",
    "cancellations asked",
    "requests sent again",
    "ids used again",
    "reviews",
    "orders that crossed a border",
    "calls to the provider doubled",
    "answers of the provider lost",
    "refusals of the provider",
    "orders undone by the provider",
    "faults found by customers",
    "customers compensated for lateness",
    *(f"orders completed: {business}" for business in WANTS),
)


Fault = Callable[[], Coroutine[object, object, None]]


@dataclass(frozen=True)
class Parts:
    """The federation that faults happen to."""

    history: History
    wall: WallTime
    network: Network
    coordinator: Coordinator
    regions: list[Region]
    manners: Manners
    provider: Provider


class Faults:
    """The faults of one run."""

    def __init__(self, parts: Parts, source: random.Random) -> None:
        self._parts = parts
        self._source = source
        self._disk_failure = 0.0
        self._leaps = 0
        self.moved: dict[str, list[str]] = {}  # all homes of a number, in their order
        self._tasks: list[asyncio.Task[None]] = []
        self._spared: Region | None = None
        self._chosen = [kind for kind in self._kinds() if source.random() < 0.6]
        self.joins_late = source.random() < 0.25
        self._plans_last_number = source.random() < 0.6

    def disk_fails(self) -> bool:
        """Whether this commit does not reach the disk."""
        failed = self._disk_failure > 0 and self._source.random() < self._disk_failure
        if failed:
            self._parts.history.count("commits failed")
        return failed

    def begin(self) -> None:
        """Bad weather, and whatever else this run has."""
        source, parts = self._source, self._parts
        wild = source.choice((0.3, 1.0, 2.0))
        parts.network.weather = Weather(
            lose_request=source.choice((0.0, 0.05, 0.15)) * wild,
            lose_answer=source.choice((0.0, 0.1, 0.3)) * wild,
            double=source.choice((0.0, 0.1, 0.3)),
            longest_delay=source.choice((0.01, 0.05, 0.4)),
            straggler=source.choice((0.0, 0.02, 0.1)),
            abandon=source.choice((0.0, 0.5)),
        )
        parts.manners.lose_call = source.choice((0.0, 0.1))
        parts.manners.lose_answer = source.choice((0.0, 0.1))
        parts.manners.impatience = source.choice((0.0, 0.15))
        self._disk_failure = source.choice((0.0, 0.0, 0.02))
        parts.provider.is_troubled = True
        self._start(self._strike())
        if self.joins_late:
            self._start(self._join_late())

    def begin_beside(self, lost: Region) -> None:
        """Coordinators and other regions are killed, and their links cut, while `lost` loses its database."""
        self._spared = lost
        self._chosen = [self._crash_coordinator, self._crash_region, self._cut_link]
        self._start(self._strike())

    async def heal(self) -> None:
        """Everything works from now on, and every region knows how the federation stands."""
        parts = self._parts
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        parts.network.weather = Weather()
        parts.network.cut.clear()
        for name in ("lose_call", "lose_answer", "impatience"):
            setattr(parts.manners, name, 0.0)
        self._disk_failure = 0.0
        parts.provider.is_troubled = False
        if self._plans_last_number:
            parts.coordinator.move_number(UNPLANNED, "henan")
        if parts.coordinator.process is None:
            parts.coordinator.start()
        for region in parts.regions:
            region.ports.disk.crash_at = ""
            parts.coordinator.set_state(region.name, MemberState.MEMBER_STATE_JOINED)
            if region.node is None:
                region.kill()
                await region.start()
        parts.history.note("faults", "are over")

    def _kinds(self) -> list[Fault]:
        return [
            self._crash_region,
            self._crash_at_commit,
            self._crash_at_commit,
            self._crash_coordinator,
            self._cut_link,
            self._cut_link,
            self._isolate,
            self._step_clock,
            self._pass_days,
            self._suspend,
            self._move_number,
            self._move_number,
        ]

    def _start(self, work: Coroutine[object, object, None]) -> None:
        outside = contextvars.Context()  # whichever process has just crashed: what it has begun ends with it
        self._tasks.append(asyncio.get_running_loop().create_task(work, context=outside))

    async def _strike(self) -> None:
        while self._chosen:
            await asyncio.sleep(self._source.uniform(0.1, 2.5))
            self._start(self._source.choice(self._chosen)())

    async def _crash_region(self) -> None:
        await self._down(self._any_region())

    def _any_region(self) -> Region:
        return self._source.choice([each for each in self._parts.regions if each is not self._spared])

    async def _down(self, region: Region) -> None:
        if region.node is not None:
            self._parts.history.count("crashes of a region")
            region.kill()
            await self._up_again(region)

    async def _up_again(self, region: Region) -> None:
        if self._source.random() < 0.3:
            self._set_error(region, self._source.uniform(-CLOCK_ERROR, CLOCK_ERROR))
        await asyncio.sleep(self._source.choice((0.01, 0.5, 3.0, 10.0)))
        if region.process is None:
            await region.start()

    async def _crash_at_commit(self) -> None:
        region = self._source.choice(self._parts.regions)
        disk = region.ports.disk
        disk.crash_at = point = self._source.choice((BEFORE, AFTER))
        disk.commits_left = self._source.choice((0, 1, 2, 5))

        def crash(process: Process) -> None:
            self._parts.history.count(f"crashes {point}")
            (crashed,) = (each for each in region.processes if each.process is process)
            crashed.kill()
            self._start(self._up_again(crashed))

        disk.crash = crash

    async def _isolate(self) -> None:
        """A region is cut off for a while in which its clock steps back and its process starts again."""
        region, cut = self._source.choice(self._parts.regions), self._parts.network.cut
        if region.name in cut:
            return
        self._parts.history.count("regions isolated")
        cut.add(region.name)
        await asyncio.sleep(self._source.uniform(1.0, 4.0))
        self._set_error(region, -CLOCK_ERROR)
        await asyncio.sleep(self._source.uniform(1.0, 6.0))
        await self._down(region)
        cut.discard(region.name)

    async def _crash_coordinator(self) -> None:
        coordinator = self._parts.coordinator
        if coordinator.process is not None:
            self._parts.history.count("crashes of the coordinator")
            coordinator.kill()
            await asyncio.sleep(self._source.choice((0.01, 0.5, 5.0)))
            coordinator.start()

    async def _cut_link(self) -> None:
        link, cut = self._any_region().name, self._parts.network.cut
        if link in cut:
            return
        self._parts.history.count("links cut")
        self._parts.history.note("faults", f"the link of {link} is cut")
        cut.add(link)
        await asyncio.sleep(self._source.choice((0.05, 1.0, 6.0, 15.0)))
        cut.discard(link)
        self._parts.history.note("faults", f"the link of {link} is whole again")

    async def _step_clock(self) -> None:
        error = self._source.uniform(-CLOCK_ERROR, CLOCK_ERROR)
        region = self._source.choice(self._parts.regions)
        self._set_error(region, error)
        if abs(error) > _WILD:
            self._parts.history.count("wild clocks")
            region.ports.clock.wild = timedelta(seconds=error * _YEAR)
            try:
                await asyncio.sleep(_WILD_FOR)
            finally:
                region.ports.clock.wild = timedelta(0)

    def _set_error(self, region: Region, error: float) -> None:
        region.ports.clock.error = timedelta(seconds=error)
        self._parts.history.count("clocks stepped")
        self._parts.history.note(region.name, f"its clock is off by {region.ports.clock.error.total_seconds():.3f} s")

    async def _pass_days(self) -> None:
        if self._leaps == 2:
            return
        self._leaps += 1
        days = 8.0 if self._source.random() < 0.2 else self._source.uniform(0.05, 3.0)
        self._parts.wall.leap(timedelta(days=days))
        self._parts.history.count("weeks passed" if days > 7 else "days passed")
        self._parts.history.note("faults", f"{days:.3f} days pass")
        if self._source.random() < 0.5:
            await self._crash_at_commit()  # while timers fire that have fallen due

    async def _suspend(self) -> None:
        region, coordinator = self._source.choice(self._parts.regions), self._parts.coordinator
        if coordinator.state_of(region.name) != MemberState.MEMBER_STATE_JOINED:
            return
        self._parts.history.count("regions suspended")
        coordinator.set_state(region.name, MemberState.MEMBER_STATE_SUSPENDED)
        await asyncio.sleep(self._source.choice((1.0, 8.0)))
        coordinator.set_state(region.name, MemberState.MEMBER_STATE_JOINED)

    async def _join_late(self) -> None:
        await asyncio.sleep(self._source.uniform(2.0, 25.0))
        region = next(each for each in self._parts.regions if each.name == LATE)
        self._parts.history.count("regions joined late")
        self._parts.coordinator.set_state(LATE, MemberState.MEMBER_STATE_JOINED)
        if region.process is None:
            await region.start()

    async def _move_number(self) -> None:
        """Moves a number, if it can in an instant in which an answer about it is still on its way."""
        patience = self._source.uniform(0.0, 10.0)
        moves = [self._draw_move(each) for each in subscribers() if "moves" in each.traits]
        self._source.shuffle(moves)
        while True:
            possible = [each for each in moves if self._may_happen(each)]
            delicate = [each for each in possible if is_delicate(each, self._parts.regions)]
            if delicate or (patience <= 0.0 and possible):
                break
            if patience <= -10.0:
                return
            await asyncio.sleep(0.2)
            patience -= 0.2
        if delicate:
            self._parts.history.count("numbers moved with an answer on its way")
        self._parts.history.count("numbers moved")
        move = (delicate or possible)[0]
        homes = self.moved.setdefault(move.number, [move.source.name])
        if move.target.name in homes:
            self._parts.history.count("numbers moved back")
        homes.append(move.target.name)
        carry_out(move, self._parts.coordinator)

    def _draw_move(self, subscriber: Subscriber) -> Move:
        regions = {each.name: each for each in self._parts.regions}
        left = regions.pop(self.moved.get(subscriber.number, [subscriber.region])[-1])
        return Move(subscriber.number, left, self._source.choice(list(regions.values())))

    def _may_happen(self, move: Move) -> bool:
        joined = self._parts.coordinator.state_of(move.target.name) != MemberState.MEMBER_STATE_ABSENT
        return joined and is_possible(move)
