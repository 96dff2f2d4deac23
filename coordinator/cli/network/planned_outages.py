"""`coordinator planned-outages`: when which region has which parts of its network out."""

import click

from coordinator.cli.completing import complete_regions
from coordinator.cli.connection import EPILOG, TIMEOUT, Connection, connected
from coordinator.cli.output import json_option, print_json, print_table
from gateway.api.coordinator.v1 import planned_outage_service_pb2 as contract
from gateway.api.coordinator.v1.planned_outage_service_pb2_grpc import PlannedOutageServiceStub
from gateway.channels import invoke
from gateway.languages import translated
from gateway.times import show_times_of, told_if_set


@click.command("planned-outages", epilog=EPILOG)
@click.option("--region", default="", shell_complete=complete_regions, help="Only those of this region.")
@connected
@json_option
def planned_outages(connection: Connection, region: str, as_json: bool) -> None:
    """List the planned outages of all regions that have not ended, the earliest first.

    \b
    Example:
      coordinator planned-outages --region sichuan
    """
    show_times_of(region)
    request = contract.ListWindowsRequest(region=region)
    response = connection.ask(lambda channel: invoke(PlannedOutageServiceStub(channel).ListWindows, request, TIMEOUT))
    if as_json:
        print_json(response)
        return
    if not response.windows:
        click.echo(translated("There is none."))
        return
    columns = (translated("planned outage"), translated("begins"), translated("until"), translated("out"))
    rows = [
        [each.id, told_if_set(each.start_time), told_if_set(each.end_time), ", ".join([*each.sites, *each.links])]
        for each in response.windows
    ]
    print_table(translated("Planned outages"), columns, rows)
