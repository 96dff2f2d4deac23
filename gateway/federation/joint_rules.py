"""Rules for the items of a business that several regions do together. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Set

from gateway.api.federation.v1.configuration_pb2 import (
    Business,
    JointAction,
    JointBusiness,
    JointItemTemplate,
    JointMilestoneKind,
    JointRelationKind,
    JointSite,
    LineKind,
    Mode,
    Policy,
    Precondition,
    TimeLimit,
    ValueType,
)
from gateway.federation.checks import duration_problems, enum_problems, label_problems, text_problems, twice
from gateway.federation.policies import COOLING_OFF, strictest_figure

MOST_ITEMS = 100  # of an order: five at each of its places
MOST_PLACES = 20  # so that an order with all items and addresses fits into an envelope
_WEEK = 5  # working days
_HOUR = 3_600  # seconds
_DAY = 24 * _HOUR
_WORKING_DAY = 3 * _DAY  # until one has passed, also from the evening before a weekend
_BUNDLES = JointRelationKind.JOINT_RELATION_KIND_BUNDLES
_REPLACED_BY = JointRelationKind.JOINT_RELATION_KIND_REPLACED_BY
_TEST = JointMilestoneKind.JOINT_MILESTONE_KIND_TEST
_DELETE = JointAction.JOINT_ACTION_DELETE
_SINGLE_PLACES = (JointSite.JOINT_SITE_FIRST_PLACE, JointSite.JOINT_SITE_SECOND_PLACE)
_PLACES_OF = {
    JointSite.JOINT_SITE_LEADER: 0,
    JointSite.JOINT_SITE_EACH_PLACE: 1,
    JointSite.JOINT_SITE_FIRST_PLACE: 1,
    JointSite.JOINT_SITE_SECOND_PLACE: 2,
}


def joint_problems(path: str, business: Business) -> Iterator[str]:
    """Problems of the items of a business, each with its path. Only a joint business has items, and it has no steps."""
    if business.mode != Mode.MODE_JOINT:
        if business.HasField("joint"):
            yield f"{path}.joint: only a business of MODE_JOINT has items"
        return
    if business.steps:
        yield f"{path}.steps: a joint business has items, and no steps"
    if business.HasField("handling_fee"):
        yield f"{path}.handling_fee: a joint business has none, since each region works on an item of its own"
    yield from _joint_problems(f"{path}.joint", business.joint)
    ending = [each for each in business.joint.items if each.ends_line]
    if len(ending) > 1:
        yield f"{path}.joint.items: {', '.join(each.id for each in ending)} end the same line"
    if any(each.verify for each in business.joint.items) and COOLING_OFF not in business.policies:
        yield f"{path}.policies: lacks {COOLING_OFF}, the hours for which an item with verify waits"
    if ending and Precondition.PRECONDITION_LINE_NOT_PROMISED not in business.preconditions:
        yield f"{path}.preconditions: an item ends a line, which another order may have promised"
    for template in business.joint.items:
        if template.HasField("opens_line"):
            yield from _opening_problems(f"{path}.joint.items[{template.id}].opens_line", business, template)
    if business.preconditions and not ending:
        yield f"{path}.preconditions: no item is of a line that could be checked"


def size_problems(path: str, business: Business) -> Iterator[str]:
    """The items of an order with most places, or the relations of one item, that are more than `MOST_ITEMS`."""
    if (most := _largest(business.joint)) > MOST_ITEMS:
        yield f"{path}.joint.items: an order has up to {most}, or an item as many relations: at most {MOST_ITEMS}"


def most_places(joint: JointBusiness) -> int:
    """The most places of an order with at most `MOST_ITEMS`; 0 where every order has more."""
    fitting = (each for each in range(joint.most_places, 0, -1) if _count_items(joint, each) <= MOST_ITEMS)
    return next(fitting, 0)


def promise_problems(path: str, business: Business) -> Iterator[str]:
    """Each promise of a joint business for which an order would be late although it meets every limit of its items.

    A week has at least two days off. Where a calendar has a weekend worked to make up for a holiday, a promise of
    working days ends earlier by as many days: this check does not see it.
    """
    if business.mode != Mode.MODE_JOINT or _largest(business.joint) > MOST_ITEMS:
        return
    promises = [(f"{path}.limit", business.limit)]
    promises += [(f"{path}.regional_limits[{each.region}].limit", each.limit) for each in business.regional_limits]
    longest = _longest_chain(business.joint)
    for where, promise in promises:
        least = _least_time(promise)
        if longest > least:
            yield f"{where}: survey and milestones may take {longest} s, and the promise is {least} s"


def objection_hours(policies: Iterable[Policy]) -> int | None:
    """The strictest wait of any region for an objection; None without the policy for it."""
    policy = next((each for each in policies if each.name == COOLING_OFF), None)
    return None if policy is None else strictest_figure(policy, {each.region for each in policy.regional}).value


def survey_problems(path: str, business: Business, hours: int | None) -> Iterator[str]:
    """The survey of an item with `verify` that may end before staff were at work after the wait for an objection.

    `hours` are the `objection_hours`. Staff reserve on a working day, which comes behind a weekend at the latest;
    holidays are not looked at.
    """
    if hours is None or not any(each.verify for each in business.joint.items):
        return
    least, survey = hours * _HOUR + _WORKING_DAY, business.joint.survey_within.seconds
    if survey < least:
        yield (
            f"{path}.joint.survey_within: an item with verify waits {hours} h ({COOLING_OFF}), and staff need a"
            f" working day behind it, also on a weekend: at least {least} s, and it is {survey} s"
        )


def _largest(joint: JointBusiness) -> int:
    """The number of items of an order with most places, or of the relations of an item, if they are more."""
    return max(_count_items(joint, joint.most_places), *(len(each.relations) for each in joint.items), 0)


def _count_items(joint: JointBusiness, places: int) -> int:
    return sum(places if each.site == JointSite.JOINT_SITE_EACH_PLACE else 1 for each in joint.items)


def _longest_chain(joint: JointBusiness) -> int:
    """The seconds from the acceptance to the last milestone, where each is reached at its limit.

    The decision comes with the last reservation. An item begins once each item that it waits for has come so far.
    """
    by_id = {each.id: each for each in joint.items}
    begins = dict.fromkeys(by_id, 0)
    waits = {
        each.id: [one for one in each.relations if one.kind != _BUNDLES and one.item_id in by_id]
        for each in by_id.values()
    }
    # Items in a circle, which never begin, are a problem of their own.
    for name in _in_order({name: {one.item_id for one in each} for name, each in waits.items()}):
        for one in waits[name]:
            other = by_id[one.item_id]
            reached = begins[other.id] + _within(other, until_test=one.kind == _REPLACED_BY)
            begins[name] = max(begins[name], reached)
    return joint.survey_within.seconds + max((begins[each.id] + _within(each) for each in joint.items), default=0)


def _within(template: JointItemTemplate, *, until_test: bool = False) -> int:
    """The seconds that an item takes until its end, or until its test."""
    limits = [each.within.seconds for each in template.milestones if not until_test or each.kind <= _TEST]
    return max(limits, default=0)


def _least_time(promise: TimeLimit) -> int:
    """The seconds that a promise takes at least: holidays and closed hours only lengthen it."""
    weeks, days = divmod(promise.working_days, _WEEK)
    whole_days = promise.days + weeks * 7 + days
    return promise.duration.seconds + promise.working_time.seconds + whole_days * _DAY


def _opening_problems(path: str, business: Business, template: JointItemTemplate) -> Iterator[str]:
    new_line, known = template.opens_line, {each.name: each.value_type for each in business.characteristics}
    yield from enum_problems(f"{path}.kind", LineKind.DESCRIPTOR, [new_line.kind])
    if template.action != JointAction.JOINT_ACTION_ADD or template.site not in _SINGLE_PLACES:
        yield f"{path}: only JOINT_ACTION_ADD at the first or the second place opens a line"
    if _TEST not in [each.kind for each in template.milestones]:
        yield f"{path}: the line is in service with its test, and there is none"
    if known.get("plan") != ValueType.VALUE_TYPE_PLAN:
        yield f"{path}: the business has no characteristic plan of VALUE_TYPE_PLAN"
    if new_line.name_characteristic not in known:
        yield f"{path}.name_characteristic: the business has no characteristic {new_line.name_characteristic!r}"


def _joint_problems(path: str, joint: JointBusiness) -> Iterator[str]:
    for name in ("survey_within", "commit_window", "warn_before"):
        yield from duration_problems(f"{path}.{name}", getattr(joint, name))
    if not 1 <= joint.least_places <= joint.most_places <= MOST_PLACES:
        yield f"{path}.most_places: 1 to {MOST_PLACES} places, and no fewer than least_places"
    if not joint.items:
        yield f"{path}.items: there is none"
    yield from twice(f"{path}.items", (each.id for each in joint.items))
    names = {each.id for each in joint.items}
    tested = {each.id for each in joint.items if _TEST in [milestone.kind for milestone in each.milestones]}
    for template in joint.items:
        inner = f"{path}.items[{template.id}]"
        yield from _template_problems(inner, joint, template)
        yield from _relation_problems(f"{inner}.relations", template, names, tested)
    yield from _circle_problems(path, joint)


def _template_problems(path: str, joint: JointBusiness, template: JointItemTemplate) -> Iterator[str]:
    yield from label_problems(f"{path}.id", template.id)
    yield from text_problems(f"{path}.name", template.name)
    if template.HasField("staff_check"):
        yield from text_problems(f"{path}.staff_check", template.staff_check)
    yield from enum_problems(f"{path}.action", JointAction.DESCRIPTOR, [template.action])
    yield from enum_problems(f"{path}.site", JointSite.DESCRIPTOR, [template.site])
    if template.ends_line and (template.action, template.site in _SINGLE_PLACES) != (_DELETE, True):
        yield f"{path}.ends_line: only JOINT_ACTION_DELETE at the first or the second place ends a line"
    if template.verify and not template.ends_line:
        yield f"{path}.verify: only an item that ends a line asks the customer"
    if _PLACES_OF.get(template.site, 0) > joint.least_places:
        yield f"{path}.site: an order may have fewer places"
    kinds = [each.kind for each in template.milestones]
    if not kinds or kinds != sorted(set(kinds)) or JointMilestoneKind.JOINT_MILESTONE_KIND_SURVEY in kinds:
        yield f"{path}.milestones: name those behind the survey, in their order"
    yield from enum_problems(f"{path}.milestones", JointMilestoneKind.DESCRIPTOR, kinds)
    for milestone in template.milestones:
        yield from duration_problems(f"{path}.milestones.within", milestone.within)


def _relation_problems(path: str, template: JointItemTemplate, names: Set[str], tested: Set[str]) -> Iterator[str]:
    kinds = sorted({each.kind for each in template.relations})
    yield from enum_problems(path, JointRelationKind.DESCRIPTOR, kinds)
    for relation in template.relations:
        if relation.item_id not in names or relation.item_id == template.id:
            yield f"{path}: there is no other item {relation.item_id!r}"
    replacing = {each.item_id for each in template.relations if each.kind == _REPLACED_BY}
    for other in sorted(replacing & names - tested):
        yield f"{path}: {other} is never tested"


def _circle_problems(path: str, joint: JointBusiness) -> Iterator[str]:
    """Items of which each waits for the other would never begin."""
    names = {each.id for each in joint.items}
    waits = {
        each.id: {other.item_id for other in each.relations if other.kind != _BUNDLES} & names for each in joint.items
    }
    circle = sorted(waits.keys() - set(_in_order(waits)))
    if circle:
        yield f"{path}.items: {', '.join(circle)} wait for each other"


def _in_order(waits: Mapping[str, Set[str]]) -> list[str]:
    """The items in an order in which each comes behind those for which it waits; without those of a circle."""
    left = {name: len(others) for name, others in waits.items()}
    behind: dict[str, list[str]] = {name: [] for name in waits}
    for name, others in waits.items():
        for other in others:
            behind[other].append(name)
    found = [name for name, count in left.items() if not count]
    for name in found:  # it grows meanwhile
        for each in behind[name]:
            left[each] -= 1
            if not left[each]:
                found.append(each)
    return found
