"""Charts of a report as inline SVG: drawn with nothing but rectangles, lines and text, readable by screen readers.

Colours are classes of the page, so that they follow its light and dark scheme. What a chart shows stands in the table
beside it, too: its description says so in words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from xml.etree.ElementTree import Element, SubElement

_WIDTH = 720
_LABEL = 250  # pixels left of bars for their names
_VALUE = 80  # and right of them for their figures
_BAR, _GAP = 16, 10
_LINES_HEIGHT, _TOP, _BOTTOM, _RIGHT = 260, 16, 34, 40
_TICKS = 4
_APART = 8  # pixels between two texts
_FONT = 13  # pixels, as the style of the page says
_CHINESE = 0x2E80  # from here on a letter is as wide as it is high
# How wide other letters are in the widest font that a browser is likely to take, in parts of the height.
_THIN, _NARROW, _MIDDLE, _CAPITAL, _BROAD = 0.34, 0.45, 0.65, 0.8, 1.0


@dataclass(frozen=True)
class Caption:
    """What a chart says of itself."""

    key: str
    """Its name within the page."""
    title: str
    description: str
    """What it shows, in words."""


@dataclass(frozen=True)
class Bar:
    """One bar of a group; None where there is nothing to show."""

    value: float | None
    told: str
    series: int = 0
    """Which colour."""


@dataclass(frozen=True)
class Line:
    """A line over all places of the axis."""

    name: str
    values: Sequence[int]


def bars(caption: Caption, groups: Sequence[tuple[str, Sequence[Bar]]], most: float) -> Element:
    """Horizontal bars, in groups with a name; `most` is the value of a full width."""
    height = sum(len(group) * _BAR + _GAP for _, group in groups) + _GAP
    drawing = _drawing(caption, height)
    room, top = _WIDTH - _LABEL - _VALUE, _GAP
    for name, group in groups:
        middle = top + len(group) * _BAR / 2
        label = _text(drawing, _LABEL - _APART, middle, _shortened(name, _LABEL - _APART), anchor="end")
        SubElement(label, "title").text = name
        for bar in group:
            width = room * min(bar.value / most, 1.0) if bar.value is not None and most else 0.0
            back = {"x": _n(_LABEL), "y": _n(top + 1), "width": _n(room), "height": _n(_BAR - 2), "class": "track"}
            SubElement(drawing, "rect", back)
            place = {"x": _n(_LABEL), "y": _n(top + 1), "width": _n(width), "height": _n(_BAR - 2), "rx": "2"}
            drawn = SubElement(drawing, "rect", {**place, "class": f"series-{bar.series}"})
            SubElement(drawn, "title").text = f"{name}: {bar.told}"
            _text(drawing, _LABEL + room + 8, top + _BAR / 2, bar.told)
            top += _BAR
        top += _GAP
    return drawing


def lines(caption: Caption, places: Sequence[str], drawn: Sequence[Line]) -> Element:
    """Lines over places from left to right, for example months; counts from zero."""
    drawing = _drawing(caption, _LINES_HEIGHT)
    most = max((value for line in drawn for value in line.values), default=0)
    top_value = _round_up(most)
    widest = max(map(width_of, places), default=0.0)
    left = max(2 * _APART + width_of(f"{top_value:,.0f}"), widest / 2)
    room = _WIDTH - left - max(_RIGHT, widest / 2)

    def x(place: int) -> float:
        return left + room / 2 if len(places) < 2 else left + room * place / (len(places) - 1)

    def y(value: float) -> float:
        return _LINES_HEIGHT - _BOTTOM - (_LINES_HEIGHT - _TOP - _BOTTOM) * value / top_value

    for tick in range(_TICKS + 1):
        value = top_value * tick / _TICKS
        ends = {"x1": _n(left), "x2": _n(left + room), "y1": _n(y(value)), "y2": _n(y(value)), "class": "grid"}
        SubElement(drawing, "line", ends)
        _text(drawing, left - _APART, y(value), f"{value:,.0f}", anchor="end")
    # So many names that none lies over the next.
    every = max(1, ceil((widest + _APART) * (len(places) - 1) / room))
    for number, name in enumerate(places):
        if number % every == 0:
            _text(drawing, x(number), _LINES_HEIGHT - _BOTTOM + 18, name, anchor="middle")
    for series, line in enumerate(drawn):
        _draw(drawing, series, line, places, (x, y))
    return drawing


def _draw(
    drawing: Element,
    series: int,
    line: Line,
    places: Sequence[str],
    scale: tuple[Callable[[int], float], Callable[[float], float]],
) -> None:
    """One line, with a point for each value that tells it."""
    x, y = scale
    points = " ".join(f"{_n(x(number))},{_n(y(value))}" for number, value in enumerate(line.values))
    SubElement(drawing, "polyline", {"points": points, "class": f"line line-{series}"})
    for number, value in enumerate(line.values):
        place = {"cx": _n(x(number)), "cy": _n(y(value)), "r": "3.5", "class": f"series-{series}"}
        point = SubElement(drawing, "circle", place)
        SubElement(point, "title").text = f"{line.name}, {places[number]}: {value:,}"


def _drawing(caption: Caption, height: float) -> Element:
    """An empty one, with what a screen reader says."""
    title, description = f"{caption.key}-title", f"{caption.key}-description"
    drawing = Element(
        "svg",
        {
            "viewBox": f"0 0 {_WIDTH} {_n(height)}",
            "role": "img",
            "aria-labelledby": f"{title} {description}",
        },
    )
    SubElement(drawing, "title", {"id": title}).text = caption.title
    SubElement(drawing, "desc", {"id": description}).text = caption.description
    return drawing


def _text(drawing: Element, x: float, y: float, text: str, anchor: str = "start") -> Element:
    told = SubElement(drawing, "text", {"x": _n(x), "y": _n(y), "text-anchor": anchor, "dominant-baseline": "central"})
    told.text = text
    return told


def width_of(text: str) -> float:
    """How wide a text of a chart is at most, in pixels: no font is known here."""
    return _FONT * sum(map(_share, text))


def _share(letter: str) -> float:
    if ord(letter) >= _CHINESE or letter in "mwMW%@—…":
        return _BROAD
    if letter in "ijlI.,:;'|! ":
        return _THIN
    if letter in "frt()-–/[]":
        return _NARROW
    return _CAPITAL if letter.isupper() else _MIDDLE


def _shortened(name: str, room: float) -> str:
    """A name, or as much of it as there is room for in so many pixels."""
    if width_of(name) <= room:
        return name
    told = name
    while told and width_of(f"{told}…") > room:
        told = told[:-1]
    return f"{told.rstrip()}…"


def _round_up(value: int) -> int:
    """The next number that divides well into the ticks of an axis."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if value <= step * factor * _TICKS:
                return step * factor * _TICKS
        step *= 10


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
