"""Orders as TMF622 ProductOrder (v4 and v5), and back. Pure.

One order has one item. Its offering is the business, the realizing resource of its product the number. Attributes
beyond TMF622 belong to the type `CrossregionProductOrder`, in the JSON of the contract. Attributes of a request without
a counterpart are refused, never left out.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache

from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.errors import invalid
from gateway.web.enum_words import told_word
from gateway.web.json_bodies import Attributes, unsupported
from gateway.web.json_texts import HOLE, JsonObject, Pattern, quoted, text_of, without_empty
from gateway.web.refusals import text_in
from region_node.open_api.extension import Extension
from region_node.open_api.resources import (
    INDIVIDUAL,
    ORGANIZATION,
    REQUESTER,
    RESOURCE,
    Json,
    href_of,
    message_in,
    take_requester,
    told_amount,
    told_note,
    told_references,
    told_time,
    word_in,
)
from region_node.open_api.versions import Version, version_of

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
_PARTIAL = OrderState.ORDER_STATE_PARTIAL
_PATTERNS = 1_024  # that are remembered


def told_order(order: Order, root: str, language: str, fields: Collection[str] = ()) -> JsonObject:
    """An order as a ProductOrder. `fields` are the attributes that are wanted; all without."""
    request, name, operator = order.request, order.id, order.operator
    requester, characteristics = request.requester, request.characteristics
    names = tuple(sorted(characteristics))
    texts = (
        name,
        href_of(root, ORDER, name),
        "" if _OF_NODE in operator else name.rpartition("/")[2],
        told_time(order, "create_time"),
        told_time(order, "expected_completion_time"),
        told_time(order, "completion_time"),
        told_time(order, "cancellation_time"),
        order.cancellation_reason,
        requester.staff_id,
        order.product_id,
        *[characteristics[each] for each in names],
        request.number,
    )
    pattern = _pattern(
        root,
        order.state,
        request.business,
        request.applicant,
        requester.channel,
        (order.origin_region, order.home_region, operator),
        names,
        tuple(map(bool, texts)),
    )
    more = (_told_notes(order), _told_price(order, root, language), *PRODUCT_ORDER.attributes(order, fields))
    return pattern.filled(map(quoted, filter(None, texts)), more)


def order_request(body: Attributes, requester: Requester, version: Version) -> OrderRequest:
    """The request of a ProductOrder, by a requester as far as one is known from elsewhere.

    Raises Refused for what is of another form, and with ATTRIBUTE_UNSUPPORTED for what the order would not heed.
    """
    version.require_type(body, *PRODUCT_ORDER.types)
    request = OrderRequest(requester=requester)
    _take_channel(body, request.requester, version)
    for party in body.objects("relatedParty"):
        _take_party(party, request, version)
    items = body.objects("productOrderItem")
    if not items:
        raise invalid(body.at("productOrderItem"), "is missing", "缺失")
    if len(items) > 1:
        raise unsupported(
            body.at("productOrderItem"),
            "an order has one item; JointOrderService takes several",
            "一张订单只有一项；多项订单请用JointOrderService",
        )
    _take_item(items[0], request, version)
    for document in body.objects("document"):
        request.documents.append(message_in(document, Document()))
    if not request.applicant:
        raise invalid(body.at("relatedParty"), "no party has the role applicant", "没有角色为applicant的参与方")
    return request


@lru_cache(_PATTERNS)
def _pattern(
    root: str,
    state: OrderState.ValueType,
    business: str,
    applicant: Applicant.ValueType,
    channel: Channel.ValueType,
    members: tuple[str, str, str],
    names: Sequence[str],
    is_set: Sequence[bool],
) -> Pattern:
    """The pattern of orders that differ in other values alone.

    `members` are origin region, home region and operator, `names` those of the characteristics. `is_set` says which of
    the other values there are, in their order.
    """
    version, places = version_of(root), iter(HOLE if each else "" for each in is_set)
    word = told_word(OrderState.DESCRIPTOR, state)
    told: Json = {
        "id": next(places),
        "href": next(places),
        version.order_identifier: version.told_identifier(next(places)),
        "state": word,
        version.order_time: next(places),
        "expectedCompletionDate": next(places),
        "completionDate": next(places),
        "cancellationDate": next(places),
        "cancellationReason": next(places),
        "channel": told_references(version.order_channel.told(told_word(Channel.DESCRIPTOR, channel), "Channel")),
        "relatedParty": _told_parties(applicant, next(places), members, version),
        "productOrderItem": [_told_item("" if state == _PARTIAL else word, business, names, list(places), version)],
        **PRODUCT_ORDER.type_at(root),
    }
    return Pattern(told)


def _told_item(state: str, business: str, names: Sequence[str], values: Sequence[str], version: Version) -> Json:
    """The item of an order. `values` are the id of the product, those of the characteristics, and the number."""
    product_id, *characteristics, number = values
    product = {
        "id": product_id,
        "name": business,
        "productCharacteristic": [
            version.typed({"name": name, "value": value, "valueType": _TEXT}, version.characteristic)
            for name, value in zip(names, characteristics, strict=True)
        ],
        "realizingResource": told_references(version.resource.told(number, RESOURCE)),
    }
    item = {
        "id": "1",
        "quantity": 1,
        "action": MODIFY if number else ADD,
        "state": state,
        # Of an order that its cancellation has overtaken, nothing else is known.
        "productOffering": version.offering.told(business, "ProductOffering"),
        "product": version.typed(without_empty(product), "Product"),
        "@type": "ProductOrderItem",
    }
    return without_empty(item)


def _take_item(item: Attributes, request: OrderRequest, version: Version) -> None:
    version.require_type(item, "ProductOrderItem")
    item.value("id")
    quantity = item.value("quantity")
    if quantity is not None and (quantity != 1 or isinstance(quantity, bool)):
        raise unsupported(item.at("quantity"), "an item is for one product", "每项仅限一件产品")
    offering = item.object("productOffering")
    request.business = offering.required("id")
    version.offering.close(offering, "ProductOffering")
    if item.value("product") is not None:
        _take_product(item.object("product"), request, version)
    action, wanted = item.text("action"), MODIFY if request.number else ADD
    if action != wanted:
        raise unsupported(
            item.at("action"),
            "the offering says what is done: modify with a number, add without one",
            "业务由productOffering决定：有号码为modify，无号码为add",
        )
    item.close()


def _take_product(product: Attributes, request: OrderRequest, version: Version) -> None:
    version.require_type(product, "Product")
    if product.text("name") not in ("", request.business):
        raise unsupported(product.at("name"), "it is the id of the offering", "须为productOffering的id")
    if product.flag("isBundle"):
        raise unsupported(product.at("isBundle"), "a product is no bundle", "产品不是组合产品")
    for each in product.objects("productCharacteristic"):
        _take_characteristic(each, request, version)
    resources = product.objects("realizingResource")
    if len(resources) > 1:
        raise unsupported(product.at("realizingResource"), "an order is for one number", "一张订单仅限一个号码")
    for resource in resources:
        request.number = resource.text("id")
        version.resource.close(resource, RESOURCE)
    product.close()


def _take_characteristic(each: Attributes, request: OrderRequest, version: Version) -> None:
    version.require_type(each, version.characteristic)
    name, value = each.text("name"), each.text("value")
    if each.text("valueType").lower() not in ("", _TEXT):
        raise unsupported(each.at("valueType"), f"it is {_TEXT}", f"须为{_TEXT}")
    if name in request.characteristics:
        raise invalid(each.at("name"), "stands twice", "重复出现")
    request.characteristics[name] = value
    each.close()


def _take_channel(body: Attributes, requester: Requester, version: Version) -> None:
    channels = body.objects("channel")
    if len(channels) > 1:
        raise unsupported(body.at("channel"), "an order comes by one channel", "一张订单仅限一个渠道")
    for each in channels:
        _, channel = version.order_channel.taken(each)
        found = word_in(channel, "id", Channel.DESCRIPTOR)
        if requester.channel not in (0, found):
            raise invalid(channel.at("id"), "differs from Requester-Channel", "与Requester-Channel不一致")
        requester.channel = Channel.ValueType(found)
        version.order_channel.close(channel, "Channel")


def _told_parties(
    applicant: Applicant.ValueType, staff_id: str, members: tuple[str, str, str], version: Version
) -> Sequence[Json]:
    party, (origin, home, operator) = version.party, members
    return told_references(
        party.told(told_word(Applicant.DESCRIPTOR, applicant), INDIVIDUAL, _APPLICANT),
        party.told(staff_id, INDIVIDUAL, REQUESTER),
        party.told(origin, ORGANIZATION, "originRegion"),
        party.told(home, ORGANIZATION, "homeRegion"),
        party.told(operator, ORGANIZATION, "operator"),
    )


def _take_party(said: Attributes, request: OrderRequest, version: Version) -> None:
    role, party = version.party.taken(said, (_APPLICANT, REQUESTER))
    if role == REQUESTER:
        take_requester(party, request.requester)
    else:
        found = word_in(party, "id", Applicant.DESCRIPTOR)
        if request.applicant:
            raise invalid(said.at("role"), "stands twice", "重复出现")
        request.applicant = Applicant.ValueType(found)
    version.party.close(party, INDIVIDUAL)


def _told_notes(order: Order) -> str:
    told = [told_note(each.author, each.time, each.text) for each in order.notes[:]]
    return f'"note":{text_of(told)}' if told else ""


def _told_price(order: Order, root: str, language: str) -> str:
    if not order.HasField("quote"):
        return ""
    offer = order.quote
    told: Json = {"description": text_in(offer.description, language), "@type": "OrderPrice"}
    if offer.HasField("amount"):
        told["price"] = version_of(root).typed({"taxIncludedAmount": told_amount(offer.amount)}, "Price")
    return f'"orderTotalPrice":{text_of([without_empty(told)])}'
