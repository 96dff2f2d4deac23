"""`region-node retention`: the results of the nightly purge."""

import click

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1 import retention_service_pb2 as api
from gateway.api.region.v1.retention_service_pb2_grpc import RetentionServiceStub
from gateway.cli.asking import limit_option
from gateway.wording.languages import translated
from gateway.wording.times import told_time
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads


@click.group()
def retention() -> None:
    """Show what the nightly purge did."""


@retention.command()
@reads(limit_option("At most this many."))
def report(asking: Asking) -> None:
    """Show what was removed of each class of data, night by night, the last night first.

    \b
    Example:
      region-node retention report --limit 12
    """
    response = asking.ask(lambda channel: RetentionServiceStub(channel).ListPurges, api.ListPurgesRequest())
    nothing = translated("Nothing was purged yet: the first purge is at two in the region's next night.")
    asking.say_each(response, [_purge_line(each) for each in response.purges], nothing)


def _purge_line(purge: api.Purge) -> str:
    oldest = told_time(purge.oldest_time) if purge.HasField("oldest_time") else translated("none")
    if not purge.complete:
        oldest = translated("not complete yet")
    return translated(
        "{night} {data_class}: {removed} removed, {held} held, oldest left: {oldest}",
        night=purge.night_date,
        data_class=value_word(DataClass.DESCRIPTOR, purge.data_class),
        removed=purge.removed,
        held=purge.held,
        oldest=oldest,
    )
