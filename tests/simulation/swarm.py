"""Further kinds of faults, of which the runs of some seeds draw some each: the other runs stay what they were.

Timers fail by a defect whenever they fire, answers of the database to a COMMIT are lost, regions have a second
process on their database, which dies and comes back, and a crowd offers a region more than it serves. In later seeds
the clocks of regions and of the coordinator are wild.
"""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from datetime import timedelta

from gateway.relay.claims import LEASE_SECONDS
from gateway.store.port import Transaction
from gateway.store.timers import Timer, due_timers, set_timers
from gateway.time.clock import to_microseconds
from region_node.business.orders.steps import STEP_TIMER
from region_node.business.reconciliation.nightly import DAY_TIMER
from region_node.network.agreements.outages import CORRECTION_TIMER
from tests.simulation import overload
from tests.simulation.batch import run_batch
from tests.simulation.coordinator import Coordinator
from tests.simulation.disk import AFTER, BEFORE
from tests.simulation.history import POISON, History
from tests.simulation.overload import Overload
from tests.simulation.plans import Errand
from tests.simulation.region import Region, open_envelopes
from tests.simulation.virtual_time import NodeClock, WallTime
from tests.simulation.wild_clocks import WildClocks

FIRST_SEED, LAST_SEED = 5_000, 9_999
WILD_CLOCKS = 6_000  # the first seed with them
FIRES = "timers fire"
KINDS = (
    "timers poisoned",
    "answers to a commit lost",
    "second processes killed",
    "envelopes taken over",
    *overload.KINDS,
)
_POISONED = 150  # timers at once, more than a sweep takes
_POISONED_KINDS = (DAY_TIMER, CORRECTION_TIMER)
"""Timers whose handlers cannot read the subject of a poisoned one."""
_OLDER = timedelta(days=30)  # than all that is due
_LATEST = 15.0  # seconds in which a sound timer fires that is due, while its process works by a right clock
_MOST = 1_000  # timers of a region that are looked at
_LOST_ANSWERS = 0.02  # of all commits


class Swarm:
    """The further faults of one run."""

    def __init__(
        self, seed: int, history: History, wall: WallTime, coordinator: Coordinator, regions: Sequence[Region]
    ) -> None:
        self._history = history
        self._regions = regions
        self._source = source = random.Random(f"{seed} swarm")
        self._is_on = FIRST_SEED <= seed <= LAST_SEED
        self._poisons, self._loses_answers, shares = (self._is_on and source.random() < 0.6 for _ in range(3))
        self._is_lossy = False
        for each in regions:
            each.ports.disk.is_shared = self._loses_answers  # over a network, to a server
        self._seconds = [
            (each, each.share(NodeClock(wall), random.Random(source.getrandbits(64)))) for each in regions if shares
        ]
        self._overload = Overload(history, regions, source) if self._is_on and source.random() < 0.5 else None
        has_wild_clocks = WILD_CLOCKS <= seed <= LAST_SEED and source.random() < 0.8
        self._clocks = WildClocks(history, coordinator, regions, source) if has_wild_clocks else None
        self._tasks: list[asyncio.Task[None]] = []
        self._poisoned = 0

    @property
    def crowd(self) -> Sequence[Errand]:
        """The errands of those who come in a crowd and are not turned away."""
        return () if self._overload is None else self._overload.errands

    def begin(self) -> None:
        """The faults of this run begin."""
        if self._loses_answers:
            self._is_lossy = True
            for region in self._regions:
                region.ports.disk.loses_answer = self._loses_answer
        if self._poisons:
            self._start(self._poison_for_ever())
        for region, second in self._seconds:
            self._start(self._disturb(region, second))
        if self._overload is not None:
            self._start(self._overload.run())
        if self._clocks is not None:
            self._start(self._clocks.run())
            self._start(self._clocks.tell_for_ever())
        if self._is_on:
            self._start(self._watch())

    async def heal(self) -> None:
        """They are over: a version without the defect has come, and nothing is left of its timers."""
        self._is_lossy = False
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        for region in self._regions if self._poisons else ():
            run_batch(region.ports.disk, [_forget_poisoned])

    def settle_clocks(self) -> None:
        """Every process hears the right time; all of them are up."""
        if self._clocks is not None:
            self._clocks.heal()

    def _start(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    def _loses_answer(self) -> str:
        if not self._is_lossy or self._source.random() >= _LOST_ANSWERS:
            return ""
        self._history.count("answers to a commit lost")
        return self._source.choice((BEFORE, AFTER))

    async def _poison_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._source.uniform(1.0, 12.0))
            region, kind = self._source.choice(self._regions), self._source.choice(_POISONED_KINDS)
            if region.node is None:
                continue
            begin, self._poisoned = self._poisoned, self._poisoned + _POISONED
            due = to_microseconds(region.ports.clock.of_people() - _OLDER)
            timers = [Timer(f"{POISON}{begin + each}", kind, "poisoned", due + each) for each in range(_POISONED)]
            # Behind them, one that is sound: it is about an order that is not there any more.
            timers.append(Timer(f"sound/{begin}", STEP_TIMER, "", due + _POISONED))
            put = region.node.store.write(lambda tx, timers=timers: set_timers(tx, timers))  # type: ignore[misc]
            put.add_done_callback(_accept_refusal)
            self._history.count("timers poisoned")
            self._history.note(region.name, f"{_POISONED} timers of kind {kind} are poisoned")

    async def _disturb(self, region: Region, second: Region) -> None:
        """The second process of a region is killed again and again, for less and for more than a lease.

        One that is down at the end of the faults does not come back.
        """
        while True:
            if second.process is None and region.process is not None:
                await second.start()
            await asyncio.sleep(self._source.uniform(1.0, 10.0))
            if second.node is None:
                continue
            second.kill()
            self._history.count("second processes killed")
            left = _claimed(region, second.number) & set(open_envelopes(region))
            await asyncio.sleep(self._source.choice((0.1, 2.0, 2.0 * LEASE_SECONDS)))
            if left & _claimed(region, region.number):
                self._history.count("envelopes taken over")

    async def _watch(self) -> None:
        """Looks for sound timers that do not fire."""
        loop = asyncio.get_running_loop()
        due: dict[tuple[str, Timer], float] = {}
        while True:
            await asyncio.sleep(1.0)
            standing = dict[tuple[str, Timer], float]()
            for region in self._regions:
                for timer in _sound(region):
                    assert region.process is not None, "it has a node"
                    name = (region.process.name, timer)
                    standing[name] = due.get(name, loop.time())
            due = standing
            for (process, timer), since in due.items():
                if loop.time() - since > _LATEST:
                    what = f"a timer of kind {timer.kind} is due in {process} for {_LATEST:.0f} s"
                    self._history.broken(FIRES, timer.timer_id, what)


def _accept_refusal(put: "asyncio.Future[None]") -> None:
    """A failing disk may refuse the poison, and an answer about it may be lost: nobody asks again."""
    put.exception()


def _claimed(region: Region, number: int) -> set[str]:
    """The envelopes that a process has claimed, sent or not."""
    sql = "SELECT envelope_id FROM outbox WHERE claimed_by = :number"
    return set(region.ports.disk.read(lambda tx: tx.all(str, sql, number=number)))


def _sound(region: Region) -> list[Timer]:
    """The due timers of a region that works by a right clock: not the poisoned ones, nor those that are put off."""
    node = region.node
    if node is None or not node.core.context.border.clock.is_settled():
        return []
    now = node.core.context.border.clock.now()
    found = region.ports.disk.read(lambda tx: due_timers(tx, now, _MOST))
    return [each for each in found if not each.timer_id.startswith(POISON)]


def _forget_poisoned(tx: Transaction) -> None:
    for table in ("timers", "failed_timers"):
        tx.execute(f"DELETE FROM {table} WHERE timer_id LIKE :poisoned", poisoned=f"{POISON}%")
