"""Listeners at a real node: registered by HTTP, told what happens to orders, and removed."""

from http import HTTPStatus
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.api.region.v1.listener_service_pb2 import ListenerResource, RegisterListenerRequest
from gateway.api.region.v1.listener_service_pb2_grpc import ListenerServiceStub
from tests.federation.counter import REQUESTER, Counter
from tests.federation.receivers import receiving
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.web_caller import API, below, order_path, web_caller
from tests.unit.test_message_signatures import verify
from tests.webhook import Hook

HUB = f"{API}/hub"
HUB_V5 = "/tmf-api/productOrdering/v5/hub"
ORDERS = ListenerResource.LISTENER_RESOURCE_PRODUCT_ORDER


def events_of(hook: Hook, order_id: str) -> list[dict[str, Any]]:
    """The events that a receiver has of an order, in CloudEvents."""
    return [each for each in hook.bodies if each.get("subject") == order_id]


async def test_a_listener_is_told_of_orders_until_it_is_removed(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    web = web_caller(federation, guangdong.path)

    async def is_told() -> bool:
        by_v5 = [each["event"]["productOrder"] for each in hook.bodies if each.get("@type")]
        of_order = [each["state"] for each in by_v5 if each["id"] == order.id and each["@type"]]
        told = [each["data"]["productOrder"]["state"] for each in events_of(hook, order.id)]
        return told[-1:] == of_order[-1:] == ["completed"]

    with receiving(federation.directory) as hook:
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
