"""A crowd that offers a region many times what it serves, while its disk is slow.

The door of each process and the lanes refuse what is too much. Nobody of the crowd asks again: an accepted order goes
its way, and a refused call leaves nothing behind.
"""

import asyncio
import random
from collections.abc import Sequence
from unittest import mock

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, is_temporary, reason_name
from region_node.requests import room
from region_node.requests.caller import Caller
from tests.simulation.history import History
from tests.simulation.plans import Errand, draw_errands
from tests.simulation.region import NoAnswer, Node, Region
from tests.simulation.world import operator

KINDS = ("turned away: CALLS_TOO_MANY", "turned away: TOO_BUSY", "accepted in a crowd")
_CROWD = 120  # callers
_ARRIVING = 0.5  # seconds in which all of them call
_BEGINS = (5.0, 25.0)  # seconds after the start of the run
_SLOW = 0.2  # seconds by which each commit is late
_PATIENCE = 10.0  # seconds
_LANE = 4  # waiting envelopes for one region, above which new work for it is refused


class Overload:
    """The crowd of one run, and its errands."""

    def __init__(self, history: History, regions: Sequence[Region], source: random.Random) -> None:
        self._history = history
        self._region = source.choice(regions)
        self._begins = source.uniform(*_BEGINS)
        self._crowd = draw_errands(source, _CROWD, _ARRIVING)
        self._turned_away: set[str] = set()
        for number, each in enumerate(self._crowd):
            each.region, each.request_id, each.answers = self._region.name, f"crowd{number}", False
        for process in self._region.processes:
            process.ports.has_door = True

    @property
    def errands(self) -> Sequence[Errand]:
        """The errands of those who were not turned away: no order of the others may exist."""
        return [each for each in self._crowd if each.order_id not in self._turned_away]

    async def run(self) -> None:
        """Comes once, and waits for its answers."""
        await asyncio.sleep(self._begins)
        disk = self._region.ports.disk
        disk.late = _SLOW
        try:
            with mock.patch.object(room, "LONGEST_LANE", _LANE):
                await asyncio.gather(*map(self._ask, self._crowd))
        finally:
            disk.late = 0.0

    async def _ask(self, errand: Errand) -> None:
        await asyncio.sleep(errand.begins)
        request = errand.fill_in(self._region.ports.clock.of_people())
        caller = Caller(operator(errand.region, errand.operator), errand.request_id, f"trace-of-{errand.order_id}")

        async def submit(node: Node) -> None:
            errand.seen.append(await node.core.application.submit(caller, request, 0.0))

        try:
            await self._region.call(submit, _PATIENCE, errand.operator)
        except NoAnswer:
            return
        except Refused as refused:
            if refused.reason == Reason.REASON_OUTCOME_UNKNOWN:
                return
            if is_temporary(refused.reason):
                self._turned_away.add(errand.order_id)
                self._history.count(f"turned away: {reason_name(refused.reason)}")
            else:
                errand.refused = refused.reason
        else:
            errand.accepted = True
            self._history.count("accepted in a crowd")
