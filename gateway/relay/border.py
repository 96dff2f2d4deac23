"""A region's border: its ports for sending and receiving envelopes, and the handlers of each kind."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from gateway.api.federation.v1.federation_pb2 import Feature
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay.envelopes import Answer
from gateway.security.sealing_keys import SealingKeys
from gateway.security.signing import Signer, TrustedKeys
from gateway.store.port import Transaction
from gateway.store.reading_ahead import Wanted
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SystemClock


class Moved(Exception):
    """The customer belongs to another region by the number plan in force; nothing was done here."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.region = region


class DoneOtherwise(Exception):
    """Raised where a lost command would end otherwise than its first, final answer: nothing is done then."""


class RevisionAwaited(Exception):
    """Raised for an answer that may be right by a later configuration: nothing is done with it before that is here."""


class Refiled(Enum):
    """The outcome for a record about which this region had sent a command that its database lacks."""

    RESTORED = "restored"
    """The command filed the record, which is stored again."""
    KNOWN = "known"
    """The record is here, and follows its owner."""
    LOST = "lost"
    """Nothing here is known of it: that is for people."""


def _lost(tx: Transaction, content: EnvelopeContent, now: datetime) -> Refiled:
    """The command alone does not restore what this region had decided."""
    return Refiled.LOST


Reads = Callable[[Transaction, EnvelopeContent], Iterable[Wanted]]
Act = Callable[[Transaction, EnvelopeContent, datetime], Answer]
ActAgain = Callable[[Transaction, EnvelopeContent, ReceiptContent, datetime], Answer]
RefusedAgain = Callable[[Transaction, EnvelopeContent, ReceiptContent, datetime], object]
Noted = Callable[[Transaction, EnvelopeContent, Answer, datetime], None]
Answered = Callable[[Transaction, EnvelopeContent, ReceiptContent, datetime], None]


@dataclass(frozen=True)
class Command:
    """A kind of envelope that is stored and executed once.

    `act` runs at the destination, in the transaction that stores inbox row and receipt. It raises Refused or Moved
    before its first write. `answered` runs at the origin, in the transaction that closes the outbox row. It raises
    RevisionAwaited for an answer that waits, also after a write.

    The inbox refuses commands older than its memory, since they may have been executed. A repeatable command is exempt:
    its second execution has no further effect.
    """

    act: Act
    answered: Answered
    is_repeatable: bool = False
    reads: Reads = lambda tx, content: ()
    """The queries of `act`, as far as they are known before: `gateway.store.reading_ahead`."""
    answered_reads: Reads = lambda tx, content: ()
    """The queries of `answered`."""
    act_again: ActAgain | None = None
    """Executes a command that this region has lost, as its first receipt says; None for `act`.

    It raises as that, and DoneOtherwise after a write.
    """
    refused: Noted = lambda tx, content, answer, now: None
    """Counts a refusal of `act`, with the receipt: it changes nothing else. The payload may be unreadable."""
    refused_again: RefusedAgain = lambda tx, content, first, now: None
    """Restores the version of a record that the receipt of a lost refusal has.

    It raises Refused with COMMAND_LOST where the command is for people then.
    """
    refile: Callable[[Transaction, EnvelopeContent, datetime], Refiled] = _lost
    """Stores the record again that this region has filed by a command, and lost; `answered` follows."""
    is_named_by_id: bool = False
    """Whether the id alone names what is wanted: the payload adds times and versions."""
    is_soon_forgotten: bool = False
    """Whether the destination destroys content and receipt a day after the execution, for the sake of the customer.

    It refuses a later repeat for good. The origin does not depend on the answer.
    """
    is_same: Callable[[EnvelopeContent, EnvelopeContent], bool] = lambda first, again: first.payload == again.payload
    """Whether two commands of one id want the same: the second is of an origin that has lost the first.

    By default they have one payload. A kind whose payload differs for each attempt, by a time, compares what is wanted.
    It is not asked where the id alone names that.
    """

    def wants_same(self, first: EnvelopeContent, again: EnvelopeContent) -> bool:
        """Whether a command is a repeat of the first one of its id, of this kind."""
        is_about_same = (first.kind, first.subject) == (again.kind, again.subject)
        return is_about_same and (self.is_named_by_id or self.is_same(first, again))


@dataclass(frozen=True)
class Query:
    """A kind of envelope that is answered anew each time and never stored.

    `act` may write an audit row, and writes that are idempotent, because a query may be repeated. A query that is noted
    is one row of the audit chain. Frequent queries between regions are not: they would hide the queries of people.
    """

    act: Act
    is_noted: bool = True


@dataclass(frozen=True)
class SlowQuery:
    """A query whose answer takes several transactions: it needs work off the event loop, or a system of the region.

    `answer` runs its own transactions, each of which may write. It raises Refused or Moved.
    """

    answer: Callable[[EnvelopeContent, datetime], Awaitable[Answer]]


Kinds = Mapping[EnvelopeKind.ValueType, Command | Query | SlowQuery]


@dataclass(frozen=True)
class Border:
    """The region, its keys, and its view of the federation. Shared by everything that sends or receives."""

    region: str
    signer: Signer
    keys: TrustedKeys
    current: CurrentFederation
    number: int = 0
    """The number of this process among those of the region's database."""
    draw: Callable[[int], bytes] = os.urandom
    """The source of randomness for the keys of single batches and answers, and for the salts of signatures."""
    sealing_keys: SealingKeys = field(default_factory=SealingKeys)
    """The keys of other regions, to which batches are sealed."""
    clock: AgreedClock = field(default_factory=lambda: AgreedClock(SystemClock()))
    """The time of day that this process and others agree on."""
    incarnation: Callable[[], int] = lambda: 0
    """The incarnation of the region's database, which its commands name."""

    def shares_signatures(self, reader: str) -> bool:
        """Whether one signature may serve several messages that a region reads.

        The reader and all processes of this region must understand the proofs, since they verify each other's work.
        """
        trees = Feature.FEATURE_TREE_SIGNATURES
        return all(self.current.understands(region, trees) for region in (reader, self.region))

    def stores_differences(self) -> bool:
        """Whether a receipt may be stored as its difference: all processes of this region must read that."""
        return self.current.understands(self.region, Feature.FEATURE_RECEIPT_DIFFERENCES)

    def require_known_revision(self, content: EnvelopeContent) -> None:
        """Raises Refused with CONFIGURATION_MISSING where the origin has a later configuration than this region.

        The content may be right by the later configuration: this region accepts it once it has that revision. The same
        holds for the assignments of numbers.
        """
        is_behind = content.number_assignments > self.current.assignments
        if is_behind or content.federation_revision > self.current.revision:
            raise Refused(Reason.REASON_CONFIGURATION_MISSING)

    def await_revision_of(self, receipt: ReceiptContent) -> None:
        """Raises RevisionAwaited where the destination has decided by a later configuration than this region has.

        The lane then keeps the envelope, and gets the same receipt again.
        """
        if receipt.federation_revision > self.current.revision:
            raise RevisionAwaited(f"revision {receipt.federation_revision} of the configuration")
