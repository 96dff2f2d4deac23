"""Who acts through an operator system that is not believed: proven members of staff, or a customer alone."""

import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.descriptor import MethodDescriptor

from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1 import verification_service_pb2 as verification_api
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.security.provider_settings import IdentityProviderSettings
from tests.federation.commands import as_caller, run_command
from tests.federation.counter import WAIT, Counter, Reviewer, code_in, seconds
from tests.federation.databases import Databases
from tests.federation.refusals import read, refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.federation.test_access import answer, methods

SCOPES = """
[counter]
services = ["*"]
businesses = ["*"]
purposes = ["*"]
client_id = "0a1b-2c3d"

[probe]
services = ["*"]
businesses = ["*"]
purposes = ["*"]
staff = "named"
"""
REGION = "guangdong"
CUSTOMER = Requester(staff_id="self-service", channel=Channel.CHANNEL_APP)
DESK = f"region/{REGION}/operator/counter"
# What nobody of staff has to do: a customer does it alone, or a system by itself. Whatever is not here needs a proof.
ALONE = {
    "AlarmService": ("GetAlarm", "ListAlarms", "ReportAlarm", "SendAlarms", "WatchAlarms"),
    "AttachmentService": ("AttachFile", "GetAttachmentContent"),
    "BillingService": ("QueryBill", "QueryBills"),
    "CatalogueService": (
        *("ComparePlans", "GetBody", "GetBusinessGuide", "GetTerms", "ListBusinesses", "ListComplaintCategories"),
        *("ListOfferings", "ListPlans", "ListResolutionCauses", "ListServicePoints", "ProposeComplaintCategory"),
        "SearchBusinesses",
    ),
    "ComplaintService": (
        *("AcceptResolution", "ExpediteComplaint", "FileComplaint", "GetComplaint", "ListComplaints"),
        *("RefuseResolution", "RespondToComplaint", "WatchComplaint", "WithdrawComplaint"),
    ),
    "CustomerService": ("QueryProfile",),
    "FaultService": (
        *("CancelFault", "FindPlaces", "GetFault", "ListFaults", "ReportFault", "RespondToFault", "WatchFaults"),
    ),
    "JointOrderService": (
        *("CancelJointOrder", "GetJointOrder", "ListJointOrders", "SubmitJointOrder", "WatchJointOrder"),
    ),
    "ListenerService": ("ListListeners", "RegisterListener", "RemoveListener"),
    "MeasurementService": ("ListQuality", "SendMeasurements"),
    "OrderEventService": ("StreamOrderEvents",),
    "OrderService": (
        *("CancelOrder", "ConfirmOrder", "ExpediteOrder", "GetOrder", "ListOrders", "SubmitOrder", "SubmitOrders"),
        *("SupplementOrder", "WatchOrders"),
    ),
    "PlannedOutageService": ("ListPlannedOutages",),
    "SharingService": ("GiveConsent", "ListDisclosures", "ListGrants", "ListPurposes", "WithdrawConsent"),
    "SurveyService": ("AnswerSurvey", "GetSurveyResults"),
    "VerificationService": ("ChangePassword", "SendCode", "Verify"),
}
# Acts in which a second person has to confirm, judge or decide: no operator system has them, so the caller's own
# certificate names the person. The first person of each, where an operator system may name one, is a proven one.
BY_CERTIFICATE = (
    "OrderService/ReviewOrder",
    "SettlementService/RecordSettlementPayment",
    "ReconciliationService/ProposeRepair",
    "ReconciliationService/DecideRepair",
    "QualityService/JudgeSampledRecord",
)


@asynccontextmanager
async def proving(tmp_path: Path, databases: Databases) -> AsyncIterator[Federation]:
    """A federation in which the counter of Guangdong is not believed about its staff."""
    file = tmp_path / "operators.toml"
    file.write_text(SCOPES)
    async with running(tmp_path, databases, (REGION, "sichuan")) as federation:
        await federation.stop_node(REGION)
        federation.operators[REGION] = file
        key = ec.generate_private_key(ec.SECP256R1())
        keys = tmp_path / "staff-keys.json"
        write_keys(keys, key)
        federation.identity_providers[REGION] = IdentityProviderSettings("https://id.example", "crossregion", keys)
        await federation.start_node(REGION)
        yield federation


def write_keys(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    told = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    file.write_text(json.dumps({"keys": [told]}))


def access_token(key: ec.EllipticCurvePrivateKey, name: str) -> str:
    now = datetime.now(UTC)
    claims = {
        "iss": "https://id.example",
        "aud": "crossregion",
        "client_id": "0a1b-2c3d",
        "preferred_username": name,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(minutes=5)).timestamp()),
    }
    return jwt.encode(claims, key, "ES256")


async def told(call: Awaitable[object]) -> tuple[str, str]:
    """The reason of a refusal, with its problem."""
    refused = await refusal(call)
    return refused.reason, refused.parameters.get("problem", "")


async def test_what_a_proven_member_of_staff_does_is_done_in_their_name_and_kept_with_the_proof(
    databases: Databases, tmp_path: Path
) -> None:
    async with proving(tmp_path, databases) as federation:
        counter, sichuan = Counter(federation, REGION), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        unproven = await told(counter.order("SUSPEND", number))
        assert unproven == ("STAFF_NOT_PROVEN", "order.requester.staff_id names one")
        federation.acting[DESK] = "wang"
        differs = await refusal(counter.order("SUSPEND", number))
        assert (differs.reason, differs.parameters["staff_id"], differs.parameters["proven"]) == (
            "STAFF_DIFFERS",
            "clerk-7",
            "wang",
        )
        order = await counter.submit(counter.request("SUSPEND", number, staff_id=""))
        assert (order.state, order.request.requester.staff_id) == (OrderState.ORDER_STATE_COMPLETED, "wang")
        reading = order_api.GetOrderRequest(order_id=order.id, requester=Requester(channel=Channel.CHANNEL_COUNTER))
        await counter.orders.GetOrder(reading, timeout=CALL_SECONDS)
        rows = federation.database(REGION).rows(
            "SELECT action, detail FROM audit WHERE actor = ? AND subject = ? ORDER BY sequence", DESK, order.id
        )
        assert [action for action, _ in rows] == ["SubmitOrder", "GetOrder"]
        for _, detail in rows:
            assert str(detail).startswith("staff wang by certificate ")
            assert ", SHA-256 " in str(detail)
        denials = "SELECT detail FROM audit WHERE actor = ? AND action = 'DENIED'"
        assert federation.database(REGION).rows(denials, DESK) == [("STAFF_NOT_PROVEN",)], "one for the method"
        await in_packs(federation, counter, sichuan)
        await alone(federation, sichuan)


async def in_packs(federation: Federation, counter: Counter, sichuan: Counter) -> None:
    """Orders of a pack are refused singly, and each is in the proven name."""
    numbers = [await sichuan.new_customer() for _ in range(2)]
    pack = order_api.SubmitOrdersRequest(wait=seconds(WAIT))
    for name, number in zip(("", "li"), numbers, strict=True):
        pack.orders.add(request_id=federation.next_id(), order=counter.request("SUSPEND", number, staff_id=name))
    stream = counter.orders.SubmitOrders(timeout=CALL_SECONDS)
    await stream.write(pack)
    answered = await stream.read()
    assert isinstance(answered, order_api.SubmitOrdersResponse)
    await stream.done_writing()
    results = answered.pack.results
    assert results[0].order.request.requester.staff_id == "wang"
    assert "li" in results[1].refused.message.en


async def alone(federation: Federation, sichuan: Counter) -> None:
    """A customer who acts alone shows a code; papers that nobody of staff has seen count for nothing."""
    del federation.acting[DESK]
    counter, number, request_id = Counter(federation, REGION), await sichuan.new_customer(), federation.next_id()
    papers = counter.request("SUSPEND", number, staff_id="self-service")
    assert await told(counter.submit(papers)) == ("STAFF_NOT_PROVEN", "nobody of staff has seen ID_ORIG")
    invented = counter.request("LOSS_REPORT", number, papers=("ID_ORIG",), staff_id="")
    invented.documents[0].verifier = "home"
    assert await told(counter.submit(invented)) == ("STAFF_NOT_PROVEN", "nobody of staff has seen ID_ORIG")
    send = verification_api.SendCodeRequest(request_id=request_id, number=number, requester=CUSTOMER)
    await counter.verification.SendCode(send, timeout=CALL_SECONDS)
    code = next(code_in(text) for text in federation.texts(number) if text.kind == "one-time-code")
    verify = verification_api.VerifyRequest(request_id=request_id, number=number, code=code, requester=CUSTOMER)
    documents = (await counter.verification.Verify(verify, timeout=CALL_SECONDS)).documents
    request = counter.request("LOSS_REPORT", number, papers=(), staff_id="self-service")
    request.documents.extend(documents)
    order = await counter.submit(request, request_id=request_id)
    assert (order.state, order.request.requester.staff_id) == (OrderState.ORDER_STATE_COMPLETED, "self-service")


async def test_four_eyes_compare_proven_people_however_the_first_one_acted(
    databases: Databases, tmp_path: Path
) -> None:
    async with proving(tmp_path, databases) as federation:
        counter, believed = Counter(federation, REGION), Counter(federation, REGION, "probe")
        key = ec.generate_private_key(ec.SECP256R1())
        write_keys(tmp_path / "staff-keys.json", key)
        numbers = [await believed.new_customer() for _ in range(2)]

        async def is_taken_over() -> bool:
            return (await by_token(counter, access_token(key, "li"), numbers[0], "nobody"))[0] == "STAFF_DIFFERS"

        await until(is_taken_over, "the node has read the new key")
        assert (await by_token(counter, access_token(key, "li"), numbers[0], "li"))[0] == ""
        federation.acting[DESK] = "wang"
        lent = counter.request("TERMINATE", numbers[1], staff_id="li")
        assert (await refusal(counter.submit(lent))).reason == "STAFF_DIFFERS", "nobody lends a name"
        await counter.submit(counter.request("TERMINATE", numbers[1], staff_id=""))
        orders = {number: await order_about(believed, number) for number in numbers}
        for number, submitter, other in ((numbers[0], "li", "wang"), (numbers[1], "wang", "li")):
            order = orders[number]
            assert order.request.requester.staff_id == submitter
            own = await refusal(Reviewer(federation, REGION, submitter).approve(order.id))
            assert own.reason == "REVIEWER_IS_SUBMITTER"
            await Reviewer(federation, REGION, other).approve(order.id)


async def test_a_name_that_an_operator_system_gives_is_no_first_person_of_an_order_that_staff_review(
    databases: Databases, tmp_path: Path
) -> None:
    async with proving(tmp_path, databases) as federation:
        believed = Counter(federation, REGION, "probe")
        number, foreign = await believed.new_customer(), await Counter(federation, "sichuan").new_customer()
        problem = "a proven one takes in what a second one reviews"
        for name in ("li", "self-service"):
            asked = believed.request("TERMINATE", number, staff_id=name)
            assert await told(believed.submit(asked)) == ("STAFF_NOT_PROVEN", problem)
        order = await believed.submit(believed.request("SUSPEND", number, staff_id="li"))
        assert order.state == OrderState.ORDER_STATE_COMPLETED, "nobody reviews it"
        order = await believed.submit(believed.request("TERMINATE", foreign, staff_id="li"))
        assert order.state == OrderState.ORDER_STATE_IN_PROGRESS, "staff of another region review it"
        federation.acting[f"region/{REGION}/operator/probe"] = "wang"
        order = await believed.submit(believed.request("TERMINATE", number, staff_id=""))
        assert order.request.requester.staff_id == "wang"
        assert (await refusal(Reviewer(federation, REGION, "wang").approve(order.id))).reason == "REVIEWER_IS_SUBMITTER"


async def by_token(counter: Counter, token: str, number: str, name: str) -> tuple[str, str]:
    """Orders an end with a token of the identity provider, and says how that was refused."""
    request = order_api.SubmitOrderRequest(
        request_id=f"by-{number[1:]}", order=counter.request("TERMINATE", number, staff_id=name), wait=seconds(WAIT)
    )
    metadata = (("authorization", f"Bearer {token}"),)
    try:
        await counter.orders.SubmitOrder(request, timeout=CALL_SECONDS, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        refused = read(error)
        return refused.reason, refused.parameters.get("problem", "")
    return "", ""


async def order_about(counter: Counter, number: str) -> Order:
    """The only order about a number of this region."""
    staff = OrderServiceStub(counter.federation.dial_node(REGION, f"region/{REGION}/staff/chen"))
    (order,) = (await staff.ListOrders(order_api.ListOrdersRequest(number=number), timeout=CALL_SECONDS)).orders
    return order


def test_who_comes_second_in_an_act_of_two_is_named_by_their_own_certificate() -> None:
    allowed = {
        f"{each.containing_service.name}/{each.name}": set(each.GetOptions().Extensions[access_pb2.allow])
        for each in methods()
    }
    assert all(allowed[name] == {Role.ROLE_STAFF} for name in BY_CERTIFICATE)


def of_operators() -> list[MethodDescriptor]:
    """The methods of nodes that serve operator systems."""
    return [each for each in methods() if Role.ROLE_OPERATOR in each.GetOptions().Extensions[access_pb2.allow]]


async def test_without_a_proof_an_operator_system_does_what_a_customer_does_alone(
    databases: Databases, tmp_path: Path
) -> None:
    async with proving(tmp_path, databases) as federation:
        wrong = []
        for method in of_operators():
            service = method.containing_service.name
            is_alone = method.name in ALONE.get(service, ())
            for acting, path in (("", DESK), ("wang", DESK), ("", f"region/{REGION}/operator/probe")):
                federation.acting = {DESK: acting} if acting else {}
                found = await answer(federation.dial_node(REGION, path), method)
                is_refused = found is not None and found.reason == "STAFF_NOT_PROVEN"
                if is_refused != (not is_alone and not acting and path == DESK):
                    wrong.append(f"{service}/{method.name} of {path} with {acting}")
        assert not wrong


@pytest.mark.slow  # six commands
@pytest.mark.files  # no part of it depends on the engine
async def test_a_command_acts_with_the_statement_that_another_one_makes(databases: Databases, tmp_path: Path) -> None:
    async with proving(tmp_path, databases) as federation:
        staff, desk = (as_caller(federation, REGION, who) for who in ("staff/wang", "operator/counter"))
        file = tmp_path / "wang.statement"
        own = "region_node.cli.main"
        made = await run_command(own, "credentials", "statement", "counter", "--out", str(file), environment=staff)
        assert (made.code, made.err) == (0, "")
        assert file.stat().st_mode & 0o777 == 0o600
        listed = ("faults", "list")
        without = await run_command(own, *listed, "--staff-id", "wang", environment=desk)
        assert (without.code, "has to prove which member of staff acts" in without.err) == (1, True)
        done = await run_command(own, *listed, environment=desk | {"CROSSREGION_STAFF_PROOF": str(file)})
        assert done.code == 0, done.err
        for wrong in (("counter", "--minutes", "11"), ("coun ter",)):
            ended = await run_command(own, "credentials", "statement", *wrong, environment=staff)
            assert ended.code != 0, wrong
        ended = await run_command(own, "credentials", "statement", "counter", environment=desk)
        assert (ended.code, "is no member of staff" in ended.err) == (1, True)
