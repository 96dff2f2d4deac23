"""`coordinator network`: the quality of paths between regions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.completing import complete_regions
from coordinator.cli.connection import Connection
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.in_force import in_force, network_in_force
from coordinator.cli.network.matrix_page import page
from coordinator.cli.network.network_view import print_matrix, print_ways
from coordinator.cli.output import tell_unanswered
from coordinator.network.rules import FIGURES, Change, changed_links, parsed_change
from coordinator.wording.elements import names_in
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.api.coordinator.v1.path_service_pb2_grpc import PathServiceStub
from gateway.api.federation.v1.network_pb2 import Link
from gateway.cli.exits import NotDone
from gateway.cli.written_files import write_out
from gateway.errors import Refused
from gateway.federation.files import ConfigurationError, load_file
from gateway.wording.languages import current_language, enumerated, offering, refusal, translated
from gateway.wording.times import show_times_of

_SECONDS = 20.0  # of which regions have five to report their measurements


class _Changed(click.ParamType[Change]):
    """`LINK:FIGURE=VALUE[,...]`."""

    name = "change"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Change:
        """See click."""
        if isinstance(value, tuple):
            return value
        found = parsed_change(str(value))
        if found is None:
            known = enumerated(FIGURES)
            self.fail(translated("write it as LINK:FIGURE=NUMBER, of these figures: {known}", known=known), param, ctx)
        return found


_class_option = click.option(
    "--class", "quality_class", default="", help="Hold it against this class, for example y1541-0."
)
_design_option = click.option("--by-design", is_flag=True, help="Ask no region what it measures, or what is down.")
_down_option = click.option("--down", metavar="LINK", multiple=True, help="As if this link was down; may stand often.")
_change_option = click.option(
    "--change",
    "changes",
    metavar="LINK:FIGURE=NUMBER[,...]",
    type=_Changed(),
    multiple=True,
    help="Also as it would be with another delay_us, delay_variation_us, loss_ppb or capacity_mbps; may stand often.",
)
_links_option = click.option(
    "--links",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Also as it would be with the links of FILE, written as those of the configuration.",
)


@click.group()
def network() -> None:
    """See what paths between regions add up to, and what a class of quality leaves of it.

    A path has the sum of the delays of its links, the sum of their variations, and the loss that the product of their
    delivery ratios leaves. What regions have measured in this hour and the one before it counts, else the design.
    """


@network.command(epilog=EPILOG)
@asks()
@click.argument("start", metavar="FROM")
@click.argument("end", metavar="TO")
@_class_option
@_design_option
@_down_option
@_change_option
@_links_option
def paths(
    asking: Asking,
    start: str,
    end: str,
    quality_class: str,
    by_design: bool,
    down: Sequence[str],
    changes: Sequence[Change],
    links: Path | None,
) -> None:
    """Show the best path and an alternative between FROM and TO: sites, or regions by their first site.

    \b
    Examples:
      coordinator network paths sichuan guangdong --class y1541-0
      coordinator network paths chengdu beijing --down chengdu-xian-1 --change xian-beijing-1:delay_us=9000
    """
    basis = _basis(asking.link, quality_class, down, changes, links)
    basis.by_design = by_design
    request = contract.FindPathsRequest(start=start, end=end, basis=basis)
    response = asking.ask(lambda channel: PathServiceStub(channel).FindPaths, request, _SECONDS)
    tell_unanswered(response.unanswered)
    asking.tell(response, lambda found: print_ways(found, quality_class, names_in(network_in_force(asking.link))))
    _require_way(response.paths)


@network.command(epilog=EPILOG)
@asks()
@_class_option
@_design_option
@_down_option
@_change_option
@_links_option
@click.option("--region", default="", shell_complete=complete_regions, help="Only pairs with this region.")
@click.option(
    "--html", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write it to FILE, with a heat map."
)
def matrix(
    asking: Asking,
    quality_class: str,
    by_design: bool,
    down: Sequence[str],
    changes: Sequence[Change],
    links: Path | None,
    region: str,
    html: Path | None,
) -> None:
    """Show the best path of each pair of regions, between the first sites of both. The page needs no network.

    \b
    Examples:
      coordinator network matrix --class y1541-0 --region sichuan
      coordinator network matrix --class y1541-0 --html paths.html --lang zh
    """
    basis = _basis(asking.link, quality_class, down, changes, links)
    basis.by_design = by_design
    show_times_of(region)
    request = contract.GetPathMatrixRequest(basis=basis)
    response = asking.ask(lambda channel: PathServiceStub(channel).GetPathMatrix, request, _SECONDS)
    if region:
        _keep_only(response, region)
    tell_unanswered(response.unanswered)
    if html is not None:
        text = page(response, network_in_force(asking.link), quality_class, datetime.now(UTC), current_language())
        write_out(html, text)
        click.echo(translated("{path} was written", path=html), err=True)
    else:
        asking.tell(response, lambda found: print_matrix(found, quality_class, names_in(network_in_force(asking.link))))


def _basis(
    connection: Connection, quality_class: str, down: Sequence[str], changes: Sequence[Change], links: Path | None
) -> contract.PathBasis:
    planned = {each.id: each for each in _links_of(links)} if links is not None else {}
    if changes:
        present = {each.id: each for each in in_force(connection).configuration.network.links}
        try:
            planned |= {each.id: each for each in changed_links((present | planned).values(), changes)}
        except Refused as refused:
            raise NotDone([refusal(refused)]) from None
    return contract.PathBasis(quality_class=quality_class, down=down, changed_links=planned.values())


def _links_of(file: Path) -> Sequence[Link]:
    try:
        return load_file(file).network.links
    except ConfigurationError as error:
        raise NotDone(error.problems) from error


def _keep_only(response: contract.GetPathMatrixResponse, region: str) -> None:
    kept = [each for each in response.pairs if region in (each.start, each.end)]
    if not kept:
        known = {each for pair in response.pairs for each in (pair.start, pair.end)}
        raise NotDone([offering(translated("no pair with the region {region}", region=region), region, known)])
    del response.pairs[:]
    response.pairs.extend(kept)


def _require_way(found: contract.SitePaths) -> None:
    if not found.HasField("best"):
        raise NotDone([translated("there is no way from {start} to {end}", start=found.start, end=found.end)])
