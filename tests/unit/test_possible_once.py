"""A decision looks once whether an order is possible; a fulfilment that comes later looks again."""

from datetime import datetime, timedelta

from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.store.timers import Timer
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.business.orders import home, rules
from region_node.business.orders.business import Situation
from region_node.business.orders.businesses import suspend
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import OrderRow, insert_order, require_order
from region_node.business.orders.steps import STEP_TIMER
from tests.unit.billing_scene import Books, books
from tests.unit.situations import LINE, NOW

LATER = NOW + timedelta(days=3)


class Counted(suspend.Rule):
    """The rule of a suspension, which counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[datetime] = []

    def check(self, situation: Situation) -> None:
        self.asked.append(situation.now)
        super().check(situation)


def decided(kept: Books, rule: Counted, **characteristics: str) -> tuple[OrderContext, Order]:
    """An order of a suspension after the home region's first decision."""
    context = OrderContext(kept.context, {"SUSPEND": rule})
    paper = Document(code="ID_ORIG", verifier="clerk-7", verify_time=to_timestamp(NOW), keyed_hash=bytes(32))
    request = OrderRequest(
        business="SUSPEND",
        number=LINE.number,
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[paper],
        characteristics={"reason": "a journey", **characteristics},
    )
    order = Order(id="guangdong/counter/R1", request=request, origin_region="guangdong", create_time=to_timestamp(NOW))
    order.expected_completion_time.CopyFrom(to_timestamp(LATER))
    rules.enter(order, rules.ACKNOWLEDGED, now=NOW, region="guangdong", reason="taken in")
    home.decide(kept.tx, context, order, NOW)
    insert_order(kept.tx, OrderRow(order, ""), NOW)
    return context, order


def test_an_order_that_is_done_at_once_is_looked_at_once() -> None:
    rule = Counted()
    with books(NOW) as kept:
        kept.open(LINE)
        order = decided(kept, rule)[1]
    assert (rule.asked, order.state) == ([NOW], OrderState.ORDER_STATE_COMPLETED)


def test_an_order_that_waited_for_its_time_is_looked_at_again() -> None:
    rule = Counted()
    with books(NOW) as kept:
        kept.open(LINE)
        context, order = decided(kept, rule, start=LATER.isoformat())
        assert (rule.asked, order.state) == ([NOW], OrderState.ORDER_STATE_IN_PROGRESS)
        kept.pay(LINE.account_id, -1, NOW)
        home.step_is_due(
            kept.tx, context, Timer(f"{STEP_TIMER}/{order.id}", STEP_TIMER, order.id, to_microseconds(LATER)), LATER
        )
        order = require_order(kept.tx, order.id).order
    assert (order.state, order.error.reason) == (OrderState.ORDER_STATE_FAILED, Reason.REASON_IN_ARREARS)
