"""`coordinator planned-outages`: when which region has which parts of its network out."""

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.completing import complete_regions
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import titled
from gateway.api.coordinator.v1 import planned_outage_registry_service_pb2 as contract
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2_grpc import PlannedOutageRegistryServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import enumerated, translated
from gateway.wording.times import show_times_of, told_if_set


@click.command("planned-outages", epilog=EPILOG)
@asks(limit_option())
@click.option("--region", default="", shell_complete=complete_regions, help="Only those of this region.")
def planned_outages(asking: Asking, region: str) -> None:
    """List the planned outages of all regions that have not ended, the earliest first.

    \b
    Example:
      coordinator planned-outages --region sichuan
    """
    show_times_of(region)
    request = contract.ListPlannedOutagesRequest(region=region)
    response = asking.ask(lambda channel: PlannedOutageRegistryServiceStub(channel).ListPlannedOutages, request)
    title = titled(translated("Planned outages")) if response.planned_outages else ""
    asking.show(response, _WINDOWS, response.planned_outages, title)


_WINDOWS = Table[contract.PlannedOutageHeader](
    TableColumn("planned outage", lambda each: each.id),
    TableColumn("begins", lambda each: told_if_set(each.start_time)),
    TableColumn("until", lambda each: told_if_set(each.end_time)),
    TableColumn("out", lambda each: enumerated([*each.sites, *each.links])),
)
