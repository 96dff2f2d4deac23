"""The port by which a kind of record takes part in reconciliation. This folder imports no kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeAlias

from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.region.v1.reconciliation_pb2 import RepairAct
from gateway.store.port import Transaction
from region_node.business.reconciliation.rules import Record
from region_node.node.context import RegionContext


class Wanted(NamedTuple):
    """The records of two regions that the origin took in within a span, from `start` up to and without `end`."""

    here: str
    there: str
    start: datetime
    end: datetime


class Act(NamedTuple):
    """An act of this region on a record that it shares with the region `there`.

    `amount` is in minor units: that of a correction, or of a lost record as the difference here has it of that region.
    """

    repair_id: str
    serial: str
    there: str
    amount: int


Repairs: TypeAlias = Mapping[RepairAct.ValueType, Callable[[Transaction, RegionContext, Act, datetime], None]]
"""The acts of a kind. Each raises Refused with REPAIR_IMPOSSIBLE before its first write."""


@dataclass(frozen=True)
class Restoring:
    """How a kind restores a record that one of two regions has lost, by what that region itself has signed."""

    evidence: Callable[[Transaction, RegionContext, Act], RepairEvidence] = field(repr=False)
    """The evidence in the region that has the record. Raises Refused with REPAIR_IMPOSSIBLE, RECORD_NOT_PROVEN."""
    restore: Callable[[Transaction, RegionContext, Act, RepairEvidence, datetime], None] = field(repr=False)
    """Books the record once more in the region that has lost it, what it still has booked excepted.

    Raises Refused before the first write, with a reason for people where the evidence does not suffice.
    """
    about: Callable[[str], str] = lambda serial: serial
    """The subject of the envelopes about the record with a serial."""


@dataclass(frozen=True)
class SettledKind:
    """A kind of record that two regions have. `name` is one word and never changes, since regions compare by it."""

    name: str
    records: Callable[[Transaction, Wanted], Sequence[Record]]
    """The records in every standing, in any order; no two have one serial."""
    subject: Callable[[str], str]
    """The subject whose key seals a record with a serial, and what is stored of a difference about it."""
    repairs: Repairs = field(default_factory=dict)
    restoring: Restoring | None = None
    """None where no evidence restores a lost record."""
    is_erased: Callable[[Transaction, str], bool] = lambda tx, serial: False
    """Whether this region has erased the customer of a serial: nothing is stored of it any more."""
    of_any_origin: bool = False
    """Whether a third region may have taken a record in: its serial begins with the name of that region."""


@dataclass(frozen=True)
class Reconciliation:
    """The region, and the kinds of records by which it compares itself with others."""

    node: RegionContext
    kinds: Mapping[str, SettledKind]
