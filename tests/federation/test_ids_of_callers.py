"""An id that a caller chose stands for one content: another one is refused by every RPC that takes such an id."""

import base64
import hashlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import gateway.api
from deploy.provider.notification import Phones, Text
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_service_pb2 import SubmitOrdersResponse
from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name, status_code
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.fault_reporter import FaultReporter
from tests.federation.joint_staff import JointStaff
from tests.federation.refusals import read
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.support_staff import SupportStaff

CLOSED = ProductStatus.PRODUCT_STATUS_TERMINATED
Fields = Mapping[str, object]
WHO = {"staff_id": "clerk-7", "channel": "CHANNEL_COUNTER"}
ISSUE: Fields = {"subject": "other", "description": "other", "owner_region": "guangdong", "due_time": "NOW"}
BULLETIN: Fields = {
    "severity": "BULLETIN_SEVERITY_URGENT",
    "title": {"zh_cn": "其他", "en": "other"},
    "text": {"zh_cn": "其他", "en": "other"},
    "end_time": "NOW",
}

# RPCs with a request id: another content than that which was sent with it before. It is refused before it is looked at
# closely, so that it need not be possible. TICKET_ID, ORDER, FAULT and NUMBER stand for those of the test.
ASKED_ONCE: Mapping[str, Fields] = {
    "coordinator.CaseService.AssignComplaint": {
        "ticket_id": "TICKET_ID",
        "region": "henan",
        "department": "SETTLEMENT",
    },
    "coordinator.ComplaintOversightService.RaiseComplaint": {
        "ticket_id": "TICKET_ID",
        "level": 4,
        "reason": "other",
    },
    "coordinator.ComplaintOversightService.ReclassifyComplaint": {
        "ticket_id": "TICKET_ID",
        "category": "BILL_ROAM",
        "reason": "other",
    },
    "coordinator.BulletinService.PublishBulletin": {"region": "guangdong", "content": BULLETIN},
    "coordinator.IssueService.OpenIssue": {"issue": ISSUE},
    "region.AgreementService.CreateAgreement": {"number": "NUMBER", "service": "x", "template": "leased-line"},
    "region.AgreementService.EndAgreement": {"agreement_id": "x"},
    "region.AgreementService.NoteOutage": {"service": "x"},
    "region.BulletinOversightService.PublishForAdministrator": {"content": BULLETIN, "administrator": "admin/root"},
    "region.BulletinService.PublishBulletin": {"content": BULLETIN},
    "region.CaseService.AssignComplaint": {
        "ticket_id": "TICKET_ID",
        "region": "henan",
        "department": "SETTLEMENT",
        "administrator": "admin/root",
    },
    "region.ComplaintOversightService.RaiseComplaint": {
        "ticket_id": "TICKET_ID",
        "level": 4,
        "reason": "other",
        "administrator": "admin/root",
    },
    "region.ComplaintOversightService.ReclassifyComplaint": {
        "ticket_id": "TICKET_ID",
        "category": "BILL_ROAM",
        "reason": "other",
        "administrator": "admin/root",
    },
    "region.ComplaintService.FileComplaint": {
        "complaint": {
            "category": "BILL_WRONG",
            "number": "NUMBER",
            "description": "other",
            "remedy_sought": "REMEDY_REFUND",
            "channel": "COMPLAINT_CHANNEL_LETTER",
            "requester": WHO,
            "rural_area": False,
        }
    },
    "region.ComplaintService.ClassifyComplaint": {"ticket_id": "TICKET_ID", "category": "BILL_ROAM", "reason": "other"},
    "region.ComplaintService.RespondToComplaint": {"ticket_id": "TICKET_ID", "text": "other"},
    "region.ComplaintService.AddPrivateNote": {"ticket_id": "TICKET_ID", "text": "other"},
    "region.ComplaintService.ProposeResolution": {
        "ticket_id": "TICKET_ID",
        "text": "other",
        "cause_code": "billing-error",
        "remedy": "REMEDY_CORRECTION",
    },
    "region.ComplaintService.ReturnComplaint": {
        "ticket_id": "TICKET_ID",
        "reason": "RETURN_REASON_NOT_HERE",
        "text": "other",
    },
    "region.ComplaintService.AcceptResolution": {"ticket_id": "TICKET_ID", "rating": 1},
    "region.ComplaintService.RefuseResolution": {"ticket_id": "TICKET_ID", "reason": "other"},
    "region.ComplaintService.WithdrawComplaint": {"ticket_id": "TICKET_ID", "reason": "other"},
    "region.ComplaintService.ExpediteComplaint": {"ticket_id": "TICKET_ID"},
    "region.ComplaintService.SettleRemedy": {"ticket_id": "TICKET_ID", "otherwise": "other"},
    "region.DossierService.AskForRegulator": {"ticket_id": "TICKET_ID"},
    "region.FaultService.ReportFault": {
        "report": {"number": "NUMBER", "description": "other", "place": {"site": "guangzhou"}, "requester": WHO}
    },
    "region.FaultService.CancelFault": {"fault_id": "FAULT", "reason": "other"},
    "region.FaultService.RespondToFault": {"fault_id": "FAULT", "text": "other"},
    "region.FaultService.WorkOnFault": {"fault_id": "FAULT", "note": {"text": "other"}},
    "region.ImprovementService.AddImprovementAction": {
        "ticket_id": "TICKET_ID",
        "text": "other",
        "owner": "li",
        "due_date": "2031-01-31",
    },
    "region.ImprovementService.FinishImprovementAction": {"action_id": "x", "outcome": "other"},
    "region.IssueService.OpenIssue": {"issue": ISSUE},
    "region.IssueService.WorkOnIssue": {"issue_id": "x", "note": "other"},
    "region.IssueOversightService.OpenIssueForAdministrator": {
        "issue": ISSUE,
        "administrator": "admin/root",
    },
    "region.JointOrderService.SubmitJointOrder": {"order": {"business": "BB_MOVE", "requester": WHO}},
    "region.JointOrderService.CancelJointOrder": {"joint_order_id": "JOINT", "reason": "other"},
    "region.JointOrderService.WorkOnJointOrder": {"joint_order_id": "JOINT", "item_id": "remove", "reserve": {}},
    "region.OrderService.SubmitOrder": {
        "order": {
            "business": "PAY",
            "number": "NUMBER",
            "applicant": "APPLICANT_HOLDER",
            "characteristics": {"amount": "700"},
            "requester": WHO,
        }
    },
    "region.OrderService.CancelOrder": {"order_id": "ORDER", "reason": "other"},
    "region.OrderService.SupplementOrder": {"order_id": "ORDER", "note": "other"},
    "region.OrderService.ConfirmOrder": {"order_id": "ORDER", "agreed": True},
    "region.OrderService.ExpediteOrder": {"order_id": "ORDER"},
    "region.OrderService.ReviewOrder": {"order_id": "ORDER", "decision": "REVIEW_DECISION_APPROVE"},
    "region.PlannedOutageService.AnnouncePlannedOutage": {"sites": ["x"]},
    "region.PlannedOutageService.ChangePlannedOutage": {"planned_outage_id": "x"},
    "region.PlannedOutageService.CancelPlannedOutage": {"planned_outage_id": "x"},
    "region.ReconciliationService.ProposeRepair": {
        "region": "sichuan",
        "record_kind": "order",
        "serial": "ORDER",
        "act": "REPAIR_ACT_CORRECT",
        "acting_region": "sichuan",
        "note": "other",
    },
    "region.ReconciliationService.DecideRepair": {"repair_id": "x", "confirmed": True},
    "region.SupportService.OpenSupportRequest": {
        "inquiry": {
            "number": "NUMBER",
            "subject": "other",
            "description": "other",
            "service": "lines-chengdu-guangzhou",
        }
    },
    "region.SupportService.WorkOnSupportRequest": {"support_request_id": "SUPPORT", "note": "other"},
}

# RPCs by which what an id stands for may come to stand otherwise, or that take no id but of what is there already.
LATER_STATE: Mapping[str, str] = {
    "coordinator.MembershipService.SuspendRegion": "a region is suspended, or is so already",
    "coordinator.MembershipService.ReinstateRegion": "a region is reinstated, or was never suspended",
    "coordinator.ConfigurationService.ApplyConfiguration": "names the revision that it follows",
    "coordinator.CaseService.ReportCase": "a higher version of a case is how it stands now",
    "coordinator.PlannedOutageRegistryService.HoldPlannedOutage": "a planned outage as the region"
    " that holds it has it now",
    "coordinator.ProblemService.ReportEvent": "a higher version of an alarm or a fault is how it stands now",
    "coordinator.ProblemService.ReportAffected": "the last count counts",
    "coordinator.ProblemService.RecordReport": "a report of a kind is made once",
    "federation.FederationService.Join": "a heartbeat tells how the region stands",
    "provider.FulfilmentService.Provision": "an order is provisioned once; the system is the region's own",
    "provider.FulfilmentService.Test": "tests what was provisioned",
    "provider.FulfilmentService.Undo": "an order is undone once",
    "region.AlarmService.AcknowledgeAlarms": "an alarm was seen",
    "region.AlarmService.ClearAlarms": "an alarm is over",
    "region.BulletinService.ReadBulletin": "a member of staff has read a bulletin",
    "region.BulletinService.WithdrawBulletin": "a bulletin is withdrawn",
    "region.CustomerService.SetContactPreferences": "which contacts are permitted from now on",
    "region.CustomerService.UpdateCustomer": "what the mask names is changed",
    "region.DocumentService.WithdrawDocument": "a document counts no more",
    "region.ErasureService.RestrictCustomer": "a customer is stored only",
    "region.ErasureService.LiftRestriction": "a customer is no longer stored only",
    "region.FollowedProblemService.FollowProblem": "a higher version of a problem is how it stands now",
    "region.FollowedProblemService.BindLines": "a line and a service are bound, or are so already",
    "region.FollowedProblemService.UnbindLines": "a line and a service are bound no more",
    "region.ReconciliationService.CompareDay": "a day is compared as it stands now",
    "region.RetentionService.HoldCustomer": "the same reference moves the end of a hold",
    "region.RetentionService.ReleaseHold": "a hold is over",
    "region.SupportResourceService.KeepExpert": "how an expert is entered from now on",
    "region.SupportResourceService.RemoveExpert": "an expert is no longer entered",
    "region.SupportResourceService.KeepSpare": "how many are in store from now on",
    "region.SupportResourceService.RemoveSpare": "a part is no longer entered",
    "region.SurveyService.InviteToSurvey": "a finished order, complaint or repair is asked about once",
    "region.SurveyService.AnswerSurvey": "a token is answered once, and another answer refused",
    "region.SurveyService.StartSurveyCampaign": "a customer is invited once by the name of a campaign",
    "region.SurveyService.FinishSurveyFollowUp": "a follow-up ends once",
    "region.VerificationService.SendCode": "names the request that a code is for; a new code ends the one before",
    "region.VerificationService.Verify": "names the request that a code is for; a code is used up",
    "region.VerificationService.ChangePassword": "names the request that a code is for; a code is used up",
    "relay.RelayService.Deliver": "an envelope's id is signed with its content; test_envelopes.py shows it",
}

CUSTOMER: Fields = {
    "id": "customer-ID",
    "name": "Li Wei",
    "product": {
        "id": "product-ID",
        "number": "FREE",
        "plan_id": "guangdong-39",
        "status": "PRODUCT_STATUS_ACTIVE",
        "start_time": "2025-01-01T00:00:00Z",
    },
    "billing_account": {"id": "account-ID", "balance": {"minor_units": 5000, "currency": "CNY"}},
}
USAGE: Fields = {"id": "ID", "number": "NUMBER", "kind": "USAGE_KIND_CALL", "quantity": 60, "usage_time": "NOW"}
FILE: Fields = {"sha256": "SHA", "lines": 2, "requester": WHO}


def other(fields: Fields, **changes: object) -> Fields:
    return {**fields, **changes}


EXPENSIVE = other(CUSTOMER, billing_account={"id": "account-ID", "balance": {"minor_units": 7000, "currency": "CNY"}})
ALARM: Fields = {
    "external_id": "ID",
    "state": "ALARM_STATE_RAISED",
    "event_time": "NOW",
    "alarmed_object": {"link": "chengdu-guangzhou-1"},
    "alarm_type": "ALARM_TYPE_COMMUNICATIONS",
    "perceived_severity": "PERCEIVED_SEVERITY_MAJOR",
    "probable_cause": "lossOfSignal",
}
MEASURED: Fields = {"link": "chengdu-guangzhou-1", "start_time": "NOW", "window_seconds": 60, "delay_us": "5"}
COMPLAINT: Fields = {
    "external_id": "ID",
    "request": other(
        ASKED_ONCE["region.ComplaintService.FileComplaint"]["complaint"],  # type: ignore[arg-type]
        description="too much was charged",
    ),
    "filed_time": "NOW",
}
SUBMITTED = ASKED_ONCE["region.OrderService.SubmitOrder"]["order"]
IMPACT: Fields = {
    "id": "ID",
    "purpose": "x",
    "necessity": "x",
    "effect": "x",
    "protection": "x",
    "assessor": "li",
    "assess_time": "NOW",
}
UPLOAD: Fields = {
    "request_id": "ID",
    "number": "NUMBER",
    "code": "ID_ORIG",
    "media_type": "image/png",
    "size": 8,
    "sha256": "SHA",
    "verify_time": "NOW",
    "requester": WHO,
}
FILED: Fields = {
    "request_id": "ID",
    "ticket_id": "TICKET_ID",
    "name": "a.png",
    "media_type": "image/png",
    "size": 8,
    "sha256": "SHA",
    "requester": WHO,
}
CONSENT: Fields = {
    "request_id": "ID",
    "number": "NUMBER",
    "reader": "henan",
    "purpose": "counter-service",
    "decision": "CONSENT_DECISION_DECLINED",
    "paper": "guangdong/counter/paper",
}
# RPCs with other ids of callers: the messages of one content, and those of another one under the same id.
OTHERWISE: Mapping[str, tuple[Sequence[Fields], Sequence[Fields]]] = {
    "region.AlarmService.SendAlarms": (
        [{"source": "ID"}, {"first_sequence": 1, "reports": [ALARM]}],
        [{"source": "ID"}, {"first_sequence": 1, "reports": [other(ALARM, probable_cause="fire")]}],
    ),
    "region.AttachmentService.AttachFile": ([{"attachment": FILED}], [{"attachment": other(FILED, name="b.png")}]),
    "region.BillingService.RecordUsage": ([{"usage": [USAGE]}], [{"usage": [other(USAGE, quantity=61)]}]),
    "region.ComplaintImportService.ImportComplaints": (
        [{"file": FILE}, {"lines": [{"number": 2, "complaint": COMPLAINT}]}],
        [
            {"file": other(FILE, sha256="ANOTHER")},
            {"lines": [{"number": 2, "complaint": other(COMPLAINT, first_response_time="NOW")}]},
        ],
    ),
    "region.CustomerService.BatchCreateCustomers": ([{"customers": [CUSTOMER]}], [{"customers": [EXPENSIVE]}]),
    "region.CustomerService.ImportCustomers": (
        [{"file": FILE}, {"lines": [{"number": 2, "customer": CUSTOMER}]}],
        [{"file": other(FILE, sha256="ANOTHER")}, {"lines": [{"number": 2, "customer": EXPENSIVE}]}],
    ),
    "region.DocumentService.UploadDocument": ([{"document": UPLOAD}], [{"document": other(UPLOAD, sha256="ANOTHER")}]),
    "region.ErasureService.EraseCustomer": (
        [{"request_id": "ID", "number": "ERASED", "reason": "ERASURE_REASON_REQUESTED"}],
        [{"request_id": "ID", "number": "NUMBER", "reason": "ERASURE_REASON_REQUESTED"}],
    ),
    "region.MeasurementService.SendMeasurements": (
        [{"source": "ID"}, {"first_sequence": 1, "measurements": [MEASURED]}],
        [{"source": "ID"}, {"first_sequence": 1, "measurements": [other(MEASURED, delay_us="6")]}],
    ),
    "region.OrderService.SubmitOrders": (
        [{"request_id": "ID", "order": SUBMITTED}],
        [{"orders": [{"request_id": "ID", "order": other(SUBMITTED, characteristics={"amount": "701"})}]}],  # type: ignore[arg-type]
    ),
    "region.RetentionService.RecordImpact": ([{"record": IMPACT}], [{"record": other(IMPACT, purpose="y")}]),
    "region.SharingService.GiveConsent": ([CONSENT], [other(CONSENT, reader="sichuan")]),
    "region.SharingService.WithdrawConsent": (
        [{"request_id": "ID", "number": "NUMBER", "reader": "henan", "paper": "guangdong/counter/paper"}],
        [{"request_id": "ID", "number": "NUMBER", "reader": "sichuan", "paper": "guangdong/counter/paper"}],
    ),
}


def changing() -> Iterator[tuple[str, MethodDescriptor]]:
    """Every RPC that changes anything, by `<package>.<service>.<name>`."""
    for path in Path(gateway.api.__path__[0]).glob("*/v1/*_pb2.py"):
        file: FileDescriptor = importlib.import_module(f"gateway.api.{path.parts[-3]}.v1.{path.stem}").DESCRIPTOR
        for service in file.services_by_name.values():
            for method in service.methods:
                if method.GetOptions().idempotency_level != MethodOptions.IdempotencyLevel.NO_SIDE_EFFECTS:
                    yield f"{path.parts[-3]}.{service.name}.{method.name}", method


METHODS = dict(changing())


def test_every_rpc_that_changes_anything_says_what_an_id_with_other_content_does() -> None:
    tables = [set(ASKED_ONCE), set(LATER_STATE), set(OTHERWISE), {NOTIFY}]
    assert set(METHODS) == set().union(*tables)
    assert sum(map(len, tables)) == len(METHODS)
    named = {name for name, method in METHODS.items() if "request_id" in method.input_type.fields_by_name}
    assert named & set(LATER_STATE) == {f"region.VerificationService.{each}" for each in VERIFYING}


NOTIFY = "provider.NotificationService.Notify"  # of the system that regions without one of their own are given
VERIFYING = ("SendCode", "Verify", "ChangePassword")


@dataclass(frozen=True)
class Scene:
    """A region with a customer, and one request id of a counter, staff and a coordinator."""

    federation: Federation
    region: str
    values: Mapping[str, str]

    def filled(self, fields: Fields, values: Mapping[str, str]) -> dict[str, object]:
        """A message as JSON, with the ids of the test."""
        return {name: self._filled(each, values) for name, each in fields.items()}

    def _filled(self, value: object, values: Mapping[str, str]) -> object:
        if isinstance(value, Mapping):
            return self.filled(value, values)
        if isinstance(value, list):
            return [self._filled(each, values) for each in value]
        if not isinstance(value, str):
            return value
        return values.get(value, value.replace("-ID", f"-{values.get('ID')}"))

    def channel(self, method: MethodDescriptor) -> grpc.aio.Channel:
        """The connection of whoever may call it."""
        allowed = method.GetOptions().Extensions[access_pb2.allow]
        if Role.ROLE_ADMIN in allowed:
            return self.federation.dial_coordinator("admin/root")
        if Role.ROLE_COORDINATOR in allowed:
            return self.federation.dial_node(self.region, "coordinator/0")
        role = "operator/counter" if Role.ROLE_OPERATOR in allowed else "staff/wang"
        return self.federation.dial_node(self.region, f"region/{self.region}/{role}")

    async def told(self, method: MethodDescriptor, messages: Sequence[Fields], values: Mapping[str, str]) -> str:
        """The reason for which messages were refused, or a line of them was; empty where they were taken."""
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        sent = []
        for fields in messages:
            message = ParseDict(self.filled(fields, {**self.values, **values}), request())
            if "requester" in method.input_type.fields_by_name and not method.client_streaming:
                ParseDict({"requester": WHO}, message)
            sent.append(message.SerializeToString())
        path, channel = f"/{method.containing_service.full_name}/{method.name}", self.channel(method)
        try:
            if not method.client_streaming:
                rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
                await rpc(sent[0], timeout=CALL_SECONDS)
                return ""
            both: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path)
            answers = [response.FromString(each) async for each in both(iter(sent), timeout=CALL_SECONDS)]
        except grpc.aio.AioRpcError as error:
            return read(error).reason
        return next((told for each in answers if (told := _rejected(each))), "")


def _rejected(answer: Message) -> str:
    """The reason of a line that was not taken, or of an order of many that was refused."""
    if "refused" in answer.DESCRIPTOR.fields_by_name and answer.HasField("refused"):
        return reason_name(answer.refused.reason)  # type: ignore[attr-defined]
    if isinstance(answer, SubmitOrdersResponse) and answer.HasField("pack"):
        return next((told for each in answer.pack.results if (told := _rejected(each))), "")
    return next((reason_name(each.reason) for each in getattr(answer, "rejected", ())), "")


async def asked_before(federation: Federation) -> Scene:
    """A scene whose counter, staff and administrator have used the same request id."""
    region, used = "guangdong", federation.next_id()
    counter = Counter(federation, region)
    number, erased = await counter.new_customer(), await counter.new_customer(balance=0, status=CLOSED)
    complaint = await Complainant(federation, region).file("BILL_WRONG", number, request_id=used)
    fault = await FaultReporter(federation, region).report(number, site="guangzhou")
    order = await counter.order("PAY", number)
    support = await SupportStaff(federation, region).open(number)
    staff = JointStaff(federation, region, "operator/counter")
    moved = await staff.submits(staff.request("BB_MOVE", [region, region], number))
    scene = Scene(
        federation,
        region,
        {
            "TICKET_ID": complaint.ticket_id,
            "FAULT": fault.id,
            "ORDER": order.id,
            "SUPPORT": support.id,
            "JOINT": moved.id,
            "NUMBER": number,
            "ERASED": erased,
            "USED": used,
            "NOW": (federation.clock.now() - timedelta(minutes=2)).isoformat(),
        },
    )
    note = METHODS["region.ComplaintService.AddPrivateNote"]
    assert not await scene.told(note, [{"request_id": "USED", "ticket_id": "TICKET_ID", "text": "first"}], {})
    raised = METHODS["coordinator.ComplaintOversightService.RaiseComplaint"]

    async def is_raised() -> bool:
        asked = {"request_id": "USED", "ticket_id": "TICKET_ID", "level": 2, "reason": "first"}
        return not await scene.told(raised, [asked], {})

    await until(is_raised, "the complaint is raised by the administrator")
    return scene


def is_about_the_id(reason: str) -> bool:
    """Whether a refusal says that an id stands for something else."""
    return bool(reason) and status_code(Reason.Value(f"REASON_{reason}")) == grpc.StatusCode.ALREADY_EXISTS


async def test_a_request_id_that_was_used_for_something_else_is_refused_by_every_rpc(federation: Federation) -> None:
    scene, wrong = await asked_before(federation), []
    for name, fields in ASKED_ONCE.items():
        told = await scene.told(METHODS[name], [{"request_id": "USED", **fields}], {})
        if told != "REQUEST_ID_REUSED":
            wrong.append(f"{name}: {told or 'taken'}")
    assert not wrong, "\n".join(wrong)


async def test_another_content_under_a_known_id_is_refused_and_the_same_again_is_not(federation: Federation) -> None:
    scene, wrong = await asked_before(federation), []
    for name, (first, second) in OTHERWISE.items():
        method = METHODS[name]
        values = {
            "ID": federation.next_id(),
            "FREE": federation.next_number(scene.region),
        }
        values["SHA"] = _base64(f"{name} first {values['ID']}")
        values["ANOTHER"] = _base64(f"{name} second {values['ID']}")
        answers = [await scene.told(method, each, values) for each in (first, first, second)]
        if answers[:2] != ["", ""] or not is_about_the_id(answers[2]):
            wrong.append(f"{name}: {answers}")
    assert not wrong, "\n".join(wrong)


def test_a_text_for_a_telephone_is_not_lost_under_the_id_of_another_one(tmp_path: Path) -> None:
    phones, first = Phones(tmp_path), Text("bill/1", "bill", "一", "one")
    for _ in range(2):
        phones.add("+8613800000000", first)
    with pytest.raises(Refused) as raised:
        phones.add("+8613800000000", replace(first, en="two"))
    assert raised.value.reason == Reason.REASON_REQUEST_ID_REUSED
    assert phones.texts("+8613800000000") == [first]


def _base64(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
