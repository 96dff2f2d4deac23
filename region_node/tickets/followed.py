"""What kinds of ticket have in common: one region takes a ticket in, one region decides on it, others follow.

The origin takes a ticket in and speaks for its customer. The owner decides and counts versions. A follower keeps what
the owner tells.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.store.port import Transaction
from region_node.records.stored import Records
from region_node.requests.caller import Caller, done_before, require_accepted
from region_node.requests.rows import RequestKey

M = TypeVar("M", bound=Message)
R = TypeVar("R")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Facts:
    """The part of a ticket by which regions know their rights."""

    name: str
    """The id, which begins with the origin."""
    origin: str
    owner: str
    operator: str
    version: int
    """Counted by the owner; 0 before it has the ticket."""
    state: int
    created: Timestamp
    number: str = field(repr=False)
    """Of the customer, E.164; empty for none."""
    home: str
    """The home region of the number as the ticket says it; empty for none."""


def _anything(told: Message, now: datetime) -> None:
    """Every version is plausible."""


@dataclass(frozen=True)
class Followed(Generic[M, R]):
    """How a kind of ticket is owned and followed."""

    records: Records[M, R]
    facts: Callable[[M], Facts]
    prefix: str
    """The beginning of the id behind the origin and a slash."""
    first: int
    """The state in which a ticket is filed."""
    final: frozenset[int]
    """The states that no version leaves."""
    fixed: tuple[str, ...]
    """The fields of the message that the origin sets, and no version of the owner changes."""
    require_plausible: Callable[[M, datetime], None] = _anything
    """Raises Refused with ENVELOPE_INVALID for content that no owner tells at this time."""
    owner_column: str = "owner_region"

    def copy(self, message: M) -> M:
        """The same content, to be changed."""
        copy = self.records.message()
        copy.CopyFrom(message)
        return copy

    def merged(self, known: M, told: M) -> M:
        """The version that the owner tells, with the fixed fields as this region knows them."""
        merged, kept = self.copy(told), self.copy(known)
        for each, _ in known.ListFields():
            if each.name not in self.fixed:
                kept.ClearField(each.name)
        for name in self.fixed:
            merged.ClearField(name)
        merged.MergeFrom(kept)
        return merged

    def next_version(self, region: str, known: M, told: M, *, again: bool = False) -> M | None:
        """The ticket to store in a region that follows; None where the owner tells nothing new.

        Nothing is new of a ticket that the region owns itself, of an older version, and of the same version, which
        counts `again` only where the follower has changed its copy. A ticket in a final state enters no other one.
        """
        before, after = self.facts(known), self.facts(told)
        is_old = after.version < before.version or (after.version == before.version and not again)
        if is_old or before.owner == region:
            return None
        if before.state in self.final and after.state != before.state:
            _log.error("%s is final here; another word of %s on it is not taken", before.name, before.owner)
            return None
        return self.merged(known, told)


def known_request(kind: Followed[M, R], tx: Transaction, key: RequestKey) -> M | None:
    """The ticket of a request that was made before, as it stands. Raises Refused as it was, or for other content."""
    known = done_before(tx, key)
    if known is None:
        return None
    found = kind.records.read(tx, known)
    if found is None:
        raise kind.records.not_found(known)
    return found


def answered_request(kind: Followed[M, R], tx: Transaction, caller: Caller, written: M) -> M:
    """The ticket after a command of a caller: as it was `written` then, where it was made unreadable since.

    Raises Refused where the owner has refused the command.
    """
    require_accepted(tx, caller)
    found = kind.records.read(tx, kind.facts(written).name)
    return written if found is None else found
