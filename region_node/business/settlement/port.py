"""The ports of settlement: kinds of charges, and the issue about a dispute. This folder imports no kind."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.store.port import Transaction
from region_node.business.reconciliation.port import Wanted
from region_node.business.settlement.rules import Charge
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller


@dataclass(frozen=True)
class ChargedKind:
    """A kind of charge. `name` is one word and never changes, since regions compare by it."""

    name: str
    charges: Callable[[Transaction, Wanted], Iterable[Charge]]
    """The charges of settled records that the origin took in within a span, also of erased customers."""
    account: str = ""
    """The account of charges that no posting has booked before a statement; empty where the record itself is booked."""


class Dispute(NamedTuple):
    """A disputed line of a proposal of another region."""

    statement_id: str
    region: str
    line: str
    note: str


OpenIssue = Callable[[Transaction, RegionContext, Caller, Dispute, datetime], str]
"""Opens an issue about a dispute, which the proposing region owns; returns its id."""


@dataclass(frozen=True)
class Settlement:
    """The region, and the kinds of charges by which it settles with others."""

    node: RegionContext
    kinds: Sequence[ChargedKind]
    open_issue: OpenIssue
