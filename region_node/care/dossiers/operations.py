"""The dossier of a complaint, put together by the origin region in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.complaint_pb2 import Complaint, LedgerEntry
from gateway.api.region.v1.dossier_service_pb2 import Appellant, Dossier, ExportDossierRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.values.lists import joined
from region_node.care.complaints import handling, ledger
from region_node.care.dossiers import rules
from region_node.customers.rows import find_customer, find_line
from region_node.customers.status import ACTIVE, status_of
from region_node.node.context import RegionContext


@dataclass(frozen=True)
class Exporter:
    """The author of an export, and the time."""

    identity: Identity
    now: datetime


def export(tx: Transaction, context: RegionContext, exporter: Exporter, request: ExportDossierRequest) -> Dossier:
    """This region's whole record of a complaint, with a check of each condition of an appeal.

    Raises Refused for a complaint of another origin region, or that the caller may not see. Raises Refused before the
    regulator's turn, and for impossible statements.
    """
    complaint, now = handling.find_for(tx, request.ticket_id, exporter.identity), exporter.now
    if complaint.origin_region != context.region:
        raise Refused(Reason.REASON_COMPLAINT_NOT_FIRST_CONTACT, region=complaint.origin_region)
    filed = from_timestamp(complaint.create_time).astimezone(ZoneInfo(context.time_zone)).date()
    rules.require_statements(request.statements, request.appellant, filed)
    rules.require_exportable(complaint, now, ZoneInfo(context.time_zone), customer_asks=request.customer_asks)
    federation = context.federation
    if not complaint.request.category:
        raise Refused(Reason.REASON_COMPLAINT_UNCLASSIFIED)
    category = federation.complaint_category(complaint.request.category)
    respondents = rules.respondents(complaint)
    concerned = sorted({complaint.origin_region, complaint.owner_region, *respondents})
    matter = rules.Matter(
        complaint=complaint,
        complaint_class=category.complaint_class,
        appellant=_appellant(tx, complaint, request.appellant),
        statements=request.statements,
        customer_asks=request.customer_asks,
        respondent=joined(federation.region(each).name for each in respondents),
        months=federation.figure(rules.policy_of(category.complaint_class), concerned),
        time_zone=context.time_zone,
        now=now,
    )
    found = rules.conditions(matter)
    entries: Sequence[LedgerEntry] = ledger.entries(complaint, now, federation.working_hours)
    dossier = Dossier(
        ticket_id=complaint.ticket_id,
        export_time=to_timestamp(now),
        author=f"{context.region}/{exporter.identity.name}",
        time_zone=context.time_zone,
        verdict=rules.verdict(found),
        conditions=found,
        appellant=matter.appellant,
        respondent=matter.respondent,
        department=complaint.department,
        category=category.name,
        complaint_class=category.complaint_class,
        statements=request.statements,
        complaint=complaint,
        ledger=entries,
    )
    late = ledger.lateness(complaint, now)
    if late is not None:
        dossier.lateness.FromTimedelta(late)
    return dossier


def _appellant(tx: Transaction, complaint: Complaint, told: Appellant) -> Appellant:
    """The appellant: from the staff's statements, else from the own records of the region's own customers."""
    appellant = Appellant(telephone=complaint.request.contact_number or complaint.request.number)
    line = find_line(tx, complaint.request.number)
    if line is not None and status_of(tx, line.customer_id) == ACTIVE:
        customer = find_customer(tx, line.customer_id)
        appellant.name, appellant.address = (customer.name if customer is not None else ""), line.address
    appellant.MergeFrom(told)
    return appellant
