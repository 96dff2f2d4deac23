"""A resource of each Open API that is there, made by whoever may make it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

from google.protobuf.json_format import MessageToJson

from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.values import base64url
from gateway.web.routes import IDENTITY_VERIFICATION
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.running import Federation
from tests.federation.test_open_api_alarms import ALARMS, new_alarm
from tests.federation.test_open_api_customers import CUSTOMERS, new_customer
from tests.federation.test_open_api_orders import product_order
from tests.federation.test_open_api_problems import PROBLEMS, problem
from tests.federation.test_open_api_tickets import TICKETS, ticket
from tests.federation.web_caller import CANCELLATIONS, ORDERS, WebCaller

BILLS = "/tmf-api/customerBillManagement/v4/customerBill"


@dataclass(frozen=True)
class Known:
    """A resource that is there, and the headers by which it is read."""

    id: str
    headers: Mapping[str, str] = field(default_factory=dict)
    created: Mapping[str, object] = field(default_factory=dict)
    """The answer to its `POST`; empty where it was made otherwise."""


async def order(federation: Federation, web: WebCaller, guangdong: Counter, **characteristics: str) -> Known:
    """An order."""
    body = product_order(guangdong.request("SUSPEND", await guangdong.new_customer(), **characteristics))
    return await made(federation, web, ORDERS, body)


async def cancellation(federation: Federation, web: WebCaller, guangdong: Counter) -> Known:
    """A cancellation, whose id is that of its order."""
    known = await order(federation, web, guangdong, start=(federation.clock.now() + timedelta(hours=1)).isoformat())
    body = {"productOrder": {"id": known.id}, "cancellationReason": "no longer wanted"}
    return await made(federation, web, CANCELLATIONS, body)


async def complaint(federation: Federation, web: WebCaller, guangdong: Counter) -> Known:
    """A complaint."""
    request = Complainant(federation, "guangdong").request("BILL_WRONG", await guangdong.new_customer())
    return await made(federation, web, TICKETS, ticket(request))


async def fault(federation: Federation, web: WebCaller, guangdong: Counter) -> Known:
    """A fault."""
    return await made(federation, web, PROBLEMS, problem(await guangdong.new_customer()))


async def customer(federation: Federation, web: WebCaller, guangdong: Counter) -> Known:
    """A customer, whose id is that of a line."""
    body = new_customer(guangdong.customer(federation.next_number("guangdong")))
    return await made(federation, web, CUSTOMERS, body)


async def alarm(federation: Federation, web: WebCaller, _: Counter) -> Known:
    """An alarm."""
    return await made(federation, web, ALARMS, new_alarm(federation.next_id(), federation.clock.now()))


async def business(_: Federation, __: WebCaller, ___: Counter) -> Known:
    """A business, whose code is the id of its offering, its specification and its price."""
    return Known("PAY")


async def bill(_: Federation, __: WebCaller, guangdong: Counter) -> Known:
    """A bill, which is read by papers."""
    number = await guangdong.new_customer()
    found = await guangdong.bill(number)
    return Known(f"{found.billing_account_id}/{found.month}", papers(number, [guangdong.document("ID_ORIG")]))


async def made(federation: Federation, web: WebCaller, path: str, body: Mapping[str, object]) -> Known:
    """Makes a resource."""
    answer = await web.ask("POST", path, body, Idempotency_Key=federation.next_id(), Prefer="wait=10")
    assert answer.status == HTTPStatus.CREATED, answer.text
    return Known(str(answer.body["id"]), created=answer.body)


def papers(number: str, documents: Sequence[Document]) -> Mapping[str, str]:
    """The header with what a customer shows."""
    shown = QueryBillRequest(number=number, applicant=Applicant.APPLICANT_HOLDER, documents=documents)
    return {IDENTITY_VERIFICATION: base64url.encoded(MessageToJson(shown).encode())}


KNOWN: Mapping[str, Callable[[Federation, WebCaller, Counter], Awaitable[Known]]] = {
    "/tmf-api/productOrderingManagement/v4/productOrder": order,
    "/tmf-api/productOrderingManagement/v4/cancelProductOrder": cancellation,
    "/tmf-api/troubleTicket/v4/troubleTicket": complaint,
    "/tmf-api/customerManagement/v4/customer": customer,
    "/tmf-api/serviceProblemManagement/v4/serviceProblem": fault,
    "/tmf-api/alarm/v4/alarm": alarm,
    "/tmf-api/productCatalogManagement/v4/productOffering": business,
    "/tmf-api/productCatalogManagement/v4/productSpecification": business,
    "/tmf-api/productCatalogManagement/v4/productOfferingPrice": business,
    BILLS: bill,
    "/tmf-api/productOrdering/v5/productOrder": order,
    "/tmf-api/productOrdering/v5/cancelProductOrder": cancellation,
    "/tmf-api/troubleTicket/v5/troubleTicket": complaint,
    "/tmf-api/customerManagement/v5/customer": customer,
}
"""A resource, by the path of its list."""
