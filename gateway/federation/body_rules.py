"""Rules for the coordination body: its members, duty rosters and matrix of responsibility. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate, combinations

from gateway.api.federation.v1.configuration_pb2 import (
    Configuration,
    CoordinationBody,
    Department,
    DutyContact,
    DutyRoster,
    DutyShift,
    DutySubstitution,
    Responsibility,
    ResponsibleParty,
)
from gateway.federation.body import CASE_WITHOUT_OWNER, level_matter
from gateway.federation.calendar_rules import hours_problems
from gateway.federation.checks import (
    code_problems,
    day_of,
    is_full_number,
    label_problems,
    region_problems,
    text_problems,
    twice,
)
from gateway.federation.policy_rules import limit_problems

REQUIRED_MATTERS = (CASE_WITHOUT_OWNER, *map(level_matter, range(1, 6)))
"""The matters whose lead escalations and cases look up."""
_DAYS = (("working_days", "on working days"), ("days_off", "on days off"))
_MIDNIGHT = "24:00"
_Hours = tuple[str, str]  # from and to, as HH:MM


def body_problems(configuration: Configuration) -> Iterator[str]:
    """Problems in the body, each with its path; none for a federation without a body."""
    if not configuration.HasField("body"):
        return
    body = configuration.body
    currencies = {region.id: region.currency for region in configuration.regions}
    named = {each.code for category in configuration.complaint_categories for each in category.departments}
    departments = named | {each.code for each in body.departments}
    yield from _member_problems(body, currencies)
    yield from _department_problems(body.departments, named)
    yield from twice("body.duty_rosters", (roster.id for roster in body.duty_rosters))
    served = (f"{roster.region}/{code}" for roster in body.duty_rosters for code in roster.departments)
    yield from twice("body.duty_rosters", served)
    for roster in body.duty_rosters:
        yield from _roster_problems(f"body.duty_rosters[{roster.id}]", roster, currencies, departments)
    yield from twice("body.responsibilities", (row.matter for row in body.responsibilities))
    for row in body.responsibilities:
        yield from _row_problems(f"body.responsibilities[{row.matter}]", row, currencies, departments)
    for matter in REQUIRED_MATTERS:
        if matter not in {row.matter for row in body.responsibilities}:
            yield f"body.responsibilities[{matter}]: is missing; escalations and cases need it"


def body_warnings(configuration: Configuration) -> list[str]:
    """Regions without a member, and the hours at which a roster has nobody on duty."""
    if not configuration.HasField("body"):
        return []
    body = configuration.body
    members = {member.region for member in body.members}
    absent = ", ".join(region.id for region in configuration.regions if region.id not in members)
    warnings = [f"body.members: there is none for {absent}"] if absent else []
    for roster in body.duty_rosters:
        for field, days in _DAYS:
            if gaps := ", ".join(f"{opens} to {closes}" for opens, closes in _gaps(roster, field)):
                path = f"body.duty_rosters[{roster.id}]"
                warnings.append(f"{path}: nobody is on duty {days} from {gaps}; the region's member stands in")
    return warnings


def _member_problems(body: CoordinationBody, currencies: Mapping[str, str]) -> Iterator[str]:
    yield from twice("body.members", (member.region for member in body.members))
    for member in body.members:
        path = f"body.members[{member.region}]"
        yield from region_problems(f"{path}.region", member.region, currencies)
        yield from _contact_problems(f"{path}.contact", member.contact)
        yield from text_problems(f"{path}.role", member.role)


def _department_problems(departments: Sequence[Department], named: Collection[str]) -> Iterator[str]:
    yield from twice("body.departments", (each.code for each in departments))
    for each in departments:
        path = f"body.departments[{each.code}]"
        yield from code_problems(f"{path}.code", each.code)
        yield from text_problems(f"{path}.name", each.name)
        if each.code in named:
            yield f"{path}: a complaint category has the department"


def _contact_problems(path: str, contact: DutyContact) -> Iterator[str]:
    """Problems of a person; no text has the name or the number."""
    for field in ("staff_id", "name"):
        if not getattr(contact, field).strip():
            yield f"{path}.{field}: is missing"
    if not is_full_number(contact.telephone):
        yield f"{path}.telephone: must be a full number with the plus sign"


def _roster_problems(
    path: str, roster: DutyRoster, currencies: Mapping[str, str], departments: Collection[str]
) -> Iterator[str]:
    yield from label_problems(f"{path}.id", roster.id)
    yield from region_problems(f"{path}.region", roster.region, currencies)
    if not roster.departments:
        yield f"{path}.departments: there is none"
    for code in roster.departments:
        if code not in departments:
            yield f"{path}.departments: unknown department {code!r}"
    yield from twice(f"{path}.contacts", (contact.staff_id for contact in roster.contacts))
    for contact in roster.contacts:
        yield from _contact_problems(f"{path}.contacts[{contact.staff_id}]", contact)
    staff = {contact.staff_id for contact in roster.contacts}
    if not roster.shifts:
        yield f"{path}.shifts: there is none"
    for index, shift in enumerate(roster.shifts):
        yield from _shift_problems(f"{path}.shifts[{index}]", shift, staff)
    yield from _overlap_problems(path, roster)
    yield from _substitution_problems(path, roster.substitutions, staff)


def _shift_problems(path: str, shift: DutyShift, staff: Collection[str]) -> Iterator[str]:
    for index, hours in enumerate(shift.hours):
        yield from hours_problems(f"{path}.hours[{index}]", hours)
    if not shift.staff_ids:
        yield f"{path}.staff_ids: there is none"
    yield from (f"{path}.staff_ids: unknown person {each!r}" for each in shift.staff_ids if each not in staff)
    if day_of(shift.first_date) is None:
        yield f"{path}.first_date: not a date of the form YYYY-MM-DD"


def _overlap_problems(path: str, roster: DutyRoster) -> Iterator[str]:
    """Hours that two shifts have."""
    for field, days in _DAYS:
        for (first, one), (second, other) in combinations(enumerate(roster.shifts), 2):
            shared = [(max(a, c), min(b, d)) for a, b in _hours_of(one, field) for c, d in _hours_of(other, field)]
            for opens, closes in shared:
                if opens < closes:
                    yield f"{path}.shifts[{second}]: has {opens} to {closes} {days}, as shifts[{first}]"


def _substitution_problems(
    path: str, substitutions: Sequence[DutySubstitution], staff: Collection[str]
) -> Iterator[str]:
    for index, each in enumerate(substitutions):
        inner = f"{path}.substitutions[{index}]"
        for field, person in (("staff_id", each.staff_id), ("substitute", each.substitute)):
            if person not in staff:
                yield f"{inner}.{field}: unknown person {person!r}"
        for field, day in (("first_date", each.first_date), ("last_date", each.last_date)):
            if day_of(day) is None:
                yield f"{inner}.{field}: not a date of the form YYYY-MM-DD"
        if each.last_date < each.first_date:
            yield f"{inner}.last_date: is before the first"
        for other in substitutions[:index]:
            if other.first_date <= each.last_date and each.first_date <= other.last_date:
                if other.staff_id == each.staff_id:
                    yield f"{inner}: the person is absent twice on the same day"
                elif each.staff_id == other.substitute or other.staff_id == each.substitute:
                    yield f"{inner}: the substitute is absent on the same day"


def _row_problems(
    path: str, row: Responsibility, currencies: Mapping[str, str], departments: Collection[str]
) -> Iterator[str]:
    yield from label_problems(f"{path}.matter", row.matter)
    yield from text_problems(f"{path}.name", row.name)
    if not row.HasField("lead"):
        yield f"{path}.lead: is missing"
    yield from _party_problems(f"{path}.lead", row.lead, currencies, departments)
    for index, helper in enumerate(row.helpers):
        yield from _party_problems(f"{path}.helpers[{index}]", helper, currencies, departments)
    yield from limit_problems(f"{path}.limit", row.limit)


def _party_problems(
    path: str, party: ResponsibleParty, currencies: Mapping[str, str], departments: Collection[str]
) -> Iterator[str]:
    if party.region:
        yield from region_problems(f"{path}.region", party.region, currencies)
    if party.department and party.department not in departments:
        yield f"{path}.department: unknown department {party.department!r}"


def _hours_of(shift: DutyShift, field: str) -> list[_Hours]:
    """The hours of a shift on working days or on days off."""
    if not shift.hours:
        return [("00:00", _MIDNIGHT)]
    return [(hours.opens, hours.closes) for hours in shift.hours if getattr(hours, field)]


def _gaps(roster: DutyRoster, field: str) -> Iterator[_Hours]:
    """The hours of a day that no shift has."""
    covered = sorted(hours for shift in roster.shifts for hours in _hours_of(shift, field))
    ends = accumulate((closes for _, closes in covered), max, initial="00:00")
    for end, begin in zip(ends, [*(opens for opens, _ in covered), _MIDNIGHT], strict=True):
        if end < begin:
            yield end, begin
