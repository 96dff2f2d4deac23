"""Regions on a ring, with the flows between them as lines: all in pixels, from the upper left corner. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin, sqrt
from typing import Literal

WIDTH, HEIGHT = 720, 400
_RADIUS_X, _RADIUS_Y = 230.0, 150.0
_NODE, _APART = 11.0, 18.0
_THIN, _THICK = 1.5, 9.0  # of a line without traffic, and with the most
_BEND = 0.25  # part of the way to the middle of the ring by which a line bends
_SIDE = 0.2  # cosine below which a node counts as above or below the middle


@dataclass(frozen=True)
class Place:
    """A region on the ring."""

    region: str
    name: str
    href: str
    style: str
    """The class of its colour."""
    hint: str
    is_marked: bool = False
    """Whether there is trouble in its network."""


@dataclass(frozen=True)
class Flow:
    """The traffic between two regions, in both directions."""

    regions: tuple[str, str]
    traffic: int
    style: str
    hint: str


@dataclass(frozen=True)
class DrawnPlace:
    """A region in its place."""

    place: Place
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: Literal["start", "middle", "end"]
    radius: float = _NODE


@dataclass(frozen=True)
class DrawnFlow:
    """A line that bends towards the middle: a quadratic curve with one control point."""

    flow: Flow
    start: tuple[float, float]
    control: tuple[float, float]
    end: tuple[float, float]
    width: float


@dataclass(frozen=True)
class Ring:
    """The drawing."""

    title: str
    description: str
    """The same in words, for screen readers."""
    places: Sequence[DrawnPlace]
    flows: Sequence[DrawnFlow]
    width: int = WIDTH
    height: int = HEIGHT


def ring(title: str, description: str, places: Sequence[Place], flows: Sequence[Flow]) -> Ring:
    """The places in their order, clockwise from the top. A flow to a region without a place is left out."""
    drawn = [_placed(place, 2 * pi * number / len(places)) for number, place in enumerate(places)]
    points = {each.place.region: (each.x, each.y) for each in drawn}
    most = max((each.traffic for each in flows), default=0)
    known = [each for each in flows if points.keys() >= set(each.regions)]
    return Ring(title, description, drawn, [_drawn(each, points, most) for each in known])


def _placed(place: Place, angle: float) -> DrawnPlace:
    right, down = sin(angle), -cos(angle)
    x, y = WIDTH / 2 + _RADIUS_X * right, HEIGHT / 2 + _RADIUS_Y * down
    if abs(right) < _SIDE:
        return DrawnPlace(place, x, y, x, y + (_NODE + _APART) * (1 if down > 0 else -1), "middle")
    side = 1 if right > 0 else -1
    return DrawnPlace(place, x, y, x + side * _APART, y, "start" if side > 0 else "end")


def _drawn(flow: Flow, points: Mapping[str, tuple[float, float]], most: int) -> DrawnFlow:
    start, end = (points[each] for each in flow.regions)
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    control = (middle[0] + (WIDTH / 2 - middle[0]) * _BEND, middle[1] + (HEIGHT / 2 - middle[1]) * _BEND)
    share = sqrt(flow.traffic / most) if most else 0.0
    return DrawnFlow(flow, start, control, end, _THIN + (_THICK - _THIN) * share)
