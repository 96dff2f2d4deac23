"""The end of a joint order at the region that has led it: noted once, for the survey and the scorecard."""

from datetime import timedelta

import pytest

from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.errors import Refused
from gateway.store.timers import Timer
from gateway.time.clock import to_timestamp
from region_node.business.joint import leading, rules, saga
from region_node.business.joint.rows import ENDS, ORDER_RECORDS, JointOrderRow, insert_joint_order
from region_node.care.surveys.occasions import require_occasion
from tests.unit.reconciling import Region, two_regions
from tests.unit.situations import LINE
from tests.unit.test_joint_saga import NOW, order_of


def done(region: Region, order_id: str, *, is_partial: bool = False) -> JointOrder:
    """The last item of an order is done, and the leading region looks at the order again and again."""
    order = order_of("TRANSFER")
    order.id, order.version, order.state, order.partial_allowed = order_id, 5, saga.IN_PROGRESS, is_partial
    order.request.number = LINE.number
    order.decide_time.CopyFrom(to_timestamp(NOW))
    order.expected_completion_time.CopyFrom(to_timestamp(NOW + timedelta(days=9)))
    for index, item in enumerate(order.items):
        is_left_out = is_partial and index == 0
        item.decision = saga.RELEASE if is_left_out else saga.COMMIT
        item.state = rules.RELEASED if is_left_out else rules.COMPLETED
        item.requested = saga.GIVE_UP if is_left_out else saga.BEGIN
        for milestone in item.milestones:
            milestone.reach_time.CopyFrom(to_timestamp(NOW))
    insert_joint_order(region.tx, JointOrderRow(order, ""), 1, NOW)
    for _ in range(3):
        leading.order_is_due(region.tx, region.context.node, Timer("", "", order_id, 0), NOW + timedelta(days=1))
    return ORDER_RECORDS.require(region.tx, order_id).order


@pytest.mark.parametrize("is_partial", [False, True])
def test_an_order_that_is_done_is_an_occasion_of_one_survey_and_counts_once(*, is_partial: bool) -> None:
    with two_regions() as two:
        order = done(two.origin, "guangdong/J1", is_partial=is_partial)
        assert order.state == (saga.PARTIAL if is_partial else saga.COMPLETED)
        assert [each.name for each in ENDS.after(two.origin.tx, 0, "", 9)] == [order.id]
        assert two.origin.tx.first(int, "SELECT is_partial - is_late FROM joint_order_ends") == int(is_partial)
        asked = require_occasion(two.origin.tx, "guangdong", order.id)
        assert (asked.id, asked.number, asked.business) == (order.id, LINE.number, "TRANSFER")
        insert_joint_order(two.home.tx, JointOrderRow(order, ""), 0, NOW)
        with pytest.raises(Refused):
            require_occasion(two.home.tx, "sichuan", order.id)
        assert ENDS.last(two.home.tx) == 0, "a region that follows counts nothing"
