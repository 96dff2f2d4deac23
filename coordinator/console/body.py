"""The page of the coordination body: its members, the persons on duty, and the matrix of responsibility."""

from collections.abc import Sequence

from coordinator.console import rpcs
from coordinator.console.tables_page import TablesPage, heads
from gateway.api.coordinator.v1.administration_pb2 import GetBodyRequest, GetBodyResponse
from gateway.api.federation.v1.body_pb2 import OnDuty
from gateway.api.federation.v1.configuration_pb2 import BodyMember, Responsibility
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.tables import Cell, Table
from gateway.wording.body import by_person, told_department, told_duty, told_limit, told_party
from gateway.wording.languages import enumerated, in_language, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time

PATH = "/body"


async def _read(_: Visit, calling: Calling) -> GetBodyResponse:
    return await calling.ask(rpcs.GET_BODY, GetBodyRequest())


def _show(_: Visit, answer: GetBodyResponse) -> Shown:
    body = answer.body
    duty = translated("On duty at {time}", time=told_time(body.duty_time))
    revision = str(body.federation_revision)
    none = [] if body.members or body.responsibilities else [translated("The federation has no coordination body.")]
    page = TablesPage(
        warnings=none,
        tables=[
            (translated("Members"), _members(body.members)),
            (duty, _duties(duty, body.on_duty)),
            (translated("Responsibilities, revision {revision}", revision=revision), _matters(body.responsibilities)),
        ],
    )
    return page.shown(translated("Coordination body"), PATH)


def _members(members: Sequence[BodyMember]) -> Table:
    return Table(
        label=translated("Members"),
        head=heads(translated("Region"), translated("Person"), translated("Telephone"), translated("Role")),
        rows=[
            [
                Cell(region_name(each.region), "row"),
                Cell(each.contact.name),
                Cell(each.contact.telephone, style="kind"),
                Cell(in_language(each.role)),
            ]
            for each in members
        ],
    )


def _duties(label: str, duties: Sequence[OnDuty]) -> Table:
    return Table(
        label=label,
        head=heads(translated("Region"), translated("To call"), translated("Until"), translated("Departments")),
        rows=[
            [
                Cell(region_name(each[0].region), "row"),
                Cell(told_duty(each[0])),
                Cell(told_if_set(each[0].end_time), style="time"),
                Cell(enumerated(told_department(duty.department) for duty in each)),
            ]
            for each in by_person(duties)
        ],
    )


def _matters(matters: Sequence[Responsibility]) -> Table:
    return Table(
        label=translated("Responsibilities"),
        head=heads(translated("Matter"), translated("Leads"), translated("Helps"), translated("Within")),
        rows=[
            [
                Cell(in_language(each.name), "row"),
                Cell(told_party(each.lead)),
                Cell(enumerated(map(told_party, each.helpers))),
                Cell(told_limit(each.limit)),
            ]
            for each in matters
        ],
    )


VIEW = View.of(PATH, (rpcs.GET_BODY,), _read, _show)
