"""Events as TM Forum and CloudEvents have them, and listeners as an EventSubscription."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientPayloadError, ClientSession, ConnectionTimeoutError, ServerDisconnectedError
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import Business
from gateway.api.region.v1.alarm_pb2 import Alarm
from gateway.api.region.v1.billing_service_pb2 import Bill
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.region.v1.listener_service_pb2 import (
    EventFormat,
    EventKind,
    Listener,
    ListListenersRequest,
    ListListenersResponse,
    RegisterListenerRequest,
)
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused, Unreachable
from gateway.web.json_bodies import Attributes
from gateway.web.routes import Answer, Asked
from region_node.listeners.callbacks import Connection
from region_node.listeners.events import ResourceEvent
from region_node.listeners.resources import RESOURCES
from region_node.open_api.alarm_management import ALARM_EVENTS
from region_node.open_api.bill_management import BILL_EVENTS
from region_node.open_api.customer_management import CUSTOMER_EVENTS, CUSTOMER_EVENTS_V5
from region_node.open_api.events import REFERENCE, EventSource, written
from region_node.open_api.hub import hub_routes, told_listener
from region_node.open_api.problem_management import PROBLEM_EVENTS
from region_node.open_api.product_catalog import OFFERING_EVENTS
from region_node.open_api.product_ordering import ORDER_EVENTS, ORDER_EVENTS_V5
from region_node.open_api.samples import filled
from region_node.open_api.trouble_ticketing import TICKET_EVENTS, TICKET_EVENTS_V5
from tests.unit.open_api_schemas import document_of, require_schema

ROOT = "/tmf-api/x/v4"
REGION = "spiffe://demo.example/region/guangdong"
TIME = Timestamp(seconds=1_800_000_000)
CASES: Sequence[tuple[EventSource, Message, str]] = (
    (ORDER_EVENTS, Order(), "TMF622-ProductOrder-v4.0.0.swagger.json"),
    (ORDER_EVENTS_V5, Order(), "TMF622-ProductOrdering-v5.0.0.oas.yaml"),
    (TICKET_EVENTS, Complaint(), "TMF621-TroubleTicket-v4.0.0.swagger.json"),
    (TICKET_EVENTS_V5, Complaint(), "TMF621-Trouble_Ticket-v5.0.1.oas.yaml"),
    (ALARM_EVENTS, Alarm(), "TMF642-Alarm-v4.0.0.swagger.json"),
    (PROBLEM_EVENTS, Fault(), "TMF656-ServiceProblem-v4.0.0.swagger.json"),
    (CUSTOMER_EVENTS, Customer(), "TMF629-Customer-v4.0.0.swagger.json"),
    (CUSTOMER_EVENTS_V5, Customer(), "TMF629-Customer_Management-v5.0.1.oas.yaml"),
    (OFFERING_EVENTS, Business(), "TMF620-ProductCatalog-v4.0.0.swagger.json"),
    (BILL_EVENTS, Bill(), "TMF678-CustomerBill-v4.0.0.swagger.json"),
)
EVENTS_OF = {"TMF678-CustomerBill-v4.0.0.swagger.json": "TMF678-CustomerBill-v5.0.0.oas.yaml"}
"""The files with the events of those that have a hub without them."""
SOURCES = pytest.mark.parametrize(
    ("source", "message", "file"),
    CASES,
    ids=lambda value: value.name if isinstance(value, EventSource) else "",
)


def event(source: EventSource, message: Message, kind: EventKind.ValueType) -> ResourceEvent:
    """An event of a resource with something in each field."""
    return ResourceEvent("guangdong/x/7", kind, TIME, source.resource, "x/1", filled(message))


def typed(source: EventSource, kind: str) -> Mapping[str, str]:
    """The attribute by which version 5 has every object name its type."""
    return {"@type": kind} if source.version.is_typed else {}


def registration(source: EventSource, body: dict[str, object]) -> RegisterListenerRequest:
    """The request that a POST to the hub is."""
    asked = Asked(ROOT, {}, {}, "en", Requester(), "", wait=Duration(), body=Attributes(body, ""))
    request = hub_routes(ROOT, source)[0].request(asked)
    asked.body.close()
    assert isinstance(request, RegisterListenerRequest)
    return request


@pytest.mark.parametrize(
    ("source", "message", "file", "kind"), [(*case, kind) for case in CASES for kind in case[0].types]
)
def test_an_event_is_one_of_those_of_its_api(
    source: EventSource, message: Message, file: str, kind: EventKind.ValueType
) -> None:
    content_type, body = written(source, event(source, message, kind), EventFormat.EVENT_FORMAT_UNSPECIFIED, REGION)
    told = json.loads(body)
    assert content_type == "application/json"
    assert {"eventId": "guangdong/x/7", "eventTime": "2027-01-15T08:00:00Z"}.items() <= told.items()
    assert told["event"].keys() == {source.name}
    schema = told["eventType"]
    events = EVENTS_OF.get(file, file)
    assert f"/listener/{schema[0].lower()}{schema[1:]}" in document_of(events)["paths"]
    require_schema(events, schema, {**told, **({"@type": schema} if events != file else {}), "event": {}}, None)
    assert typed(source, schema).items() <= told.items()


@SOURCES
def test_a_cloud_event_has_the_required_attributes_and_the_same_resource(
    source: EventSource, message: Message, file: str
) -> None:
    told_event = event(source, message, EventKind.EVENT_KIND_CREATE)
    content_type, body = written(source, told_event, EventFormat.EVENT_FORMAT_CLOUD_EVENTS, REGION)
    told = json.loads(body)
    _, plain = written(source, told_event, EventFormat.EVENT_FORMAT_UNSPECIFIED, REGION)
    assert content_type == "application/cloudevents+json"
    assert told.pop("data") == json.loads(plain)["event"]
    assert told == {
        "specversion": "1.0",
        "id": "guangdong/x/7",
        "source": REGION,
        "type": source.types[EventKind.EVENT_KIND_CREATE],
        "subject": "x/1",
        "time": "2027-01-15T08:00:00Z",
        "datacontenttype": "application/json",
    }


@SOURCES
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("form", EventFormat.values())
def test_what_a_listener_is_told_as_registers_the_same_again(
    source: EventSource,
    message: Message,
    file: str,
    count: int,
    form: EventFormat.ValueType,
) -> None:
    kinds = sorted(source.types)[:count]
    listener = Listener(id="x", resource=source.resource, callback="https://crm.example/x", kinds=kinds, format=form)
    told = told_listener(listener, ROOT, source, "en")
    said: dict[str, object] = {name: told[name] for name in ("callback", "query") if name in told}
    request = registration(source, {**said, **typed(source, "Hub")})
    assert (request.resource, request.callback) == (source.resource, listener.callback)
    assert (list(request.kinds), request.format) == (list(kinds), form)
    kept = {name: told[name] for name in ("id", "callback", *typed(source, "Hub"))}
    require_schema(file, source.version.listener, kept, None)


@SOURCES
def test_a_listener_is_read_by_its_id_out_of_those_of_its_operator_system(
    source: EventSource, message: Message, file: str
) -> None:
    (one,) = [each for each in hub_routes(ROOT, source) if (each.verb, each.path) == ("GET", "/hub/{id}")]
    asked = Asked(ROOT, {"id": "b"}, {}, "en", Requester(), "", wait=Duration(), body=Attributes({}, ""))
    assert one.request(asked) == ListListenersRequest(resource=source.resource)
    found = [Listener(id=name, resource=source.resource) for name in ("a", "b", "c")]
    answer = one.answer(asked, ListListenersResponse(listeners=found))
    assert isinstance(answer, Answer)
    assert answer.body == told_listener(found[1], ROOT, source, "en")
    with pytest.raises(Refused) as told:
        one.answer(asked, ListListenersResponse(listeners=found[:1]))
    assert told.value.reason == Reason.REASON_LISTENER_NOT_FOUND


@pytest.mark.parametrize(
    ("failure", "english", "chinese"),
    [
        (TimeoutError(), "no answer within 10 seconds", "10秒内无应答"),
        (ServerDisconnectedError(), "the connection ended before an answer", "应答前连接中断"),
        (ConnectionTimeoutError(), "no answer within 10 seconds", "10秒内无应答"),
        (UnicodeError(), "no address for its name", "其域名无法解析"),
        (ClientPayloadError(), "no event could be posted to it", "无法向其推送事件"),
    ],
)
def test_a_failure_of_a_callback_is_told_in_words(failure: Exception, english: str, chinese: str) -> None:
    class Session:
        def post(self, *_: object, **__: object) -> None:
            raise failure

    connection = Connection(cast("ClientSession", Session()))
    with pytest.raises(Unreachable) as raised:
        asyncio.run(connection.post(urlsplit("https://crm.example/x"), {}, b""))
    listener = Listener(problem=str(raised.value))
    for language, words in (("en", english), ("zh-CN", chinese)):
        assert told_listener(listener, ROOT, ORDER_EVENTS, language)["problem"] == words
    assert "problem" not in told_listener(Listener(), ROOT, ORDER_EVENTS, "en")
    for said in ("HTTP 503", "CERTIFICATE_REVOKED"):
        assert told_listener(Listener(problem=said), ROOT, ORDER_EVENTS, "zh-CN")["problem"] == said


def test_version_5_wants_the_type_of_a_listener_and_another_one_is_refused() -> None:
    callback = "https://crm.example/x"
    for said in ({}, {"@type": "EventSubscription"}):
        with pytest.raises(Refused, match="@type"):
            registration(ORDER_EVENTS_V5, {"callback": callback, **said})


@pytest.mark.parametrize("query", ["state=held", "format=xml", "eventType=OtherEvent", "eventType=", "x"])
def test_a_query_that_would_not_be_heeded_is_refused(query: str) -> None:
    with pytest.raises(Refused, match="query"):
        registration(ORDER_EVENTS, {"callback": "https://crm.example/x", "query": query})


@SOURCES
def test_an_event_that_never_occurs_is_refused_by_its_name_and_the_others_are_named(
    source: EventSource, message: Message, file: str
) -> None:
    known = source.types[EventKind.EVENT_KIND_CREATE]
    never = known.replace("Create", "Move")
    body: dict[str, object] = {"callback": "https://crm.example/x", "query": f"eventType={known},{never}"}
    with pytest.raises(Refused) as told:
        registration(source, {**body, **typed(source, "Hub")})
    for problem in (told.value.parameters["problem"], told.value.parameters["problem_zh_cn"]):
        assert all(each in problem for each in (never, *source.types.values()))


@SOURCES
def test_both_doors_know_the_same_kinds_of_events(source: EventSource, message: Message, file: str) -> None:
    assert set(source.types) == set(RESOURCES[source.resource].kinds)


@pytest.mark.parametrize(
    ("source", "message"), [(CUSTOMER_EVENTS, Customer()), (CUSTOMER_EVENTS_V5, Customer()), (BILL_EVENTS, Bill())]
)
def test_an_event_of_a_customer_or_a_bill_tells_which_one_it_is_and_nothing_of_it(
    source: EventSource, message: Message
) -> None:
    for kind in source.types:
        told_event = event(source, message, kind)
        _, body = written(source, told_event, EventFormat.EVENT_FORMAT_UNSPECIFIED, REGION)
        assert json.loads(body)["event"][source.name].keys() == set(REFERENCE)


def test_a_deleted_resource_is_told_by_its_id_alone() -> None:
    told_event = event(OFFERING_EVENTS, Business(), EventKind.EVENT_KIND_DELETE)
    _, body = written(OFFERING_EVENTS, told_event, EventFormat.EVENT_FORMAT_UNSPECIFIED, REGION)
    assert json.loads(body)["event"]["productOffering"].keys() == set(REFERENCE)
