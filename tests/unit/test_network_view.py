"""The output of `coordinator network paths` about an alternative: its shared parts, and paths that share less."""

from collections.abc import Sequence

import pytest

from coordinator.cli.network.network_view import print_matrix, print_ways
from gateway.api.coordinator.v1 import path_service_pb2 as contract


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
    print_ways(contract.FindPathsResponse(paths=paths), "")
    return capsys.readouterr().out


def test_an_alternative_that_shares_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys)
    assert "shares no link and no site with the best path" in shown
    assert "without the best one" not in shown


def test_an_alternative_names_the_links_that_it_shares_or_else_the_sites(capsys: pytest.CaptureFixture[str]) -> None:
    assert "shares links with the best path: neck" in told(capsys, links=["neck"], sites=["m"])
    assert "shares no link with the best path, but sites: m" in told(capsys, sites=["m"])


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
    print_matrix(contract.GetPathMatrixResponse(pairs=pairs), "")
    assert "without the best one: a c;" in capsys.readouterr().out
    print_matrix(contract.GetPathMatrixResponse(pairs=pairs[:1]), "")
    assert "without the best one" not in capsys.readouterr().out
