"""Machines whose clocks step forward and back, within the bound and beyond it, or run too fast or too slowly.

The coordinator's is one of them. Regions and the coordinator tell each other their time, as heartbeats do.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import timedelta

from gateway.time.clock import MAX_CLOCK_ERROR
from tests.simulation.coordinator import Coordinator
from tests.simulation.faults import CLOCK_ERROR
from tests.simulation.history import History
from tests.simulation.region import Region
from tests.simulation.virtual_time import NodeClock

COORDINATOR = "coordinator"
KINDS = (
    "wild clocks: within the bound",
    "wild clocks: beyond the bound",
    "wild clocks: drifting",
    "wild clocks: of the coordinator",
)
_HEARTBEAT = 1.0  # seconds between two tellings of the time
_BEYOND = (31.0, 90.0, 3_600.0, 86_400.0, 400 * 86_400.0)  # seconds
_LASTS = (1.0, 8.0)  # seconds that a clock is wild
_FASTEST = 12.0  # seconds that a drifting clock gains or loses in one


class WildClocks:
    """The clocks of one run."""

    def __init__(
        self, history: History, coordinator: Coordinator, regions: Sequence[Region], source: random.Random
    ) -> None:
        self._history = history
        self._coordinator = coordinator
        self._regions = regions
        self._source = source
        coordinator.hears_clocks = True

    async def run(self) -> None:
        """Disturbs one clock after another, for ever."""
        while True:
            await asyncio.sleep(self._source.uniform(0.2, 2.0))
            name, clock = self._source.choice(self._clocks())
            disturb = self._source.choice((self._step_within, self._step_beyond, self._drift))
            if name == COORDINATOR:
                self._history.count("wild clocks: of the coordinator")
            try:
                await disturb(name, clock)
            finally:
                clock.wild = timedelta(0)

    async def tell_for_ever(self) -> None:
        """Lets each process that is up and reached hear the time of the others."""
        while True:
            await asyncio.sleep(_HEARTBEAT)
            self._tell(self._coordinator.reaches)

    def heal(self) -> None:
        """Everybody hears the right time: the faults are over."""
        self._coordinator.machine.error = timedelta(0)
        self._tell(lambda region: True)

    def _clocks(self) -> list[tuple[str, NodeClock]]:
        machines = [(each.name, each.ports.clock) for region in self._regions for each in region.processes]
        return [(COORDINATOR, self._coordinator.machine), *machines]

    async def _step_within(self, name: str, clock: NodeClock) -> None:
        error = self._source.uniform(-CLOCK_ERROR, CLOCK_ERROR)
        clock.error = timedelta(seconds=error)
        self._note(name, "within the bound", f"its clock is off by {error:.3f} s")

    async def _step_beyond(self, name: str, clock: NodeClock) -> None:
        error = self._source.choice(_BEYOND) * self._source.choice((-1, 1))
        clock.wild = timedelta(seconds=error)
        self._note(name, "beyond the bound", f"its clock steps by {error:.0f} s")
        await asyncio.sleep(self._source.uniform(*_LASTS))

    async def _drift(self, name: str, clock: NodeClock) -> None:
        """A clock that drifts passes the bound, and is beyond it for a while."""
        rate = self._source.uniform(2.0, _FASTEST) * self._source.choice((-1, 1))
        self._note(name, "drifting", f"its clock gains {rate:.3f} s in each")
        while abs(clock.wild) < 2 * MAX_CLOCK_ERROR:
            await asyncio.sleep(_HEARTBEAT)
            clock.wild += timedelta(seconds=rate)

    def _note(self, name: str, how: str, what: str) -> None:
        self._history.count(f"wild clocks: {how}")
        self._history.note(name, what)

    def _tell(self, reaches: Callable[[Region], bool]) -> None:
        coordinator = self._coordinator
        for region in self._regions:
            for each in region.processes:
                if each.node is not None and coordinator.process is not None and reaches(region):
                    each.node.core.context.border.clock.hear(COORDINATOR, coordinator.clock.now())
                    coordinator.clock.hear(region.name, each.ports.clock.now())
