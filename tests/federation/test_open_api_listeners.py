"""Listeners at a real node: registered by HTTP, told what happens to orders, and removed."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.api.region.v1.listener_service_pb2 import ListenerResource, RegisterListenerRequest
from gateway.api.region.v1.listener_service_pb2_grpc import ListenerServiceStub
from tests.federation.counter import REQUESTER, Counter
from tests.federation.receivers import receiving
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.web_caller import API, WebCaller, below, order_path, web_caller
from tests.unit.test_message_signatures import verify
from tests.webhook import Hook

HUB = f"{API}/hub"
HUB_V5 = "/tmf-api/productOrdering/v5/hub"
CUSTOMERS = "/tmf-api/customerManagement/v4"
READ = ("productCatalogManagement/v4", "customerBillManagement/v4")
ORDERS = ListenerResource.LISTENER_RESOURCE_PRODUCT_ORDER


@pytest.fixture(scope="module", name="hook")
def the_receiver_of_the_federation(federation: Federation) -> Iterator[Hook]:
    """The one receiver that its nodes trust."""
    with receiving(federation.directory) as hook:
        yield hook


def events_of(hook: Hook, order_id: str) -> list[dict[str, Any]]:
    """The events that a receiver has of an order, in CloudEvents."""
    return [each for each in hook.bodies if each.get("subject") == order_id]


async def test_a_listener_is_told_of_orders_until_it_is_removed(
    federation: Federation, hook: Hook, guangdong: Counter, sichuan: Counter
) -> None:
    web = web_caller(federation, guangdong.path)

    async def is_told() -> bool:
        by_v5 = [each["event"]["productOrder"] for each in hook.bodies if each.get("@type")]
        of_order = [each["state"] for each in by_v5 if each["id"] == order.id and each["@type"]]
        told = [each["data"]["productOrder"]["state"] for each in events_of(hook, order.id)]
        return told[-1:] == of_order[-1:] == ["completed"]

    said = {"callback": hook.url, "query": "format=cloudevents"}
    made = await web.ask("POST", HUB, said)
    assert (made.status, made.headers["location"]) == (HTTPStatus.CREATED, below(HUB, str(made.body["id"])))
    assert said.items() <= made.body.items()
    made_v5 = await web.ask("POST", HUB_V5, {"@type": "Hub", "callback": hook.url})
    assert (made_v5.status, made_v5.body["@type"]) == (HTTPStatus.CREATED, "Hub")
    order = await guangdong.order("SUSPEND", await sichuan.new_customer())
    await until(is_told, "the listener is told that the order is completed")
    (listed,) = (await web.ask("GET", HUB)).bodies
    assert (listed, listed["state"]) == (made.body, "active")
    assert (await web.ask("GET", made.headers["location"])).body == made.body
    removed = await web.ask("DELETE", below(HUB, str(made.body["id"])))
    assert (removed.status, removed.text) == (HTTPStatus.NO_CONTENT, "")
    assert (await web.ask("GET", HUB)).bodies == []
    await web.ask("DELETE", below(HUB_V5, str(made_v5.body["id"])))
    events = events_of(hook, order.id)
    assert {each["data"]["productOrder"]["href"] for each in events} == {order_path(order.id)}
    assert events[0]["type"] == "ProductOrderCreateEvent"
    certificate = x509.load_pem_x509_certificate(str(made.body["signingCertificate"]).encode())
    key = certificate.public_key()
    assert isinstance(key, Ed25519PublicKey)
    for headers, raw in zip(hook.headers, hook.raw, strict=True):
        verify(key, hook.url, headers, raw)


async def test_a_change_of_a_customer_is_told_by_an_id_by_which_a_named_person_reads_it(
    federation: Federation, hook: Hook, guangdong: Counter
) -> None:
    web = web_caller(federation, guangdong.path)
    customer = await guangdong.read(await guangdong.new_customer())

    async def is_told() -> bool:
        return bool(events_of(hook, customer.product.id))

    query = "eventType=CustomerAttributeValueChangeEvent&format=cloudevents"
    made = await web.ask("POST", f"{CUSTOMERS}/hub", {"callback": hook.url, "query": query})
    assert made.status == HTTPStatus.CREATED
    place = below(f"{CUSTOMERS}/customer", customer.product.id)
    changed = await web.ask("PATCH", place, {"name": "another"}, Content_Type="application/merge-patch+json")
    assert changed.status == HTTPStatus.OK
    await until(is_told, "the listener is told that the customer has changed")
    await web.ask("DELETE", below(f"{CUSTOMERS}/hub", str(made.body["id"])))
    (event,) = events_of(hook, customer.product.id)
    told = event["data"]["customer"]
    assert (event["type"], told["href"]) == ("CustomerAttributeValueChangeEvent", place)
    assert told.keys() == {"id", "href", "@type", "@baseType", "@schemaLocation"}
    assert (await web.ask("GET", told["href"])).body["name"] == "another"
    unnamed = WebCaller(web.port_file, web.authority, web.credentials, {})
    assert (await unnamed.ask("GET", told["href"])).status == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize("api", ["customerManagement/v4", "customerManagement/v5", *READ])
async def test_the_description_of_each_api_with_listeners_names_its_hub(
    federation: Federation, guangdong: Counter, api: str
) -> None:
    described = (await web_caller(federation, guangdong.path).ask("GET", f"/tmf-api/{api}/openapi.json")).body
    paths = described["paths"]
    assert isinstance(paths, dict)
    assert {"get", "post"} <= paths["/hub"].keys()
    assert "delete" in paths["/hub/{id}"]


async def test_both_doors_refuse_an_internal_address_and_an_unknown_listener(
    federation: Federation, guangdong: Counter
) -> None:
    web, callback = web_caller(federation, guangdong.path), "https://10.0.0.1/x"
    by_http = await web.ask("POST", HUB, {"callback": callback})
    listeners = ListenerServiceStub(federation.dial_node("guangdong", guangdong.path))
    request = RegisterListenerRequest(resource=ORDERS, callback=callback, requester=REQUESTER)
    by_grpc = await refusal(listeners.RegisterListener(request, timeout=CALL_SECONDS))
    assert (by_http.status, by_http.body["code"]) == (HTTPStatus.UNPROCESSABLE_ENTITY, by_grpc.reason)
    assert by_grpc.reason == "CALLBACK_REFUSED"
    missing = await web.ask("DELETE", below(HUB, "none"))
    assert (missing.status, missing.body["code"]) == (HTTPStatus.NOT_FOUND, "LISTENER_NOT_FOUND")


async def test_the_listeners_of_a_system_come_by_their_ids_and_in_reverse(federation: Federation) -> None:
    web = web_caller(federation, "region/guangdong/operator/conformance")
    said = {"callback": "https://127.0.0.1:9/nobody"}
    made = [
        await web.ask("POST", HUB, {**said, "query": f"eventType=ProductOrder{kind}Event"})
        for kind in ("Create", "StateChange")
    ]
    names = sorted(str(each.body["id"]) for each in made)
    for sort, wanted in (("id", names), ("-id", names[::-1])):
        first = await web.ask("GET", f"{HUB}?sort={sort}&limit=1")
        second = await web.ask("GET", first.headers["link"].partition(">; ")[0].removeprefix("<"))
        assert [each["id"] for page in (first, second) for each in page.bodies] == wanted
    for each in names:
        assert (await web.ask("DELETE", below(HUB, each))).status == HTTPStatus.NO_CONTENT
