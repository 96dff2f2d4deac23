"""The layout of charts, as `charts.html.j2` draws them in inline SVG: rectangles, lines and text, all in pixels.

Colours are classes of the page, so that they follow its light and dark scheme. A chart describes in words the figures
that it shows, for screen readers. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

_WIDTH = 720
_LABEL = 250  # left of bars, for their names
_VALUE = 80  # at least, right of bars, for their figures
_TRACK = _WIDTH / 3  # at least, for the bars themselves
_BAR, _GAP = 16, 10
_RADIUS = 2
_THICK = 2  # of the line of an interval or a target
_LINES_HEIGHT, _TOP, _BOTTOM, _RIGHT = 260, 16, 34, 40
_TICKS = 4
_APART = 8  # between two texts
_FONT = 13  # as the style sheet says
_CHINESE = 0x2E80  # from here on a letter is as wide as it is high
# Widths of other letters in the widest font of common browsers, as parts of the height.
_THIN, _NARROW, _MIDDLE, _CAPITAL, _BROAD = 0.34, 0.45, 0.65, 0.8, 1.0


@dataclass(frozen=True)
class Caption:
    """The name and the description of a chart."""

    key: str
    """Its name within the page."""
    title: str
    description: str
    """The figures, in words."""


@dataclass(frozen=True)
class Bar:
    """A bar of a group; None where there is nothing to show."""

    value: float | None
    told: str
    series: int = 0
    """The index of the colour."""
    interval: tuple[float, float] | None = None
    """The bounds of an interval around the value."""


@dataclass(frozen=True)
class Line:
    """A line over all places of the axis."""

    name: str
    values: Sequence[int]


@dataclass(frozen=True)
class Rectangle:
    """A bar, or the track behind it."""

    x: float
    y: float
    width: float
    style: str
    height: float = _BAR - 2
    radius: int = 0
    hint: str = ""
    """A text that appears when a pointer rests on the shape."""


@dataclass(frozen=True)
class GridLine:
    """A horizontal line at one value of the axis."""

    left: float
    right: float
    y: float


@dataclass(frozen=True)
class Point:
    """A value of a line, with its hint."""

    x: float
    y: float
    hint: str


@dataclass(frozen=True)
class Label:
    """A text; `y` is its middle, and `anchor` is its part at `x`."""

    x: float
    y: float
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    hint: str = ""


@dataclass(frozen=True)
class Chart:
    """A drawing with everything in its place. The origin is the upper left corner."""

    caption: Caption
    height: float
    labels: Sequence[Label]
    rectangles: Sequence[Rectangle] = ()
    grid: Sequence[GridLine] = ()
    curves: Sequence[Sequence[Point]] = ()
    """A curve for each line, from left to right; the index of a curve is its series."""
    width: int = _WIDTH


@dataclass(frozen=True)
class Figure:
    """A chart with its caption."""

    chart: Chart
    caption: str
    series: Sequence[str] = ()
    """The names of its series, if there are several."""
    heading: str = ""
    """Above it, where a page has several."""


def bars(
    caption: Caption, groups: Sequence[tuple[str, Sequence[Bar]]], most: float, target: float | None = None
) -> Chart:
    """Horizontal bars, in groups with a name; `most` is the value of a full width, and `target` a line over all."""
    labels: list[Label] = []
    rectangles: list[Rectangle] = []
    told = max((width_of(bar.told) for _, group in groups for bar in group), default=0.0)
    room, top = max(_TRACK, _WIDTH - _LABEL - max(_VALUE, _APART + told)), _GAP

    def width_to(value: float) -> float:
        return room * max(0.0, min(value / most, 1.0)) if most else 0.0

    for name, group in groups:
        shown = _shortened(name, _LABEL - _APART)
        labels.append(Label(_LABEL - _APART, top + len(group) * _BAR / 2, shown, "end", hint=name))
        for bar in group:
            width = width_to(bar.value) if bar.value is not None else 0.0
            hint = f"{name}: {bar.told}"
            rectangles.append(Rectangle(_LABEL, top + 1, room, "track"))
            rectangles.append(Rectangle(_LABEL, top + 1, width, f"series-{bar.series}", radius=_RADIUS, hint=hint))
            if bar.interval is not None:
                low, high = map(width_to, bar.interval)
                middle = top + (_BAR - _THICK) / 2
                rectangles.append(Rectangle(_LABEL + low, middle, high - low, "whisker", _THICK, hint=hint))
            figure = _shortened(bar.told, _WIDTH - _LABEL - room - _APART)
            labels.append(Label(_LABEL + room + _APART, top + _BAR / 2, figure, hint=bar.told))
            top += _BAR
        top += _GAP
    if target is not None:
        rectangles.append(Rectangle(_LABEL + width_to(target) - _THICK / 2, _GAP / 2, _THICK, "target", top - _GAP))
    return Chart(caption, top, labels, rectangles)


def waterfall(caption: Caption, steps: Sequence[tuple[str, float, float, str]]) -> Chart:
    """Steps below each other, each with its name, its begin and end from the common begin, and its length in words."""
    room, whole = _WIDTH - _LABEL - _VALUE, max((end for _, _, end, _ in steps), default=0.0)
    labels: list[Label] = []
    rectangles: list[Rectangle] = []
    for number, (name, begin, end, told) in enumerate(steps):
        top = _GAP + number * (_BAR + _GAP / 2)
        left, right = (room * each / whole if whole else 0.0 for each in (begin, end))
        labels.append(Label(_LABEL - _APART, top + _BAR / 2, _shortened(name, _LABEL - _APART), "end", hint=name))
        labels.append(Label(_LABEL + room + _APART, top + _BAR / 2, told))
        rectangles.append(Rectangle(_LABEL, top + 1, room, "track"))
        width = max(right - left, _THICK)  # a step without length is seen, too
        rectangles.append(Rectangle(_LABEL + left, top + 1, width, "series-0", radius=_RADIUS, hint=f"{name}: {told}"))
    return Chart(caption, _GAP * 2 + len(steps) * (_BAR + _GAP / 2), labels, rectangles)


def lines(caption: Caption, places: Sequence[str], drawn: Sequence[Line]) -> Chart:
    """Lines over places from left to right, for example months; counts from zero."""
    most = max((value for line in drawn for value in line.values), default=0)
    top_value = _round_up(most)
    widest = max(map(width_of, places), default=0.0)
    left = max(2 * _APART + width_of(f"{top_value:,.0f}"), widest / 2)
    room = _WIDTH - left - max(_RIGHT, widest / 2)

    def x(place: int) -> float:
        return left + room / 2 if len(places) < 2 else left + room * place / (len(places) - 1)

    def y(value: float) -> float:
        return _LINES_HEIGHT - _BOTTOM - (_LINES_HEIGHT - _TOP - _BOTTOM) * value / top_value

    ticks = [top_value * tick / _TICKS for tick in range(_TICKS + 1)]
    # The number of names that fit without overlaps.
    every = max(1, ceil((widest + _APART) * (len(places) - 1) / room))
    return Chart(
        caption,
        _LINES_HEIGHT,
        labels=[
            *(Label(left - _APART, y(value), f"{value:,.0f}", "end") for value in ticks),
            *(
                Label(x(number), _LINES_HEIGHT - _BOTTOM + 18, name, "middle")
                for number, name in enumerate(places)
                if number % every == 0
            ),
        ],
        grid=[GridLine(left, left + room, y(value)) for value in ticks],
        curves=[
            [
                Point(x(number), y(value), f"{line.name}, {places[number]}: {value:,}")
                for number, value in enumerate(line.values)
            ]
            for line in drawn
        ],
    )


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
    """The name, shortened to so many pixels."""
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
