"""Every RPC that shows personal data, for every identity, about every kind of customer: its outcome, as a table.

The contract lists those RPCs: a read that is neither a row nor exempt fails a test. The node is Guangdong's; the
customers, but for its own, are Sichuan's.
"""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import grpc
import pytest
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message

from gateway.api.region import v1 as contract
from gateway.api.region.v1 import attachment_service_pb2 as attachment_api
from gateway.api.region.v1 import billing_service_pb2 as billing_api
from gateway.api.region.v1 import complaint_service_pb2 as complaint_api
from gateway.api.region.v1 import customer_move_service_pb2 as move_api
from gateway.api.region.v1 import customer_service_pb2 as customer_api
from gateway.api.region.v1 import document_service_pb2 as document_api
from gateway.api.region.v1 import dossier_service_pb2 as dossier_api
from gateway.api.region.v1 import notice_service_pb2 as notice_api
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1 import sharing_service_pb2 as sharing_api
from gateway.api.region.v1.attachment_service_pb2_grpc import AttachmentServiceStub
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.region.v1.customer_move_service_pb2_grpc import CustomerMoveServiceStub
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.region.v1.document_service_pb2_grpc import DocumentServiceStub
from gateway.api.region.v1.dossier_service_pb2_grpc import DossierServiceStub
from gateway.api.region.v1.notice_service_pb2_grpc import NoticeServiceStub
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import from_rpc_error, reason_name
from gateway.security.identity import server_name
from tests.federation.agreements import Agreements, calls_about_agreements
from tests.federation.archive import Archive, scan
from tests.federation.certificates import FEDERATION, new_authority
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTER, Counter
from tests.federation.fault_reporter import FaultReporter
from tests.federation.folder import Folder
from tests.federation.joint_staff import JointStaff
from tests.federation.reading_work import calls_about_tickets, first_change
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.sharing_counter import CONSENT, HOLDER, SharingCounter
from tests.federation.shows_nobody import SHOWS_NOBODY
from tests.federation.support_staff import SupportStaff
from tests.federation.who_sees_whom import (
    CASES,
    DENIED,
    IDENTITIES,
    MASKED,
    NO_CONNECTION,
    NOTHING,
    OPERATOR,
    SHOWN,
    STAFF,
    row,
)
from tests.federation.whole_lists import all_customers, all_orders

pytestmark = pytest.mark.files  # who may see what is decided by rules that are the same on each engine


def read_rpcs() -> Iterator[MethodDescriptor]:
    """The read-only calls of operators and staff at a node, by the contract."""
    for module in pkgutil.iter_modules(contract.__path__):
        descriptor = getattr(importlib.import_module(f"{contract.__name__}.{module.name}"), "DESCRIPTOR", None)
        services = descriptor.services_by_name.values() if isinstance(descriptor, FileDescriptor) else ()
        for method in (each for service in services for each in service.methods):
            options = method.GetOptions()
            roles = set(options.Extensions[access_pb2.allow])
            is_read = options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
            if is_read and roles & {Role.ROLE_OPERATOR, Role.ROLE_STAFF}:
                yield method


def test_every_read_rpc_of_the_contract_has_its_row() -> None:
    reads = list(read_rpcs())
    names = {method.name for method in reads if not shown_of_nobody(method)}
    assert names == OPERATOR.keys()
    known = {name for method in reads for name in names_of(method)}
    assert SHOWS_NOBODY.keys() <= known, "nothing is left out that is not there any more"


def names_of(method: MethodDescriptor) -> tuple[str, str]:
    """The names of an exemption for an RPC: its service, or itself."""
    service = method.containing_service.name
    return service, f"{service}.{method.name}"


def shown_of_nobody(method: MethodDescriptor) -> bool:
    """Whether an RPC needs no row."""
    return any(name in SHOWS_NOBODY for name in names_of(method))


def expected(rpc: str, identity: str) -> Mapping[str, str]:
    """The row of the table for an identity."""
    if identity in ("provider", "expired", "unknown"):  # a provider's certificate is a server's alone
        return row(NO_CONNECTION)
    if identity == "own operator":
        return OPERATOR[rpc]
    return STAFF.get(rpc, row(DENIED)) if identity == "own staff" else row(DENIED)


@dataclass(frozen=True)
class Person:
    """A customer, or an unassigned number: the number, and its records at the home region.

    The records are an order, a document, a complaint with a file, a fault and a support request. A joint order is
    led by Sichuan, with an item in Guangdong.
    """

    number: str
    order_id: str = "sichuan/counter/none"
    document_id: str = "sichuan/counter/none"
    ticket_id: str = "sichuan/counter/none"
    attachment_id: str = "sichuan/counter/none"
    fault_id: str = "sichuan/F20261210-0"
    agreement_id: str = "sichuan/agreement-none"
    support_id: str = "sichuan/S20261210-0"
    joint_order_id: str = "sichuan/J20261210-0"

    @property
    def name(self) -> str:
        """A name that nobody else has, with a surname of two characters."""
        return f"欧阳{self.number[-8:]}"


@dataclass(frozen=True)
class Watched:
    """The changes of orders at Guangdong's node since the first customer was made: where they begin and end."""

    start: str
    last_order: str


@dataclass(frozen=True)
class People:
    """A customer for each case, and what watching begins and ends with."""

    of: Mapping[str, Person]
    watched: Watched


@pytest.fixture(scope="module", name="people")
def people_of_all_cases(federation: Federation, runner: "object") -> People:
    """A customer for each case."""
    run: Callable[[Awaitable[People]], People] = runner.run  # type: ignore[attr-defined]
    return run(make_people(federation))


async def make_people(federation: Federation) -> People:
    """Customers who have decided as the cases say."""
    counter = Counter(federation, "guangdong")
    watch = counter.orders.WatchOrders(order_api.WatchOrdersRequest(requester=REQUESTER), timeout=CALL_SECONDS)
    start = await watch.read()
    assert isinstance(start, order_api.WatchOrdersResponse)
    watch.cancel()
    home = {case: await make_person(federation, case) for case in CASES}
    await decide(federation, home)
    last = await counter.order("SUSPEND", await counter.new_customer())
    return People(home, Watched(start.token, last.id))


async def make_person(federation: Federation, case: str) -> Person:
    """The customer of a case, with something of everything that is shown of customers."""
    counter = Counter(federation, "guangdong" if case == "own" else "sichuan")
    person = Person(federation.next_number(counter.region))
    if case == "not existing":
        return person
    number = person.number
    await counter.create(counter.customer(number, name=person.name))
    order = await counter.order("SUSPEND", number)
    content, complainant = scan(100) + person.name.encode(), Complainant(federation, counter.region)
    document_id = await Archive(counter).put(number, content)
    ticket_id = (await complainant.file("BILL_WRONG", number)).ticket_id
    attachment_id = await Folder(complainant, ticket_id).attach(content)
    site = "guangzhou" if case == "own" else "chengdu"
    fault_id = (await FaultReporter(federation, counter.region).report(number, site=site)).id
    agreement = await Agreements(federation, counter.region).make(number)
    asked = SupportStaff(federation, counter.region, "operator/counter")
    support_id = (await asked.open(number, service=f"broadband-{site}")).id
    desk = JointStaff(federation, "sichuan", "operator/counter")
    moved = await desk.submits(desk.request("LEASED_CHANGE", ["sichuan", "guangdong"], number))
    await JointStaff(federation, "guangdong").follows(moved.id, lambda each: each.version > 0, "taken in")
    return Person(number, order.id, document_id, ticket_id, attachment_id, fault_id, agreement.id, support_id, moved.id)


async def decide(federation: Federation, home: Mapping[str, Person]) -> None:
    """The customers decide as the cases say."""
    south = SharingCounter.of(federation, "guangdong")
    await south.consent(home["granted"].number, "guangdong")
    await south.consent(home["withdrawn"].number, "guangdong")
    await south.withdraw(home["withdrawn"].number)
    await south.consent(home["expired"].number, "guangdong", lasts=timedelta(minutes=5))
    await south.consent(home["other purpose"].number, "guangdong", "installation")
    await south.consent(home["other region's"].number, "henan")
    await south.consent(home["own"].number, "henan")  # of which a notice tells
    await federation.advance(timedelta(minutes=6))


def forged(federation: Federation) -> list[Document]:
    """Documents without a home region's verification."""
    counter = Counter(federation, "guangdong")
    return [counter.document("OTP"), counter.document("PWD")]


Calls = Mapping[str, Callable[[], Awaitable[bytes]]]


async def call(federation: Federation, channel: grpc.aio.Channel, rpc: str, person: Person, watched: Watched) -> bytes:
    """The content of an RPC about a customer, whole lists included."""
    calls = {
        **calls_about_records(federation, channel, person),
        **calls_about_work(channel, person, watched),
        **calls_about_agreements(channel, person.number, person.agreement_id),
        **calls_about_documents(channel, person),
        **calls_about_tickets(channel, person.fault_id, person.support_id, person.joint_order_id, person.number),
    }
    assert calls.keys() == OPERATOR.keys()
    return await calls[rpc]()


def calls_about_records(federation: Federation, channel: grpc.aio.Channel, person: Person) -> Calls:
    """Records, bills, notices, and what was decided."""
    documents = forged(federation)
    sharing, customers = SharingServiceStub(channel), CustomerServiceStub(channel)
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
    return {
        "ReadSharedCustomer": lambda: written(sharing.ReadSharedCustomer(read, timeout=CALL_SECONDS)),
        "ReadSharedCustomers": lambda: streamed(
            sharing.ReadSharedCustomers(
                iter([sharing_api.ReadSharedCustomersRequest(query_id="1", read=read)]), timeout=CALL_SECONDS
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
        "GetContactPreferences": lambda: written(
            customers.GetContactPreferences(
                customer_api.GetContactPreferencesRequest(number=person.number, requester=REQUESTER),
                timeout=CALL_SECONDS,
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
            .QueryBills(iter([billing_api.QueryBillsRequest(query_id="1", query=bill)]), timeout=CALL_SECONDS)
            .read()
        ),
        "ListNotices": lambda: written(
            NoticeServiceStub(channel).ListNotices(
                notice_api.ListNoticesRequest(number=person.number, requester=REQUESTER), timeout=CALL_SECONDS
            )
        ),
    }


def calls_about_work(channel: grpc.aio.Channel, person: Person, watched: Watched) -> Calls:
    """Orders and complaints."""
    orders, complaints = OrderServiceStub(channel), ComplaintServiceStub(channel)
    listed = complaint_api.ListComplaintsRequest(number=person.number, requester=REQUESTER)
    attached = attachment_api.GetAttachmentContentRequest(
        ticket_id=person.ticket_id, attachment_id=person.attachment_id, requester=REQUESTER
    )
    exported = dossier_api.ExportDossierRequest(ticket_id=person.ticket_id, customer_asks=True)
    return {
        "ListMoves": lambda: written(
            CustomerMoveServiceStub(channel).ListMoves(
                move_api.ListMovesRequest(requester=REQUESTER), timeout=CALL_SECONDS
            )
        ),
        "GetOrder": lambda: written(
            orders.GetOrder(
                order_api.GetOrderRequest(order_id=person.order_id, requester=REQUESTER), timeout=CALL_SECONDS
            )
        ),
        "GetOrderProof": lambda: written(
            orders.GetOrderProof(order_api.GetOrderProofRequest(order_id=person.order_id), timeout=CALL_SECONDS)
        ),
        "ListOrders": lambda: all_orders(orders),
        "WatchOrders": lambda: changes_of_orders(orders, watched),
        "GetComplaint": lambda: written(
            complaints.GetComplaint(
                complaint_api.GetComplaintRequest(ticket_id=person.ticket_id, requester=REQUESTER), timeout=CALL_SECONDS
            )
        ),
        "ListComplaints": lambda: written(complaints.ListComplaints(listed, timeout=CALL_SECONDS)),
        "WatchComplaint": lambda: first_change(complaints, person.ticket_id),
        "GetAttachmentContent": lambda: streamed(
            AttachmentServiceStub(channel).GetAttachmentContent(attached, timeout=CALL_SECONDS).read()
        ),
        "ExportDossier": lambda: written(DossierServiceStub(channel).ExportDossier(exported, timeout=CALL_SECONDS)),
    }


def calls_about_documents(channel: grpc.aio.Channel, person: Person) -> Calls:
    """The documents on file, and their content."""
    documents, number = DocumentServiceStub(channel), person.number
    check = document_api.CheckDocumentsRequest(business="SUSPEND", number=number, applicant=HOLDER, requester=REQUESTER)
    content = document_api.GetDocumentContentRequest(document_id=person.document_id, number=number, requester=REQUESTER)
    return {
        "ListDocuments": lambda: written(
            documents.ListDocuments(
                document_api.ListDocumentsRequest(number=number, requester=REQUESTER), timeout=CALL_SECONDS
            )
        ),
        "CheckDocuments": lambda: written(documents.CheckDocuments(check, timeout=CALL_SECONDS)),
        "GetDocumentContent": lambda: streamed(documents.GetDocumentContent(content, timeout=CALL_SECONDS).read()),
    }


async def written(answer: Awaitable[Message]) -> bytes:
    """The bytes of an answer."""
    return (await answer).SerializeToString()


async def streamed(answer: Awaitable[object]) -> bytes:
    """The bytes of the one answer of a stream."""
    message = await answer
    assert isinstance(message, Message)
    return message.SerializeToString()


async def changes_of_orders(stub: OrderServiceStub, watched: Watched) -> bytes:
    """The changes of all orders that whoever calls may see."""
    found = b""
    changes = stub.WatchOrders(
        order_api.WatchOrdersRequest(token=watched.start, requester=REQUESTER), timeout=CALL_SECONDS
    )
    async for change in changes:
        found += change.SerializeToString()
        if change.order.id == watched.last_order:
            break
    changes.cancel()
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
    federation: Federation,
    channel: grpc.aio.Channel,
    rpc: str,
    person: Person,
    watched: Watched,
    attempts: int = 5,
) -> str:
    """The outcome of a call."""
    try:
        answer = await call(federation, channel, rpc, person, watched)
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        if refused is not None:
            return reason_name(refused.reason)
        if error.code() == grpc.StatusCode.INTERNAL and attempts > 1:
            # A stream that was turned away before its message was sent may end by a reset, without the reason.
            return await outcome(federation, channel, rpc, person, watched, attempts - 1)
        return NO_CONNECTION if error.code() == grpc.StatusCode.UNAVAILABLE else error.code().name
    if rpc == "QueryBills":
        told = billing_api.QueryBillsResponse.FromString(answer)
        return reason_name(told.refused.reason) if told.HasField("refused") else SHOWN
    if any(each.encode() in answer for each in (person.name, person.number, person.document_id)):
        return SHOWN
    return MASKED if "欧阳*".encode() in answer else NOTHING


@pytest.mark.parametrize("identity", IDENTITIES)
async def test_who_sees_whom(federation: Federation, people: People, identity: str) -> None:
    channel, wrong = dial(federation, identity), {}
    for rpc in OPERATOR:
        seen = {case: await outcome(federation, channel, rpc, who, people.watched) for case, who in people.of.items()}
        if seen != expected(rpc, identity):
            wrong[rpc] = seen
    assert wrong == {}
    if identity in ("expired", "unknown"):
        await channel.close()
