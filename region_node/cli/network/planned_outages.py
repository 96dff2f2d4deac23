"""`region-node planned-outages`: when the region works on its network."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import click
from google.protobuf.message import Message

from gateway.api.region.v1 import planned_outage_service_pb2 as api
from gateway.api.region.v1.planned_outage_service_pb2 import PlannedOutage, PlannedOutageState
from gateway.api.region.v1.planned_outage_service_pb2_grpc import PlannedOutageServiceStub
from gateway.clock import to_timestamp
from gateway.languages import translated
from gateway.terminal import print_table, tell_more
from gateway.times import told_time
from gateway.words import word
from region_node.cli.asking import answer_of
from region_node.cli.connection import Target, connection_options
from region_node.cli.options import json_option, print_message, request_id_of, request_option
from region_node.cli.times import InstantType

T = TypeVar("T")

_CALL_SECONDS = 30.0
_STATE = "PLANNED_OUTAGE_STATE_"
_start_option = click.option("--start", type=InstantType(), required=True, help="From when, as 2026-12-24T01:00+08:00.")
_end_option = click.option("--end", type=InstantType(), required=True, help="Until when, in the same form.")


@click.group("planned-outages")
def planned_outages() -> None:
    """Announce when the region works on its network, move it, cancel it, and list what is ahead."""


@planned_outages.command()
@connection_options
@click.option("--site", "sites", multiple=True, help="A site that will be out. May be given again.")
@click.option("--link", "links", multiple=True, help="A link that will be out. May be given again.")
@_start_option
@_end_option
@click.option("--emergency", is_flag=True, help="It cannot wait: it needs no notice, and counts as an outage.")
@request_option
@json_option
def announce(
    target: Target,
    sites: tuple[str, ...],
    links: tuple[str, ...],
    start: datetime,
    end: datetime,
    emergency: bool,
    request_id: str,
    as_json: bool,
) -> None:
    """Announce a planned outage, as staff: it is refused where another one then leaves somebody without a way.

    \b
    Example:
      region-node planned-outages announce --link chengdu-guangzhou-1 --start 2026-12-24T01:00+08:00 \\
        --end 2026-12-24T05:00+08:00

    \b
    Exit codes:
      0  announced: the customers whose lines it takes down are told by their home regions
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  not known: run it again with the request id that is told
    """
    request = api.AnnouncePlannedOutageRequest(
        request_id=request_id_of(request_id),
        sites=sites,
        links=links,
        start_time=to_timestamp(start),
        end_time=to_timestamp(end),
        emergency=emergency,
    )
    answer = _ask(target, lambda node: node.AnnouncePlannedOutage(request, timeout=_CALL_SECONDS), request.request_id)
    _tell(answer, [answer.planned_outage], as_json=as_json)


@planned_outages.command()
@click.argument("outage_id")
@connection_options
@_start_option
@_end_option
@request_option
@json_option
def change(target: Target, outage_id: str, start: datetime, end: datetime, request_id: str, as_json: bool) -> None:
    """Move a planned outage that has not begun; the notice for it begins anew.

    \b
    Example:
      region-node planned-outages change sichuan/planned/liu/7 --start 2026-12-25T01:00+08:00 \\
        --end 2026-12-25T05:00+08:00

    \b
    Exit codes: as of `announce`
    """
    request = api.ChangePlannedOutageRequest(
        request_id=request_id_of(request_id),
        planned_outage_id=outage_id,
        start_time=to_timestamp(start),
        end_time=to_timestamp(end),
    )
    answer = _ask(target, lambda node: node.ChangePlannedOutage(request, timeout=_CALL_SECONDS), request.request_id)
    _tell(answer, [answer.planned_outage], as_json=as_json)


@planned_outages.command()
@click.argument("outage_id")
@connection_options
@request_option
@json_option
def cancel(target: Target, outage_id: str, request_id: str, as_json: bool) -> None:
    """Cancel a planned outage that has not begun; who was told of it is told so.

    \b
    Example:
      region-node planned-outages cancel sichuan/planned/liu/7

    \b
    Exit codes: as of `announce`
    """
    request = api.CancelPlannedOutageRequest(request_id=request_id_of(request_id), planned_outage_id=outage_id)
    answer = _ask(target, lambda node: node.CancelPlannedOutage(request, timeout=_CALL_SECONDS), request.request_id)
    _tell(answer, [answer.planned_outage], as_json=as_json)


@planned_outages.command("list")
@connection_options
@click.option("--all", "with_all", is_flag=True, help="Also those that were cancelled or are over.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@json_option
def list_command(target: Target, with_all: bool, limit: int, as_json: bool) -> None:
    """List planned outages of the region, the latest beginning first.

    \b
    Example:
      region-node planned-outages list --all --json

    \b
    Exit codes:
      0  shown
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  the node cannot be reached, or cannot answer just now
    """
    request = api.ListPlannedOutagesRequest(all=with_all, page_size=limit)
    answer = _ask(target, lambda node: node.ListPlannedOutages(request, timeout=_CALL_SECONDS))
    _tell(answer, answer.planned_outages, as_json=as_json)
    tell_more(answer.next_page_token)


def _tell(message: Message, found: Sequence[PlannedOutage], *, as_json: bool) -> None:
    if as_json:
        print_message(message)
        return
    columns = [
        translated("planned outage"),
        translated("begins"),
        translated("until"),
        translated("state"),
        translated("emergency"),
        translated("out"),
        translated("services down"),
    ]
    print_table(columns, [_cells(each) for each in found])


def _cells(planned: PlannedOutage) -> tuple[str, ...]:
    return (
        planned.id,
        told_time(planned.start_time),
        told_time(planned.end_time),
        word(PlannedOutageState.Name(planned.state), _STATE),
        translated("yes") if planned.emergency else "",
        ", ".join([*planned.sites, *planned.links]),
        ", ".join(planned.services),
    )


def _ask(target: Target, call: Callable[[PlannedOutageServiceStub], Awaitable[T]], request_id: str = "") -> T:
    return answer_of(target, lambda channel: call(PlannedOutageServiceStub(channel)), request_id)
