"""The nights after the faults of a run: regions agree, what is planted is named, and two accountants repair it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from gateway.errors import Refused, reason_name
from tests.simulation import accountants
from tests.simulation.accountants import REPAIRED, ZONE, Accountant, Planted
from tests.simulation.history import History
from tests.simulation.region import Region
from tests.simulation.virtual_time import WallTime

_LATER = timedelta(minutes=1)  # after midnight: clocks differ by seconds
_LONGEST = 120  # seconds until a proposal has arrived


@dataclass
class Nights:
    """The nights of one run, and the accountants of its regions."""

    history: History
    wall: WallTime
    regions: Sequence[Region]
    accountants: Mapping[str, Accountant]
    source: random.Random
    become_quiet: Callable[[], Awaitable[bool]]

    async def live(self) -> None:
        """Three nights: nothing differs; what is planted in between is named; it is repaired, and gone."""
        await self.become_quiet()
        await self._night()
        accountants.check_named(self.regions, (), self.history)
        planted = accountants.plant(self.regions, self.source, self.history, self.wall.now())
        await self._night()
        accountants.check_named(self.regions, planted, self.history)
        for each in planted:
            await self._repair(each)
        await self.become_quiet()
        await self._night()
        accountants.check_named(self.regions, (), self.history)
        accountants.check_repaired(self.regions, planted, self.history)
        accountants.check_never_missing(self.regions, self.history)

    async def _night(self) -> None:
        now = self.wall.now()
        midnight = datetime.combine(now.astimezone(ZONE).date() + timedelta(days=1), time(), ZONE)
        self.wall.leap(midnight - now + _LATER)
        self.history.count("nights passed")
        await self.become_quiet()

    async def _repair(self, planted: Planted) -> None:
        """One region proposes, the other confirms; in half of the repairs a process of one is killed meanwhile."""
        proposing, deciding = self.source.sample((planted.region, planted.other), 2)
        killing = asyncio.get_running_loop().create_task(self._kill(self.source.choice((proposing, deciding))))
        try:
            repair = await self.accountants[proposing].propose(planted, deciding)
            if await self._arrives(deciding, repair, planted.serial):
                await self.accountants[deciding].confirm(repair, planted.serial)
        except Refused as refused:
            self.history.broken(REPAIRED, planted.serial, f"a repair is refused: {reason_name(refused.reason)}")
        await killing

    async def _kill(self, name: str) -> None:
        if self.source.random() < 0.5:
            return
        [region] = [each for each in self.regions if each.name == name]
        await asyncio.sleep(self.source.choice((0.0, 0.01, 0.1, 1.0)) * self.source.random())
        region.kill()
        self.history.count("kills during a repair")
        await asyncio.sleep(self.source.uniform(0.1, 3.0))
        await region.start()

    async def _arrives(self, deciding: str, repair: str, serial: str) -> bool:
        [region] = [each for each in self.regions if each.name == deciding]
        for _ in range(_LONGEST):
            if accountants.has_proposal(region, repair, serial):
                return True
            await asyncio.sleep(1.0)
        self.history.broken("nothing lost", serial, f"the proposal of a repair does not reach {deciding}")
        return False
