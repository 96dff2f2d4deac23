"""The common registration of owned and followed tickets for erasure, legal holds and retention."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from gateway.store.vault import destroy
from gateway.wording.masking import masked_number, prints_masked
from region_node.node.context import RegionContext
from region_node.records.kinds import (
    AboutNumber,
    Customer,
    Ended,
    ErasurePort,
    HoldPort,
    Kept,
    RecordKind,
    RetentionPort,
    Table,
)
from region_node.records.purging.aged import aged
from region_node.records.purging.port import Cut, Page


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class Ticket:
    """A ticket about a number, E.164, and the regions that keep a part of it."""

    ticket_id: str
    number: str
    regions: Sequence[str]
    is_ended: bool
    """Whether the work on the ticket has ended."""
    home: str = ""
    """The home region of the number when the ticket was made; empty where the number plan in force decides."""


@dataclass(frozen=True)
class _Dated:
    ticket_id: str
    create_time: int
    index: str


@dataclass(frozen=True)
class Tickets:
    """A kind of ticket. Its table has the columns `state` and `create_time`; the subject `<name>/<id>` seals a ticket.

    An open ticket of an erased customer is destroyed once it has ended, in every region by the customer's status. A
    ticket is purged once it ended before the term, and every region has been notified.
    """

    name: str
    table: Table
    counter: str
    """The column of the running number."""
    purged: str
    """The table that keeps the highest running number that was purged."""
    ended_states: Collection[int]
    find: Callable[[Transaction, str], Ticket | None]
    """None for a ticket that is gone or unreadable."""
    about: Callable[[Transaction, str], Sequence[Ticket]]
    """The tickets about a number."""
    has_changed: Callable[[Transaction, str, int], bool]
    """Whether a ticket has changed since an instant in microseconds."""
    forget: Callable[[Transaction, str], None] = lambda tx, ticket_id: None
    """Removes data beside a ticket that is destroyed or purged."""
    remove: Callable[[Transaction, str], None] = lambda tx, ticket_id: None
    """Removes data beside a ticket that is purged."""

    def kind(self, data_class: DataClass.ValueType, held: str = "") -> RecordKind:
        """The registered ports. `held` is a further SQL condition on tickets under holds of other regions."""
        name, key, index = self.table.name, self.table.key, self.table.index
        return RecordKind(
            self.name,
            ErasurePort(
                kept_of=self._kept_of,
                forget={self.name: self._forget},
                about=lambda tx, number: [AboutNumber(each.ticket_id, each.home) for each in self.about(tx, number)],
                ended=self._ended,
            ),
            HoldPort(
                held=f"SELECT held.subject, {index} FROM held JOIN {name} ON {key} = held.subject{held}",  # noqa: S608
                may_hold=self._may_hold,
            ),
            RetentionPort(purgers={data_class: self}, table=self.table, is_open=self._is_open),
        )

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the instant and the id of the last ticket that was looked at."""
        key, states = self.table.key, ", ".join(str(state) for state in sorted(self.ended_states))
        select = f"SELECT {key}, create_time, {self.table.index} FROM {self.table.name}"  # noqa: S608 - names
        where = f"state IN ({states})"
        found = aged(tx, _Dated, select, cut, place, time="create_time", key=key, where=where)
        free = [each.ticket_id for each in found.rows if each.index not in cut.held.numbers]
        gone = [each for each in free if not _waits(tx, each) and not self.has_changed(tx, each, cut.before)]
        for ticket_id in gone:
            self._remove(tx, ticket_id)
        return Page(len(gone), len(found.rows) - len(free), found.behind)

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, f"SELECT create_time FROM {self.table.name} ORDER BY create_time LIMIT 1")  # noqa: S608

    def _remove(self, tx: Transaction, ticket_id: str) -> None:
        tx.execute(
            f"INSERT INTO {self.purged} (id, {self.counter}) SELECT 1, {self.counter} FROM {self.table.name}"  # noqa: S608
            f" WHERE {self.table.key} = :id ON CONFLICT (id) DO UPDATE SET {self.counter} ="
            f" CASE WHEN excluded.{self.counter} > {self.purged}.{self.counter} THEN excluded.{self.counter}"
            f" ELSE {self.purged}.{self.counter} END",
            id=ticket_id,
        )
        self.remove(tx, ticket_id)
        self.forget(tx, ticket_id)
        tx.execute(f"DELETE FROM {self.table.name} WHERE {self.table.key} = :id", id=ticket_id)  # noqa: S608
        destroy(tx, [self._subject(ticket_id), envelope_subject(ticket_id)])

    def _subject(self, ticket_id: str) -> str:
        return f"{self.name}/{ticket_id}"

    def _kept_of(self, tx: Transaction, customer: Customer) -> Sequence[Kept]:
        found = (each for number in customer.numbers for each in self.about(tx, number))
        return [
            Kept(
                each.ticket_id,
                (self._subject(each.ticket_id), envelope_subject(each.ticket_id)) if each.is_ended else (),
                each.regions,
                is_told=False,
            )
            for each in found
        ]

    def _forget(self, tx: Transaction, ticket_id: str) -> None:
        self.forget(tx, ticket_id)
        tx.execute(
            f"UPDATE {self.table.name} SET {self.table.index} = '' WHERE {self.table.key} = :id",  # noqa: S608 - names
            id=ticket_id,
        )

    def _ended(self, tx: Transaction, ticket_id: str) -> Ended | None:
        found = self.find(tx, ticket_id)
        if found is None or not found.is_ended:
            return None
        return Ended([ticket_id], [self._subject(ticket_id)], found.number, ticket_id, found.home)

    def _may_hold(self, tx: Transaction, context: RegionContext, origin: str, ticket_id: str) -> bool | None:
        found = self.find(tx, ticket_id)
        if found is None:
            return None
        return origin == (found.home or context.federation.number_plan.home_of(found.number))

    def _is_open(self, tx: Transaction, ticket_id: str) -> bool:
        sql = f"SELECT state FROM {self.table.name} WHERE {self.table.key} = :id"  # noqa: S608 - names
        state = tx.first(int, sql, id=ticket_id)
        return state is not None and state not in self.ended_states


def _waits(tx: Transaction, ticket_id: str) -> bool:
    """Whether an envelope about a ticket is kept."""
    sql = "SELECT 1 FROM outbox WHERE subject = :id UNION ALL SELECT 1 FROM inbox WHERE subject = :id LIMIT 1"
    return tx.first(int, sql, id=ticket_id) is not None
