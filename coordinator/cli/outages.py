"""`coordinator outages`."""

from datetime import UTC, datetime

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.in_force import network_in_force
from coordinator.cli.output import titled
from coordinator.wording.ages import told_age
from coordinator.wording.elements import names_in
from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import Outage
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.federation.v1.problem_pb2 import NetworkCondition
from gateway.cli.problems import Names, told_element
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set


@click.command(epilog=EPILOG)
@asks()
def outages(asking: Asking) -> None:
    """List what is down now, for a problem or as planned, and what is degraded: causes, and network services that have
    no way left, or no good one, the longest first.

    \b
    Examples:
      coordinator outages
    """
    request = contract.ListOutagesRequest()
    response = asking.ask_all(lambda channel: ProblemServiceStub(channel).ListOutages, request)
    asking.tell(response, lambda found: _print_outages(found, names_in(network_in_force(asking.link))))


def _print_outages(response: contract.ListOutagesResponse, names: Names) -> None:
    table = _outages(datetime.now(UTC), names)
    down = [each for each in response.outages if each.condition != NetworkCondition.NETWORK_CONDITION_DEGRADED]
    degraded = [each for each in response.outages if each not in down]
    if down:
        table.show(down, titled(translated("Down now")))
    else:
        click.echo(translated("Nothing is down."))
    if degraded:
        table.show(degraded, titled(translated("Degraded now")))


def _outages(now: datetime, names: Names) -> Table[Outage]:
    return Table(
        TableColumn("what", lambda each: told_element(each.element, names)),
        TableColumn("region", lambda each: region_name(each.region)),
        TableColumn("since", lambda each: told_age(each.start_time, now)),
        TableColumn("problem or planned outage", lambda each: each.problem_id or each.planned_outage_id),
        TableColumn("cause", lambda each: translated("yes") if each.is_root_cause else ""),
        TableColumn("customers", lambda each: str(each.customers) if each.problem_id else ""),
        TableColumn("planned until", lambda each: told_if_set(each.planned_end_time)),
    )
