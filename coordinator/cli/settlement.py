"""`coordinator settlement`."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered
from coordinator.oversight.settlement_rules import SIGNED, is_paid
from gateway.api.coordinator.v1 import settlement_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.settlement_oversight_service_pb2 import PairSettlement, SettlementPosition
from gateway.api.coordinator.v1.settlement_oversight_service_pb2_grpc import SettlementOversightServiceStub
from gateway.api.region.v1.settlement_pb2 import SettlementState
from gateway.api.types.v1.types_pb2 import Money
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

    Signed, unsigned and disputed amounts stand apart. Each position is what all others owe the region. What is signed
    is paid once both regions have recorded the payment.

    \b
    Examples:
      coordinator settlement --month 2026-11
      coordinator settlement --month 2026-11 --json
    """
    request = contract.ReportSettlementRequest(month=month)
    response = asking.ask(lambda channel: SettlementOversightServiceStub(channel).ReportSettlement, request)
    asking.tell(response, print_matrix)
    tell_unanswered(response.unanswered)


def print_matrix(response: contract.ReportSettlementResponse) -> None:
    """Prints the debts of each pair and the position of each region."""
    if not response.pairs:
        click.echo(translated("No statement was signed or proposed for this month yet."))
        told = translated("The amounts by today's records: `region-node settlement show REGION MONTH` in a region.")
        click.echo(told)
        return
    pairs = {(each.first_region, each.second_region): each for each in response.pairs}
    regions = sorted({region for pair in pairs for region in pair})
    _table(regions, pairs).show(regions)
    for each in response.pairs:
        if each.differs:
            click.echo(_differing(each))
    _POSITIONS.show(response.positions)
    if any(each.minor_units for each in response.sums):
        told = _amounts(response.sums)
        raise click.ClickException(translated("The positions of all regions sum up to {amount}.", amount=told))
    click.echo(translated("The positions of all regions sum up to zero."))


def _differing(pair: PairSettlement) -> str:
    return translated(
        "{first} and {second} differ: the first says {ours}, the second {theirs}.",
        first=region_name(pair.first_region),
        second=region_name(pair.second_region),
        ours=_amounts(pair.first_net),
        theirs=_amounts(pair.second_net),
    )


def _amounts(net: Iterable[Money], sign: int = 1) -> str:
    told = ", ".join(_amount(each, sign) for each in net)
    return told or translated("nothing")


def _amount(money: Money, sign: int = 1) -> str:
    return in_major_units(sign * money.minor_units, money.currency)


_POSITIONS = Table[SettlementPosition](
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("owed by signed statements", lambda each: _amount(each.signed)),
    TableColumn("paid", lambda each: _amount(each.paid)),
    TableColumn("unsigned", lambda each: _amount(each.unsigned)),
    TableColumn("disputed", lambda each: _amount(each.disputed)),
)


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
    amounts = translated("differs") if pair.differs else _amounts(pair.net, sign)
    if pair.state == SIGNED:
        return f"{amounts} ({_standing(pair)})" if any(each.minor_units for each in pair.net) else amounts
    return f"{amounts} ({word(SettlementState.Name(pair.state), 'SETTLEMENT_STATE_')})"


def _standing(pair: PairSettlement) -> str:
    """How the payment stands that both regions record, each in its own books."""
    if is_paid(pair):
        return translated("paid")
    if pair.first_paid or pair.second_paid:
        region = pair.first_region if pair.first_paid else pair.second_region
        return translated("paid as {region} alone says", region=region_name(region))
    return translated("unpaid")
