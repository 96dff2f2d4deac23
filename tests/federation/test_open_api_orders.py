"""TMF622 at a real node: the same orders, rights, refusals and audit rows as by gRPC, for callers who speak HTTP."""

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote

import pytest
from google.protobuf.json_format import MessageToDict

from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.order_pb2 import OrderRequest, OrderState
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Requester
from gateway.security.identity import parse
from gateway.security.tls import Credentials
from gateway.web import listed
from gateway.web.refusing import MERGE_PATCH
from tests.federation.certificates import FEDERATION, new_authority
from tests.federation.counter import REQUESTER, Counter, seconds
from tests.federation.databases import Row
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.web_caller import (
    API,
    CANCELLATIONS,
    CLERK,
    NO_CONNECTION,
    ORDERS,
    WebAnswer,
    WebCaller,
    by_http_places,
    order_path,
    web_caller,
)

JSON = "application/json"
COUNTER = "region/guangdong/operator/counter"
VALID = (datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1))


@pytest.fixture
def web(federation: Federation, guangdong: Counter) -> WebCaller:
    """The counter in Guangdong, speaking HTTP."""
    return web_caller(federation, guangdong.path)


def product_order(request: OrderRequest, **changed: object) -> dict[str, object]:
    """A request as a ProductOrder of a caller who names the requester by headers."""
    characteristics = [{"name": name, "value": value} for name, value in request.characteristics.items()]
    item = {
        "id": "1",
        "action": "modify",
        "productOffering": {"id": request.business},
        "product": {"realizingResource": [{"id": request.number}], "productCharacteristic": characteristics},
    }
    return {
        "productOrderItem": [item],
        "relatedParty": [{"id": "holder", "role": "applicant", "@referredType": "Individual"}],
        "document": [MessageToDict(each) for each in request.documents],
        **changed,
    }


def audited(federation: Federation, path: str) -> list[Row]:
    """The audit rows of a caller in Guangdong, oldest first."""
    query = "SELECT action, subject, detail FROM audit WHERE actor = ? ORDER BY sequence"
    return federation.database("guangdong").rows(query, path)


def get(order_id: str, requester: Requester = REQUESTER) -> order_api.GetOrderRequest:
    """A reading by gRPC."""
    return order_api.GetOrderRequest(order_id=order_id, requester=requester)


def orders_of(federation: Federation, path: str) -> OrderServiceStub:
    """The order service of Guangdong, by gRPC."""
    return OrderServiceStub(federation.dial_node("guangdong", path))


async def test_an_order_by_http_is_the_same_order_by_grpc_and_a_repeat_makes_no_other(
    federation: Federation, web: WebCaller, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    request, key = guangdong.request("SUSPEND", number), federation.next_id()
    body = product_order(request)
    first = await web.ask("POST", ORDERS, body, Idempotency_Key=key, Prefer="wait=10")
    again = await web.ask("POST", ORDERS, {**body, "externalId": key}, Idempotency_Key=f'"{key}"', Prefer="wait=10")
    order_id = f"guangdong/counter/{key}"
    assert (first.status, again.status) == (HTTPStatus.CREATED, HTTPStatus.CREATED)
    assert first.body["id"] == again.body["id"] == order_id
    assert first.headers["location"] == first.body["href"] == order_path(order_id)
    assert (await guangdong.get(order_id)).request == request
    assert (await guangdong.submit(request, request_id=key)).id == order_id
    read = await web.ask("GET", order_path(order_id))
    assert (read.status, read.body["state"], read.headers["content-type"]) == (
        HTTPStatus.OK,
        "completed",
        "application/json; charset=utf-8",
    )
    assert str(read.body["orderDate"]).endswith("Z")
    few = await web.ask("GET", f"{order_path(order_id)}?fields=state,orderDate")
    assert set(few.body) == {"id", "href", "@type", "state", "orderDate"}


async def test_a_list_has_what_its_filter_selects_and_says_how_much_there_is(
    federation: Federation, web: WebCaller, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    ids = [(await guangdong.order("PAY", number, amount=str(100 + index))).id for index in range(3)]
    await guangdong.order("SUSPEND", number)
    query = f"productOrderItem.product.realizingResource.id={quote(number)}&productOrderItem.productOffering.id=PAY"
    listed = await web.ask("GET", f"{ORDERS}?{query}&state=completed,failed&limit=2&fields=state")
    assert [each["id"] for each in listed.bodies] == [ids[2], ids[1]]
    assert {"x-total-count": "3", "x-result-count": "2"}.items() <= listed.headers.items()
    second = await web.ask("GET", f"{ORDERS}?{query}&offset=2&limit=2")
    assert [each["id"] for each in second.bodies] == [ids[0]]
    assert (second.headers["x-total-count"], "link" in second.headers) == ("3", False)
    target, _, kind = listed.headers["link"].partition(">; ")
    following = await web.ask("GET", target.removeprefix("<"))
    assert (kind, [each["id"] for each in following.bodies]) == ('rel="next"', [ids[0]])
    assert "x-total-count" not in following.headers, "each page of a list counted all of it again"
    none = await web.ask("GET", f"{ORDERS}?{query}&state=held")
    assert (none.bodies, none.headers["x-total-count"]) == ([], "0")
    by_grpc = order_api.ListOrdersRequest(number=number, page_size=1, skip=3, requester=REQUESTER)
    answer = await guangdong.orders.ListOrders(by_grpc, timeout=CALL_SECONDS)
    assert [each.id for each in answer.orders] == [ids[0]]
    assert not answer.HasField("total_size")


async def test_a_request_that_selects_by_any_attribute_reads_so_many_orders_and_links_on(
    federation: Federation, web: WebCaller, guangdong: Counter, sichuan: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await sichuan.new_customer()
    ids = [(await guangdong.order("PAY", number, amount=str(100 + index))).id for index in range(7)]
    monkeypatch.setattr(listed, "LARGEST_PAGE_SIZE", 1)
    query = f"productOrderItem.product.realizingResource.id={quote(number)}&fields=id"
    before = len(audited(federation, guangdong.path))
    none = await web.ask("GET", f"{ORDERS}?{query}&id={quote(ids[0])}")
    assert (none.status, none.bodies, "x-total-count" in none.headers) == (HTTPStatus.OK, [], False)
    assert len(audited(federation, guangdong.path)) - before == 4
    found = await web.ask("GET", none.headers["link"].partition(">; ")[0].removeprefix("<"))
    assert [each["id"] for each in found.bodies] == [ids[0]]
    oldest = await web.ask("GET", f"{ORDERS}?{query}&id={quote(ids[0])}&sort=orderDate&limit=1")
    assert [each["id"] for each in oldest.bodies] == [ids[0]]
    far = await web.ask("GET", f"{ORDERS}?{query}&id={quote(ids[0])}&offset=1")
    assert (far.status, far.body["code"]) == (HTTPStatus.BAD_REQUEST, "REQUEST_INVALID")
    assert "Link" in str(far.body["reason"])


async def test_an_order_is_cancelled_and_its_cancellation_is_read(
    federation: Federation, web: WebCaller, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    start = (federation.clock.now() + timedelta(hours=1)).isoformat()
    order = await guangdong.order("SUSPEND", number, start=start)
    body = {"productOrder": {"id": order.id}, "cancellationReason": "changed my mind"}
    none = await web.ask("GET", f"{CANCELLATIONS}/{quote(order.id, safe='')}")
    assert (none.status, none.body["code"]) == (HTTPStatus.NOT_FOUND, "CANCELLATION_NOT_FOUND")
    key = federation.next_id()
    asked = [await web.ask("POST", CANCELLATIONS, body, Idempotency_Key=key, Prefer="wait=10") for _ in range(2)]
    assert [each.status for each in asked] == [HTTPStatus.CREATED, HTTPStatus.CREATED]
    assert (asked[0].body["state"], asked[0].body["cancellationReason"]) == ("done", "changed my mind")
    read = await web.ask("GET", asked[0].headers["location"])
    assert read.body == asked[0].body
    listed = await web.ask("GET", f"{CANCELLATIONS}?state=done&fields=productOrder")
    assert order.id in [each["id"] for each in listed.bodies]
    assert (await guangdong.get(order.id)).state == OrderState.ORDER_STATE_CANCELLED


async def test_a_merge_patch_cancels_an_order_once_and_changes_nothing_else(
    federation: Federation, web: WebCaller, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    start = (federation.clock.now() + timedelta(hours=1)).isoformat()
    place = order_path((await guangdong.order("SUSPEND", number, start=start)).id)
    said = {"Content_Type": MERGE_PATCH, "Idempotency_Key": federation.next_id(), "Prefer": "wait=10"}
    other: list[tuple[str, dict[str, object]]] = [
        ("state", {"state": "completed"}),
        ("state", {"cancellationReason": "changed my mind"}),
        ("note", {"note": [{"text": "changed my mind"}]}),
    ]
    for attribute, body in other:
        refused = await web.ask("PATCH", place, body, **said)
        assert (refused.status, refused.body["code"]) == (HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED")
        assert f"attribute: {attribute}" in str(refused.body["message"])
    change = {"state": "cancelled", "cancellationReason": "changed my mind"}
    told = [await web.ask("PATCH", place, change, **said) for _ in range(2)]
    assert [each.status for each in told] == 2 * [HTTPStatus.OK]
    assert (told[0].body["state"], told[0].body["cancellationReason"]) == ("cancelled", "changed my mind")
    assert told[0].body == told[1].body == (await web.ask("GET", place)).body
    done = order_path((await guangdong.order("SUSPEND", await guangdong.new_customer())).id)
    late = await web.ask("PATCH", done, change, **{**said, "Idempotency_Key": federation.next_id()})
    assert (late.status, late.body["code"]) == (HTTPStatus.UNPROCESSABLE_ENTITY, "ORDER_TOO_LATE_TO_CANCEL")


async def test_both_doors_refuse_for_the_same_reasons_in_the_same_words(
    federation: Federation, web: WebCaller, guangdong: Counter, sichuan: Counter
) -> None:
    number, used = await sichuan.new_customer(), federation.next_id()
    request = guangdong.request("SUSPEND", number)
    done = await guangdong.submit(request, request_id=used)
    other = guangdong.request("SUSPEND", number, reason="at home")
    unknown, wrong = guangdong.request("NOTHING", number), guangdong.request("SUSPEND", "12")
    nobody = WebCaller(web.port_file, web.authority, web.credentials, {})

    def submit(order: OrderRequest, request_id: str) -> Awaitable[object]:
        message = order_api.SubmitOrderRequest(request_id=request_id, order=order, wait=seconds(10))
        return guangdong.orders.SubmitOrder(message, timeout=CALL_SECONDS)

    def post(order: OrderRequest, request_id: str) -> Awaitable[WebAnswer]:
        return web.ask("POST", ORDERS, product_order(order), Idempotency_Key=request_id, Prefer="wait=10")

    def cancel() -> Awaitable[object]:
        return guangdong.cancel(done.id)

    cancellation = {"productOrder": {"id": done.id}, "cancellationReason": "changed my mind"}
    later = {"Idempotency_Key": federation.next_id(), "Prefer": "wait=10"}
    read = guangdong.orders.GetOrder
    nothing = "guangdong/counter/none"
    cases: list[tuple[Awaitable[object], Awaitable[WebAnswer], HTTPStatus]] = [
        (
            read(get(nothing), timeout=CALL_SECONDS),
            web.ask("GET", order_path(nothing)),
            HTTPStatus.NOT_FOUND,
        ),
        (
            read(get(done.id, Requester()), timeout=CALL_SECONDS),
            nobody.ask("GET", order_path(done.id)),
            HTTPStatus.BAD_REQUEST,
        ),
        (submit(request, ""), post(request, ""), HTTPStatus.BAD_REQUEST),
        (submit(other, used), post(other, used), HTTPStatus.CONFLICT),
        (submit(wrong, "W1"), post(wrong, "W2"), HTTPStatus.BAD_REQUEST),
        (submit(unknown, "U1"), post(unknown, "U2"), HTTPStatus.NOT_FOUND),
        (cancel(), web.ask("POST", CANCELLATIONS, cancellation, **later), HTTPStatus.UNPROCESSABLE_ENTITY),
    ]
    for by_grpc, by_http, status in cases:
        told, before = await refusal(by_grpc), len(audited(federation, guangdong.path))
        answer = await by_http
        assert (answer.status, answer.body["code"], answer.body["reason"]) == (
            status,
            told.reason,
            by_http_places(told.texts["en"]),
        )
        assert len(audited(federation, guangdong.path)) == before, "a refusal wrote a row at one door"
    told = await refusal(read(get(nothing), timeout=CALL_SECONDS))
    chinese = await web.ask("GET", order_path(nothing), Accept_Language="zh-CN,zh;q=0.9,en;q=0.8")
    assert (chinese.body["reason"], chinese.headers["content-language"]) == (told.texts["zh-CN"], "zh-CN")


async def test_both_doors_write_the_same_audit_rows(
    federation: Federation, web: WebCaller, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    rows = []
    for is_http in (False, True):
        key, before = federation.next_id(), len(audited(federation, guangdong.path))
        if is_http:
            body = product_order(guangdong.request("PAY", number))
            assert (await web.ask("POST", ORDERS, body, Idempotency_Key=key)).status == HTTPStatus.CREATED
            assert (await web.ask("GET", order_path(f"guangdong/counter/{key}"))).status == HTTPStatus.OK
            assert (await web.ask("GET", f"{ORDERS}?limit=1")).status == HTTPStatus.OK
        else:
            await guangdong.submit(guangdong.request("PAY", number), request_id=key, wait=0)
            await guangdong.get(f"guangdong/counter/{key}")
            asked = order_api.ListOrdersRequest(page_size=1, requester=REQUESTER)
            await guangdong.orders.ListOrders(asked, timeout=CALL_SECONDS)
        found = audited(federation, guangdong.path)[before:]
        rows.append([tuple(str(each).replace(key, "<key>") for each in row) for row in found])
    assert rows[0] == rows[1]
    assert len(rows[0]) >= 3


@pytest.mark.parametrize("path", ["region/sichuan/operator/{}", "region/{}", "monitor/{}"])
async def test_who_may_not_call_the_rpc_may_not_by_http_and_a_row_says_so(federation: Federation, path: str) -> None:
    # A denial of the same caller within a minute has no row of its own.
    path = path.format(federation.next_id().lower())
    answer = await web_caller(federation, path).ask("POST", ORDERS, b"never read")
    told = await refusal(orders_of(federation, path).GetOrder(get("any"), timeout=CALL_SECONDS))
    assert (answer.status, answer.body["code"]) == (HTTPStatus.FORBIDDEN, told.reason)
    service = "/gateway.api.region.v1.OrderService"
    rows = [("DENIED", f"{service}/{rpc}", "PERMISSION_DENIED") for rpc in ("SubmitOrder", "GetOrder")]
    assert audited(federation, path) == rows


async def test_a_member_of_staff_is_proven_by_the_same_token_and_named_by_nobody_else(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    path, number = f"region/guangdong/operator/{federation.next_id()}", await sichuan.new_customer()
    web, body = web_caller(federation, path), product_order(guangdong.request("PAY", number))
    federation.acting[path] = "wang"
    proof = f"Bearer {federation.staff_proof(path)}"
    told = {"Idempotency_Key": federation.next_id(), "Authorization": proof}
    other = await web.ask("POST", ORDERS, body, **told)
    assert (other.status, other.body["code"]) == (HTTPStatus.FORBIDDEN, "STAFF_DIFFERS")
    own = await web.ask("POST", ORDERS, body, Requester_Staff_Id="wang", **told)
    assert own.status == HTTPStatus.CREATED
    assert {"id": "wang", "role": "requester", "@referredType": "Individual"} in own.body["relatedParty"]  # type: ignore[operator]
    forged = await web.ask("GET", order_path(str(own.body["id"])), Authorization=f"{proof}x")
    assert (forged.status, forged.body["code"]) == (HTTPStatus.UNAUTHORIZED, "STAFF_PROOF_INVALID")


async def test_nobody_is_served_without_a_certificate_of_the_federation(federation: Federation, web: WebCaller) -> None:
    foreign = new_authority().issue_tls(parse(f"spiffe://{FEDERATION}/{COUNTER}", FEDERATION), *VALID)
    folder = federation.directory / "foreign"
    folder.mkdir()
    own = Credentials(web.authority, folder / "tls.crt", folder / "tls.key")
    own.certificate.write_bytes(foreign.certificate_pem)
    own.key.write_bytes(foreign.key_pem)
    for credentials in (None, own):
        with pytest.raises(NO_CONNECTION):
            await WebCaller(web.port_file, web.authority, credentials, CLERK).ask("GET", ORDERS)


@pytest.mark.parametrize(
    ("headers", "data", "status", "code"),
    [
        ({}, b"{", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ({}, b"[" * 100_000, HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ({}, b'{"productOrderItem": [], "note": []}', HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED"),
        ({}, b" " * (256 * 1024 + 1), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "MESSAGE_TOO_LARGE"),
        ({"Content_Type": "text/xml"}, b"<a/>", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "MEDIA_TYPE_UNSUPPORTED"),
        (
            {"Content_Type": "application/json; charset=gbk"},
            b"{}",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "MEDIA_TYPE_UNSUPPORTED",
        ),
        ({"Content_Encoding": "gzip"}, b"\x1f\x8b", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "MEDIA_TYPE_UNSUPPORTED"),
        ({"Requester_Channel": "pigeon"}, b"{}", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
    ],
)
async def test_a_body_that_is_none_is_refused_by_its_kind(
    web: WebCaller, headers: dict[str, str], data: bytes, status: HTTPStatus, code: str
) -> None:
    answer = await web.ask("POST", ORDERS, data, **headers)
    assert (answer.status, answer.body["code"], answer.body["@type"]) == (status, code, "Error")
    assert answer.body["status"] == str(int(status))


@pytest.mark.parametrize(
    ("verb", "path", "status", "code"),
    [
        ("DELETE", ORDERS, HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_UNKNOWN"),
        ("DELETE", f"{ORDERS}/any", HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_UNKNOWN"),
        ("GET", f"{ORDERS}s", HTTPStatus.NOT_FOUND, "METHOD_UNKNOWN"),
        ("GET", f"{ORDERS}?note=x", HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED"),
        ("GET", f"{ORDERS}?note.text=", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("GET", f"{ORDERS}?state=", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("GET", f"{ORDERS}?state=unknown", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("GET", f"{ORDERS}?limit=0", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("GET", f"{ORDERS}?limit=501", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("GET", f"{ORDERS}?offset=-1", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("GET", f"{ORDERS}?offset=4001", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("GET", f"{ORDERS}?state=,", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("GET", f"{ORDERS}?awaiting.party=%20", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        (
            "GET",
            f"{ORDERS}?productOrderItem.productOffering.id=A,B",
            HTTPStatus.BAD_REQUEST,
            "ATTRIBUTE_UNSUPPORTED",
        ),
        ("GET", f"{ORDERS}?pageToken=x", HTTPStatus.BAD_REQUEST, "TOKEN_INVALID"),
        ("GET", f"{ORDERS}?limit=1&limit=2", HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED"),
    ],
)
async def test_what_nobody_serves_is_refused_in_the_form_of_tm_forum(
    web: WebCaller, verb: str, path: str, status: HTTPStatus, code: str
) -> None:
    answer = await web.ask(verb, path)
    assert (answer.status, answer.body["code"], "reason" in answer.body) == (status, code, True)
    assert ("allow" in answer.headers) == (status == HTTPStatus.METHOD_NOT_ALLOWED)


async def test_head_is_answered_as_get_without_a_body(web: WebCaller) -> None:
    for path in (ORDERS, order_path("guangdong/none")):
        whole, head = await web.ask("GET", path), await web.ask("HEAD", path)
        assert (head.status, head.text) == (whole.status, "")
        assert head.headers["content-type"] == whole.headers["content-type"]
    assert (await web.ask("HEAD", CANCELLATIONS)).status == (await web.ask("GET", CANCELLATIONS)).status


async def test_the_schema_that_an_order_names_is_read_by_those_who_read_orders(
    federation: Federation, web: WebCaller
) -> None:
    path = f"{API}/schema/CrossregionProductOrder.schema.json"
    assert "document" in (await web.ask("GET", path)).body["properties"]  # type: ignore[operator]
    stranger = await web_caller(federation, "region/sichuan/operator/counter").ask("GET", path)
    assert stranger.status == HTTPStatus.FORBIDDEN
