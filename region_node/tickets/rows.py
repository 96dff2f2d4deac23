"""Tickets, as stored: their rows, their running numbers, their lists."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic

from gateway.store.port import Transaction, Value
from gateway.time.clock import from_timestamp, to_microseconds
from gateway.wording.masking import masked_number, prints_masked
from region_node.node.subjects import number_index
from region_node.records.listing import Page
from region_node.records.numbers import Numbers
from region_node.tickets.followed import Followed, M


@dataclass(frozen=True)
class TicketRow(Generic[M]):
    """A ticket and the trace of all its envelopes."""

    ticket: M = field(repr=False)
    traceparent: str


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class TicketFilter:
    """A filter of tickets; empty values restrict nothing. `operator` sees its own tickets."""

    operator: str = ""
    states: Sequence[int] = ()
    number: str = ""
    due_before: datetime | None = None


def _no_columns(ticket: M) -> Mapping[str, Value]:
    """The kind has no columns of its own."""
    return {}


def _nothing(tx: Transaction, ticket: M, now: datetime) -> None:
    """The write has no consequences."""


@dataclass(frozen=True)
class TicketRows(Generic[M]):
    """The rows of a kind of ticket.

    Each column of its records is one that all kinds have, or one of `changing`. `counter` is that of the running
    number, `purged` the table with the highest number that was purged.
    """

    kind: Followed[M, TicketRow[M]]
    counter: str
    purged: str
    changing: Callable[[M], Mapping[str, Value]] = _no_columns
    """The changing columns that only this kind has."""
    written: Callable[[Transaction, M, datetime], None] = _nothing
    """The consequences of a write."""
    shown: str = "1 = 1"
    """An SQL condition on all listed tickets."""

    def next_number(self, tx: Transaction) -> int:
        """The number of the next ticket that this region takes in."""
        return self.numbers.next(tx)

    def find(self, tx: Transaction, name: str) -> TicketRow[M] | None:
        """This region's version of a ticket; None also for an unreadable one."""
        return self.kind.records.find(tx, name)

    def require(self, tx: Transaction, name: str) -> TicketRow[M]:
        """The ticket as this region has it. Raises Refused as its records do."""
        return self.kind.records.require(tx, name)

    def insert(self, tx: Transaction, row: TicketRow[M], number: int, now: datetime) -> None:
        """Adds a ticket; the number is 0 for one of another region."""
        facts = self.kind.facts(row.ticket)
        columns: dict[str, Value] = {
            **self._changing(row.ticket, now),
            self.counter: number,
            "origin_region": facts.origin,
            "operator": facts.operator,
            "number_index": number_index(tx, facts.number),
            "create_time": to_microseconds(from_timestamp(facts.created)),
            "traceparent": row.traceparent,
        }
        self.kind.records.insert(tx, facts.name, row.ticket, columns)
        self.numbers.note(tx, number)
        self.written(tx, row.ticket, now)

    def update(self, tx: Transaction, ticket: M, now: datetime) -> None:
        """Stores a changed ticket."""
        self.kind.records.update(tx, self.kind.facts(ticket).name, ticket, self._changing(ticket, now))
        self.written(tx, ticket, now)

    def page(self, tx: Transaction, wanted: TicketFilter, before: tuple[int, str] | None, limit: int) -> Page[M]:
        """At most `limit` tickets, newest first, older than `before` (time of creation in microseconds, id)."""
        listed = self.kind.records.listed(shown=self.shown)
        if wanted.operator:
            listed.only(f"operator = :operator AND {self.counter} > 0", operator=wanted.operator)
        listed.in_states(wanted.states)
        listed.of_number(tx, wanted.number)
        listed.due_before(wanted.due_before)
        return self.kind.records.page(tx, listed, before, limit)

    @property
    def numbers(self) -> Numbers:
        """The running numbers of the tickets that this region takes in."""
        return Numbers(self.kind.records.table, self.counter, purged=self.purged)

    def _changing(self, ticket: M, now: datetime) -> dict[str, Value]:
        facts = self.kind.facts(ticket)
        return {
            "owner_region": facts.owner,
            "state": facts.state,
            "version": facts.version,
            "changed": to_microseconds(now),
            **self.changing(ticket),
        }
