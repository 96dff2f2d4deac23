"""Customers who move to another home region for good, some twice and some back, while people order for them."""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.api.region.v1.customer_move_pb2 import CustomerMove
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.relay.border import Moved
from gateway.store.port import Operation, Transaction
from region_node.customers.status import ACTIVE
from region_node.lifecycle.moving import operations, rules
from region_node.lifecycle.moving.rows import find_move
from tests.simulation.coordinator import Coordinator
from tests.simulation.history import History
from tests.simulation.people import Line
from tests.simulation.region import Region
from tests.simulation.world import PLANS, REGIONS, Subscriber, subscribers

FIRST_SEED = 30_000
"""Customers move in the runs from this seed on, so that the earlier ones stay what they were."""
ONE = "exactly one owner"
_GIVES_UP = 95.0  # virtual seconds: soon after the faults no move begins any more
_BACKED_UP = 0.15  # of all moves, before and after their confirmation
_BACKED_UP_BEFORE = 0.3  # of all moves, the new home before their confirmation
_RECOVERED = 60  # virtual seconds, after which a new home has its customers again
_LOOK = 0.25  # seconds between looks at who owns a customer


@dataclass
class Relocation:
    """A customer with all homes that it wants, one after another, and the moves that were begun."""

    subscriber: Subscriber
    begins: float  # virtual seconds
    targets: Sequence[str]
    changes_mind: bool
    """Whether the first move is cancelled before its confirmation."""
    too_late: bool
    """Whether somebody tries to cancel each move once it is confirmed."""
    homes: list[str] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)
    """The ids of the moves that were begun, in their order."""
    accounts: list[str] = field(default_factory=list)
    """The account that each of these moves closes."""
    backups: list[tuple[str, bytes]] = field(default_factory=list)
    """Databases of former homes, each with its region, of before and after the confirmation of a move."""
    arrivals: dict[str, bytes] = field(default_factory=dict)
    """Databases of new homes of before the confirmation, by move."""
    last: str = ""
    """The move by which the customer came to the present home; empty for one who has not moved."""

    @property
    def number(self) -> str:
        """The customer's number."""
        return self.subscriber.number

    @property
    def customer_ids(self) -> Sequence[str]:
        """All ids that the customer may have had, in any region."""
        return [self.subscriber.customer_id, *map(rules.ids_at_new_home, self.moves)]

    @property
    def aliases(self) -> Mapping[str, str]:
        """The ids at the start of customer, line and account, by those of later homes."""
        known, begun = self.subscriber, [rules.ids_at_new_home(each) for each in self.moves]
        return {
            **dict.fromkeys(begun, known.customer_id),
            **{f"{each}-0": known.product_id for each in begun},
            **{f"account-{each}-0": known.account_id for each in begun},
        }

    @property
    def came_back(self) -> bool:
        """Whether a region has become the home again."""
        return len(set(self.homes)) < len(self.homes)


def draw_relocations(source: random.Random, seed: int, seconds: float) -> list[Relocation]:
    """The customers of a run who move, each with a time at which it begins."""
    movers = [each for each in subscribers() if "relocates" in each.traits] if seed >= FIRST_SEED else []
    return [_draw(source, each, seconds) for each in movers]


def _draw(source: random.Random, subscriber: Subscriber, seconds: float) -> Relocation:
    first, second = source.sample([each for each in REGIONS if each != subscriber.region], 2)
    return Relocation(
        subscriber,
        source.uniform(0.0, seconds),
        source.choice(((first,), (first, second), (first, subscriber.region), (first, subscriber.region, second))),
        changes_mind=source.random() < 0.2,
        too_late=source.random() < 0.5,
        homes=[subscriber.region],
    )


class Mover:
    """Asks each home of a customer for the next move, again and again until nothing stands in its way."""

    def __init__(self, relocation: Relocation, lines: Mapping[str, Line], source: random.Random) -> None:
        self._relocation = relocation
        self._lines = lines
        self._source = source
        self._history: History = lines[relocation.homes[0]].history
        self._asked = 0
        self._account = relocation.subscriber.account_id

    async def run(self) -> None:
        """Moves through all homes, as far as the customer gets in time."""
        relocation = self._relocation
        await asyncio.sleep(relocation.begins)
        for target in relocation.targets:
            while not await self._move(target):
                await asyncio.sleep(self._source.uniform(0.5, 4.0))
                if asyncio.get_running_loop().time() > _GIVES_UP:
                    return
            relocation.homes.append(target)
            relocation.last = relocation.moves[-1]
            self._account = f"account-{rules.ids_at_new_home(relocation.moves[-1])}-0"
            await asyncio.sleep(self._source.choice((0.0, 0.1, 3.0)))

    async def _move(self, target: str) -> bool:
        """Whether the customer is at the new home. An obstacle ends the attempt, and the next one has another id."""
        relocation, line = self._relocation, self._lines[self._relocation.homes[-1]]
        self._asked += 1
        asked = CustomerMove(id=f"{line.region.name}/counter/{self._name}", to_region=target)
        asked.lines.add(number=relocation.number, plan_id=PLANS[target][0])
        if not await self._done(line, asked.id, "start", lambda tx: self._start(tx, line, asked)):
            return False
        relocation.moves.append(asked.id)
        relocation.accounts.append(self._account)
        if relocation.changes_mind:
            relocation.changes_mind = False
            await self._done(line, asked.id, "cancel", lambda tx: self._cancel(tx, line, asked.id))
            return False
        self._back_up(line.region)
        if (
            random.Random(asked.id).random() < _BACKED_UP_BEFORE
        ):  # a source of its own: earlier seeds stay what they were
            target_disk = self._lines[target].region.ports.disk
            relocation.arrivals[asked.id] = target_disk.connection.serialize()
        for _ in range(2 if self._source.random() < 0.3 else 1):
            if not await self._done(line, asked.id, "confirm", lambda tx: self._confirm(tx, line, asked.id)):
                await self._done(line, asked.id, "cancel", lambda tx: self._cancel(tx, line, asked.id))
                return False
        self._back_up(line.region)
        cancels = relocation.too_late
        if cancels and await self._done(line, asked.id, "cancel", lambda tx: self._cancel(tx, line, asked.id)):
            self._history.broken(ONE, asked.id, "it was confirmed, and could be cancelled")
            return False
        return await self._ended(line, asked.id)

    def _back_up(self, region: Region) -> None:
        if self._source.random() < _BACKED_UP:
            self._relocation.backups.append((region.name, region.ports.disk.connection.serialize()))

    @property
    def _name(self) -> str:
        return f"move-{self._relocation.number[1:]}-{self._asked}"

    def _start(self, tx: Transaction, line: Line, asked: CustomerMove) -> CustomerMove:
        node = line.region.node
        assert node is not None, "its own process runs this"
        now = line.region.ports.clock.of_people()
        return operations.start(tx, node.core.registry, asked, self._relocation.number, now)

    def _confirm(self, tx: Transaction, line: Line, move_id: str) -> CustomerMove:
        node = line.region.node
        assert node is not None, "its own process runs this"
        now = line.region.ports.clock.of_people()
        return operations.confirm(tx, node.core.registry, move_id, now, f"trace-of-{move_id}")

    def _cancel(self, tx: Transaction, line: Line, move_id: str) -> CustomerMove:
        return operations.cancel(tx, move_id, line.region.ports.clock.of_people())

    async def _done(self, line: Line, move_id: str, verb: str, operation: Operation[CustomerMove]) -> bool:
        """Whether the region has done it. A refusal is noted."""
        try:
            await line.insist(lambda node: node.store.write(operation))
        except Refused as refused:
            self._history.note("movers", f"{verb} is refused: {reason_name(refused.reason)}", move_id)
            return False
        except Moved as moved:
            self._history.broken(ONE, move_id, f"its home {line.region.name} says that it is of {moved.region}")
            return False
        self._history.note("movers", f"{verb} is done", move_id)
        return True

    async def _ended(self, line: Line, move_id: str) -> bool:
        """Waits until the old home knows the new home's answer; returns whether the customer has moved."""
        while True:
            move = await line.insist(lambda node: node.store.read(lambda tx: find_move(tx, move_id)))
            if move is None:
                self._history.broken("durable", move_id, "it was confirmed, and is gone")
                return False
            if move.state == rules.MOVED:
                self._history.count("customers moved")
                self._history.note("movers", f"has moved to {move.to_region}", move_id)
                return True
            if move.state != rules.MOVING:
                told = f"{rules.state_name(move.state)} for {Reason.Name(move.reason)}"
                self._history.broken("right outcome", move_id, f"it was confirmed, and is {told}")
                return False
            await asyncio.sleep(self._source.uniform(0.2, 1.0))


class Watch:
    """Looks again and again at who owns each customer who moves: never two regions."""

    def __init__(self, relocations: Sequence[Relocation], regions: Sequence[Region], history: History) -> None:
        self._relocations = relocations
        self._regions = regions
        self._history = history

    async def run(self) -> None:
        """Watches for ever."""
        while True:
            await asyncio.sleep(_LOOK)
            for each in self._relocations:
                owners = list(owners_of(each, self._regions))
                if len(owners) > 1:
                    self._history.broken(ONE, each.moves[-1], f"{each.number} is of {' and of '.join(owners)}")


class Backups:
    """Older databases of former homes, which somebody restores in the end."""

    def __init__(self, relocations: Sequence[Relocation], regions: Sequence[Region], history: History) -> None:
        self._relocations = relocations
        self._regions = {each.name: each for each in regions}
        self._history = history

    async def restore(self) -> None:
        """Starts each region with its backups, one after another: none makes it the home of anybody else's customer."""
        for name, backup in [each for relocation in self._relocations for each in relocation.backups]:
            region = self._regions[name]
            latest = await self._started(region, backup)
            self._history.count("databases restored")
            for each in self._relocations:
                if name in owners_of(each, [region]) and name != each.homes[-1]:
                    self._history.broken(ONE, each.moves[-1], f"an older database makes {name} the home again")
            await self._started(region, latest)

    async def _started(self, region: Region, database: bytes) -> bytes:
        """Starts a region with another database, and returns the one that it had."""
        region.kill()
        connection = region.ports.disk.connection
        before = connection.serialize()
        connection.deserialize(database)
        await region.start()
        await asyncio.sleep(_LOOK)
        return before


class LostArrivals:
    """Databases of new homes of before a take-over, which somebody restores in the end while all others go on."""

    def __init__(
        self, relocations: Sequence[Relocation], regions: Sequence[Region], coordinator: Coordinator, history: History
    ) -> None:
        self._relocations = relocations
        self._regions = regions
        self._coordinator = coordinator
        self._history = history

    async def restore(self) -> None:
        """Each customer is of its present home again, with the balance of the hand-over. All databases are put back."""
        for each in self._relocations:
            if each.last not in each.arrivals:
                continue
            latest = {region.name: region.ports.disk.connection.serialize() for region in self._regions}
            self._history.behind = each.homes[-1]  # no coordinator keeps a head of it, so it finds no loss
            self._coordinator.start()
            for region in self._regions:
                if region.name == each.homes[-1]:
                    region.ports.disk.connection.deserialize(each.arrivals[each.last])
                await region.start()
            self._history.count("new homes restored")
            await self._require_recovered(each)
            self._coordinator.kill()
            for region in self._regions:
                region.kill()
                region.ports.disk.connection.deserialize(latest[region.name])
            self._history.behind = ""

    async def _require_recovered(self, relocation: Relocation) -> None:
        home, owners = relocation.homes[-1], list[str]()
        for _ in range(_RECOVERED):
            await asyncio.sleep(1.0)
            owners = list(owners_of(relocation, self._regions))
            if home in owners:
                break
        if owners != [home]:
            text = f"{home} has lost {relocation.number} with a newer database, which is of {' and of '.join(owners)}"
            self._history.broken(ONE, relocation.last, text)
            return
        sql = "SELECT SUM(amount) FROM ledger_entries WHERE posting_id LIKE ? AND account LIKE ?"
        told = [
            region.ports.disk.connection.execute(sql, (f"{relocation.last}#balance/%", account)).fetchone()[0] or 0
            for region in self._regions
            for account in ("receivable/%", "payable/%")
        ]
        if sum(told):
            self._history.broken(ONE, relocation.last, f"both homes have booked other balances of it: {told}")


def owners_of(relocation: Relocation, regions: Sequence[Region]) -> Iterator[str]:
    """The regions that have a customer as their own and in use."""
    ids = relocation.customer_ids
    marks = ", ".join("?" * len(ids))
    sql = f"SELECT COUNT(*) FROM customers WHERE status = ? AND customer_id IN ({marks})"
    for region in regions:
        if region.ports.disk.connection.execute(sql, (ACTIVE, *ids)).fetchone()[0]:
            yield region.name


def has_unplanned_moves(region: Region) -> bool:
    """Whether a move of the region has ended that the number plan does not name yet."""
    sql = "SELECT COUNT(*) FROM customer_moves WHERE is_planned = 0"
    return bool(region.ports.disk.connection.execute(sql).fetchone()[0])
