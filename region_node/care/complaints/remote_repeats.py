"""Repeats are joined across regions: the home region of a number knows of every complaint about it, and reports.

The origin reports each filing to the home region once, without its text, unless the home region owns the complaint. The
home region answers with the complaints that it repeats, and notifies the regions of later repeats. The owner adopts the
count, and alone escalates by it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand, ComplaintNoted, ComplaintRepeats
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send, was_sent
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.care.complaints import escalation, owner, rules
from region_node.care.complaints.index_rows import Indexed, filing_of, find_indexed, known_around
from region_node.care.complaints.repeats import Filing, repeated_by, repeating
from region_node.care.complaints.rows import ComplaintRow, facts, find_complaint
from region_node.care.complaints.sending import send_to_region
from region_node.customers.disclosures.recording import Sent, note_sent
from region_node.customers.known_statuses import is_restricted
from region_node.node.context import RegionContext
from region_node.tickets.sending import send_about

_LIFETIME = timedelta(days=3650)  # the report counts however long the home region was away


def spread(tx: Transaction, context: RegionContext, row: ComplaintRow, now: datetime) -> None:
    """Reports a classified complaint to the home region of its number; here or by an envelope.

    A home region that answers it, or has done so, knows it. Without a home region, or with one that never joined, there
    is no report.
    """
    complaint = row.complaint
    if _home_of(context, complaint) == context.region and not complaint.case_id and complaint.request.category:
        _tell_repeating(tx, context, _noted(complaint), now)
    elif _is_for_home(context, complaint):
        note_at_home(tx, context, row, _noted(complaint), _home_of(context, complaint), now)


def note_withdrawn(
    tx: Transaction, context: RegionContext, row: ComplaintRow, before: Complaint, now: datetime
) -> None:
    """Reports a new withdrawal of a complaint of this origin region to the home region."""
    complaint = row.complaint
    is_new = complaint.state == rules.CANCELLED != before.state
    if is_new and _is_for_home(context, complaint):
        noted = _noted(complaint)
        noted.withdrawn = True
        note_at_home(tx, context, row, noted, _home_of(context, complaint), now)


def _home_of(context: RegionContext, complaint: Complaint) -> str:
    """The present home of the number, to which the customer may have moved since the filing; empty for none."""
    if not complaint.home_region:
        return ""
    return context.federation.number_plan.home_of(complaint.request.number) or complaint.home_region


def _is_for_home(context: RegionContext, complaint: Complaint) -> bool:
    """Whether this origin region must report a complaint to the home region of its number."""
    home = _home_of(context, complaint)
    if complaint.case_id or not complaint.request.category or home in ("", context.region, complaint.owner_region):
        return False
    has_joined = context.border.current.state().member_state(home) != MemberState.MEMBER_STATE_ABSENT
    return has_joined and complaint.origin_region == context.region


def heard(
    tx: Transaction, context: RegionContext, noted: ComplaintNoted, operator: str, now: datetime
) -> ComplaintRepeats:
    """The repeats of a reported complaint known to this home region; later repeats get their own report.

    Empty without repeats, and for a restricted customer.
    """
    if is_restricted(tx, noted.number):
        return ComplaintRepeats()
    region, told = noted.ticket_id.partition("/")[0], _repeats_of(noted, filing_of(noted), _known(tx, noted))
    if told.repeats:
        _note_for_customer(tx, noted.number, region, operator, told, now)
    _tell_repeating(tx, context, noted, now)
    return told


def join(tx: Transaction, context: RegionContext, told: ComplaintRepeats, step: str, now: datetime) -> bool:
    """Hands repeats to the region that answers for a complaint; returns False where that is unknown here.

    `step` names the source of the repeats: each is reported once.
    """
    row = find_complaint(tx, told.ticket_id)
    if row is None:
        return False
    complaint, before = row.complaint, Complaint()
    is_first_contact = complaint.origin_region == context.region
    if complaint.owner_region == context.region and (is_first_contact or not complaint.HasField("returned")):
        before.CopyFrom(complaint)
        if escalation.joined(complaint, told, now, context.region):
            owner.keep_and_tell(tx, context, row, before, now)
        return True
    envelope_id = f"{told.ticket_id}#{step}"
    if is_first_contact and not was_sent(tx, f"{envelope_id}>{complaint.owner_region}"):
        send_to_region(tx, context, row, envelope_id, ComplaintCommand(ticket_id=told.ticket_id, repeats=told), now)
    return is_first_contact


def _tell_repeating(tx: Transaction, context: RegionContext, noted: ComplaintNoted, now: datetime) -> None:
    """Sends repeats to complaints that were filed later, and reported earlier."""
    filing, known = filing_of(noted), _known(tx, noted)
    step = f"repeats-{noted.ticket_id.replace('/', '-')}-{noted.setting}"
    later = () if is_restricted(tx, noted.number) else repeating(filing, known)
    for each in later:
        told = _repeats_of(noted, each, [*known, filing])
        if join(tx, context, told, step, now):
            continue
        indexed = find_indexed(tx, each.ticket_id)
        if indexed is not None:
            _send_to_first_contact(tx, context, noted.number, indexed, told, step, now)


def _send_to_first_contact(
    tx: Transaction,
    context: RegionContext,
    number: str,
    indexed: Indexed,
    told: ComplaintRepeats,
    step: str,
    now: datetime,
) -> None:
    outgoing = OutgoingEnvelope(
        envelope_id=f"{told.ticket_id}#{step}>{indexed.region}",
        destination=indexed.region,
        kind=EnvelopeKind.ENVELOPE_KIND_COMPLAINT_REPEATS,
        payload=told.SerializeToString(),
        subject=told.ticket_id,
        operator="",
        lifetime=_LIFETIME,
    )
    # Of a complaint that this region has returned its first contact speaks a second time.
    if not was_sent(tx, outgoing.envelope_id):
        send(tx, context.border, outgoing, now=now, traceparent=indexed.traceparent)
        _note_for_customer(tx, number, indexed.region, "", told, now)


def _repeats_of(noted: ComplaintNoted, filing: Filing, known: Sequence[Filing]) -> ComplaintRepeats:
    found = repeated_by(filing, known)
    if not found:
        return ComplaintRepeats()
    return ComplaintRepeats(
        ticket_id=filing.ticket_id, category=noted.category, repeated_ticket_id=found[0], repeats=len(found)
    )


def _noted(complaint: Complaint) -> ComplaintNoted:
    return ComplaintNoted(
        ticket_id=complaint.ticket_id,
        number=complaint.request.number,
        category=complaint.request.category,
        create_time=complaint.create_time,
        setting=len(complaint.classification.settings),
    )


def _known(tx: Transaction, noted: ComplaintNoted) -> Sequence[Filing]:
    return known_around(tx, noted.number, noted.category, from_timestamp(noted.create_time), noted.ticket_id)


def note_at_home(
    tx: Transaction, context: RegionContext, row: ComplaintRow, noted: ComplaintNoted, home: str, now: datetime
) -> None:
    """Reports a complaint to the home region of its number, each word once."""
    complaint = row.complaint
    step = "withdrawn" if noted.withdrawn else f"noted{noted.setting}"
    envelope_id = f"{complaint.ticket_id}#{step}"
    if was_sent(tx, f"{envelope_id}>{home}"):
        return
    send_about(
        tx,
        context,
        facts(complaint),
        EnvelopeKind.ENVELOPE_KIND_COMPLAINT_NOTED,
        noted,
        now,
        envelope_id=envelope_id,
        region=home,
        traceparent=row.traceparent,
    )


def _note_for_customer(
    tx: Transaction, number: str, region: str, operator: str, told: ComplaintRepeats, now: datetime
) -> None:
    """Notes in the customer's own list that another region learned of an earlier complaint."""
    sent = Sent(DisclosureKind.DISCLOSURE_KIND_REPEAT_TOLD, told.repeated_ticket_id, region, operator)
    note_sent(tx, number, sent, now)
