"""`coordinator body`: the coordination body, its duty rosters and its matrix of responsibility."""

from datetime import datetime

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.completing import complete_regions
from coordinator.cli.exit_codes import EPILOG
from gateway.api.coordinator.v1.administration_pb2 import GetBodyRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.cli.body import at_option, show_body
from gateway.time.clock import to_timestamp
from gateway.wording.times import show_times_of


@click.command(epilog=EPILOG)
@asks()
@click.option("--region", default="", shell_complete=complete_regions, help="Only members and rosters of this region.")
@at_option
def body(asking: Asking, region: str, at: datetime | None) -> None:
    """Show the members of the coordination body, the persons on duty, and the matrix of responsibility.

    \b
    Examples:
      coordinator body
      coordinator body --region sichuan --at 2026-12-24T22:00+08:00 --json
    """
    show_times_of(region)
    request = GetBodyRequest(region=region, duty_time=None if at is None else to_timestamp(at))
    response = asking.ask(lambda channel: ConfigurationServiceStub(channel).GetBody, request)
    asking.tell(response, lambda answer: show_body(answer.body))
