"""The items of a joint business are bounded, and their checks take no more than a glance."""

import pytest

from gateway.api.federation.v1.configuration_pb2 import Business, Configuration, JointRelationKind, JointSite, Mode
from gateway.federation.joint_rules import MOST_ITEMS, MOST_PLACES, joint_problems
from gateway.federation.rules import unkept_promises


@pytest.mark.parametrize(
    ("templates", "relations", "site", "is_allowed"),
    [
        (MOST_ITEMS, 1, JointSite.JOINT_SITE_LEADER, True),
        (MOST_ITEMS + 1, 1, JointSite.JOINT_SITE_LEADER, False),
        (MOST_ITEMS // MOST_PLACES, 1, JointSite.JOINT_SITE_EACH_PLACE, True),
        (MOST_ITEMS // MOST_PLACES + 1, 1, JointSite.JOINT_SITE_EACH_PLACE, False),
        (2, MOST_ITEMS + 1, JointSite.JOINT_SITE_LEADER, False),
    ],
)
def test_the_items_of_an_order_with_most_places_are_bounded_and_nothing_else_is_checked_beyond(
    templates: int, relations: int, site: JointSite.ValueType, is_allowed: bool
) -> None:
    business = Business(code="LEASED_LINE", mode=Mode.MODE_JOINT)
    business.joint.most_places = MOST_PLACES
    relies_on = JointRelationKind.JOINT_RELATION_KIND_RELIES_ON
    for number in range(templates):
        item = business.joint.items.add(id=f"item-{number}", site=site)
        for _ in range(relations if number else 0):
            item.relations.add(kind=relies_on, item_id=f"item-{number - 1}")
    beyond = f"x.joint.items: an order has more than {MOST_ITEMS}, or an item more relations"
    found = list(joint_problems("x", business))
    assert (beyond not in found, found == [beyond]) == (is_allowed, not is_allowed)


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
