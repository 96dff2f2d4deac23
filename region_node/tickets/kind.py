"""The common registration of owned and followed tickets for erasure, legal holds and retention."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from gateway.store.vault import destroy
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index
from region_node.records.kinds import (
    AboutNumber,
    Customer,
    Ended,
    ErasurePort,
    Forget,
    ForgetIndex,
    HoldPort,
    Kept,
    RecordKind,
    RetentionPort,
    RowFill,
    RowMigration,
    Table,
)
from region_node.records.purging.aged import aged
from region_node.records.purging.port import Cut, Page
from region_node.records.stored import Events
from region_node.tickets.followed import Facts, Followed, M, R

_INDEX = "number_index"
_NO_HOME = "''"


@dataclass(frozen=True)
class _Dated:
    ticket_id: str
    create_time: int
    index: str


@dataclass(frozen=True)
class _AboutNumber:
    ticket_id: str
    state: int
    origin_region: str
    owner_region: str
    home_region: str


@dataclass(frozen=True)
class TicketKind(Generic[M, R]):
    """A kind of ticket. Its table has the columns `number_index`, `origin_region`, `state` and `create_time`.

    An open ticket of an erased customer is destroyed once it has ended, in every region by the customer's status. A
    ticket is purged once it ended before the term, and every region has been notified.
    """

    name: str
    followed: Followed[M, R]
    counter: str
    """The column of the running number."""
    purged: str
    """The table that keeps the highest running number that was purged."""
    ended: Collection[int]
    """The states in which nobody works on a ticket any more."""
    changed: tuple[str, str]
    """The table and the column that tell when a ticket changed, in microseconds."""
    home_column: str = ""
    """That of the home region when the ticket was made; empty where the number plan in force says it."""
    events: Events | None = None
    """What happened to the tickets, where that is kept."""
    forget: Callable[[Transaction, str], None] = lambda tx, ticket_id: None
    """Removes data beside a ticket that is destroyed or purged."""
    indexed: Sequence[str] = ()
    """See ErasurePort."""
    forget_user: Forget = lambda tx, index: None
    """See ErasurePort."""
    forget_index: ForgetIndex = lambda tx, context, home, index: None
    """See ErasurePort."""
    indexes: Sequence[str] = (_INDEX,)
    """The columns with indexes of numbers, which become empty with a destroyed ticket."""
    kept_in: Callable[[Transaction, str], Sequence[str]] = lambda tx, ticket_id: ()
    """The regions with a copy besides the origin and the owner, which receive legal holds, too."""
    row_migrations: Mapping[str, RowMigration] = field(default_factory=dict)
    """See RecordKind."""
    row_fills: Sequence[RowFill] = ()
    """See RecordKind."""

    def registered(self, data_class: DataClass.ValueType) -> RecordKind:
        """Returns the kind for the registry of the application."""
        table, held = self._table, f" AND {self.home_column} = held.origin" if self.home_column else ""
        return RecordKind(
            self.name,
            ErasurePort(
                kept_of=self._kept_of,
                forget={self.name: self._forget},
                forget_user=self.forget_user,
                forget_index=self.forget_index,
                about=lambda tx, number: [
                    AboutNumber(each.ticket_id, each.home_region) for each in self._about(tx, number)
                ],
                ended=self._ended,
                indexed=self.indexed,
            ),
            HoldPort(
                held=f"SELECT held.subject, {_INDEX} FROM held"  # noqa: S608 - names of modules
                f" JOIN {table.name} ON {table.key} = held.subject{held}",
                may_hold=self._may_hold,
            ),
            RetentionPort(purgers={data_class: self}, table=table, is_open=self._is_open),
            self.row_migrations,
            self.row_fills,
        )

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the instant and the id of the last ticket that was looked at."""
        key, states = self._table.key, ", ".join(str(state) for state in sorted(self.ended))
        select = f"SELECT {key}, create_time, {_INDEX} FROM {self._table.name}"  # noqa: S608 - names of modules
        where = f"state IN ({states})"
        found = aged(tx, _Dated, select, cut, place, time="create_time", key=key, where=where)
        free = [each.ticket_id for each in found.rows if each.index not in cut.held.numbers]
        gone = [each for each in free if not _waits(tx, each) and not self._has_changed(tx, each, cut.before)]
        for ticket_id in gone:
            self._remove(tx, ticket_id)
        return Page(len(gone), len(found.rows) - len(free), found.behind)

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, f"SELECT create_time FROM {self._table.name} ORDER BY create_time LIMIT 1")  # noqa: S608

    def _remove(self, tx: Transaction, ticket_id: str) -> None:
        tx.execute(
            f"INSERT INTO {self.purged} (id, {self.counter}) SELECT 1, {self.counter} FROM {self._table.name}"  # noqa: S608
            f" WHERE {self._table.key} = :id ON CONFLICT (id) DO UPDATE SET {self.counter} ="
            f" CASE WHEN excluded.{self.counter} > {self.purged}.{self.counter} THEN excluded.{self.counter}"
            f" ELSE {self.purged}.{self.counter} END",
            id=ticket_id,
        )
        if self.events is not None:
            self.events.forget(tx, [ticket_id])
        self.forget(tx, ticket_id)
        tx.execute(f"DELETE FROM {self._table.name} WHERE {self._table.key} = :id", id=ticket_id)  # noqa: S608
        destroy(tx, self._subjects(ticket_id))

    @property
    def _table(self) -> Table:
        records = self.followed.records
        return Table(records.table, records.key, _INDEX)

    def _subjects(self, ticket_id: str) -> tuple[str, str]:
        return self.followed.records.subject(ticket_id), envelope_subject(ticket_id)

    def _about(self, tx: Transaction, number: str) -> Sequence[_AboutNumber]:
        """The tickets of a number that this region has."""
        if not number:
            return ()
        regions = f"origin_region, {self.followed.owner_column}, {self.home_column or _NO_HOME}"
        return tx.all(
            _AboutNumber,
            f"SELECT {self._table.key}, state, {regions} FROM {self._table.name}"  # noqa: S608 - names of modules
            f" WHERE {_INDEX} = :number AND {_INDEX} <> '' ORDER BY {self._table.key}",
            number=number_index(tx, number),
        )

    def _has_changed(self, tx: Transaction, ticket_id: str, before: int) -> bool:
        table, column = self.changed
        sql = f"SELECT 1 FROM {table} WHERE {self._table.key} = :id AND {column} >= :before LIMIT 1"  # noqa: S608
        return tx.first(int, sql, id=ticket_id, before=before) is not None

    def _kept_of(self, tx: Transaction, customer: Customer) -> Sequence[Kept]:
        def home(each: _AboutNumber) -> str:
            facts = self._facts(tx, each.ticket_id)
            return "" if facts is None else facts.home

        return [
            Kept(
                each.ticket_id,
                self._subjects(each.ticket_id) if each.state in self.ended else (),
                (each.origin_region, each.owner_region, *self.kept_in(tx, each.ticket_id)),
                is_told=False,
            )
            for each in customer.records(partial(self._about, tx), home)
        ]

    def _forget(self, tx: Transaction, ticket_id: str) -> None:
        self.forget(tx, ticket_id)
        empty = ", ".join(f"{each} = ''" for each in self.indexes)
        tx.execute(f"UPDATE {self._table.name} SET {empty} WHERE {self._table.key} = :id", id=ticket_id)  # noqa: S608

    def _facts(self, tx: Transaction, ticket_id: str) -> Facts | None:
        """None for a ticket that is gone or unreadable."""
        ticket = self.followed.records.read(tx, ticket_id)
        return None if ticket is None else self.followed.facts(ticket)

    def _ended(self, tx: Transaction, ticket_id: str) -> Ended | None:
        facts = self._facts(tx, ticket_id)
        if facts is None or facts.state not in self.ended:
            return None
        return Ended([ticket_id], self._subjects(ticket_id)[:1], facts.number, ticket_id, self._home(facts))

    def _home(self, facts: Facts) -> str:
        return facts.home if self.home_column else ""

    def _may_hold(self, tx: Transaction, context: RegionContext, origin: str, ticket_id: str) -> bool | None:
        facts = self._facts(tx, ticket_id)
        if facts is None:
            return None
        return origin == (self._home(facts) or context.federation.number_plan.home_of(facts.number))

    def _is_open(self, tx: Transaction, ticket_id: str) -> bool:
        sql = f"SELECT state FROM {self._table.name} WHERE {self._table.key} = :id"  # noqa: S608 - names of modules
        state = tx.first(int, sql, id=ticket_id)
        return state is not None and state not in self.ended


def _waits(tx: Transaction, ticket_id: str) -> bool:
    """Whether an envelope about a ticket is kept."""
    sql = "SELECT 1 FROM outbox WHERE subject = :id UNION ALL SELECT 1 FROM inbox WHERE subject = :id LIMIT 1"
    return tx.first(int, sql, id=ticket_id) is not None
