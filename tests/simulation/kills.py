"""A calm federation on virtual time in which one process is killed at one named fail point, and starts again."""

import asyncio
import contextlib
import contextvars
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from unittest import mock

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.process import failpoints
from gateway.store.port import Transaction
from tests.simulation.businesses import PROVIDER_REGION
from tests.simulation.coordinator import Coordinator, ToCoordinator
from tests.simulation.disk import Disk
from tests.simulation.federation import asks_provider, tells_coordinators
from tests.simulation.history import History
from tests.simulation.network import Network
from tests.simulation.people import Line, Manners
from tests.simulation.provider import Provider
from tests.simulation.region import Region, RegionPorts, open_envelopes
from tests.simulation.relocating import has_unplanned_moves
from tests.simulation.verification import Phones
from tests.simulation.virtual_time import NodeClock, VirtualLoop, WallTime, running_process
from tests.simulation.world import REGIONS, START, drawn_keys, first_database

Story = Callable[["Calm"], Awaitable[None]]
Left = dict[str, int]
"""The number of rows in each table of a region."""

_DOWN = 0.5  # seconds until a killed process is started again
_QUIET = 6  # seconds without work after which nothing more comes
_LONGEST = 600  # seconds


class Killed(asyncio.CancelledError):
    """The process is gone: no line of its code after the fail point runs."""


class Calm:
    """A federation without faults, and those who call its regions."""

    def __init__(self, loop: VirtualLoop, point: str, time: int) -> None:
        self.reached: Counter[str] = Counter()
        self.history = History(loop)
        self._loop = loop
        self._point, self._time = point, time
        self.has_killed = False
        self._source = random.Random("calm")
        self.wall = WallTime(loop, START)
        self._network = Network(self.history, self._fork())
        self._coordinator = Coordinator(self.history, self._network, NodeClock(self.wall), self._fork())
        self._phones, self._provider = Phones(self._fork()), Provider(self.history, self._fork())
        self._provider.refuses = 0.0
        self.regions = {name: self._region(name) for name in REGIONS}
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, story: Story) -> None:
        """Plays a story to its end, until nothing more comes of it."""
        self._coordinator.start()
        for region in self.regions.values():
            self._coordinator.admit(region, MemberState.MEMBER_STATE_JOINED)
        for region in self.regions.values():
            region.learn(self._coordinator.knowledge())
            await region.start()
        self._tasks.append(self._loop.create_task(self._coordinator.tell()))
        try:
            await story(self)
            await self.become_quiet()
        finally:
            for task in self._tasks:
                task.cancel()
            for region in self.regions.values():
                region.kill()
            self._coordinator.kill()
            await asyncio.sleep(0.1)

    def line(self, region: str) -> Line:
        """How somebody calls a region: again and again, with the same id, until there is an answer."""
        return Line(self.regions[region], self.history, self._fork(), Manners())

    async def become_quiet(self) -> None:
        """Waits until everybody is up and nothing is under way."""
        quiet = 0
        for _ in range(_LONGEST):
            await asyncio.sleep(1.0)
            quiet = 0 if self._is_busy() else quiet + 1
            if quiet == _QUIET:
                return
        raise AssertionError(f"still not quiet after {_LONGEST} s")

    async def pass_time(self, duration: timedelta) -> None:
        """Lets a time pass, and what falls due in it be done."""
        await self.become_quiet()
        self.wall.leap(duration)
        await self.become_quiet()

    def reach(self, name: str) -> None:
        """Stands in for the fail points of processes: kills the one that reaches the armed point at its time."""
        self.reached[name] += 1
        if name != self._point or self.reached[name] != self._time:
            return
        process, self.has_killed = running_process(), True
        for region in self.regions.values():
            if region.process is process:
                region.kill()
                outside = contextvars.Context()
                self._tasks.append(self._loop.create_task(_started_again(region), context=outside))
                raise Killed
        assert process is not None, f"{name} was reached outside of every process"
        self._coordinator.kill()
        self._coordinator.start()
        raise Killed

    def close(self) -> None:
        """Lets go of the databases."""
        for region in self.regions.values():
            region.ports.disk.close()

    def _fork(self) -> random.Random:
        return random.Random(self._source.getrandbits(64))

    def _region(self, name: str) -> Region:
        keys = drawn_keys(name, random.Random(f"calm {name}"))
        carrier = ToCoordinator(self._network, name, self._coordinator)
        ports = RegionPorts(
            self.history,
            NodeClock(self.wall),
            Disk(first_database(name), lambda: False, keys),
            keys,
            self._fork(),
            carrier,
            self._phones,
            self._network.see,
            carrier,
            self._provider if name == PROVIDER_REGION else None,
        )
        return Region(name, ports)

    def _is_busy(self) -> bool:
        return self._network.under_way > 0 or any(
            not each.is_idle()
            or open_envelopes(each)
            or asks_provider(each)
            or tells_coordinators(each)
            or has_unplanned_moves(each)
            for each in self.regions.values()
        )


@dataclass(frozen=True)
class Played:
    """The results of a story: the count of each fail point, each region's rows, and whether it had a kill."""

    reached: Counter[str]
    left: dict[str, Left]
    has_killed: bool


def play(story: Story, point: str = "", time: int = 1) -> Played:
    """Plays a story on a loop of its own; the process that reaches `point` for that time is killed there."""
    with contextlib.closing(VirtualLoop()) as loop:
        calm = Calm(loop, point, time)
        defects: list[str] = []
        loop.set_exception_handler(lambda _, context: _note(defects, context))
        with contextlib.closing(calm), mock.patch.object(failpoints, "reach", calm.reach), _quietly():
            loop.run_until_complete(calm.run(story))
            left = {name: region.ports.disk.read(_left) for name, region in calm.regions.items()}
        assert not defects, defects
        return Played(calm.reached, left, calm.has_killed)


async def _started_again(region: Region) -> None:
    await asyncio.sleep(_DOWN)
    await region.start()


def _left(tx: Transaction) -> Left:
    tables = tx.all(str, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    left: Left = {name: tx.all(int, f"SELECT COUNT(*) FROM {name}")[0] for name in tables}
    # Two regions let the limit of a fault pass at the same time: whose word is first decides on this notice.
    heard = "SELECT COUNT(*) FROM notices WHERE notice_id NOT LIKE '%/unheard/%'"
    return {**left, "notices": tx.all(int, heard)[0]}


def _note(defects: list[str], context: Mapping[str, object]) -> None:
    if not isinstance(context.get("exception"), Killed):
        defects.append(repr(context))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The shipped code's log of a broken call is expected here."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
