"""`region-node complaints escalations`: which levels the complaints of a region have reached by an instant."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import click

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.complaint_service_pb2 import ListComplaintsRequest, ListComplaintsResponse
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.cli.times import InstantType
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.wording.languages import translated
from gateway.wording.terms import category_name, region_name
from gateway.wording.times import told_time
from gateway.wording.words import word
from region_node.cli.asking import Asking, reads
from region_node.cli.completing import complete_categories
from region_node.cli.options import staff_option

_SHOWN_FROM = 2  # filing alone reaches the levels below
_PREFIX = "ESCALATION_TRIGGER_"


@dataclass(frozen=True)
class _Reached:
    due_time: datetime
    ticket_id: str
    level: int
    category: str
    trigger: str
    region: str
    is_to_come: bool


_LEVELS = Table[_Reached](
    TableColumn("ticket id", lambda each: each.ticket_id),
    TableColumn("category", lambda each: category_name(each.category) or translated("not classified")),
    TableColumn("level", lambda each: f"L{each.level}"),
    TableColumn("why", lambda each: word(each.trigger, _PREFIX)),
    TableColumn("due", lambda each: told_time(each.due_time)),
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("reached", lambda each: translated("to come") if each.is_to_come else translated("yes")),
)


@click.command()
@reads(limit_option("Of the newest so many.", default=500), staff_option)
@click.option(
    "--as-of",
    required=True,
    metavar="INSTANT",
    type=InstantType(),
    help="By when, past or to come, for example 2026-11-01T09:00:00+08:00.",
)
@click.option("--number", default="", help="Only those about this number.")
@click.option("--category", default="", shell_complete=complete_categories, help="Only those of this category.")
def escalations(asking: Asking, as_of: datetime, number: str, category: str) -> None:
    """Tell which levels from 2 on complaints have reached by an instant, when each was due, and why.

    Of an instant to come it tells what they will have reached if nothing happens to them before: by the rules by which
    the node raises them. Nothing is changed.

    \b
    Examples:
      region-node complaints escalations --as-of 2026-12-01T09:00:00+08:00
      region-node complaints escalations --as-of 2026-12-01T09:00:00+08:00 --category BILL_WRONG --json
    """
    request = ListComplaintsRequest(category=category, number=number, as_of_time=to_timestamp(as_of))
    found = asking.ask(lambda channel: ComplaintServiceStub(channel).ListComplaints, request)
    reached = sorted(_reached(found), key=lambda each: (each.due_time, each.ticket_id, each.level))
    if asking.as_json:
        click.echo(json.dumps([_plain(each) for each in reached], ensure_ascii=False))
        return
    _LEVELS.show(reached)
    if found.next_page_token:
        click.echo(translated("There are older complaints: --limit, --number and --category say which are looked at."))


def _reached(found: ListComplaintsResponse) -> Iterator[_Reached]:
    by_ticket_id = {each.ticket_id: each for each in found.complaints}
    for levels in found.levels:
        complaint = by_ticket_id[levels.ticket_id]
        for each in levels.escalations:
            if each.level >= _SHOWN_FROM:
                yield _Reached(
                    from_timestamp(each.due_time),
                    levels.ticket_id,
                    each.level,
                    complaint.request.category,
                    EscalationTrigger.Name(each.trigger),
                    each.region,
                    is_to_come=each.level > complaint.level,
                )


def _plain(each: _Reached) -> dict[str, object]:
    return {
        "ticket_id": each.ticket_id,
        "category": each.category,
        "level": each.level,
        "trigger": each.trigger.removeprefix(_PREFIX),
        "due_time": each.due_time.isoformat(),
        "region": each.region,
        "is_to_come": each.is_to_come,
    }
