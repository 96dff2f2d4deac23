"""What a federation configuration must keep to, and how two of them differ. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import Business, Calendar, Configuration, DocumentRequirement
from gateway.api.types.v1.types_pb2 import Applicant, LocalizedText
from gateway.errors import Refused
from gateway.numberplan import normalize

# Region ids and the federation's name become labels of DNS names and SPIFFE identities (RFC 1123 clause 2.1).
_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,62}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}", re.ASCII)

# A business whose code starts so reads and changes nothing; it alone has no steps.
QUERY = "QRY_"
# No promise is longer than a year; it keeps due times away from the end of the calendar.
_LONGEST = timedelta(days=366)
_SATURDAY = 5


def parse_alternatives(line: str) -> tuple[tuple[str, ...], ...]:
    """The alternatives of one line of documents, each the codes that are needed together.

    `ID_ORIG|PWD+OTP` gives `(("ID_ORIG",), ("PWD", "OTP"))`. Raises ValueError for another form.
    """
    alternatives = tuple(tuple(alternative.split("+")) for alternative in line.split("|"))
    for alternative in alternatives:
        if len(set(alternative)) < len(alternative) or not all(map(_CODE.fullmatch, alternative)):
            raise ValueError(f"{line!r} is not of the form CODE|CODE+CODE")
    return alternatives


def documents_missing(requirement: DocumentRequirement, codes: Collection[str]) -> list[str]:
    """The lines of a requirement that the documents with these codes do not satisfy, as written there.

    Raises ValueError for a line that `parse_alternatives` does not know.
    """
    return [
        line
        for line in requirement.all_of
        if not any(all(code in codes for code in alternative) for alternative in parse_alternatives(line))
    ]


def problems(configuration: Configuration) -> list[str]:
    """Everything that makes the configuration unusable, each with the path to it; empty for a valid one."""
    regions = {region.id for region in configuration.regions}
    materials = {material.code for material in configuration.materials}
    return [
        *_federation_problems(configuration),
        *_region_problems(configuration),
        *_number_plan_problems(configuration.number_plan, regions),
        *_twice("businesses", (business.code for business in configuration.businesses)),
        *(problem for business in configuration.businesses for problem in _business_problems(business, materials)),
        *_material_problems(configuration),
        *_plan_problems(configuration),
        *_twice("calendars", (str(calendar.year) for calendar in configuration.calendars)),
        *(problem for calendar in configuration.calendars for problem in _calendar_problems(calendar)),
    ]


def _twice(path: str, keys: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            yield f"{path}[{key}]: stands here twice"
        seen.add(key)


def _text_problems(path: str, text: LocalizedText) -> Iterator[str]:
    for language, told in (("zh_cn", text.zh_cn), ("en", text.en)):
        if not told.strip():
            yield f"{path}.{language}: the text is missing"


def _enum_name(enum: EnumDescriptor, number: int) -> str:
    value = enum.values_by_number.get(number)
    return str(number) if value is None else value.name


def _enum_problems(path: str, enum: EnumDescriptor, numbers: Sequence[int]) -> Iterator[str]:
    for number in numbers:
        if number == 0:
            yield f"{path}: is missing"
        elif number not in enum.values_by_number:
            yield f"{path}: {number} is not known to this version of the contract"
    yield from _twice(path, (_enum_name(enum, number) for number in numbers))


def _federation_problems(configuration: Configuration) -> Iterator[str]:
    name = configuration.federation
    if len(name) > 200 or not _DOMAIN.fullmatch(name):
        yield f"federation: {name!r} is not a domain name in lower case"
    if not configuration.regions:
        yield "regions: there is none"
    if not configuration.businesses:
        yield "businesses: there is none"


def _region_problems(configuration: Configuration) -> Iterator[str]:
    yield from _twice("regions", (region.id for region in configuration.regions))
    for region in configuration.regions:
        path = f"regions[{region.id}]"
        if not _LABEL.fullmatch(region.id):
            yield f"{path}.id: use lower-case letters, digits and dashes, beginning with a letter"
        yield from _text_problems(f"{path}.name", region.name)
        if not _is_time_zone(region.time_zone):
            yield f"{path}.time_zone: {region.time_zone!r} is not a known IANA time zone"
        if not _CURRENCY.fullmatch(region.currency):
            yield f"{path}.currency: {region.currency!r} is not an ISO 4217 code"


def _is_time_zone(key: str) -> bool:
    try:
        ZoneInfo(key)
    # Unknown keys, paths out of the data base, and its folders each fail in their own way.
    except (KeyError, ValueError, OSError):
        return False
    return True


def _number_plan_problems(plan: contract.NumberPlan, regions: Collection[str]) -> Iterator[str]:
    claimed: dict[str, str] = {}
    for owned in plan.prefixes:
        if owned.region not in regions:
            yield f"number_plan.prefixes: unknown region {owned.region!r}"
        for prefix in owned.prefixes:
            path = f"number_plan.prefixes[{prefix}]"
            if not _PREFIX.fullmatch(prefix):
                yield f"{path}: not an E.164 prefix with the plus sign"
            if prefix in claimed:
                yield f"{path}: claimed by {claimed[prefix]} and by {owned.region}"
            claimed[prefix] = owned.region
    yield from _twice("number_plan.exceptions", (exception.number for exception in plan.exceptions))
    for exception in plan.exceptions:
        path = f"number_plan.exceptions[{exception.number}]"
        if exception.region not in regions:
            yield f"{path}.region: unknown region {exception.region!r}"
        if not _is_normal(exception.number):
            yield f"{path}.number: not a full E.164 number with the plus sign"


def _is_normal(number: str) -> bool:
    try:
        return normalize(number) == number
    except Refused:
        return False


def _business_problems(business: Business, materials: Collection[str]) -> Iterator[str]:
    path = f"businesses[{business.code}]"
    if not _CODE.fullmatch(business.code):
        yield f"{path}.code: use capital letters, digits and underscores, beginning with a letter"
    yield from _text_problems(f"{path}.name", business.name)
    yield from _mode_problems(path, business)
    yield from _step_problems(path, business)
    yield from _document_problems(path, business, materials)
    yield from _characteristic_problems(path, business)
    yield from _limit_problems(path, business.limit)
    yield from _text_problems(f"{path}.tariff", business.tariff)
    if not business.guide:
        yield f"{path}.guide: there is no step for the customer"
    for index, told in enumerate(business.guide):
        yield from _text_problems(f"{path}.guide[{index}]", told)
    for name in ("document_freshness", "answer_within", "executable_within"):
        yield from _duration_problems(f"{path}.{name}", getattr(business, name))


def _mode_problems(path: str, business: Business) -> Iterator[str]:
    yield from _enum_problems(f"{path}.mode", contract.Mode.DESCRIPTOR, [business.mode])
    yield from _enum_problems(f"{path}.reach", contract.Reach.DESCRIPTOR, [business.reach])
    if business.reach == contract.REACH_HOME:
        yield from _text_problems(f"{path}.reach_note", business.reach_note)
    elif business.HasField("reach_note"):
        yield f"{path}.reach_note: only a business of the home region has one"


def _step_problems(path: str, business: Business) -> Iterator[str]:
    steps = list(business.steps)
    if business.code.startswith(QUERY):
        if steps:
            yield f"{path}.steps: a query has none"
        return
    end = [step for step in steps if step != contract.STEP_ACCEPT]
    if not end or end[-1] != contract.STEP_FULFIL or contract.STEP_ACCEPT in steps[:-1]:
        yield f"{path}.steps: STEP_FULFIL must be the last, or only STEP_ACCEPT may follow it"
    yield from _enum_problems(f"{path}.steps", contract.Step.DESCRIPTOR, steps)


def _document_problems(path: str, business: Business, materials: Collection[str]) -> Iterator[str]:
    if not business.documents:
        yield f"{path}.documents: no applicant is listed, so everybody would be refused"
    applicants = [requirement.applicant for requirement in business.documents]
    yield from _enum_problems(f"{path}.documents", Applicant.DESCRIPTOR, applicants)
    for requirement in business.documents:
        inner = f"{path}.documents[{_enum_name(Applicant.DESCRIPTOR, requirement.applicant)}]"
        yield from _twice(f"{inner}.all_of", requirement.all_of)
        for line in requirement.all_of:
            try:
                alternatives = parse_alternatives(line)
            except ValueError as error:
                yield f"{inner}.all_of: {error}"
                continue
            for code in dict.fromkeys(code for alternative in alternatives for code in alternative):
                if code not in materials:
                    yield f"{inner}.all_of: unknown material {code}"


def _characteristic_problems(path: str, business: Business) -> Iterator[str]:
    yield from _enum_problems(f"{path}.preconditions", contract.Precondition.DESCRIPTOR, business.preconditions)
    yield from _twice(f"{path}.characteristics", (each.name for each in business.characteristics))
    for characteristic in business.characteristics:
        inner = f"{path}.characteristics[{characteristic.name}]"
        if not _NAME.fullmatch(characteristic.name):
            yield f"{inner}.name: use lower-case letters, digits and underscores, beginning with a letter"
        kind = characteristic.value_type
        yield from _enum_problems(f"{inner}.value_type", contract.ValueType.DESCRIPTOR, [kind])
        yield from _text_problems(f"{inner}.description", characteristic.description)


def _limit_problems(path: str, limit: contract.TimeLimit) -> Iterator[str]:
    kind = limit.WhichOneof("limit")
    if kind is None:
        yield f"{path}.limit: says neither a duration nor working days"
    elif kind == "duration":
        yield from _duration_problems(f"{path}.limit.duration", limit.duration)
    elif not 1 <= limit.working_days <= _LONGEST.days:
        yield f"{path}.limit.working_days: must be 1 to {_LONGEST.days}"
    if not limit.source.strip():
        yield f"{path}.limit.source: is missing"


def _duration_problems(path: str, duration: Duration) -> Iterator[str]:
    # Compared in whole seconds: a message can hold more than a timedelta.
    if not 1 <= duration.seconds <= _LONGEST.total_seconds() or duration.nanos:
        yield f"{path}: must be whole seconds, 1 s to {_LONGEST.days} days"


def _material_problems(configuration: Configuration) -> Iterator[str]:
    yield from _twice("materials", (material.code for material in configuration.materials))
    for material in configuration.materials:
        path = f"materials[{material.code}]"
        if not _CODE.fullmatch(material.code):
            yield f"{path}.code: use capital letters, digits and underscores, beginning with a letter"
        yield from _text_problems(f"{path}.name", material.name)


def _plan_problems(configuration: Configuration) -> Iterator[str]:
    currencies = {region.id: region.currency for region in configuration.regions}
    yield from _twice("plans", (plan.id for plan in configuration.plans))
    for plan in configuration.plans:
        path = f"plans[{plan.id}]"
        if not _LABEL.fullmatch(plan.id):
            yield f"{path}.id: use lower-case letters, digits and dashes, beginning with a letter"
        yield from _text_problems(f"{path}.name", plan.name)
        if plan.monthly_rent.minor_units <= 0:
            yield f"{path}.monthly_rent.minor_units: must be positive"
        currency = currencies.get(plan.region)
        if currency is None:
            yield f"{path}.region: unknown region {plan.region!r}"
        elif plan.monthly_rent.currency != currency:
            yield f"{path}.monthly_rent.currency: the region's accounts are in {currency}"


def _calendar_problems(calendar: Calendar) -> Iterator[str]:
    path = f"calendars[{calendar.year}]"
    yield from _twice(path, (*calendar.holidays, *calendar.makeup_workdays))
    for name, days in (("holidays", calendar.holidays), ("makeup_workdays", calendar.makeup_workdays)):
        for text in days:
            day = _day(text)
            if day is None:
                yield f"{path}.{name}[{text}]: not a date of the form YYYY-MM-DD"
            elif day.year != calendar.year:
                yield f"{path}.{name}[{text}]: not in {calendar.year}"
            elif name == "makeup_workdays" and day.weekday() < _SATURDAY:
                yield f"{path}.{name}[{text}]: not on a weekend"


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two configurations."""

    path: str
    """Where, by ids: `businesses[PAY].limit.verified`."""
    old: str | None
    """The value before; None where there was none."""
    new: str | None
    """The value after; None where there is none any more."""


# How the elements of a list are told apart, so that their order does not matter.
_KEYS = {
    "regions": "id",
    "exceptions": "number",
    "businesses": "code",
    "documents": "applicant",
    "characteristics": "name",
    "materials": "code",
    "plans": "id",
    "calendars": "year",
}
# Lists of single values whose order has no meaning.
_SETS = frozenset({"holidays", "makeup_workdays", "preconditions"})


def difference(old: Configuration, new: Configuration) -> list[Change]:
    """What changes from one valid configuration to another, by path; empty if they mean the same.

    The order of a list counts only where it has a meaning: steps, lines of documents, the guide.
    """
    before, after = dict(_flat(old)), dict(_flat(new))
    return [
        Change(path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def _flat(message: Message, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value in a message with its path; a prefix has a path of its own and its region as the value."""
    if isinstance(message, Duration):
        yield path, str(message.ToTimedelta())
    elif isinstance(message, contract.PrefixRange):
        yield from ((f"{path}[{prefix}]", message.region) for prefix in message.prefixes)
    else:
        for field in message.DESCRIPTOR.fields:
            inner = f"{path}.{field.name}" if path else field.name
            if field.is_repeated:
                yield from _flat_list(message, field.name, inner)
            elif field.message_type is None and (not field.has_presence or message.HasField(field.name)):
                yield inner, _told(message, field.name, getattr(message, field.name))
            elif field.message_type is not None and message.HasField(field.name):
                yield from _flat(getattr(message, field.name), inner)


def _flat_list(message: Message, name: str, path: str) -> Iterator[tuple[str, str]]:
    alone = []
    for index, value in enumerate(getattr(message, name)):
        if isinstance(value, contract.PrefixRange):
            yield from _flat(value, path)
        elif isinstance(value, Message):
            key = _told(value, _KEYS[name], getattr(value, _KEYS[name])) if name in _KEYS else index
            yield from _flat(value, f"{path}[{key}]")
        elif name in _SETS:
            yield f"{path}[{_told(message, name, value)}]", "listed"
        else:
            alone.append(_told(message, name, value))
    if alone:
        yield path, ", ".join(alone)


def _told(message: Message, name: str, value: object) -> str:
    """A value of the field with this name for people; an enum by its name."""
    enum = message.DESCRIPTOR.fields_by_name[name].enum_type
    if enum is not None and isinstance(value, int):
        known = enum.values_by_number.get(value)
        return str(value) if known is None else known.name
    return str(value).lower() if isinstance(value, bool) else str(value)
