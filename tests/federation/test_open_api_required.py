"""What each Open API always needs of a new resource, at a real node: the attributes that its description requires."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus

import pytest
from google.protobuf.json_format import MessageToDict

from gateway.web.routes import TYPE_ATTRIBUTES, Route
from region_node.open_api.hub import HUB
from region_node.open_api.served import served_apis
from tests.federation.counter import Counter
from tests.federation.open_api_resources import order as submitted
from tests.federation.probe import MINUTE
from tests.federation.running import Federation
from tests.federation.test_open_api_alarms import ALARMS, new_alarm
from tests.federation.test_open_api_customers import CUSTOMERS
from tests.federation.test_open_api_orders import product_order
from tests.federation.test_open_api_problems import PROBLEMS, SITE
from tests.federation.test_open_api_tickets import TICKETS
from tests.federation.test_open_api_versions import CANCELLATIONS as CANCELLATIONS_V5
from tests.federation.test_open_api_versions import CUSTOMERS as CUSTOMERS_V5
from tests.federation.test_open_api_versions import ORDERS as ORDERS_V5
from tests.federation.test_open_api_versions import TICKETS as TICKETS_V5
from tests.federation.test_open_api_versions import product_order as product_order_v5
from tests.federation.web_caller import CANCELLATIONS, ORDERS, WebCaller, web_caller

HOUR = timedelta(hours=1)
Body = dict[str, object]
Bodies = Sequence[Body]
CREATED: Mapping[str, Route] = {
    f"{api.root}{route.path}": route for api in served_apis() for route in api.routes if route.verb == "POST"
}
ACKNOWLEDGING, CLEARING = "/tmf-api/alarm/v4/ackAlarms", "/tmf-api/alarm/v4/clearAlarms"
BY_STAFF = (PROBLEMS, ACKNOWLEDGING, CLEARING)
"""What staff make with less than operator systems, or alone."""
pytestmark = pytest.mark.slow


@pytest.fixture
def system(federation: Federation) -> WebCaller:
    """An operator system in Guangdong that nobody else is."""
    return web_caller(federation, "region/guangdong/operator/required")


async def order(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    body = product_order(guangdong.request("PAY", await guangdong.new_customer()))
    return [{name: each for name, each in body.items() if name != "document"}]


async def order_v5(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    body = product_order_v5(guangdong.request("PAY", await guangdong.new_customer()))
    return [{name: each for name, each in body.items() if name != "document"}]


async def cancellation(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    start = (federation.clock.now() + HOUR).isoformat()
    made = await submitted(federation, system, guangdong, start=start)
    return [{"productOrder": {"id": made.id}, "cancellationReason": "no longer wanted"}]


async def cancellation_v5(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    (body,) = await cancellation(federation, system, guangdong)
    reference = {**as_object(body["productOrder"]), "@type": "ProductOrderRef"}
    return [{**body, "productOrder": reference, "@type": "CancelProductOrder"}]


async def complaint(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    entity = {"id": await guangdong.new_customer(), "role": "affected"}
    remedy = {"description": "wrong bill", "remedySought": "REMEDY_REFUND"}
    return [{**remedy, "channel": {"id": "letter"}, "relatedEntity": [entity]}]


async def complaint_v5(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    number = {"id": await guangdong.new_customer(), "@type": "EntityRef"}
    entity = {"role": "affected", "entity": number, "@type": "RelatedEntity"}
    (body,) = await complaint(federation, system, guangdong)
    channel = {"id": "letter", "@type": "ChannelRef"}
    return [{**body, "channel": channel, "relatedEntity": [entity], "@type": "TroubleTicket"}]


async def customer(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    """With the name beside the party, or in it."""
    bodies = list[Body]()
    for is_beside in (True, False):
        made = guangdong.customer(federation.next_number("guangdong"))
        names: Body = {"name": made.name}
        line: Body = {"product": MessageToDict(made.product), "billingAccount": MessageToDict(made.billing_account)}
        party: Body = {"id": made.id, **({} if is_beside else names)}
        bodies.append({**line, "engagedParty": party, **(names if is_beside else {})})
    return bodies


async def customer_v5(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    bodies = await customer(federation, system, guangdong)
    kinds: Body = {"@type": "PartyRef"}
    return [
        {**body, "engagedParty": {**as_object(body["engagedParty"]), **kinds}, "@type": "Customer"} for body in bodies
    ]


async def fault(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    return [{"description": "a broken cabinet", "place": {"site": SITE}}]


async def alarm(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    """Raised with its cause, and cleared with its time."""
    source, now = federation.next_id(), federation.clock.now()
    first = new_alarm(source, now - 2 * MINUTE)
    over: Body = {"perceivedSeverity": "cleared", "state": "cleared", "alarmClearedTime": now.isoformat()}
    return [first, {**{name: each for name, each in first.items() if name != "probableCause"}, **over}]


async def pattern(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    made = await system.ask("POST", ALARMS, new_alarm(federation.next_id(), federation.clock.now()))
    return [{"alarmPattern": [{"id": made.body["id"]}]}]


async def listener(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    return [{"callback": "https://127.0.0.1:1/x"}]


async def listener_v5(federation: Federation, system: WebCaller, guangdong: Counter) -> Bodies:
    return [{"callback": "https://127.0.0.1:1/x", "@type": "Hub"}]


LEAST: Mapping[str, Callable[[Federation, WebCaller, Counter], Awaitable[Bodies]]] = {
    **{path: listener_v5 if "/v5/" in path else listener for path in CREATED if path.endswith(f"/{HUB}")},
    ORDERS: order,
    CANCELLATIONS: cancellation,
    TICKETS: complaint,
    CUSTOMERS: customer,
    PROBLEMS: fault,
    ALARMS: alarm,
    ACKNOWLEDGING: pattern,
    CLEARING: pattern,
    ORDERS_V5: order_v5,
    CANCELLATIONS_V5: cancellation_v5,
    TICKETS_V5: complaint_v5,
    CUSTOMERS_V5: customer_v5,
}
"""Bodies with nothing that they could lack, by where they are posted."""


def as_object(value: object) -> Body:
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("path", CREATED)
async def test_a_new_resource_needs_each_attribute_that_is_described_as_required_and_no_other(
    federation: Federation, system: WebCaller, guangdong: Counter, path: str
) -> None:
    first, *others = await LEAST[path](federation, system, guangdong)
    route, key = CREATED[path], federation.next_id()
    typed = [name for name in TYPE_ATTRIBUTES if name in route.attributes]
    assert set(first).intersection(*others) == {*typed, *route.required}
    staff = web_caller(federation, "region/guangdong/staff/wang", {"Requester-Channel": "counter"})
    web = staff if path in BY_STAFF else system
    for name in first:
        lacking = {other: each for other, each in first.items() if other != name}
        refused = await web.ask("POST", path, lacking, Idempotency_Key=key)
        assert refused.status == HTTPStatus.BAD_REQUEST, (name, refused.text)
        assert name in str(refused.body["message"]), name
    for body in (first, *others):
        made = await web.ask("POST", path, body, Idempotency_Key=key)
        assert made.status == HTTPStatus.CREATED, made.text
        if path.endswith(f"/{HUB}"):
            await web.ask("DELETE", str(made.body["href"]))
