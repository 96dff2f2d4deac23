"""`coordinator federation number`."""

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import titled
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.cli.table import Table, TableColumn
from gateway.time.clock import from_microseconds
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time


@click.command(epilog=EPILOG)
@asks()
@click.argument("number")
def number(asking: Asking, number: str) -> None:
    """Show the home of NUMBER, and how it became that.

    The prefix of the number names its first home, or an exception of administrators does. Each assignment after that is
    signed by the region that gave the number away. One that does not count was outranked by an exception, or its giver
    was not the home.

    \b
    Example:
      coordinator federation number 13812345678
    """
    response = asking.ask(
        lambda channel: ConfigurationServiceStub(channel).GetNumber, contract.GetNumberRequest(number=number)
    )
    asking.tell(response, _print)


def _print(response: contract.GetNumberResponse) -> None:
    if not response.region:
        click.echo(translated("no region is the home of the number: the number plan does not cover it"))
    else:
        click.echo(translated("home: {region}", region=region_name(response.region)))
    if response.prefix_region:
        click.echo(translated("by its prefix: {region}", region=region_name(response.prefix_region)))
    if response.HasField("exception"):
        region, outranked = region_name(response.exception.region), response.exception.outranked_sequence
        told = translated("by an exception of administrators: {region}", region=region)
        if outranked:
            told = translated(
                "by an exception of administrators: {region}; it outranks assignments up to {sequence}",
                region=region,
                sequence=str(outranked),
            )
        click.echo(told)
    if response.assignments:
        _ASSIGNMENTS.show(response.assignments, titled(translated("Assignments")))


_ASSIGNMENTS = Table[contract.NumberAssignmentStatus](
    TableColumn("sequence", lambda each: str(each.assignment.sequence)),
    TableColumn("time", lambda each: told_time(from_microseconds(each.assignment.sign_time_us))),
    TableColumn("given by", lambda each: region_name(each.assignment.giver)),
    TableColumn("to", lambda each: region_name(each.assignment.region)),
    TableColumn("counts", lambda each: translated("yes") if each.counts else translated("no")),
)
