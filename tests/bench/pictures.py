"""Charts as files: SVG that stands alone, drawn by the templates of the pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.web.charts import Caption, Chart, Line, lines
from gateway.web.html_pages import HtmlPages

_APART = 28  # above a chart, for its title; and for each line of its key


@dataclass(frozen=True)
class Curve:
    """A line over all places of the axis."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Placed:
    """A chart on a picture, with the names of its curves."""

    chart: Chart
    top: float
    series: Sequence[str]


@dataclass(frozen=True)
class Picture:
    """Charts below each other."""

    width: int
    height: float
    charts: Sequence[Placed]
    apart: int = _APART


def curves(places: Sequence[str], charts: Mapping[str, Sequence[Curve]]) -> bytes:
    """A picture of charts by their titles, over the same places."""
    placed: list[Placed] = []
    top = float(_APART)
    for number, (title, drawn) in enumerate(charts.items()):
        told = "; ".join(f"{each.name}: {', '.join(f'{value:.0f}' for value in each.values)}" for each in drawn)
        chart = lines(
            Caption(f"chart-{number}", title, told),
            places,
            [Line(each.name, [round(value) for value in each.values]) for each in drawn],
        )
        placed.append(Placed(chart, top, [each.name for each in drawn]))
        top += chart.height + _APART * (len(drawn) + 1)
    pages = HtmlPages(Path(__file__).parent)
    width = placed[0].chart.width
    return pages.written("picture.svg.j2", "", "en", Picture(width, top, placed), pages.style()).encode()
