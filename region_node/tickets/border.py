"""The checks of every arriving message about a ticket: the same for every kind.

The border of the relay has checked the signature: `content.origin` is the sender.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.node.context import RegionContext
from region_node.node.payloads import parse
from region_node.requests.checks import require_length, require_name
from region_node.tickets.followed import Facts, Followed, M, R

_CLOCK_ERROR = timedelta(seconds=31)  # between two members whose clocks are trusted
_OLDEST = timedelta(days=3650)  # as long as a filing may travel
_log = logging.getLogger(__name__)


def require_origin(kind: Followed[M, R], name: str, content: EnvelopeContent) -> None:
    """The id is the envelope's subject, and names the sender. Raises Refused with ENVELOPE_KIND_NOT_ALLOWED."""
    if name != content.subject or not name.startswith(f"{content.origin}/{kind.prefix}"):
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)


def require_filing(
    kind: Followed[M, R], filed: M, content: EnvelopeContent, now: datetime, *, is_untouched: bool
) -> None:
    """Requires that the origin files its own ticket without a decision; the kind determines `is_untouched`.

    Raises Refused with ENVELOPE_KIND_NOT_ALLOWED, ENVELOPE_INVALID.
    """
    facts = kind.facts(filed)
    require_origin(kind, facts.name, content)
    if facts.origin != content.origin:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    if facts.version or facts.state != kind.first or not is_untouched:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a filing is only acknowledged yet")
    require_plausible(facts.created, now)


def require_unknown(kind: Followed[M, R], tx: Transaction, filed: M) -> None:
    """Raises Refused with ENVELOPE_INVALID for a ticket that this region has, also an unreadable one."""
    if _owner(kind, tx, kind.facts(filed).name) is not None:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it is known")


def require_plausible(created: Timestamp, now: datetime) -> None:
    """Raises Refused with ENVELOPE_INVALID for an impossible time of creation of a ticket that arrives now."""
    age = now.timestamp() - created.seconds
    if not -_CLOCK_ERROR.total_seconds() <= age <= _OLDEST.total_seconds():
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no time of filing")


def commanded(kind: Followed[M, R], tx: Transaction, region: str, name: str, content: EnvelopeContent) -> M:
    """The ticket of this region that its origin commands.

    Raises Refused with ENVELOPE_KIND_NOT_ALLOWED to any other sender. Raises as the records do for a ticket that is
    unknown, unreadable, or decided elsewhere.
    """
    require_origin(kind, name, content)
    known = kind.records.read(tx, name)
    if known is None or kind.facts(known).owner != region:
        raise kind.records.not_found(name)
    if kind.facts(known).origin != content.origin:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    return known


def require_author(staff_id: str, *, is_required: bool = False) -> None:
    """Raises Refused with REQUEST_INVALID for an invalid author. The node's own commands need none."""
    if staff_id or is_required:
        require_name("staff_id", staff_id)


def require_text(said: str | None, texts: Mapping[str, str], limit: int, *, is_required: bool = False) -> None:
    """Raises Refused with REQUEST_INVALID for a command whose text is longer than `limit` characters.

    `said` is the arm of the command, `texts` maps arms to texts. With `is_required`, no text is empty.
    """
    if said is not None and said in texts:
        require_length(said, texts[said], limit, required=is_required)


def decided(known: M, decide: Callable[[], M], told: Callable[[M], M] = lambda each: each) -> Answer:
    """The answer to a command: the ticket after `decide`, or the refusal with the unchanged ticket.

    `told` reduces a ticket to the part that its origin may see.
    """
    before = told(known).SerializeToString()
    try:
        return accepted(told(decide()))
    except Refused as refused:
        return Answer(Outcome.OUTCOME_REFUSED, result=before, reason=refused.reason, parameters=refused.parameters)


def accepted(ticket: M) -> Answer:
    """The answer with a ticket."""
    return Answer(Outcome.OUTCOME_ACCEPTED, result=ticket.SerializeToString())


def updated(
    kind: Followed[M, R],
    tx: Transaction,
    told: M,
    content: EnvelopeContent,
    now: datetime,
    first_word: Callable[[M], None] | None = None,
) -> bool:
    """Whether a version from another region concerns a ticket that can be stored here.

    Only the owner sends versions, and only as the owner that the origin named. False for an unreadable ticket, with a
    receipt for the sender. `first_word` raises Refused where this region may not begin to follow an unknown ticket.
    Raises Refused with ENVELOPE_KIND_NOT_ALLOWED, ENVELOPE_INVALID.
    """
    facts = kind.facts(told)
    if (facts.name, facts.owner) != (content.subject, content.origin) or not facts.version:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    owner = _owner(kind, tx, facts.name)
    if owner is None and first_word is not None and facts.name.startswith(f"{facts.origin}/{kind.prefix}"):
        first_word(told)
        require_plausible(facts.created, now)
        kind.require_plausible(told, now)
        return True
    if owner != content.origin:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    known = kind.records.read(tx, facts.name)
    if known is not None and kind.facts(known).created != facts.created:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it was filed at another time")
    if known is not None:
        kind.require_plausible(told, now)
    return known is not None


def require_own_customer(
    context: RegionContext, facts: Facts, number: str, home: str, responsible: Callable[[], str]
) -> None:
    """Checks the first version of an unknown ticket: about an own number, from the region that may own the ticket.

    The owner is the `responsible` region, or the origin after its refusal. `home` is the home region by the owner.
    Raises Refused with ENVELOPE_KIND_NOT_ALLOWED, and as `responsible`.
    """
    own = context.federation.number_plan.home_of(number) if number else None
    if (own, home) != (context.region, context.region) or facts.owner not in (facts.origin, responsible()):
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)


def answered(
    kind: Followed[M, R], tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
) -> M | None:
    """The version in a receipt; None for no version, and for one that its sender may not send.

    The receipt must be about its envelope's subject, from the envelope's destination. The sender must own the ticket,
    or have returned it to this region. None also for a ticket that this region no longer has, or can no longer read.
    """
    known = kind.records.read(tx, content.subject)
    if known is None or not receipt.result:
        return None
    try:
        told = parse(kind.records.message, receipt.result)
        kind.require_plausible(told, now)
    except Refused:
        _log.error("the answer of %s about %s is unreadable, or not plausible", content.destination, content.subject)
        return None
    facts, owners = kind.facts(told), (content.destination, content.origin)
    if facts.name == content.subject and facts.owner in owners and kind.facts(known).owner in owners:
        return told
    _log.error("the answer of %s about %s is not taken: it is not theirs", content.destination, content.subject)
    return None


def _owner(kind: Followed[M, R], tx: Transaction, name: str) -> str | None:
    """The owner of a ticket that this region has, also of an unreadable one."""
    return kind.records.text(tx, name, kind.owner_column)
