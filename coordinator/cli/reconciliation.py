"""`coordinator reconciliation`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered
from coordinator.wording.reconciliation import Pair, by_pair, differs, told_day
from gateway.api.coordinator.v1 import reconciliation_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2 import PairDay
from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2_grpc import ReconciliationOversightServiceStub
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import translated
from gateway.wording.terms import region_name


@click.command(epilog=EPILOG)
@asks()
@click.option("--days", type=click.IntRange(1, 31), default=7, show_default=True, help="How many days back.")
def reconciliation(asking: Asking, days: int) -> None:
    """Show whether each pair of regions has the same records, by business day; the nodes are asked at each call.

    \b
    Example:
      coordinator reconciliation --days 3
    """
    first = datetime.now(UTC).date() - timedelta(days=days)
    request = contract.ReportReconciliationRequest(from_day=f"{first}")
    response = asking.ask(lambda channel: ReconciliationOversightServiceStub(channel).ReportReconciliation, request)
    asking.tell(response, print_pairs)
    tell_unanswered(response.unanswered)


def print_pairs(response: contract.ReportReconciliationResponse) -> None:
    """Prints the days of each pair, and what to do about a pair that differs."""
    pairs = by_pair(response.days)
    if not pairs:
        click.echo(translated("No day was compared yet."))
        return
    _table(sorted({each.day for each in response.days})).show(pairs.items())
    differing = [pair for pair, days in pairs.items() if any(map(differs, days.values()))]
    for first, second in differing:
        click.echo(
            translated(
                "{first} and {second} differ: `region-node reconciliation differences --with {other}` in {first} names"
                " each record and the kind of difference; `region-node reconciliation propose` proposes its repair.",
                first=region_name(first),
                second=region_name(second),
                other=second,
            )
        )


def _table(days: Sequence[str]) -> Table[tuple[Pair, Mapping[str, PairDay]]]:
    """A row for each pair, a column for each day."""
    return Table(
        TableColumn("region", lambda each: region_name(each[0][0])),
        TableColumn("other region", lambda each: region_name(each[0][1])),
        *(TableColumn(day, partial(_cell, day)) for day in days),
    )


def _cell(day: str, row: tuple[Pair, Mapping[str, PairDay]]) -> str:
    found = row[1].get(day)
    return "" if found is None else told_day(found)
