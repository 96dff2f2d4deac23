"""`region-node planned-outages`: when the region works on its network."""

from datetime import datetime

import click

from gateway.api.region.v1 import planned_outage_service_pb2 as api
from gateway.api.region.v1.planned_outage_service_pb2 import PlannedOutage, PlannedOutageState
from gateway.api.region.v1.planned_outage_service_pb2_grpc import PlannedOutageServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.cli.times import InstantType
from gateway.time.clock import to_timestamp
from gateway.wording.languages import enumerated, translated
from gateway.wording.times import told_time
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, writes

_start_option = click.option("--start", type=InstantType(), required=True, help="From when, as 2026-12-24T01:00+08:00.")
_end_option = click.option("--end", type=InstantType(), required=True, help="Until when, in the same form.")


_PLANNED_OUTAGES = Table[PlannedOutage](
    TableColumn("planned outage", lambda each: each.id),
    TableColumn("begins", lambda each: told_time(each.start_time)),
    TableColumn("until", lambda each: told_time(each.end_time)),
    TableColumn("state", lambda each: value_word(PlannedOutageState.DESCRIPTOR, each.state)),
    TableColumn("emergency", lambda each: translated("yes") if each.emergency else ""),
    TableColumn("out", lambda each: enumerated([*each.sites, *each.links])),
    TableColumn("services down", lambda each: enumerated(each.services)),
)


@click.group("planned-outages")
def planned_outages() -> None:
    """Announce when the region works on its network, move it, cancel it, and list what is ahead."""


@planned_outages.command()
@writes(done="announced: the customers whose lines it takes down are told by their home regions")
@click.option("--site", "sites", multiple=True, help="A site that will be out. May be given again.")
@click.option("--link", "links", multiple=True, help="A link that will be out. May be given again.")
@_start_option
@_end_option
@click.option("--emergency", is_flag=True, help="It cannot wait: it needs no notice, and counts as an outage.")
def announce(
    asking: Asking, sites: tuple[str, ...], links: tuple[str, ...], start: datetime, end: datetime, emergency: bool
) -> None:
    """Announce a planned outage, as staff: it is refused where another one then leaves somebody without a way.

    \b
    Example:
      region-node planned-outages announce --link chengdu-guangzhou-1 --start 2026-12-24T01:00+08:00 \\
        --end 2026-12-24T05:00+08:00
    """
    request = api.AnnouncePlannedOutageRequest(
        sites=sites, links=links, start_time=to_timestamp(start), end_time=to_timestamp(end), emergency=emergency
    )
    answer = asking.ask(lambda channel: PlannedOutageServiceStub(channel).AnnouncePlannedOutage, request)
    asking.show(answer, _PLANNED_OUTAGES, [answer.planned_outage])


@planned_outages.command()
@writes()
@click.argument("planned_outage_id")
@_start_option
@_end_option
def change(asking: Asking, planned_outage_id: str, start: datetime, end: datetime) -> None:
    """Move a planned outage that has not begun; the notice for it begins anew.

    \b
    Example:
      region-node planned-outages change sichuan/planned/liu/7 --start 2026-12-25T01:00+08:00 \\
        --end 2026-12-25T05:00+08:00
    """
    request = api.ChangePlannedOutageRequest(
        planned_outage_id=planned_outage_id, start_time=to_timestamp(start), end_time=to_timestamp(end)
    )
    answer = asking.ask(lambda channel: PlannedOutageServiceStub(channel).ChangePlannedOutage, request)
    asking.show(answer, _PLANNED_OUTAGES, [answer.planned_outage])


@planned_outages.command()
@writes()
@click.argument("planned_outage_id")
def cancel(asking: Asking, planned_outage_id: str) -> None:
    """Cancel a planned outage that has not begun; who was told of it is told so.

    \b
    Example:
      region-node planned-outages cancel sichuan/planned/liu/7
    """
    request = api.CancelPlannedOutageRequest(planned_outage_id=planned_outage_id)
    answer = asking.ask(lambda channel: PlannedOutageServiceStub(channel).CancelPlannedOutage, request)
    asking.show(answer, _PLANNED_OUTAGES, [answer.planned_outage])


@planned_outages.command("list")
@reads(limit_option())
@click.option("--all", "with_all", is_flag=True, help="Also those that were cancelled or are over.")
def list_command(asking: Asking, with_all: bool) -> None:
    """List planned outages of the region, the latest beginning first.

    \b
    Example:
      region-node planned-outages list --all --json
    """
    request = api.ListPlannedOutagesRequest(include_ended=with_all)
    answer = asking.ask(lambda channel: PlannedOutageServiceStub(channel).ListPlannedOutages, request)
    asking.show(answer, _PLANNED_OUTAGES, answer.planned_outages)
