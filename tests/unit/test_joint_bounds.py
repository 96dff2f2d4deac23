"""The items of a joint business are bounded, and their checks take no more than a glance."""

from datetime import UTC, datetime

import pytest

from deploy.local.federation import FEDERATION_FILES
from gateway.api.federation.v1.configuration_pb2 import (
    Business,
    Configuration,
    JointAction,
    JointMilestoneKind,
    JointRelationKind,
    JointSite,
    Mode,
)
from gateway.api.region.v1.joint_order_pb2 import JointPlace
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.files import load
from gateway.federation.joint_rules import MOST_ITEMS, MOST_PLACES
from gateway.federation.rules import problems, problems_not_in_force, refused_orders, unkept_promises
from region_node.business.joint.templates import new_items, require_places

NOW = datetime(2030, 6, 15, 4, 0, tzinfo=UTC)
SHIPPED = load(FEDERATION_FILES)


@pytest.mark.parametrize(
    ("templates", "relations", "site", "largest"),
    [
        (MOST_ITEMS, 1, JointSite.JOINT_SITE_LEADER, MOST_ITEMS),
        (MOST_ITEMS + 1, 1, JointSite.JOINT_SITE_LEADER, MOST_ITEMS + 1),
        (MOST_ITEMS // MOST_PLACES, 1, JointSite.JOINT_SITE_EACH_PLACE, MOST_ITEMS),
        (MOST_ITEMS // MOST_PLACES + 1, 1, JointSite.JOINT_SITE_EACH_PLACE, MOST_ITEMS + MOST_PLACES),
        (2, MOST_ITEMS + 1, JointSite.JOINT_SITE_LEADER, MOST_ITEMS + 1),
    ],
)
def test_larger_orders_than_a_region_takes_are_not_put_in_force_and_a_region_goes_on_with_those_that_are(
    templates: int, relations: int, site: JointSite.ValueType, largest: int
) -> None:
    wanted = moves_with_items(templates, relations, site)
    assert not [each for each in problems(wanted) if "joint" in each]
    told = (
        f"businesses[BB_MOVE].joint.items: an order has up to {largest}, or an item as many relations: at most"
        f" {MOST_ITEMS}"
    )
    expected = [told] if largest > MOST_ITEMS else []
    assert problems_not_in_force(wanted, SHIPPED) == expected
    assert problems_not_in_force(wanted, wanted) == []
    assert refused_orders(wanted) == expected


def test_an_order_has_as_many_places_as_regions_take_items() -> None:
    (business,) = moves_with_items(6, 0, JointSite.JOINT_SITE_EACH_PLACE).businesses
    places = [JointPlace(region="sichuan", address="1 Main Street")] * MOST_PLACES
    require_places(business, places[:16])
    assert len(new_items(business, places[:16], "guangdong", NOW)) == 96
    with pytest.raises(Refused) as refused:
        require_places(business, places[:17])
    assert refused.value.reason == Reason.REASON_JOINT_PLACES_INVALID
    assert refused.value.parameters["most"] == "16"


def moves_with_items(templates: int, relations: int, site: JointSite.ValueType) -> Configuration:
    """A configuration whose one business has so many items, each with so many relations to the one before."""
    business = Business(code="BB_MOVE", mode=Mode.MODE_JOINT)
    business.joint.CopyFrom(next(each for each in SHIPPED.businesses if each.code == "BB_MOVE").joint)
    business.limit.days = 366
    joint, (shipped, *_) = business.joint, list(business.joint.items)
    joint.least_places, joint.most_places = 1, MOST_PLACES
    del joint.items[:]
    for number in range(templates):
        item = joint.items.add(id=f"item-{number}", site=site, action=JointAction.JOINT_ACTION_ADD, name=shipped.name)
        item.milestones.add(kind=JointMilestoneKind.JOINT_MILESTONE_KIND_TEST).within.seconds = 10
        for _ in range(relations if number else 0):
            item.relations.add(kind=JointRelationKind.JOINT_RELATION_KIND_RELIES_ON, item_id=f"item-{number - 1}")
    return Configuration(businesses=[business])


def test_the_time_of_a_chain_of_items_is_the_sum_of_its_limits_in_whatever_order_they_are_named() -> None:
    business = Business(code="LEASED_LINE", mode=Mode.MODE_JOINT)
    relies_on = JointRelationKind.JOINT_RELATION_KIND_RELIES_ON
    for number in range(MOST_ITEMS):
        item = business.joint.items.add(id=f"item-{number}")
        item.milestones.add().within.seconds = 10
        if number + 1 < MOST_ITEMS:
            item.relations.add(kind=relies_on, item_id=f"item-{number + 1}")
    configuration = Configuration(businesses=[business])
    configuration.businesses[0].limit.duration.seconds = 10 * MOST_ITEMS
    assert not unkept_promises(configuration)
    configuration.businesses[0].limit.duration.seconds -= 1
    assert len(unkept_promises(configuration)) == 1
