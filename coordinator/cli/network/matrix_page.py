"""The quality of paths between all regions as one HTML file: a heat map, and a table with what it shows."""

import itertools
from collections.abc import Sequence
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement

from coordinator.cli.network.network_view import told_delay, told_left, told_loss, told_verdict
from coordinator.cli.output import unanswered_line
from coordinator.cli.page_frame import add, frame, written
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.languages import in_language, translated
from gateway.times import told_time

_STEPS = 8  # of colour, from the least delay to the most
_HEAT = """
.heat { font-size: .72rem; width: auto; } .heat th, .heat td { padding: 3px 5px; text-align: center; }
.heat thead th { writing-mode: vertical-rl; white-space: nowrap; }
.heat thead th:lang(en) { transform: rotate(180deg); vertical-align: top; }
.heat th { white-space: nowrap; } th[scope=row] { word-break: keep-all; }
.heat td { min-width: 2.4em; border: 1px solid var(--back); } .heat td.over { outline: 2px solid var(--c5);
  outline-offset: -2px; font-weight: 700; } .heat td.none { color: var(--c5); font-weight: 700; }
"""
_STYLE = _HEAT + "\n".join(
    f".heat-{step} {{ background: color-mix(in srgb, var(--c1) {8 + step * 10}%, var(--back)); }}"
    for step in range(_STEPS)
)

_Pairs = Sequence[tuple[str, str, contract.SitePaths]]
"""The names of two regions, and the ways between them."""


def page(response: contract.GetPathMatrixResponse, quality_class: str, now: datetime, language: str) -> str:
    """The page of a matrix; `quality_class` is the class that it was asked to be held against, or empty."""
    html, body = frame(translated("Paths between regions"), language, _STYLE)
    add(body, "p", translated("As of {time}.", time=told_time(now)), {"class": "soft"})
    if response.unanswered:
        box = SubElement(body, "section", {"class": "missing", "role": "note"})
        add(box, "p", translated("These regions could not be asked: their links count by design, and as up."))
        told = SubElement(box, "ul")
        for each in response.unanswered:
            add(told, "li", unanswered_line(each))
    if response.down:
        add(body, "p", translated("Down: {links}", links=", ".join(response.down)))
    names = {each.region: in_language(each.name) for each in response.regions}
    pairs = [(names.get(each.start, each.start), names.get(each.end, each.end), each) for each in response.pairs]
    now_pairs: _Pairs = [(start, end, each.paths) for start, end, each in pairs]
    after: _Pairs = [(start, end, each.changed) for start, end, each in pairs if each.HasField("changed")]
    most = max((each.best.quality.delay_us for _, _, each in [*now_pairs, *after]), default=0)
    for title, shown in ((translated("Delay in ms"), now_pairs), (translated("Delay in ms, after the change"), after)):
        if shown:
            add(body, "h2", title)
            _heat_map(body, title, shown, most)
    _explain(body, quality_class)
    add(body, "h2", translated("Figures"))
    _table(body, now_pairs, quality_class)
    if after:
        add(body, "h2", translated("Figures, after the change"))
        _table(body, after, quality_class)
    return written(html)


def _explain(body: Element, quality_class: str) -> None:
    text = translated(
        "The best path has the least sum of delays. Variations are added; of losses the product of the delivery ratios"
        " is taken."
    )
    add(body, "p", text, {"class": "soft"})
    if quality_class:
        framed = translated("Pairs with a frame do not keep {quality_class}.", quality_class=quality_class)
        add(body, "p", framed, {"class": "soft"})


def _heat_map(body: Element, title: str, pairs: _Pairs, most: int) -> None:
    regions = list(dict.fromkeys(region for start, end, _ in pairs for region in (start, end)))
    found = {frozenset((start, end)): paths for start, end, paths in pairs}
    holder = SubElement(body, "div", {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": title})
    table = SubElement(holder, "table", {"class": "heat"})
    head = SubElement(SubElement(table, "thead"), "tr")
    add(head, "td", "")
    for region in regions:
        add(head, "th", region, {"scope": "col"})
    rest = SubElement(table, "tbody")
    for row, region in enumerate(regions):
        line = SubElement(rest, "tr")
        add(line, "th", region, {"scope": "row"})
        for column, other in enumerate(regions):
            paths = found.get(frozenset((region, other))) if row != column else None
            _cell(line, region, other, paths, most)


def _cell(line: Element, region: str, other: str, paths: contract.SitePaths | None, most: int) -> None:
    if paths is None:
        add(line, "td", "")
        return
    if not paths.HasField("best"):
        add(line, "td", "×", {"class": "none", "title": f"{region} – {other}: {translated('no way')}"})
        return
    best = paths.best
    step = min(_STEPS - 1, best.quality.delay_us * _STEPS // most) if most else 0
    is_over = best.HasField("budget") and not best.budget.kept
    said = f"{region} – {other}: {told_delay(best.quality.delay_us)}"
    verdict = told_verdict(best)
    add(
        line,
        "td",
        f"{best.quality.delay_us / 1000:.0f}",
        {"class": f"heat-{step}" + (" over" if is_over else ""), "title": f"{said} {verdict}".strip()},
    )


def _table(body: Element, pairs: _Pairs, quality_class: str) -> None:
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
    attributes = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": translated("Figures")}
    table = SubElement(SubElement(body, "div", attributes), "table")
    head = SubElement(SubElement(table, "thead"), "tr")
    for number, title in enumerate(titles):
        add(head, "th", title, {"scope": "col", **({"class": "name"} if number < 2 or number in words else {})})
    rest = SubElement(table, "tbody")
    for start, end, paths in pairs:
        line = SubElement(rest, "tr")
        for number, cell in enumerate([start, end, *_cells(paths, quality_class)]):
            told = {"scope": "row"} if number < 2 else {"class": "words"} if number in words else {}
            add(line, "th" if number < 2 else "td", cell, told)


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
