"""`region-node resources`: what this region lends, and what all regions do."""

import click

from gateway.api.region.v1 import support_resource_service_pb2 as api
from gateway.api.region.v1.support_resource_service_pb2 import ResourceKind
from gateway.api.region.v1.support_resource_service_pb2_grpc import SupportResourceServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.issue_options import due_time
from gateway.cli.option_words import option_words
from gateway.cli.table import Table, TableColumn
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, repeats
from region_node.cli.options import staff_option
from region_node.cli.support.support_view import print_unanswered

_KINDS = option_words(ResourceKind.items())
_KIND = click.Choice(tuple(_KINDS))
_RESOURCES = Table[api.SharedResource](
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("id", lambda each: each.id),
    TableColumn("kind", lambda each: value_word(ResourceKind.DESCRIPTOR, each.kind)),
    TableColumn("title", lambda each: each.title),
    TableColumn("site", lambda each: each.site),
    TableColumn("quantity", lambda each: str(each.quantity)),
    TableColumn("begins", lambda each: told_if_set(each.start_time)),
    TableColumn("until", lambda each: told_if_set(each.end_time)),
    TableColumn("conditions", lambda each: each.conditions, only_wide=True),
)


@click.group()
def resources() -> None:
    """Keep what this region lends: room at sites in racks, capacity in Mbit/s, test equipment; find that of all."""


@resources.command("add")
@repeats()
@click.argument("resource_id", metavar="ID")
@click.option("--kind", type=_KIND, required=True, help="What it is.")
@click.option("--title", required=True, help="Its name, in Latin letters.")
@click.option("--site", required=True, help="The site of this region at which it is.")
@click.option("--quantity", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="How much there is.")
@click.option("--from", "start", default="", help="From when it is lent, with zone.")
@click.option("--until", "end", default="", help="Until when it is lent, with zone.")
@click.option("--conditions", default="", help="Conditions, in Latin letters.")
def add_resource(
    asking: Asking,
    resource_id: str,
    kind: str,
    title: str,
    site: str,
    quantity: int,
    start: str,
    end: str,
    conditions: str,
) -> None:
    """Enter a resource that this region lends, or enter it anew.

    \b
    Examples:
      region-node resources add otdr-1 --kind test-equipment --title "OTDR 1550 nm" --site chengdu
    """
    resource = api.SharedResource(
        id=resource_id,
        kind=_KINDS[kind],
        title=title,
        site=site,
        quantity=quantity,
        start_time=due_time(start) if start else None,
        end_time=due_time(end) if end else None,
        conditions=conditions,
    )
    request = api.KeepResourceRequest(resource=resource)
    answer = asking.ask(lambda channel: SupportResourceServiceStub(channel).KeepResource, request)
    asking.tell(answer.resource, _RESOURCES.show_one)


@resources.command("remove")
@repeats(with_json=False)
@click.argument("resource_id", metavar="ID")
def remove_resource(asking: Asking, resource_id: str) -> None:
    """Take a resource that is not lent off the registry of this region.

    \b
    Examples:
      region-node resources remove otdr-1
    """
    request = api.RemoveResourceRequest(resource_id=resource_id)
    asking.ask(lambda channel: SupportResourceServiceStub(channel).RemoveResource, request)


@resources.command("list")
@reads(limit_option(), staff_option)
def list_resources(asking: Asking) -> None:
    """List the resources that this region lends.

    \b
    Examples:
      region-node resources list
    """
    _show(asking, api.ListResourcesRequest())


@resources.command("find")
@reads(limit_option(), staff_option)
@click.option("--kind", type=_KIND, help="Only this kind.")
@click.option("--site", default="", help="Only those at this site.")
@click.option("--title", default="", help="Only those whose title has these characters in it.")
def find_resources(asking: Asking, kind: str | None, site: str, title: str) -> None:
    """Find resources of all regions; those regions that do not answer are named.

    \b
    Examples:
      region-node resources find --kind test-equipment
    """
    search = api.ResourceSearch(site=site, title=title)
    if kind:
        search.kind = _KINDS[kind]
    _show(asking, api.ListResourcesRequest(search=search, everywhere=True))


def _show(asking: Asking, request: api.ListResourcesRequest) -> None:
    found = asking.ask(lambda channel: SupportResourceServiceStub(channel).ListResources, request)
    asking.show(found, _RESOURCES, found.resources)
    print_unanswered(found.unanswered)
