"""Places and the lines between them: on a map where each has a position on the Earth, else on a ring. Pure.

All is in pixels, from the upper left corner.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, hypot, pi, radians, sin, sqrt
from typing import Literal

from gateway.web.charts import width_of

WIDTH, RING_HEIGHT = 820, 420
_RING = 230.0, 160.0  # half the width and half the height of the ring
_MARGIN_X, _MARGIN_Y = 100.0, 40.0  # with room for names
_HIGH, _LOW = 560.0, 320.0  # the most of the places on a map: of many, and of few
_LARGE, _SMALL, _MANY = 11.0, 7.0, 12  # radius of a place, and where there are more than so many places
_APART, _LINE = 10.0, 16.0  # between a place and its name, and the height of a name
_THIN, _THICK = 2.5, 9.0  # of a line without traffic, and with the most
_RING_BEND, _MAP_BEND = 0.25, 0.08  # part of the way to the middle by which a line bends
_BESIDE = 24.0  # between the control points of lines between the same places
_SIDE = 0.2  # part of half the width within which a place counts as above or below the middle
_ROUND = 360.0  # degrees
_LEAST = 0.01  # degrees that a map shows

Point = tuple[float, float]
Position = tuple[float, float]
"""Degrees north of the equator, and degrees east of Greenwich."""
_Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""
_Anchor = Literal["start", "middle", "end"]
_Label = tuple[float, float, _Anchor]


@dataclass(frozen=True)
class Place:
    """A circle. It leads to a page where it has an address."""

    key: str
    name: str
    href: str
    style: str
    """The class of its colour."""
    hint: str
    is_marked: bool = False
    """Whether a dashed ring around it warns of trouble."""


@dataclass(frozen=True)
class Line:
    """The traffic between two places, in both directions, or a cable."""

    ends: tuple[str, str]
    """Keys of places."""
    weight: int
    """The line with the most is the widest."""
    style: str
    hint: str
    href: str = ""


@dataclass(frozen=True)
class DrawnPlace:
    """A circle, and its name beside it."""

    place: Place
    x: float
    y: float
    radius: float
    label_x: float
    label_y: float
    anchor: _Anchor


@dataclass(frozen=True)
class DrawnLine:
    """A quadratic curve with one control point."""

    line: Line
    start: Point
    control: Point
    end: Point
    width: float


@dataclass(frozen=True)
class Drawing:
    """A map or a ring."""

    title: str
    description: str
    """The same in words, for screen readers."""
    places: Sequence[DrawnPlace]
    lines: Sequence[DrawnLine]
    height: float
    width: int = WIDTH


def drawing(
    title: str, description: str, places: Sequence[Place], lines: Sequence[Line], positions: Mapping[str, Position]
) -> Drawing:
    """The places with the lines between them. A line to a place that is not among them is left out.

    On a ring they stand in their order, clockwise from the top.
    """
    keys = [each.key for each in places]
    is_map = bool(keys) and positions.keys() >= {*keys}
    points, height = _on_map({key: positions[key] for key in keys}) if is_map else (_on_ring(keys), float(RING_HEIGHT))
    most = max((each.weight for each in lines), default=0)
    bend, middle, beside = _MAP_BEND if is_map else _RING_BEND, (WIDTH / 2, height / 2), Counter[frozenset[str]]()
    drawn = []
    for each in lines:
        if points.keys() >= {*each.ends}:
            drawn.append(_curve(each, points, middle, bend, most, beside[frozenset(each.ends)]))
            beside[frozenset(each.ends)] += 1
    return Drawing(title, description, list(_named(places, points, height)), drawn, height)


def _on_ring(keys: Sequence[str]) -> Mapping[str, Point]:
    angles = {key: 2 * pi * number / len(keys) for number, key in enumerate(keys)}
    middle, (wide, high) = (WIDTH / 2, RING_HEIGHT / 2), _RING
    return {key: (middle[0] + wide * sin(angle), middle[1] - high * cos(angle)) for key, angle in angles.items()}


def _on_map(positions: Mapping[str, Position]) -> tuple[Mapping[str, Point], float]:
    """The places with north above, true to scale at their middle latitude, and the height of the drawing."""
    norths = [north for north, _ in positions.values()]
    easts = _from_west([east for _, east in positions.values()])
    narrowing, top = cos(radians((min(norths) + max(norths)) / 2)), max(norths)
    plane = [(east * narrowing, top - north) for east, north in zip(easts, norths, strict=True)]
    wide, high = (max(each[axis] for each in plane) for axis in (0, 1))
    room, most = WIDTH - 2 * _MARGIN_X, _HIGH if len(plane) > _MANY else _LOW
    scale = min(room / max(wide, _LEAST), most / max(high, _LEAST))
    left = (WIDTH - wide * scale) / 2
    points = {key: (left + x * scale, _MARGIN_Y + y * scale) for key, (x, y) in zip(positions, plane, strict=True)}
    return points, high * scale + 2 * _MARGIN_Y


def _from_west(easts: Sequence[float]) -> Sequence[float]:
    """Degrees to the east of the westernmost place, behind the widest gap: the date line divides no federation."""
    turned = [each % _ROUND % _ROUND for each in easts]  # the remainder of a tiny negative number is 360 itself
    ordered = sorted({*turned})
    gaps = [((after - before) % _ROUND or _ROUND, after) for before, after in pairwise([ordered[-1], *ordered])]
    first = max(gaps)[1]
    return [(each - first) % _ROUND for each in turned]


def _curve(line: Line, points: Mapping[str, Point], middle: Point, bend: float, most: int, beside: int) -> DrawnLine:
    """The curve of a line, moved aside by the number of those before it between the same places."""
    start, end = (points[each] for each in sorted(line.ends))
    half = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    along = (end[0] - start[0], end[1] - start[1])
    aside = beside * _BESIDE / (hypot(*along) or 1.0)
    control = (
        half[0] + (middle[0] - half[0]) * bend - along[1] * aside,
        half[1] + (middle[1] - half[1]) * bend + along[0] * aside,
    )
    share = sqrt(line.weight / most) if most else 0.0
    return DrawnLine(line, start, control, end, _THIN + (_THICK - _THIN) * share)


def _named(places: Sequence[Place], points: Mapping[str, Point], height: float) -> Iterator[DrawnPlace]:
    """Each place with its name where that covers least, away from the middle where it is free."""
    radius = _LARGE if len(places) <= _MANY else _SMALL
    taken = [(x - radius, y - radius, x + radius, y + radius) for x, y in points.values()]
    for place in places:
        point = points[place.key]
        found = [(label, _box(place.name, *label)) for label in _labels(point, radius, height)]
        (x, y, anchor), box = min(found, key=lambda each: _covered(each[1], taken, height))
        taken.append(box)
        yield DrawnPlace(place, *point, radius, x, y, anchor)


def _labels(point: Point, radius: float, height: float) -> Sequence[_Label]:
    """The places for a name, the preferred one first."""
    (x, y), apart = point, radius + _APART
    right: _Label = (x + apart, y, "start")
    left: _Label = (x - apart, y, "end")
    below: _Label = (x, y + radius + _LINE, "middle")
    above: _Label = (x, y - radius - _LINE, "middle")
    across, down = x - WIDTH / 2, y - height / 2
    sides = [right, left] if across > 0 else [left, right]
    ends = [below, above] if down > 0 else [above, below]
    is_end = abs(across) < _SIDE * WIDTH / 2
    return [*ends, *sides] if is_end else [*sides, *ends]


def _box(name: str, x: float, y: float, anchor: _Anchor) -> _Box:
    wide = width_of(name)
    left = {"start": x, "middle": x - wide / 2, "end": x - wide}[anchor]
    return left, y - _LINE / 2, left + wide, y + _LINE / 2


def _covered(box: _Box, taken: Sequence[_Box], height: float) -> float:
    """The area that a name would share with others, or have outside of the drawing."""
    left, top, right, bottom = box
    inside = _shared(box, (0.0, 0.0, float(WIDTH), height))
    return (right - left) * (bottom - top) - inside + sum(_shared(box, each) for each in taken)


def _shared(one: _Box, other: _Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)
