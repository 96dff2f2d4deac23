"""Paths between regions in words: their figures, and what they leave of a class of quality; a heat map and a table."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coordinator.wording.elements import LINK, SITE, told_elements
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.cli.problems import Names
from gateway.web.tables import Cell, Table
from gateway.wording.languages import enumerated, in_language, translated

STEPS = 8
"""Steps of colour of a heat map, from the least delay to the most."""


@dataclass(frozen=True)
class Pair:
    """The names of two regions, the paths between them, and the address of the page of these, or nothing."""

    start: str
    end: str
    paths: contract.SitePaths
    href: str = ""


def told_delay(microseconds: int) -> str:
    """A delay, for example `40.125 ms`."""
    return f"{microseconds / 1000:.3f} ms"


def told_loss(parts: int) -> str:
    """Lost packets of 1,000,000,000, for example `0.0012 %`."""
    return f"{parts / 10_000_000:.6f}".rstrip("0").rstrip(".") + " %"


def told_left(budget: contract.QualityBudget) -> str:
    """The remaining budget of a class at each of its bounds, as text."""
    left = []
    if budget.HasField("delay_us"):
        left.append(translated("delay {left}", left=told_delay(budget.delay_us)))
    if budget.HasField("delay_variation_us"):
        left.append(translated("variation {left}", left=told_delay(budget.delay_variation_us)))
    if budget.HasField("loss_ppb"):
        left.append(translated("loss {left}", left=told_loss(budget.loss_ppb)))
    return enumerated(left) or translated("no bound")


def told_verdict(path: contract.NetworkPath) -> str:
    """Whether a class is kept; empty where none was named."""
    if not path.HasField("budget"):
        return ""
    return translated("kept") if path.budget.kept else translated("not kept")


def told_sites(path: contract.NetworkPath, names: Mapping[str, str]) -> str:
    """The sites of a path, for example `Chengdu – Xi'an – Beijing`, by their `names`, else by id."""
    sites = [hop.start for hop in path.hops] + [path.hops[-1].end]
    return " – ".join(names.get(site, site) for site, _ in itertools.groupby(sites))


def explanations(quality_class: str) -> Sequence[str]:
    """The meaning of the figures of paths, and of the frames in a heat map."""
    text = translated(
        "The best path has the least sum of delays. Variations are added; of losses the product of the delivery ratios"
        " is taken."
    )
    if not quality_class:
        return [text]
    return [text, translated("Pairs with a frame do not keep {quality_class}.", quality_class=quality_class)]


def names_of(answer: contract.GetPathMatrixResponse) -> Mapping[str, str]:
    """The names of the regions of a matrix, by id."""
    return {each.region: in_language(each.name) for each in answer.regions}


def pairs_of(
    answer: contract.GetPathMatrixResponse, page_of: Callable[[contract.RegionPaths], str] = lambda _: ""
) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """The pairs now, and after a change; the latter are empty without one. `page_of` has the address of a pair."""
    names = names_of(answer)

    def pair(each: contract.RegionPaths, paths: contract.SitePaths) -> Pair:
        return Pair(names.get(each.start, each.start), names.get(each.end, each.end), paths, page_of(each))

    present = [pair(each, each.paths) for each in answer.pairs]
    return present, [pair(each, each.changed) for each in answer.pairs if each.HasField("changed")]


def heat_maps(present: Sequence[Pair], after: Sequence[Pair]) -> Sequence[Table]:
    """The delays of the best paths, a row and a column for each region, now and after a change; alike in colour."""
    most = max((each.paths.best.quality.delay_us for each in (*present, *after)), default=0)
    titled = ((translated("Delay in ms"), present), (translated("Delay in ms, after the change"), after))
    return [_heat_map(title, pairs, most) for title, pairs in titled if pairs]


def told_down(down: Sequence[str], elements: Names) -> str:
    """The links that are down, as a sentence; empty without one."""
    return translated("Down: {links}", links=told_elements(LINK, down, elements)) if down else ""


def told_missing() -> str:
    """The consequence of regions without an answer, as a sentence."""
    return translated("These regions could not be asked: their links count by design, and as up.")


def _heat_map(title: str, pairs: Sequence[Pair], most: int) -> Table:
    """`most` has the full colour."""
    regions = list(dict.fromkeys(region for each in pairs for region in (each.start, each.end)))
    found = {frozenset((each.start, each.end)): each for each in pairs}
    return Table(
        label=title,
        style="heat",
        is_compared=True,
        head=[Cell(""), *(Cell(region, "col") for region in regions)],
        rows=[
            [
                Cell(region, "row"),
                *(_heat(f"{region} – {other}", found.get(frozenset((region, other))), most) for other in regions),
            ]
            for region in regions
        ],
    )


def _heat(names: str, pair: Pair | None, most: int) -> Cell:
    if pair is None or pair.start == pair.end:
        return Cell("")
    if not pair.paths.HasField("best"):
        return Cell("×", style="none", hint=f"{names}: {translated('no way')}", href=pair.href)
    best = pair.paths.best
    step = min(STEPS - 1, best.quality.delay_us * STEPS // most) if most else 0
    is_over = best.HasField("budget") and not best.budget.kept
    said = f"{names}: {told_delay(best.quality.delay_us)} {told_verdict(best)}"
    style = f"heat-{step}" + (" over" if is_over else "")
    return Cell(f"{best.quality.delay_us / 1000:.0f}", style=style, hint=said.strip(), href=pair.href)


def told_shared(paths: contract.SitePaths, elements: Names) -> str:
    """The links or sites that an alternative shares with the best path, as a sentence; empty without an alternative.

    `elements` has their names; an element without one has its id.
    """
    links = told_elements(LINK, paths.shared_links, elements)
    sites = told_elements(SITE, paths.shared_sites, elements)
    if not paths.HasField("alternative"):
        return translated("There is no alternative.") if paths.HasField("best") else ""
    if links:
        return translated("The alternative shares links with the best path: {links}", links=links)
    if sites:
        return translated("The alternative shares no link with the best path, but sites: {sites}", sites=sites)
    return translated("The alternative shares no link and no site with the best path.")


def told_gain(before: contract.SitePaths, after: contract.SitePaths) -> str:
    """How a change alters the delay of the best path, as a sentence; empty without a way before or after it."""
    if not (before.HasField("best") and after.HasField("best")):
        return ""
    gain = after.best.quality.delay_us - before.best.quality.delay_us
    return translated("The delay changes by {delay}.", delay=f"{gain / 1000:+.3f} ms")


def told_basis(hop: contract.PathHop) -> str:
    """Whether the figures of a hop are measured."""
    return translated("measured") if hop.measured else translated("by design")
