"""`coordinator planned-outages`: when which region has which parts of its network out."""

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.completing import complete_regions
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.in_force import network_in_force
from coordinator.cli.output import titled
from coordinator.wording.elements import LINK, SITE, names_in, told_elements
from gateway.api.coordinator.v1 import planned_outage_registry_service_pb2 as contract
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2_grpc import PlannedOutageRegistryServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.problems import UNNAMED, Names
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
    names = UNNAMED if asking.as_json else names_in(network_in_force(asking.link))
    asking.show(response, _windows(names), response.planned_outages, title)


def _windows(names: Names) -> Table[contract.PlannedOutageHeader]:
    return Table(
        TableColumn("planned outage", lambda each: each.id),
        TableColumn("begins", lambda each: told_if_set(each.start_time)),
        TableColumn("until", lambda each: told_if_set(each.end_time)),
        TableColumn("out", lambda each: _out(each, names)),
    )


def _out(window: contract.PlannedOutageHeader, names: Names) -> str:
    told = ((SITE, window.sites), (LINK, window.links))
    return enumerated(told_elements(kind, ids, names) for kind, ids in told if ids)
