"""Orders as TMF622 ProductOrder (v4), and back. Pure.

One order has one item. Its offering is the business, the realizing resource of its product the number. Attributes
beyond TMF622 belong to the type `CrossregionProductOrder`, in the JSON of the contract. Attributes of a request without
a counterpart are refused, never left out.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.errors import invalid
from gateway.web.enum_words import number_of, told_word
from gateway.web.json_bodies import Attributes, unsupported
from gateway.web.refusals import CHINESE

ORDER = "productOrder"
TYPE, BASE_TYPE = "CrossregionProductOrder", "ProductOrder"
SCHEMA = "schema/CrossregionProductOrder.schema.json"
ADD, MODIFY = "add", "modify"
_APPLICANT, _REQUESTER = "applicant", "requester"
_PARTIES = {"origin_region": "originRegion", "home_region": "homeRegion", "operator": "operator"}
"""Fields of an order that name a party, and the role of that party."""
_OF_NODE = "/"
"""A part of the operator of an order that the node has made itself, which no other system has given an id."""
_TEXT = "string"
Json = dict[str, object]


def href_of(root: str, resource: str, order_id: str) -> str:
    """Where an order is read: its id has slashes, which a path takes only when they are written otherwise."""
    return f"{root}/{resource}/{quote(order_id, safe='')}"


def told_order(order: Order, root: str, language: str) -> Json:
    """An order as a ProductOrder."""
    told: Json = {
        "id": order.id,
        "href": href_of(root, ORDER, order.id),
        "externalId": "" if _OF_NODE in order.operator else order.id.rpartition("/")[2],
        "state": told_word(OrderState.DESCRIPTOR, order.state),
        "orderDate": told_time(order, "create_time"),
        "expectedCompletionDate": told_time(order, "expected_completion_time"),
        "completionDate": told_time(order, "completion_time"),
        "cancellationDate": told_time(order, "cancellation_time"),
        "cancellationReason": order.cancellation_reason,
        "channel": _told_channel(order.request.requester),
        "relatedParty": _told_parties(order),
        "note": [
            {"author": each.author, "date": each.time.ToJsonString(), "text": each.text, "@type": "Note"}
            for each in order.notes
        ],
        "orderTotalPrice": _told_price(order, language),
        "productOrderItem": [_told_item(order)],
        "document": _messages(order.request.documents),
        "documentRequested": list(order.documents_requested),
        "awaiting": _message(order, "awaiting"),
        "error": _message(order, "error"),
        "stateChange": _messages(order.state_changes),
        "expedite": _messages(order.expedites),
        "jeopardyAlert": _messages(order.jeopardy_alerts),
        "result": dict(order.results),
        "@type": TYPE,
        "@baseType": BASE_TYPE,
        "@schemaLocation": f"{root}/{SCHEMA}",
    }
    return without_empty(told)


def order_request(body: Attributes, requester: Requester) -> OrderRequest:
    """The request of a ProductOrder, by a requester as far as one is known from elsewhere.

    Raises Refused for what is of another form, and with ATTRIBUTE_UNSUPPORTED for what the order would not heed.
    """
    require_type(body, TYPE, BASE_TYPE)
    request = OrderRequest(requester=requester)
    _take_channel(body, request.requester)
    for party in body.objects("relatedParty"):
        _take_party(party, request)
    items = body.objects("productOrderItem")
    if len(items) != 1:
        raise unsupported(
            body.at("productOrderItem"),
            "an order has one item; JointOrderService takes several",
            "一张订单只有一项；多项订单请用JointOrderService",
        )
    _take_item(items[0], request)
    for document in body.objects("document"):
        request.documents.append(_document(document))
    return request


def require_type(body: Attributes, *names: str) -> None:
    """Raises Refused where an object says that it is of another type than these."""
    said, base = body.text("@type"), body.text("@baseType")
    body.text("@schemaLocation")
    for name, value in (("@type", said), ("@baseType", base)):
        if value and value not in names:
            raise unsupported(body.at(name), f"it is one of {', '.join(names)}", f"可用值为{'、'.join(names)}")


def _told_item(order: Order) -> Json:
    request = order.request
    resources = [{"id": request.number, "@referredType": "LogicalResource"}] if request.number else []
    product = {
        "id": order.product_id,
        "productCharacteristic": [
            {"name": name, "value": request.characteristics[name], "valueType": _TEXT}
            for name in sorted(request.characteristics)
        ],
        "realizingResource": resources,
    }
    state = "" if order.state == OrderState.ORDER_STATE_PARTIAL else told_word(OrderState.DESCRIPTOR, order.state)
    item = {
        "id": "1",
        "quantity": 1,
        "action": MODIFY if request.number else ADD,
        "state": state,
        # Of an order that its cancellation has overtaken, nothing else is known.
        "productOffering": {"id": request.business, "@referredType": "ProductOffering"} if request.business else {},
        "product": without_empty(product),
        "@type": "ProductOrderItem",
    }
    return without_empty(item)


def _take_item(item: Attributes, request: OrderRequest) -> None:
    require_type(item, "ProductOrderItem")
    item.value("id")
    quantity = item.value("quantity")
    if quantity is not None and (quantity != 1 or isinstance(quantity, bool)):
        raise unsupported(item.at("quantity"), "an item is for one product", "每项仅限一件产品")
    offering = item.object("productOffering")
    request.business = offering.text("id")
    require_reference(offering, "ProductOffering")
    product = item.object("product")
    require_type(product, "Product")
    for each in product.objects("productCharacteristic"):
        _take_characteristic(each, request)
    resources = product.objects("realizingResource")
    if len(resources) > 1:
        raise unsupported(product.at("realizingResource"), "an order is for one number", "一张订单仅限一个号码")
    for resource in resources:
        request.number = resource.text("id")
        require_reference(resource, "LogicalResource")
    product.close()
    action, wanted = item.text("action"), MODIFY if request.number else ADD
    if action != wanted:
        raise unsupported(
            item.at("action"),
            "the offering says what is done: modify with a number, add without one",
            "业务由productOffering决定：有号码为modify，无号码为add",
        )
    item.close()


def _take_characteristic(each: Attributes, request: OrderRequest) -> None:
    require_type(each, "Characteristic")
    name, value = each.text("name"), each.text("value")
    if each.text("valueType") not in ("", _TEXT):
        raise unsupported(each.at("valueType"), f"it is {_TEXT}", f"须为{_TEXT}")
    if name in request.characteristics:
        raise invalid(each.at("name"), "stands twice", "重复出现")
    request.characteristics[name] = value
    each.close()


def _told_channel(requester: Requester) -> Sequence[Json]:
    word = told_word(Channel.DESCRIPTOR, requester.channel)
    return [{"id": word, "@referredType": "Channel"}] if word else []


def _take_channel(body: Attributes, requester: Requester) -> None:
    channels = body.objects("channel")
    if len(channels) > 1:
        raise unsupported(body.at("channel"), "an order comes by one channel", "一张订单仅限一个渠道")
    for each in channels:
        found = number_of(Channel.DESCRIPTOR, each.text("id"))
        if found is None:
            raise invalid(each.at("id"), "names no channel", "不是已知渠道")
        if requester.channel not in (0, found):
            raise invalid(each.at("id"), "differs from Requester-Channel", "与Requester-Channel不一致")
        requester.channel = Channel.ValueType(found)
        require_reference(each, "Channel")


def _told_parties(order: Order) -> Sequence[Json]:
    request = order.request
    found = [
        (_APPLICANT, told_word(Applicant.DESCRIPTOR, request.applicant), "Individual"),
        (_REQUESTER, request.requester.staff_id, "Individual"),
        *((role, getattr(order, name), "Organization") for name, role in _PARTIES.items()),
    ]
    return [{"id": name, "role": role, "@referredType": kind} for role, name, kind in found if name]


def _take_party(party: Attributes, request: OrderRequest) -> None:
    role, name = party.text("role"), party.text("id")
    match role:
        case "applicant":
            found = number_of(Applicant.DESCRIPTOR, name)
            if found is None:
                raise invalid(party.at("id"), "names no kind of applicant", "不是已知的办理人类别")
            if request.applicant:
                raise invalid(party.at("role"), "stands twice", "重复出现")
            request.applicant = Applicant.ValueType(found)
        case "requester":
            if request.requester.staff_id not in ("", name):
                raise invalid(party.at("id"), "differs from Requester-Staff-Id", "与Requester-Staff-Id不一致")
            request.requester.staff_id = name
        case _:
            raise unsupported(party.at("role"), "it is applicant or requester", "须为applicant或requester")
    require_reference(party, "Individual")


def require_reference(reference: Attributes, kind: str) -> None:
    """Raises Refused for a reference to something else than this kind, or with any further attribute. Closes it."""
    if reference.text("@referredType") not in ("", kind):
        raise unsupported(reference.at("@referredType"), f"it is {kind}", f"须为{kind}")
    reference.close()


def _document(said: Attributes) -> Document:
    try:
        return ParseDict(dict(said.values()), Document())
    except ParseError:
        raise invalid(said.place, "is no document of the contract", "不是合约规定的单证") from None


def _told_price(order: Order, language: str) -> Sequence[Json]:
    if not order.HasField("quote"):
        return []
    offer = order.quote
    text = offer.description.zh_cn if language == CHINESE else offer.description.en
    # Minor units have two digits in all currencies of the contract, and are exact in a number of JSON.
    amount = {"unit": offer.amount.currency, "value": offer.amount.minor_units / 100}
    price = {"price": {"taxIncludedAmount": amount}} if offer.HasField("amount") else {}
    return [without_empty({"description": text, "@type": "OrderPrice", **price})]


def told_time(order: Message, name: str) -> str:
    """A time of an order; empty where it is not set."""
    held = getattr(order, name)
    return held.ToJsonString() if isinstance(held, Timestamp) and order.HasField(name) else ""


def _message(order: Message, name: str) -> Json:
    return MessageToDict(getattr(order, name)) if order.HasField(name) else {}


def _messages(held: Sequence[Message]) -> Sequence[Json]:
    return [MessageToDict(each) for each in held]


def without_empty(told: Mapping[str, object]) -> Json:
    """A JSON object without the attributes that have no value."""
    return {name: value for name, value in told.items() if value not in ("", [], {}, None)}
