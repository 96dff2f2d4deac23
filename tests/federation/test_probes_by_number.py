"""What an operator learns about whether somebody has a number: by every call that takes one."""

import copy
import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor
from google.protobuf.json_format import MessageToJson, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import gateway.api
from gateway.api.federation.v1.configuration_pb2 import Business
from gateway.api.region.v1.joint_order_pb2 import JointOrder, JointOrderState
from gateway.api.region.v1.joint_order_service_pb2 import SubmitJointOrderResponse
from gateway.api.types.v1 import access_pb2, privacy_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Document
from gateway.federation.documents import parse_alternatives
from region_node.customers.verification.rules import CHECKED_AT_HOME, VERIFIER
from tests.federation.business_cases import CASES
from tests.federation.counter import Counter
from tests.federation.counterparts import HOLDER, requirement_of
from tests.federation.joint_staff import JointStaff
from tests.federation.refusals import read
from tests.federation.running import CALL_SECONDS, Federation
from tests.shipped import shipped_configuration

Fields = dict[str, object]
WHO = {"staff_id": "clerk-7", "channel": "CHANNEL_COUNTER"}
FAILED = JointOrderState.JOINT_ORDER_STATE_FAILED
ORDER = "OrderService.SubmitOrder"
PAYMENT = f"{ORDER} of PAY"
JOINT = "JointOrderService.SubmitJointOrder"


def order_of(business: str, characteristics: Mapping[str, str]) -> Fields:
    """The content of a call that hands in an order of a holder."""
    order = {"business": business, "applicant": "APPLICANT_HOLDER", "requester": WHO}
    return {"order": {**order, "characteristics": dict(characteristics)}, "wait": "10s"}


def joint_order_of(business: str, *regions: str) -> Fields:
    """The content of a call that hands in a joint order of a holder with a place in each of the regions."""
    places = [{"region": region, "address": f"{region}人民路1号"} for region in regions]
    return {"order": {"business": business, "applicant": "APPLICANT_HOLDER", "requester": WHO}, "places": places}


# The content of calls besides number, request id, applicant, requester and documents.
CONTENTS: Mapping[str, Fields] = {
    "BillingService.QueryBill": {"month": "2026-11"},
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
    JOINT: joint_order_of("BB_MOVE", "sichuan", "henan"),
    ORDER: order_of("SUSPEND", {"reason": "abroad"}),
    "SharingService.ReadSharedCustomer": {"purpose": "counter-service", "legal_basis": "LEGAL_BASIS_CONSENT"},
    "VerificationService.ChangePassword": {"code": "123456", "new_password": "271828"},
    "VerificationService.Verify": {"code": "123456"},
}
PROOFS: Mapping[str, Sequence[str]] = {"": (), "code": ("OTP", "PWD"), "paper": ("ID_ORIG",), "seen": ("ID_ORIG",)}
"""None, an invented code with a password, an invented paper on file, a paper that a clerk has seen."""
FURTHER: Mapping[str, Sequence[str]] = {JOINT: ("ADDR",)}
"""The papers that a call asks for besides."""
TELLING: Mapping[str, str] = {
    "BillingService.QueryBill seen": "papers that a clerk has seen open a bill; the customer's list has the reading",
    PAYMENT: "anybody pays for anybody, so that a payment needs no proof, and the payer is told where it was booked",
    f"{JOINT} seen": "papers that a clerk has seen prove a joint order; the home region asks the customer",
    f"{ORDER} seen": "papers that a clerk has seen prove an order; the customer hears of it",
}
"""The calls with their proofs that tell it by nature, each with the reason: docs/sharing.md names them."""
VARYING = r"\+86[\d*]{9,11}|R\d+|\d{8}-\d+|\d{4}-\d\d-\d\dT[\d:.]+Z|\"version\": \"\d+\""
"""The ids, times, versions and numbers in an answer."""
CONFIGURATION = shipped_configuration()
REUSABLE = {each.code for each in CONFIGURATION.materials if each.reusable}
BY_NUMBER = [each for each in CONFIGURATION.businesses if each.code in CASES and not each.home_characteristic]
PROVEN = [each for each in BY_NUMBER if all(applicant.all_of for applicant in each.documents)]
ELSEWHERE = {
    "CustomerMoveService.ConfirmMove",
    "CustomerService.UpdateCustomer",
    "ErasureService.EraseCustomer",
    "ErasureService.RestrictCustomer",
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


@dataclass(frozen=True)
class Probe:
    """A call that names a number, with the documents that it shows."""

    federation: Federation
    name: str
    method: MethodDescriptor
    path: tuple[str, ...]
    content: Fields
    proof: str = ""
    codes: Sequence[str] = ()

    @property
    def label(self) -> str:
        """The call and its proof."""
        return f"{self.name} {self.proof}".rstrip()

    async def outcome(self, number: str, region: str) -> str:
        """The answer to the counter of a region, whole, without its ids, its times, its versions and the number."""
        channel = self.federation.dial_node(region, f"region/{region}/operator/counter")
        rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            f"/{self.method.containing_service.full_name}/{self.method.name}"
        )
        response = GetMessageClass(self.method.output_type)
        try:
            payload = await rpc(self._request(number, region).SerializeToString(), timeout=CALL_SECONDS)
            message = response.FromString(payload)
            if isinstance(message, SubmitJointOrderResponse):
                message = await self._end_of(message.order, region)
            answer = MessageToJson(message)
        except grpc.aio.AioRpcError as error:
            told = read(error)
            answer = f"{told.reason} {told.code} {dict(told.parameters)} {dict(told.texts)} {told.retry_seconds}"
        return re.sub(VARYING, "…", answer)

    async def _end_of(self, order: JointOrder, region: str) -> JointOrder:
        """A joint order once a region of it has refused its item, and all know it."""
        staff = JointStaff(self.federation, region)
        return await staff.follows(order.id, lambda each: each.state == FAILED and not each.awaiting, "refused by all")

    def _request(self, number: str, region: str) -> Message:
        content, fields = copy.deepcopy(self.content), self.method.input_type.fields_by_name
        if "request_id" in fields:
            content["request_id"] = self.federation.next_id()
        if "requester" in fields:
            content["requester"] = WHO
        if "applicant" in fields:
            content.setdefault("applicant", "APPLICANT_HOLDER")
        request: Message = ParseDict(content, GetMessageClass(self.method.input_type)())
        within = request
        for part in self.path[:-1]:
            within = getattr(within, part)
        setattr(within, self.path[-1], number)
        if self.proof:
            within.documents.extend(self._documents(region))  # type: ignore[attr-defined]
        return request

    def _documents(self, region: str) -> Iterator[Document]:
        """The documents of the proof: codes and passwords are invented, and papers on file where it says so."""
        for code in self.codes:
            document = Counter(self.federation, region).document(code)
            if code in CHECKED_AT_HOME:
                document.verifier = VERIFIER
            elif self.proof == "paper" and code in REUSABLE:
                document.document_id = f"{region}/counter/none"
            yield document


def probes(federation: Federation) -> Iterator[Probe]:
    """Each call that takes a number, with each proof that it takes."""
    for name, method, path in taking_numbers():
        if method.client_streaming:  # each has a twin for one number
            continue
        for proof in PROOFS if _takes_documents(method.input_type, path) else [""]:
            codes = (*PROOFS[proof], *FURTHER.get(name, ())) if proof else ()
            yield Probe(federation, name, method, path, CONTENTS.get(name, {}), proof, codes)
        if name == ORDER:
            yield Probe(federation, PAYMENT, method, path, order_of("PAY", {"amount": "100"}))


def _takes_documents(message: Descriptor, path: Sequence[str]) -> bool:
    """Whether the message with the number has documents, too."""
    inner = message.fields_by_name[path[0]].message_type if len(path) > 1 else None
    return "documents" in message.fields_by_name if inner is None else _takes_documents(inner, path[1:])


def orders(federation: Federation, business: Business) -> Iterator[Probe]:
    """Orders of a business by its holder: without documents, with an invented code, with an invented paper on file."""
    _, method, path = next(each for each in taking_numbers() if each[0] == ORDER)
    content = order_of(business.code, CASES[business.code].characteristics)
    lines = requirement_of(business, HOLDER).all_of
    for proof in ("", "code", "paper"):
        codes = [code for line in lines for code in alternative_of(line, by_code=proof == "code")]
        if not proof or not {"code": CHECKED_AT_HOME, "paper": REUSABLE}[proof].isdisjoint(codes):
            yield Probe(federation, ORDER, method, path, content, proof, codes if proof else ())


def unproven(federation: Federation) -> Iterator[Probe]:
    """The orders and joint orders of a holder without a proof of the customer."""
    for business in PROVEN:
        yield from orders(federation, business)
    yield from (each for each in probes(federation) if each.name == JOINT and f"{JOINT} seen" != each.label)


def alternative_of(line: str, *, by_code: bool) -> tuple[str, ...]:
    """The alternative of a line of documents with the most codes and passwords, or with the fewest."""
    sign = -1 if by_code else 1
    return min(parse_alternatives(line), key=lambda codes: sign * len(CHECKED_AT_HOME.intersection(codes)))


def kept(federation: Federation) -> Mapping[str, int]:
    """The rows of each region that the orders of a counter write, and the dealings that they count as."""
    of_order = "subject LIKE '%/counter/%'"
    written = {
        "audit": f"SELECT COUNT(*) FROM audit WHERE {of_order} OR action = 'ListDocuments'",
        "inbox": f"SELECT COUNT(*) FROM inbox WHERE {of_order}",
        "outbox": f"SELECT COUNT(*) FROM outbox WHERE {of_order}",
        "orders": "SELECT COUNT(*) FROM orders",
        "requests": "SELECT COUNT(*) FROM requests",
        "failures": "SELECT SUM(failures) FROM dealings",
        "unknown numbers": "SELECT SUM(unknown_numbers) FROM dealings",
    }
    found = dict[str, int]()
    for region in ("guangdong", "sichuan"):
        (row,) = federation.database(region).rows(f"SELECT {', '.join(f'({sql})' for sql in written.values())}")
        found |= {f"{region}: {what}": int(str(count or 0)) for what, count in zip(written, row, strict=True)}
    return found


async def test_no_call_but_those_that_are_named_tells_a_stranger_who_has_a_number(
    federation: Federation, sichuan: Counter
) -> None:
    telling, unread = set[str](), set[str]()
    for probe in probes(federation):
        numbers = (await sichuan.new_customer(name="张三丰"), federation.next_number("sichuan"))
        first, second = [await probe.outcome(each, "guangdong") for each in numbers]
        if first != second:
            telling.add(probe.label)
        if first.startswith("REQUEST_INVALID") and not probe.proof:
            unread.add(probe.name)
    assert telling == set(TELLING)
    assert unread == ELSEWHERE, "a new call needs a content"


async def test_each_call_that_tells_an_operator_who_has_a_number_of_its_own_region_counts_unknown_ones(
    federation: Federation, sichuan: Counter
) -> None:
    def unknown() -> int:
        rows = federation.database("sichuan").rows("SELECT SUM(unknown_numbers) FROM dealings")
        return int(str(rows[0][0] or 0))

    silent = set[str]()
    for probe in probes(federation):
        numbers, before = (await sichuan.new_customer(name="张三丰"), federation.next_number("sichuan")), unknown()
        first, second = [await probe.outcome(each, "sichuan") for each in numbers]
        if first != second and unknown() == before:
            silent.add(probe.name)
    assert silent == set()


async def test_an_invented_paper_tells_no_status_of_a_customer(federation: Federation, sichuan: Counter) -> None:
    restricted = await sichuan.new_customer(name="张三丰")
    await sichuan.restrict(restricted)
    for probe in probes(federation):
        if probe.proof == "paper" and probe.name in {ORDER, JOINT, "BillingService.QueryBill"}:
            region = "sichuan" if probe.name == JOINT else "guangdong"  # the home region alone can check the proof
            numbers = (restricted, federation.next_number("sichuan"))
            first, second = [await probe.outcome(each, region) for each in numbers]
            assert first == second, probe.label


@pytest.mark.parametrize("region", ["guangdong", "sichuan"])
async def test_an_order_without_a_proof_of_the_customer_has_one_answer_and_writes_the_same_for_all_numbers(
    federation: Federation, sichuan: Counter, region: str
) -> None:
    for probe in unproven(federation):
        found = []
        for number in (await sichuan.new_customer(name="张三丰"), federation.next_number("sichuan")):
            before = kept(federation)
            answer = await probe.outcome(number, region)
            found.append((answer, {what: count - before[what] for what, count in kept(federation).items()}))
        assert found[0] == found[1], f"{probe.label} {probe.content}"


def test_a_payment_alone_needs_no_proof_and_so_tells_by_nature_who_has_a_number() -> None:
    assert {each.code for each in BY_NUMBER} - {each.code for each in PROVEN} == {"PAY"}
