"""The quality of paths between all regions as an HTML file: a heat map, and a table of its values."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from coordinator.cli.network.network_view import told_delay, told_left, told_loss, told_verdict
from coordinator.wording.answers import unanswered_line
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Cell, Table
from gateway.wording.languages import in_language, translated
from gateway.wording.times import told_time

_STEPS = 8  # of colour, from the least delay to the most

_Pairs = Sequence[tuple[str, str, contract.SitePaths]]
"""The names of two regions, and the ways between them."""


@dataclass(frozen=True)
class _Matrix:
    """The texts and figures of `matrix_page.html.j2`, in its order."""

    shares: Sequence[int]
    """How much of the colour each step has, in percent."""
    when: str
    missing: str
    unanswered: Sequence[str]
    down: str
    heat_maps: Sequence[Table]
    explanations: Sequence[str]
    tables: Sequence[tuple[str, Table]]
    """With their headings."""


def page(response: contract.GetPathMatrixResponse, quality_class: str, now: datetime, language: str) -> str:
    """The page of a matrix; `quality_class` is the class of the comparison, or empty."""
    names = {each.region: in_language(each.name) for each in response.regions}
    pairs = [(names.get(each.start, each.start), names.get(each.end, each.end), each) for each in response.pairs]
    now_pairs: _Pairs = [(start, end, each.paths) for start, end, each in pairs]
    after: _Pairs = [(start, end, each.changed) for start, end, each in pairs if each.HasField("changed")]
    most = max((each.best.quality.delay_us for _, _, each in [*now_pairs, *after]), default=0)
    heats = ((translated("Delay in ms"), now_pairs), (translated("Delay in ms, after the change"), after))
    tables = [(translated("Figures"), _table(now_pairs, quality_class))]
    if after:
        tables.append((translated("Figures, after the change"), _table(after, quality_class)))
    told = _Matrix(
        shares=[8 + step * 10 for step in range(_STEPS)],
        when=translated("As of {time}.", time=told_time(now)),
        missing=translated("These regions could not be asked: their links count by design, and as up."),
        unanswered=[unanswered_line(each) for each in response.unanswered],
        down=translated("Down: {links}", links=", ".join(response.down)) if response.down else "",
        heat_maps=[_heat_map(title, shown, most) for title, shown in heats if shown],
        explanations=_explanations(quality_class),
        tables=tables,
    )
    title = translated("Paths between regions")
    return HtmlPages(Path(__file__).parent).written("matrix_page.html.j2", title, language, told)


def _explanations(quality_class: str) -> list[str]:
    text = translated(
        "The best path has the least sum of delays. Variations are added; of losses the product of the delivery ratios"
        " is taken."
    )
    if not quality_class:
        return [text]
    return [text, translated("Pairs with a frame do not keep {quality_class}.", quality_class=quality_class)]


def _heat_map(title: str, pairs: _Pairs, most: int) -> Table:
    regions = list(dict.fromkeys(region for start, end, _ in pairs for region in (start, end)))
    found = {frozenset((start, end)): paths for start, end, paths in pairs}
    return Table(
        label=title,
        style="heat",
        head=[Cell(""), *(Cell(region, "col") for region in regions)],
        rows=[
            [
                Cell(region, "row"),
                *(_heat(region, other, found.get(frozenset((region, other))), most) for other in regions),
            ]
            for region in regions
        ],
    )


def _heat(region: str, other: str, paths: contract.SitePaths | None, most: int) -> Cell:
    if paths is None or region == other:
        return Cell("")
    if not paths.HasField("best"):
        return Cell("×", style="none", hint=f"{region} – {other}: {translated('no way')}")
    best = paths.best
    step = min(_STEPS - 1, best.quality.delay_us * _STEPS // most) if most else 0
    is_over = best.HasField("budget") and not best.budget.kept
    said = f"{region} – {other}: {told_delay(best.quality.delay_us)} {told_verdict(best)}"
    style = f"heat-{step}" + (" over" if is_over else "")
    return Cell(f"{best.quality.delay_us / 1000:.0f}", style=style, hint=said.strip())


def _table(pairs: _Pairs, quality_class: str) -> Table:
    words = (2, 7, 9) if quality_class else (2, 7)  # the columns that may be folded, or the last ones would be cut off
    titles = [
        translated("starts at"),
        translated("ends at"),
        translated("path"),
        translated("delay"),
        translated("variation"),
        translated("loss"),
        *([quality_class, translated("left")] if quality_class else []),
        translated("alternative"),
        translated("shared links"),
    ]
    return Table(
        label=translated("Figures"),
        head=[
            Cell(title, "col", "name" if number < 2 or number in words else "") for number, title in enumerate(titles)
        ],
        rows=[
            [
                Cell(start, "row"),
                Cell(end, "row"),
                *(
                    Cell(cell, style="words" if number in words else "")
                    for number, cell in enumerate(_cells(paths, quality_class), 2)
                ),
            ]
            for start, end, paths in pairs
        ],
    )


def _cells(paths: contract.SitePaths, quality_class: str) -> list[str]:
    """The cells behind the names of the regions."""
    if not paths.HasField("best"):
        return [translated("no way"), *[""] * (7 if quality_class else 5)]
    best, quality = paths.best, paths.best.quality
    figures = [told_delay(quality.delay_us), told_delay(quality.delay_variation_us), told_loss(quality.loss_ppb)]
    # A figure stays with its unit where the line is folded.
    left = told_left(best.budget).replace(" ms", "\u00a0ms").replace(" %", "\u00a0%")
    verdict = [told_verdict(best), left] if quality_class else []
    other = told_delay(paths.alternative.quality.delay_us) if paths.HasField("alternative") else "–"
    return [_sites(best), *figures, *verdict, other, " ".join(paths.shared_links)]


def _sites(path: contract.NetworkPath) -> str:
    names = [hop.start for hop in path.hops] + [path.hops[-1].end]
    return " – ".join(name for name, _ in itertools.groupby(names))
