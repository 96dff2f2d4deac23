"""The common parts of record kinds between regions, for tests of the border."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from google.protobuf.message import Message

from gateway.api.region.v1 import complaint_envelopes_pb2 as complaints
from gateway.api.region.v1 import fault_envelopes_pb2 as faults
from gateway.api.region.v1 import issue_envelopes_pb2 as issues
from gateway.api.region.v1 import loan_envelopes_pb2 as loans
from gateway.api.region.v1 import order_envelopes_pb2 as orders
from gateway.api.region.v1 import support_envelopes_pb2 as support
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintRequest, ComplaintState
from gateway.api.region.v1.fault_pb2 import Fault, FaultPlace, FaultReport, FaultState
from gateway.api.region.v1.issue_pb2 import Issue, IssueRequest, IssueState
from gateway.api.region.v1.loan_pb2 import Loan, LoanRequest, LoanState
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportMeasurement, SupportRequest, SupportState
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.types_pb2 import Applicant, Requester
from gateway.relay.border import Kinds
from gateway.relay.queries import Asker
from gateway.store.port import Store, Transaction
from gateway.time.clock import to_timestamp
from region_node.business.orders import rows as order_rows
from region_node.business.orders.context import OrderContext
from region_node.business.orders.relayed import OrderEnvelopes
from region_node.business.orders.rows import ORDER, OrderRow, insert_order
from region_node.care.complaints import rows as complaint_rows
from region_node.care.complaints.attachment_contents import AttachmentApplication
from region_node.care.complaints.keeping import add_complaint
from region_node.care.complaints.relayed import ComplaintEnvelopes
from region_node.care.complaints.rows import COMPLAINT, ComplaintRow
from region_node.care.issues.relayed import IssueEnvelopes
from region_node.care.issues.rows import ISSUE, ISSUE_ROWS, IssueRow
from region_node.care.loans.relayed import LoanEnvelopes
from region_node.care.loans.rows import LOAN, LOAN_ROWS, LoanRow
from region_node.network.faults import rows as fault_rows
from region_node.network.faults.relayed import FaultEnvelopes
from region_node.network.faults.rows import FAULT, FaultRow, insert_fault
from region_node.network.support.relayed import SupportEnvelopes
from region_node.network.support.rows import SUPPORT, SUPPORT_ROWS, SupportRow
from region_node.node.context import RegionContext
from region_node.records.stored import Events
from tests.unit.purging import NOW
from tests.unit.situations import LINE

HERE, ORIGIN, OWNER = "sichuan", "guangdong", "henan"
STAFF = Requester(staff_id="4711")


@dataclass(frozen=True)
class Kind:
    """A kind of record, as far as every kind is alike; fields by their names in its message."""

    name: str
    new: Callable[[str, str, str], Message]
    """A new record by id, origin and owner, as a good filing brings it."""
    origin: str
    owner: str
    created: str
    fixed: Sequence[str]
    final: int
    kinds: Callable[[RegionContext], Kinds]
    store: Callable[[Transaction, Message], None]
    read: Callable[[Transaction, str], Message | None]
    subject: Callable[[str], str]
    filing: tuple[EnvelopeKind.ValueType, Callable[[Message], Message]]
    command: tuple[EnvelopeKind.ValueType, Callable[[str, str, str], Message]]
    """The origin's command, by the id, the author and the text."""
    taken: Callable[[str], Message]
    """What the origin may say of a record that was just taken in, by the id."""
    update: tuple[EnvelopeKind.ValueType, Callable[[Message], Message]]
    prefix: str
    """The beginning of its ids behind the origin and a slash."""
    key: str = "id"
    events: Events | None = None


def new_support(name: str, origin: str, owner: str) -> SupportRequest:
    start, end = to_timestamp(NOW - timedelta(hours=1)), to_timestamp(NOW)
    slow = SupportMeasurement(link="chengdu-guangzhou-1", delay_us=250_000, start_time=start, end_time=end)
    found = SupportRequest(
        id=name,
        inquiry=SupportInquiry(
            number=LINE.number,
            subject="slow",
            description="since nine",
            service="lines-chengdu-guangzhou",
            measurements=[slow],
            staff_id="wang",
        ),
        origin_region=origin,
        owner_region=owner,
        operator="counter",
        create_time=to_timestamp(NOW),
        state=SupportState.SUPPORT_STATE_ACKNOWLEDGED,
    )
    found.state_changes.add(state=found.state, time=found.create_time, author=f"{origin}/wang")
    return found


def new_issue(name: str, origin: str, owner: str) -> Issue:
    due = to_timestamp(NOW + timedelta(days=3))
    found = Issue(
        id=name,
        request=IssueRequest(
            subject="bills", description="differ", owner_region=owner, due_time=due, staff_id=STAFF.staff_id
        ),
        origin_region=origin,
        owner_region=owner,
        operator="counter",
        create_time=to_timestamp(NOW),
        state=IssueState.ISSUE_STATE_ACKNOWLEDGED,
    )
    found.state_changes.add(state=found.state, time=found.create_time, author=f"{origin}/{STAFF.staff_id}")
    return found


def new_loan(name: str, origin: str, owner: str) -> Loan:
    start, end = to_timestamp(NOW + timedelta(days=1)), to_timestamp(NOW + timedelta(days=3))
    found = Loan(
        id=name,
        request=LoanRequest(
            region=owner,
            resource_id="otdr-1",
            quantity=1,
            start_time=start,
            end_time=end,
            purpose="a break",
            staff_id=STAFF.staff_id,
        ),
        origin_region=origin,
        owner_region=owner,
        operator="counter",
        create_time=to_timestamp(NOW),
        end_time=end,
        state=LoanState.LOAN_STATE_ACKNOWLEDGED,
    )
    found.state_changes.add(state=found.state, time=found.create_time, author=f"{origin}/{STAFF.staff_id}")
    return found


def new_fault(name: str, origin: str, owner: str) -> Fault:
    place = FaultPlace(site="chengdu", region=HERE)
    found = Fault(
        id=name,
        report=FaultReport(number=LINE.number, description="no signal", place=place, requester=STAFF),
        origin_region=origin,
        owner_region=owner,
        home_region=ORIGIN,
        operator="counter",
        create_time=to_timestamp(NOW),
        state=FaultState.FAULT_STATE_ACKNOWLEDGED,
    )
    found.outages.add(start_time=found.create_time, due_time=to_timestamp(NOW + timedelta(days=2)))
    return found


def new_complaint(name: str, origin: str, owner: str) -> Complaint:
    return Complaint(
        ticket_id=name,
        request=ComplaintRequest(category="BILL_WRONG", number=LINE.number, description="too high"),
        origin_region=origin,
        owner_region=owner,
        home_region=HERE,
        operator="counter",
        create_time=to_timestamp(NOW),
        state=ComplaintState.COMPLAINT_STATE_ACKNOWLEDGED,
    )


def new_order(name: str, origin: str, owner: str) -> Order:
    return Order(
        id=name,
        request=OrderRequest(business="SUSPEND", number=LINE.number, applicant=Applicant.APPLICANT_HOLDER),
        origin_region=origin,
        home_region=owner,
        operator="counter",
        create_time=to_timestamp(NOW),
        state=OrderState.ORDER_STATE_ACKNOWLEDGED,
    )


def store_support(tx: Transaction, message: Message) -> None:
    SUPPORT_ROWS.insert(tx, SupportRow(cast(SupportRequest, message), ""), 0, NOW)


def store_issue(tx: Transaction, message: Message) -> None:
    ISSUE_ROWS.insert(tx, IssueRow(cast(Issue, message), ""), 0, NOW)


def store_loan(tx: Transaction, message: Message) -> None:
    LOAN_ROWS.insert(tx, LoanRow(cast(Loan, message), ""), 0, NOW)


def store_fault(tx: Transaction, message: Message) -> None:
    insert_fault(tx, FaultRow(cast(Fault, message), ""), 0, NOW)


def store_complaint(tx: Transaction, message: Message) -> None:
    add_complaint(tx, ComplaintRow(cast(Complaint, message), ""), 0, NOW)


def store_order(tx: Transaction, message: Message) -> None:
    insert_order(tx, OrderRow(cast(Order, message), ""), NOW)


def complaint_envelopes(context: RegionContext) -> Kinds:
    nothing_attached = AttachmentApplication(context, cast(Store, None), cast(Asker, None))
    return ComplaintEnvelopes(context, nothing_attached).kinds()


def _of_support() -> Kind:
    return Kind(
        "support",
        new_support,
        "origin_region",
        "owner_region",
        "create_time",
        SUPPORT.fixed,
        SupportState.SUPPORT_STATE_CLOSED,
        lambda context: SupportEnvelopes(context).kinds(),
        store_support,
        SUPPORT.records.read,
        SUPPORT.records.subject,
        (
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_COMMAND,
            lambda each: support.SupportCommand(
                support_request_id=cast(SupportRequest, each).id, staff_id="4711", open=cast(SupportRequest, each)
            ),
        ),
        (
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_COMMAND,
            lambda name, author, text: support.SupportCommand(
                support_request_id=name, staff_id=author, note=support.SupportCommand.Note(text=text)
            ),
        ),
        lambda name: support.SupportCommand(
            support_request_id=name, staff_id="4711", note=support.SupportCommand.Note(text="so")
        ),
        (
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_UPDATE,
            lambda each: support.SupportUpdate(request=cast(SupportRequest, each)),
        ),
        SUPPORT.prefix,
    )


def _of_issues() -> Kind:
    def note(name: str, author: str, text: str) -> issues.IssueCommand:
        return issues.IssueCommand(issue_id=name, staff_id=author, note=issues.IssueCommand.Note(text=text))

    return Kind(
        "issue",
        new_issue,
        "origin_region",
        "owner_region",
        "create_time",
        ISSUE.fixed,
        IssueState.ISSUE_STATE_CLOSED,
        lambda context: IssueEnvelopes(context).kinds(),
        store_issue,
        ISSUE.records.read,
        ISSUE.records.subject,
        (
            EnvelopeKind.ENVELOPE_KIND_ISSUE_COMMAND,
            lambda each: issues.IssueCommand(
                issue_id=cast(Issue, each).id, staff_id=STAFF.staff_id, open=cast(Issue, each)
            ),
        ),
        (EnvelopeKind.ENVELOPE_KIND_ISSUE_COMMAND, note),
        lambda name: note(name, STAFF.staff_id, "so"),
        (EnvelopeKind.ENVELOPE_KIND_ISSUE_UPDATE, lambda each: issues.IssueUpdate(issue=cast(Issue, each))),
        ISSUE.prefix,
    )


def _of_loans() -> Kind:
    def cancel(name: str, author: str, text: str) -> loans.LoanCommand:
        return loans.LoanCommand(loan_id=name, staff_id=author, cancel=loans.LoanCommand.Cancel(reason=text))

    return Kind(
        "loan",
        new_loan,
        "origin_region",
        "owner_region",
        "create_time",
        LOAN.fixed,
        LoanState.LOAN_STATE_CLOSED,
        lambda context: LoanEnvelopes(context).kinds(),
        store_loan,
        LOAN.records.read,
        LOAN.records.subject,
        (
            EnvelopeKind.ENVELOPE_KIND_LOAN_COMMAND,
            lambda each: loans.LoanCommand(loan_id=cast(Loan, each).id, staff_id=STAFF.staff_id, open=cast(Loan, each)),
        ),
        (EnvelopeKind.ENVELOPE_KIND_LOAN_COMMAND, cancel),
        lambda name: cancel(name, STAFF.staff_id, "so"),
        (EnvelopeKind.ENVELOPE_KIND_LOAN_UPDATE, lambda each: loans.LoanUpdate(loan=cast(Loan, each))),
        LOAN.prefix,
    )


def _of_faults() -> Kind:
    return Kind(
        "fault",
        new_fault,
        "origin_region",
        "owner_region",
        "create_time",
        FAULT.fixed,
        FaultState.FAULT_STATE_CANCELLED,
        lambda context: FaultEnvelopes(context).kinds(),
        store_fault,
        FAULT.records.read,
        FAULT.records.subject,
        (EnvelopeKind.ENVELOPE_KIND_FAULT_REPORTED, lambda each: faults.FaultFiling(fault=cast(Fault, each))),
        (
            EnvelopeKind.ENVELOPE_KIND_FAULT_COMMAND,
            lambda name, author, text: faults.FaultCommand(
                fault_id=name, requester=Requester(staff_id=author), respond=faults.FaultCommand.Respond(text=text)
            ),
        ),
        lambda name: faults.FaultCommand(
            fault_id=name, requester=STAFF, respond=faults.FaultCommand.Respond(text="so")
        ),
        (EnvelopeKind.ENVELOPE_KIND_FAULT_UPDATE, lambda each: faults.FaultUpdate(fault=cast(Fault, each))),
        FAULT.prefix,
        events=fault_rows.EVENTS,
    )


def _of_complaints() -> Kind:
    return Kind(
        "complaint",
        new_complaint,
        "origin_region",
        "owner_region",
        "create_time",
        COMPLAINT.fixed,
        ComplaintState.COMPLAINT_STATE_CLOSED,
        complaint_envelopes,
        store_complaint,
        COMPLAINT.records.read,
        COMPLAINT.records.subject,
        (
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_FILED,
            lambda each: complaints.ComplaintFiling(complaint=cast(Complaint, each)),
        ),
        (
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_COMMAND,
            lambda name, author, text: complaints.ComplaintCommand(
                ticket_id=name,
                requester=Requester(staff_id=author),
                respond=complaints.ComplaintCommand.Respond(text=text),
            ),
        ),
        lambda name: complaints.ComplaintCommand(
            ticket_id=name, requester=STAFF, expedite=complaints.ComplaintCommand.Expedite()
        ),
        (
            EnvelopeKind.ENVELOPE_KIND_COMPLAINT_UPDATE,
            lambda each: complaints.ComplaintUpdate(complaint=cast(Complaint, each)),
        ),
        COMPLAINT.prefix,
        key="ticket_id",
        events=complaint_rows.EVENTS,
    )


def _of_orders() -> Kind:
    return Kind(
        "order",
        new_order,
        "origin_region",
        "home_region",
        "create_time",
        ORDER.fixed,
        OrderState.ORDER_STATE_CANCELLED,
        lambda context: OrderEnvelopes(OrderContext(context, {})).kinds(),
        store_order,
        ORDER.records.read,
        ORDER.records.subject,
        (EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT, lambda each: orders.OrderSubmission(order=cast(Order, each))),
        (
            EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND,
            lambda name, author, text: orders.OrderCommand(
                order_id=name,
                requester=Requester(staff_id=author),
                confirm=orders.OrderCommand.Confirm(agreed=True, note=text),
            ),
        ),
        lambda name: orders.OrderCommand(
            order_id=name, requester=STAFF, expedite=orders.OrderCommand.ExpediteRequest()
        ),
        (EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE, lambda each: orders.OrderUpdate(order=cast(Order, each))),
        ORDER.prefix,
        events=order_rows.EVENTS,
    )


def all_kinds() -> Sequence[Kind]:
    """Every kind of record about which regions tell each other."""
    return (_of_support(), _of_issues(), _of_loans(), _of_faults(), _of_complaints(), _of_orders())
