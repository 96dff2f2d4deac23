"""The words and badges of pages about orders."""

from collections.abc import Mapping

from gateway.api.region.v1.order_oversight_service_pb2 import OrderSummary
from gateway.api.region.v1.order_pb2 import Awaiting, Order, OrderState, Party
from gateway.web.tables import Cell
from gateway.wording.languages import headed, translated
from gateway.wording.terms import region_name
from gateway.wording.words import value_word

ORDER_BADGES: Mapping[OrderState.ValueType, str] = {
    OrderState.ORDER_STATE_COMPLETED: "done",
    OrderState.ORDER_STATE_REJECTED: "late",
    OrderState.ORDER_STATE_FAILED: "late",
    OrderState.ORDER_STATE_PENDING: "near",
    OrderState.ORDER_STATE_HELD: "soon",
    OrderState.ORDER_STATE_IN_PROGRESS: "moving",
    OrderState.ORDER_STATE_ACKNOWLEDGED: "moving",
}
"""The badges of the states of orders; the others have a plain one."""


def order_state(state: OrderState.ValueType) -> str:
    """The state of an order."""
    return value_word(OrderState.DESCRIPTOR, state)


def order_state_cell(order: Order | OrderSummary) -> Cell:
    """The state of an order as a badge."""
    return Cell(order_state(order.state), badge=ORDER_BADGES.get(order.state, "calm"))


def waits_for(awaiting: Awaiting) -> str:
    """The party that has to act next, and its action; empty for nobody."""
    party = value_word(Party.DESCRIPTOR, awaiting.party)
    return headed(party, translated(awaiting.action)) if party and awaiting.action else party


def way_of(order: Order | OrderSummary) -> str:
    """The origin region and the home region of an order."""
    home = region_name(order.home_region) if order.home_region else translated("not known")
    origin = region_name(order.origin_region)
    return origin if order.origin_region == order.home_region else f"{origin} → {home}"
