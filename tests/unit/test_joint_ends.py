"""The end of a joint order at the region that has led it: noted once, for the survey and the scorecard."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import JointAction
from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.errors import Refused
from gateway.relay.border import Command
from gateway.relay.envelopes import Answer
from gateway.store.timers import Timer
from gateway.time.clock import to_timestamp
from region_node.business.joint import leading, rules, saga
from region_node.business.joint.rows import (
    ENDS,
    ORDER_RECORDS,
    JointItemRow,
    JointOrderRow,
    insert_item,
    insert_joint_order,
    work_id,
)
from region_node.business.orders.business import line_to_open
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.care.surveys import inviting
from region_node.care.surveys.occasions import require_occasion
from region_node.care.surveys.relayed import SurveyEnvelopes
from region_node.care.surveys.rows import find_survey
from region_node.customers.operations import keep_customer
from region_node.customers.rows import CustomerRow, Line, insert_line
from tests.unit.reconciling import HOME, ORIGIN, Region, two_regions
from tests.unit.situations import LINE
from tests.unit.test_joint_saga import NOW, order_of


def done(region: Region, order_id: str, business: str, *, is_partial: bool = False, opens: str = "") -> JointOrder:
    """The last item of an order is done, and the leading region looks at the order again and again.

    `opens` is the item by which the node of Sichuan opens a line.
    """
    order = order_of(business)
    order.id, order.version, order.state, order.partial_allowed = order_id, 5, saga.IN_PROGRESS, is_partial
    order.request.number = LINE.number
    order.decide_time.CopyFrom(to_timestamp(NOW))
    order.expected_completion_time.CopyFrom(to_timestamp(NOW + timedelta(days=9)))
    for index, item in enumerate(order.items):
        is_left_out = is_partial and index == 0
        item.opens_line, item.ends_line = item.id == opens, item.action == JointAction.JOINT_ACTION_DELETE
        item.region = HOME if item.opens_line else item.region
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
        order = done(two.origin, "guangdong/J1", "LEASED_CHANGE", is_partial=is_partial)
        assert order.state == (saga.PARTIAL if is_partial else saga.COMPLETED)
        assert [each.name for each in ENDS.after(two.origin.tx, 0, "", 9)] == [order.id]
        assert two.origin.tx.first(int, "SELECT is_partial - is_late FROM joint_order_ends") == int(is_partial)
        asked = require_occasion(two.origin.tx, "guangdong", order.id)
        assert (asked.id, asked.number, asked.business) == (order.id, LINE.number, "LEASED_CHANGE")
        insert_joint_order(two.home.tx, JointOrderRow(order, ""), 0, NOW)
        with pytest.raises(Refused):
            require_occasion(two.home.tx, "sichuan", order.id)
        assert ENDS.last(two.home.tx) == 0, "a region that follows counts nothing"


def opened(region: Region, order: JointOrder, item_id: str) -> Line:
    """The region of an item has opened its line."""
    item = next(each for each in order.items if each.id == item_id)
    insert_joint_order(region.tx, JointOrderRow(order, ""), 0, NOW)
    insert_item(region.tx, order.id, JointItemRow(item, ""), NOW)
    ids = line_to_open(Order(id=work_id(order.id, item.id)))
    line = replace(LINE, product_id=ids.product_id, customer_id=ids.customer_id, number="+8613980009999")
    keep_customer(region.tx, CustomerRow(line.customer_id, "李雷", ""))
    insert_line(region.tx, line)
    return line


def requests_of(region: Region) -> list[EnvelopeContent]:
    """The requests for invitations that wait."""
    return [each for each in region.waiting() if each.kind == EnvelopeKind.ENVELOPE_KIND_SURVEY_REQUESTED]


def taken(region: Region, content: EnvelopeContent) -> Answer:
    handler = SurveyEnvelopes(region.context.node).kinds()[content.kind]
    assert isinstance(handler, Command)
    return handler.act(region.tx, content, NOW)


@pytest.mark.clause("2.4.1")
@pytest.mark.parametrize(("business", "item"), [("TRANSFER", "take"), ("BB_MOVE", "install")])
def test_after_an_order_that_ends_one_line_and_opens_another_the_customer_of_the_new_line_is_asked(
    business: str, item: str
) -> None:
    with two_regions() as two:
        order = done(two.origin, "guangdong/J1", business, opens=item)
        line = opened(two.home, order, item)
        asked = require_occasion(two.origin.tx, ORIGIN, order.id)
        assert (asked.number, asked.item_id) == ("", item), "the leading region knows no number of that line"
        for _ in range(2):
            inviting.request(two.origin.tx, two.origin.context.node, asked, NOW, "")
        (content,) = requests_of(two.origin)
        assert content.destination == HOME
        assert taken(two.home, content).outcome == Outcome.OUTCOME_ACCEPTED
        found = find_survey(two.home.tx, order.id)
        assert found is not None
        assert (found[1].number, found[1].region, found[1].business) == (line.number, ORIGIN, business)
        foreign = EnvelopeContent()
        foreign.CopyFrom(content)
        foreign.origin = "henan"
        with pytest.raises(Refused):
            taken(two.home, foreign)


def test_a_region_that_does_not_lead_an_order_has_nobody_asked_about_its_lines() -> None:
    with two_regions() as two:
        order = done(two.origin, "guangdong/J1", "TRANSFER", opens="take")
        opened(two.home, order, "take")
        asked = require_occasion(two.origin.tx, ORIGIN, order.id)
        assert not inviting.invite(two.home.tx, two.home.context.node, asked, "henan", NOW)
        asked.item_id = "give"
        assert not inviting.invite(two.home.tx, two.home.context.node, asked, ORIGIN, NOW)


def test_an_order_whose_new_line_staff_open_asks_nobody() -> None:
    with two_regions() as two:
        order = done(two.origin, "guangdong/J1", "TRANSFER")
        with pytest.raises(Refused):
            require_occasion(two.origin.tx, ORIGIN, order.id)


@pytest.mark.parametrize("business", ["NEW_LINE", "BB_INSTALL"])
def test_after_an_order_for_a_new_line_its_number_is_asked(business: str) -> None:
    with two_regions() as two:
        order = Order(id=f"{ORIGIN}/counter/R1", origin_region=ORIGIN, operator="counter", home_region=HOME)
        order.state, order.request.business = OrderState.ORDER_STATE_COMPLETED, business
        order.results["number"] = LINE.number
        insert_order(two.origin.tx, OrderRow(order, ""), NOW)
        keep_customer(two.home.tx, CustomerRow(LINE.customer_id, "王芳", ""))
        insert_line(two.home.tx, LINE)
        inviting.request(
            two.origin.tx, two.origin.context.node, require_occasion(two.origin.tx, ORIGIN, order.id), NOW, ""
        )
        (content,) = two.origin.waiting()
        assert taken(two.home, content).outcome == Outcome.OUTCOME_ACCEPTED
        assert find_survey(two.home.tx, order.id) is not None
