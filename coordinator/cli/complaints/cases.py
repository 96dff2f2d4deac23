"""`coordinator complaints cases` and `assign`."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich.text import Text

from coordinator.cli.completing import complete_regions
from coordinator.cli.connection import EPILOG, TIMEOUT, Connection, connected
from coordinator.cli.output import json_option, print_json, print_table, told, told_age
from gateway.api.coordinator.v1 import case_service_pb2 as contract
from gateway.api.coordinator.v1.case_service_pb2_grpc import CaseServiceStub
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import ComplaintState, TimeReason, WorkItem, WorkItemState
from gateway.channels import invoke
from gateway.languages import translated
from gateway.terminal import tell_more
from gateway.terms import category_name, region_name
from gateway.times import show_times_of, told_if_set

_LARGEST_PAGE = 500


@click.command(epilog=EPILOG)
@click.option(
    "--region", default="", shell_complete=complete_regions, help="Only cases in which this region has, or had, a part."
)
@click.option("--all", "with_ended", is_flag=True, help="Also those that have ended, for thirty days.")
@click.option(
    "--limit",
    type=click.IntRange(1, _LARGEST_PAGE),
    default=50,
    show_default=True,
    help="At most so many, those that are due first.",
)
@connected
@json_option
def cases(connection: Connection, region: str, with_ended: bool, limit: int, as_json: bool) -> None:
    """List complaints of several regions: who has the ball, since when, how high it was raised, when it is due.

    \b
    Examples:
      coordinator complaints cases
      coordinator complaints cases --region sichuan --all --json
    """
    show_times_of(region)
    request = contract.ListCasesRequest(region=region, with_ended=with_ended, page_size=limit)
    response = connection.ask(lambda channel: invoke(CaseServiceStub(channel).ListCases, request, TIMEOUT))
    if as_json:
        print_json(response)
        return
    _print_cases(response.cases)
    tell_more(response.next_page_token)


@click.command(epilog=EPILOG)
@click.argument("docket")
@click.option("--region", required=True, shell_complete=complete_regions, help="The region that is to answer.")
@click.option("--department", required=True, metavar="CODE", help="Its department, for example BILLING.")
@click.option("--request-id", default="", help="The same id does the same thing once. Made up where it is not given.")
@connected
@json_option
def assign(connection: Connection, docket: str, region: str, department: str, request_id: str, as_json: bool) -> None:
    """Say whose work it is: in the case DOCKET the first item that waits for it, or the one of DOCKET/NUMBER.

    \b
    Examples:
      coordinator complaints assign guangdong/20261210-17 --region henan --department SETTLEMENT
    """
    show_times_of(docket)
    request = contract.AssignComplaintRequest(
        request_id=request_id or uuid.uuid4().hex, docket=docket, region=region, department=department
    )
    response = connection.ask(lambda channel: invoke(CaseServiceStub(channel).AssignComplaint, request, TIMEOUT))
    if as_json:
        print_json(response)
    else:
        _print_cases([response.header])


def _print_cases(found: Sequence[CaseHeader]) -> None:
    now = datetime.now(UTC)
    columns = (
        translated("docket"),
        translated("category"),
        translated("state"),
        translated("level"),
        translated("has it"),
        translated("since"),
        translated("due"),
        translated("work items"),
    )
    print_table(translated("Cases"), columns, [_row(each, now) for each in found])


def _row(case: CaseHeader, now: datetime) -> list[str | Text]:
    ended = case.HasField("end_time")
    overdue = not ended and case.due.ToDatetime(tzinfo=UTC) < now
    return [
        case.docket,
        category_name(case.category),
        told(ComplaintState.Name(case.state), "COMPLAINT_STATE_"),
        f"L{case.level}",
        "" if ended else _holder(case),
        told_age(case.end_time if ended else case.custody.start_time, now),
        Text(told_if_set(case.due), style="red" if overdue else ""),
        "\n".join(_item(each) for each in case.items),
    ]


def _holder(case: CaseHeader) -> str:
    reason = told(TimeReason.Name(case.custody.reason), "TIME_REASON_")
    return f"{region_name(case.custody.region)}: {reason}" if case.custody.region else reason


def _item(item: WorkItem) -> str:
    state = told(WorkItemState.Name(item.state), "WORK_ITEM_STATE_")
    whose = f" {region_name(item.region)} {item.department.code}" if item.region else ""
    return f"{item.number}{whose}: {state}"
