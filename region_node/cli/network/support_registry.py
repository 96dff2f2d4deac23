"""`region-node experts` and `region-node spares`: who can help with what, and what is in store, in all regions."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from gateway.api.region.v1 import support_registry_service_pb2 as api
from gateway.api.region.v1.support_registry_service_pb2_grpc import SupportRegistryServiceStub
from gateway.api.types.v1.types_pb2 import Requester
from region_node.cli.asking import answer_of
from region_node.cli.connection import Target, connection_options
from region_node.cli.network.support_view import print_experts, print_spares, print_unanswered
from region_node.cli.options import json_option, print_message, staff_option

T = TypeVar("T")

_CALL_SECONDS = 30.0


@click.group()
def experts() -> None:
    """Keep this region's experts, and find those of all regions by skill and place."""


@experts.command()
@click.argument("staff_id")
@connection_options
@click.option("--skill", "skills", multiple=True, required=True, help="What they know, for example optical-transport.")
@click.option("--site", "sites", multiple=True, help="A site that they look after; none for all of the region.")
@json_option
def add(target: Target, staff_id: str, skills: tuple[str, ...], sites: tuple[str, ...], as_json: bool) -> None:
    """Enter an expert of this region by their STAFF_ID, or enter them anew.

    \b
    Examples:
      region-node experts add li --skill optical-transport --site chengdu
    """
    request = api.KeepExpertRequest(expert=api.Expert(staff_id=staff_id, skills=skills, sites=sites))
    answer = _ask(target, lambda node: node.KeepExpert(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(answer.expert)
    else:
        print_experts([answer.expert])


@experts.command()
@click.argument("staff_id")
@connection_options
def remove(target: Target, staff_id: str) -> None:
    """Take an expert off the registry of this region.

    \b
    Examples:
      region-node experts remove li
    """
    request = api.RemoveExpertRequest(staff_id=staff_id)
    _ask(target, lambda node: node.RemoveExpert(request, timeout=_CALL_SECONDS))


@experts.command("list")
@connection_options
@staff_option
@json_option
def list_experts(target: Target, staff_id: str, as_json: bool) -> None:
    """List the experts of this region.

    \b
    Examples:
      region-node experts list
    """
    _show_experts(target, api.ListExpertsRequest(requester=Requester(staff_id=staff_id)), as_json)


@experts.command("find")
@connection_options
@click.option("--skill", default="", help="Only those who know this.")
@click.option("--site", default="", help="Only those who look after this site.")
@staff_option
@json_option
def find_experts(target: Target, skill: str, site: str, staff_id: str, as_json: bool) -> None:
    """Find experts of all regions; those regions that do not answer are named.

    \b
    Examples:
      region-node experts find --skill optical-transport --site chengdu
    """
    search = api.ExpertSearch(skill=skill, site=site)
    requester = Requester(staff_id=staff_id)
    _show_experts(target, api.ListExpertsRequest(search=search, everywhere=True, requester=requester), as_json)


@click.group()
def spares() -> None:
    """Keep this region's spares, and find those of all regions."""


@spares.command("add")
@click.argument("part_number")
@connection_options
@click.option("--model", required=True, help="What it is.")
@click.option("--site", required=True, help="The site of this region at which they are.")
@click.option("--count", type=click.IntRange(0, 1_000_000), required=True, help="How many are there from now on.")
@json_option
def add_spare(target: Target, part_number: str, model: str, site: str, count: int, as_json: bool) -> None:
    """Enter how many of a part are at a site, or enter it anew.

    \b
    Examples:
      region-node spares add SFP-10G-LR --model "10G optical module" --site chengdu --count 12
    """
    request = api.KeepSpareRequest(spare=api.Spare(part_number=part_number, model=model, site=site, count=count))
    answer = _ask(target, lambda node: node.KeepSpare(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(answer.spare)
    else:
        print_spares([answer.spare])


@spares.command("remove")
@click.argument("part_number")
@connection_options
@click.option("--site", required=True, help="The site.")
def remove_spare(target: Target, part_number: str, site: str) -> None:
    """Take a part at a site off the registry of this region.

    \b
    Examples:
      region-node spares remove SFP-10G-LR --site chengdu
    """
    request = api.RemoveSpareRequest(part_number=part_number, site=site)
    _ask(target, lambda node: node.RemoveSpare(request, timeout=_CALL_SECONDS))


@spares.command("list")
@connection_options
@staff_option
@json_option
def list_spares(target: Target, staff_id: str, as_json: bool) -> None:
    """List the spares of this region.

    \b
    Examples:
      region-node spares list
    """
    _show_spares(target, api.ListSparesRequest(requester=Requester(staff_id=staff_id)), as_json)


@spares.command("find")
@connection_options
@click.option("--part-number", default="", help="Only this part.")
@click.option("--model", default="", help="Only those whose model has these characters in it.")
@click.option("--site", default="", help="Only those at this site.")
@staff_option
@json_option
def find_spares(target: Target, part_number: str, model: str, site: str, staff_id: str, as_json: bool) -> None:
    """Find spares of all regions; those regions that do not answer are named.

    \b
    Examples:
      region-node spares find --model "10G optical"
    """
    search = api.SpareSearch(part_number=part_number, model=model, site=site)
    requester = Requester(staff_id=staff_id)
    _show_spares(target, api.ListSparesRequest(search=search, everywhere=True, requester=requester), as_json)


def _show_experts(target: Target, request: api.ListExpertsRequest, as_json: bool) -> None:
    found = _ask(target, lambda node: node.ListExperts(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(found)
        return
    print_experts(found.experts)
    print_unanswered(found.unanswered)


def _show_spares(target: Target, request: api.ListSparesRequest, as_json: bool) -> None:
    found = _ask(target, lambda node: node.ListSpares(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(found)
        return
    print_spares(found.spares)
    print_unanswered(found.unanswered)


def _ask(target: Target, call: Callable[[SupportRegistryServiceStub], Awaitable[T]]) -> T:
    return answer_of(target, lambda channel: call(SupportRegistryServiceStub(channel)))
