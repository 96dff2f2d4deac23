"""Credits of agreements between the home region and the regions whose outages caused them.

The home region claims the share of each other region with the statement, and each revision claims the difference. The
owing region checks a claim against its own outages. Both apply the same rule to the copies of the outages that they
have: neither force majeure nor work that was announced in time is charged.
"""

from datetime import datetime, timedelta

from gateway.api.region.v1.agreement_pb2 import Agreement, AgreementStatement, OutageCause
from gateway.api.region.v1.outage_envelopes_pb2 import CreditClaim
from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.relay.at_rest import envelope_subject
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from gateway.time.clock import dated, from_microseconds, from_timestamp, is_dated, to_microseconds, to_timestamp
from gateway.time.months import is_month
from region_node.business.billing.rules import Month
from region_node.business.reconciliation.evidence import Word, content_of, impossible, not_proven, own_word, words_of
from region_node.business.reconciliation.port import Act, Restoring
from region_node.business.settlement.debts import (
    Debt,
    charged_debts,
    is_noted,
    note_debt,
    owed_by_region,
    settled_debts,
)
from region_node.customers.accounts.rules import COMPENSATION, EntryKind
from region_node.network.agreements.causes import Cause, caused_credit, causes_of, shares, times
from region_node.network.agreements.operations import MOST_MINOR_UNITS
from region_node.network.agreements.rules import NOTICE_POLICY, Outage, counts
from region_node.network.agreements.spans import Span, length, union
from region_node.node.context import RegionContext
from region_node.node.payloads import parse

SUBJECTS = "agreement-credit/"
MOST_CAUSES = 1000  # in one claim; so many outages are evidence enough
_CREDIT = "agreement-credit"
_CLOCKS = timedelta(days=1)  # by which clocks of two regions may differ
_LIFETIME = timedelta(days=3650)  # the claim counts however long the other region was away
_MOST_REVISIONS = 1_000_000


def claim_credit(tx: Transaction, context: RegionContext, agreement: Agreement, told: AgreementStatement) -> None:
    """Claims of each other region what its outages caused, beyond what earlier revisions claimed.

    The caller has booked the credit of the statement, and stores it.
    """
    home, causes = context.region, causes_of(told)
    charged = {
        each for each in causes if each.region != home and _is_charged(tx, context, home, agreement.service, each)
    }
    shared = shares(caused_credit(told), times(causes, charged, home))
    shared.pop(home, None)
    before = owed_by_region(tx, _CREDIT, f"{_place(agreement.id, told.month)}#")
    for region in sorted(shared.keys() | before.keys()):
        difference = shared.get(region, 0) - before.get(region, 0)
        if not difference:
            continue
        claim = CreditClaim(
            agreement_id=agreement.id,
            month=told.month,
            revision=told.revision,
            create_time=told.create_time,
            service=agreement.service,
            owed=Money(minor_units=difference, currency=told.credit.currency),
            monthly_charge=agreement.monthly_charge,
            causes=[_told(each) for each in sorted(charged) if each.region == region][:MOST_CAUSES],
        )
        time = from_timestamp(told.create_time)
        _book(tx, context, claim, region, home, time, time)
        _send(tx, context, claim, region, time)


def owe_credit(tx: Transaction, context: RegionContext, home: str, claim: CreditClaim, now: datetime) -> None:
    """The region of the outages owes what the home region claims, once.

    Raises Refused with CREDIT_CLAIM_IMPLAUSIBLE before the first write.
    """
    serial = _serial(claim, context.region)
    if is_noted(tx, _CREDIT, serial):
        return
    problem, time = _time_problem(context, home, claim, now)
    problem = problem or _amount_problem(tx, context, home, claim) or _cause_problem(tx, context, home, claim)
    if problem or time is None:
        raise Refused(Reason.REASON_CREDIT_CLAIM_IMPLAUSIBLE, region=context.region, serial=serial, problem=problem)
    _book(tx, context, claim, context.region, home, time, now)


def subject_of(claim: CreditClaim) -> str:
    """The subject of the envelopes about a month of an agreement: revisions stay in order."""
    return f"{SUBJECTS}{_place(claim.agreement_id, claim.month)}"


def _book(
    tx: Transaction,
    context: RegionContext,
    claim: CreditClaim,
    region: str,
    home: str,
    time: datetime,
    now: datetime,
) -> None:
    """Books a claim; a negative one turns the debt around. The credit was, and is, a compensation in each region."""
    debtor, creditor = (region, home) if claim.owed.minor_units > 0 else (home, region)
    debt = Debt(_CREDIT, _serial(claim, region), debtor, creditor, abs(claim.owed.minor_units), time)
    note_debt(tx, context, debt, EntryKind.CREDIT_OWED, COMPENSATION, now)


def _send(tx: Transaction, context: RegionContext, claim: CreditClaim, region: str, now: datetime) -> None:
    outgoing = OutgoingEnvelope(
        envelope_id=f"{subject_of(claim)}#{claim.revision}>{region}",
        destination=region,
        kind=EnvelopeKind.ENVELOPE_KIND_CREDIT_CLAIMED,
        payload=claim.SerializeToString(),
        subject=subject_of(claim),
        operator="",
        lifetime=_LIFETIME,
    )
    send(tx, context.border, outgoing, now=now, traceparent="")


def _is_charged(tx: Transaction, context: RegionContext, home: str, service: str, cause: Cause) -> bool:
    """Whether a region has outages of a source that counted, in the whole of a time, by the notice of the home."""
    notice = timedelta(hours=context.federation.figure(NOTICE_POLICY, (home, home)))
    found = tx.all(
        _outage,
        "SELECT start_time, end_time, cause, announce_time FROM service_outages WHERE service = :service"
        " AND source = :source AND region = :region AND agreement_id = '' AND withdrawn = 0"
        " UNION SELECT start_time, end_time, cause, announce_time FROM part_outages"
        " WHERE source = :source AND region = :region AND withdrawn = 0",
        service=service,
        source=cause.source,
        region=cause.region,
    )
    there = union(each.span.within(cause.span) for each in found if counts(each, notice))
    return length(there) == cause.span.length > 0


def _time_problem(context: RegionContext, home: str, claim: CreditClaim, now: datetime) -> tuple[str, datetime | None]:
    """Why the times of a claim are impossible, empty for possible ones; and the time of its statement."""
    if not is_month(claim.month) or not 0 < claim.revision <= _MOST_REVISIONS:
        return "no month, or no revision", None
    if not is_dated(claim.create_time):
        return "the time is in no calendar", None
    time = dated(claim.create_time)
    if not _month(context, home, claim).end - _CLOCKS <= time <= now + _CLOCKS:
        return "the time is not between the end of the month and now", None
    return "", time


def _amount_problem(tx: Transaction, context: RegionContext, home: str, claim: CreditClaim) -> str:
    owed, charge = claim.owed, claim.monthly_charge
    if {owed.currency, charge.currency} != {context.currency} or not owed.minor_units:
        return "no amount in the currency of the region"
    prefix = f"{_place(claim.agreement_id, claim.month)}#"
    total = owed.minor_units - owed_by_region(tx, _CREDIT, prefix).get(home, 0)
    if not 0 <= total <= min(charge.minor_units, MOST_MINOR_UNITS):
        return "the sum is below zero, or above the charge of the month"
    return ""


def _cause_problem(tx: Transaction, context: RegionContext, home: str, claim: CreditClaim) -> str:
    """Only an amount to be paid needs a cause; one given back has none."""
    if claim.owed.minor_units < 0:
        return ""
    if not 0 < len(claim.causes) <= MOST_CAUSES:
        return f"not 1 to {MOST_CAUSES} outages"
    month = _month(context, home, claim)
    limits = Span(to_microseconds(month.start), to_microseconds(month.end))
    for told in claim.causes:
        if not is_dated(told.start_time) or not is_dated(told.end_time):
            return "the time of an outage is in no calendar"
        start, end = (to_microseconds(dated(each)) for each in (told.start_time, told.end_time))
        cause = Cause(told.source, Span(start, end))
        is_own = cause.region == context.region and cause.span.within(limits) == cause.span
        if not is_own or not _is_charged(tx, context, home, claim.service, cause):
            return f"no outage of {told.source} counted in that time"
    return ""


def _month(context: RegionContext, home: str, claim: CreditClaim) -> Month:
    return Month.of(claim.month, context.federation.region(home).time_zone)


def _told(cause: Cause) -> CreditClaim.Cause:
    start, end = (to_timestamp(from_microseconds(each)) for each in (cause.span.start, cause.span.end))
    return CreditClaim.Cause(source=cause.source, start_time=start, end_time=end)


def _place(agreement_id: str, month: str) -> str:
    return f"{agreement_id}/{month}"


def _serial(claim: CreditClaim, region: str) -> str:
    return f"{_place(claim.agreement_id, claim.month)}#caused-{claim.revision}-{region}"


def _subject(serial: str) -> str:
    return envelope_subject(_envelopes_about(serial))


def _outage(start: int, end: int, cause: int, announced: int | None) -> Outage:
    return Outage("", Span(start, end), OutageCause.ValueType(cause), announced)


def _evidence(tx: Transaction, context: RegionContext, act: Act) -> RepairEvidence:
    if not is_noted(tx, _CREDIT, act.serial):
        raise impossible(context, act)
    for told, word in words_of(tx, act.there, _envelopes_about(act.serial), with_answered=True):
        claim = _claim_in(word, told)
        if claim is not None and act.serial in (_serial(claim, context.region), _serial(claim, act.there)):
            return told
    raise not_proven(act.there, act)


def _restore(tx: Transaction, context: RegionContext, act: Act, told: RepairEvidence, now: datetime) -> None:
    """Books a claim that this region has made, or has accepted: either has its signature."""
    if is_noted(tx, _CREDIT, act.serial):
        raise impossible(context, act)
    word, here, there = own_word(context, act, told), context.region, act.there
    claim = _claim_in(word, told)
    region, home = (there, here) if isinstance(word, EnvelopeContent) else (here, there)
    if claim is None or _serial(claim, region) != act.serial:
        raise not_proven(here, act)
    _book(tx, context, claim, region, home, dated(claim.create_time), now)


def _claim_in(word: Word, told: RepairEvidence) -> CreditClaim | None:
    """The claim that a region has sent, or has accepted; None for another word."""
    try:
        content = content_of(word, told)
        if content is not None and content.kind == EnvelopeKind.ENVELOPE_KIND_CREDIT_CLAIMED:
            return parse(CreditClaim, content.payload)
    except Refused:
        return None
    return None


def _envelopes_about(serial: str) -> str:
    return SUBJECTS + serial.partition("#")[0]


CHARGED_AGREEMENT_CREDITS = charged_debts(_CREDIT)
SETTLED_AGREEMENT_CREDITS = settled_debts(_CREDIT, _subject, Restoring(_evidence, _restore, _envelopes_about))
