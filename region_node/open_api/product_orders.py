"""Orders as TMF622 ProductOrder (v4), and back. Pure.

One order has one item. Its offering is the business, the realizing resource of its product the number. Attributes
beyond TMF622 belong to the type `CrossregionProductOrder`, in the JSON of the contract. Attributes of a request without
a counterpart are refused, never left out.
"""

from collections.abc import Collection, Sequence

from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.errors import invalid
from gateway.web.enum_words import told_word
from gateway.web.json_bodies import Attributes, unsupported
from gateway.web.refusals import CHINESE
from region_node.open_api.extension import Extension
from region_node.open_api.resources import (
    INDIVIDUAL,
    ORGANIZATION,
    REQUESTER,
    RESOURCE,
    Json,
    href_of,
    message_in,
    require_reference,
    require_type,
    take_requester,
    told_amount,
    told_note,
    told_reference,
    told_references,
    told_time,
    without_empty,
    word_in,
)

ORDER = "productOrder"
PRODUCT_ORDER = Extension(
    "CrossregionProductOrder",
    "ProductOrder",
    Order.DESCRIPTOR,
    {
        "document": "request.documents",
        "documentRequested": "documents_requested",
        "awaiting": "awaiting",
        "error": "error",
        "stateChange": "state_changes",
        "expedite": "expedites",
        "jeopardyAlert": "jeopardy_alerts",
        "result": "results",
    },
)
ADD, MODIFY = "add", "modify"
_APPLICANT = "applicant"
_OF_NODE = "/"
"""A part of the operator of an order that the node has made itself, which no other system has given an id."""
_TEXT = "string"


def told_order(order: Order, root: str, language: str, fields: Collection[str] = ()) -> Json:
    """An order as a ProductOrder. `fields` are the attributes that are wanted; all without."""
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
        "note": [told_note(each.author, each.time, each.text) for each in order.notes],
        "orderTotalPrice": _told_price(order, language),
        "productOrderItem": [_told_item(order)],
        **PRODUCT_ORDER.told(order, root, fields),
    }
    return without_empty(told)


def order_request(body: Attributes, requester: Requester) -> OrderRequest:
    """The request of a ProductOrder, by a requester as far as one is known from elsewhere.

    Raises Refused for what is of another form, and with ATTRIBUTE_UNSUPPORTED for what the order would not heed.
    """
    require_type(body, *PRODUCT_ORDER.types)
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
        request.documents.append(message_in(document, Document()))
    return request


def _told_item(order: Order) -> Json:
    request = order.request
    resources = told_references(told_reference(request.number, RESOURCE))
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
        "productOffering": told_reference(request.business, "ProductOffering"),
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
        require_reference(resource, RESOURCE)
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
    return told_references(told_reference(told_word(Channel.DESCRIPTOR, requester.channel), "Channel"))


def _take_channel(body: Attributes, requester: Requester) -> None:
    channels = body.objects("channel")
    if len(channels) > 1:
        raise unsupported(body.at("channel"), "an order comes by one channel", "一张订单仅限一个渠道")
    for each in channels:
        found = word_in(each, "id", Channel.DESCRIPTOR, "channel", "渠道")
        if requester.channel not in (0, found):
            raise invalid(each.at("id"), "differs from Requester-Channel", "与Requester-Channel不一致")
        requester.channel = Channel.ValueType(found)
        require_reference(each, "Channel")


def _told_parties(order: Order) -> Sequence[Json]:
    request = order.request
    return told_references(
        told_reference(told_word(Applicant.DESCRIPTOR, request.applicant), INDIVIDUAL, _APPLICANT),
        told_reference(request.requester.staff_id, INDIVIDUAL, REQUESTER),
        told_reference(order.origin_region, ORGANIZATION, "originRegion"),
        told_reference(order.home_region, ORGANIZATION, "homeRegion"),
        told_reference(order.operator, ORGANIZATION, "operator"),
    )


def _take_party(party: Attributes, request: OrderRequest) -> None:
    match party.text("role"):
        case "applicant":
            found = word_in(party, "id", Applicant.DESCRIPTOR, "kind of applicant", "的办理人类别")
            if request.applicant:
                raise invalid(party.at("role"), "stands twice", "重复出现")
            request.applicant = Applicant.ValueType(found)
        case "requester":
            take_requester(party, request.requester)
        case _:
            raise unsupported(party.at("role"), "it is applicant or requester", "须为applicant或requester")
    require_reference(party, INDIVIDUAL)


def _told_price(order: Order, language: str) -> Sequence[Json]:
    if not order.HasField("quote"):
        return []
    offer = order.quote
    text = offer.description.zh_cn if language == CHINESE else offer.description.en
    price = {"price": {"taxIncludedAmount": told_amount(offer.amount)}} if offer.HasField("amount") else {}
    return [without_empty({"description": text, "@type": "OrderPrice", **price})]
