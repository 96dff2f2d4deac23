"""What the leading region of a joint order believes of the reports of other regions."""

from collections.abc import Callable, Mapping

import pytest

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from region_node.business.joint import rules, saga
from tests.unit.test_joint_saga import World, order_of, reserve_all


def _begun(item: JointItem) -> JointItem:
    told = JointItem()
    told.CopyFrom(item)
    told.state = rules.COMMITTED
    told.milestones[-1].ClearField("reach_time")
    return told


def _unreserved(item: JointItem) -> JointItem:
    told = JointItem()
    told.CopyFrom(item)
    told.state = rules.HELD
    for milestone in told.milestones:
        milestone.ClearField("reach_time")
    return told


IMPOSSIBLE: Mapping[str, Callable[[JointItem], object]] = {
    "done without milestones": lambda each: each.ClearField("milestones"),
    "done without one of them": lambda each: each.milestones.pop(1),
    "done with one that is not its own": lambda each: setattr(each.milestones[1], "kind", 99),
    "done with one that is not reached": lambda each: each.milestones[1].ClearField("reach_time"),
    "at a time that no calendar has": lambda each: setattr(each.milestones[1].reach_time, "seconds", 10**15),
    "before the order": lambda each: setattr(each.milestones[0].reach_time, "seconds", 1),
    "in no second": lambda each: setattr(each.milestones[0].reach_time, "nanos", -1),
    "changed at a time that no calendar has": lambda each: setattr(each.change_time, "seconds", 10**15),
    "not done though all is reached": lambda each: setattr(each, "state", rules.IN_PROGRESS),
    "committed though work has begun": lambda each: each.CopyFrom(_begun(each)),
    "held without a reservation": lambda each: each.CopyFrom(_unreserved(each)),
}


def test_what_no_region_can_say_of_its_item_is_not_adopted_and_its_work_is_awaited_as_before() -> None:
    world = World(order_of("BB_MOVE"))
    world.lead()
    reserve_all(world)
    install, remove = world.order.items
    done, before = JointItem(), JointItem()
    done.CopyFrom(install)
    before.CopyFrom(install)
    done.state, done.version = rules.COMPLETED, install.version + 1
    for milestone in done.milestones:
        milestone.reach_time.CopyFrom(install.change_time)
    for spoil in IMPOSSIBLE.values():
        told = JointItem()
        told.CopyFrom(done)
        spoil(told)
        world.hear(told)
    assert install == before
    assert [each.item_id for each in world.order.awaiting] == ["install"]
    world.hear(done)
    assert (install.state, remove.requested) == (rules.COMPLETED, saga.BEGIN), "what it can say is adopted"


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_the_mere_word_of_one_region_that_it_has_committed_its_item_decides_nothing(*, is_cancelled: bool) -> None:
    world = World(order_of("BB_MOVE"))
    world.lead()
    if is_cancelled:
        saga.cancel(world.order, "changed plans", world.now)
        world.lead()
    before = JointOrder()
    before.CopyFrom(world.order)
    lie = JointItem()
    lie.CopyFrom(world.order.items[0])
    lie.state, lie.version = rules.COMMITTED, 50
    lie.milestones[0].reach_time.CopyFrom(world.order.create_time)
    world.hear(lie)
    assert world.order == before
