"""The common part of all kinds of ticket: one region takes a ticket in, one decides on it, others follow.

The origin takes a ticket in and represents its customer. The owner decides and numbers the versions. A follower stores
the owner's versions.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.store.port import Transaction
from gateway.store.tables import prints_without
from region_node.records.stored import Records
from region_node.requests.caller import Caller, done_before, require_accepted
from region_node.requests.rows import RequestKey

M = TypeVar("M", bound=Message)
R = TypeVar("R")
_log = logging.getLogger(__name__)


@prints_without("number")
class Facts(NamedTuple):
    """The fields of a ticket that determine the rights of regions."""

    name: str
    """The id, which begins with the origin."""
    origin: str
    owner: str
    operator: str
    version: int
    """Counted by the owner; 0 before it has the ticket."""
    state: int
    created: Timestamp
    number: str
    """Of the customer, E.164; empty for none."""
    home: str
    """The home region of the number as the ticket says it; empty for none."""
    helpers: tuple[str, ...] = ()
    """The other regions that follow the ticket, and command the owner."""


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
    """The state of a newly filed ticket."""
    final: frozenset[int]
    """The states that no version leaves."""
    fixed: tuple[str, ...]
    """The fields of the message that the origin sets, and no version of the owner changes."""
    require_plausible: Callable[[M, datetime], None] = _anything
    """Raises Refused with ENVELOPE_INVALID for content that no owner can have at this time."""
    owner_column: str = "owner_region"

    def copy(self, message: M) -> M:
        """A copy of the message, for changes."""
        copy = self.records.message()
        copy.CopyFrom(message)
        return copy

    def merged(self, known: M, told: M) -> M:
        """The owner's version with the fixed fields of this region's copy: the very message where it has them."""
        if all(getattr(told, name) == getattr(known, name) for name in self.fixed):
            return told
        merged, kept = self.copy(told), self.copy(known)
        for each, _ in known.ListFields():
            if each.name not in self.fixed:
                kept.ClearField(each.name)
        for name in self.fixed:
            merged.ClearField(name)
        merged.MergeFrom(kept)
        return merged

    def next_version(self, region: str, known: M, told: M, *, again: bool = False) -> M | None:
        """The version to store in a follower; None where the owner's message brings nothing new.

        A ticket of the region itself, and an older version, are never new. The same version counts, with `again`, only
        after a change of the follower's own copy. A ticket in a final state enters no other one.
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
    """The ticket of an earlier request, in its current state.

    Raises the earlier refusal again, and Refused for other content.
    """
    known = done_before(tx, key)
    if known is None:
        return None
    found = kind.records.read(tx, known)
    if found is None:
        raise kind.records.not_found(known)
    return found


def answered_request(kind: Followed[M, R], tx: Transaction, caller: Caller, written: M) -> M:
    """The ticket after a caller's command, or as `written` then if it is unreadable since.

    Raises Refused where the owner has refused the command.
    """
    require_accepted(tx, caller)
    found = kind.records.read(tx, kind.facts(written).name)
    return written if found is None else found
