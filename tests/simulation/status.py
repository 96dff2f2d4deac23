"""The permitted status changes of an order, written down here once more, and observers that check them."""

from collections.abc import Mapping
from itertools import pairwise

from gateway.api.region.v1.order_pb2 import Order, OrderState
from tests.simulation.history import History

# TMF622, with what an origin region may say before the home region has decided: ACKNOWLEDGED and HELD both ways,
# back from ASSESSING_CANCELLATION, and the rejection that it learns of late.
_NEXT: Mapping[str, str] = {
    "ACKNOWLEDGED": "REJECTED PENDING HELD IN_PROGRESS CANCELLED ASSESSING_CANCELLATION",
    "HELD": "ACKNOWLEDGED REJECTED IN_PROGRESS CANCELLED ASSESSING_CANCELLATION",
    "PENDING": "IN_PROGRESS CANCELLED ASSESSING_CANCELLATION",
    "IN_PROGRESS": "PENDING HELD COMPLETED FAILED PARTIAL ASSESSING_CANCELLATION",
    "ASSESSING_CANCELLATION": "ACKNOWLEDGED REJECTED PENDING HELD IN_PROGRESS CANCELLED PENDING_CANCELLATION",
    "PENDING_CANCELLATION": "CANCELLED",
}


def _state(name: str) -> OrderState.ValueType:
    return OrderState.Value(f"ORDER_STATE_{name}")


FINAL = frozenset(map(_state, ("REJECTED", "CANCELLED", "COMPLETED", "FAILED", "PARTIAL")))


def _reachable() -> dict[OrderState.ValueType, frozenset[OrderState.ValueType]]:
    """The states after a state for an observer that misses states in between."""
    direct = {_state(name): frozenset(map(_state, after.split())) for name, after in _NEXT.items()}
    reached = dict(direct)
    for _ in direct:
        reached = {
            state: after.union(*(reached.get(each, frozenset()) for each in after)) for state, after in reached.items()
        }
    return reached


REACHABLE = _reachable()


def may_follow(before: OrderState.ValueType, after: OrderState.ValueType) -> bool:
    """Whether a state may be seen some time after another."""
    return before == after or after in REACHABLE.get(before, frozenset())


class Observer:
    """An observer of orders: observed states never go back (G7)."""

    def __init__(self, name: str, history: History) -> None:
        self._name = name
        self._history = history
        self._last: dict[str, tuple[int, OrderState.ValueType]] = {}

    def see(self, order: Order) -> None:
        """Takes in an order as it was shown."""
        last = self._last.get(order.id)
        self._last[order.id] = (order.version, order.state)
        if last is not None:
            self._compare(order.id, last, (order.version, order.state))
        for before, after in pairwise(order.state_changes):
            if not may_follow(before.state, after.state):
                self._tell(order.id, f"its states went from {_name(before.state)} to {_name(after.state)}")

    def _compare(
        self, order_id: str, before: tuple[int, OrderState.ValueType], after: tuple[int, OrderState.ValueType]
    ) -> None:
        if after[0] < before[0]:
            self._tell(order_id, f"{self._name} saw version {before[0]}, then {after[0]}")
        if not may_follow(before[1], after[1]):
            self._tell(order_id, f"{self._name} saw {_name(before[1])}, then {_name(after[1])}")

    def _tell(self, order_id: str, text: str) -> None:
        self._history.broken("monotonic status", order_id, text)


def _name(state: OrderState.ValueType) -> str:
    return OrderState.Name(state).removeprefix("ORDER_STATE_")
