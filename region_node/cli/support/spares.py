"""`region-node spares`: the spare parts in store, in all regions."""

import click

from gateway.api.region.v1 import support_resource_service_pb2 as api
from gateway.api.region.v1.support_resource_service_pb2_grpc import SupportResourceServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.wording.terms import region_name
from region_node.cli.asking import Asking, reads, repeats
from region_node.cli.options import staff_option
from region_node.cli.support.support_view import print_unanswered

_SPARES = Table[api.Spare](
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("site", lambda each: each.site),
    TableColumn("part number", lambda each: each.part_number),
    TableColumn("model", lambda each: each.model),
    TableColumn("count", lambda each: str(each.count)),
)


@click.group()
def spares() -> None:
    """Keep this region's spares, and find those of all regions."""


@spares.command("add")
@repeats()
@click.argument("part_number")
@click.option("--model", required=True, help="What it is.")
@click.option("--site", required=True, help="The site of this region at which they are.")
@click.option("--count", type=click.IntRange(0, 1_000_000), required=True, help="How many are there from now on.")
def add_spares(asking: Asking, part_number: str, model: str, site: str, count: int) -> None:
    """Enter how many of a part are at a site, or enter it anew.

    \b
    Examples:
      region-node spares add SFP-10G-LR --model "10G optical module" --site chengdu --count 12
    """
    request = api.KeepSpareRequest(spare=api.Spare(part_number=part_number, model=model, site=site, count=count))
    answer = asking.ask(lambda channel: SupportResourceServiceStub(channel).KeepSpare, request)
    asking.tell(answer.spare, _SPARES.show_one)


@spares.command("remove")
@repeats(with_json=False)
@click.argument("part_number")
@click.option("--site", required=True, help="The site.")
def remove_spares(asking: Asking, part_number: str, site: str) -> None:
    """Take a part at a site off the registry of this region.

    \b
    Examples:
      region-node spares remove SFP-10G-LR --site chengdu
    """
    request = api.RemoveSpareRequest(part_number=part_number, site=site)
    asking.ask(lambda channel: SupportResourceServiceStub(channel).RemoveSpare, request)


@spares.command("list")
@reads(limit_option(), staff_option)
def list_spares(asking: Asking) -> None:
    """List the spares of this region.

    \b
    Examples:
      region-node spares list
    """
    _show_spares(asking, api.ListSparesRequest())


@spares.command("find")
@reads(limit_option(), staff_option)
@click.option("--part-number", default="", help="Only this part.")
@click.option("--model", default="", help="Only those whose model has these characters in it.")
@click.option("--site", default="", help="Only those at this site.")
def find_spares(asking: Asking, part_number: str, model: str, site: str) -> None:
    """Find spares of all regions; those regions that do not answer are named.

    \b
    Examples:
      region-node spares find --model "10G optical"
    """
    search = api.SpareSearch(part_number=part_number, model=model, site=site)
    _show_spares(asking, api.ListSparesRequest(search=search, everywhere=True))


def _show_spares(asking: Asking, request: api.ListSparesRequest) -> None:
    found = asking.ask(lambda channel: SupportResourceServiceStub(channel).ListSpares, request)
    asking.show(found, _SPARES, found.spares)
    print_unanswered(found.unanswered)
