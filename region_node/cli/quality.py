"""`region-node quality`: the scorecard of the region."""

import click

from gateway.api.region.v1 import quality_service_pb2 as api
from gateway.api.region.v1.quality_service_pb2_grpc import QualityServiceStub
from gateway.cli import scorecard
from gateway.cli.times import MonthType
from region_node.cli.asking import Asking, reads


@click.group()
def quality() -> None:
    """See the quality of this region's service."""


@quality.command()
@reads()
@click.option("--month", metavar="YYYY-MM", type=MonthType(), required=True, help="The month in the region.")
def show(asking: Asking, month: str) -> None:
    """Show the scorecard of this region for a month.

    \b
    Example:
      region-node quality show --month 2026-10
    """
    request = api.GetScorecardRequest(month=month)
    found = asking.ask(lambda channel: QualityServiceStub(channel).GetScorecard, request)
    asking.show(found, scorecard.FIGURES, scorecard.rows(found.definitions, [found.scorecard]))
