"""The promise of a joint order: every shipped one can be kept, and one that has passed calls people until the end."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration

from gateway.api.federation.v1.configuration_pb2 import Business, Configuration, RegionalLimit, TimeLimit
from gateway.federation.rules import problems, unkept_promises
from gateway.store.timers import Timer, cancel_timer, is_set
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.joint import leading, rules, saga
from region_node.business.joint.leading import ORDER_TIMER
from region_node.business.joint.rows import ORDER_RECORDS, item_key, update_joint_order
from region_node.business.joint.watching import LIMIT_TIMER, OVERDUE_TIMER, watch_promise
from tests.unit.reconciling import Two
from tests.unit.test_joint_limits import LEADER, called, leading_region_and_that_of_an_item, passes, taken_in, told
from tests.unit.test_joint_saga import CONFIGURATION, JOINT, NOW, World, order_of

two_regions = leading_region_and_that_of_an_item
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
DAY = timedelta(days=1)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def duration(time: timedelta) -> Duration:
    return Duration(seconds=int(time.total_seconds()))


def slowest(code: str) -> timedelta:
    """How long an order takes of which every milestone is reached just before its limit, in whole seconds."""
    world = World(order_of(code, JOINT[code].joint.least_places))
    world.lead()
    for _ in range(100):
        for item in world.order.items:
            while world.commands.get(item.id):
                world.obey(item.id, again=False)
        at_work = [(each, rules.milestone_at_work(each)) for each in world.held.values()]
        limits = {each.id: from_timestamp(milestone.due_time) for each, milestone in at_work if milestone is not None}
        while world.reports:
            world.hear(world.reports.pop(0))
        if saga.is_final(world.order):
            assert world.order.state == saga.COMPLETED
            return timedelta(seconds=math.ceil((from_timestamp(world.order.end_time) - NOW).total_seconds()))
        if not any(world.commands.values()):
            first = min(limits.values())
            world.now = first - timedelta(microseconds=1)
            for item_id in (each for each, limit in limits.items() if limit == first):
                world.work(item_id)
    raise AssertionError(f"never final: {world.order}")


def with_limit(code: str, change: Callable[[Business], object]) -> Sequence[str]:
    """The promises of a changed business that an order within all its limits would break."""
    found = Configuration(businesses=[JOINT[code]])
    change(found.businesses[0])
    return unkept_promises(found)


@pytest.mark.clause("1.1.4")
@pytest.mark.parametrize("code", sorted(JOINT))
def test_an_order_within_all_its_limits_keeps_its_promise_and_a_shorter_promise_is_found(code: str) -> None:
    longest = slowest(code)
    whole_days = math.ceil(longest / DAY)
    fitting = [
        TimeLimit(duration=duration(longest)),
        TimeLimit(days=whole_days),
        TimeLimit(working_days=whole_days - 2 * (whole_days // 7)),
    ]
    short = [
        TimeLimit(duration=duration(longest - SECOND)),
        TimeLimit(working_time=duration(HOUR)),
    ]
    if longest > DAY:
        short += [TimeLimit(days=whole_days - 1), TimeLimit(working_days=1)]
    for limit in (*fitting, *short):
        limit.source = "a rule"
        found = with_limit(code, lambda business, limit=limit: business.limit.CopyFrom(limit))  # type: ignore[misc]
        assert [each.partition(":")[0] for each in found] == [f"businesses[{code}].limit"] * (limit in short), limit
    regional = RegionalLimit(region="henan", limit=TimeLimit(duration=duration(HOUR), source="a contract"))
    found = with_limit(
        code, lambda business: business.MergeFrom(Business(limit=fitting[0], regional_limits=[regional]))
    )
    assert [each.partition(":")[0] for each in found] == [f"businesses[{code}].regional_limits[henan].limit"]


@pytest.mark.clause("1.1.4")
def test_the_survey_of_an_item_that_asks_the_customer_outlasts_the_strictest_wait_and_a_weekend() -> None:
    assert unkept_promises(CONFIGURATION) == []
    found = Configuration()
    found.CopyFrom(CONFIGURATION)
    transfer = next(each for each in found.businesses if each.code == "TRANSFER")
    wait = next(each for each in found.policies if each.name == "cooling-off")
    transfer.joint.survey_within.CopyFrom(duration(wait.figure.value * HOUR + 3 * DAY))
    assert unkept_promises(found) == []
    wait.regional.add(region="henan").figure.value = wait.figure.value + 1
    told = [each.partition(" (cooling-off)")[0] for each in unkept_promises(found)]
    said = "joint.survey_within: an item with verify waits 13 h"
    assert told == [f"businesses[BB_MOVE].{said}", f"businesses[TRANSFER].{said}"]
    del wait.regional[:]
    transfer.joint.survey_within.seconds -= 1
    assert len(unkept_promises(found)) == 1
    assert not problems(found), "a region goes on with one that is in force"


def test_staff_are_at_work_between_the_wait_of_any_order_of_a_week_and_the_end_of_its_survey() -> None:
    wait = next(each.figure.value for each in CONFIGURATION.policies if each.name == "cooling-off") * HOUR
    survey = min(JOINT[code].joint.survey_within.ToTimedelta() for code in ("TRANSFER", "BB_MOVE"))
    for taken in (MONDAY + minutes * timedelta(minutes=30) for minutes in range(7 * 48)):
        begins = (MONDAY + days * DAY + timedelta(hours=8.5) for days in range(12) if days % 7 < 5)
        overlaps = (min(taken + survey, each + timedelta(hours=9.5)) - max(taken + wait, each) for each in begins)
        assert sum(max(each, timedelta()) / HOUR for each in overlaps) >= 9.5, taken


def test_regions_go_on_with_a_promise_in_force_that_cannot_be_kept_and_the_check_bears_any_catalogue() -> None:
    found = Configuration()
    found.CopyFrom(CONFIGURATION)
    business = next(each for each in found.businesses if each.code == "BB_MOVE")
    business.joint.survey_within.seconds *= 9
    assert unkept_promises(found)
    assert not problems(found)
    business.joint.items[0].relations.add(kind=1, item_id="remove")
    business.joint.items[0].relations.add(kind=1, item_id="nothing")
    business.joint.items[1].milestones[0].within.seconds = 2**62
    assert unkept_promises(found), "items in a circle, of endless time, and behind one that is not there"


@pytest.mark.clause("1.1.4", "10.3(1)")
def test_a_promise_that_has_passed_calls_the_lead_then_each_level_again_and_again_until_the_order_ends(
    two: Two,
) -> None:
    order = taken_in(two)
    tx, promised = two.origin.tx, from_timestamp(order.expected_completion_time)
    at_work = ORDER_RECORDS.require(tx, order.id).order
    at_work.state = saga.IN_PROGRESS
    update_joint_order(tx, at_work, NOW)
    cancel_timer(tx, f"{ORDER_TIMER}/{order.id}")
    passes(two.origin, promised - SECOND)
    assert not told(two.origin)
    passes(two.origin, promised)
    for days in range(3, 8, 2):
        passes(two.origin, promised + days * DAY)
    assert called(two.origin, promised) == [
        ("promise", 3, LEADER, "OPERATIONS"),
        ("promise", 4, "beijing", "EXECUTIVE"),
        ("promise", 5, "beijing", "EXECUTIVE"),
        ("promise", 5, "beijing", "EXECUTIVE"),
    ]
    assert not is_set(two.home.tx, f"{OVERDUE_TIMER}/{order.id}"), "only the region that gave the promise watches it"
    ended = ORDER_RECORDS.require(tx, order.id).order
    ended.state = saga.FAILED
    update_joint_order(tx, ended, promised)
    passes(two.origin, promised + 30 * DAY)
    assert len(told(two.origin)) == 4
    watch_promise(tx, ended)
    assert not is_set(tx, f"{OVERDUE_TIMER}/{order.id}")


@pytest.mark.clause("1.1.4", "10.3(1)")
def test_an_order_that_a_version_without_the_watch_took_in_is_watched_once_it_goes_on(two: Two) -> None:
    order = taken_in(two)
    tx, node, limit = two.origin.tx, two.origin.context.node, from_timestamp(order.survey_due_time)
    at_work = ORDER_RECORDS.require(tx, order.id).order
    for item in at_work.items:
        item.milestones[0].alert_time.CopyFrom(to_timestamp(limit - HOUR))
        cancel_timer(tx, f"{LIMIT_TIMER}/{item_key(order.id, item.id)}")
    cancel_timer(tx, f"{OVERDUE_TIMER}/{order.id}")
    at_work.survey_due_time.CopyFrom(to_timestamp(limit + DAY))
    update_joint_order(tx, at_work, NOW)
    leading.order_is_due(tx, node, Timer("", "", order.id, 0), limit + SECOND)
    assert is_set(tx, f"{OVERDUE_TIMER}/{order.id}"), "its promise"
    for _ in range(2):
        passes(two.origin, limit + SECOND)
        leading.order_is_due(tx, node, Timer("", "", order.id, 0), limit + SECOND)
    late = sorted((each.id, 3, "beijing", "COORDINATION") for each in order.items)
    assert called(two.origin, limit) == late, "once each, as long as the matter has time"
