"""A resource of each Open API that is there, made by whoever may make it."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.probe import Probe, raised
from tests.federation.running import Federation
from tests.federation.test_open_api_orders import product_order
from tests.federation.test_open_api_problems import PROBLEMS, problem
from tests.federation.test_open_api_tickets import TICKETS, ticket
from tests.federation.web_caller import ORDERS, WebCaller


async def order(federation: Federation, web: WebCaller, guangdong: Counter) -> str:
    """The id of an order."""
    body = product_order(guangdong.request("SUSPEND", await guangdong.new_customer()))
    return await made(federation, web, ORDERS, body)


async def complaint(federation: Federation, web: WebCaller, guangdong: Counter) -> str:
    """The id of a complaint."""
    request = Complainant(federation, "guangdong").request("BILL_WRONG", await guangdong.new_customer())
    return await made(federation, web, TICKETS, ticket(request))


async def fault(federation: Federation, web: WebCaller, guangdong: Counter) -> str:
    """The id of a fault."""
    return await made(federation, web, PROBLEMS, problem(await guangdong.new_customer()))


async def customer(_: Federation, __: WebCaller, guangdong: Counter) -> str:
    """The id of a customer, which is that of a line."""
    return (await guangdong.read(await guangdong.new_customer())).product.id


async def alarm(federation: Federation, _: WebCaller, __: Counter) -> str:
    """The id of an alarm."""
    probe = Probe(federation, "guangdong", federation.next_id())
    await probe.report(raised("fuzzing", federation.clock.now()))
    (found,) = await probe.alarms()
    return found.id


async def offering(_: Federation, __: WebCaller, ___: Counter) -> str:
    """The id of an offering."""
    return "PAY"


async def made(federation: Federation, web: WebCaller, path: str, body: Mapping[str, object]) -> str:
    """Makes a resource, and gives its id."""
    answer = await web.ask("POST", path, body, Idempotency_Key=federation.next_id(), Prefer="wait=10")
    assert answer.status == HTTPStatus.CREATED, answer.text
    return str(answer.body["id"])


KNOWN: Mapping[str, Callable[[Federation, WebCaller, Counter], Awaitable[str]]] = {
    "/tmf-api/productOrderingManagement/v4": order,
    "/tmf-api/troubleTicket/v4": complaint,
    "/tmf-api/customerManagement/v4": customer,
    "/tmf-api/serviceProblemManagement/v4": fault,
    "/tmf-api/alarm/v4": alarm,
    "/tmf-api/productCatalogManagement/v4": offering,
    "/tmf-api/productOrdering/v5": order,
    "/tmf-api/troubleTicket/v5": complaint,
    "/tmf-api/customerManagement/v5": customer,
}
"""The id of a resource, by the path of its API."""
