"""`coordinator settlement`."""

from collections.abc import Mapping, Sequence
from functools import partial

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered
from coordinator.oversight.settlement_rules import SIGNED, positions
from gateway.api.coordinator.v1 import settlement_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.settlement_oversight_service_pb2 import PairSettlement
from gateway.api.coordinator.v1.settlement_oversight_service_pb2_grpc import SettlementOversightServiceStub
from gateway.api.region.v1.settlement_pb2 import SettlementState
from gateway.cli.table import Table, TableColumn
from gateway.values.money import in_major_units
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.words import word

_Pairs = Mapping[tuple[str, str], PairSettlement]


@click.command(epilog=EPILOG)
@asks()
@click.option("--month", required=True, help="The month, as YYYY-MM.")
def settlement(asking: Asking, month: str) -> None:
    """Show the net position of each pair of regions for a month; the nodes are asked at each call.

    \b
    Example:
      coordinator settlement --month 2026-11
    """
    request = contract.ReportSettlementRequest(month=month)
    response = asking.ask(lambda channel: SettlementOversightServiceStub(channel).ReportSettlement, request)
    asking.tell(response, _print_matrix)
    tell_unanswered(response.unanswered)


def _print_matrix(response: contract.ReportSettlementResponse) -> None:
    if not response.pairs:
        click.echo(translated("No statement was signed yet."))
        return
    pairs = {(each.first_region, each.second_region): each for each in response.pairs}
    regions = sorted({region for pair in pairs for region in pair})
    _table(regions, pairs).show(regions)
    sums = positions(response.pairs)
    for (region, currency), amount in sums.items():
        told = in_major_units(amount, currency)
        click.echo(translated("{region} is owed {amount} in all", region=region_name(region), amount=told))


def _table(regions: Sequence[str], pairs: _Pairs) -> Table[str]:
    """A row for each debtor, a column for each creditor."""
    return Table(
        TableColumn("owes", region_name),
        *(TableColumn(region_name(each), partial(_cell, pairs, each)) for each in regions),
    )


def _cell(pairs: _Pairs, creditor: str, debtor: str) -> str:
    pair, sign = pairs.get((debtor, creditor)), 1
    if pair is None:
        pair, sign = pairs.get((creditor, debtor)), -1
    if pair is None:
        return ""
    net = ", ".join(in_major_units(sign * each.minor_units, each.currency) for each in pair.net)
    amounts = translated("differs") if pair.differs else net or translated("nothing")
    if pair.state == SIGNED:
        return amounts
    return f"{amounts} ({word(SettlementState.Name(pair.state), 'SETTLEMENT_STATE_')})"
