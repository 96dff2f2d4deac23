"""The items of a joint order, made of the templates of its business and of its places. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import (
    Business,
    JointItemTemplate,
    JointMilestoneKind,
    JointRelation,
    JointSite,
)
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointItemState, JointPlace
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.joint_rules import most_places
from gateway.time.clock import to_timestamp
from region_node.requests.checks import require_length

ADDRESS_LIMIT = 256  # characters


def require_places(business: Business, places: Sequence[JointPlace]) -> None:
    """Raises Refused with JOINT_PLACES_INVALID, or with REQUEST_INVALID for an address."""
    joint = business.joint
    most = most_places(joint)
    if not joint.least_places <= len(places) <= most:
        raise Refused(
            Reason.REASON_JOINT_PLACES_INVALID,
            business=business.code,
            least=str(joint.least_places),
            most=str(most),
            places=str(len(places)),
        )
    for index, place in enumerate(places):
        require_length(f"places[{index}].address", place.address, ADDRESS_LIMIT, required=True)


def ending(business: Business) -> tuple[JointItemTemplate, int] | None:
    """The template of the item that ends the line of the order's number, and its place from 1; None for none."""
    template = next((each for each in business.joint.items if each.ends_line), None)
    if template is None:
        return None
    (position,) = _positions(template, business.joint.least_places)
    return template, position


def opening(business: Business) -> list[tuple[JointItemTemplate, int]]:
    """The templates of items that open a line, each with its place from 1."""
    templates = [each for each in business.joint.items if each.HasField("opens_line")]
    return [(each, position) for each in templates for position in _positions(each, business.joint.least_places)]


def at_place(business: Business, place: int) -> list[JointItemTemplate]:
    """The templates of the items at a place, which counts from 1."""
    return [each for each in business.joint.items if place in _positions(each, place)]


def new_items(business: Business, places: Sequence[JointPlace], leader: str, survey_due: datetime) -> list[JointItem]:
    """The items of a new order, in the order of the templates. A relation to a template names each of its items."""
    positions = {each.id: list(_positions(each, len(places))) for each in business.joint.items}
    return [
        _item(template, position, _region(places, position, leader), positions, survey_due)
        for template in business.joint.items
        for position in positions[template.id]
    ]


def _item(
    template: JointItemTemplate,
    position: int,
    region: str,
    positions: Mapping[str, Sequence[int]],
    survey_due: datetime,
) -> JointItem:
    item = JointItem(
        id=_item_id(template.id, position, positions[template.id]),
        region=region,
        action=template.action,
        ends_line=template.ends_line,
        place=position,
        state=JointItemState.JOINT_ITEM_STATE_ACKNOWLEDGED,
        relations=[
            JointRelation(kind=each.kind, item_id=_item_id(each.item_id, other, positions[each.item_id]))
            for each in template.relations
            for other in positions[each.item_id]
        ],
    )
    item.milestones.add(kind=JointMilestoneKind.JOINT_MILESTONE_KIND_SURVEY, due_time=to_timestamp(survey_due))
    for milestone in template.milestones:
        item.milestones.add(kind=milestone.kind, within_s=milestone.within.seconds)
    return item


def _positions(template: JointItemTemplate, places: int) -> Iterator[int]:
    """The places of a template's items, counted from 1; 0 for none."""
    match template.site:
        case JointSite.JOINT_SITE_EACH_PLACE:
            yield from range(1, places + 1)
        case JointSite.JOINT_SITE_FIRST_PLACE:
            yield 1
        case JointSite.JOINT_SITE_SECOND_PLACE:
            yield 2
        case _:
            yield 0


def _item_id(template: str, position: int, positions: Sequence[int]) -> str:
    return f"{template}-{position}" if len(positions) > 1 else template


def _region(places: Sequence[JointPlace], position: int, leader: str) -> str:
    return places[position - 1].region if position else leader
