"""The checks of every arriving message about a ticket: the same for every kind.

The border of the relay has checked the signature: `content.origin` is the sender.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, lasting, reason_name, text
from gateway.relay.border import Act, ActAgain, Moved, Reads, Refiled, RefusedAgain
from gateway.relay.envelopes import Answer
from gateway.store.catch_ups import is_awaited
from gateway.store.port import Transaction
from gateway.time.clock import BETWEEN_TRUSTED, times_are_dated
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, refusal_of
from region_node.requests.caller import settle_asked
from region_node.requests.checks import require_length, require_name
from region_node.tickets.followed import Facts, Followed, M, R

_OLDEST = timedelta(days=3650)  # as long as a filing may travel
_ONLY_ADDED = ("state_changes", "notes")
_log = logging.getLogger(__name__)

Tell = Callable[[Transaction, str, datetime], None]
"""Sends the present version of the record of an id to its origin."""


def reads_of(kind: Followed[M, R]) -> Reads:
    """The queries for the record that an envelope is about, to be announced."""
    return lambda _, content: kind.records.wanted(content.subject)


def refile_of(kind: Followed[M, R]) -> Callable[[Transaction, EnvelopeContent, datetime], Refiled]:
    """A command on a record was lost: the owner of the record has acted on it, and sends its version."""

    def refile(tx: Transaction, content: EnvelopeContent, now: datetime) -> Refiled:
        return Refiled.KNOWN if kind.records.is_known(tx, content.subject) else Refiled.LOST

    return refile


def filed_again(kind: Followed[M, R], tx: Transaction, filed: M) -> Refiled | None:
    """Looks whether a ticket that this region had filed is here; None where its id is free.

    A region that served from an older database before it could find its loss may have given the id once more. The
    other ticket with it has another time: the lost one is for people.
    """
    facts = kind.facts(filed)
    if not kind.records.is_known(tx, facts.name):
        return None
    return Refiled.LOST if is_other(kind, kind.records.read(tx, facts.name), filed) else Refiled.KNOWN


def is_other(kind: Followed[M, R], known: M | None, told: M) -> bool:
    """Whether a ticket here only has the id of one that was lost."""
    return known is not None and kind.facts(known).created != kind.facts(told).created


def has_all_of(kind: Followed[M, R], known: M | None, told: M) -> bool:
    """Whether a ticket here has all that an earlier version of it, or the same one, holds.

    A version made after a loss may have the number of a lost one: the numbers alone do not tell. A later state hides an
    earlier one, which the changes of states have.
    """
    if known is None or kind.facts(known).version < kind.facts(told).version:
        return False
    for each, value in told.ListFields():
        here = getattr(known, each.name)
        is_here = all(part in here for part in value) if each.is_repeated else here == value
        if not is_here and each.name not in ("version", "state"):
            return False
    return True


def continues(kind: Followed[M, R], known: M, told: M) -> bool:
    """Whether of two versions of a ticket of this region the later one was made from the earlier one, or is the same.

    A region may decide anew before it finds that its database has lost a decision: the numbers alone do not tell. Later
    versions only add to changes of states and notes. The first version has no decision of its owner.
    """
    earlier, later = sorted((known, told), key=lambda each: kind.facts(each).version)
    if kind.facts(earlier).version <= 1:
        return True
    if kind.facts(earlier).version == kind.facts(later).version:
        return has_all_of(kind, known, told)
    has = [each.name for each, _ in earlier.ListFields() if each.name in _ONLY_ADDED]
    return all(part in getattr(later, name) for name in has for part in getattr(earlier, name))


def executed_again(kind: Followed[M, R], region: str, act: Act, tell: Tell) -> ActAgain:
    """Executes a lost command once more; `tell` sends the origin what is later than its first answer, which it keeps.

    Regions report in an order of their own: a decision of the owner that came after a command may come before it now.
    """

    def act_again(tx: Transaction, content: EnvelopeContent, first: ReceiptContent, now: datetime) -> Answer:
        told = kind.facts(parse(kind.records.message, first.result))  # of a later version: before a write
        answer = act(tx, content, now)
        present = kind.records.read(tx, content.subject) if answer.outcome == Outcome.OUTCOME_ACCEPTED else None
        if present is not None:
            facts = kind.facts(present)
            if facts.owner == region and facts.version > told.version:
                tell(tx, facts.name, now)
        return answer

    return act_again


def refused_again(kind: Followed[M, R]) -> RefusedAgain:
    """Raises Refused with COMMAND_LOST where the receipt of a refusal has a later version than this region."""

    def require_told(tx: Transaction, content: EnvelopeContent, first: ReceiptContent, now: datetime) -> None:
        present, told = kind.records.read(tx, content.subject), parse(kind.records.message, first.result)
        if present is not None and kind.facts(present).version < kind.facts(told).version:
            raise Refused(Reason.REASON_COMMAND_LOST, command=content.id)

    return require_told


def require_origin(kind: Followed[M, R], name: str, content: EnvelopeContent) -> None:
    """The id is the envelope's subject, and names the sender. Raises Refused with ENVELOPE_KIND_NOT_ALLOWED."""
    if name != content.subject or not name.startswith(f"{content.origin}/{kind.prefix}"):
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)


def require_home(context: RegionContext, number: str) -> None:
    """Raises Moved or Refused unless the number is of this region by the number plan in force."""
    home = context.federation.number_plan.home_of(number)
    if home is None:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    if home != context.region:
        raise Moved(home)


def is_same_version(
    kind: Followed[M, R], told: Callable[[bytes], M]
) -> Callable[[EnvelopeContent, EnvelopeContent], bool]:
    """Whether two updates under one id tell the same version of a ticket; `told` reads the ticket in a payload.

    The first version has no decision of its owner. That of a ticket which another region had refused has other times
    where this region keeps it once more after a loss.
    """

    def is_same(first: EnvelopeContent, again: EnvelopeContent) -> bool:
        if first.payload == again.payload:
            return True
        return all(kind.facts(told(each.payload)).version == 1 for each in (first, again))

    return is_same


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
    _require_dated(filed)


def require_unknown(kind: Followed[M, R], tx: Transaction, filed: M) -> None:
    """Raises Refused with ENVELOPE_INVALID for a ticket that this region has, also an unreadable one."""
    if _owner(kind, tx, kind.facts(filed).name) is not None:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it is known")


def _require_dated(told: Message) -> None:
    """Raises Refused with ENVELOPE_INVALID for a time that no page could show."""
    if not times_are_dated(told):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a time is out of range")


def require_possible(kind: Followed[M, R], told: M, now: datetime) -> None:
    """Raises Refused with ENVELOPE_INVALID for a time that no page could show, and for what no owner can have."""
    _require_dated(told)
    kind.require_plausible(told, now)


def require_plausible(created: Timestamp, now: datetime) -> None:
    """Raises Refused with ENVELOPE_INVALID for an impossible time of creation of a ticket that arrives now."""
    age = now.timestamp() - created.seconds
    if not -BETWEEN_TRUSTED.total_seconds() <= age <= _OLDEST.total_seconds():
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no time of filing")


def commanded(kind: Followed[M, R], tx: Transaction, region: str, name: str, content: EnvelopeContent) -> M:
    """The ticket of this region that its origin, or a helper, commands.

    Raises Refused with ENVELOPE_KIND_NOT_ALLOWED to any other sender. Raises as the records do for a ticket that is
    unknown, unreadable, or decided elsewhere.
    """
    known = kind.records.read(tx, name)
    helpers = () if known is None else kind.facts(known).helpers
    if content.origin not in helpers or name != content.subject:
        require_origin(kind, name, content)
    if known is None or kind.facts(known).owner != region:
        raise kind.records.not_found(name)
    if content.origin not in (kind.facts(known).origin, *helpers):
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    return known


def require_caught_up(context: RegionContext, tx: Transaction, facts: Facts, now: datetime) -> None:
    """Raises Refused with CATCHING_UP while a region may still report versions of a ticket that this region has lost.

    A version that is made meanwhile would take the number of another one. A region that has left reports nothing.
    One that is silent for hours holds up nothing: its later report is left to people.
    """
    if not is_caught_up(context, tx, facts, now):
        raise Refused(Reason.REASON_CATCHING_UP, region=context.region)


def is_caught_up(context: RegionContext, tx: Transaction, facts: Facts, now: datetime) -> bool:
    """Whether no region may still report what this region has lost of a ticket. See `require_caught_up`."""
    others = {facts.origin, facts.home, facts.owner, *facts.helpers} - {"", context.region}
    return not any(is_awaited(tx, each, now) for each in sorted(others) if context.takes_part(each))


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

    `told` makes of a ticket the part that its origin may see. Raises Refused for a temporary reason: the envelope is
    not taken, so the origin sends it again, and its caller sees the command as under way until it is answered.
    """
    before = told(known).SerializeToString()
    try:
        return accepted(told(decide()))
    except Refused as refused:
        last = lasting(refused)
        return Answer(Outcome.OUTCOME_REFUSED, result=before, reason=last.reason, parameters=last.parameters)


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
        require_possible(kind, told, now)
        return True
    if owner != content.origin:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    known = kind.records.read(tx, facts.name)
    if known is not None and kind.facts(known).created != facts.created:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it was filed at another time")
    if known is not None:
        require_possible(kind, told, now)
    return known is not None


def require_own_customer(context: RegionContext, facts: Facts, responsible: Callable[[], str]) -> None:
    """The first that this region hears of a ticket: of a number of its own, by the region that may own the ticket.

    That is the `responsible` region, or the origin where that refused it. Raises Refused with
    ENVELOPE_KIND_NOT_ALLOWED, and as `responsible`.
    """
    own = context.federation.number_plan.home_of(facts.number) if facts.number else None
    if (own, facts.home) != (context.region, context.region) or facts.owner not in (facts.origin, responsible()):
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)


def answered(
    kind: Followed[M, R], known: M | None, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
) -> M | None:
    """The version in a receipt; None for no version, and for one that its sender may not send.

    The receipt must be about its envelope's subject, from the envelope's destination. The sender must own the ticket,
    or have returned it to this region. `known` is the ticket here; None for one that is gone or unreadable.
    """
    if known is None or not receipt.result:
        return None
    try:
        told = parse(kind.records.message, receipt.result)
        require_possible(kind, told, now)
    except Refused:
        _log.error("the answer of %s about %s is unreadable, or not plausible", content.destination, content.subject)
        return None
    facts, owners = kind.facts(told), (content.destination, content.origin)
    if facts.name == content.subject and facts.owner in owners and kind.facts(known).owner in owners:
        return told
    _log.error("the answer of %s about %s is not taken: it is not theirs", content.destination, content.subject)
    return None


def settle_filing(
    kind: Followed[M, R],
    tx: Transaction,
    content: EnvelopeContent,
    receipt: ReceiptContent,
    now: datetime,
    adopt: Callable[[M], object],
    keep: Callable[[M, str], object],
) -> None:
    """Acts on the answer to a filing: the origin follows the owner.

    A ticket that the other region refuses by its configuration is not lost: the origin keeps it. `keep` gets the ticket
    and the reason in both languages, as a note for staff, who handle it.
    """
    known = kind.records.read(tx, content.subject)
    if receipt.outcome == Outcome.OUTCOME_ACCEPTED:
        if (told := answered(kind, known, content, receipt, now)) is not None:
            adopt(told)
        return
    if known is None or kind.facts(known).version:
        return
    refused = refusal_of(receipt)
    why = text(refused.reason, refused.parameters)
    reason = reason_name(refused.reason)  # its parameters may tell of a person
    _log.error("the region %s has refused %s, which is kept here: %s", content.destination, content.subject, reason)
    keep(known, f"{why.zh_cn} {why.en}")


def settle_command(
    kind: Followed[M, R],
    tx: Transaction,
    content: EnvelopeContent,
    receipt: ReceiptContent,
    now: datetime,
    adopt: Callable[[M], object],
) -> None:
    """Acts on the answer to a command: the owner's word on the ticket, if it has one, and on the request."""
    known = kind.records.read(tx, content.subject)
    if (told := answered(kind, known, content, receipt, now)) is not None:
        adopt(told)
    is_accepted = receipt.outcome == Outcome.OUTCOME_ACCEPTED
    settle_asked(tx, content.id, None if is_accepted else refusal_of(receipt))


def _owner(kind: Followed[M, R], tx: Transaction, name: str) -> str | None:
    """The owner of a ticket that this region has, also of an unreadable one."""
    owner = kind.records.column(tx, name, kind.owner_column)
    return None if owner is None else str(owner)
