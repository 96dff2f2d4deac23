"""The cancellation of an order as TMF622 CancelProductOrder (v4 and v5). Pure.

An order has at most one, under its own id.
"""

from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.web.json_bodies import Attributes, unsupported
from gateway.web.json_texts import JsonObject
from region_node.open_api.product_orders import ORDER, PRODUCT_ORDER
from region_node.open_api.resources import href_of, told_time
from region_node.open_api.versions import Version, version_of

CANCEL = "cancelProductOrder"
CANCEL_TYPE = "CancelProductOrder"
_ORDER = "ProductOrder"
_CANCELLED, _WORD = OrderState.ORDER_STATE_CANCELLED, "cancelled"
_DECIDING = (OrderState.ORDER_STATE_ASSESSING_CANCELLATION, OrderState.ORDER_STATE_PENDING_CANCELLATION)
_FAILED = "terminatedWithError"
STATES = {"done": (_CANCELLED,), "inProgress": _DECIDING}
"""The states of the task that a list selects by, and those of the order."""
CANCELLING = (_CANCELLED, *_DECIDING)


def order_to_cancel(body: Attributes, version: Version) -> tuple[str, str]:
    """The order id and the reason of a CancelProductOrder. Raises Refused as `order_request`."""
    version.require_type(body, CANCEL_TYPE)
    order = body.object("productOrder")
    order_id = order.required("id")
    order.text("href")
    version.order.close(order, _ORDER)
    return order_id, body.text("cancellationReason")


def cancelled_by(body: Attributes, version: Version) -> str:
    """The reason of the cancellation that a merge patch of an order is. Raises Refused as `order_request`."""
    version.require_type(body, *PRODUCT_ORDER.types)
    if body.text("state") != _WORD:
        raise unsupported(
            body.at("state"),
            f"an order is changed by its cancellation alone: state is {_WORD}",
            f"订单只能取消：state须为{_WORD}",
        )
    return body.text("cancellationReason")


def told_cancellation(order: Order, root: str) -> JsonObject:
    """The cancellation of an order. Raises Refused with CANCELLATION_NOT_FOUND where there is none."""
    state = _state(order)
    if not state:
        raise Refused(Reason.REASON_CANCELLATION_NOT_FOUND, order=order.id)
    return _told(order, root, state)


def answered_cancellation(order: Order, root: str) -> JsonObject:
    """The cancellation that was just asked for: of an order that has not changed, it came too late."""
    return _told(order, root, _state(order) or _FAILED)


def _told(order: Order, root: str, state: str) -> JsonObject:
    reference = version_of(root).order.told(order.id, _ORDER)
    return JsonObject.of(
        {
            "id": order.id,
            "href": href_of(root, CANCEL, order.id),
            "state": state,
            "cancellationReason": order.cancellation_reason,
            "effectiveCancellationDate": told_time(order, "cancellation_time"),
            "productOrder": {**reference, "href": href_of(root, ORDER, order.id)},
            "@type": CANCEL_TYPE,
        }
    )


def _state(order: Order) -> str:
    """The state of the task; empty without a cancellation."""
    if order.state in (*_DECIDING, _CANCELLED):
        return next(word for word, states in STATES.items() if order.state in states)
    return _FAILED if any(each.state in _DECIDING for each in order.state_changes) else ""
