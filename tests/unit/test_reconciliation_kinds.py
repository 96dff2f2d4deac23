"""The kinds of records that regions compare: joint orders, their items, parts and credits of faults."""

from collections.abc import Callable
from datetime import timedelta

from gateway.api.region.v1.fault_pb2 import Fault, FaultState, QuoteState
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.api.types.v1.types_pb2 import Money
from gateway.store.vault import destroy
from gateway.time.clock import to_timestamp
from region_node.app.registered import SETTLED
from region_node.business.joint import rules, saga
from region_node.business.joint.rows import (
    JointItemRow,
    JointOrderRow,
    insert_item,
    insert_joint_order,
    joint_subject,
)
from region_node.network.faults.rows import FaultRow, insert_fault
from tests.unit.reconciling import HOME, NIGHT, ORIGIN, TAKEN_IN, Two, two_regions
from tests.unit.situations import LINE

JOINT_ID, FAULT_ID = f"{ORIGIN}/J20300614-1", f"{ORIGIN}/F20300614-1"
ITEM = f"{JOINT_ID}/access-2"


def joint_order(state: int = saga.COMPLETED, item: int = rules.COMPLETED) -> JointOrder:
    """An order that the origin leads, with an item there and one in the home region."""
    order = JointOrder(id=JOINT_ID, version=5, state=state, leader_region=ORIGIN, operator="counter")  # type: ignore[arg-type]
    order.request.business = "BB_MOVE"
    order.create_time.CopyFrom(to_timestamp(TAKEN_IN))
    order.items.add(id="access-1", region=ORIGIN, state=rules.COMPLETED)
    order.items.add(id="access-2", region=HOME, state=item)
    return order


def fault(*, price: int = 500, state: int = FaultState.FAULT_STATE_CLOSED, waived: bool = True) -> Fault:
    """A fault that the origin reported in the home region, repaired late with a part."""
    found = Fault(id=FAULT_ID, version=7, state=state, origin_region=ORIGIN, owner_region=HOME, home_region=ORIGIN)  # type: ignore[arg-type]
    found.report.number = LINE.number
    found.create_time.CopyFrom(to_timestamp(TAKEN_IN))
    part = found.repair.parts.add(number=1, name="modem", price=Money(minor_units=price, currency="CNY"))
    part.quote = QuoteState.QUOTE_STATE_ACCEPTED
    outage = found.outages.add()
    for each in (part.install_time, outage.start_time, outage.end_time, outage.breach_time):
        each.CopyFrom(to_timestamp(TAKEN_IN))
    if waived:
        outage.waiver.time.CopyFrom(to_timestamp(TAKEN_IN))
    return found


def store(two: Two, at_origin: JointOrder | Fault | None, at_home: JointOrder | Fault | None) -> None:
    """Gives each region its copy; the home region has its own item as the origin was told of it."""
    for region, copy in ((two.origin, at_origin), (two.home, at_home)):
        if isinstance(copy, JointOrder):
            insert_joint_order(region.tx, JointOrderRow(copy, ""), 1, TAKEN_IN)
            for item in copy.items:
                if item.region == region.name:
                    own = JointItem()
                    own.CopyFrom(item)
                    insert_item(region.tx, copy.id, JointItemRow(own, ""), TAKEN_IN)
        elif copy is not None:
            insert_fault(region.tx, FaultRow(copy, ""), 1, TAKEN_IN)


def compared(at_origin: JointOrder | Fault | None, at_home: JointOrder | Fault | None) -> list[tuple[str, str, str]]:
    """The differences of two copies as the origin names them: kind of record, serial, name."""
    with two_regions() as two:
        store(two, at_origin, at_home)
        two.compare()
        mirrored = {each.serial for each in two.home.differences}
        assert mirrored == {each.serial for each in two.origin.differences}
        names = two.origin.named
        return sorted(
            (each.record_kind, each.serial, names[each.serial.rpartition("/")[2]]) for each in two.origin.differences
        )


def test_equal_copies_of_joint_orders_parts_and_credits_have_no_difference_and_all_count() -> None:
    with two_regions() as two:
        store(two, joint_order(), joint_order())
        store(two, fault(), fault())
        two.compare()
        assert (two.origin.differences, two.home.differences) == ([], [])
        [day] = two.origin.days
        assert (day.records_here, day.records_there, day.open_records) == (5, 5, 0)


def test_each_defect_of_a_joint_order_a_part_and_a_credit_is_named() -> None:
    working = joint_order(saga.IN_PROGRESS, rules.IN_PROGRESS)
    lost_item = joint_order()
    lost_item.items[1].region = "henan"
    lost_part = fault()
    del lost_part.repair.parts[:]
    cases: dict[str, tuple[Callable[[], list[tuple[str, str, str]]], list[tuple[str, str, str]]]] = {
        "a lost last version": (
            lambda: compared(working, joint_order()),
            [("item", ITEM, "in_flight"), ("joint", JOINT_ID, "in_flight")],
        ),
        "a lost joint order": (
            lambda: compared(None, joint_order()),
            [("item", ITEM, "missing_here"), ("joint", JOINT_ID, "missing_here")],
        ),
        "a changed price": (
            lambda: compared(fault(), fault(price=5000)),
            [("part", f"{FAULT_ID}#part1", "different_amount")],
        ),
        "a lost part": (lambda: compared(lost_part, fault()), [("part", f"{FAULT_ID}#part1", "missing_here")]),
        "a credit that nobody was told of": (
            lambda: compared(fault(), fault(waived=False)),
            [("credit", f"{FAULT_ID}#waived0", "in_flight")],
        ),
    }
    wrong = {case: found for case, (find, named) in cases.items() if (found := find()) != named}
    assert wrong == {}


def test_an_order_of_other_regions_and_one_that_was_erased_are_compared_with_nobody() -> None:
    with two_regions() as two:
        store(two, joint_order(), joint_order())
        third = joint_order()
        third.id = f"{ORIGIN}/J20300614-2"
        third.items[1].region = "henan"
        insert_joint_order(two.origin.tx, JointOrderRow(third, ""), 2, TAKEN_IN)
        destroy(two.home.tx, [joint_subject(JOINT_ID)])
        two.compare()
        assert set(two.origin.named.values()) == {"missing_there"}, "until the erasure has arrived"
        assert two.home.differences == [], "nothing is stored of it any more"
        destroy(two.origin.tx, [joint_subject(JOINT_ID)])
        two.compare(now=NIGHT + timedelta(days=1))
        assert two.origin.differences == []


def test_every_completed_kind_of_business_between_regions_is_compared() -> None:
    assert {each.name for each in SETTLED} == {
        *("order", "remedy", "joint", "item", "part", "credit"),
        *("complaint", "fault", "support", "waived-rent", "warranty-part", "agreement-credit", "moved-balance"),
    }
