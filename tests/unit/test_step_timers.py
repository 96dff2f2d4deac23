"""Steps of orders whose time comes while the node does not know the catalogue."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.store.timers import Timer
from region_node.business.orders.home import step_is_due
from region_node.business.orders.rows import OrderRow, insert_order, require_order
from region_node.business.orders.steps import STEP_TIMER
from tests.unit.billing_scene import books

NOW = datetime(2030, 6, 1, 2, tzinfo=UTC)


def test_a_process_without_a_configuration_yet_leaves_an_order_as_it_is() -> None:
    order = Order(
        id="guangdong/counter/R1",
        request=OrderRequest(business="SUSPEND", number="+8619851000001"),
        state=OrderState.ORDER_STATE_IN_PROGRESS,
        version=1,
        origin_region="guangdong",
        home_region="sichuan",
    )
    with books(NOW) as found:
        insert_order(found.tx, OrderRow(order, ""), NOW)
        node = replace(found.context, border=replace(found.context.border, current=CurrentFederation()))
        context = replace(found.orders, node=node)
        with pytest.raises(Refused) as raised:
            step_is_due(found.tx, context, Timer("t", STEP_TIMER, order.id, 0), NOW)
        assert raised.value.reason == Reason.REASON_CONFIGURATION_MISSING
        assert require_order(found.tx, order.id).order == order
