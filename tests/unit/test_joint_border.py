"""The region of an item does what the leading region may request of it, once, and refuses everything else."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from google.protobuf.message import Message

from gateway.api.region.v1.joint_order_envelopes_pb2 import JointCommand, JointReport, JointUpdate
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointItemState, JointOrder, JointVerb
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.joint_rules import MOST_ITEMS
from gateway.relay.border import Command
from gateway.security.identity import Identity
from gateway.store.timers import due_timers, fire
from gateway.time.clock import from_microseconds, from_timestamp, to_timestamp
from region_node.business.joint import rules, saga
from region_node.business.joint.items import RESERVATION_TIMER
from region_node.business.joint.relayed import JointEnvelopes
from region_node.business.joint.rows import (
    ITEM_RECORDS,
    ORDER_RECORDS,
    JointOrderFilter,
    item_key,
    update_item,
    update_joint_order,
)
from region_node.business.joint.working import list_for, reservation_is_due
from region_node.care.escalations.joint_orders import JOINT_ORDERS
from region_node.records.kinds import Customer
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE

NAME, LEADER, HERE = "guangdong/J20311124-1", "guangdong", "sichuan"
COMMAND = EnvelopeKind.ENVELOPE_KIND_JOINT_COMMAND
REPORT = EnvelopeKind.ENVELOPE_KIND_JOINT_REPORT
UPDATE = EnvelopeKind.ENVELOPE_KIND_JOINT_UPDATE
NOT_ALLOWED, INVALID = "ENVELOPE_KIND_NOT_ALLOWED", "ENVELOPE_INVALID"
RESERVE, RELEASE = JointVerb.JOINT_VERB_RESERVE, JointVerb.JOINT_VERB_RELEASE
STAFF = Identity("example.cn", Role.ROLE_STAFF, HERE, "wang")
COMMIT, BEGIN = JointVerb.JOINT_VERB_COMMIT, JointVerb.JOINT_VERB_BEGIN


def new_order() -> JointOrder:
    """A move from Sichuan to Henan that Guangdong leads."""
    order = JointOrder(id=NAME, version=1, state=saga.SURVEYING, leader_region=LEADER, operator="counter")
    order.request.number = LINE.number
    order.create_time.CopyFrom(to_timestamp(NOW))
    order.hold_until_time.CopyFrom(to_timestamp(NOW + timedelta(days=4)))
    for item_id, region in (("install", "henan"), ("remove", HERE)):
        item = order.items.add(id=item_id, region=region, state=rules.ACKNOWLEDGED, requested=RESERVE)
        item.milestones.add(kind=1)
        item.milestones.add(kind=3, within_s=3600)
    return order


@dataclass(frozen=True)
class Node:
    """The node of Sichuan, and the messages that reach it."""

    kept: Archive = field(repr=False)

    def arrives(self, kind: EnvelopeKind.ValueType, payload: Message, sender: str = LEADER, subject: str = NAME) -> str:
        """The answer in short: the reason, or ACCEPTED."""
        command = JointEnvelopes(self.kept.context).kinds()[kind]
        assert isinstance(command, Command)
        content = EnvelopeContent(
            origin=sender, destination=HERE, subject=subject, kind=kind, payload=payload.SerializeToString()
        )
        try:
            answer = command.act(self.kept.tx, content, NOW)
        except Refused as refused:
            return Reason.Name(refused.reason).removeprefix("REASON_")
        if answer.outcome != Outcome.OUTCOME_ACCEPTED:
            told = JointReport.FromString(answer.result)
            assert told == JointReport(joint_order_id=NAME, item=self.item()), "the unchanged item"
            return Reason.Name(answer.reason).removeprefix("REASON_")
        return "ACCEPTED"

    def requested(
        self,
        verb: JointVerb.ValueType,
        sender: str = LEADER,
        item_id: str = "remove",
        spoil: Callable[[JointOrder], object] = lambda each: None,
        carries: Collection[JointVerb.ValueType] = (RESERVE, RELEASE),
    ) -> str:
        """The answer to a step."""
        command = JointCommand(joint_order_id=NAME, item_id=item_id, verb=verb)
        if verb in carries:
            command.order.CopyFrom(new_order())
            spoil(command.order)
        if verb == BEGIN:
            command.begin_time.CopyFrom(to_timestamp(NOW))
        return self.arrives(COMMAND, command, sender)

    def item(self) -> JointItem:
        """The item of this region."""
        return ITEM_RECORDS.require(self.kept.tx, item_key(NAME, "remove")).item

    def staff_reserve(self) -> None:
        """Staff keep room for it."""
        item = self.item()
        rules.reserve(item, NOW)
        update_item(self.kept.tx, NAME, item)


@pytest.fixture(name="node")
def node_of_sichuan() -> Iterator[Node]:
    with archive() as kept:
        yield Node(kept)


def test_a_first_request_names_its_own_order_and_an_end_of_the_reservation(node: Node) -> None:
    wrong: dict[str, tuple[str, Callable[[JointOrder], object]]] = {
        "no end": (INVALID, lambda each: each.ClearField("hold_until_time")),
        "an end after years": (
            INVALID,
            lambda each: each.hold_until_time.CopyFrom(to_timestamp(NOW + timedelta(days=800))),
        ),
        "too many items": (INVALID, lambda each: each.items.extend(JointItem() for _ in range(MOST_ITEMS))),
        "led by another": (NOT_ALLOWED, lambda each: setattr(each, "leader_region", "henan")),
        "another order": (NOT_ALLOWED, lambda each: setattr(each, "id", "guangdong/J2")),
        "of the future": (
            INVALID,
            lambda each: each.create_time.CopyFrom(to_timestamp(NOW + timedelta(hours=1))),
        ),
        "an end that no calendar has": (INVALID, lambda each: setattr(each.hold_until_time, "seconds", 10**15)),
        "a milestone that no calendar has": (
            INVALID,
            lambda each: setattr(each.items[0].milestones[0].reach_time, "seconds", 10**15),
        ),
        "a wait since a time that no calendar has": (
            INVALID,
            lambda each: setattr(each.awaiting.add(region=HERE, item_id="remove").since_time, "seconds", 10**15),
        ),
        "a limit that no calendar has": (
            INVALID,
            lambda each: setattr(each.items[1].milestones[0].due_time, "seconds", 10**15),
        ),
        "no milestones": ("JOINT_ITEM_NOT_FOUND", lambda each: each.items[1].ClearField("milestones")),
        "another region's item": ("JOINT_ITEM_NOT_FOUND", lambda each: setattr(each.items[1], "region", "henan")),
    }
    told = {name: node.requested(RESERVE, spoil=spoil) for name, (_, spoil) in wrong.items()}
    assert told == {name: reason for name, (reason, _) in wrong.items()}
    assert node.kept.count("joint_orders") == node.kept.count("joint_items") == 0
    assert node.requested(RESERVE, item_id="install") == "JOINT_ITEM_NOT_FOUND"
    assert node.requested(RESERVE, sender="henan") == NOT_ALLOWED


def test_steps_are_done_once_and_in_no_other_order(node: Node) -> None:
    assert node.requested(COMMIT) == "JOINT_ORDER_NOT_FOUND"
    assert [node.requested(RESERVE), node.requested(RESERVE)] == ["ACCEPTED", "ACCEPTED"]
    assert (node.item().state, node.item().version) == (rules.SURVEYING, 1)
    assert {node.requested(COMMIT), node.requested(BEGIN)} == {INVALID}, "nothing is reserved"
    node.staff_reserve()
    assert node.requested(COMMIT, sender="henan") == NOT_ALLOWED
    assert [node.requested(COMMIT), node.requested(COMMIT)] == ["ACCEPTED", "ACCEPTED"]
    assert (node.item().state, node.item().version) == (rules.COMMITTED, 3)
    assert node.requested(RELEASE) == INVALID, "committed"
    assert [node.requested(BEGIN), node.requested(BEGIN), node.requested(COMMIT)] == ["ACCEPTED"] * 3
    assert (node.item().state, node.item().version) == (rules.IN_PROGRESS, 4)


def test_a_release_comes_before_or_after_anything_but_a_commitment(node: Node) -> None:
    assert node.requested(RESERVE) == "ACCEPTED"
    node.staff_reserve()
    assert [node.requested(RELEASE), node.requested(RELEASE)] == ["ACCEPTED", "ACCEPTED"]
    assert (node.item().state, node.item().version) == (rules.RELEASED, 3)
    assert not [each for each in due_timers(node.kept.tx, NOW + timedelta(days=9)) if each.kind == RESERVATION_TIMER]


def test_a_release_that_overtakes_its_reservation_leaves_nothing_to_reserve(node: Node) -> None:
    assert node.requested(RELEASE, sender="henan") == NOT_ALLOWED
    assert node.requested(RELEASE, spoil=lambda each: each.ClearField("hold_until_time")) == INVALID
    assert node.requested(RELEASE, spoil=lambda each: setattr(each.decide_time, "seconds", 10**15)) == INVALID
    assert node.kept.count("joint_orders") == node.kept.count("joint_items") == 0
    assert node.requested(RELEASE, spoil=lambda each: setattr(each, "version", 2)) == "ACCEPTED"
    assert [node.requested(RESERVE), node.requested(RELEASE), node.requested(COMMIT)] == ["ACCEPTED"] * 2 + [INVALID]
    assert (node.item().state, node.item().version) == (rules.RELEASED, 1)
    assert ORDER_RECORDS.require(node.kept.tx, NAME).order.version == 2
    assert not [each for each in due_timers(node.kept.tx, NOW + timedelta(days=9)) if each.kind == RESERVATION_TIMER]


def test_a_release_without_its_order_as_earlier_nodes_send_it_is_obeyed_where_the_order_is_known(node: Node) -> None:
    assert node.requested(RELEASE, carries=()) == "JOINT_ORDER_NOT_FOUND"
    assert node.requested(RESERVE) == "ACCEPTED"
    assert node.requested(RELEASE, carries=()) == "ACCEPTED"
    assert node.item().state == rules.RELEASED


def test_a_version_that_overtakes_the_reservation_is_kept_by_a_region_with_an_item(node: Node) -> None:
    later = new_order()
    later.version = 5
    endless = JointOrder()
    endless.CopyFrom(later)
    endless.hold_until_time.CopyFrom(to_timestamp(NOW + timedelta(days=800)))
    assert node.arrives(UPDATE, JointUpdate(order=endless)) == INVALID
    assert node.arrives(UPDATE, JointUpdate(order=later)) == "ACCEPTED"
    assert node.kept.count("joint_items") == 0
    assert node.requested(RESERVE) == "ACCEPTED"
    assert ORDER_RECORDS.require(node.kept.tx, NAME).order.version == 5
    assert node.item().state == rules.SURVEYING


def test_a_known_order_goes_on_with_more_items_than_a_new_one_may_have_and_gets_no_further_ones(node: Node) -> None:
    def larger(order: JointOrder, further: int = 0) -> None:
        order.items.extend(JointItem() for _ in range(MOST_ITEMS + further))

    def told(version: int, further: int = 0) -> str:
        later = new_order()
        later.version = version
        larger(later, further)
        return node.arrives(UPDATE, JointUpdate(order=later))

    assert (told(2), node.kept.count("joint_orders")) == (INVALID, 0), "it is new"
    assert node.requested(RESERVE) == "ACCEPTED"
    known = ORDER_RECORDS.require(node.kept.tx, NAME)
    larger(known.order)
    update_joint_order(node.kept.tx, known.order, NOW)
    assert [told(2), told(3, further=1)] == ["ACCEPTED", INVALID]
    assert ORDER_RECORDS.require(node.kept.tx, NAME).order.version == 2
    assert node.requested(RELEASE, spoil=lambda each: larger(each, 1)) == INVALID
    assert node.requested(RELEASE, spoil=larger) == "ACCEPTED"
    assert node.item().state == rules.RELEASED


def test_the_leading_region_neither_promises_nor_takes_back_for_another_though_it_may_tell_of_a_lost_item(
    node: Node,
) -> None:
    def told(version: int, state: JointItemState.ValueType, counted: int) -> str:
        lie = new_order()
        lie.version, lie.items[1].state, lie.items[1].version = version, state, counted
        lie.items[1].milestones[0].reach_time.CopyFrom(to_timestamp(NOW))
        return node.arrives(UPDATE, JointUpdate(order=lie))

    assert node.requested(RESERVE) == "ACCEPTED"
    assert told(5, rules.RESERVED, 2**60) == INVALID
    assert told(5, rules.RESERVED, 9) == "ACCEPTED"
    assert (node.item().state, node.item().version > 9) == (rules.SURVEYING, True), "the promise is made again"
    node.staff_reserve()
    assert node.requested(COMMIT) == "ACCEPTED"
    assert told(6, rules.RELEASED, 9999) == "ACCEPTED"
    assert node.item().state == rules.COMMITTED


def test_what_was_released_without_a_reservation_is_never_committed_and_a_released_reservation_is_held(
    node: Node,
) -> None:
    assert [node.requested(RESERVE), node.requested(RELEASE), node.requested(COMMIT)] == ["ACCEPTED"] * 2 + [INVALID]
    item = node.item()
    item.milestones[0].reach_time.CopyFrom(to_timestamp(NOW))
    update_item(node.kept.tx, NAME, item)
    assert node.requested(COMMIT) == "ACCEPTED"
    assert node.item().state == rules.HELD


def test_a_second_item_has_the_end_of_the_first_and_another_order_with_the_same_id_is_refused(node: Node) -> None:
    def add(order: JointOrder) -> None:
        other = order.items.add(id="other", region=HERE, state=rules.ACKNOWLEDGED, requested=RESERVE)
        other.milestones.add(kind=1)
        order.hold_until_time.CopyFrom(to_timestamp(NOW + timedelta(days=40)))

    def numbered_again(order: JointOrder) -> None:
        order.create_time.CopyFrom(to_timestamp(NOW - timedelta(hours=1)))

    assert node.requested(RESERVE) == "ACCEPTED"
    assert node.requested(RESERVE, item_id="other", spoil=add) == "ACCEPTED"
    dues = {
        each.due_time for each in due_timers(node.kept.tx, NOW + timedelta(days=99)) if each.kind == RESERVATION_TIMER
    }
    assert {from_microseconds(each) for each in dues} == {from_timestamp(new_order().hold_until_time)}
    assert node.kept.count("joint_items") == 2
    assert node.requested(RESERVE, spoil=numbered_again) == INVALID


def test_every_region_with_an_item_receives_the_legal_holds_of_the_customer(node: Node) -> None:
    assert node.requested(RESERVE) == "ACCEPTED"
    (kept,) = JOINT_ORDERS.erasure.kept_of(node.kept.tx, Customer("c", [LINE.number], [], []))
    assert {LEADER, "henan", HERE} <= set(kept.regions)
    assert JOINT_ORDERS.holds.may_hold(node.kept.tx, node.kept.context, HERE, NAME)
    assert not JOINT_ORDERS.holds.may_hold(node.kept.tx, node.kept.context, "henan", NAME), "not of its customer"


def test_a_reservation_ends_at_its_time_and_a_later_commitment_holds_the_item(node: Node) -> None:
    assert node.requested(RESERVE) == "ACCEPTED"
    node.staff_reserve()
    end = from_timestamp(new_order().hold_until_time)
    handlers = {RESERVATION_TIMER: lambda tx, timer, now: reservation_is_due(tx, node.kept.context, timer, now)}
    assert not [each for each in due_timers(node.kept.tx, end - timedelta(seconds=1)) if each.kind in handlers]
    (timer,) = (each for each in due_timers(node.kept.tx, end) if each.kind in handlers)
    fire(node.kept.tx, timer, handlers, end)
    assert node.item().state == rules.EXPIRED
    assert node.requested(BEGIN) == "ACCEPTED"
    assert node.item().state == rules.HELD
    assert node.requested(RELEASE) == INVALID, "it is never given up"


def test_a_list_has_an_item_as_this_region_has_it_where_the_leading_region_is_silent(node: Node) -> None:
    def listed() -> list[JointItemState.ValueType]:
        page = list_for(node.kept.tx, node.kept.context, JointOrderFilter(states=rules.AT_WORK), STAFF, None, 9)
        return [item.state for order in page.items for item in order.items]

    assert node.requested(RESERVE) == "ACCEPTED"
    assert listed() == [rules.ACKNOWLEDGED, rules.SURVEYING]
    item = node.item()
    rules.expire(item, NOW)
    update_item(node.kept.tx, NAME, item)
    assert listed() == [rules.ACKNOWLEDGED, rules.EXPIRED]
    assert [each.state for each in ORDER_RECORDS.require(node.kept.tx, NAME).order.items] == [rules.ACKNOWLEDGED] * 2


def test_only_the_leading_region_tells_versions_and_only_the_region_of_an_item_reports_it(node: Node) -> None:
    assert node.requested(RESERVE) == "ACCEPTED"
    later = new_order()
    later.version = 5
    forged = JointOrder()
    forged.CopyFrom(later)
    forged.leader_region = "henan"
    assert node.arrives(UPDATE, JointUpdate(order=forged), sender="henan") == NOT_ALLOWED
    assert node.arrives(UPDATE, JointUpdate(order=later), subject="guangdong/J2") == NOT_ALLOWED
    longer = JointOrder()
    longer.CopyFrom(later)
    longer.hold_until_time.CopyFrom(to_timestamp(NOW + timedelta(days=40)))
    assert node.arrives(UPDATE, JointUpdate(order=longer)) == "ACCEPTED"
    known = ORDER_RECORDS.require(node.kept.tx, NAME).order
    assert (known.version, known.hold_until_time) == (5, later.hold_until_time), "the end never moves"
    report = JointReport(joint_order_id=NAME, item=later.items[0])
    assert node.arrives(REPORT, report, sender="henan") == NOT_ALLOWED, "it is not led here"
