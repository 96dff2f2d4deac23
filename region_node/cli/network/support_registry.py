"""`region-node experts` and `region-node spares`: who can help with what, and what is in store, in all regions."""

from typing import TypeVar

import click

from gateway.api.region.v1 import support_registry_service_pb2 as api
from gateway.api.region.v1.support_registry_service_pb2_grpc import SupportRegistryServiceStub
from region_node.cli.asking import Asking, reads, repeats
from region_node.cli.network.support_view import EXPERTS, SPARES, print_unanswered
from region_node.cli.options import staff_option

T = TypeVar("T")


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
    answer = asking.ask(lambda channel: SupportRegistryServiceStub(channel).KeepExpert, request)
    asking.tell(answer.expert, EXPERTS.show_one)


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
    asking.ask(lambda channel: SupportRegistryServiceStub(channel).RemoveExpert, request)


@experts.command("list")
@reads(staff_option)
def list_experts(asking: Asking) -> None:
    """List the experts of this region.

    \b
    Examples:
      region-node experts list
    """
    _show_experts(asking, api.ListExpertsRequest())


@experts.command("find")
@reads(staff_option)
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


@click.group()
def spares() -> None:
    """Keep this region's spares, and find those of all regions."""


@spares.command("add")
@repeats()
@click.argument("part_number")
@click.option("--model", required=True, help="What it is.")
@click.option("--site", required=True, help="The site of this region at which they are.")
@click.option("--count", type=click.IntRange(0, 1_000_000), required=True, help="How many are there from now on.")
def add_spare(asking: Asking, part_number: str, model: str, site: str, count: int) -> None:
    """Enter how many of a part are at a site, or enter it anew.

    \b
    Examples:
      region-node spares add SFP-10G-LR --model "10G optical module" --site chengdu --count 12
    """
    request = api.KeepSpareRequest(spare=api.Spare(part_number=part_number, model=model, site=site, count=count))
    answer = asking.ask(lambda channel: SupportRegistryServiceStub(channel).KeepSpare, request)
    asking.tell(answer.spare, SPARES.show_one)


@spares.command("remove")
@repeats(with_json=False)
@click.argument("part_number")
@click.option("--site", required=True, help="The site.")
def remove_spare(asking: Asking, part_number: str, site: str) -> None:
    """Take a part at a site off the registry of this region.

    \b
    Examples:
      region-node spares remove SFP-10G-LR --site chengdu
    """
    request = api.RemoveSpareRequest(part_number=part_number, site=site)
    asking.ask(lambda channel: SupportRegistryServiceStub(channel).RemoveSpare, request)


@spares.command("list")
@reads(staff_option)
def list_spares(asking: Asking) -> None:
    """List the spares of this region.

    \b
    Examples:
      region-node spares list
    """
    _show_spares(asking, api.ListSparesRequest())


@spares.command("find")
@reads(staff_option)
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


def _show_experts(asking: Asking, request: api.ListExpertsRequest) -> None:
    found = asking.ask(lambda channel: SupportRegistryServiceStub(channel).ListExperts, request)
    asking.show(found, EXPERTS, found.experts)
    print_unanswered(found.unanswered)


def _show_spares(asking: Asking, request: api.ListSparesRequest) -> None:
    found = asking.ask(lambda channel: SupportRegistryServiceStub(channel).ListSpares, request)
    asking.show(found, SPARES, found.spares)
    print_unanswered(found.unanswered)
