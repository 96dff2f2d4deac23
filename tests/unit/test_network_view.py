"""The output of `coordinator network paths` about an alternative: its shared parts, and paths that share less."""

import re
from collections.abc import Sequence

import pytest

from coordinator.cli.network.network_view import print_matrix, print_ways
from coordinator.wording.elements import names_in
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.api.federation.v1.network_pb2 import Link, Network, Site
from gateway.api.types.v1.types_pb2 import LocalizedText

NAMES = names_in(
    Network(sites=[Site(id="m", name=LocalizedText(en="Middle"))], links=[Link(id="neck", site_a="m", site_b="N")])
)


def path(*links: str) -> contract.NetworkPath:
    return contract.NetworkPath(hops=[contract.PathHop(link=each) for each in links])


def told(
    capsys: pytest.CaptureFixture[str],
    *,
    links: Sequence[str] = (),
    sites: Sequence[str] = (),
    apart: Sequence[contract.NetworkPath] = (),
) -> str:
    paths = contract.SitePaths(
        best=path("fast"), alternative=path("slow"), shared_links=links, shared_sites=sites, apart=apart
    )
    print_ways(contract.FindPathsResponse(paths=paths), "", NAMES)
    return capsys.readouterr().out


def test_an_alternative_that_shares_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys)
    assert "shares no link and no site with the best path" in shown
    assert "without the best one" not in shown


def test_an_alternative_names_the_links_that_it_shares_or_else_the_sites(capsys: pytest.CaptureFixture[str]) -> None:
    assert "shares links with the best path: Middle - N (neck)" in told(capsys, links=["neck"], sites=["m"])
    assert "shares no link with the best path, but sites: Middle (m)" in told(capsys, sites=["m"])


def test_each_link_and_site_of_a_path_stands_with_its_name_and_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    hops = [contract.PathHop(link="neck", start="m", end="new")]
    found = contract.SitePaths(
        best=contract.NetworkPath(hops=hops), alternative=path("planned"), shared_links=["neck", "planned"]
    )
    print_ways(contract.FindPathsResponse(paths=found, down=["neck"]), "", NAMES)
    shown = capsys.readouterr().out
    assert "Down: Middle - N (neck)" in shown
    assert re.search(r"^Middle - N \(neck\) +Middle \(m\) +new ", shown, re.MULTILINE)
    assert "shares links with the best path: Middle - N (neck), planned" in shown


def test_two_paths_that_share_less_without_the_best_one_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys, links=["neck"], apart=[path("left"), path("right")])
    assert "without the best one" in shown
    assert shown.index("slow") < shown.index("left") < shown.index("right")


def test_a_matrix_names_the_pairs_that_two_other_paths_serve_better(capsys: pytest.CaptureFixture[str]) -> None:
    plain = contract.SitePaths(best=path("fast"), alternative=path("slow"))
    better = contract.SitePaths(best=path("fast"), alternative=path("slow"), apart=[path("left"), path("right")])
    pairs = [
        contract.RegionPaths(start="a", end="b", paths=plain),
        contract.RegionPaths(start="a", end="c", paths=better),
    ]
    print_matrix(contract.GetPathMatrixResponse(pairs=pairs), "", NAMES)
    assert "without the best one: a c;" in capsys.readouterr().out
    pairs[0].paths.shared_links.append("neck")
    print_matrix(contract.GetPathMatrixResponse(pairs=pairs[:1]), "", NAMES)
    shown = capsys.readouterr().out
    assert ("without the best one" in shown, "Middle - N (neck)" in shown) == (False, True)
