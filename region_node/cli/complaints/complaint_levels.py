"""`region-node complaints escalations`: which levels the complaints of a region have reached by an instant."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import click

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.complaint_service_pb2 import ListComplaintsRequest, ListComplaintsResponse
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.clock import from_timestamp, to_timestamp
from gateway.languages import translated
from gateway.terminal import print_table
from gateway.terms import category_name, region_name
from gateway.times import told_time
from gateway.words import word
from region_node.cli.asking import answer_of
from region_node.cli.completing import complete_categories
from region_node.cli.connection import Target, connection_options
from region_node.cli.options import json_option, staff_option
from region_node.cli.times import InstantType

_CALL_SECONDS = 30.0
_SHOWN_FROM = 2  # every complaint reaches the levels below when it is filed
_PREFIX = "ESCALATION_TRIGGER_"


@dataclass(frozen=True)
class _Reached:
    due: datetime
    docket: str
    level: int
    category: str
    trigger: str
    region: str
    is_to_come: bool


@click.command()
@connection_options
@click.option(
    "--as-of",
    required=True,
    metavar="INSTANT",
    type=InstantType(),
    help="By when, past or to come, for example 2026-11-01T09:00:00+08:00.",
)
@click.option("--number", default="", help="Only those about this number.")
@click.option("--category", default="", shell_complete=complete_categories, help="Only those of this category.")
@click.option("--limit", type=click.IntRange(1, 500), default=500, show_default=True, help="Of the newest so many.")
@staff_option
@json_option
def escalations(
    target: Target, as_of: datetime, number: str, category: str, limit: int, staff_id: str, as_json: bool
) -> None:
    """Tell which levels from 2 on complaints have reached by an instant, when each was due, and why.

    Of an instant to come it tells what they will have reached if nothing happens to them before: by the rules by which
    the node raises them. Nothing is changed.

    \b
    Examples:
      region-node complaints escalations --as-of 2026-12-01T09:00:00+08:00
      region-node complaints escalations --as-of 2026-12-01T09:00:00+08:00 --category BILL_WRONG --json
    """
    request = ListComplaintsRequest(
        page_size=limit,
        requester=Requester(staff_id=staff_id, channel=Channel.CHANNEL_COUNTER),
        category=category,
        number=number,
        as_of=to_timestamp(as_of),
    )
    found = answer_of(
        target, lambda channel: ComplaintServiceStub(channel).ListComplaints(request, timeout=_CALL_SECONDS)
    )
    reached = sorted(_reached(found), key=lambda each: (each.due, each.docket, each.level))
    if as_json:
        click.echo(json.dumps([_plain(each) for each in reached], ensure_ascii=False))
        return
    print_table(
        [
            translated("docket"),
            translated("category"),
            translated("level"),
            translated("why"),
            translated("due"),
            translated("region"),
            translated("reached"),
        ],
        [
            (
                each.docket,
                category_name(each.category) or translated("not classified"),
                _level(each.level),
                word(each.trigger, _PREFIX),
                told_time(each.due),
                region_name(each.region),
                translated("to come") if each.is_to_come else translated("yes"),
            )
            for each in reached
        ],
    )
    if found.next_page_token:
        click.echo(translated("There are older complaints: --limit, --number and --category say which are looked at."))


def _reached(found: ListComplaintsResponse) -> Iterator[_Reached]:
    by_docket = {each.docket: each for each in found.complaints}
    for levels in found.levels:
        complaint = by_docket[levels.docket]
        for each in levels.escalations:
            if each.level >= _SHOWN_FROM:
                yield _Reached(
                    from_timestamp(each.due),
                    levels.docket,
                    each.level,
                    complaint.request.category,
                    EscalationTrigger.Name(each.trigger),
                    each.region,
                    is_to_come=each.level > complaint.level,
                )


def _level(level: int) -> str:
    return f"L{level}"


def _plain(each: _Reached) -> dict[str, object]:
    return {
        "docket": each.docket,
        "category": each.category,
        "level": each.level,
        "trigger": each.trigger.removeprefix(_PREFIX),
        "due": each.due.isoformat(),
        "region": each.region,
        "is_to_come": each.is_to_come,
    }
