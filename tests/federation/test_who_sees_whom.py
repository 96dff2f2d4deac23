"""Every RPC that shows somebody's data, for every identity, about every kind of customer: what comes of it, as a table.

The node is Guangdong's; the customers, but for its own, are Sichuan's.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import grpc
import pytest
from google.protobuf.message import Message

from gateway.api.region.v1 import billing_service_pb2 as billing_api
from gateway.api.region.v1 import customer_service_pb2 as customer_api
from gateway.api.region.v1 import notice_service_pb2 as notice_api
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1 import sharing_service_pb2 as sharing_api
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.notice_service_pb2_grpc import NoticeServiceStub
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import from_rpc_error, reason_name
from gateway.identity import server_name
from tests.federation.certificates import FEDERATION, new_authority
from tests.federation.counter import REQUESTER, Counter
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.sharing_counter import CONSENT, HOLDER, SharingCounter

# Clear; only its masked form; nothing that tells it from a number that nobody has; or the reason of the refusal.
SHOWN, MASKED, NOTHING = "shown", "masked", "nothing"
DENIED, NO_CONNECTION = "PERMISSION_DENIED", "no connection"
CASES = ("own", "granted", "withdrawn", "expired", "other purpose", "other region's", "not existing")

IDENTITIES = {
    "own operator": "region/guangdong/operator/counter",
    "own staff": "region/guangdong/staff/reviewer-1",
    "other region's operator": "region/henan/operator/counter",
    "other region's staff": "region/henan/staff/reviewer-1",
    "own region": "region/guangdong",
    "other region": "region/henan",
    "coordinator": "coordinator/0",
    "administrator": "admin/root",
    "provider": "region/guangdong/provider/messaging",
    "expired": "",
    "unknown": "",
}


def row(*outcomes: str) -> dict[str, str]:
    """What comes of each case, in the order of CASES; one outcome stands for all."""
    return dict(zip(CASES, outcomes if len(outcomes) > 1 else outcomes * len(CASES), strict=True))


# What comes of it where the identity may call at all; nobody but the own operator and the own staff may.
OPERATOR: Mapping[str, Mapping[str, str]] = {
    # own, granted, withdrawn, expired, other purpose, other region's, not existing
    "ReadSharedCustomer": row(SHOWN, SHOWN, MASKED, MASKED, MASKED, NOTHING, NOTHING),
    "ReadSharedCustomers": row(SHOWN, SHOWN, MASKED, MASKED, MASKED, NOTHING, NOTHING),
    "ListGrants": row("NOT_VERIFIED"),
    "ListDisclosures": row("NOT_VERIFIED"),
    "GetCustomer": row(SHOWN, *["CUSTOMER_NOT_FOUND"] * 6),
    "ListCustomers": row(SHOWN, *[NOTHING] * 6),
    "QueryProfile": row("NOT_VERIFIED"),
    "QueryBill": row("NOT_VERIFIED"),
    "QueryBills": row("NOT_VERIFIED"),
    "ListNotices": row(SHOWN, *[NOTHING] * 6),
    "GetOrder": row(SHOWN, *["ORDER_NOT_FOUND"] * 6),
    "ListOrders": row(SHOWN, *[NOTHING] * 6),
}
STAFF: Mapping[str, Mapping[str, str]] = {
    "GetCustomer": OPERATOR["GetCustomer"],
    "GetOrder": OPERATOR["GetOrder"],
    "ListOrders": OPERATOR["ListOrders"],
    "ListNotices": OPERATOR["ListNotices"],
}


def expected(rpc: str, identity: str) -> Mapping[str, str]:
    """The row of the table for an identity."""
    if identity in ("provider", "expired", "unknown"):  # a provider's certificate is a server's alone
        return row(NO_CONNECTION)
    if identity == "own operator":
        return OPERATOR[rpc]
    return STAFF.get(rpc, row(DENIED)) if identity == "own staff" else row(DENIED)


@dataclass(frozen=True)
class Person:
    """A customer, or nobody: the number, and an order that its home region's counter has taken."""

    number: str
    order_id: str

    @property
    def name(self) -> str:
        """A name that nobody else has, with a surname of two characters."""
        return f"欧阳{self.number[-8:]}"


@pytest.fixture(scope="module", name="people")
def people_of_all_cases(federation: Federation, runner: "object") -> dict[str, Person]:
    """A customer for each case."""
    run: Callable[[Awaitable[dict[str, Person]]], dict[str, Person]] = runner.run  # type: ignore[attr-defined]
    return run(make_people(federation))


async def make_people(federation: Federation) -> dict[str, Person]:
    """Customers who have decided as the cases say."""
    south, sichuan, home = SharingCounter.of(federation, "guangdong"), Counter(federation, "sichuan"), {}
    for case in CASES:
        counter = south.counter if case == "own" else sichuan
        number = federation.next_number(counter.region)
        person = Person(number, "sichuan/counter/none")
        if case != "not existing":
            await counter.create(counter.customer(number, name=person.name))
            order = await counter.order("SUSPEND", number)
            person = Person(number, order.id)
        home[case] = person
    await south.consent(home["granted"].number, "guangdong")
    await south.consent(home["withdrawn"].number, "guangdong")
    await south.withdraw(home["withdrawn"].number)
    await south.consent(home["expired"].number, "guangdong", lasts=timedelta(minutes=5))
    await south.consent(home["other purpose"].number, "guangdong", "installation")
    await south.consent(home["other region's"].number, "henan")
    await south.consent(home["own"].number, "henan")  # of which a notice tells
    await federation.advance(timedelta(minutes=6))
    return home


def forged(federation: Federation) -> list[Document]:
    """What a home region never verified."""
    counter = Counter(federation, "guangdong")
    return [counter.document("OTP"), counter.document("PWD")]


async def call(federation: Federation, channel: grpc.aio.Channel, rpc: str, person: Person) -> bytes:
    """What an RPC shows of somebody, whole lists included."""
    documents = forged(federation)
    sharing, customers, orders = SharingServiceStub(channel), CustomerServiceStub(channel), OrderServiceStub(channel)
    read = sharing_api.ReadSharedCustomerRequest(
        request_id=federation.next_id(),
        number=person.number,
        purpose="counter-service",
        legal_basis=CONSENT,
        requester=REQUESTER,
    )
    bill = billing_api.QueryBillRequest(
        request_id="matrix",
        number=person.number,
        month=f"{federation.clock.now():%Y-%m}",
        applicant=HOLDER,
        documents=documents,
        requester=REQUESTER,
    )
    about = {"request_id": "matrix", "number": person.number, "applicant": HOLDER, "documents": documents}
    calls: dict[str, Callable[[], Awaitable[bytes]]] = {
        "ReadSharedCustomer": lambda: written(sharing.ReadSharedCustomer(read, timeout=CALL_SECONDS)),
        "ReadSharedCustomers": lambda: streamed(
            sharing.ReadSharedCustomers(
                iter([sharing_api.ReadSharedCustomersRequest(id="1", read=read)]), timeout=CALL_SECONDS
            ).read()
        ),
        "ListGrants": lambda: written(
            sharing.ListGrants(sharing_api.ListGrantsRequest(**about, requester=REQUESTER), timeout=CALL_SECONDS)  # type: ignore[arg-type]
        ),
        "ListDisclosures": lambda: written(
            sharing.ListDisclosures(
                sharing_api.ListDisclosuresRequest(**about, requester=REQUESTER),  # type: ignore[arg-type]
                timeout=CALL_SECONDS,
            )
        ),
        "GetCustomer": lambda: written(
            customers.GetCustomer(
                customer_api.GetCustomerRequest(number=person.number, requester=REQUESTER), timeout=CALL_SECONDS
            )
        ),
        "ListCustomers": lambda: all_customers(customers),
        "QueryProfile": lambda: written(
            customers.QueryProfile(
                customer_api.QueryProfileRequest(**about, requester=REQUESTER),  # type: ignore[arg-type]
                timeout=CALL_SECONDS,
            )
        ),
        "QueryBill": lambda: written(BillingServiceStub(channel).QueryBill(bill, timeout=CALL_SECONDS)),
        "QueryBills": lambda: streamed(
            BillingServiceStub(channel)
            .QueryBills(iter([billing_api.QueryBillsRequest(id="1", query=bill)]), timeout=CALL_SECONDS)
            .read()
        ),
        "ListNotices": lambda: written(
            NoticeServiceStub(channel).ListNotices(
                notice_api.ListNoticesRequest(number=person.number, requester=REQUESTER), timeout=CALL_SECONDS
            )
        ),
        "GetOrder": lambda: written(
            orders.GetOrder(
                order_api.GetOrderRequest(order_id=person.order_id, requester=REQUESTER), timeout=CALL_SECONDS
            )
        ),
        "ListOrders": lambda: all_orders(orders),
    }
    assert calls.keys() == OPERATOR.keys()
    return await calls[rpc]()


async def written(answer: Awaitable[Message]) -> bytes:
    """The bytes of an answer."""
    return (await answer).SerializeToString()


async def streamed(answer: Awaitable[object]) -> bytes:
    """The bytes of the one answer of a stream."""
    message = await answer
    assert isinstance(message, Message)
    return message.SerializeToString()


async def all_customers(stub: CustomerServiceStub) -> bytes:
    """All pages of the list."""
    found, token = b"", ""
    while True:
        request = customer_api.ListCustomersRequest(page_size=500, page_token=token, requester=REQUESTER)
        page = await stub.ListCustomers(request, timeout=CALL_SECONDS)
        found, token = found + page.SerializeToString(), page.next_page_token
        if not token:
            return found


async def all_orders(stub: OrderServiceStub) -> bytes:
    """All pages of the list."""
    found, token = b"", ""
    while True:
        request = order_api.ListOrdersRequest(page_size=500, page_token=token, requester=REQUESTER)
        page = await stub.ListOrders(request, timeout=CALL_SECONDS)
        found, token = found + page.SerializeToString(), page.next_page_token
        if not token:
            return found


def dial(federation: Federation, identity: str) -> grpc.aio.Channel:
    """A channel to Guangdong's node."""
    path = "region/guangdong/operator/counter"
    name = server_name(Role.ROLE_REGION, "guangdong", FEDERATION)
    if identity == "expired":
        issued = federation.certificates.issue_tls(path, ended=timedelta(minutes=1))
        return federation.certificates.dial_with(issued, federation.endpoint("guangdong"), name)
    if identity == "unknown":
        issued = federation.certificates.issue_tls(path, by=new_authority())
        return federation.certificates.dial_with(issued, federation.endpoint("guangdong"), name)
    return federation.dial_node("guangdong", IDENTITIES[identity])


async def outcome(
    federation: Federation, channel: grpc.aio.Channel, rpc: str, person: Person, attempts: int = 5
) -> str:
    """What comes of it."""
    try:
        answer = await call(federation, channel, rpc, person)
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        if refused is not None:
            return reason_name(refused.reason)
        if error.code() == grpc.StatusCode.INTERNAL and attempts > 1:
            # A stream that was turned away before its message was sent may end by a reset, without the reason.
            return await outcome(federation, channel, rpc, person, attempts - 1)
        return NO_CONNECTION if error.code() == grpc.StatusCode.UNAVAILABLE else error.code().name
    if rpc == "QueryBills":
        told = billing_api.QueryBillsResponse.FromString(answer)
        return reason_name(told.refused.reason) if told.HasField("refused") else SHOWN
    if person.name.encode() in answer or person.number.encode() in answer:
        return SHOWN
    return MASKED if "欧阳*".encode() in answer else NOTHING


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("rpc", OPERATOR)
async def test_who_sees_whom(federation: Federation, people: dict[str, Person], rpc: str, identity: str) -> None:
    channel = dial(federation, identity)
    found = {case: await outcome(federation, channel, rpc, person) for case, person in people.items()}
    assert found == expected(rpc, identity)
    if identity in ("expired", "unknown"):
        await channel.close()
