"""The acts of thieves who have the key of an operator system, or of a member of staff."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Final

import grpc
import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.region.v1 import approval_service_pb2 as approval_api
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.approval_service_pb2_grpc import ApprovalServiceStub
from gateway.api.region.v1.erasure_service_pb2 import ErasureReason, RestrictCustomerRequest
from gateway.api.region.v1.erasure_service_pb2_grpc import ErasureServiceStub
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.rpc.channels import Dialer
from gateway.security.identity import Identity, server_name
from gateway.security.tls import command_options
from tests.federation.certificates import FEDERATION
from tests.federation.counter import REQUESTER, Approver, Counter, Reviewer
from tests.federation.refusals import Told, read
from tests.federation.running import CALL_SECONDS
from tests.federation.sharing_counter import DUTY, FILE_NUMBER, SharingCounter, masks
from tests.federation.stolen_acts import DENIED, applies, brings, joins, lists_orders, orders_of
from tests.federation.stolen_keys import (
    DONE,
    REVOKED,
    Act,
    Scene,
    false_list,
    outcome,
    stream_outcome,
)

TILL: Final = "region/guangdong/operator/till"
ROBBED: Final = "region/guangdong/staff/robbed"
DESK = "region/guangdong/operator/counter"
ALONE = Requester(channel=Channel.CHANNEL_COUNTER)


def till(scene: Scene) -> Counter:
    """The operator system whose key was stolen."""
    return Counter(scene.federation, "guangdong", "till")


async def orders(scene: Scene, business: str, number: str) -> str:
    """An order with papers that the thief invents."""
    return await outcome(till(scene).order(business, number))


async def reads_order_of_another(scene: Scene) -> str:
    """An order of another operator system of the region."""
    return await outcome(till(scene).get(scene.order.id))


async def reads_shared(scene: Scene, sharing: SharingCounter, purpose: str = "counter-service") -> str:
    """The record of another region's customer, who has consented to nothing: why no field of it is told."""
    found = set[str]()

    async def ask() -> None:
        found.update(masks(await sharing.read(scene.foreign, purpose)))

    told = await outcome(ask())
    return told if told != DONE else ", ".join(sorted(found))


async def reads_at_till(scene: Scene) -> str:
    """The reading of the operator system."""
    return await reads_shared(scene, SharingCounter.of(scene.federation, "guangdong", "till"))


async def restricts(scene: Scene) -> str:
    """A customer of the region is to be stored only."""
    request = RestrictCustomerRequest(
        number=scene.own, reason=ErasureReason.ERASURE_REASON_REQUESTED, requester=REQUESTER
    )
    service = ErasureServiceStub(scene.federation.dial_node("guangdong", TILL))
    return await outcome(service.RestrictCustomer(request, timeout=CALL_SECONDS))


async def confirms_as_operator(scene: Scene) -> str:
    """A confirmation of what the thief has proposed."""
    service = ApprovalServiceStub(scene.federation.dial_node("guangdong", TILL))
    request = approval_api.DecideApprovalRequest(request_id="r", approval_id="approval-1", confirmed=True)
    return await outcome(service.DecideApproval(request, timeout=CALL_SECONDS))


async def watches(scene: Scene, path: str) -> str:
    """A stream of orders that stays open."""
    requester = None if "/staff/" in path else REQUESTER
    request = order_api.WatchOrdersRequest(requester=requester)
    return await stream_outcome(scene, path, lambda: orders_of(scene, path).WatchOrders(request).read)


OPERATOR: Final = (
    Act("read its own orders", DONE, REVOKED, lambda it: lists_orders(it, TILL)),
    Act("follow its orders, on a stream that stays open", DONE, REVOKED, lambda it: watches(it, TILL)),
    Act(
        "order what its scope has, for any number, with invented papers",
        DONE,
        REVOKED,
        lambda it: orders(it, "SUSPEND", it.foreign),
    ),
    Act("order what its scope lacks", "OPERATOR_SCOPE_MISSING", REVOKED, lambda it: orders(it, "TERMINATE", it.own)),
    Act("read an order of another operator system", "ORDER_NOT_FOUND", REVOKED, reads_order_of_another),
    Act("read another region's customer, who has consented to nothing", "NOT_GRANTED", REVOKED, reads_at_till),
    Act("restrict a customer of its region to storage", "STAFF_NOT_PROVEN", REVOKED, restricts),
    Act("confirm an act that needs two", DENIED, REVOKED, confirms_as_operator),
    Act("work at the node of another region", DENIED, REVOKED, lambda it: lists_orders(it, TILL, "sichuan")),
    Act("bring an envelope to a node", DENIED, REVOKED, lambda it: brings(it, TILL, "guangdong")),
    Act("join the federation as its region", DENIED, REVOKED, lambda it: joins(it, TILL, "guangdong")),
    Act("apply a configuration", DENIED, REVOKED, lambda it: applies(it, TILL)),
    Act("revoke others", DENIED, REVOKED, lambda it: it.publish(TILL, false_list())),
)


# --- a member of staff


def of_robbed(scene: Scene) -> SharingCounter:
    """The service of sharing, as the thief calls it."""
    return SharingCounter.of(scene.federation, "guangdong").by_staff("robbed")


async def reads_by_duty(scene: Scene) -> Told | None:
    """A reading of another region's customer by an invented duty of law; None where it is answered."""
    sharing = of_robbed(scene)
    question = sharing.question(scene.foreign, "fraud-investigation", DUTY, reference=FILE_NUMBER)
    try:
        await sharing.ask(question)
    except grpc.aio.AioRpcError as error:
        return read(error)
    return None


async def reads_alone(scene: Scene) -> str:
    """The first half of four eyes."""
    told = await reads_by_duty(scene)
    return DONE if told is None else told.reason


async def confirms_alone(scene: Scene) -> str:
    """Both halves of four eyes by one person."""
    told = await reads_by_duty(scene)
    if told is None or told.reason != "APPROVAL_AWAITED":
        return DONE if told is None else told.reason
    approver = Approver(scene.federation, "guangdong", "robbed")
    return await outcome(approver.confirm(told.parameters["approval"], scene.foreign))


async def acts_through(scene: Scene, proof: str) -> str:
    """A call of the counter, by whose key nobody acts without a proof, with the proof of somebody."""
    federation = scene.federation
    name = server_name(Role.ROLE_REGION, "guangdong", FEDERATION)
    dialer = Dialer(federation.certificates.credentials(DESK), federation.clock, proof)
    async with dialer.dial(federation.endpoint("guangdong"), name, command_options) as channel:
        request = order_api.ListOrdersRequest(requester=ALONE)
        return await outcome(OrderServiceStub(channel).ListOrders(request, timeout=CALL_SECONDS))


async def states(scene: Scene, named: str) -> str:
    """A statement that the stolen key signs, in the name of a member of staff, with the certificate of that one."""
    certificates = scene.federation.certificates
    key = certificates.credentials(ROBBED).key.read_bytes()
    shown = certificates.credentials(f"region/guangdong/staff/{named}").certificate.read_bytes()
    chain = [each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(shown)]
    staff = Identity(FEDERATION, Role.ROLE_STAFF, "guangdong", named).uri
    now = datetime.now(UTC)
    claims = {
        "iss": staff,
        "sub": staff,
        "aud": Identity(FEDERATION, Role.ROLE_REGION, "guangdong", "").uri,
        "azp": Identity(FEDERATION, Role.ROLE_OPERATOR, "guangdong", "counter").uri,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(minutes=5)).timestamp()),
        "jti": scene.federation.next_id(),
    }
    headers = {"typ": "staff-statement+jwt", "x5c": [base64.b64encode(each).decode() for each in chain]}
    return await acts_through(scene, jwt.encode(claims, key, "ES256", headers=headers))


async def approves_own(scene: Scene) -> str:
    """A review of an order that the member of staff has taken in."""
    federation = scene.federation
    if not scene.taken_in:
        counter = Counter(federation, "guangdong", "probe")
        number, federation.acting[counter.path] = await counter.new_customer(), "robbed"
        scene.taken_in = (await counter.submit(counter.request("TERMINATE", number, staff_id=""))).id
        del federation.acting[counter.path]
    return await outcome(Reviewer(federation, "guangdong", "robbed").approve(scene.taken_in))


async def orders_alone(scene: Scene, staff_id: str, business: str = "SUSPEND") -> str:
    """An order without an operator system, with papers that the thief invents, in the name of a member of staff."""
    order = till(scene).request(business, scene.foreign, staff_id=staff_id)
    for each in order.documents:
        each.verifier = staff_id
    request = order_api.SubmitOrderRequest(request_id=scene.federation.next_id(), order=order)
    service = OrderServiceStub(scene.federation.dial_node("guangdong", ROBBED))
    return await outcome(service.SubmitOrder(request, timeout=CALL_SECONDS))


STAFF: Final = (
    Act(
        "read the orders of a customer of its region", DONE, REVOKED, lambda it: lists_orders(it, ROBBED, number=it.own)
    ),
    Act("follow the orders of its region, on a stream that stays open", DONE, REVOKED, lambda it: watches(it, ROBBED)),
    Act(
        "order what the scope of staff has, for any number, with invented papers",
        DONE,
        REVOKED,
        lambda it: orders_alone(it, "robbed"),
    ),
    Act(
        "order what the scope of staff lacks",
        "OPERATOR_SCOPE_MISSING",
        REVOKED,
        lambda it: orders_alone(it, "robbed", "TERMINATE"),
    ),
    Act("order in the name of a colleague", "STAFF_DIFFERS", REVOKED, lambda it: orders_alone(it, "wang")),
    Act(
        "read another region's customer, who has consented to nothing",
        "NOT_GRANTED",
        REVOKED,
        lambda it: reads_shared(it, of_robbed(it)),
    ),
    Act(
        "read another region's customer for a purpose that the scope of staff lacks",
        "OPERATOR_SCOPE_MISSING",
        REVOKED,
        lambda it: reads_shared(it, of_robbed(it), "installation"),
    ),
    Act("act through an operator system by a statement", DONE, "STAFF_PROOF_INVALID", lambda it: states(it, "robbed")),
    Act(
        "sign a statement as another member of staff",
        "STAFF_PROOF_INVALID",
        "STAFF_PROOF_INVALID",
        lambda it: states(it, "wang"),
    ),
    Act("read another region's customer by an invented duty of law", "APPROVAL_AWAITED", REVOKED, reads_alone),
    Act("be the second person of an own proposal", "APPROVER_IS_PROPOSER", REVOKED, confirms_alone),
    Act("approve an order that the same member has taken in", "REVIEWER_IS_SUBMITTER", REVOKED, approves_own),
    Act("work at the node of another region", DENIED, REVOKED, lambda it: lists_orders(it, ROBBED, "sichuan")),
    Act("bring an envelope to a node", DENIED, REVOKED, lambda it: brings(it, ROBBED, "guangdong")),
    Act("join the federation as its region", DENIED, REVOKED, lambda it: joins(it, ROBBED, "guangdong")),
    Act("apply a configuration", DENIED, REVOKED, lambda it: applies(it, ROBBED)),
    Act("revoke others", DENIED, REVOKED, lambda it: it.publish(ROBBED, false_list())),
)
