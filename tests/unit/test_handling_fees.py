"""The fee for handling another region's order: by the catalogue, fixed by the version that completes the order."""

from gateway.api.federation.v1.configuration_pb2 import Mode
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.types_pb2 import Money
from gateway.federation.joint_rules import joint_problems
from region_node.business.orders.charged import fix_handling_fee, keep_handling_fee
from tests.shipped import shipped_configuration
from tests.unit.reconciling import COMPLETED, HOME, IN_PROGRESS, ORIGIN, two_regions


def completed(business: str, origin: str = ORIGIN) -> Order:
    order = Order(id=f"{origin}/counter/1", origin_region=origin, home_region=HOME, state=COMPLETED)
    order.request.business = business
    return order


def test_a_joint_business_with_a_fee_that_nothing_would_charge_is_refused() -> None:
    configuration = shipped_configuration()
    for each in configuration.businesses:
        if each.mode == Mode.MODE_JOINT:
            assert list(joint_problems("x", each)) == []
            each.handling_fee.CopyFrom(Money(minor_units=5, currency="CNY"))
            assert [told.partition(":")[0] for told in joint_problems("x", each)] == ["x.handling_fee"]


def test_the_fee_is_that_of_the_business_and_else_that_of_the_policy() -> None:
    found: dict[str, int | None] = {}
    with two_regions() as two:
        cases = {
            "own fee": completed("TERMINATE"),
            "policy": completed("SUSPEND"),
            "left the catalogue": completed("GONE"),
            "money for a complaint": completed("COMPLAINT_REMEDY"),
            "of the home region itself": completed("TERMINATE", HOME),
        }
        for case, order in cases.items():
            fix_handling_fee(two.home.context.node, order)
            found[case] = order.handling_fee.minor_units if order.HasField("handling_fee") else None
    assert found == {
        "own fee": 300,
        "policy": 100,
        "left the catalogue": 100,
        "money for a complaint": None,
        "of the home region itself": None,
    }


def test_no_later_version_of_a_completed_order_has_another_fee() -> None:
    known, told = completed("SUSPEND"), completed("SUSPEND")
    known.handling_fee.minor_units, told.handling_fee.minor_units = 100, 1
    keep_handling_fee(known, told)
    assert told.handling_fee.minor_units == 100
    keep_handling_fee(completed("SUSPEND"), told)
    assert not told.HasField("handling_fee"), "an order of a home region without fees stays without one"
    open_order = completed("SUSPEND")
    open_order.state = IN_PROGRESS
    told.handling_fee.minor_units = 100
    keep_handling_fee(open_order, told)
    assert told.handling_fee.minor_units == 100
