"""A region's border: what it needs to let envelopes out and in, and what it does with each kind."""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay.envelopes import Answer
from gateway.security.sealing_keys import SealingKeys
from gateway.security.signing import Signer, TrustedKeys
from gateway.store.port import Transaction


class Moved(Exception):
    """The customer belongs to another region by the number plan in force; nothing was done here."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.region = region


Act = Callable[[Transaction, EnvelopeContent, datetime], Answer]
Answered = Callable[[Transaction, EnvelopeContent, ReceiptContent, datetime], None]


@dataclass(frozen=True)
class Command:
    """A kind that is stored and acted on once.

    `act` runs at the destination, in the transaction that stores inbox row and receipt. It raises Refused or Moved
    before its first write. `answered` runs at the origin, in the transaction that closes the outbox row.

    What was made so long ago that the inbox has forgotten its time is refused, for it may have been acted on; unless it
    is repeatable: acted on twice, it has the same effect as once.
    """

    act: Act
    answered: Answered
    is_repeatable: bool = False


@dataclass(frozen=True)
class Query:
    """A kind that is answered afresh and never stored.

    `act` may write an audit row, and what is the same however often it is asked: a question may be repeated. The
    question itself is one row of the audit chain, unless it is not noted: what comes all the time from every region
    would drown what people ask.
    """

    act: Act
    is_noted: bool = True


@dataclass(frozen=True)
class SlowQuery:
    """A kind that is answered afresh and never stored, and whose answer takes more than one transaction: it needs work
    that must not run on the event loop, or a system of the region's own.

    `answer` runs transactions of its own, each of which may write. It raises Refused or Moved.
    """

    answer: Callable[[EnvelopeContent, datetime], Awaitable[Answer]]


Kinds = Mapping[EnvelopeKind.ValueType, Command | Query | SlowQuery]


@dataclass(frozen=True)
class Border:
    """The region, its keys, what it knows of the federation. Shared by everything that sends or receives."""

    region: str
    signer: Signer
    keys: TrustedKeys
    current: CurrentFederation
    number: int = 0
    """The number of this process among those of the region's database."""
    draw: Callable[[int], bytes] = os.urandom
    """What the keys of single batches and answers are drawn from."""
    sealing_keys: SealingKeys = field(default_factory=SealingKeys)
    """What batches for other regions are sealed to."""

    def require_known_revision(self, content: EnvelopeContent) -> None:
        """Raises Refused with CONFIGURATION_MISSING where the origin knows a later configuration than this region.

        What it says may be right by that one: it is taken up once this region has heard of it.
        """
        if content.federation_revision > self.current.revision:
            raise Refused(Reason.REASON_CONFIGURATION_MISSING)
