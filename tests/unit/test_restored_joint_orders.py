"""A joint order that one region has lost is restored by what that region has signed; a line that it changed is not."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import pytest

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import WorkOnJointOrderRequest
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Requester
from gateway.errors import Refused
from gateway.security.signing import ENVELOPE
from gateway.store import catch_ups, losses
from gateway.store.catch_ups import CatchUp
from gateway.store.losses import Loss
from gateway.store.port import Value
from gateway.time.clock import to_microseconds
from region_node.business.joint import leading, working
from region_node.business.joint.rows import ITEM_RECORDS, NUMBERS, ORDER_RECORDS, item_key, update_joint_order
from region_node.requests.caller import Caller
from tests.simulation.plans import documents
from tests.simulation.world import operator, staff
from tests.unit.reconciling import HOME, NIGHT, ORIGIN, TAKEN_IN, Region, Two, two_regions
from tests.unit.situations import LINE
from tests.unit.test_restoring import EVIDENCE, agreed, evidence_on_its_way, refused, standing

FACTS = {
    "joint_orders": "joint_order_id, joint_number, origin_region, operator, state, version, create_time",
    "joint_items": "joint_item_id, state, version",
    "joint_order_ends": "joint_order_id, end_time, is_late, is_partial",
}


@pytest.fixture(name="two")
def two_without_records() -> Iterator[Two]:
    with two_regions() as two:
        yield two


def submitted(two: Two) -> str:
    """A change of a leased line that the origin leads, with one end in each region; its id."""
    request = OrderRequest(
        business="LEASED_CHANGE",
        number=LINE.number,
        applicant=Applicant.APPLICANT_ENTERPRISE,
        documents=documents(("CONTRACT", "SEAL_LETTER"), TAKEN_IN, ""),
        characteristics={"bandwidth": "1 Gbit/s"},
        requester=Requester(staff_id="c-17", channel=Channel.CHANNEL_COUNTER),
    )
    places = [JointPlace(region=region, address="1 Main Street") for region in (HOME, ORIGIN)]
    caller = Caller(operator(ORIGIN, "counter"), "submit", "")
    order = leading.submit(two.origin.tx, two.origin.context.node, caller, request, places, TAKEN_IN)
    two.exchange(TAKEN_IN)
    return order.id


def work(two: Two, order_id: str, item: JointItem, step: WorkOnJointOrderRequest) -> None:
    """The staff of the region of an item do a step on it."""
    region, asked = two.by_name[item.region], WorkOnJointOrderRequest(joint_order_id=order_id, item_id=item.id)
    asked.MergeFrom(step)
    caller = Caller(staff(region.name, "li"), f"{item.id}-{step.WhichOneof('step')}-{step.reach}", "")
    working.work(region.tx, region.context.node, caller, asked, TAKEN_IN)
    two.exchange(TAKEN_IN)


def reserved(two: Two) -> str:
    """All regions have reserved, and the order goes on."""
    order_id = submitted(two)
    for item in order_at(two.origin, order_id).items:
        work(two, order_id, item, WorkOnJointOrderRequest(reserve=WorkOnJointOrderRequest.Reserve()))
    return order_id


def completed(two: Two) -> str:
    """The order is done everywhere."""
    order_id = reserved(two)
    for item in order_at(two.origin, order_id).items:
        for milestone in item.milestones[1:]:
            work(two, order_id, item, WorkOnJointOrderRequest(reach=milestone.kind))
    return order_id


def order_at(region: Region, order_id: str) -> JointOrder:
    return ORDER_RECORDS.require(region.tx, order_id).order


def facts_of(region: Region) -> Mapping[str, Sequence[tuple[Value, ...]]]:
    """Everything that a region has of joint orders."""
    return {
        table: region.tx.all(lambda *row: row, f"SELECT {columns} FROM {table} ORDER BY 1")
        for table, columns in FACTS.items()
    }


def lose(region: Region, order_id: str) -> None:
    """The region loses an order with its items and every message about it."""
    for table, column in {
        "joint_items": "joint_order_id",
        "joint_order_ends": "joint_order_id",
        "joint_orders": "joint_order_id",
        "outbox": "subject",
        "inbox": "subject",
    }.items():
        region.tx.execute(f"DELETE FROM {table} WHERE {column} = :id", id=order_id)


def serial_of(two: Two, kind: str, order_id: str) -> str:
    [item, *_] = [each.id for each in order_at(two.origin, order_id).items if each.region == HOME]
    return order_id if kind == "joint" else item_key(order_id, item)


@pytest.mark.parametrize(("kind", "losing"), [("joint", ORIGIN), ("joint", HOME), ("item", HOME)])
def test_a_lost_joint_order_comes_back_with_its_items_once(two: Two, kind: str, losing: str) -> None:
    plays(two, kind, losing)


def plays(two: Two, kind: str, losing: str) -> None:
    """Loses and restores a joint order that was completed; also on PostgreSQL."""
    order_id, lost = completed(two), two.by_name[losing]
    serial, before, next_number = serial_of(two, kind, order_id), facts_of(lost), NUMBERS.next(lost.tx)
    order, items = order_at(lost, order_id), own_items(lost, order_id)
    assert items, "something is lost"
    lose(lost, order_id)
    repair_id = agreed(two, lost, proposer=lost, kind=kind, serial=serial)
    evidence = evidence_on_its_way(two)
    two.handler(lost, EVIDENCE).act(lost.tx, evidence, NIGHT)
    two.exchange(NIGHT)
    assert "done" in standing(two, repair_id)
    assert (facts_of(lost), order_at(lost, order_id), own_items(lost, order_id)) == (before, order, items)
    assert NUMBERS.next(lost.tx) == next_number
    with pytest.raises(Refused):
        two.handler(lost, EVIDENCE).act(lost.tx, evidence, NIGHT)
    assert facts_of(lost) == before
    two.compare(now=NIGHT + timedelta(days=1))
    assert (two.origin.named, two.home.named) == ({}, {})


def own_items(region: Region, order_id: str) -> list[str]:
    """The items of a region, with the times of their milestones."""
    keys = region.tx.all(
        str, "SELECT joint_item_id FROM joint_items WHERE joint_order_id = :id ORDER BY 1", id=order_id
    )
    items = [ITEM_RECORDS.require(region.tx, each).item for each in keys]
    return [f"{each.id} {each.state} {[milestone.reach_time for milestone in each.milestones]}" for each in items]


def test_an_order_that_goes_on_is_led_on_from_a_backup_alone(two: Two) -> None:
    order_id = reserved(two)
    for milestone in order_at(two.origin, order_id).items[0].milestones[1:]:
        work(two, order_id, order_at(two.origin, order_id).items[0], WorkOnJointOrderRequest(reach=milestone.kind))
    lose(two.origin, order_id)
    repair_id = agreed(two, two.origin, proposer=two.home, kind="item", serial=f"{order_id}/access-1")
    assert refused(two, repair_id) == ["failed RECORD_NOT_ENDED"] * 2
    assert not ORDER_RECORDS.is_known(two.origin.tx, order_id)


def test_staff_take_no_step_on_an_item_whose_leading_region_may_still_tell_what_was_lost(two: Two) -> None:
    order_id = submitted(two)
    item = next(each for each in order_at(two.origin, order_id).items if each.region == HOME)
    losses.keep(two.home.tx, Loss(1, 1, "coordinator", 1, 9, 0, 10_009, to_microseconds(TAKEN_IN), "staff", "INC-1", 1))
    with pytest.raises(Refused) as raised:
        work(two, order_id, item, WorkOnJointOrderRequest(reserve=WorkOnJointOrderRequest.Reserve()))
    assert raised.value.reason == Reason.REASON_CATCHING_UP
    catch_ups.keep(two.home.tx, CatchUp(1, ORIGIN, finish_time=7))
    work(two, order_id, item, WorkOnJointOrderRequest(reserve=WorkOnJointOrderRequest.Reserve()))


def test_an_item_that_has_changed_a_line_stays_with_people(two: Two) -> None:
    order_id = completed(two)
    for region in two.by_name.values():
        order = order_at(region, order_id)
        for item in order.items:
            item.ends_line = item.region == HOME
        order.version += 1
        update_joint_order(region.tx, order, TAKEN_IN)
    two.home.tx.execute("DELETE FROM joint_items")
    two.home.tx.execute("DELETE FROM joint_orders")
    repair_id = agreed(two, two.home, proposer=two.home, kind="joint", serial=order_id)
    assert refused(two, repair_id) == ["failed RECORD_EFFECT_NOT_PROVEN"] * 2
    assert not ORDER_RECORDS.is_known(two.home.tx, order_id)


@pytest.mark.parametrize("losing", [ORIGIN, HOME])
def test_a_region_takes_no_joint_order_that_it_has_not_signed(two: Two, losing: str) -> None:
    order_id, lost = completed(two), two.by_name[losing]
    lose(lost, order_id)
    agreed(two, lost, proposer=lost, kind="joint", serial=order_id)
    evidence = evidence_on_its_way(two)
    told = RepairEvidence.FromString(evidence.payload)
    dearer = order_at(two.home if losing == ORIGIN else two.origin, order_id)
    dearer.request.characteristics["bandwidth"] = "9 Gbit/s"
    unsigned, foreign, other = RepairEvidence(), RepairEvidence(), RepairEvidence()
    for each in (unsigned, foreign, other):
        each.CopyFrom(told)
    if losing == ORIGIN:
        unsigned.envelope.signature = bytes(64)
        signer = two.home.context.node.border.signer
        foreign.envelope.signature = signer.sign(ENVELOPE, foreign.envelope.content)
        other.ClearField("envelope")
    else:
        unsigned.receipt.signature = bytes(64)
        foreign.answered = b""
        other.record = dearer.SerializeToString()
    for forged in (unsigned, foreign, other):
        content = EnvelopeContent()
        content.CopyFrom(evidence)
        content.payload = forged.SerializeToString()
        with pytest.raises(Refused) as caught:
            two.handler(lost, EVIDENCE).act(lost.tx, content, NIGHT)
        assert caught.value.reason == Reason.REASON_RECORD_NOT_PROVEN
    assert not ORDER_RECORDS.is_known(lost.tx, order_id)


def test_a_region_takes_back_no_version_with_a_time_that_no_page_could_show(two: Two) -> None:
    order_id = completed(two)
    undated = order_at(two.origin, order_id)
    undated.awaiting.add(region=HOME).since_time.seconds = 10**15
    lose(two.home, order_id)
    agreed(two, two.home, proposer=two.home, kind="joint", serial=order_id)
    content = evidence_on_its_way(two)
    told = RepairEvidence.FromString(content.payload)
    told.record = undated.SerializeToString()
    content.payload = told.SerializeToString()
    with pytest.raises(Refused) as caught:
        two.handler(two.home, EVIDENCE).act(two.home.tx, content, NIGHT)
    assert caught.value.reason == Reason.REASON_ENVELOPE_INVALID
    assert not ORDER_RECORDS.is_known(two.home.tx, order_id)
