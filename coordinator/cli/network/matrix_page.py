"""The quality of paths between all regions as an HTML file: a heat map, and a table of its values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from coordinator.wording.answers import unanswered_line
from coordinator.wording.paths import Pair, explanations, figures_table, heat_map, most_delay
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Table
from gateway.wording.languages import in_language, translated
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


def page(response: contract.GetPathMatrixResponse, quality_class: str, now: datetime, language: str) -> str:
    """The page of a matrix; `quality_class` is the class of the comparison, or empty."""
    names = {each.region: in_language(each.name) for each in response.regions}
    pairs = [(names.get(each.start, each.start), names.get(each.end, each.end), each) for each in response.pairs]
    now_pairs = [Pair(start, end, each.paths) for start, end, each in pairs]
    after = [Pair(start, end, each.changed) for start, end, each in pairs if each.HasField("changed")]
    most = most_delay([*now_pairs, *after])
    heats = ((translated("Delay in ms"), now_pairs), (translated("Delay in ms, after the change"), after))
    tables = [(translated("Figures"), figures_table(now_pairs, quality_class))]
    if after:
        tables.append((translated("Figures, after the change"), figures_table(after, quality_class)))
    told = _Matrix(
        when=translated("As of {time}.", time=told_time(now)),
        missing=translated("These regions could not be asked: their links count by design, and as up."),
        unanswered=[unanswered_line(each) for each in response.unanswered],
        down=translated("Down: {links}", links=", ".join(response.down)) if response.down else "",
        heat_maps=[heat_map(title, shown, most) for title, shown in heats if shown],
        explanations=explanations(quality_class),
        tables=tables,
    )
    title = translated("Paths between regions")
    return HtmlPages(Path(__file__).parent).written("matrix_page.html.j2", title, language, told)
