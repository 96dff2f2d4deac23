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
from tests.federation.contents_of_ids import ASKED_ONCE, LATER_STATE, OTHERWISE, WHO, Fields
from tests.federation.counter import Approver, Counter
from tests.federation.fault_reporter import FaultReporter
from tests.federation.joint_staff import JointStaff
from tests.federation.refusals import read
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.support_staff import SupportStaff

CLOSED = ProductStatus.PRODUCT_STATUS_TERMINATED


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
    proven = {f"region.VerificationService.{each}" for each in VERIFYING}
    assert named & set(LATER_STATE) == proven | {"region.CustomerService.SetContactPreferences"}


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
        erases = method.containing_service.name == "ErasureService"
        proof = Counter(self.federation, self.region).proof if erases else ()
        try:
            if not method.client_streaming:
                rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
                await rpc(sent[0], timeout=CALL_SECONDS, metadata=proof)
                return ""
            both: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path)
            answers = [response.FromString(each) async for each in both(iter(sent), timeout=CALL_SECONDS)]
        except grpc.aio.AioRpcError as error:
            refused = read(error)
            if refused.reason != "APPROVAL_AWAITED":
                return refused.reason
            await Approver(self.federation, self.region).confirm(refused.parameters["approval"])
            return await self.told(method, messages, values)
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
    moved = await staff.submits(staff.request("LEASED_CHANGE", [region, region], number))
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
    risk = {"request_id": "USED", **ASKED_ONCE["coordinator.RiskService.AddRisk"], "title": "first"}
    assert not await scene.told(METHODS["coordinator.RiskService.AddRisk"], [risk], {})
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
