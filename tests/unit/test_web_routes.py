"""Routes of HTTP: what their callers prefer, what selects, and what a defect is told as."""

import asyncio
from collections.abc import Collection, Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from gateway.api.region.v1.complaint_service_pb2 import RespondToComplaintRequest, WithdrawComplaintRequest
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2 import GetOrderResponse, ListOrdersResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused, invalid
from gateway.rpc.in_process import Arrival
from gateway.web.json_bodies import Attributes, parsed
from gateway.web.routes import Answer, Api, Asked, Route, application, applications
from gateway.web.selecting import (
    MOST_ATTRIBUTES,
    TIME,
    Paging,
    Schema,
    Selection,
    has,
    paths_of,
    require_known,
    values_in,
    within,
    words_of,
)
from region_node.open_api.alarm_management import ALARM_MANAGEMENT
from region_node.open_api.customer_management import CUSTOMER_MANAGEMENT
from region_node.open_api.problem_management import PROBLEM_MANAGEMENT
from region_node.open_api.product_ordering import PRODUCT_ORDERING
from region_node.open_api.trouble_ticketing import TROUBLE_TICKETS

FILED = {"relatedEntity": [{"id": "13800138000", "role": "affected"}]}
ALARM: Mapping[str, object] = {
    "alarmType": "communicationsAlarm",
    "perceivedSeverity": "minor",
    "state": "updated",
    "alarmRaisedTime": "2026-12-01T00:00:00Z",
    "alarmChangedTime": "2026-12-02T00:00:00Z",
    "alarmedObject": {"id": "ring-7"},
}
CURRENCY = "balance.currency"
UNFIT = {"id": "Wang Wei", "role": "requester"}
NOTE = {"note": [{"text": ""}]}
RESOLVED = {"status": "resolved", "resolution": {"causeCode": "x"}}
WORDS = words_of(OrderState.DESCRIPTOR)


class Calls:
    """The RPCs of a process that answers each with its request, and the time that each had."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.paths: list[str] = []

    async def call(self, path: str, arrival: Arrival) -> Message:
        self.paths.append(path)
        self.seconds.append(arrival.seconds)
        message = await arrival.read()
        if arrival.rpc_of is not None:
            self.paths.append(arrival.rpc_of(message))
        return message


async def answered(route: Route, calls: Calls, **headers: str) -> tuple[int, dict[str, object]]:
    """The status and the body of an answer."""
    served = application(Api("/api", (route,), 30), calls, lambda _: {})
    async with TestClient(TestServer(served)) as client, client.get(route.path, headers=headers) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("preferred", "seconds"),
    [
        ("wait=10", 10),
        ("Wait=10", 10),
        ('respond-async, wait = "7"; strict', 7),
        ("wait=99", 30),
        ("wait=600", 30),
        ("wait=-1", 0),
        ("wait=later", 0),
    ],
)
def test_a_preferred_wait_is_heeded_as_far_as_it_goes_and_never_refused(preferred: str, seconds: int) -> None:
    def told(asked: Asked, _: Message) -> Answer:
        return Answer({"wait": asked.wait.seconds})

    calls = Calls()
    status, body = asyncio.run(
        answered(Route("GET", "/wait", "/S/M", lambda _: Empty(), told), calls, Prefer=preferred)
    )
    assert (status, body, calls.seconds) == (200, {"wait": seconds}, [15.0 + seconds])


def test_an_answer_that_cannot_be_told_is_a_numbered_defect_in_the_form_of_tm_forum() -> None:
    def broken(asked: Asked, _: Message) -> Answer:
        raise ValueError(asked)

    status, body = asyncio.run(answered(Route("GET", "/broken", "/S/M", lambda _: Empty(), broken), Calls()))
    assert (status, body["code"], body["@type"]) == (500, "INTERNAL", "Error")


def test_a_list_by_the_number_of_nobody_is_empty_and_nobody_is_found_by_an_id() -> None:
    class Nobody(Calls):
        async def call(self, path: str, arrival: Arrival) -> Message:
            await super().call(path, arrival)
            raise Refused(Reason.REASON_CUSTOMER_NOT_FOUND)

    async def asked(path: str) -> tuple[int, object, str | None]:
        served = application(CUSTOMER_MANAGEMENT, Nobody(), lambda _: {})
        async with TestClient(TestServer(served)) as client, client.get(path) as told:
            return told.status, await told.json(), told.headers.get("X-Total-Count")

    by_number = "/customer?contactMedium.characteristic.phoneNumber=13800138000"
    for path in (by_number, f"{by_number}&name=Wang"):
        assert asyncio.run(asked(path)) == (200, [], "0")
    status, _, _ = asyncio.run(asked("/customer/line-1"))
    assert status == 404


@pytest.mark.parametrize(
    ("api", "path", "body", "field", "place"),
    [
        (PRODUCT_ORDERING, "/cancelProductOrder", {"productOrder": {"id": "x"}}, "reason", "cancellationReason"),
        (PRODUCT_ORDERING, "/cancelProductOrder", {"productOrder": {"id": "x"}}, "request_id", "Idempotency-Key"),
        (TROUBLE_TICKETS, "/troubleTicket", FILED, "complaint.remedy_sought", "remedySought"),
        (TROUBLE_TICKETS, "/troubleTicket", FILED, "requester.channel", "Requester-Channel"),
        (TROUBLE_TICKETS, "/troubleTicket", FILED, "complaint.other", "complaint.other"),
        (PROBLEM_MANAGEMENT, "/serviceProblem", {}, "number", "affectedResource.id"),
        (ALARM_MANAGEMENT, "/ackAlarms", {}, "alarm_ids", "alarmPattern"),
        (ALARM_MANAGEMENT, "/alarm", ALARM, "event_time", "alarmChangedTime"),
        (ALARM_MANAGEMENT, "/alarm", ALARM, "source", "sourceSystemId"),
        (ALARM_MANAGEMENT, "/alarm", ALARM, "external_id", "externalAlarmId"),
        (ALARM_MANAGEMENT, "/alarm", ALARM, "specific_problem", "specificProblem"),
        (CUSTOMER_MANAGEMENT, "/customer", {"name": "x"}, "id", "engagedParty.id"),
        (CUSTOMER_MANAGEMENT, "/customer", {"name": "x"}, f"billing_account.{CURRENCY}", f"billingAccount.{CURRENCY}"),
        (PROBLEM_MANAGEMENT, "/serviceProblem/x", NOTE, "text", "note.text"),
        (TROUBLE_TICKETS, "/troubleTicket/x", NOTE, "text", "note.text"),
        (TROUBLE_TICKETS, "/troubleTicket/x", RESOLVED, "text", "resolution.text"),
    ],
)
def test_a_refusal_names_the_place_in_the_request_that_became_the_field(
    api: Api, path: str, body: Mapping[str, object], field: str, place: str
) -> None:
    class Refusing(Calls):
        async def call(self, path: str, arrival: Arrival) -> Message:
            await super().call(path, arrival)
            raise invalid(field, "not set", "未填写")

    async def sent() -> tuple[int, object]:
        served, verb = application(api, Refusing(), lambda _: {}), "PATCH" if path.endswith("/x") else "POST"
        async with TestClient(TestServer(served)) as client, client.request(verb, path, json=body) as told:
            return told.status, (await told.json())["message"]

    assert asyncio.run(sent()) == (400, f"field: {place}; problem: not set")


def test_an_order_without_the_number_that_its_business_needs_is_refused_by_the_attribute() -> None:
    class Refusing(Calls):
        async def call(self, path: str, arrival: Arrival) -> Message:
            await super().call(path, arrival)
            raise Refused(Reason.REASON_NUMBER_INVALID, number="")

    item = {"action": "add", "productOffering": {"id": "PAY"}}
    body = {"productOrderItem": [item], "relatedParty": [{"id": "holder", "role": "applicant"}]}

    async def posted() -> tuple[int, object]:
        served = application(PRODUCT_ORDERING, Refusing(), lambda _: {})
        async with TestClient(TestServer(served)) as client, client.post("/productOrder", json=body) as told:
            return told.status, (await told.json())["message"]

    place = "productOrderItem.product.realizingResource.id"
    assert asyncio.run(posted()) == (400, f"field: {place}; problem: is missing")


def test_a_name_in_fields_that_the_node_does_not_know_is_left_out() -> None:
    order = Order(id="x", state=OrderState.ORDER_STATE_HELD)

    class Answering(Calls):
        async def call(self, path: str, arrival: Arrival) -> Message:
            await super().call(path, arrival)
            return ListOrdersResponse(orders=[order]) if path.endswith("/ListOrders") else GetOrderResponse(order=order)

    async def names(path: str, fields: str) -> tuple[int, Collection[str]]:
        served = application(PRODUCT_ORDERING, Answering(), lambda _: {})
        async with TestClient(TestServer(served)) as client, client.get(path, params={"fields": fields}) as told:
            body = await told.json()
            return told.status, set(body[0] if isinstance(body, list) else body)

    always = {"id", "href", "@type"}
    for path in ("/productOrder", "/productOrder/x"):
        for fields in ("none", "nosuch", "priority,description"):
            assert asyncio.run(names(path, fields)) == (200, always)
        assert asyncio.run(names(path, "priority,state,nosuch")) == (200, {*always, "state"})


@pytest.mark.parametrize(
    ("verb", "path", "status", "served", "meant"),
    [
        ("GET", "/tmf-api/nosuch/v4/x", 404, PRODUCT_ORDERING.root, ""),
        ("GET", "/tmf-api", 404, PRODUCT_ORDERING.root, ""),
        ("POST", f"{PRODUCT_ORDERING.root}x/productOrder", 404, PRODUCT_ORDERING.root, ""),
        ("GET", f"{PRODUCT_ORDERING.root}/nosuch/", 404, "CrossregionProductOrder", ""),
        ("PUT", f"{PRODUCT_ORDERING.root}/productOrder", 405, "CrossregionProductOrder", ""),
        ("GET", f"{PRODUCT_ORDERING.root}/productOrder/", 404, "CrossregionProductOrder", "/productOrder?"),
        ("PATCH", f"{PRODUCT_ORDERING.root}/productOrder/x/", 404, "CrossregionProductOrder", "/productOrder/x?"),
        ("GET", f"{PRODUCT_ORDERING.root}/productOrder/x%2F/", 404, "CrossregionProductOrder", "/productOrder/x%2F?"),
        ("GET", f"{PRODUCT_ORDERING.root}/productOrder/x, y/", 404, "CrossregionProductOrder", "/productOrder/x,%20y?"),
        ("PUT", f"{PRODUCT_ORDERING.root}/productOrder/x%2F", 405, "CrossregionProductOrder", ""),
    ],
)
def test_an_unknown_address_is_refused_in_the_form_of_tm_forum_with_those_that_are_known(
    verb: str, path: str, status: int, served: str, meant: str
) -> None:
    async def asked() -> tuple[int, Mapping[str, str]]:
        server = web.Application()
        for root, each in applications((PRODUCT_ORDERING,), Calls(), lambda _: {}).items():
            server.add_subapp(root, each)
        async with TestClient(TestServer(server)) as client, client.request(verb, path, json={}) as told:
            return told.status, await told.json()

    told, body = asyncio.run(asked())
    assert (told, body["code"], body["@type"]) == (status, "METHOD_UNKNOWN", "Error")
    assert f"served: {PRODUCT_ORDERING.root}" in body["message"]
    assert served in body["message"]
    assert meant in body["reason"]
    assert bool(meant) == ("Did you mean" in body["reason"])


def test_an_external_id_that_is_no_request_id_is_refused_by_its_own_name() -> None:
    party, item = {"id": "holder", "role": "applicant"}, {"action": "add", "productOffering": {"id": "NEW_LINE"}}
    body = Attributes({"externalId": "A/1", "productOrderItem": [item], "relatedParty": [party]}, "")
    route = next(each for each in PRODUCT_ORDERING.routes if each.rpc.endswith("/SubmitOrder"))
    asked = Asked(PRODUCT_ORDERING.root, {}, {}, "en", Requester(), "", wait=Duration(), body=body)
    with pytest.raises(Refused, match="externalId"):
        route.request(asked)


@pytest.mark.parametrize(
    ("api", "path", "body", "place"),
    [
        (PRODUCT_ORDERING, "/productOrder", {"relatedParty": [UNFIT]}, "relatedParty[0].id"),
        (TROUBLE_TICKETS, "/troubleTicket", {**FILED, "relatedParty": [UNFIT]}, "relatedParty[0].id"),
        (PROBLEM_MANAGEMENT, "/serviceProblem", {"originatorParty": UNFIT}, "originatorParty.id"),
    ],
)
def test_a_requester_of_a_body_that_is_no_staff_id_is_refused_by_the_attribute(
    api: Api, path: str, body: Mapping[str, object], place: str
) -> None:
    route = next(each for each in api.routes if (each.verb, each.path) == ("POST", path))
    asked = Asked(api.root, {}, {}, "en", Requester(), "", wait=Duration(), body=Attributes(body, ""))
    with pytest.raises(Refused) as refused:
        route.request(asked)
    assert refused.value.parameters["field"] == place


@pytest.mark.parametrize("said", ["", ",", " ", " , "])
def test_a_filter_without_a_word_is_refused(said: str) -> None:
    with pytest.raises(Refused, match="empty"):
        require_known({"state": said}, ("state",))


def test_a_filter_takes_as_many_values_as_its_rpc() -> None:
    assert len(values_in({"state": "held, completed"}, "state", WORDS)) == 2
    selection = Selection("-orderDate", {"state": WORDS, "business": (), "party": WORDS}, single=("party",))
    selection.require({"state": "held,completed", "business": "PAY", "party": "held"})
    for query in ({"business": "PAY,SIM"}, {"party": "held,completed"}):
        with pytest.raises(Refused, match="one value"):
            selection.require(query)


@pytest.mark.parametrize(
    ("query", "field", "range_"),
    [
        ({"limit": "501"}, "limit", ("1", "500")),
        ({"limit": "0"}, "limit", ("1", "500")),
        ({"limit": "x"}, "limit", ("1", "500")),
        ({"offset": "4001"}, "offset", ("0", "4000")),
    ],
)
def test_a_part_of_a_list_is_refused_by_the_names_and_in_the_languages_of_its_caller(
    query: Mapping[str, str], field: str, range_: tuple[str, str]
) -> None:
    with pytest.raises(Refused) as told:
        Paging.of(query, 4_000)
    parameters = told.value.parameters
    assert parameters["field"] == field
    for problem in (parameters["problem"], parameters["problem_zh_cn"]):
        assert all(each in problem for each in range_)


@pytest.mark.parametrize(("query", "counts"), [({}, True), ({"offset": "2"}, True), ({"pageToken": "x"}, False)])
def test_a_list_is_counted_once_and_not_with_each_page(query: Mapping[str, str], counts: bool) -> None:
    route = next(each for each in PRODUCT_ORDERING.routes if each.rpc.endswith("/ListOrders"))
    asked = Asked("", {}, query, "en", Requester(), "", wait=Duration(), body=Attributes({}, ""))
    assert route.request(asked).show_total_size == counts  # type: ignore[attr-defined]


def test_a_route_of_several_rpcs_reads_its_request_once_and_calls_the_one_that_it_is_for() -> None:
    def asks(asked: Asked) -> Message:
        asked.body.value("reason")
        return WithdrawComplaintRequest() if asked.body.value("status") else RespondToComplaintRequest()

    others, names = ("/S/WithdrawComplaint",), ("status", "reason")
    route = Route("PATCH", "/one", "/S/RespondToComplaint", asks, lambda *_: Answer({}), others, attributes=names)

    async def patched(calls: Calls, body: str, kind: str) -> tuple[int, dict[str, object]]:
        served = application(Api("/api", (route,), 0), calls, lambda _: {})
        async with TestClient(TestServer(served)) as client:
            headers = {"Content-Type": kind}
            async with client.patch(route.path, data=body, headers=headers) as answer:
                return answer.status, await answer.json()

    for body, rpc in (('{"status": "cancelled"}', "WithdrawComplaint"), ("{}", "RespondToComplaint")):
        calls = Calls()
        assert asyncio.run(patched(calls, body, "application/merge-patch+json")) == (200, {})
        assert calls.paths == ["/S/RespondToComplaint", f"/S/{rpc}"]
    calls = Calls()
    status, told = asyncio.run(patched(calls, '{"status": "cancelled", "reason": null}', "application/json"))
    assert (status, told["code"]) == (400, "ATTRIBUTE_UNSUPPORTED"), "null was taken for an attribute that is absent"
    status, told = asyncio.run(patched(calls, "<a/>", "text/xml"))
    assert (status, told["code"]) == (415, "MEDIA_TYPE_UNSUPPORTED")
    assert calls.paths == 2 * ["/S/RespondToComplaint"]


@pytest.mark.parametrize(
    ("verb", "header", "types"),
    [
        ("PATCH", "Accept-Patch", "application/json, application/merge-patch+json"),
        ("POST", "Accept", "application/json"),
    ],
)
def test_the_refusal_of_a_body_names_the_types_and_codings_that_are_taken(verb: str, header: str, types: str) -> None:
    route = Route(verb, "/one", "/S/M", lambda _: Empty(), lambda *_: Answer({}))

    async def sent() -> tuple[int, str | None, str | None]:
        served, said = application(Api("/api", (route,), 0), Calls(), lambda _: {}), {"Content-Encoding": "gzip"}
        async with (
            TestClient(TestServer(served)) as client,
            client.request(verb, route.path, json={}, headers=said) as answer,
        ):
            return answer.status, answer.headers.get(header), answer.headers.get("Accept-Encoding")

    assert asyncio.run(sent()) == (415, types, "identity")


@pytest.mark.parametrize("body", [b'{"a": null}', b'{"a": {"b": null}}', b'{"a": {"b": {"c": null}}}'])
def test_a_merge_patch_removes_nothing_by_null_at_any_depth(body: bytes) -> None:
    with pytest.raises(Refused, match="removed by null"):
        parsed(body).require_nothing_removed()
    parsed(b'{"a": [{"b": null}]}').require_nothing_removed()


@pytest.mark.parametrize(
    ("order", "said", "is_reversed"),
    [
        ("-creationDate", None, False),
        ("-creationDate", "-creationDate", False),
        ("-creationDate", "creationDate", True),
        ("-creationDate", "+creationDate", True),
        ("-creationDate", " creationDate", True),
        ("party.id,id", "party.id", False),
        ("party.id,id", "-party.id,-id", True),
        ("party.id,id", "-party.id", True),
    ],
)
def test_a_list_comes_in_its_order_and_in_reverse(order: str, said: str | None, is_reversed: bool) -> None:
    listed, query = Selection(order), {} if said is None else {"sort": said}
    assert listed.order_in(query) == listed.orders[is_reversed]
    assert not listed.sorted_by(query, ())


@pytest.mark.parametrize("said", ["severity,+party.id", "-severity", "party.id,-id", "-state", "id"])
def test_a_list_is_sorted_by_the_attributes_by_which_it_is_selected(said: str) -> None:
    listed = Selection("party.id,id", {"state": ()})
    assert listed.order_in({"sort": said}) is None
    assert listed.sorted_by({"sort": said}, ("severity", "party.id", "id")) == said.replace("+", "").split(",")


@pytest.mark.parametrize("said", ["severity", "-severity", "--party.id", "party.id,id,name", ","])
def test_an_order_by_another_attribute_is_refused_and_the_refusal_names_those_of_the_list(said: str) -> None:
    for listed in (Selection("party.id,id"), Selection("party.id,id", is_sortable=False)):
        with pytest.raises(Refused) as told:
            listed.sorted_by({"sort": said}, ("state",))
        for problem in (told.value.parameters["problem"], told.value.parameters["problem_zh_cn"]):
            assert [each in problem for each in ("party.id,id", "-party.id,-id")] == [True, listed.is_sortable]
    with pytest.raises(Refused):
        Selection("-month", is_sortable=False).sorted_by({"sort": "state"}, ("state",))


def test_an_attribute_of_the_order_that_entries_lack_sorts_by_no_index_beside_another_one() -> None:
    listed = Selection("-orderDate", {"state": ()})
    assert not listed.sorted_by({"sort": "orderDate"}, ("id",))
    with pytest.raises(Refused) as told:
        listed.sorted_by({"sort": "state,orderDate"}, ("id",))
    assert told.value.reason == Reason.REASON_ATTRIBUTE_UNSUPPORTED


def test_a_list_is_sorted_by_few_attributes_and_by_each_of_them_once() -> None:
    paths = [f"p{number}" for number in range(MOST_ATTRIBUTES + 1)]
    listed = Selection("id")
    assert listed.sorted_by({"sort": ",".join(paths[1:])}, paths) == paths[1:]
    for said in (",".join(paths), "p0,p0", "p0,-p0", "p0,+p0"):
        with pytest.raises(Refused) as told:
            listed.sorted_by({"sort": said}, paths)
        assert (told.value.reason, told.value.parameters["field"]) == (Reason.REASON_REQUEST_INVALID, "sort")


def test_an_attribute_has_a_value_where_one_of_several_objects_has_it() -> None:
    told = {"id": "1", "open": True, "party": [{"role": "a", "at": {"n": 12.5}}, {"role": "b"}]}
    for path, value in (("id", "1"), ("open", "true"), ("party.role", "b"), ("party.at.n", "12.50")):
        assert has(told, path.split("."), (value,))
    for path, value in (
        ("id", "2"),
        ("id.x", "1"),
        ("party", "a"),
        ("party.role", "c"),
        ("none", "1"),
        ("open", "yes"),
        ("open", "1"),
        ("party.at.n", "many"),
    ):
        assert not has(told, path.split("."), (value,))
    assert has(told, ["id"], ("2", "1"))
    assert has({"value": 12.0}, ["value"], ("12",))


def test_the_paths_of_a_resource_lead_to_texts_numbers_and_flags_alone() -> None:
    text: Schema = {"type": "string"}
    inner: Schema = {"type": "array", "items": {"type": "object", "properties": {"role": text}}}
    names: Schema = {"type": "array", "items": text}
    node: Schema = {"type": "object", "properties": {"at": text, "below": {"type": "array", "items": {"$ref": "node"}}}}
    held: Mapping[str, Schema] = {"node": {"$ref": "node"}, "other": {"$ref": "other"}}
    properties: Mapping[str, Schema] = {"id": text, "party": inner, "name": names, **held}
    assert list(paths_of(properties, {"node": node})) == ["id", "party.role", "name", "node.at"]


def test_a_door_selects_by_what_the_rpc_does_not_select_by_or_only_roughly() -> None:
    selection = Selection("id", {"state": WORDS, "severity": WORDS}, rough=("severity",))
    query = {"state": "held", "severity": "held, failed", "name": " a,b ", "limit": "5"}
    assert within(query, selection, {"name": {"type": "string"}}) == {
        "severity": ["held", "failed"],
        "name": {"a", "b", "a,b"},
    }


def test_a_time_selects_the_same_instant_by_any_offset_and_what_is_no_time_is_refused() -> None:
    paths: Mapping[str, Schema] = {"at": {"type": "string", "format": TIME}}
    query = {"at": "2026-12-03T00:08:42.500+08:00, 2026-12-02T16:08:43Z"}
    assert within(query, Selection("id"), paths) == {"at": {"2026-12-02T16:08:42.500Z", "2026-12-02T16:08:43Z"}}
    for said in ("2026-12-03T00:08:42 08:00", "2026-12-03", "0000-01-01T00:00:00Z"):
        with pytest.raises(Refused, match="RFC 3339"):
            within({"at": said}, Selection("id"), paths)
