"""`coordinator settlement`."""

from collections.abc import Callable
from functools import partial

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered
from coordinator.oversight.settlement_rules import first_signing_day, is_paid
from coordinator.wording.settlement import (
    Pairs,
    by_pair,
    debt,
    differing,
    regions_of,
    told_amount,
    told_debt,
    told_sums,
    why_no_statement,
)
from gateway.api.coordinator.v1 import settlement_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.settlement_oversight_service_pb2 import SettlementPosition
from gateway.api.coordinator.v1.settlement_oversight_service_pb2_grpc import SettlementOversightServiceStub
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import remarked, translated
from gateway.wording.terms import region_name


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
    asking.tell(response, lambda found: print_matrix(found, month))
    tell_unanswered(response.unanswered)


def print_matrix(response: contract.ReportSettlementResponse, month: str) -> None:
    """Prints the debts of each pair in a month, YYYY-MM, and the position of each region."""
    if not response.pairs:
        click.echo(translated("No statement was signed or proposed for this month yet."))
        told = translated("The amounts by today's records: `region-node settlement show REGION MONTH` in a region.")
        click.echo(told)
        return
    pairs = by_pair(response.pairs)
    _table(pairs, partial(_missing, response, first_signing_day(month))).show(regions_of(pairs))
    for each in response.pairs:
        if each.differs:
            click.echo(differing(each))
    _POSITIONS.show(response.positions)
    if any(each.minor_units for each in response.sums):
        raise click.ClickException(told_sums(response.sums))
    click.echo(told_sums(response.sums))


_POSITIONS = Table[SettlementPosition](
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("owed by signed statements", lambda each: told_amount(each.signed)),
    TableColumn("paid", lambda each: told_amount(each.paid)),
    TableColumn("unsigned", lambda each: told_amount(each.unsigned)),
    TableColumn("disputed", lambda each: told_amount(each.disputed)),
)


def _table(pairs: Pairs, missing: Callable[[str, str], str]) -> Table[str]:
    """A row for each debtor, a column for each creditor. `missing` tells of a pair without a statement."""
    columns = (TableColumn(region_name(each), partial(_debt, pairs, missing, each)) for each in regions_of(pairs))
    return Table(TableColumn("owes", region_name), *columns)


def _missing(response: contract.ReportSettlementResponse, day: str, debtor: str, creditor: str) -> str:
    told, remark = why_no_statement(response, debtor, creditor, day)
    return remarked(told, remark) if remark else told


def _debt(pairs: Pairs, missing: Callable[[str, str], str], creditor: str, debtor: str) -> str:
    pair = debt(pairs, debtor, creditor)
    return missing(debtor, creditor) if pair is None else told_debt(pair, debtor, is_paid=is_paid(pair))
