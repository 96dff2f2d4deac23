"""The only place where kinds of records register with the functions for all of them."""

from collections.abc import Sequence

from gateway.api.region.v1.complaint_pb2 import ComplaintState
from gateway.api.region.v1.fault_pb2 import FaultState
from gateway.api.region.v1.support_request_pb2 import SupportState
from gateway.relay import at_rest
from region_node.approvals.kind import APPROVALS
from region_node.business.billing import bill_events
from region_node.business.billing.kind import ACCOUNTS
from region_node.business.billing.readings import BILL_LIMIT
from region_node.business.catalogue import offerings
from region_node.business.joint import rows as joint_rows
from region_node.business.joint.settled import SETTLED_ITEMS, SETTLED_JOINT
from region_node.business.orders import rows as order_rows
from region_node.business.orders.charged import CHARGED_HANDLING, CHARGED_PAYMENTS, CHARGED_REMEDIES
from region_node.business.orders.kind import ORDERS
from region_node.business.orders.repairing import SETTLED_ORDERS, SETTLED_REMEDIES
from region_node.business.reconciliation.kind import RECONCILIATIONS
from region_node.business.reconciliation.port import Reconciliation
from region_node.business.reconciliation.tickets import settled_tickets
from region_node.business.settlement.port import Settlement
from region_node.business.settlement.proofs import SETTLEMENTS
from region_node.business.settlement.signing import STATEMENTS
from region_node.care.anomalies.watching import ALERTS as ANOMALY_ALERTS
from region_node.care.bulletins import rows as bulletin_rows
from region_node.care.bulletins.kind import BULLETINS
from region_node.care.complaints import rows as complaint_rows
from region_node.care.complaints import rules as complaints
from region_node.care.complaints.kind import COMPLAINTS
from region_node.care.complaints.of_problems import complaints_of
from region_node.care.complaints.rows import COMPLAINT
from region_node.care.escalations.alerts import alerts
from region_node.care.escalations.configurations import ALERTS as CONFIGURATION_ALERTS
from region_node.care.escalations.joint_orders import JOINT_ORDERS
from region_node.care.issues.kind import ISSUES
from region_node.care.issues.of_settlements import open_dispute
from region_node.care.issues.rows import ISSUE_ROWS
from region_node.care.loans.kind import LOANS
from region_node.care.loans.rows import LOAN_ROWS
from region_node.care.quality.kind import SAMPLES
from region_node.care.quarantine.watching import QUARANTINE_TIMER
from region_node.care.surveys.kind import SURVEYS
from region_node.customers import events as customer_events
from region_node.customers.documents.kind import DOCUMENTS
from region_node.customers.kind import CUSTOMERS
from region_node.customers.notices.kind import NOTICES
from region_node.customers.sharing.duty_readings import DUTY_LIMIT
from region_node.customers.sharing.kind import SHARING
from region_node.customers.verification.kind import VERIFICATIONS
from region_node.lifecycle.moving.books import CHARGED_MOVES, SETTLED_MOVES
from region_node.lifecycle.moving.kind import MOVES
from region_node.lifecycle.registry import Registry
from region_node.network.agreements import rows as agreement_rows
from region_node.network.agreements.announced import tell_announced
from region_node.network.agreements.kind import AGREEMENTS
from region_node.network.agreements.regional import CHARGED_AGREEMENT_CREDITS, SETTLED_AGREEMENT_CREDITS
from region_node.network.faults import evidence as fault_evidence
from region_node.network.faults import rows as fault_rows
from region_node.network.faults import rules as faults
from region_node.network.faults.kind import FAULTS
from region_node.network.faults.owner import follow_problem, leave_problem
from region_node.network.faults.regional import CHARGED_PARTS, CHARGED_RENT
from region_node.network.faults.restoring import FAULT_RESTORING
from region_node.network.faults.rows import FAULT
from region_node.network.faults.settled import (
    SETTLED_CREDITS,
    SETTLED_PARTS,
    SETTLED_RENT,
    SETTLED_WARRANTY_PARTS,
)
from region_node.network.measurements import evidence as alarm_evidence
from region_node.network.measurements.alarm_rows import AlarmNumbers
from region_node.network.measurements.kind import MEASUREMENTS
from region_node.network.problems.kind import LINE_SERVICES
from region_node.network.problems.port import Evidence, ProblemPorts
from region_node.network.support import rules as support
from region_node.network.support.kind import SUPPORT_REQUESTS
from region_node.network.support.rows import SUPPORT, SUPPORT_ROWS
from region_node.node.context import RegionContext
from region_node.node.open_work import OpenRows
from region_node.oversight.searches import ORDER_SEARCHES
from region_node.records.kinds import ErasurePort, RecordKind
from region_node.records.numbers import Counted
from region_node.requests.importing.progress import forget_rejections, seal_clear_rejections
from region_node.requests.rows import seal_clear_requests
from region_node.tickets import improvements

KINDS: Sequence[RecordKind] = (
    CUSTOMERS,
    ORDERS,
    JOINT_ORDERS,
    COMPLAINTS,
    ACCOUNTS,
    AGREEMENTS,
    FAULTS,
    SUPPORT_REQUESTS,
    ISSUES,
    LOANS,
    BULLETINS,
    SURVEYS,
    SAMPLES,
    NOTICES,
    SHARING,
    DOCUMENTS,
    VERIFICATIONS,
    APPROVALS,
    LINE_SERVICES,
    MEASUREMENTS,
    RECONCILIATIONS,
    SETTLEMENTS,
    MOVES,
    ORDER_SEARCHES,
    alerts(
        (ANOMALY_ALERTS, QUARANTINE_TIMER, DUTY_LIMIT.timer, BILL_LIMIT.timer, CONFIGURATION_ALERTS),
        of_regions=(STATEMENTS,),
    ),
    RecordKind("request", row_migrations={"requests": seal_clear_requests}),
    RecordKind(
        "import",
        ErasurePort(forget={"number": forget_rejections}, indexed=("import_rejections",)),
        row_migrations={"import_rejections": seal_clear_rejections},
    ),
    RecordKind("envelope", row_migrations={"outbox and inbox": at_rest.seal_clear_page}),
)
"""Every kind, in the order in which its records are checked before an erasure, purged, and migrated at the start."""

COUNTED: Sequence[Counted] = (
    order_rows.EVENTS,
    joint_rows.NUMBERS,
    joint_rows.ENDS,
    complaint_rows.NUMBERS,
    complaint_rows.EVENTS,
    fault_rows.NUMBERS,
    fault_rows.EVENTS,
    SUPPORT_ROWS.numbers,
    ISSUE_ROWS.numbers,
    LOAN_ROWS.numbers,
    bulletin_rows.NUMBERS,
    agreement_rows.NUMBERS,
    improvements.NUMBERS,
    customer_events.EVENTS,
    offerings.EVENTS,
    bill_events.EVENTS,
    AlarmNumbers(),
)
"""All numbers of records and of their changes, which go on behind those that a lost part of the database has given."""

OPEN: Sequence[OpenRows] = (
    order_rows.OPEN,
    order_rows.OVERDUE,
    joint_rows.OPEN,
    complaint_rows.OPEN,
    fault_rows.OPEN,
)
"""The records that operator systems hand in by themselves, as long as they are open."""

SETTLED = (
    SETTLED_ORDERS,
    SETTLED_REMEDIES,
    SETTLED_JOINT,
    SETTLED_ITEMS,
    SETTLED_PARTS,
    SETTLED_CREDITS,
    settled_tickets("complaint", COMPLAINT, {complaints.CLOSED}, ComplaintState.DESCRIPTOR),
    settled_tickets("fault", FAULT, {faults.CLOSED}, FaultState.DESCRIPTOR, FAULT_RESTORING),
    settled_tickets("support", SUPPORT, {support.CLOSED}, SupportState.DESCRIPTOR),
    SETTLED_RENT,
    SETTLED_WARRANTY_PARTS,
    SETTLED_AGREEMENT_CREDITS,
    SETTLED_MOVES,
)
"""The kinds of records that each pair of regions compares every night."""

CHARGED = (
    CHARGED_PAYMENTS,
    CHARGED_REMEDIES,
    CHARGED_HANDLING,
    CHARGED_RENT,
    CHARGED_PARTS,
    CHARGED_AGREEMENT_CREDITS,
    CHARGED_MOVES,
)
"""The kinds of charges between two regions."""

PROBLEMS = ProblemPorts(
    evidence={
        fault_rows.KIND: Evidence(fault_evidence.find_event, follow_problem, leave_problem),
        alarm_evidence.KIND: Evidence(alarm_evidence.find_event),
    },
    line_bound=tell_announced,
    complaints_of=complaints_of,
)
"""The kinds of records behind network problems."""


def registry(context: RegionContext) -> Registry:
    """Every kind of record of a region."""
    return Registry(context, KINDS)


def reconciliation(context: RegionContext) -> Reconciliation:
    """The comparison of a region's records with those of others."""
    return Reconciliation(context, {each.name: each for each in SETTLED})


def settlement(context: RegionContext) -> Settlement:
    """The settlement of a region with others."""
    return Settlement(context, CHARGED, open_dispute)
