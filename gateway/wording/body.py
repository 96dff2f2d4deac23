"""The words for the coordination body: the person to call, responsible parties, and limits. Pure."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import groupby

from gateway.api.federation.v1.body_pb2 import OnDuty
from gateway.api.federation.v1.configuration_pb2 import ResponsibleParty, TimeLimit
from gateway.wording.languages import translated
from gateway.wording.terms import department_name, region_name
from gateway.wording.times import told_if_set

_HOUR = timedelta(hours=1)


def told_duty(duty: OnDuty) -> str:
    """The person to call, with the number; a note for a member who stands in."""
    told = f"{duty.contact.name} {duty.contact.telephone}"
    return translated("{person}, for the department", person=told) if duty.stands_in else told


def by_person(duties: Iterable[OnDuty]) -> list[Sequence[OnDuty]]:
    """The duties of each person, for one row."""
    ordered = sorted(duties, key=_person)
    return [list(group) for _, group in groupby(ordered, key=_person)]


def _person(duty: OnDuty) -> tuple[str, str, str]:
    return duty.region, duty.contact.staff_id, told_if_set(duty.end_time)


def told_department(code: str) -> str:
    """The name of a department; empty for none."""
    return department_name(code) if code else ""


def told_party(party: ResponsibleParty) -> str:
    """A responsible party: its region and department."""
    parts = [region_name(party.region) if party.region else "", told_department(party.department)]
    return " ".join(filter(None, parts)) or translated("the department that has it")


def told_limit(limit: TimeLimit) -> str:
    """The length of a limit."""
    kind = limit.WhichOneof("limit")
    if kind == "days":
        return translated("{count} days", count=limit.days)
    if kind == "working_days":
        return translated("{count} working days", count=limit.working_days)
    if kind == "working_time":
        return translated("{hours} h of working time", hours=f"{limit.working_time.ToTimedelta() / _HOUR:g}")
    return translated("{hours} h", hours=f"{limit.duration.ToTimedelta() / _HOUR:g}")
