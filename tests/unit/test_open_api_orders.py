"""Orders as TMF622 has them: what maps comes back as it was, and nothing of a caller is passed over in silence."""

import contextlib
import json
from collections.abc import Mapping

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.complaint_pb2 import ComplaintClassification
from gateway.api.region.v1.order_pb2 import Note, Order, OrderError, OrderRequest, OrderState, Party, Quote, StateChange
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, LocalizedText, Money, Requester
from gateway.errors import Refused
from gateway.web.enum_words import told_word
from gateway.web.json_bodies import DEEPEST, LARGEST_BODY, Attributes, parsed
from gateway.web.routes import Api
from region_node.open_api.cancellations import answered_cancellation, order_to_cancel, told_cancellation
from region_node.open_api.product_ordering import PRODUCT_ORDERING, PRODUCT_ORDERING_V5
from region_node.open_api.product_orders import PRODUCT_ORDER, order_request, told_order
from region_node.open_api.resources import message_in, told_note, told_time
from region_node.open_api.versions import V4
from tests.unit.open_api_schemas import require_own_schema, require_schema

ROOT = "/tmf-api/productOrderingManagement/v4"
OPENAPI = "TMF622-ProductOrder-v4.0.0.swagger.json"
NOW = Timestamp(seconds=1_800_000_000)
ASKED = ("channel", "relatedParty", "productOrderItem", "document", "@type", "@baseType")
"""The attributes of an order that a new one is asked for by."""
ITEM: Mapping[str, object] = {"id": "1", "action": "add", "productOffering": {"id": "NEW_LINE"}}
NEW: Mapping[str, object] = {
    "productOrderItem": [ITEM],
    "relatedParty": [{"id": "holder", "role": "applicant"}],
}
"""An order that lacks nothing."""

texts = st.text(st.characters(exclude_categories=["C"]), max_size=8)
documents = st.builds(
    Document,
    code=texts,
    verifier=texts,
    verify_time=st.just(NOW),
    keyed_hash=st.binary(max_size=32),
    document_id=texts,
)
requests = st.builds(
    OrderRequest,
    business=texts.filter(bool),
    number=texts,
    applicant=st.sampled_from(Applicant.values()[1:]),
    documents=st.lists(documents, max_size=2),
    characteristics=st.dictionaries(texts, texts, max_size=3),
    requester=st.builds(Requester, staff_id=st.sampled_from(["", "wang"]), channel=st.sampled_from(Channel.values())),
)
times = st.none() | st.builds(Timestamp, seconds=st.integers(0, 2**31), nanos=st.sampled_from([0, 5, 120_000_000]))
orders = st.builds(
    Order,
    id=texts,
    state=st.sampled_from([each for each in OrderState.values() if each != OrderState.ORDER_STATE_PARTIAL]),
    request=requests,
    origin_region=texts,
    operator=texts,
    home_region=texts,
    create_time=times,
    completion_time=times,
    cancellation_time=times,
    cancellation_reason=texts,
    product_id=texts,
    notes=st.lists(st.builds(Note, author=texts, text=texts, time=st.just(NOW)), max_size=2),
    state_changes=st.lists(st.builds(StateChange, region=texts, time=times), max_size=2),
)
names = st.sampled_from([*ASKED, "id", "role", "action", "product", "productOffering", "realizingResource", "note"])


def objects(inner: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    """JSON objects whose attributes are mostly known."""
    return st.dictionaries(names, inner, max_size=4)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=2) | objects(inner)
)


def read(body: Mapping[str, object], requester: Requester | None = None) -> OrderRequest:
    """The request of a body that came as JSON."""
    attributes = parsed(json.dumps(body).encode())
    made = order_request(attributes, requester or Requester(), V4)
    attributes.close()
    return made


def attributes(told: object) -> list[dict[str, object]]:
    """The objects of an array of an answer."""
    assert isinstance(told, list)
    return told


def asked_again(order: Order) -> dict[str, object]:
    """The body by which the order of an answer would be asked for."""
    told = told_order(order, ROOT, "en")
    body = {name: told[name] for name in ASKED if name in told}
    parties = [each for each in attributes(told.get("relatedParty", [])) if each["role"] in ("applicant", "requester")]
    for item in attributes(body["productOrderItem"]):
        item.pop("state", None)
    return {**body, "relatedParty": parties}


def refused(body: Mapping[str, object]) -> tuple[Reason.ValueType, str]:
    """The reason for which a body is refused, and what it names."""
    with pytest.raises(Refused) as told:
        read(body)
    return told.value.reason, told.value.parameters.get("attribute") or told.value.parameters["field"]


def full_order() -> Order:
    """An order in which everything is set."""
    order = Order(
        id="guangdong/counter/R1",
        state=OrderState.ORDER_STATE_PENDING,
        request=OrderRequest(
            business="SUSPEND",
            number="+8619851000001",
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[Document(code="ID_ORIG", verifier="wang", verify_time=NOW, keyed_hash=bytes(32))],
            characteristics={"reason": "abroad"},
            requester=Requester(staff_id="wang", channel=Channel.CHANNEL_COUNTER),
        ),
        origin_region="guangdong",
        operator="counter",
        home_region="sichuan",
        create_time=NOW,
        expected_completion_time=NOW,
        completion_time=NOW,
        cancellation_time=NOW,
        cancellation_reason="changed my mind",
        quote=Quote(
            description=LocalizedText(zh_cn="报价", en="an offer"), amount=Money(minor_units=1250, currency="CNY")
        ),
        documents_requested=["SIM"],
        error=OrderError(reason=Reason.REASON_NUMBER_INVALID, message=LocalizedText(zh_cn="号码无效", en="invalid")),
        results={"balance": "5000"},
        product_id="P1",
    )
    order.awaiting.party, order.awaiting.action = Party.PARTY_CUSTOMER, "confirm"
    order.state_changes.add(state=OrderState.ORDER_STATE_ACKNOWLEDGED, time=NOW, region="guangdong")
    order.notes.add(author="sichuan/li", time=NOW, text="which SIM?")
    order.expedites.add(time=NOW, staff_id="wang")
    order.jeopardy_alerts.add(alert_time=NOW, region="guangdong", message="late")
    return order


@given(requests)
def test_what_is_told_of_a_request_asks_for_the_same_again(request: OrderRequest) -> None:
    assert read(asked_again(Order(id="guangdong/counter/R1", request=request))) == request


@given(orders)
def test_each_order_is_told_with_its_own_values_whatever_orders_of_its_shape_were_told_before(order: Order) -> None:
    told = told_order(order, ROOT, "en")
    assert told.text == json.dumps(dict(told), ensure_ascii=False, separators=(",", ":"))
    own = {
        "id": order.id,
        "state": told_word(OrderState.DESCRIPTOR, order.state),
        "orderDate": told_time(order, "create_time"),
        "completionDate": told_time(order, "completion_time"),
        "cancellationDate": told_time(order, "cancellation_time"),
        "cancellationReason": order.cancellation_reason,
        "note": [told_note(each.author, each.time, each.text) for each in order.notes],
        "stateChange": [MessageToDict(each) for each in order.state_changes],
    }
    assert {name: told[name] for name in own if name in told} == {name: value for name, value in own.items() if value}
    (item,) = attributes(told["productOrderItem"])
    product = item.get("product", {})
    assert isinstance(product, dict)
    assert (product.get("id", ""), item.get("state", "")) == (order.product_id, own["state"])
    parties = {str(each["role"]): each["id"] for each in attributes(told.get("relatedParty", []))}
    told_parties = [parties.get(role, "") for role in ("requester", "originRegion", "homeRegion", "operator")]
    staff = order.request.requester.staff_id
    assert told_parties == [staff, order.origin_region, order.home_region, order.operator]


@given(objects(values))
def test_any_object_is_a_request_or_refused_and_never_a_defect(body: dict[str, object]) -> None:
    with contextlib.suppress(Refused):
        read(body)


@pytest.mark.parametrize(
    ("changed", "attribute"),
    [
        ({"priority": "1"}, "priority"),
        ({"note": [{"text": "please"}]}, "note"),
        ({"requestedStartDate": "2027-01-01T00:00:00Z"}, "requestedStartDate"),
        ({"payment": [{"id": "1"}]}, "payment"),
        ({"@type": "OtherOrder"}, "@type"),
        ({"relatedParty": [{"id": "x", "role": "payer"}]}, "relatedParty[0].role"),
        ({"channel": [{"id": "web"}, {"id": "app"}]}, "channel"),
        ({"productOrderItem": 2 * [{"id": "1", "action": "add"}]}, "productOrderItem"),
        ({"productOrderItem": [{**ITEM, "action": "delete"}]}, "productOrderItem[0].action"),
        ({"productOrderItem": [{**ITEM, "quantity": 2}]}, "productOrderItem[0].quantity"),
        ({"productOrderItem": [{**ITEM, "itemTerm": []}]}, "productOrderItem[0].itemTerm"),
    ],
)
def test_what_an_order_would_not_heed_is_refused_by_its_name(changed: dict[str, object], attribute: str) -> None:
    assert refused({**NEW, **changed}) == (Reason.REASON_ATTRIBUTE_UNSUPPORTED, attribute)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"channel": [{"id": "pigeon"}]}, "channel[0].id"),
        ({"channel": "web"}, "channel"),
        ({"relatedParty": [{"id": "king", "role": "applicant"}]}, "relatedParty[0].id"),
        ({"relatedParty": 2 * [{"id": "holder", "role": "applicant"}]}, "relatedParty[1].role"),
        ({"document": [{"code": 5}]}, "document[0]"),
        ({"document": [{"unknown": "x"}]}, "document[0]"),
        ({"productOrderItem": [5]}, "productOrderItem[0]"),
        ({"productOrderItem": []}, "productOrderItem"),
        ({"productOrderItem": [{"id": "1", "action": "add"}]}, "productOrderItem[0].productOffering.id"),
        ({"relatedParty": []}, "relatedParty"),
    ],
)
def test_what_has_another_form_is_refused_by_its_place(changed: dict[str, object], field: str) -> None:
    assert refused({**NEW, **changed}) == (Reason.REASON_REQUEST_INVALID, field)


def test_a_requester_of_the_headers_is_not_replaced_by_one_of_the_body() -> None:
    clerk, holder = Requester(staff_id="wang", channel=Channel.CHANNEL_WEB), Applicant.APPLICANT_HOLDER
    order = Order(request=OrderRequest(business="NEW_LINE", applicant=holder, requester=clerk))
    body = asked_again(order)
    assert read(body, order.request.requester).requester == order.request.requester
    for other in (Requester(staff_id="li"), Requester(channel=Channel.CHANNEL_APP)):
        with pytest.raises(Refused, match="differs"):
            read(body, other)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"5",
        b'{"a": NaN}',
        b'{"a": 1e400}',
        b'{"a": [-1e400]}',
        b'{"a": 1, "a": 2}',
        b"\xff\xfe",
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1) + b"}",
        b"[" * 200_000,
        b'"' + b'\\"' * 100_000,
    ],
)
def test_a_body_that_is_no_plain_json_object_is_refused_before_it_costs_anything(data: bytes) -> None:
    with pytest.raises(Refused) as told:
        parsed(data)
    assert told.value.reason == Reason.REASON_REQUEST_INVALID


def test_a_number_beyond_that_of_its_field_is_refused_by_the_place() -> None:
    said = parsed(b'{"result": {"confidence": ' + b"9" * 400 + b"}}").object("result")
    with pytest.raises(Refused) as told:
        message_in(said, ComplaintClassification())
    assert told.value.parameters["field"] == "result"


def test_a_body_beyond_the_limit_is_refused_and_brackets_in_texts_are_not_counted() -> None:
    with pytest.raises(Refused) as told:
        parsed(b" " * (LARGEST_BODY + 1))
    assert told.value.reason == Reason.REASON_MESSAGE_TOO_LARGE
    assert parsed(b'{"a": "' + b"[{" * 1000 + b'\\""}').text("a").endswith('"')


def test_a_price_is_told_in_major_units_and_its_text_in_the_language_of_the_caller() -> None:
    for language, words in (("en", "an offer"), ("zh-CN", "报价")):
        (price,) = attributes(told_order(full_order(), ROOT, language)["orderTotalPrice"])
        assert price["description"] == words
        assert price["price"] == {"taxIncludedAmount": {"unit": "CNY", "value": 12.5}}


def test_an_order_of_which_little_is_known_is_told_without_what_is_not_known() -> None:
    buried = Order(id="guangdong/counter/R1", operator="counter", state=OrderState.ORDER_STATE_CANCELLED)
    (item,) = attributes(told_order(buried, ROOT, "en")["productOrderItem"])
    assert "productOffering" not in item
    own = Order(id="guangdong/node/complaints/1", operator="node/complaints")
    assert "externalId" not in told_order(own, ROOT, "en")


def test_a_cancellation_is_told_by_the_state_of_its_order() -> None:
    order = full_order()
    with pytest.raises(Refused) as told:
        told_cancellation(order, ROOT)
    assert told.value.reason == Reason.REASON_CANCELLATION_NOT_FOUND
    assert answered_cancellation(order, ROOT)["state"] == "terminatedWithError"
    for state, word in (
        (OrderState.ORDER_STATE_ASSESSING_CANCELLATION, "inProgress"),
        (OrderState.ORDER_STATE_CANCELLED, "done"),
        (OrderState.ORDER_STATE_COMPLETED, "terminatedWithError"),
    ):
        order.state = state
        order.state_changes.add(state=state)
        assert told_cancellation(order, ROOT)["state"] == word


def test_a_cancellation_names_its_order_and_has_no_date_of_its_own() -> None:
    body = {"productOrder": {"id": "guangdong/counter/R1"}, "cancellationReason": "changed my mind"}
    assert order_to_cancel(Attributes(body, ""), V4) == ("guangdong/counter/R1", "changed my mind")
    later = parsed(json.dumps({**body, "requestedCancellationDate": "2027-01-01T00:00:00Z"}).encode())
    order_to_cancel(later, V4)
    with pytest.raises(Refused, match="requestedCancellationDate"):
        later.close()


def test_what_is_told_beyond_tmf622_has_the_schema_that_it_names() -> None:
    told = told_order(full_order(), ROOT, "en")
    require_own_schema(told, PRODUCT_ORDER)
    with pytest.raises(AssertionError):
        require_own_schema({**told, "document": [{"code": "ID", "unknown": 1}]}, PRODUCT_ORDER)


def test_what_is_told_has_the_schema_of_tm_forum() -> None:
    cancelled = full_order()
    cancelled.state = OrderState.ORDER_STATE_CANCELLED
    require_schema(OPENAPI, "ProductOrder", told_order(full_order(), ROOT, "en"), PRODUCT_ORDER)
    require_schema(OPENAPI, "CancelProductOrder", told_cancellation(cancelled, ROOT), None)


def test_attributes_of_the_contract_that_nobody_wants_are_not_written() -> None:
    order = full_order()
    told = told_order(order, ROOT, "en", ("id", "href", "state", "stateChange"))
    assert not told.keys() & (PRODUCT_ORDER.paths.keys() - {"stateChange"})
    assert {name: told[name] for name in ("id", "state", "stateChange")}.items() <= told_order(
        order, ROOT, "en"
    ).items()


@pytest.mark.parametrize(("api", "time"), [(PRODUCT_ORDERING, "orderDate"), (PRODUCT_ORDERING_V5, "creationDate")])
def test_cancellations_are_sorted_beside_other_attributes_by_no_time_that_they_do_not_tell(api: Api, time: str) -> None:
    (listed,) = [each for each in api.routes if (each.verb, each.path) == ("GET", "/cancelProductOrder")]
    assert not listed.selection.sorted_by({"sort": f"-{time}"}, listed.paths)
    with pytest.raises(Refused) as told:
        listed.selection.sorted_by({"sort": f"state,{time}"}, listed.paths)
    assert told.value.reason == Reason.REASON_ATTRIBUTE_UNSUPPORTED
