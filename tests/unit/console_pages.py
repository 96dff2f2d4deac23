"""The pages of a region's console without a server, each with all that it can show."""

import asyncio
import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import quote

import pytest
from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import (
    JointMilestoneKind,
    JointSite,
    LegalBasis,
    LineKind,
    Mode,
    Offering,
    Plan,
    Purpose,
    SharedField,
    Step,
    ValueType,
)
from gateway.api.federation.v1.network_pb2 import GeographicPoint
from gateway.api.federation.v1.problem_pb2 import PERCEIVED_SEVERITY_CRITICAL as CRITICAL
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState, NetworkObject, QualityFigure
from gateway.api.region.v1.alarm_service_pb2 import GetAlarmResponse, ListAlarmsResponse
from gateway.api.region.v1.audit_service_pb2 import ListAuditRowsResponse
from gateway.api.region.v1.billing_service_pb2 import Bill, QueryBillResponse
from gateway.api.region.v1.catalogue_service_pb2 import (
    GetBusinessGuideResponse,
    ListBusinessesResponse,
    ListOfferingsResponse,
    ListPlansResponse,
)
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintNote, ComplaintState, DeadlineKind
from gateway.api.region.v1.complaint_service_pb2 import GetComplaintResponse, ListComplaintsResponse
from gateway.api.region.v1.customer_service_pb2 import Customer, GetCustomerResponse, ProductStatus
from gateway.api.region.v1.document_service_pb2 import ListDocumentsResponse, RegisteredDocument
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultState, QuoteState
from gateway.api.region.v1.fault_service_pb2 import FindPlacesResponse, FoundPlace, GetFaultResponse, ListFaultsResponse
from gateway.api.region.v1.followed_problem_service_pb2 import ListFollowedProblemsResponse
from gateway.api.region.v1.import_service_pb2 import Import, ListImportsResponse
from gateway.api.region.v1.issue_pb2 import Issue, IssueLinkKind, IssueState
from gateway.api.region.v1.issue_service_pb2 import GetIssueResponse, ListIssuesResponse
from gateway.api.region.v1.joint_order_pb2 import JointItemState, JointOrder, JointOrderState
from gateway.api.region.v1.joint_order_service_pb2 import GetJointOrderResponse, ListJointOrdersResponse
from gateway.api.region.v1.measurement_service_pb2 import ListQualityResponse
from gateway.api.region.v1.notice_service_pb2 import ListNoticesResponse, Notice
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import GetOrderProofResponse, GetOrderResponse, ListOrdersResponse
from gateway.api.region.v1.planned_outage_service_pb2 import ListPlannedOutagesResponse
from gateway.api.region.v1.proof_pb2 import ProofKind, SignedProof
from gateway.api.region.v1.sharing_service_pb2 import (
    ListDisclosuresResponse,
    ListGrantsResponse,
    ListPurposesResponse,
    MaskReason,
    ReadSharedCustomerResponse,
)
from gateway.api.region.v1.support_request_pb2 import SupportRequest, SupportState
from gateway.api.region.v1.support_service_pb2 import GetSupportRequestResponse, ListSupportRequestsResponse
from gateway.api.region.v1.verification_service_pb2 import VerifyResponse
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document, LocalizedText
from gateway.errors import Refused, invalid
from gateway.security.identity import Identity
from gateway.time.clock import SystemClock, to_timestamp
from gateway.web.console.assets import FRAMES
from gateway.web.console.fields import Fields
from gateway.web.console.frames import Frame, Link, refusal_of
from gateway.web.console.framing import as_entered, pages_beside
from gateway.web.console.pages import Calling, Rpc, Shown, View, Visit, WebConsole
from gateway.web.html_pages import HtmlPages
from gateway.wording.languages import for_reader
from region_node.console.console import console
from region_node.network.faults.rules import MAJOR
from tests.unit.test_complaint_report import read

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ROOT / "region_node" / "texts"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONSOLE = console("guangdong", SystemClock(), lambda _: True, bytes(32))
NUMBER = "+8619844000001"
M = TypeVar("M", bound=Message)


class Answering(Calling):
    """RPCs that answer with the messages that are given, in their order, the last one again; else with empty ones."""

    def __init__(self, *answers: Message) -> None:
        self._answers: dict[type[Message], list[Message]] = {}
        for each in answers:
            self._answers.setdefault(type(each), []).append(each)

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        following = self._answers.get(rpc.answer, [rpc.answer()])
        return cast("M", following.pop(0) if len(following) > 1 else following[0])


def order(evil: str = "") -> Order:
    """An order with all that its page can show; `evil` stands behind each text."""
    found = Order(id=f"sichuan/counter/R1{evil}", origin_region=f"sichuan{evil}", home_region="guangdong")
    found.operator, found.cancellation_reason = f"counter{evil}", f"changed my mind{evil}"
    found.state, found.awaiting.party = OrderState.ORDER_STATE_IN_PROGRESS, Party.PARTY_HOME_STAFF
    found.awaiting.action = "review"
    found.awaiting.due_time.CopyFrom(to_timestamp(NOW))
    request = found.request
    request.business, request.number = f"TERMINATE{evil}", f"+8619844000001{evil}"
    request.requester.staff_id, request.characteristics[f"refund_account{evil}"] = f"clerk-7{evil}", f"6222{evil}"
    request.documents.add(code=f"ID_ORIG{evil}", verifier=f"clerk-7{evil}", document_id=f"D1{evil}")
    found.results[f"balance{evil}"] = f"12.00{evil}"
    found.error.message.en = found.error.message.zh_cn = f"too much{evil}"
    found.quote.description.en = found.quote.description.zh_cn = f"an offer{evil}"
    found.quote.amount.currency = f"CNY{evil}"
    found.notes.add(author=f"sichuan/clerk-7{evil}", text=f"a note{evil}")
    found.expedites.add(staff_id=f"clerk-7{evil}")
    found.jeopardy_alerts.add(region=f"sichuan{evil}", message=f"silent{evil}")
    found.state_changes.add(state=OrderState.ORDER_STATE_IN_PROGRESS, region=f"guangdong{evil}", reason=f"done{evil}")
    found.documents_requested.append(f"SIM{evil}")
    return found


def complaint(evil: str = "") -> Complaint:
    """A complaint of the region of the console, with all that its page can show; `evil` stands behind each text."""
    found = Complaint(ticket_id=f"guangdong/20261124-1{evil}", origin_region=f"sichuan{evil}", owner_region="guangdong")
    found.state, found.level = ComplaintState.COMPLAINT_STATE_IN_PROGRESS, 1
    found.department.en = found.department.zh_cn = f"billing{evil}"
    found.request.category, found.request.number = f"BILL_WRONG{evil}", f"+8619844000001{evil}"
    found.request.description, found.request.contact_number = f"charged twice{evil}", f"+8619844000002{evil}"
    found.repeated_ticket_id, found.case_id, found.group_id = f"T1{evil}", f"T2{evil}", f"T3{evil}"
    found.expected_resolution_time.CopyFrom(to_timestamp(NOW))
    found.deadlines.add(kind=DeadlineKind.DEADLINE_KIND_RESOLVE)
    candidate = found.classification.candidates.add(category=f"BILL_WRONG{evil}", confidence=0.9)
    candidate.words.add(text=f"charged{evil}")
    found.notes.add(author=f"sichuan/clerk-7{evil}", text=f"a note{evil}")
    found.attachments.add(name=f"bill.pdf{evil}", author=f"sichuan/clerk-7{evil}")
    found.resolution.text, found.resolution.author = f"refunded{evil}", f"guangdong/wang{evil}"
    found.remedy.note, found.remedy.error.message.zh_cn = f"by cheque{evil}", f"号码不存在{evil}"
    found.remedy.awaiting_region, found.remedy.awaiting_action = f"sichuan{evil}", f"review{evil}"
    found.items.add(ticket_id=f"guangdong/20261124-1/1{evil}", region=f"henan{evil}")
    return found


def shared(evil: str = "") -> tuple[ListPurposesResponse, ReadSharedCustomerResponse]:
    """The purposes of sharing, and the record of a customer for one of them; `evil` stands behind each text."""
    title, bases = text(f"counter{evil}", f"营业厅{evil}"), [LegalBasis.LEGAL_BASIS_CONSENT]
    found = ReadSharedCustomerResponse()
    found.record.region, found.record.grant_id = f"sichuan{evil}", f"guangdong/counter/1{evil}"
    found.record.values.add(field=SharedField.SHARED_FIELD_NAME, texts=[f"陈晓明{evil}"])
    found.record.values.add(field=SharedField.SHARED_FIELD_PLAN, masked=MaskReason.MASK_REASON_FIELD_NOT_GRANTED)
    purposes = [Purpose(name="counter-service", title=title, legal_bases=bases)]
    return ListPurposesResponse(purposes=purposes), found


def fault(evil: str = "") -> Fault:
    """A fault of the region of the console, with all that its page can show; `evil` stands behind each text."""
    found = Fault(id=f"guangdong/F20261124-1{evil}", origin_region="guangdong", owner_region="guangdong", version=2)
    found.state, found.severity, found.cause = FaultState.FAULT_STATE_IN_PROGRESS, MAJOR, FaultCause.FAULT_CAUSE_CABLE
    found.operator, found.problem_id, found.root_cause_id = f"counter{evil}", f"P1{evil}", f"guangzhou{evil}"
    report = found.report
    report.number, report.contact_number = f"+8619844000001{evil}", f"+8619844000002{evil}"
    report.description, report.alarm_id = f"no signal{evil}", f"guangdong/alarm-1{evil}"
    report.place.site, report.place.address = f"guangzhou{evil}", f"1 Road{evil}"
    report.services.append(f"broadband{evil}")
    found.outages.add(start_time=to_timestamp(NOW), due_time=to_timestamp(NOW + timedelta(hours=48)))
    found.resolution, found.repair.advice, found.repair.engineer = f"spliced{evil}", f"restart it{evil}", f"li{evil}"
    part = found.repair.parts.add(number=1, name=f"modem{evil}", quote=QuoteState.QUOTE_STATE_OFFERED)
    part.price.currency = f"CNY{evil}"
    found.repair.appointments.add(author=f"guangdong/li{evil}")
    found.repair.milestones.add(author=f"guangdong/li{evil}")
    found.state_changes.add(state=found.state, region=f"guangdong{evil}", reason=f"taken up{evil}")
    found.notes.add(author=f"guangdong/li{evil}", text=f"a note{evil}")
    found.steps.add(author=f"guangdong/li{evil}", assigned=f"li{evil}")
    found.review.summary = f"bare cable{evil}"
    found.review.measures.add(what=f"bury it{evil}", owner=f"li{evil}", due_date=f"2030-01-31{evil}")
    found.evaluation.text = f"quick{evil}"
    return found


def support_request(evil: str = "") -> SupportRequest:
    """A support request about the region of the console, with all that its page can show."""
    found = SupportRequest(id=f"sichuan/S20261124-1{evil}", origin_region=f"sichuan{evil}", owner_region="guangdong")
    found.version, found.state, found.operator = 1, SupportState.SUPPORT_STATE_IN_PROGRESS, f"staff/wang{evil}"
    inquiry = found.inquiry
    inquiry.number, inquiry.subject, inquiry.service = f"+8619844000001{evil}", f"slow{evil}", f"line-1{evil}"
    inquiry.description, inquiry.staff_id = f"every evening{evil}", f"wang{evil}"
    inquiry.measurements.add(link=f"a-b-1{evil}", delay_us=1000)
    found.finding.region, found.finding.link = f"guangdong{evil}", f"a-b-1{evil}"
    found.resolution = f"rerouted{evil}"
    found.state_changes.add(state=found.state, author=f"guangdong/li{evil}", reason=f"again{evil}")
    found.notes.add(author=f"guangdong/li{evil}", text=f"a note{evil}")
    return found


def issue(evil: str = "") -> Issue:
    """An issue that the region of the console decides, with all that its page can show."""
    found = Issue(id=f"sichuan/I20261124-1{evil}", origin_region=f"sichuan{evil}", owner_region="guangdong", version=1)
    found.state, found.operator, found.decision = IssueState.ISSUE_STATE_IN_PROGRESS, f"staff/wang{evil}", f"so{evil}"
    request = found.request
    request.subject, request.description = f"bills differ{evil}", f"the cut-off of November{evil}"
    request.due_time.CopyFrom(to_timestamp(NOW + timedelta(hours=3)))
    request.links.add(kind=IssueLinkKind.ISSUE_LINK_KIND_COMPLAINT, id=f"sichuan/20261124-1{evil}")
    found.helper_regions.append(f"henan{evil}")
    found.silence.region = f"sichuan{evil}"
    found.actions.add(number=1, region=f"henan{evil}", staff_id=f"li{evil}", text=f"compare{evil}", report=f"ok{evil}")
    found.actions[0].due_time.CopyFrom(to_timestamp(NOW + timedelta(days=2)))
    found.state_changes.add(state=found.state, author=f"guangdong/li{evil}", reason=f"again{evil}")
    found.notes.add(author=f"guangdong/li{evil}", text=f"a note{evil}")
    found.escalations.add(author=f"sichuan/wang{evil}", reason=f"no word{evil}")
    found.appointments.add(former_owner_region=f"henan{evil}", administrator=f"admin/root{evil}", reason=f"left{evil}")
    return found


def joint_order(evil: str = "") -> JointOrder:
    """A joint order that the region of the console leads and works on, with all that its page can show."""
    found = JointOrder(id=f"guangdong/J20261124-1{evil}", version=3, leader_region="guangdong", home_region="sichuan")
    found.state, found.operator = JointOrderState.JOINT_ORDER_STATE_SURVEYING, f"staff/wang{evil}"
    found.cancellation_reason, found.partial_allowed = f"changed my mind{evil}", True
    request = found.request
    request.business, request.number = f"BB_MOVE{evil}", f"+8619844000001{evil}"
    request.requester.staff_id, request.characteristics[f"bandwidth{evil}"] = f"wang{evil}", f"1 Gbit/s{evil}"
    request.documents.add(code=f"ADDR{evil}", verifier=f"wang{evil}", document_id=f"D1{evil}")
    found.places.add(region="guangdong", address=f"1 Road{evil}")
    for name, region in (("install", "guangdong"), ("remove", f"sichuan{evil}")):
        item = found.items.add(id=f"{name}{evil}", region=region, place=1, opened_number=f"+8619844000009{evil}")
        item.state = JointItemState.JOINT_ITEM_STATE_SURVEYING
        item.error.message.en = item.error.message.zh_cn = f"no free duct{evil}"
        survey, contract = (
            JointMilestoneKind.JOINT_MILESTONE_KIND_SURVEY,
            JointMilestoneKind.JOINT_MILESTONE_KIND_CONTRACT,
        )
        item.milestones.add(kind=survey).due_time.CopyFrom(to_timestamp(NOW + timedelta(hours=3)))
        item.milestones.add(kind=contract)
        waits = found.awaiting.add(region=region, item_id=item.id, milestone=survey)
        waits.due_time.CopyFrom(item.milestones[0].due_time)
    return found


def customer(evil: str = "") -> Customer:
    """A customer with all that the page can show; `evil` stands behind each text."""
    found = Customer(id=f"C1{evil}", name=f"陈晓明{evil}", email=f"chen@example.com{evil}")
    line = found.product
    line.id, line.number, line.plan_id, line.binding = f"L1{evil}", NUMBER, f"GD-59{evil}", f"B1{evil}"
    line.status, line.suspension_reason = ProductStatus.PRODUCT_STATUS_SUSPENDED, f"lost{evil}"
    line.address = f"1 Road{evil}"
    line.subscriptions.add(id=f"L1/1{evil}", offering_id=f"DATA-5G{evil}")
    found.billing_account.balance.minor_units, found.billing_account.balance.currency = 1200, f"CNY{evil}"
    return found


def alarm(evil: str = "") -> Alarm:
    """A raised alarm with all that its page can show; `evil` stands behind each text."""
    found = Alarm(id=f"guangdong/alarm-1{evil}", operator=f"probe{evil}", source=f"s1{evil}", external_id=f"A1{evil}")
    found.alarmed_object.link, found.probable_cause = f"a-b-1{evil}", f"lossOfSignal{evil}"
    found.specific_problem, found.ack_user, found.fault_id = f"E17{evil}", f"li{evil}", f"guangdong/F1{evil}"
    found.state, found.perceived_severity = AlarmState.ALARM_STATE_RAISED, CRITICAL
    found.ack_time.CopyFrom(to_timestamp(NOW))
    found.crossed_threshold.bound, found.service_affecting = 5, True
    found.affected_services.append(f"line-1{evil}")
    return found


def network(evil: str = "") -> Sequence[Message]:
    """The answers of which the page of the network is made."""
    name = LocalizedText(en=f"Canton{evil}", zh_cn=f"广州{evil}")
    site = FoundPlace(object=NetworkObject(site=f"guangzhou{evil}"), region="guangdong", name=name)
    site.location.latitude, site.location.longitude = 23.13, 113.26
    link = FoundPlace(object=NetworkObject(link=f"a-b-1{evil}"), region="guangdong", name=name)
    link.ends.add(site=f"guangzhou{evil}", name=name, location=site.location)
    link.ends.add(site=f"changsha{evil}", name=name, location=GeographicPoint(latitude=28.23, longitude=112.94))
    outages = ListPlannedOutagesResponse()
    outages.planned_outages.add(id=f"guangdong/planned/li/R1{evil}", sites=[f"a{evil}"], services=[f"line-1{evil}"])
    problems = ListFollowedProblemsResponse()
    problems.problems.add().header.id = f"problem-1{evil}"
    problems.problems[0].header.root_cause.id = f"a-b-1{evil}"
    problems.problems[0].unconfirmed_services.append(f"line-2{evil}")
    return FindPlacesResponse(places=[site, link]), ListAlarmsResponse(alarms=[alarm(evil)]), outages, problems


def quality() -> ListQualityResponse:
    """Two months of a link that becomes full."""
    found = ListQualityResponse(capacity_mbps=100)
    for month, kbps in ((9, 40_000), (10, 60_000)):
        summary = found.summaries.add(start_time=to_timestamp(datetime(2026, month, 1, tzinfo=UTC)))
        summary.figures.add(figure=QualityFigure.QUALITY_FIGURE_THROUGHPUT, mean=kbps / 2, percentile_95=kbps)
    return found


def proven(evil: str = "") -> Sequence[Message]:
    """The answers of which the page of a customer who has proven to be one is made."""
    paid = Bill(month=f"2026-10{evil}", abnormal=True, former_region=f"sichuan{evil}")
    paid.total.minor_units, paid.total.currency = 5_990, f"CNY{evil}"
    paid.lines.add(description=text(f"Monthly rent{evil}", f"月租{evil}"))
    grants, looks = ListGrantsResponse(), ListDisclosuresResponse()
    grants.grants.add(id=f"G1{evil}", reader=f"sichuan{evil}", purpose=f"counter-service{evil}")
    looks.disclosures.add(region=f"sichuan{evil}", operator=f"counter{evil}", purpose=f"QRY_BILL{evil}")
    looks.disclosures[0].particulars.record_id = f"2026-10{evil}"
    return QueryBillResponse(bill=Bill(month="2026-11")), QueryBillResponse(bill=paid), grants, looks


def guide(evil: str = "", mode: Mode.ValueType = Mode.MODE_DIRECT) -> GetBusinessGuideResponse:
    """The guide of a business with one material, and a characteristic of each type; also with items at two places."""
    found = GetBusinessGuideResponse(home_region="guangdong", offered_here=True, calendar_missing=True)
    found.materials.add(code="ID_ORIG", name=text(f"identity card{evil}", f"身份证{evil}"))
    business = found.business
    business.code, business.mode = f"SUSPEND{evil}", mode
    business.name.CopyFrom(text(f"Suspension{evil}", f"停机{evil}"))
    business.tariff.CopyFrom(text(f"free{evil}", f"免费{evil}"))
    business.reach_note.CopyFrom(text(f"at home{evil}", f"归属地{evil}"))
    business.guide.append(text(f"Say why.{evil}", f"说明原因。{evil}"))
    business.documents.add(applicant=Applicant.APPLICANT_HOLDER, all_of=["ID_ORIG|PWD+OTP"])
    business.steps.append(Step.STEP_FULFIL)
    business.joint.least_places = business.joint.most_places = 2
    ended = business.joint.items.add(id="remove", name=text(f"Removal{evil}", f"拆机{evil}"), ends_line=True)
    opened = business.joint.items.add(id="install", name=text(f"Installation{evil}", f"装机{evil}"))
    ended.site, opened.site = JointSite.JOINT_SITE_FIRST_PLACE, JointSite.JOINT_SITE_SECOND_PLACE
    opened.opens_line.name_characteristic, opened.opens_line.kind = "name", LineKind.LINE_KIND_MOBILE
    for value_type in ValueType.values():
        name = f"{ValueType.Name(value_type)}{evil}"
        business.characteristics.add(name=name, value_type=value_type, description=text(name, name), choices=[name])
    return found


def text(english: str, chinese: str) -> LocalizedText:
    """A text in both languages."""
    return LocalizedText(en=english, zh_cn=chinese)


def proofs(evil: str = "") -> GetOrderProofResponse:
    """The envelope of an order."""
    signed = SignedProof(region=f"sichuan{evil}", kind=ProofKind.PROOF_KIND_ENVELOPE, envelope_id=f"E1{evil}")
    return GetOrderProofResponse(proofs=[signed])


_PROOF = base64.urlsafe_b64encode(VerifyResponse(documents=[Document(code="OTP")]).SerializeToString()).decode()
PROVEN = f"number={quote(NUMBER)}&check=R1&proof={quote(_PROOF)}&month=2026-11"
"""The query of the page of a customer who has proven to be one."""
SHARED = f"number={quote(NUMBER)}&purpose=counter-service"
"""The query of the page of a shared record."""
STAFF = Identity("crossregion.example", Role.ROLE_STAFF, "guangdong", "wang")


def visit(query: str = "", person: Identity = STAFF, **names: str) -> Visit:
    """A visit of a page, with the values for the names in its path."""
    found = {"id": "sichuan/counter/R1", **names}
    return Visit("/console", found, Fields.parsed(query), Fields({}), person, NOW, "", "R2")


def written(view: View, *answers: Message, query: str = "", refusal: Refused | None = None) -> str:
    """The HTML of a page of the region's console in Chinese."""
    return written_by(CONSOLE, view, visit(query), Answering(*answers), refusal)


def written_by(served: WebConsole, view: View, asked: Visit, calling: Calling, refusal: Refused | None = None) -> str:
    """The HTML of a page of a console in Chinese."""
    shown = shown_by(served, view, asked, calling)
    with for_reader("zh", served.texts):
        return pages_of(served.templates).written(
            shown.template, shown.title, "zh", shown.page, frame(served, shown, refusal)
        )


@cache  # its templates are compiled once
def pages_of(templates: Path) -> HtmlPages:
    """The pages of a console, by the folder of its templates."""
    return HtmlPages(templates, FRAMES)


def shown_by(served: WebConsole, view: View, asked: Visit, calling: Calling) -> Shown:
    """A page of a console in Chinese."""
    data = asyncio.run(read_by(view, asked, calling))
    with for_reader("zh", served.texts):
        return view.show(asked, data)


async def read_by(view: View, asked: Visit, calling: Calling) -> object:
    """The answers of which a page is made."""
    return await view.read(asked, calling)


def frame(served: WebConsole, shown: Shown, refusal: Refused | None) -> Frame:
    return Frame(
        brand=served.brand(),
        home="/console/work",
        style="/console/assets/console.css",
        script="/console/assets/console.js",
        icon="/console/assets/icon.svg",
        skip="skip",
        navigation="pages",
        tabs=[Link(each.title(), each.path, each.path == shown.tab) for each in served.tabs],
        pages=pages_beside(served.root, served.tabs, shown.tab),
        other_language=Link("English", "/console/language/en"),
        language_code="en",
        person="wang",
        sign_out=Link("out", "/console/sign-out"),
        token="token",
        address="/console/work",
        notice="done",
        refusals=[refusal_of(each) for each in as_entered(shown, [] if refusal is None else [refusal])],
    )


def full_pages(evil: str = "") -> Iterator[tuple[str, str]]:
    """Each page of the console with all that it can show; `evil` stands behind each text."""
    views = {each.path: each for each in CONSOLE.views}
    refusal = invalid(f"note{evil}", f"is long{evil}", f"过长{evil}")
    answers = (GetOrderResponse(order=order(evil)), guide(evil), proofs(evil))
    yield "order", written(views["/orders/{id:.+}"], *answers, query="hops=signed", refusal=refusal)
    chosen = f"business=SUSPEND&applicant=holder&number={quote(NUMBER)}"
    plans = ListPlansResponse(plans=[Plan(id=f"GD-59{evil}", name=text(f"plan{evil}", f"套餐{evil}"))])
    offerings = ListOfferingsResponse(offerings=[Offering(id=f"DATA{evil}", name=text(f"data{evil}", f"流量{evil}"))])
    yield "new order", written(views["/orders/new"], guide(evil), plans, offerings, query=chosen)
    yield (
        "new joint order",
        written(
            views["/joint-orders/new"],
            guide(evil, Mode.MODE_JOINT),
            plans,
            offerings,
            query=f"{chosen}&region.1={quote(f'sichuan{evil}')}&region.2=guangdong",
        ),
    )
    yield "businesses", written(views["/orders/new"], ListBusinessesResponse(businesses=[guide(evil).business]))
    yield "orders", written(views["/orders"], ListOrdersResponse(orders=[order(evil)]))
    joint_orders = ListJointOrdersResponse(orders=[joint_order(evil)])
    yield "joint orders", written(views["/joint-orders"], joint_orders)
    joint = (GetJointOrderResponse(order=joint_order(evil)), guide(evil))
    yield "joint order", written(views["/joint-orders/{id:.+}"], *joint, refusal=refusal)
    complaints = ListComplaintsResponse(complaints=[complaint(evil)])
    with_filters = replace(visit(), filters={f"overdue{evil}": "within=0"})
    issues = ListIssuesResponse(issues=[issue(evil)])
    waiting = Answering(ListOrdersResponse(orders=[order(evil)]), complaints, issues, joint_orders)
    yield "work list", written_by(CONSOLE, views["/work"], with_filters, waiting)
    yield "complaints", written(views["/complaints"], complaints)
    yield "new complaint", refused_form("/complaints/new", "file", "complaint.description", evil)
    found = GetComplaintResponse(complaint=complaint(evil), private_notes=[ComplaintNote(text=f"third call{evil}")])
    found.ledger.add(region=f"guangdong{evil}")
    yield "complaint", written(views["/complaints/{id:.+}"], found)
    documents = ListDocumentsResponse(
        documents=[RegisteredDocument(document_id=f"D1{evil}", code=f"ID_ORIG{evil}", region=f"sichuan{evil}")]
    )
    notices = ListNoticesResponse(notices=[Notice(kind=f"bill{evil}", text=LocalizedText(zh_cn=f"账单{evil}"))])
    of_customer = (GetCustomerResponse(customer=customer(evil)), documents, notices, complaints, joint_orders, plans)
    yield "customer", written(views["/customers"], *of_customer, query=f"number={quote(NUMBER)}")
    known = (*proven(evil), ListOrdersResponse(orders=[order(evil)]), complaints)
    yield "identity check", written(views["/customers/identity-check"], *known, query=PROVEN)
    yield "shared record", written(views["/customers/shared-record"], *shared(evil), query=SHARED)
    rows = ListAuditRowsResponse(next_page_token="more")
    rows.rows.add(sequence=7, actor=f"counter{evil}", action="DENIED", subject=f"o-1{evil}", detail=f"staff li{evil}")
    filters = "from=2026-11-01T08:00&actor=wang&only=denied"
    yield "audit", written(views["/audit"], rows, query=filters)
    yield "new fault", refused_form("/faults/new", "report", "report.description", evil, *network(evil))
    yield "faults", written(views["/faults"], ListFaultsResponse(faults=[fault(evil)]))
    yield "fault", written(views["/faults/{id:.+}"], GetFaultResponse(fault=fault(evil)), network(evil)[0])
    yield "network", written(views["/network"], *network(evil))
    yield "link", written(views["/network/links/{id}"], quality(), ListAlarmsResponse(alarms=[alarm(evil)]))
    yield "alarm", written(views["/network/alarms/{id:.+}"], GetAlarmResponse(alarm=alarm(evil)))
    requests = ListSupportRequestsResponse(requests=[support_request(evil)])
    yield "support requests", written(views["/support"], requests)
    yield (
        "support request",
        written(views["/support/{id:.+}"], GetSupportRequestResponse(request=support_request(evil))),
    )
    imports = ListImportsResponse(imports=[Import(sha256=b"\x0a" * 32, lines=200, processed=50)])
    yield "imports", written(views["/imports"], imports)
    yield "issues", written(views["/issues"], issues)
    yield "issue", written(views["/issues/{id:.+}"], GetIssueResponse(issue=issue(evil)))


def refused_form(path: str, act: str, field: str, evil: str, *answers: Message) -> str:
    """A page whose form was refused at a field."""
    refusal = invalid(field, f"is long{evil}", f"过长{evil}")
    sent = Fields.parsed(f"act={act}&{field}={quote(f'charged twice{evil}')}")
    asked = replace(visit(f"number={quote(NUMBER + evil)}"), form=sent, refused=refusal)
    return written_by(CONSOLE, view_of(path), asked, Answering(*answers), refusal)


def view_of(path: str) -> View:
    """The page of a path."""
    return next(each for each in CONSOLE.views if each.path == path)


def acts(page: str) -> list[str]:
    """The forms of a page."""
    return [str(each["value"]) for _, each in read(page).seen if each.get("name") == "act"]


def refused(call: Callable[[], object]) -> Reason.ValueType:
    """The reason of a refusal."""
    with pytest.raises(Refused) as raised:
        call()
    return raised.value.reason
