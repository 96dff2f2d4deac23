"""Who is told of a joint order whose limit is near or has passed: at the leading region, and at that of the item."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.federation.body import Body
from gateway.store.timers import TIMERS, Timer, due_timers, fire
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.joint import items, leading, rules, saga
from region_node.business.joint.leading import ORDER_TIMER
from region_node.business.joint.rows import ITEM_RECORDS, ORDER_RECORDS, JointOrderRow, insert_joint_order, item_key
from region_node.business.joint.watching import LIMIT_TIMER, OVERDUE_TIMER
from region_node.business.joint.working import adopt
from region_node.care.escalations.duty import with_duty
from region_node.care.escalations.joint_orders import JOINT_ORDERS, limit_is_near, limit_is_overdue
from tests.shipped import shipped_configuration
from tests.unit.reconciling import Region, Two, two_regions
from tests.unit.test_joint_saga import NOW, order_of

LEADER, HERE, FAR = "guangdong", "sichuan", "henan"
SECOND = timedelta(seconds=1)


@pytest.fixture(name="two")
def leading_region_and_that_of_an_item() -> Iterator[Two]:
    with two_regions() as two:
        for each in two.by_name.values():
            each.context = replace(each.context, node=replace(each.context.node, sinks={"file": 1}))
        yield two


def taken_in(two: Two) -> JointOrder:
    """A change of a leased line between Sichuan and Henan that Guangdong leads; both are to survey."""
    order = order_of("LEASED_CHANGE")
    order.version = 1
    order.expected_completion_time.CopyFrom(to_timestamp(NOW + timedelta(days=14)))
    tx, node = two.origin.tx, two.origin.context.node
    insert_joint_order(tx, JointOrderRow(order, ""), 1, NOW)
    leading.order_is_due(tx, node, Timer("", "", order.id, 0), NOW)
    found = ORDER_RECORDS.require(tx, order.id).order
    item = own(found)
    items.obey(two.home.tx, two.home.context.node, found, item, saga.RESERVE, None, NOW, "")
    adopt(two.home.tx, two.home.context.node, found, NOW, "")
    return found


def own(order: JointOrder) -> JointItem:
    return next(each for each in order.items if each.region == HERE)


def passes(region: Region, now: datetime) -> None:
    """Fires what is due by then, until nothing is."""
    node = region.context.node
    handlers = {
        LIMIT_TIMER: lambda tx, timer, now: limit_is_near(tx, node, timer, now),
        OVERDUE_TIMER: lambda tx, timer, now: limit_is_overdue(tx, node, timer, now),
        ORDER_TIMER: lambda tx, timer, now: leading.order_is_due(tx, node, timer, now),
    }
    while due := [each for each in due_timers(region.tx, now) if each.kind in handlers]:
        for timer in due:
            fire(region.tx, timer, handlers, now)


def told(region: Region) -> Sequence[RaisedComplaint]:
    return region.tx.all(RaisedComplaint.FromString, "SELECT content FROM escalation_notices ORDER BY ticket_id, level")


def called(region: Region, now: datetime) -> list[tuple[str, int, str, str]]:
    """Item, level, and whose person on duty is called."""
    body = Body(shipped_configuration())
    found = []
    for each in told(region):
        duty = with_duty(each, body, now).on_duty
        assert duty.contact.telephone
        what = each.ticket_id.removeprefix(f"{LEADER}/J1/").partition("/")[0]
        found.append((what, each.level, duty.region, duty.department))
    return found


@pytest.mark.clause("10.3(1)")
def test_a_limit_that_is_near_calls_the_person_on_duty_of_both_regions_and_one_that_has_passed_the_coordinator(
    two: Two,
) -> None:
    order = taken_in(two)
    mine = own(order)
    limit = from_timestamp(order.survey_due_time)
    warning = limit - order.warn_before.ToTimedelta()
    for region in (two.origin, two.home):
        passes(region, warning - SECOND)
        assert not told(region)
        for _ in range(2):
            passes(region, warning)
    leads = sorted((each.id, 2, LEADER, "OPERATIONS") for each in order.items)
    assert called(two.origin, warning) == leads, "the leading region knows of every item"
    assert called(two.home, warning) == [(mine.id, 2, HERE, "OPERATIONS")], "and each region of its own, by itself"
    passes(two.home, limit)
    assert called(two.home, limit)[1:] == [(mine.id, 3, "beijing", "COORDINATION")]
    for days in (1, 2, 3):
        passes(two.home, limit + timedelta(days=days))
    assert [level for _, level, _, _ in called(two.home, limit)] == [2, 3, 4, 5, 5], "until the limit is met"
    rows = two.home.tx.all(str, "SELECT subject FROM audit WHERE action = 'EscalateJointOrder'")
    assert rows == [order.id] * 5
    JOINT_ORDERS.erasure.forget["joint"](two.home.tx, order.id)
    assert not told(two.home), "notices end with the order"


def test_a_milestone_that_is_reached_calls_nobody_and_the_next_one_has_its_own_call(two: Two) -> None:
    order = taken_in(two)
    tx, node, key = two.home.tx, two.home.context.node, item_key(order.id, own(order).id)
    item = ITEM_RECORDS.require(tx, key).item
    rules.reserve(item, NOW)
    items.store(tx, node, order, item, NOW)
    assert tx.find(TIMERS, f"{LIMIT_TIMER}/{key}") is None, "a reservation waits for the decision"
    passes(two.home, from_timestamp(order.survey_due_time))
    assert not told(two.home)
    begin = Timestamp(seconds=int((NOW + timedelta(hours=1)).timestamp()))
    items.obey(tx, node, order, item, saga.BEGIN, begin, NOW, "")
    milestone = rules.milestone_at_work(ITEM_RECORDS.require(tx, key).item)
    assert milestone is not None
    passes(two.home, from_timestamp(milestone.due_time) + SECOND)
    (notice,) = told(two.home)
    assert (notice.level, notice.due_time) == (3, milestone.due_time), "a node that was away tells what has passed"


def test_limits_that_no_calendar_has_are_watched_without_a_defect(two: Two) -> None:
    order = order_of("LEASED_CHANGE")
    order.warn_before.seconds = 10**12
    for each in order.items:
        each.milestones[0].due_time.seconds = 10**15
    items.obey(two.home.tx, two.home.context.node, order, own(order), saga.RESERVE, None, NOW, "")
    assert ITEM_RECORDS.is_known(two.home.tx, item_key(order.id, own(order).id))
