"""The readers of a joint order at a region: its staff, the system that submitted it, and the systems of the home."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.security.identity import Identity
from gateway.store import vault
from gateway.time.clock import to_timestamp
from region_node.business.joint import saga
from region_node.business.joint.rows import JointOrderFilter, JointOrderRow, insert_joint_order
from region_node.business.joint.working import find_for, list_for
from region_node.customers.rows import CustomerRow, give_up_number, insert_customer, insert_line
from region_node.customers.status import MOVED, MOVING, RESTRICTED, keep_status
from region_node.node.subjects import customer_subject
from tests.shipped import shipped_configuration
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE

HERE, LEADER = "sichuan", "guangdong"
HALL = Identity("example.cn", Role.ROLE_OPERATOR, HERE, "hall")
STAFF = Identity("example.cn", Role.ROLE_STAFF, HERE, "wang")
NOT_FOUND = "JOINT_ORDER_NOT_FOUND"


@dataclass(frozen=True)
class Node:
    """The node of Sichuan with a customer, whose joint orders others lead."""

    kept: Archive = field(repr=False)

    def order(self, serial: int, *, home: str = HERE, number: str = LINE.number) -> str:
        """A joint order that Guangdong leads."""
        order = JointOrder(id=f"{LEADER}/J20311124-{serial}", version=1, state=saga.SURVEYING, leader_region=LEADER)
        order.operator, order.home_region, order.request.number = HALL.name, home, number
        order.create_time.CopyFrom(to_timestamp(NOW))
        insert_joint_order(self.kept.tx, JointOrderRow(order, ""), 0, NOW)
        return order.id

    def reads(self, name: str, who: Identity = HALL, *, acts: bool = False) -> str:
        """The outcome of a reading in short: the reason, or the id."""
        try:
            return find_for(self.kept.tx, self.kept.context, name, who, acts=acts).id
        except Refused as refused:
            return Reason.Name(refused.reason).removeprefix("REASON_")

    def lists(self, number: str, who: Identity = HALL, limit: int = 10) -> list[str]:
        """The ids that a reader finds."""
        wanted = JointOrderFilter(number=number)
        return [each.id for each in list_for(self.kept.tx, self.kept.context, wanted, who, None, limit).items]


@pytest.fixture(name="node")
def node_of_sichuan() -> Iterator[Node]:
    with archive() as kept:
        insert_customer(kept.tx, CustomerRow(LINE.customer_id, "王芳", ""))
        insert_line(kept.tx, LINE)
        yield Node(kept)


def test_every_system_of_the_home_reads_and_none_but_the_submitting_one_acts(node: Node) -> None:
    name = node.order(1)
    assert (node.reads(name), node.lists(LINE.number), node.lists("")) == (name, [name], [])
    assert node.reads(name, acts=True) == NOT_FOUND, "its namesake in the leading region has submitted it"
    assert (node.reads(name, STAFF, acts=True), node.lists("", STAFF)) == (name, [name])


def test_the_home_is_that_of_the_order_of_the_number_plan_and_of_the_own_records(node: Node) -> None:
    strange, unknown = "+8613851000009", "+8619851000002"
    names = {
        "taken in for another home": node.order(1, home="henan"),
        "said to be at home here": node.order(2, number=strange),
        "nobody's number": node.order(3, number=unknown),
        "without a number": node.order(4, home="", number=""),
    }
    assert {what: node.reads(name) for what, name in names.items()} == dict.fromkeys(names, NOT_FOUND)
    assert [node.lists(number) for number in (LINE.number, strange, unknown)] == [[]] * 3
    assert {node.reads(name, STAFF) for name in names.values()} == set(names.values())


def test_the_line_of_an_erased_customer_shows_nothing(node: Node) -> None:
    name = node.order(1)
    vault.destroy(node.kept.tx, [customer_subject(LINE.customer_id)])
    assert (node.reads(name), node.lists(LINE.number)) == (NOT_FOUND, [])


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(MOVING, "guangdong/J20311124-1"), (RESTRICTED, "CUSTOMER_RESTRICTED"), (MOVED, NOT_FOUND)],
)
def test_a_customer_who_leaves_is_shown_until_moved_and_one_who_is_restricted_is_not_shown(
    node: Node, status: CustomerStatus.ValueType, outcome: str
) -> None:
    name = node.order(1)
    keep_status(node.kept.tx, LINE.customer_id, status)
    assert node.reads(name) == outcome
    assert node.lists(LINE.number) == ([name] if outcome == name else [])


def test_after_a_move_the_former_home_shows_nothing_even_by_a_database_of_before_it(node: Node) -> None:
    name, configuration = node.order(1), shipped_configuration()
    configuration.number_plan.exceptions.add(number=LINE.number, region="henan")
    node.kept.context.border.current.update(Federation(2, configuration), [])
    assert (node.reads(name), node.lists(LINE.number)) == (NOT_FOUND, []), "the plan names the new home"
    node.kept.context.border.current.update(Federation(3, shipped_configuration()), [])
    assert node.reads(name) == name, "the exception is gone"
    give_up_number(node.kept.tx, LINE)
    assert (node.reads(name), node.lists(LINE.number)) == (NOT_FOUND, []), "the plan has yet to name the new home"
    assert node.reads(name, STAFF) == name
