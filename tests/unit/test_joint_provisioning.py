"""Calls to the region's own system about an item: each answer counts once, and only for what the item needs now."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointItemState, JointOrder, JointVerb
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.store import catch_ups, losses
from gateway.store.catch_ups import CatchUp
from gateway.store.losses import Loss
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.business.joint import items, provisioning, rules, saga, working
from region_node.business.joint.rows import (
    ITEM_RECORDS,
    JointOrderRow,
    insert_joint_order,
    item_key,
    joint_subject,
    work_id,
)
from region_node.business.orders.provisioning_answers import FAILURES_TOLD, Answer, Asked
from region_node.business.orders.provisioning_rows import Phase, due_tasks, find_task
from region_node.care.escalations.joint_orders import JOINT_ORDERS
from region_node.node.context import RegionContext
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE

NAME = "guangdong/J20311124-1"
WORK = work_id(NAME, "install")
DONE = Answer(True)
NO = Answer(False, LocalizedText(zh_cn="没有资源", en="no resources"))
COMMIT, BEGIN = JointVerb.JOINT_VERB_COMMIT, JointVerb.JOINT_VERB_BEGIN
SOON = timedelta(seconds=1)


def new_order() -> JointOrder:
    """A move to Sichuan that Guangdong leads."""
    order = JointOrder(id=NAME, version=1, state=saga.SURVEYING, leader_region="guangdong", operator="counter")
    order.request.number, order.request.business = LINE.number, "BB_MOVE"
    order.places.add(region="sichuan", address="1 Main Street")
    order.create_time.CopyFrom(to_timestamp(NOW))
    order.hold_until_time.CopyFrom(to_timestamp(NOW + timedelta(days=4)))
    item = order.items.add(id="install", region="sichuan", place=1, requested=saga.RESERVE)
    for kind in (1, 3, 4, 5):
        item.milestones.add(kind=kind, within_s=3600 if kind > 1 else 0)
    return order


@dataclass(frozen=True)
class Node:
    """The node of Sichuan, whose own system installs broadband."""

    kept: Archive = field(repr=False)
    context: RegionContext
    order: JointOrder = field(repr=False)

    def requested(self, verb: JointVerb.ValueType) -> None:
        """The leading region requests a step."""
        begin = to_timestamp(NOW) if verb == BEGIN else None
        items.obey(self.kept.tx, self.context, self.order, self.order.items[0], verb, begin, NOW, "")

    def asks(self) -> Asked:
        """The call that is due."""
        (task,) = due_tasks(self.kept.tx, NOW, 9)
        asked = provisioning.ask(self.kept.tx, self.context, task, NOW)
        assert asked is not None
        return asked

    def answers(self, asked: Asked, answer: Answer = DONE) -> JointItem:
        """The system answers; returns the item then."""
        working.answered(self.kept.tx, self.context, asked, answer, NOW)
        return self.item()

    def item(self) -> JointItem:
        """The item of this region."""
        return ITEM_RECORDS.require(self.kept.tx, item_key(NAME, "install")).item

    def phase(self) -> Phase | None:
        """What the system has to do; None once it has nothing to do with the item."""
        task = find_task(self.kept.tx, WORK)
        return None if task is None else task.phase

    def is_due(self) -> bool:
        """Whether a call is to be made."""
        return bool(due_tasks(self.kept.tx, NOW, 9))


def _installed(kept: Archive, *businesses: str) -> Node:
    node = Node(kept, replace(kept.context, provisioned=frozenset(businesses)), new_order())
    insert_joint_order(kept.tx, JointOrderRow(node.order, ""), 0, NOW)
    node.requested(saga.RESERVE)
    return node


@pytest.fixture(name="kept")
def archive_of_sichuan() -> Iterator[Archive]:
    with archive() as kept:
        yield kept


@pytest.fixture(name="node")
def node_of_sichuan(kept: Archive) -> Node:
    return _installed(kept, "BB_MOVE")


def test_a_business_that_the_settings_do_not_name_is_left_to_staff(kept: Archive) -> None:
    node = _installed(kept, "LEASED_LINE")
    assert node.phase() is None
    assert node.item().state == rules.SURVEYING


def test_the_system_is_told_of_the_item_and_of_the_end_of_its_reservation(node: Node) -> None:
    work = node.asks().work
    assert (work.order_id, work.business, work.number) == (WORK, "BB_MOVE", LINE.number)
    assert (work.item.item_id, work.item.address) == ("install", "1 Main Street")
    assert work.item.hold_until_time == node.order.hold_until_time


def test_the_system_is_not_called_for_an_item_that_its_leading_region_may_have_released(node: Node) -> None:
    tx, current = node.kept.tx, node.context.border.current
    current.update(current.federation, [Member(region="guangdong", state=MemberState.MEMBER_STATE_JOINED)])
    losses.keep(tx, Loss(1, 1, "coordinator", 1, 9, 0, 10_009, to_microseconds(NOW), "staff", "INC-1", 1))
    (task,) = due_tasks(tx, NOW, 9)
    assert provisioning.ask(tx, node.context, task, NOW) is None
    assert not node.is_due(), "other work is not kept from its turn"
    catch_ups.keep(tx, CatchUp(1, "guangdong", finish_time=7))
    later = NOW + timedelta(days=1)
    (task,) = due_tasks(tx, later, 9)
    assert provisioning.ask(tx, node.context, task, later) is not None


def test_each_answer_brings_the_item_on_once(node: Node) -> None:
    check = node.asks()
    assert node.answers(check).state == rules.RESERVED
    assert node.answers(check, NO).version == 2, "the first answer counts"
    assert not node.is_due()
    node.requested(COMMIT)
    assert node.phase() == Phase.IDLE, "the work waits for another item"
    node.requested(BEGIN)
    provision = node.asks()
    assert provision.task.phase == Phase.PROVISION
    before = node.answers(check).version
    node.answers(provision)
    assert node.answers(provision).version == before + 1
    test = node.asks()
    assert test.task.phase == Phase.TEST
    item = node.answers(test)
    assert [each.HasField("reach_time") for each in item.milestones] == [True, True, True, False]
    assert not node.is_due()
    rules.reach(item, item.milestones[3].kind, NOW)
    items.store(node.kept.tx, node.context, node.order, item, NOW)
    assert node.phase() is None


def test_an_answer_that_is_late_for_a_released_item_changes_nothing_and_the_system_undoes_it(node: Node) -> None:
    check = node.asks()
    node.requested(saga.GIVE_UP)
    assert node.answers(check).state == rules.RELEASED
    undo = node.asks()
    assert undo.task.phase == Phase.UNDO
    node.answers(undo, NO)
    assert not node.is_due()
    provisioning.ask_again(node.kept.tx, node.order, node.item(), NOW)
    node.answers(node.asks())
    assert (node.phase(), node.is_due()) == (Phase.IDLE, False)


def _refuse(node: Node) -> None:
    """Staff refuse the item after a check of which nobody has heard yet."""
    item = node.item()
    rules.refuse(item, Refused(Reason.REASON_JOINT_SURVEY_REFUSED, problem="no duct."), NOW)
    items.store(node.kept.tx, node.context, node.order, item, NOW)


def test_a_refused_item_keeps_its_cause_and_that_the_system_does_not_undo_it_until_it_is_asked_again(
    node: Node,
) -> None:
    node.asks()
    _refuse(node)
    cause = node.item().error
    undo = node.asks()
    assert undo.task.phase == Phase.UNDO
    stuck = node.answers(undo, NO)
    assert (stuck.error.reason, node.phase(), node.is_due()) == (cause.reason, Phase.UNDO, False)
    assert stuck.error.message.en == (
        "The survey was refused: no duct; The systems of the item's region could not do it: no resources"
    )
    assert stuck.error.message.zh_cn.endswith("；该地区系统未能办理：没有资源")
    assert "ask_again" in rules.steps_of(stuck, NOW)
    for answer, steps in ((NO, ["ask_again"]), (DONE, [])):
        item = node.item()
        provisioning.ask_again(node.kept.tx, node.order, item, NOW)
        items.store(node.kept.tx, node.context, node.order, item, NOW)
        assert (node.item().error, rules.steps_of(node.item(), NOW)) == (cause, [])
        found = node.answers(node.asks(), answer)
        assert rules.steps_of(found, NOW) == steps
    assert (node.item().error, node.phase(), node.is_due()) == (cause, Phase.IDLE, False)


def test_an_item_that_is_held_is_checked_again_and_waits_for_staff_where_there_is_no_room(node: Node) -> None:
    node.answers(node.asks())
    item = node.item()
    assert rules.expire(item, NOW)
    items.store(node.kept.tx, node.context, node.order, item, NOW)
    assert not node.is_due()
    node.requested(BEGIN)
    held = node.answers(node.asks(), NO)
    assert (held.state, held.error.reason) == (rules.HELD, Reason.REASON_JOINT_SYSTEM_REFUSED)
    assert not node.is_due()
    provisioning.ask_again(node.kept.tx, node.order, held, NOW)
    room = node.answers(node.asks())
    assert room.state == rules.IN_PROGRESS
    assert not room.HasField("error")
    assert node.phase() == Phase.PROVISION


def test_what_staff_did_meanwhile_is_not_done_again(node: Node) -> None:
    check, item = node.asks(), node.item()
    rules.reserve(item, NOW)
    items.store(node.kept.tx, node.context, node.order, item, NOW)
    assert node.answers(check, NO).state == rules.RESERVED
    with pytest.raises(Refused) as refused:
        provisioning.ask_again(node.kept.tx, node.order, node.item(), NOW)
    assert refused.value.reason == Reason.REASON_JOINT_ITEM_STATE_FORBIDS


def test_a_system_that_is_silent_is_told_of_once_and_called_without_end(node: Node) -> None:
    versions = []
    for _ in range(FAILURES_TOLD + 2):
        working.unanswered(node.kept.tx, node.context, node.asks(), "UNAVAILABLE", -SOON, NOW)
        versions.append(node.item().version)
    assert versions == [1, 2, 2, 2]
    assert node.item().error.reason == Reason.REASON_PROVIDER_UNAVAILABLE
    reserved = node.answers(node.asks())
    assert (reserved.state, reserved.HasField("error")) == (JointItemState.JOINT_ITEM_STATE_RESERVED, False)


def test_what_the_system_says_is_sealed_under_the_joint_order_and_ends_with_it(node: Node) -> None:
    node.answers(node.asks())
    node.requested(BEGIN)
    node.answers(node.asks(), NO)
    task = find_task(node.kept.tx, WORK)
    assert task is not None
    assert (task.subject, "no resources" in task.problem) == (joint_subject(NAME), True)
    JOINT_ORDERS.erasure.forget["joint"](node.kept.tx, NAME)
    assert find_task(node.kept.tx, WORK) is None
