"""Runs in which an older database takes the place of a region's own, and the others tell what it lacks.

The region finds that by itself, and serves nothing until people have accepted it. What two regions have of each other
is then the same, or people are told of it by the list of losses. In some seeds this happens beside other faults:
coordinators and other regions are killed, clocks are wild, regions have a second process, and a crowd comes.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.errors import Refused
from gateway.store import catch_ups, losses
from gateway.store.losses import Loss
from gateway.store.port import Store, Transaction
from region_node.approvals import rules as approvals
from region_node.approvals.operations import Awaited, Decision, decide
from region_node.approvals.rows import require_row
from region_node.lifecycle.recovery.operations import accept, lost_commands
from region_node.requests.auditing import AuditedCall
from tests.simulation import swarm
from tests.simulation.federation import Report, Simulation, simulated
from tests.simulation.fencing import HEAD_SECONDS
from tests.simulation.history import Violation
from tests.simulation.office import Office, share
from tests.simulation.region import Region
from tests.simulation.virtual_time import VirtualLoop
from tests.simulation.world import REGIONS, keys

T = TypeVar("T")

SAME = "regions have the same of each other"
FOUND = "losses are found"
PROVEN = ("rows lost", "commands done again")
_BUSY = 40.0  # seconds in which people ask for anything
_AWAY = (5.0, 15.0)  # seconds, longer than anything is on its way between regions
_CAUGHT_UP = 120  # seconds, after which every region has told everything
_FOUND_SECONDS = 20.0  # seconds in which a region finds what it has lost
_BESIDE_FAULTS = 60.0  # seconds, after which faults are over that keep it from those who know
_FOUND_AFTER_FAULTS = 60.0  # seconds in which it finds its loss then: it asks silent ones less and less often
_LOOK = 0.05  # seconds between two looks of this run
_MOST = 10_000  # lost commands that are looked at

_TICKETS = {
    "orders": ("order_id", "origin_region", "home_region"),
    "complaints": ("ticket_id", "origin_region", "owner_region"),
    "faults": ("fault_id", "origin_region", "owner_region"),
    "support_requests": ("support_request_id", "origin_region", "owner_region"),
    "issues": ("issue_id", "origin_region", "owner_region"),
    "loans": ("loan_id", "origin_region", "owner_region"),
    "joint_orders": ("joint_order_id", "origin_region", "origin_region"),
}
"""Of each table of tickets the columns of the id, of the origin, and of the owner."""
_NEVER_OWNED = ((0, OrderState.ORDER_STATE_REJECTED), (0, OrderState.ORDER_STATE_CANCELLED))
"""Version and state of orders that their home has refused, or that were cancelled before they left."""


@dataclass(frozen=True)
class Difference:
    """What two regions have otherwise than each other. `about` is a record."""

    about: str
    text: str


@dataclass(frozen=True)
class Copy:
    """A database at one moment, with the count of commits of each process, and the end of its audit chain."""

    content: bytes
    commits: Mapping[int, int]
    head: Head


class Losing(Simulation):
    """The run: business of all kinds, a database that is put back, business again, and a comparison."""

    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        super().__init__(seed, loop)
        self._moments = random.Random(f"{seed} moments")
        self._lost = self._moments.choice(self._regions)
        self._copied = self._moments.uniform(1.0, _BUSY * 0.6)
        self._worked = self._moments.uniform(0.5, 20.0)
        self._is_beside_faults = swarm.FIRST_SEED <= seed <= swarm.LAST_SEED
        self._has_faults = self._is_beside_faults
        for each in (each for region in self._regions for each in region.processes):
            each.ports.is_fenced = True

    async def run(self) -> None:
        """Runs everything and compares."""
        self._coordinator.start()
        for region in self._regions:
            self._coordinator.admit(region, MemberState.MEMBER_STATE_JOINED)
            region.learn(self._coordinator.knowledge())
            share(region)
            await region.start()
        self._tasks.append(self._loop.create_task(self._coordinator.tell()))
        self._begin_work()
        offices = [self._loop.create_task(Office(self._line(each)).run()) for each in self._regions]
        if self._is_beside_faults:
            self._faults.begin_beside(self._lost)
            self._swarm.begin()
        await asyncio.sleep(self._copied)
        await self._lose()
        await asyncio.sleep(max(_BUSY - self._copied - self._worked, 5.0))
        for each in offices:
            each.cancel()
        await self._heal()
        await self._catch_up()
        await self._become_quiet()
        self._compare()
        await self._end()
        # People see their orders go and come again, as after any loss. What differs in the end is told above.
        self.history.violations[:] = [each for each in self.history.violations if _is_told(each)]

    async def _heal(self) -> None:
        if self._has_faults:
            self._has_faults = False
            await self._swarm.heal()
            await self._faults.heal()
            self._swarm.settle_clocks()

    async def _lose(self) -> None:
        """The region stops, an older database takes the place of its own, and it starts again."""
        disk, copy = self._lost.ports.disk, self._copy()
        await asyncio.sleep(self._worked)
        await self._until(lambda: self._told() > copy.head.sequence)  # nobody can find what nobody was told
        await self._put_back(copy, disk.read(audit.head))

    async def _put_back(self, copy: Copy, end: Head) -> None:
        disk = self._lost.ports.disk
        for each in self._lost.processes:
            each.kill()
        await asyncio.sleep(self._moments.uniform(*_AWAY))
        disk.put_back(copy.content, copy.commits)
        self._note_lost("databases put back", copy, end)
        starting = self._loop.create_task(self._lost.start())
        await self._accept()
        await starting

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():  # noqa: ASYNC110 - it is looked at on virtual time
            await asyncio.sleep(_LOOK)

    def _copy(self) -> Copy:
        disk = self._lost.ports.disk
        return Copy(disk.connection.serialize(), disk.commits.copy(), disk.read(audit.head))

    def _told(self) -> int:
        """The last row of the region's chain that the coordinator has heard of."""
        told = self._coordinator.registry.head_of(self._lost.name)
        return 0 if told is None else told.sequence

    def _note_lost(self, how: str, copy: Copy, end: Head) -> None:
        self.history.count(how)
        self.history.counts["rows lost"] += end.sequence - copy.head.sequence
        self.history.note(self._lost.name, f"has lost its rows after {copy.head.sequence}")

    async def _accept(self) -> None:
        """The region finds its loss, and two members of its staff accept it."""
        within = _FOUND_SECONDS
        is_found = await self._is_found(_BESIDE_FAULTS if self._has_faults else within)
        if not is_found and self._is_beside_faults:
            within = _FOUND_AFTER_FAULTS
            await self._heal()
            is_found = await self._is_found(within)
        if not is_found:
            self.history.broken(FOUND, "-", f"{self._lost.name} has found none after {within:.0f} s")
            return
        store = self._lost.store
        assert store is not None, "its process has found the loss"
        awaited = await _insist(store, self._accepted)
        assert isinstance(awaited, Awaited)
        approval, now = awaited.approval.approval_id, self._lost.ports.clock.of_people()

        def confirm(tx: Transaction) -> None:
            if require_row(tx, approval).state != approvals.CONFIRMED:  # otherwise the answer alone was lost
                decide(tx, approval, Decision("li", confirmed=True), keys().trusted.revocations, now)

        await _insist(store, confirm)
        assert isinstance(await _insist(store, self._accepted), Loss)

    async def _is_found(self, within: float) -> bool:
        disk, until = self._lost.ports.disk, self._loop.time() + within
        while not disk.read(losses.has_open) and self._loop.time() <= until:  # noqa: ASYNC110 - on virtual time
            await asyncio.sleep(_LOOK)
        return disk.read(losses.has_open)

    def _accepted(self, tx: Transaction) -> Loss | Awaited:
        call = AuditedCall(f"region/{self._lost.name}/staff/wang", "wang", self._lost.ports.clock.of_people())
        return accept(tx, losses.losses(tx)[0].number, "INC-1", call, keys().trusted.revocations)

    async def _catch_up(self) -> None:
        disk = self._lost.ports.disk
        for _ in range(_CAUGHT_UP):
            if disk.read(losses.has_open):  # another process has found what it lacks since the first acceptance
                await self._accept()
            done, begun = disk.read(catch_ups.catch_ups), disk.read(catch_ups.begun)
            finished = [each for each in done if each.finish_time is not None]
            if begun and len(finished) == len(begun) * (len(REGIONS) - 1):
                self.history.counts["commands done again"] += sum(each.taken for each in done)
                return
            await asyncio.sleep(1.0)
        self.history.broken(SAME, "-", f"{self._lost.name} has not caught up after {_CAUGHT_UP} s")

    def _compare(self) -> None:
        listed = self._lost.ports.disk.read(lambda tx: lost_commands(tx, self._lost.name, (0, "", "", ""), _MOST))
        named = {each.subject for each in listed}
        for each in listed:
            self.history.note(
                self._lost.name, f"lists {each.failure} of {each.region}: {each.envelope_id}", each.subject
            )
        self.history.counts["commands listed"] += len(listed)
        for other in self._regions:
            for found in differences(self._lost, other) if other is not self._lost else ():
                if found.about in named:
                    self.history.count("differences named")
                else:
                    self.history.broken(SAME, found.about, found.text)


class LosingLittle(Losing):
    """The same, where the last seconds alone are lost, of which no coordinator was told.

    Another region has a receipt for a command of that time, and shows it.
    """

    async def _lose(self) -> None:
        """See `Losing`."""
        disk, copy = self._lost.ports.disk, self._copy()
        known = set(_acted_on(self._lost))
        while not self._has_receipt(set(_acted_on(self._lost)) - known):
            await asyncio.sleep(_LOOK)
            if self._told() > copy.head.sequence:
                copy, known = self._copy(), set(_acted_on(self._lost))
        await self._put_back(copy, disk.read(audit.head))

    def _has_receipt(self, commands: Iterable[tuple[str, str]]) -> bool:
        sql = "SELECT 1 FROM outbox WHERE envelope_id = ? AND receipt_content IS NOT NULL"
        regions = {each.name: each for each in self._regions}
        return any(regions[origin].ports.disk.connection.execute(sql, (name,)).fetchone() for origin, name in commands)


class FailingOver(Losing):
    """The same, where a standby takes over that lacks the last commits, while the process goes on.

    Nobody else was told of the lost rows: the process alone can find them.
    """

    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        super().__init__(seed, loop)
        self._worked = self._moments.uniform(0.2, HEAD_SECONDS * 0.8)

    async def _lose(self) -> None:
        """See `Losing`."""
        disk, told = self._lost.ports.disk, self._told()
        await self._until(lambda: self._told() != told)
        copy = self._copy()
        await asyncio.sleep(self._worked)
        first = self._lost.number  # a second process may be killed, and nobody finds what it alone knew
        await self._until(lambda: disk.commits[first] > copy.commits[first])
        end = disk.read(audit.head)
        disk.fail_over(copy.content, copy.commits)
        self._note_lost("databases failed over", copy, end)
        await self._accept()


async def _insist(store: Store, work: Callable[[Transaction], T]) -> T:
    """The result of a write of people, who ask again where they hear of none."""
    while True:
        try:
            return await store.write(work)
        except Refused as refused:
            if refused.reason != Reason.REASON_OUTCOME_UNKNOWN:
                raise
        await asyncio.sleep(_LOOK)


def _is_told(violation: Violation) -> bool:
    """Whether a violation is a loss or a difference that nobody has told, or an error that no refusal explains."""
    return violation.guarantee in (SAME, FOUND) or "Error(" in violation.text or "Exception(" in violation.text


def differences(lost: Region, other: Region) -> Iterator[Difference]:
    """What two regions have otherwise than each other: tickets of both, and money between them."""
    pair = (lost.name, other.name)
    for table, (key, origin, owner) in _TICKETS.items():
        here, there = (_tickets(each, table, (key, origin, owner)) for each in (lost, other))
        for name in sorted(here.keys() | there.keys()):
            found = here.get(name), there.get(name)
            known = found[0] or found[1]
            if known is None or found[0] == found[1]:
                continue
            if None not in found or (set(known[:2]) == set(pair) and known[2:] not in _NEVER_OWNED):
                yield Difference(name, f"{table} in {pair[0]} and {pair[1]}: {found[0]}, {found[1]}")
    mine, theirs = _owed(lost, other.name), _owed(other, lost.name)
    for about in sorted(mine.keys() | theirs.keys()):
        if mine[about] + theirs[about]:
            yield Difference(about, f"money of {pair[0]} and {pair[1]}: {mine[about]}, {theirs[about]}")


def _tickets(region: Region, table: str, columns: Sequence[str]) -> dict[str, tuple[str, str, int, int]]:
    """Origin, owner, version and state of tickets, by id."""
    key, origin, owner = columns
    sql = f"SELECT {key}, {origin}, {owner}, version, state FROM {table}"
    return {row[0]: row[1:] for row in region.ports.disk.connection.execute(sql)}


def _owed(region: Region, other: str) -> Counter[str]:
    """What a region has booked of what it owes another one, and of what that owes it, by the record behind it."""
    sql = "SELECT posting_id, amount FROM ledger_entries WHERE account IN (?, ?)"
    owed = Counter[str]()
    for posting, amount in region.ports.disk.connection.execute(sql, (f"payable/{other}", f"receivable/{other}")):
        owed[posting.partition("#")[0]] += amount
    return owed


def _acted_on(region: Region) -> Iterator[tuple[str, str]]:
    """The commands that a region has executed: origin and id."""
    yield from region.ports.disk.connection.execute("SELECT origin, envelope_id FROM inbox")


def lose(seed: int) -> Report:
    """Runs one seed on a loop of its own."""
    return simulated(seed, Losing, VirtualLoop)


def lose_little(seed: int) -> Report:
    """Runs one seed in which no coordinator was told of the lost rows."""
    return simulated(seed, LosingLittle, VirtualLoop)


def fail_over(seed: int) -> Report:
    """The same of a run with a fail-over."""
    return simulated(seed, FailingOver, VirtualLoop)
