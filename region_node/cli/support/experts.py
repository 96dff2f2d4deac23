"""`region-node experts`: experts and their skills, in all regions."""

import click

from gateway.api.region.v1 import support_resource_service_pb2 as api
from gateway.api.region.v1.support_resource_service_pb2_grpc import SupportResourceServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.wording.terms import region_name
from region_node.cli.asking import Asking, reads, repeats
from region_node.cli.options import staff_option
from region_node.cli.support.support_view import print_unanswered

_EXPERTS = Table[api.Expert](
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("staff id", lambda each: each.staff_id),
    TableColumn("skills", lambda each: " ".join(each.skills)),
    TableColumn("sites", lambda each: " ".join(each.sites) or "-"),
)


@click.group()
def experts() -> None:
    """Keep this region's experts, and find those of all regions by skill and place."""


@experts.command()
@repeats()
@click.argument("expert", metavar="STAFF_ID")
@click.option("--skill", "skills", multiple=True, required=True, help="What they know, for example optical-transport.")
@click.option("--site", "sites", multiple=True, help="A site that they look after; none for all of the region.")
def add(asking: Asking, expert: str, skills: tuple[str, ...], sites: tuple[str, ...]) -> None:
    """Enter an expert of this region by their STAFF_ID, or enter them anew.

    \b
    Examples:
      region-node experts add li --skill optical-transport --site chengdu
    """
    request = api.KeepExpertRequest(expert=api.Expert(staff_id=expert, skills=skills, sites=sites))
    answer = asking.ask(lambda channel: SupportResourceServiceStub(channel).KeepExpert, request)
    asking.tell(answer.expert, _EXPERTS.show_one)


@experts.command()
@repeats(with_json=False)
@click.argument("expert", metavar="STAFF_ID")
def remove(asking: Asking, expert: str) -> None:
    """Take an expert off the registry of this region.

    \b
    Examples:
      region-node experts remove li
    """
    request = api.RemoveExpertRequest(staff_id=expert)
    asking.ask(lambda channel: SupportResourceServiceStub(channel).RemoveExpert, request)


@experts.command("list")
@reads(limit_option(), staff_option)
def list_experts(asking: Asking) -> None:
    """List the experts of this region.

    \b
    Examples:
      region-node experts list
    """
    _show_experts(asking, api.ListExpertsRequest())


@experts.command("find")
@reads(limit_option(), staff_option)
@click.option("--skill", default="", help="Only those who know this.")
@click.option("--site", default="", help="Only those who look after this site.")
def find_experts(asking: Asking, skill: str, site: str) -> None:
    """Find experts of all regions; those regions that do not answer are named.

    \b
    Examples:
      region-node experts find --skill optical-transport --site chengdu
    """
    search = api.ExpertSearch(skill=skill, site=site)
    _show_experts(asking, api.ListExpertsRequest(search=search, everywhere=True))


def _show_experts(asking: Asking, request: api.ListExpertsRequest) -> None:
    found = asking.ask(lambda channel: SupportResourceServiceStub(channel).ListExperts, request)
    asking.show(found, _EXPERTS, found.experts)
    print_unanswered(found.unanswered)
