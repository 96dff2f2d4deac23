"""The quality of paths between all regions as an HTML file: a heat map, and a table of its values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from coordinator.wording.answers import unanswered_line
from coordinator.wording.elements import LINK, names_in, site_names, told_elements
from coordinator.wording.paths import (
    Pair,
    explanations,
    heat_maps,
    pairs_of,
    told_delay,
    told_down,
    told_left,
    told_loss,
    told_missing,
    told_sites,
    told_verdict,
)
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.api.federation.v1.network_pb2 import Network
from gateway.cli.problems import Names
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.times import told_time


@dataclass(frozen=True)
class _Matrix:
    """The texts and figures of `matrix_page.html.j2`, in its order."""

    when: str
    missing: str
    unanswered: Sequence[str]
    down: str
    heat_maps: Sequence[Table]
    explanations: Sequence[str]
    tables: Sequence[tuple[str, Table]]
    """With their headings."""


def page(
    response: contract.GetPathMatrixResponse, network: Network, quality_class: str, now: datetime, language: str
) -> str:
    """The page of a matrix in a network, with `quality_class` as the class of the comparison, or empty."""
    now_pairs, after = pairs_of(response)
    tables = [(translated("Figures"), _figures_table(now_pairs, network, quality_class))]
    if after:
        tables.append((translated("Figures, after the change"), _figures_table(after, network, quality_class)))
    told = _Matrix(
        when=translated("As of {time}.", time=told_time(now)),
        missing=told_missing(),
        unanswered=[unanswered_line(each) for each in response.unanswered],
        down=told_down(response.down, names_in(network)),
        heat_maps=heat_maps(now_pairs, after),
        explanations=explanations(quality_class),
        tables=tables,
    )
    title = translated("Paths between regions")
    return HtmlPages(Path(__file__).parent).written("matrix_page.html.j2", title, language, told)


def _figures_table(pairs: Sequence[Pair], network: Network, quality_class: str) -> Table:
    """A row for each pair: its best path with the figures, and its alternative."""
    sites, elements = site_names(network), names_in(network)
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
                Cell(each.start, "row"),
                Cell(each.end, "row"),
                *(
                    Cell(cell, style="words" if number in words else "")
                    for number, cell in enumerate(_cells(each.paths, quality_class, sites, elements), 2)
                ),
            ]
            for each in pairs
        ],
    )


def _cells(paths: contract.SitePaths, quality_class: str, sites: Mapping[str, str], elements: Names) -> Sequence[str]:
    """The cells behind the names of the regions."""
    if not paths.HasField("best"):
        return [translated("no way"), *[""] * (7 if quality_class else 5)]
    best, quality = paths.best, paths.best.quality
    figures = [told_delay(quality.delay_us), told_delay(quality.delay_variation_us), told_loss(quality.loss_ppb)]
    # A figure stays with its unit where the line is folded.
    left = told_left(best.budget).replace(" ms", "\u00a0ms").replace(" %", "\u00a0%")
    verdict = [told_verdict(best), left] if quality_class else []
    other = told_delay(paths.alternative.quality.delay_us) if paths.HasField("alternative") else "–"
    return [told_sites(best, sites), *figures, *verdict, other, told_elements(LINK, paths.shared_links, elements)]
