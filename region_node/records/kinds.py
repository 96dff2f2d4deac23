"""The ports by which a kind of record registers: erasure, legal holds, retention and row migrations.

They work on every kind alike. Each port defaults to doing nothing, so a kind names only the ports that concern it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias, TypeVar

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.store.port import Transaction
from gateway.store.timers import is_set, set_timer
from gateway.wording.masking import masked_number, prints_masked
from region_node.node.context import RegionContext
from region_node.records.purging.port import Purger

Record = TypeVar("Record")


@dataclass(frozen=True)
class Customer:
    """A customer of this region, with all identifiers in records."""

    customer_id: str
    numbers: Sequence[str] = field(repr=False)
    """Of all lines, E.164, also of lines that have ended."""
    lines: Sequence[str]
    """The ids of the lines."""
    accounts: Sequence[str]
    passed: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Numbers of ended lines that other regions have by now, with these regions."""

    def records(self, about: Callable[[str], Iterable[Record]], home: Callable[[Record], str]) -> list[Record]:
        """The records about all numbers, but for those of the next customers of passed numbers.

        `about` gives the records about a number, E.164. `home` gives the home region of a record, asked only where the
        number has passed: a record is the next customer's if the region that has the number now was its home.
        """
        return [
            each
            for number in self.numbers
            for each in about(number)
            if number not in self.passed or home(each) != self.passed[number]
        ]


@dataclass(frozen=True)
class Elsewhere:
    """A record, by its id, that another region keeps."""

    region: str
    record_id: str
    traceparent: str = ""


@dataclass(frozen=True)
class Kept:
    """A record of a customer of this region."""

    record_id: str
    subjects: Sequence[str]
    """The subjects whose keys are destroyed with the customer. Empty for a record that is destroyed at its end."""
    regions: Sequence[str] = ()
    """The regions that keep a part of the record; this one may be among them. They receive legal holds of it."""
    traceparent: str = ""
    is_told: bool = True
    """Whether these regions receive the erasure of the record, besides the customer's status."""


@dataclass(frozen=True)
class AboutNumber:
    """A record about a number, and the region that was its home at the time; empty where none is stored."""

    record_id: str
    home: str = ""


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class Ended:
    """A record that has ended, with all records that are destroyed together with it."""

    record_ids: Sequence[str]
    subjects: Sequence[str]
    number: str
    case: str
    """The id of the record to which all of them belong. It removes the envelopes about all of them."""
    home: str = ""
    """The home region of the number when the record was made."""


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class ToErase:
    """The data of a record that another region's report destroys."""

    subjects: Sequence[str] = ()
    index: str = ""
    """The index of the number whose data is destroyed as well; empty for none."""
    elsewhere: Sequence[Elsewhere] = ()
    """Regions that keep a part of the record without the home region's knowledge."""
    number: str = ""
    """Set where the home region itself has to confirm the erasure of this number's customer."""
    home: str = ""
    """The home region of that number when the record was made."""
    remove: Callable[[Transaction], None] | None = None
    """Removes rows before the keys are destroyed."""


Forget: TypeAlias = Callable[[Transaction, str], None]
"""Removes data stored beside sealed content, by the text behind the first slash of its subject."""

ForgetIndex: TypeAlias = Callable[[Transaction, RegionContext, str, str], None]


@dataclass(frozen=True)
class ErasurePort:
    """The port of a kind for the erasure of customers."""

    require_erasable: Callable[[Transaction, RegionContext, Customer], None] = lambda tx, context, customer: None
    """Raises Refused while a record prevents the erasure of the customer."""
    kept_of: Callable[[Transaction, Customer], Sequence[Kept]] = lambda tx, customer: ()
    forget: Mapping[str, Forget] = field(default_factory=dict)
    """The functions by the first word of the destroyed subject: `customer`, `number`, or a word of the kind."""
    forget_user: Forget = lambda tx, index: None
    """Removes data that hangs on a number alone, by its index: whoever has the number has this data.

    An erasure leaves it where the number has passed to a customer of another region.
    """
    forget_index: ForgetIndex = lambda tx, context, home, index: None
    """Removes an index that is left when this region forgets the number, whose customer the region `home` has erased.

    An earlier version beside, which does not know the column, has executed the erasure. The index stays where the
    number now belongs to a customer of another region.
    """
    told: Callable[[Transaction, RegionContext, str, str], ToErase | None] = lambda tx, context, origin, record_id: None
    """The data of a record that the region `origin` may have destroyed; None for no such record. Raises Refused."""
    about: Callable[[Transaction, str], Sequence[AboutNumber]] = lambda tx, number: ()
    """The records about a number of another region's customer, E.164, that are destroyed once they have ended."""
    ended: Callable[[Transaction, str], Ended | None] = lambda tx, record_id: None
    """None for a record that is open, gone, or unreadable."""
    case: Callable[[Transaction, str], Sequence[str]] = lambda tx, record_id: ()
    """The ids of the records of a case."""
    is_of_another: Callable[[Transaction, str, str], bool] = lambda tx, index, home: False
    """Whether a record about the number with an index belongs to another region's customer than `home`'s."""
    indexed: Sequence[str] = ()
    """The tables, besides that of the retention, with an index of a number or of an identity: erasures scrub them."""


@dataclass(frozen=True)
class HoldPort:
    """The port of a kind for legal holds of other regions."""

    held: str = ""
    """Selects of the table `held` (subject, origin), each subject that is here, and the index of its number."""
    may_hold: Callable[[Transaction, RegionContext, str, str], bool | None] = lambda tx, context, origin, record_id: (
        None
    )
    """Whether the region `origin` may hold a record; None for no such record."""
    elsewhere: Callable[[Transaction, RegionContext, str, str], Sequence[Elsewhere]] = (
        lambda tx, context, origin, record_id: ()
    )
    """The regions, besides `origin`, to which this one forwards a hold of a record."""
    early: str = ""
    """The prefix of ids whose hold may arrive before the record; empty for none."""


@dataclass(frozen=True)
class Table:
    """The table of records that envelopes and requests name by their ids."""

    name: str
    key: str
    """The column of the id."""
    index: str
    """The column of the index of the number."""


@dataclass(frozen=True)
class RetentionPort:
    """The port of a kind for the nightly purge."""

    purgers: Mapping[DataClass.ValueType, Purger] = field(default_factory=dict)
    """The purgers by class, in the order in which they run."""
    table: Table | None = None
    is_open: Callable[[Transaction, str], bool] = lambda tx, record_id: False
    """Whether a record of the kind, by its id, can still change."""
    forget: Callable[[Transaction, datetime], None] = lambda tx, now: None
    """Removes, each night, counts that have no class of data, hence no rule of retention."""


RowMigration: TypeAlias = Callable[[Transaction, int], int]
"""Migrates at most so many rows of an earlier version; returns how many, 0 once none is left."""

RowFill: TypeAlias = Callable[[Transaction, RegionContext, int], int]
"""As `RowMigration`, of columns that a node fills while it serves. Fewer rows than asked for were the last ones."""


@dataclass(frozen=True)
class RecordKind:
    """A kind of record. `name` is one word and never changes, since timers store it."""

    name: str
    erasure: ErasurePort = field(default_factory=ErasurePort)
    holds: HoldPort = field(default_factory=HoldPort)
    retention: RetentionPort = field(default_factory=RetentionPort)
    row_migrations: Mapping[str, RowMigration] = field(default_factory=dict)
    """By the name of the table, in the order in which they run."""
    row_fills: Sequence[RowFill] = ()

    @property
    def ended_timer(self) -> str:
        """The kind of the timer that looks at an ended record."""
        return ended_timer(self.name)


def ended_timer(kind: str) -> str:
    """The kind of the timer as in `RecordKind.ended_timer`, for the kind itself, whose rows set it."""
    return f"{kind}-ended"


def look_at_ended(tx: Transaction, kind: str, record_id: str, now: datetime) -> None:
    """Schedules the erasure check of an ended record about an erased customer."""
    set_timer(tx, _ended_timer_id(kind, record_id), kind=ended_timer(kind), subject=record_id, due=now)


def is_looked_at(tx: Transaction, kind: str, record_id: str) -> bool:
    """Whether such a check waits for its time, as under a hold."""
    return is_set(tx, _ended_timer_id(kind, record_id))


def _ended_timer_id(kind: str, record_id: str) -> str:
    return f"{ended_timer(kind)}/{record_id}"
