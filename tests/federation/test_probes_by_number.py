"""What an operator learns about whether somebody has a number: by every call that takes one."""

import copy
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor
from google.protobuf.json_format import MessageToJson, ParseDict
from google.protobuf.message_factory import GetMessageClass

import gateway.api
from gateway.api.types.v1 import access_pb2, privacy_pb2
from gateway.api.types.v1.access_pb2 import Role
from tests.federation.counter import Counter
from tests.federation.refusals import read
from tests.federation.running import CALL_SECONDS, Federation

Fields = dict[str, object]
WHO = {"staff_id": "clerk-7", "channel": "CHANNEL_COUNTER"}
# The content of calls besides number, request id, applicant and requester. `papers` are documents seen by a clerk.
CONTENTS: Mapping[str, Fields] = {
    "BillingService.QueryBill": {"month": "2026-11", "papers": ("ID_ORIG",)},
    "CatalogueService.GetBusinessGuide": {"business": "SUSPEND"},
    "ComplaintService.FileComplaint": {
        "complaint": {
            "category": "BILL_WRONG",
            "description": "a probe",
            "remedy_sought": "REMEDY_REFUND",
            "channel": "COMPLAINT_CHANNEL_LETTER",
            "requester": WHO,
        }
    },
    "CustomerService.SetContactPreferences": {"preferences": {"quiet": True}, "updateMask": "quiet"},
    "DocumentService.CheckDocuments": {"business": "SUSPEND"},
    "DocumentService.GetDocumentContent": {"document_id": "sichuan/counter/none"},
    "FaultService.ReportFault": {
        "report": {"description": "a probe", "place": {"site": "guangzhou"}, "requester": WHO}
    },
    "OrderService.SubmitOrder": {
        "order": {
            "business": "PAY",
            "applicant": "APPLICANT_AGENT",
            "characteristics": {"amount": "100"},
            "requester": WHO,
        },
        "wait": "10s",
    },
    "SharingService.ReadSharedCustomer": {"purpose": "counter-service", "legal_basis": "LEGAL_BASIS_CONSENT"},
    "VerificationService.ChangePassword": {"code": "123456", "new_password": "271828"},
    "VerificationService.Verify": {"code": "123456"},
}
TELLING: Mapping[str, str] = {
    "BillingService.QueryBill": "papers that a clerk has seen open a bill, and the customer's list has the reading",
    "OrderService.SubmitOrder": "an order is rejected for a number that nobody has, and the customer hears of others",
}
"""The calls that tell it, each with the reason: docs/sharing.md names them."""
UNCOUNTED: Mapping[str, str] = {
    "ComplaintService.FileComplaint": "staff of the region work on each complaint, also about a number that nobody has",
}
"""The calls that tell it of numbers of the own region, and do not count them, each with the reason."""
ELSEWHERE = {
    "CustomerMoveService.ConfirmMove",
    "CustomerService.UpdateCustomer",
    "ErasureService.EraseCustomer",
    "ErasureService.RestrictCustomer",
    "JointOrderService.SubmitJointOrder",
    "SharingService.GiveConsent",
    "SharingService.WithdrawConsent",
    "SupportService.OpenSupportRequest",
    "SurveyService.AnswerSurvey",
}
"""The calls about own customers alone, and those with tests of their own; here their form is refused."""


def taking_numbers() -> Iterator[tuple[str, MethodDescriptor, tuple[str, ...]]]:
    """Each call of operators with the number of a customer in its request: its name, and the path of that field."""
    for path in sorted(Path(gateway.api.__path__[0]).glob("region/v1/*_pb2.py")):
        file: FileDescriptor = importlib.import_module(f"gateway.api.region.v1.{path.stem}").DESCRIPTOR
        for service in file.services_by_name.values():
            for method in service.methods:
                found = next(_numbers(method.input_type), None)
                if found and Role.ROLE_OPERATOR in method.GetOptions().Extensions[access_pb2.allow]:
                    yield f"{service.name}.{method.name}", method, found


def _numbers(message: Descriptor, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for each in message.fields:
        if each.message_type is not None and not each.is_repeated and len(above) < 2:
            yield from _numbers(each.message_type, (*above, each.name))
        elif each.name == "number" and each.GetOptions().Extensions[privacy_pb2.personal_data]:
            yield (*above, each.name)


async def outcome(
    federation: Federation, name: str, method: MethodDescriptor, path: tuple[str, ...], number: str, region: str
) -> str:
    """The answer to the counter of a region, without its ids, its times and the number."""
    content = copy.deepcopy(CONTENTS.get(name, {}))
    codes = content.pop("papers", ())
    within = content
    for part in path[:-1]:
        inner = within.setdefault(part, {})
        assert isinstance(inner, dict)
        within = inner
    within["number"] = number
    request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    fields = method.input_type.fields_by_name
    if "request_id" in fields:
        content["request_id"] = federation.next_id()
    if "requester" in fields:
        content["requester"] = WHO
    if "applicant" in fields:
        content["applicant"] = "APPLICANT_HOLDER"
    message = ParseDict(content, request())
    if codes:
        message.documents.extend(Counter(federation, region).document(each) for each in codes)  # type: ignore[attr-defined]
    channel = federation.dial_node(region, f"region/{region}/operator/counter")
    rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}"
    )
    try:
        answer = MessageToJson(response.FromString(await rpc(message.SerializeToString(), timeout=CALL_SECONDS)))
    except grpc.aio.AioRpcError as error:
        told = read(error)
        answer = f"{told.reason} {dict(told.parameters)}"
    return re.sub(r"\+86[\d*]{9,11}|R\d+|\d{8}-\d+|\d{4}-\d\d-\d\dT[\d:.]+Z", "…", answer)


async def test_no_call_but_those_that_are_named_tells_a_stranger_who_has_a_number(
    federation: Federation, sichuan: Counter
) -> None:
    telling, unread = set[str](), set[str]()
    for name, method, path in taking_numbers():
        if method.client_streaming:  # each has a twin for one number
            continue
        numbers = (await sichuan.new_customer(name="张三丰"), federation.next_number("sichuan"))
        first, second = [await outcome(federation, name, method, path, each, "guangdong") for each in numbers]
        if first != second:
            telling.add(name)
        if first.startswith("REQUEST_INVALID"):
            unread.add(name)
    assert telling == set(TELLING)
    assert unread == ELSEWHERE, "a new call needs a content"


async def test_each_call_that_tells_an_operator_who_has_a_number_of_its_own_region_counts_unknown_ones(
    federation: Federation, sichuan: Counter
) -> None:
    def unknown() -> int:
        rows = federation.database("sichuan").rows("SELECT SUM(unknown_numbers) FROM dealings")
        return int(str(rows[0][0] or 0))

    silent = set[str]()
    for name, method, path in taking_numbers():
        if method.client_streaming:
            continue
        numbers, before = (await sichuan.new_customer(name="张三丰"), federation.next_number("sichuan")), unknown()
        first, second = [await outcome(federation, name, method, path, each, "sichuan") for each in numbers]
        if first != second and unknown() == before:
            silent.add(name)
    assert silent == set(UNCOUNTED)
