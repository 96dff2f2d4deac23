"""`region-node body`: the coordination body as staff of a region see it."""

from datetime import datetime

import click

from gateway.api.region.v1.catalogue_service_pb2 import GetBodyRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.cli.body import at_option, show_body
from gateway.time.clock import to_timestamp
from region_node.cli.asking import Asking, reads
from region_node.cli.completing import complete_regions


@click.command()
@reads()
@click.option(
    "--in-region",
    default="",
    shell_complete=complete_regions,
    help="Only members and rosters of this region.",
)
@at_option
def body(asking: Asking, in_region: str, at: datetime | None) -> None:
    """Show the members of the coordination body, the persons on duty, and the matrix of responsibility.

    \b
    Examples:
      region-node body --in-region henan
      region-node body --at 2026-12-24T22:00+08:00 --json
    """
    request = GetBodyRequest(region=in_region, duty_time=None if at is None else to_timestamp(at))
    answer = asking.ask(lambda channel: CatalogueServiceStub(channel).GetBody, request)
    asking.tell(answer, lambda found: show_body(found.body))
