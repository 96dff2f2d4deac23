"""Rules for a federation configuration, and the difference of two configurations. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.federation.administration_rules import administration_problems
from gateway.federation.agreement_rules import template_problems
from gateway.federation.body_rules import body_problems
from gateway.federation.business_rules import businesses_problems, preconditions_problems
from gateway.federation.calendar_rules import calendars_problems, hours_problems
from gateway.federation.checks import code_problems, is_time_zone, label_problems, text_problems, twice
from gateway.federation.complaint_rules import complaints_problems
from gateway.federation.documents import MATERIALS_OF_THE_MOMENT, MEDIA_TYPES
from gateway.federation.joint_rules import objection_hours, promise_problems, size_problems, survey_problems
from gateway.federation.network_rules import network_problems
from gateway.federation.number_rules import number_plan_problems, pools_problems
from gateway.federation.numberplan import owners_of
from gateway.federation.offer_rules import offerings_problems, plans_problems, service_points_problems
from gateway.federation.policy_rules import policies_problems
from gateway.federation.quality_rules import quality_problems
from gateway.federation.retention_rules import retention_problems
from gateway.federation.risk_rules import risks_problems
from gateway.federation.sharing_rules import agreements_problems, purposes_problems

_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


def problems(configuration: Configuration) -> list[str]:
    """All problems that make the configuration unusable, each with its path; empty for a valid one."""
    currencies = {region.id: region.currency for region in configuration.regions}
    return [
        *_federation_problems(configuration),
        *_region_problems(configuration),
        *number_plan_problems(configuration.number_plan, currencies),
        *pools_problems(configuration),
        *businesses_problems(configuration),
        *_material_problems(configuration),
        *plans_problems(configuration.plans, currencies),
        *calendars_problems(configuration.calendars),
        *offerings_problems(configuration.offerings, currencies),
        *policies_problems(configuration.policies, currencies),
        *service_points_problems(configuration.service_points, currencies),
        *agreements_problems(configuration.regions),
        *purposes_problems(configuration.purposes, {material.code for material in configuration.materials}),
        *retention_problems(configuration.retention_rules, {policy.name for policy in configuration.policies}),
        *complaints_problems(configuration),
        *network_problems(configuration.network, currencies),
        *template_problems(
            configuration.agreement_templates, {each.name for each in configuration.network.quality_classes}
        ),
        *body_problems(configuration),
        *quality_problems(configuration),
        *risks_problems(configuration),
        *administration_problems(configuration.administration),
    ]


def problems_not_in_force(wanted: Configuration, before: Configuration) -> list[str]:
    """Those of `unkept_promises` and `refused_orders` that the configuration in force has not."""
    known = {*unkept_promises(before), *refused_orders(before)}
    return [each for each in (*unkept_promises(wanted), *refused_orders(wanted)) if each not in known]


def refused_orders(configuration: Configuration) -> list[str]:
    """Preconditions without the policy that they need, and joint orders with too many items, each with its path.

    A region would refuse every such order. Nobody may put them in force. A region goes on with those that are in force
    already, and with all other businesses.
    """
    sizes = (size_problems(f"businesses[{each.code}]", each) for each in configuration.businesses)
    return [*preconditions_problems(configuration.businesses, configuration.policies), *chain.from_iterable(sizes)]


def unkept_promises(configuration: Configuration) -> list[str]:
    """Promises that orders within all their limits would break, and surveys that nobody can meet, each with its path.

    Nobody may put them in force. A region goes on with those that are in force already.
    """
    objection = objection_hours(configuration.policies)
    return [
        problem
        for business in configuration.businesses
        for path in [f"businesses[{business.code}]"]
        for problem in (*promise_problems(path, business), *survey_problems(path, business, objection))
    ]


def _federation_problems(configuration: Configuration) -> Iterator[str]:
    name = configuration.federation
    if len(name) > 200 or not _DOMAIN.fullmatch(name):
        yield f"federation: {name!r} is not a domain name in lower case"
    if not configuration.regions:
        yield "regions: there is none"
    if not configuration.businesses:
        yield "businesses: there is none"


def _region_problems(configuration: Configuration) -> Iterator[str]:
    yield from twice("regions", (region.id for region in configuration.regions))
    for region in configuration.regions:
        path = f"regions[{region.id}]"
        yield from label_problems(f"{path}.id", region.id)
        yield from text_problems(f"{path}.name", region.name)
        if not is_time_zone(region.time_zone):
            yield f"{path}.time_zone: {region.time_zone!r} is not a known IANA time zone"
        if not _CURRENCY.fullmatch(region.currency):
            yield f"{path}.currency: {region.currency!r} is not an ISO 4217 code"
        for index, hours in enumerate(region.working_hours):
            yield from hours_problems(f"{path}.working_hours[{index}]", hours)


def _material_problems(configuration: Configuration) -> Iterator[str]:
    yield from twice("materials", (material.code for material in configuration.materials))
    for material in configuration.materials:
        path = f"materials[{material.code}]"
        yield from code_problems(f"{path}.code", material.code)
        yield from text_problems(f"{path}.name", material.name)
        yield from twice(f"{path}.media_types", material.media_types)
        for media_type in material.media_types:
            if media_type not in MEDIA_TYPES:
                yield f"{path}.media_types: {media_type!r} is none of {', '.join(sorted(MEDIA_TYPES))}"
        if material.reusable and not material.media_types:
            yield f"{path}.reusable: what is used again has to have content that can be put on file"
        if material.reusable and material.code in MATERIALS_OF_THE_MOMENT:
            yield f"{path}.reusable: {material.code} proves something about this moment and is never used again"


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two configurations."""

    path: str
    """The path, by ids: `businesses[PAY].limit.verified`."""
    old: str | None
    """The value before; None for a new one."""
    new: str | None
    """The value after; None for a removed one."""


# The key fields of the elements of each list, so that their order does not matter.
_KEYS = {
    "regions": "id",
    "exceptions": "number",
    "businesses": "code",
    "documents": "applicant",
    "characteristics": "name",
    "choice_names": "code",
    "materials": "code",
    "plans": "id",
    "calendars": "year",
    "offerings": "id",
    "policies": "name",
    "regional": "region",
    "regional_limits": "region",
    "service_points": "id",
    "number_pools": "first",
    "purposes": "name",
    "complaint_categories": "code",
    "resolution_causes": "code",
    "departments": "code",
    "categories": "category",
    "words": "text",
    "agreement_templates": "id",
    "sites": "id",
    "links": "id",
    "services": "id",
    "quality_classes": "name",
    "members": "region",
    "duty_rosters": "id",
    "contacts": "staff_id",
    "responsibilities": "matter",
    "administrators": "name",
}
# Lists of single values whose order has no meaning.
_SETS = frozenset(
    {
        "holidays",
        "makeup_workdays",
        "preconditions",
        "policies",
        "channels",
        "choices",
        "fields",
        "legal_bases",
        "consent_methods",
        "media_types",
    }
)


def difference(old: Configuration, new: Configuration) -> list[Change]:
    """The changes from one valid configuration to another, by path; empty for equal meaning.

    The order of a list counts only where it has a meaning: steps, lines of documents, the guide.
    """
    changes = [
        *_changes(dict(_flat(old, new)), dict(_flat(new, old)), "{}"),
        *_changes(owners_of(old.number_plan), owners_of(new.number_plan), "number_plan.prefixes[{}]"),
    ]
    return sorted(changes, key=lambda change: change.path)


def _changes(before: Mapping[str, str], after: Mapping[str, str], path: str) -> Iterator[Change]:
    """The changes among values by their keys, below `path`."""
    if before != after:
        for key in before.keys() | after.keys():
            if before.get(key) != after.get(key):
                yield Change(path.format(key), before.get(key), after.get(key))


def _flat(message: Message, other: Message | None, path: str = "") -> Iterator[tuple[str, str]]:
    """The values in a message with their paths, without most of those that another message of its place has, too.

    Without the prefixes of the number plan: there may be half a million.
    """
    if isinstance(message, Duration):
        yield path, str(message.ToTimedelta())
    else:
        for field in message.DESCRIPTOR.fields:
            if other is not None and _is_equal(field.name, message, other, has_presence=field.has_presence):
                continue
            inner = f"{path}.{field.name}" if path else field.name
            if field.is_repeated:
                yield from _flat_list(message, other, field.name, inner)
            elif field.message_type is None and (not field.has_presence or message.HasField(field.name)):
                yield inner, _told(message, field.name, getattr(message, field.name))
            elif field.message_type is not None and message.HasField(field.name):
                held = getattr(other, field.name) if other is not None and other.HasField(field.name) else None
                yield from _flat(getattr(message, field.name), held, inner)


def _is_equal(name: str, message: Message, other: Message, *, has_presence: bool) -> bool:
    if has_presence and message.HasField(name) != other.HasField(name):
        return False
    return bool(getattr(message, name) == getattr(other, name))


def _flat_list(message: Message, other: Message | None, name: str, path: str) -> Iterator[tuple[str, str]]:
    alone = []
    others = _by_key(other, name)
    for index, value in enumerate(getattr(message, name)):
        if isinstance(value, contract.PrefixRange):
            return
        if isinstance(value, Message) and name in _KEYS:
            key = _told(value, _KEYS[name], getattr(value, _KEYS[name]))
            yield from _flat(value, others.get(key), f"{path}[{key}]")
        elif isinstance(value, Message):
            yield from _flat(value, None, f"{path}[{index}]")
        elif name in _SETS:
            yield f"{path}[{_told(message, name, value)}]", "listed"
        else:
            alone.append(_told(message, name, value))
    if alone:
        yield path, ", ".join(alone)


def _by_key(message: Message | None, name: str) -> Mapping[str, Message]:
    """The messages of a list by their keys; none for a list of single values."""
    if message is None or name not in _KEYS:
        return {}
    held = [each for each in getattr(message, name) if isinstance(each, Message)]
    return {_told(each, _KEYS[name], getattr(each, _KEYS[name])): each for each in held}


def _told(message: Message, name: str, value: object) -> str:
    """A value of the field with this name for people; an enum by its name, bytes in hexadecimal."""
    enum = message.DESCRIPTOR.fields_by_name[name].enum_type
    if enum is not None and isinstance(value, int):
        known = enum.values_by_number.get(value)
        return str(value) if known is None else known.name
    if isinstance(value, bytes):
        return value.hex()
    return str(value).lower() if isinstance(value, bool) else str(value)
