"""The coordination body for people: its members, the persons on duty, and the matrix of responsibility."""

from collections.abc import Sequence

import click

from gateway.api.federation.v1.body_pb2 import BodyStatus, OnDuty
from gateway.api.federation.v1.configuration_pb2 import BodyMember, Responsibility
from gateway.cli.table import Table, TableColumn
from gateway.cli.times import InstantType
from gateway.wording.body import by_person, told_department, told_duty, told_limit, told_party
from gateway.wording.languages import enumerated, in_language, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time

at_option = click.option(
    "--at", type=InstantType(), help="Who is on duty then, as 2026-12-24T01:00+08:00; now, if left out."
)


def show_body(body: BodyStatus) -> None:
    """Prints three tables, or a line for a federation without a body."""
    if not body.members and not body.on_duty and not body.responsibilities:
        click.echo(translated("the federation has no coordination body, or the region no part in it"))
        return
    _MEMBERS.show(body.members, translated("Members"))
    _DUTIES.show(by_person(body.on_duty), translated("On duty at {time}", time=told_time(body.duty_time)))
    revision = str(body.federation_revision)
    _MATTERS.show(body.responsibilities, translated("Responsibilities, revision {revision}", revision=revision))


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
    TableColumn("departments", lambda each: enumerated(told_department(duty.department) for duty in each)),
)
_MATTERS = Table[Responsibility](
    TableColumn("matter", lambda each: in_language(each.name)),
    TableColumn("leads", lambda each: told_party(each.lead)),
    TableColumn("helps", lambda each: enumerated(map(told_party, each.helpers))),
    TableColumn("within", lambda each: told_limit(each.limit)),
)
