"""`coordinator complaints cases` and `assign`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.text import Text

from coordinator.cli.acts import key_option, signed
from coordinator.cli.asking import Asking, asks
from coordinator.cli.completing import complete_regions
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import titled, told_due
from coordinator.wording.ages import told_age
from gateway.api.coordinator.v1 import case_service_pb2 as contract
from gateway.api.coordinator.v1.case_service_pb2_grpc import CaseServiceStub
from gateway.api.federation.v1.body_pb2 import OnDuty
from gateway.api.region.v1 import case_service_pb2 as at_node
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import ComplaintState, TimeReason, WorkItem, WorkItemState
from gateway.cli.asking import limit_option, request_option
from gateway.cli.table import Table, TableColumn
from gateway.wording.body import told_duty
from gateway.wording.languages import translated
from gateway.wording.terms import category_name, region_name
from gateway.wording.times import show_times_of, told_if_set
from gateway.wording.words import value_word

_AT_NODE = at_node.DESCRIPTOR.services_by_name["CaseService"]


@click.command(epilog=EPILOG)
@asks(limit_option("At most so many, those that are due first."))
@click.option(
    "--region", default="", shell_complete=complete_regions, help="Only cases in which this region has, or had, a part."
)
@click.option("--all", "include_ended", is_flag=True, help="Also those that have ended, for thirty days.")
def cases(asking: Asking, region: str, include_ended: bool) -> None:
    """List complaints of several regions: who has the ball, since when, how high it was raised, when it is due.

    \b
    Examples:
      coordinator complaints cases
      coordinator complaints cases --region sichuan --all --json
    """
    show_times_of(region)
    request = contract.ListCasesRequest(region=region, include_ended=include_ended)
    response = asking.ask(lambda channel: CaseServiceStub(channel).ListCases, request)
    duties = {each.ticket_id: each.on_duty for each in response.duties}
    asking.show(response, _cases(datetime.now(UTC), duties), response.cases, titled(translated("Cases")))


@click.command(epilog=EPILOG)
@asks(request_option)
@click.argument("ticket_id")
@click.option("--region", required=True, shell_complete=complete_regions, help="The region that is to answer.")
@click.option("--department", required=True, metavar="CODE", help="Its department, for example BILLING.")
@key_option
def assign(asking: Asking, ticket_id: str, region: str, department: str, key: Path | None) -> None:
    """Say whose work it is: in the case TICKET_ID the first item that waits for it, or the one of TICKET_ID/NUMBER.

    \b
    Examples:
      coordinator complaints assign guangdong/20261210-17 --region henan --department SETTLEMENT
    """
    show_times_of(ticket_id)
    asked = asking.filled(at_node.AssignComplaintRequest(ticket_id=ticket_id, region=region, department=department))
    request = contract.AssignComplaintRequest(
        ticket_id=ticket_id,
        region=region,
        department=department,
        signed=signed(asking, key, _AT_NODE, "AssignComplaint", ticket_id.partition("/")[0], asked),
    )
    response = asking.ask(lambda channel: CaseServiceStub(channel).AssignComplaint, request)
    duties = {response.header.ticket_id: response.on_duty} if response.HasField("on_duty") else {}
    asking.show(response, _cases(datetime.now(UTC), duties), [response.header], titled(translated("Cases")))


def _cases(now: datetime, duties: Mapping[str, OnDuty]) -> Table[CaseHeader]:
    return Table(
        TableColumn("ticket id", lambda each: each.ticket_id),
        TableColumn("category", lambda each: category_name(each.category)),
        TableColumn("state", lambda each: value_word(ComplaintState.DESCRIPTOR, each.state)),
        TableColumn("level", lambda each: f"L{each.level}"),
        TableColumn("has it", lambda each: "" if _has_ended(each) else _holder(each)),
        TableColumn("to call", lambda each: told_duty(duties[each.ticket_id]) if each.ticket_id in duties else ""),
        TableColumn(
            "since", lambda each: told_age(each.end_time if _has_ended(each) else each.custody.start_time, now)
        ),
        TableColumn(
            "due", lambda each: Text(told_if_set(each.due_time)) if _has_ended(each) else told_due(each.due_time, now)
        ),
        TableColumn("work items", lambda each: "\n".join(map(_item, each.items))),
    )


def _has_ended(case: CaseHeader) -> bool:
    return case.HasField("end_time")


def _holder(case: CaseHeader) -> str:
    reason = value_word(TimeReason.DESCRIPTOR, case.custody.reason)
    return f"{region_name(case.custody.region)}: {reason}" if case.custody.region else reason


def _item(item: WorkItem) -> str:
    state = value_word(WorkItemState.DESCRIPTOR, item.state)
    whose = f" {region_name(item.region)} {item.department.code}" if item.region else ""
    return f"{item.number}{whose}: {state}"
