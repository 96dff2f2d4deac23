"""The coordination body for people: its members, the persons on duty, and the matrix of responsibility."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import groupby

import click

from gateway.api.federation.v1.body_pb2 import BodyStatus, OnDuty
from gateway.api.federation.v1.configuration_pb2 import BodyMember, Responsibility, ResponsibleParty, TimeLimit
from gateway.cli.table import Table, TableColumn
from gateway.cli.times import InstantType
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import department_name, region_name
from gateway.wording.times import told_if_set, told_time

_HOUR = timedelta(hours=1)
at_option = click.option(
    "--at", type=InstantType(), help="Who is on duty then, as 2026-12-24T01:00+08:00; now, if left out."
)


def show_body(body: BodyStatus) -> None:
    """Prints three tables, or a line for a federation without a body."""
    if not body.members and not body.on_duty and not body.responsibilities:
        click.echo(translated("the federation has no coordination body, or the region no part in it"))
        return
    _MEMBERS.show(body.members, translated("Members"))
    _DUTIES.show(_by_person(body.on_duty), translated("On duty at {time}", time=told_time(body.duty_time)))
    revision = str(body.federation_revision)
    _MATTERS.show(body.responsibilities, translated("Responsibilities, revision {revision}", revision=revision))


def told_duty(duty: OnDuty) -> str:
    """The person to call, with the number; a note for a member who stands in."""
    told = f"{duty.contact.name} {duty.contact.telephone}"
    return translated("{person}, for the department", person=told) if duty.stands_in else told


def _by_person(duties: Iterable[OnDuty]) -> list[Sequence[OnDuty]]:
    """The duties of each person, for one row."""
    ordered = sorted(duties, key=_person)
    return [list(group) for _, group in groupby(ordered, key=_person)]


def _person(duty: OnDuty) -> tuple[str, str, str]:
    return duty.region, duty.contact.staff_id, told_if_set(duty.end_time)


def _department(code: str) -> str:
    return department_name(code) if code else ""


def _party(party: ResponsibleParty) -> str:
    parts = [region_name(party.region) if party.region else "", _department(party.department)]
    return " ".join(filter(None, parts)) or translated("the department that has it")


def _limit(limit: TimeLimit) -> str:
    """The length of a limit."""
    kind = limit.WhichOneof("limit")
    if kind == "days":
        return translated("{count} days", count=limit.days)
    if kind == "working_days":
        return translated("{count} working days", count=limit.working_days)
    if kind == "working_time":
        return translated("{hours} h of working time", hours=f"{limit.working_time.ToTimedelta() / _HOUR:g}")
    return translated("{hours} h", hours=f"{limit.duration.ToTimedelta() / _HOUR:g}")


_MEMBERS = Table[BodyMember](
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("person", lambda each: each.contact.name),
    TableColumn("telephone", lambda each: each.contact.telephone),
    TableColumn("role", lambda each: in_language(each.role)),
)
_DUTIES = Table[Sequence[OnDuty]](
    TableColumn("region", lambda each: region_name(each[0].region)),
    TableColumn("to call", lambda each: told_duty(each[0])),
    TableColumn("until", lambda each: told_if_set(each[0].end_time)),
    TableColumn("departments", lambda each: ", ".join(_department(duty.department) for duty in each)),
)
_MATTERS = Table[Responsibility](
    TableColumn("matter", lambda each: in_language(each.name)),
    TableColumn("leads", lambda each: _party(each.lead)),
    TableColumn("helps", lambda each: ", ".join(map(_party, each.helpers))),
    TableColumn("within", lambda each: _limit(each.limit)),
)
