"""What pages show fits where it is: no text of a chart over another one, no column of a table beyond the window."""

import itertools
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

from coordinator.cli.complaints import report_page
from coordinator.cli.complaints.report_charts import Bar, Caption, Line, bars, lines
from coordinator.cli.complaints.report_style import STYLE
from coordinator.cli.network import matrix_page
from coordinator.oversight import figures
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.federation.files import load
from tests.unit.test_complaint_report import MONTHS, report

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CAPTION = Caption("key", "title", "description")
SHIPPED = load(Path(__file__).parents[2] / "deploy" / "federation")
FONT, TABLE_FONT, BOLD = 13, 13.6, 1.12  # pixels, pixels, times as wide
WINDOW, MARGIN, PADDING = 1200, 24, 7  # pixels
# Widths of DejaVu Sans, which is wide, in parts of its height; every other letter of a number is a digit.
WIDTHS = {
    **dict.fromkeys("ijlI", 0.29),
    **dict.fromkeys(" ,.:;\u00a0", 0.33),
    **dict.fromkeys("frt-()", 0.42),
    **dict.fromkeys("acekqsuvxyz", 0.615),
    **dict.fromkeys("bdghnop0123456789", 0.636),
    **dict.fromkeys("w", 0.82),
    **dict.fromkeys("m%W…–", 1.0),
}


def width(text: str, font: float = FONT) -> float:
    return font * sum(WIDTHS.get(each, 1.0 if ord(each) > 0x2E80 else 0.79) for each in text)


def extents(drawing: Element) -> Iterator[tuple[float, float, float, str]]:
    """Of each text its height on the chart, where it begins and ends, and the text."""
    for each in drawing.iter("text"):
        told, at = each.text or "", float(each.attrib["x"])
        before = {"start": 0.0, "middle": 0.5, "end": 1.0}[each.attrib["text-anchor"]] * width(told)
        yield float(each.attrib["y"]), at - before, at - before + width(told), told


def overlapping(drawing: Element) -> list[str]:
    """What is wrong with the texts of a chart."""
    _, _, room, _ = map(float, drawing.attrib["viewBox"].split())
    found = sorted(extents(drawing))
    wrong = [f"{told} is cut off" for _, start, end, told in found if start < 0 or end > room]
    for (height, _, end, told), (other, start, _, following) in itertools.pairwise(found):
        if height == other and start < end:
            wrong.append(f"{told} lies over {following}")
    return wrong


def test_no_text_of_a_chart_lies_over_another_one_or_is_cut_off() -> None:
    names = [each.name for each in SHIPPED.complaint_categories] + [each.name for each in SHIPPED.regions]
    texts = [each.en for each in names] + [each.zh_cn for each in names] + ["WWWW MMMM " * 9]
    groups = [(each, [Bar(value, f"{value:,}")]) for each in texts for value in (7, 1_234_567)]
    wrong = overlapping(bars(CAPTION, groups, 1_234_567))
    for count in range(1, 61):
        months = [f"{2026 + month // 12}-{month % 12 + 1:02}" for month in range(count)]
        for most in (0, 9, 12_345, 98_765_432):
            wrong += overlapping(lines(CAPTION, months, [Line("all", [most] * count)]))
    assert not wrong, "\n".join(wrong)


def foldable(cell: Element) -> bool:
    """Whether the style of the page lets the text of a cell go on in a next line."""
    folded = re.search(r"th\[scope=row\], \.words \{ white-space: normal; \}", STYLE)
    is_head = cell.attrib.get("scope") == "col"  # whose titles always may
    return is_head or (folded is not None and ("scope" in cell.attrib or cell.attrib.get("class") == "words"))


def least_width(table: Element) -> float:
    """How wide a table is at least, in pixels."""
    rows = [list(row) for row in table.iter("tr")]
    columns = zip(*rows, strict=True)
    return sum(2 * PADDING + max(map(_least, cells)) for cells in columns)


def _least(cell: Element) -> float:
    told, times = cell.text or "", BOLD if cell.tag == "th" else 1.0
    words: Sequence[str] = re.split("[ -]", told) if foldable(cell) else [told]
    return times * max(width(each, TABLE_FONT) for each in words)


def tables(page: str) -> Iterator[Element]:
    for each in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        yield fromstring(each)


def test_every_column_of_a_page_is_seen_in_a_window_of_1200_pixels() -> None:
    sites = ["harbin", "changchun", "shenyang", "tianjin", "shijiazhuang", "taiyuan", "xian", "lanzhou", "urumqi"]
    hops = [contract.PathHop(start=one, end=other) for one, other in itertools.pairwise(sites)]
    quality = contract.PathQuality(delay_us=123_456, delay_variation_us=12_345, loss_ppb=12_345_678)
    budget = contract.QualityBudget(kept=True, delay_us=92_797_000, loss_ppb=9_876_543)
    best = contract.NetworkPath(hops=hops, quality=quality, budget=budget)
    shared = ["shijiazhuang-taiyuan-1", "lanzhou-urumqi-1", "changchun-shenyang-1"]
    paths = contract.SitePaths(best=best, alternative=best, shared_links=shared)
    pair = contract.RegionPaths(start="Heilongjiang", end="Inner Mongolia", paths=paths)
    matrix = contract.GetPathMatrixResponse(pairs=[pair])
    pages = [matrix_page.page(matrix, quality_class, NOW, "en") for quality_class in ("", "nr-5qi-1")]
    pages += [report_page.page(report(by), MONTHS, NOW, "en") for by in (figures.CATEGORY, figures.REGION)]
    wide = [least_width(each) for page in pages for each in tables(page)]
    assert len(wide) >= len(pages)
    assert max(wide) <= WINDOW - 2 * MARGIN
