"""TMF622 Product Ordering Management v4 and v5: its routes, each an RPC of OrderService."""

from collections.abc import Callable, Sequence

from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.listener_service_pb2 import ListenerResource
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.web.json_texts import JsonObject
from gateway.web.listed import Listed
from gateway.web.refusals import ENGLISH
from gateway.web.routes import Answer, Api, Asked, Route
from gateway.web.selecting import Selection, values_in, words_of
from region_node.open_api.cancellations import (
    CANCEL,
    CANCEL_TYPE,
    CANCELLING,
    STATES,
    answered_cancellation,
    cancelled_by,
    order_to_cancel,
    told_cancellation,
)
from region_node.open_api.events import EventSource
from region_node.open_api.extension import resource_of
from region_node.open_api.hub import hub_routes
from region_node.open_api.left_out import OF_ORDERING
from region_node.open_api.product_orders import ORDER, PRODUCT_ORDER, order_request, told_order
from region_node.open_api.resources import (
    part_of,
    request_id_of,
    told_created,
    told_list,
    told_one,
    total_of,
)
from region_node.open_api.versions import version_of
from region_node.requests.checks import LONGEST_WAIT

_SERVICE = "/gateway.api.region.v1.OrderService"
_STATE, _PARTY = "state", "awaiting.party"
_BUSINESS = "productOrderItem.productOffering.id"
_NUMBER = "productOrderItem.product.realizingResource.id"
_REASON = "cancellationReason"
_CANCELLED_FOR = {"reason": _REASON}
_FILTERS = {
    _STATE: words_of(OrderState.DESCRIPTOR),
    _BUSINESS: (),
    _NUMBER: (),
    _PARTY: words_of(Party.DESCRIPTOR),
}


def _get(asked: Asked) -> order_api.GetOrderRequest:
    return order_api.GetOrderRequest(order_id=asked.names["id"], requester=asked.requester)


def _got(asked: Asked, response: order_api.GetOrderResponse) -> Answer:
    return told_one(asked, _told(asked, response.order))


def _list(asked: Asked) -> order_api.ListOrdersRequest:
    request = _page(asked, values_in(asked.query, _STATE, words_of(OrderState.DESCRIPTOR)))
    request.business, request.number = asked.query.get(_BUSINESS, ""), asked.query.get(_NUMBER, "")
    for party in values_in(asked.query, _PARTY, words_of(Party.DESCRIPTOR)):  # one, since the selection takes one
        request.awaiting = Party.ValueType(party)
    return request


def _listed(asked: Asked, response: order_api.ListOrdersResponse) -> Listed:
    return _answered(asked, response, ORDER, lambda order: _told(asked, order))


def _post(asked: Asked) -> order_api.SubmitOrderRequest:
    version = version_of(asked.root)
    order = order_request(asked.body, asked.requester, version)
    name = version.order_identifier
    request_id = request_id_of(asked, version.identifier_in(asked.body, name), name)
    return order_api.SubmitOrderRequest(request_id=request_id, order=order, wait=asked.wait)


def _posted(asked: Asked, response: order_api.SubmitOrderResponse) -> Answer:
    return told_created(asked, _told(asked, response.order))


def _get_cancellations(asked: Asked) -> order_api.ListOrdersRequest:
    return _page(asked, values_in(asked.query, _STATE, STATES) or CANCELLING)


def _got_cancellations(asked: Asked, response: order_api.ListOrdersResponse) -> Listed:
    return _answered(asked, response, CANCEL, lambda order: told_cancellation(order, asked.root))


def _got_cancellation(asked: Asked, response: order_api.GetOrderResponse) -> Answer:
    return told_one(asked, told_cancellation(response.order, asked.root))


def _cancel(asked: Asked) -> order_api.CancelOrderRequest:
    return _cancellation(asked, *order_to_cancel(asked.body, version_of(asked.root)))


def _patch(asked: Asked) -> order_api.CancelOrderRequest:
    return _cancellation(asked, asked.names["id"], cancelled_by(asked.body, version_of(asked.root)))


def _patched(asked: Asked, response: order_api.CancelOrderResponse) -> Answer:
    return told_one(asked, _told(asked, response.order))


def _cancellation(asked: Asked, order_id: str, reason: str) -> order_api.CancelOrderRequest:
    return order_api.CancelOrderRequest(
        request_id=asked.request_id, order_id=order_id, reason=reason, requester=asked.requester, wait=asked.wait
    )


def _cancelled(asked: Asked, response: order_api.CancelOrderResponse) -> Answer:
    return told_created(asked, answered_cancellation(response.order, asked.root))


def _told(asked: Asked, order: Order) -> JsonObject:
    return told_order(order, asked.root, asked.language, asked.fields)


def _page(asked: Asked, states: Sequence[int]) -> order_api.ListOrdersRequest:
    wanted = [OrderState.ValueType(state) for state in states]
    return order_api.ListOrdersRequest(states=wanted, requester=asked.requester, **part_of(asked))


def _answered(
    asked: Asked, response: order_api.ListOrdersResponse, resource: str, told: Callable[[Order], JsonObject]
) -> Listed:
    found = [told(order) for order in response.orders]
    return told_list(asked, resource, found, response.next_page_token, total_of(response))


def _order_routes(root: str) -> Sequence[Route]:
    version = version_of(root)
    order = PRODUCT_ORDER.resource(Order, lambda order: told_order(order, root, ENGLISH))
    return (
        Route.of(
            "GET",
            f"/{ORDER}",
            f"{_SERVICE}/ListOrders",
            _list,
            _listed,
            resource=order,
            selection=Selection(f"-{version.order_time}", _FILTERS, single=(_PARTY,), is_counted=True),
        ),
        Route.of(
            "POST",
            f"/{ORDER}",
            f"{_SERVICE}/SubmitOrder",
            _post,
            _posted,
            resource=order,
            attributes=version.attributes(
                version.order_identifier, "channel", "relatedParty", "productOrderItem", "document"
            ),
            places={"business": _BUSINESS, "number": _NUMBER},
            required=("productOrderItem", "relatedParty"),
        ),
        Route.of("GET", f"/{ORDER}/{{id}}", f"{_SERVICE}/GetOrder", _get, _got, resource=order),
        Route.of(
            "PATCH",
            f"/{ORDER}/{{id}}",
            f"{_SERVICE}/CancelOrder",
            _patch,
            _patched,
            resource=order,
            attributes=version.attributes(_STATE, _REASON),
            places=_CANCELLED_FOR,
            required=(_STATE, _REASON),
        ),
    )


def _cancellation_routes(root: str) -> Sequence[Route]:
    version = version_of(root)
    task = resource_of(CANCEL_TYPE, Order, lambda order: answered_cancellation(order, root))
    return (
        Route.of(
            "GET",
            f"/{CANCEL}",
            f"{_SERVICE}/ListOrders",
            _get_cancellations,
            _got_cancellations,
            resource=task,
            selection=Selection(f"-{version.order_time}", {_STATE: STATES}, is_counted=True),
        ),
        Route.of(
            "POST",
            f"/{CANCEL}",
            f"{_SERVICE}/CancelOrder",
            _cancel,
            _cancelled,
            resource=task,
            attributes=version.attributes("productOrder", _REASON),
            places=_CANCELLED_FOR,
            required=("productOrder", _REASON),
        ),
        Route.of("GET", f"/{CANCEL}/{{id}}", f"{_SERVICE}/GetOrder", _get, _got_cancellation, resource=task),
    )


def _api(root: str, hub: Sequence[Route]) -> Api:
    return Api(
        root,
        (*_order_routes(root), *_cancellation_routes(root), *hub),
        int(LONGEST_WAIT),
        (PRODUCT_ORDER.page(root, "OrderService"),),
        "TMF622 Product Ordering Management",
        OF_ORDERING,
    )


def _events(root: str, resource: ListenerResource.ValueType) -> EventSource:
    def in_english(order: Order) -> JsonObject:
        return told_order(order, root, ENGLISH)

    return EventSource.of(resource, ORDER, in_english, version=version_of(root))


_V4, _V5 = "/tmf-api/productOrderingManagement/v4", "/tmf-api/productOrdering/v5"
ORDER_EVENTS = _events(_V4, ListenerResource.LISTENER_RESOURCE_PRODUCT_ORDER)
ORDER_EVENTS_V5 = _events(_V5, ListenerResource.LISTENER_RESOURCE_PRODUCT_ORDER_V5)
PRODUCT_ORDERING = _api(_V4, hub_routes(_V4, ORDER_EVENTS))
PRODUCT_ORDERING_V5 = _api(_V5, hub_routes(_V5, ORDER_EVENTS_V5))
