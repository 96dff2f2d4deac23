"""What a region that may not say it could say of each record, by kind of envelope."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.api.region.v1 import bulletin_envelopes_pb2 as bulletins_api
from gateway.api.region.v1 import complaint_envelopes_pb2 as complaints_api
from gateway.api.region.v1 import fault_envelopes_pb2 as faults_api
from gateway.api.region.v1 import issue_envelopes_pb2 as issues_api
from gateway.api.region.v1 import joint_order_envelopes_pb2 as joint_api
from gateway.api.region.v1 import loan_envelopes_pb2 as loans_api
from gateway.api.region.v1 import outage_envelopes_pb2 as outages_api
from gateway.api.region.v1 import support_envelopes_pb2 as support_api
from gateway.api.region.v1.agreement_pb2 import PartOutage, ServiceConformance, ServiceOutage
from gateway.api.region.v1.billing_service_pb2 import FormerBillQuestion, QueryBillRequest
from gateway.api.region.v1.bulletin_pb2 import Bulletin
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.contact_envelopes_pb2 import ContactPreferencesQuery
from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver, CustomerMove, HandOverWanted
from gateway.api.region.v1.customer_service_pb2 import (
    ContactPreferences,
    QueryProfileRequest,
    SetContactPreferencesRequest,
)
from gateway.api.region.v1.customer_status_envelopes_pb2 import CustomerStatusNotice
from gateway.api.region.v1.document_envelopes_pb2 import (
    DocumentContentQuestion,
    DocumentHome,
    DocumentListQuestion,
    DocumentNotification,
    DocumentsWanted,
)
from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.region.v1.issue_pb2 import Issue
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointItemState, JointOrder, JointVerb
from gateway.api.region.v1.loan_pb2 import Loan
from gateway.api.region.v1.order_envelopes_pb2 import OrderErasure, OrderSubmission, OrderUpdate
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.recovery_envelopes_pb2 import CatchUpQuestion
from gateway.api.region.v1.retention_envelopes_pb2 import HoldUpdate
from gateway.api.region.v1.sharing_envelopes_pb2 import SharingQuery
from gateway.api.region.v1.sharing_service_pb2 import WithdrawConsentRequest
from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.region.v1.survey_envelopes_pb2 import SurveyRequested
from gateway.api.region.v1.survey_pb2 import SurveyAnswer, SurveyMark, SurveyOccasion, SurveyQuestion, SurveyRating
from gateway.api.region.v1.survey_service_pb2 import AnswerSurveyRequest
from gateway.api.region.v1.verification_envelopes_pb2 import VerificationQuery
from gateway.api.region.v1.verification_service_pb2 import SendCodeRequest
from gateway.api.region.v1.witnessing_pb2 import WitnessStatement
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.time.clock import to_timestamp
from tests.federation import test_complaint_envelopes, test_fault_envelopes
from tests.federation.counter import REQUESTER, Counter
from tests.federation.forger import cancellation
from tests.federation.running import Federation
from tests.federation.support_staff import LINK, SERVICE

KIND_NOT_ALLOWED, INVALID = "ENVELOPE_KIND_NOT_ALLOWED", "ENVELOPE_INVALID"
LIAR = "henan"
HOLDER = Applicant.APPLICANT_HOLDER


@dataclass(frozen=True)
class Forged:
    """A lie of Henan, and the answer to it. `who` says who may send the kind, and about whom."""

    who: str
    destination: str
    payload: Message
    subject: str
    answer: str = KIND_NOT_ALLOWED


# A question that is none stands for this kind in its table.
LATER = {EnvelopeKind.ENVELOPE_KIND_SUPPORT_SEARCH: support_api.SupportSearch()}

Table = Mapping[EnvelopeKind.ValueType, Forged]


@dataclass(frozen=True)
class Scene:
    """Guangdong's records for a customer of Sichuan. Henan has no part in any of it."""

    federation: Federation
    number: str
    order: Order
    paper: str
    complaint: Complaint
    attachment: str
    fault: Fault
    support: SupportRequest
    issue: Issue
    loan: Loan
    bulletin: Bulletin
    joint: JointOrder


def of_orders(scene: Scene) -> Table:
    """The rows of orders and of queries to a customer's home region."""
    order, number = scene.order, scene.number
    lie = Order()
    lie.CopyFrom(order)
    lie.version += 5
    withdraw = WithdrawConsentRequest(request_id="R1", number=number, requester=REQUESTER)
    code = SendCodeRequest(request_id="R1", number=number, requester=REQUESTER)
    papers = [Counter(scene.federation, LIAR).document(code) for code in ("ID_ORIG", "FACE")]
    month = f"{scene.federation.clock.now():%Y-%m}"
    moved = "OUTCOME_MOVED"
    return {
        EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT: Forged(
            "the origin region, an order of its own operators", "sichuan", OrderSubmission(order=order), order.id
        ),
        EnvelopeKind.ENVELOPE_KIND_ORDER_COMMAND: Forged(
            "the origin region, its own order", "sichuan", cancellation(order), order.id
        ),
        EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE: Forged(
            "the home region, an order of its customer", "guangdong", OrderUpdate(order=lie), order.id
        ),
        EnvelopeKind.ENVELOPE_KIND_BILL_QUERY: Forged(
            "any region, a customer of the asked one",
            "guangdong",
            QueryBillRequest(number=number, month=month, requester=REQUESTER, applicant=HOLDER, documents=papers),
            "QRY_BILL",
            moved,
        ),
        EnvelopeKind.ENVELOPE_KIND_PROFILE_QUERY: Forged(
            "any region, a customer of the asked one whom that has verified",
            "guangdong",
            QueryProfileRequest(number=number, requester=REQUESTER, applicant=HOLDER, documents=papers),
            "QRY_PROFILE",
            "DOCUMENT_MISSING",
        ),
        EnvelopeKind.ENVELOPE_KIND_VERIFICATION: Forged(
            "any region, by requests of its own operators",
            "sichuan",
            VerificationQuery(subject="guangdong/counter/R1", send_code=code),
            "VERIFY",
            INVALID,
        ),
        EnvelopeKind.ENVELOPE_KIND_SHARING: Forged(
            "any region, by requests of its own operators",
            "sichuan",
            SharingQuery(subject="guangdong/counter/R1", withdraw_consent=withdraw),
            "SHARING",
            INVALID,
        ),
    }


def of_customer_status(scene: Scene) -> Table:
    """The rows of status, holds and witnesses."""
    told = CustomerStatusNotice(numbers=[scene.number], status=CustomerStatus.CUSTOMER_STATUS_ERASED)
    head = AuditHead(sequence=10**6, hash=bytes(32), signature=bytes(64))
    hold = HoldUpdate(version=1)
    hold.end_time.CopyFrom(to_timestamp(scene.federation.clock.now()))
    theft = CustomerMove(id="guangdong/counter/move", from_region="guangdong", to_region="sichuan")
    return {
        EnvelopeKind.ENVELOPE_KIND_FORMER_BILL: Forged(
            "the new home of a customer who moved",
            "sichuan",
            FormerBillQuestion(move_id="sichuan/counter/none", month="2026-01", requester=REQUESTER),
            "QRY_BILL",
            "MOVE_NOT_FOUND",
        ),
        EnvelopeKind.ENVELOPE_KIND_CONTACT_PREFERENCES: Forged(
            "any region: a refusal, or what the customer proves to want",
            "sichuan",
            ContactPreferencesQuery(
                request=SetContactPreferencesRequest(
                    number=scene.number,
                    preferences=ContactPreferences(marketing=True),
                    update_mask=FieldMask(paths=["marketing"]),
                    requester=REQUESTER,
                )
            ),
            "SetContactPreferences",
            "DOCUMENT_MISSING",
        ),
        EnvelopeKind.ENVELOPE_KIND_HAND_OVER_WANTED: Forged(
            "the new home of a customer who moved; any other is told nothing",
            "sichuan",
            HandOverWanted(number=scene.number),
            "wanted",
            "OUTCOME_ACCEPTED",
        ),
        EnvelopeKind.ENVELOPE_KIND_CATCH_UP: Forged(
            "any region: what both have exchanged, and nothing of others",
            "sichuan",
            CatchUpQuestion(place="0  0  0"),
            "catch-up",
            INVALID,
        ),
        EnvelopeKind.ENVELOPE_KIND_CUSTOMER_HAND_OVER: Forged(
            "the old home, its own customer", "sichuan", CustomerHandOver(move=theft), theft.id
        ),
        EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED: Forged(
            "the old home, a customer whom it has handed over",
            "sichuan",
            faults_api.FaultMoved(fault_id=scene.fault.id, move_id=theft.id, number=scene.number),
            theft.id,
        ),
        EnvelopeKind.ENVELOPE_KIND_ERASURE: Forged(
            "the home region, what is kept of its customer",
            "guangdong",
            OrderErasure(),
            f"document/{scene.paper}",
        ),
        EnvelopeKind.ENVELOPE_KIND_CUSTOMER_STATUS: Forged(
            "the home region, its own numbers", "guangdong", told, "status/forged"
        ),
        EnvelopeKind.ENVELOPE_KIND_LEGAL_HOLD: Forged(
            "the home region, what is kept of its customer", "guangdong", hold, f"legal-hold/{scene.order.id}"
        ),
        EnvelopeKind.ENVELOPE_KIND_WITNESS: Forged(
            "any region, its own audit chain", "guangdong", WitnessStatement(head=head), "witness", INVALID
        ),
    }


def of_documents(scene: Scene) -> Table:
    """Documents."""
    withdrawn = DocumentNotification(document_id=scene.paper, number=scene.number)
    withdrawn.withdrawal.withdraw_time.CopyFrom(to_timestamp(scene.federation.clock.now()))
    asked = DocumentContentQuestion(document_id=scene.paper, number=scene.number, staff_id="clerk-7")
    return {
        EnvelopeKind.ENVELOPE_KIND_DOCUMENT: Forged(
            "the region that verified it, a document of the asked one's customer", "sichuan", withdrawn, scene.paper
        ),
        EnvelopeKind.ENVELOPE_KIND_DOCUMENT_HOME: Forged(
            "the home of its customer, a document that the asked one verified",
            "guangdong",
            DocumentHome(document_id=scene.paper, number=scene.number, move_id=f"{LIAR}/counter/m", to_region=LIAR),
            f"document/{scene.paper}",
        ),
        EnvelopeKind.ENVELOPE_KIND_DOCUMENTS_WANTED: Forged(
            "the home with which the asked one has registered documents; any other is told nothing",
            "guangdong",
            DocumentsWanted(numbers=[scene.number], document_ids=[scene.paper], move_id=f"{LIAR}/counter/m"),
            f"{LIAR}/counter/m",
            "OUTCOME_ACCEPTED",
        ),
        EnvelopeKind.ENVELOPE_KIND_DOCUMENT_LIST: Forged(
            "any region, a customer of the asked one",
            "guangdong",
            DocumentListQuestion(number=scene.number, staff_id="clerk-7"),
            "ListDocuments",
            "OUTCOME_MOVED",
        ),
        EnvelopeKind.ENVELOPE_KIND_DOCUMENT_CONTENT: Forged(
            "any region of the home region, and that of the one that has it",
            "guangdong",
            asked,
            scene.paper,
            "OUTCOME_MOVED",
        ),
    }


def of_complaints(scene: Scene) -> Table:
    """Complaints."""
    known, ticket_id = scene.complaint, scene.complaint.ticket_id
    lie = Complaint()
    lie.CopyFrom(known)
    lie.version, lie.owner_region = known.version + 5, LIAR
    command = complaints_api.ComplaintCommand(
        ticket_id=ticket_id, withdraw=complaints_api.ComplaintCommand.Withdraw(reason="forged")
    )
    asked = complaints_api.AttachmentQuestion(ticket_id=ticket_id, attachment_id=scene.attachment, staff_id="clerk-7")
    noted = complaints_api.ComplaintNoted(
        ticket_id=ticket_id, number=scene.number, category="OTHER", create_time=known.create_time, withdrawn=True
    )
    survey = SurveyRequested(
        id=ticket_id, occasion=SurveyOccasion.SURVEY_OCCASION_COMPLAINT, number=scene.number, business="BILL_WRONG"
    )
    rating = SurveyRating(question=SurveyQuestion.SURVEY_QUESTION_HANDLING, mark=SurveyMark.SURVEY_MARK_NEUTRAL)
    answered = AnswerSurveyRequest(
        token="5D41402ABC4B", number=scene.number, answer=SurveyAnswer(ratings=[rating]), requester=REQUESTER
    )
    repeats = complaints_api.ComplaintRepeats(
        ticket_id=ticket_id, category="OTHER", repeated_ticket_id="sichuan/1", repeats=5
    )
    theirs = test_complaint_envelopes.fresh(scene.federation, "guangdong", scene.number)
    first, owner = "the origin region, its own complaint", "the owner region, a complaint that it has"
    return {
        EnvelopeKind.ENVELOPE_KIND_COMPLAINT_FILED: Forged(
            first, "sichuan", complaints_api.ComplaintFiling(complaint=theirs), theirs.ticket_id
        ),
        EnvelopeKind.ENVELOPE_KIND_COMPLAINT_COMMAND: Forged(first, "sichuan", command, ticket_id),
        EnvelopeKind.ENVELOPE_KIND_COMPLAINT_UPDATE: Forged(
            owner, "guangdong", complaints_api.ComplaintUpdate(complaint=lie), ticket_id
        ),
        EnvelopeKind.ENVELOPE_KIND_ATTACHMENT: Forged(
            "a region that the complaint concerns", "guangdong", asked, ticket_id, "COMPLAINT_NOT_FOUND"
        ),
        EnvelopeKind.ENVELOPE_KIND_COMPLAINT_NOTED: Forged(first, "sichuan", noted, ticket_id),
        EnvelopeKind.ENVELOPE_KIND_SURVEY_REQUESTED: Forged(
            "the region that handled it, its own record", "sichuan", survey, f"survey/{ticket_id}"
        ),
        EnvelopeKind.ENVELOPE_KIND_SURVEY_ANSWER: Forged(
            "any region, with number and token of the invitation",
            "sichuan",
            answered,
            "AnswerSurvey",
            "SURVEY_NOT_FOUND",
        ),
        EnvelopeKind.ENVELOPE_KIND_COMPLAINT_REPEATS: Forged(
            "the home region, a complaint about its number", "guangdong", repeats, ticket_id
        ),
    }


def of_joint_orders(scene: Scene) -> Table:
    """Steps, reports and versions of a joint order of two other regions."""
    lie, item = JointOrder(), JointItem()
    lie.CopyFrom(scene.joint)
    lie.version, lie.leader_region = lie.version + 5, LIAR
    item.CopyFrom(next(each for each in scene.joint.items if each.region == "sichuan"))
    item.version, item.state = item.version + 5, JointItemState.JOINT_ITEM_STATE_RELEASED
    order_id, leader = scene.joint.id, "the region that leads it"
    step = joint_api.JointCommand(joint_order_id=order_id, item_id=item.id, verb=JointVerb.JOINT_VERB_RELEASE)
    return {
        EnvelopeKind.ENVELOPE_KIND_JOINT_COMMAND: Forged(leader, "sichuan", step, order_id),
        EnvelopeKind.ENVELOPE_KIND_JOINT_REPORT: Forged(
            "the region of the item", "guangdong", joint_api.JointReport(joint_order_id=order_id, item=item), order_id
        ),
        EnvelopeKind.ENVELOPE_KIND_JOINT_UPDATE: Forged(leader, "sichuan", joint_api.JointUpdate(order=lie), order_id),
    }


def of_the_network(scene: Scene) -> Table:
    """Faults, support requests, outages, quality."""
    begins = scene.fault.create_time
    fault, support = Fault(), SupportRequest()
    fault.CopyFrom(scene.fault)
    support.CopyFrom(scene.support)
    fault.version, support.version = fault.version + 5, support.version + 5
    fault.owner_region = support.owner_region = LIAR
    theirs = test_fault_envelopes.fresh(scene.federation, scene.number)
    theirs.id, theirs.origin_region = "guangdong/F1-1", "guangdong"
    cancel = faults_api.FaultCommand(fault_id=fault.id, cancel=faults_api.FaultCommand.Cancel(reason="forged"))
    close = support_api.SupportCommand(
        support_request_id=support.id, staff_id="wang", close=support_api.SupportCommand.Close()
    )
    outage = ServiceOutage(source="sichuan/fault/1", service=SERVICE, region="sichuan", version=9, withdrawn=True)
    parts = PartOutage(source="sichuan/fault/1", region="sichuan", links=[LINK], version=9, withdrawn=True)
    for each in (outage, parts):
        each.start_time.CopyFrom(begins)
    credit = outages_api.CreditClaim(agreement_id="guangdong/agreement-1", month="2026-01", revision=1)
    quality = ServiceConformance(service=SERVICE, month="2026-01", region="sichuan", windows=9, kept=0, version=9)
    reporter, owner = "the region in which it was reported", "the region in which it is"
    runs = "the region that runs it, its own network"
    return {
        EnvelopeKind.ENVELOPE_KIND_FAULT_REPORTED: Forged(
            reporter, "sichuan", faults_api.FaultFiling(fault=theirs), theirs.id
        ),
        EnvelopeKind.ENVELOPE_KIND_FAULT_COMMAND: Forged(reporter, "sichuan", cancel, fault.id),
        EnvelopeKind.ENVELOPE_KIND_FAULT_UPDATE: Forged(
            owner, "guangdong", faults_api.FaultUpdate(fault=fault), fault.id
        ),
        EnvelopeKind.ENVELOPE_KIND_SUPPORT_COMMAND: Forged("the region that opened it", "sichuan", close, support.id),
        EnvelopeKind.ENVELOPE_KIND_SUPPORT_UPDATE: Forged(
            owner, "guangdong", support_api.SupportUpdate(request=support), support.id
        ),
        EnvelopeKind.ENVELOPE_KIND_SUPPORT_SEARCH: Forged(
            "any region, nobody: it must be a question", "guangdong", AuditHead(hash=b"\xff"), "search", INVALID
        ),
        EnvelopeKind.ENVELOPE_KIND_SERVICE_OUTAGE: Forged(
            runs, "guangdong", outages_api.OutageTold(outage=outage), f"outage/{outage.source}"
        ),
        EnvelopeKind.ENVELOPE_KIND_PART_OUTAGE: Forged(
            runs, "guangdong", outages_api.PartOutageTold(outage=parts), f"outage/{parts.source}"
        ),
        EnvelopeKind.ENVELOPE_KIND_SERVICE_CONFORMANCE: Forged(
            runs, "guangdong", outages_api.ConformanceTold(conformance=quality), f"conformance/{SERVICE}"
        ),
        EnvelopeKind.ENVELOPE_KIND_CREDIT_CLAIMED: Forged(
            "the home region of the agreement",
            "sichuan",
            credit,
            f"agreement-credit/{credit.agreement_id}/{credit.month}",
        ),
    }


def of_bulletins(scene: Scene) -> Table:
    """Bulletins between regions."""
    lie = Bulletin()
    lie.CopyFrom(scene.bulletin)
    lie.version += 5
    read = bulletins_api.BulletinRead(bulletin_id=lie.id, staff_id="wang")
    return {
        EnvelopeKind.ENVELOPE_KIND_BULLETIN: Forged(
            "the region that published it", "sichuan", bulletins_api.BulletinUpdate(bulletin=lie), lie.id
        ),
        EnvelopeKind.ENVELOPE_KIND_BULLETIN_READ: Forged(
            "a region to which it is addressed, of its own staff", "guangdong", read, lie.id
        ),
    }


def of_issues(scene: Scene) -> Table:
    """Issues between regions."""
    lie = Issue()
    lie.CopyFrom(scene.issue)
    lie.version, lie.owner_region = scene.issue.version + 5, LIAR
    note = issues_api.IssueCommand(issue_id=lie.id, staff_id="wang", note=issues_api.IssueCommand.Note(text="forged"))
    return {
        EnvelopeKind.ENVELOPE_KIND_ISSUE_COMMAND: Forged(
            "the region that opened it, or a helper", "sichuan", note, lie.id
        ),
        EnvelopeKind.ENVELOPE_KIND_ISSUE_UPDATE: Forged(
            "the owner region, and the origin region once to a new helper",
            "guangdong",
            issues_api.IssueUpdate(issue=lie),
            lie.id,
        ),
    }


def of_loans(scene: Scene) -> Table:
    """Loans between regions."""
    lie = Loan()
    lie.CopyFrom(scene.loan)
    lie.version, lie.owner_region = scene.loan.version + 5, LIAR
    cancel = loans_api.LoanCommand(
        loan_id=lie.id, staff_id="wang", cancel=loans_api.LoanCommand.Cancel(reason="forged")
    )
    return {
        EnvelopeKind.ENVELOPE_KIND_LOAN_COMMAND: Forged("the borrower", "sichuan", cancel, lie.id),
        EnvelopeKind.ENVELOPE_KIND_LOAN_UPDATE: Forged(
            "the lender, to the borrower", "guangdong", loans_api.LoanUpdate(loan=lie), lie.id
        ),
    }


def forgeries(scene: Scene) -> Table:
    """A lie of each kind, but those about the books of two regions."""
    return {
        **of_orders(scene),
        **of_customer_status(scene),
        **of_documents(scene),
        **of_complaints(scene),
        **of_joint_orders(scene),
        **of_the_network(scene),
        **of_issues(scene),
        **of_loans(scene),
        **of_bulletins(scene),
    }
