"""When what is measured raises an alarm, and when it clears it: with hysteresis, so that nothing flaps. Pure.

An alarm is raised once RAISE_AFTER windows in a row are over the bound, and cleared once CLEAR_AFTER in a row are at
most at a lower one. What lies between the two bounds neither raises nor clears. The bounds come from the class of
quality of a service; a link has the strictest of the services that use it, because no part of a path may use up more
than the whole.
Both numbers of windows, and how far the lower bound lies below, are choices of this project.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.api.federation.v1.network_pb2 import QualityClass
from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1.alarm_pb2 import QualityFigure
from gateway.federation.network import NetworkRegistry

RAISE_AFTER = 3  # windows
CLEAR_AFTER = 5  # windows
ALL = 1_000_000  # of the time, as availability is told
_DOWN, _UP = 500_000, 900_000  # of the time: below the one it is down, from the other on it is up again

DELAY = QualityFigure.QUALITY_FIGURE_DELAY
VARIATION = QualityFigure.QUALITY_FIGURE_DELAY_VARIATION
LOSS = QualityFigure.QUALITY_FIGURE_LOSS
THROUGHPUT = QualityFigure.QUALITY_FIGURE_THROUGHPUT
AVAILABILITY = QualityFigure.QUALITY_FIGURE_AVAILABILITY


@dataclass(frozen=True)
class Bound:
    """What a figure may be at most, in its own unit. Of availability, the time that is missing counts."""

    raises_over: int
    clears_at: int
    quality_class: str = ""

    @property
    def severity(self) -> PerceivedSeverity.ValueType:
        """How bad it is to be over it: a class that is not kept harms customers, and so does what is down, at once."""
        bad, worst = PerceivedSeverity.PERCEIVED_SEVERITY_MAJOR, PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL
        return bad if self.quality_class else worst


Bounds = Mapping[QualityFigure.ValueType, Bound]
_AVAILABLE = {AVAILABILITY: Bound(ALL - _DOWN, ALL - _UP)}


@dataclass(frozen=True)
class ThresholdState:
    """How a figure stands against its bound."""

    over: int = 0
    """Windows in a row that were over it, counted to RAISE_AFTER."""
    under: int = 0
    """Windows in a row that were at the lower one at most, counted to CLEAR_AFTER."""
    is_raised: bool = False
    last_start: int = 0
    """When the last window that was looked at began, in microseconds."""


@dataclass(frozen=True)
class Crossing:
    """An alarm is to be raised, or cleared, by a window."""

    is_raised: bool
    start: int
    """When the window began, in microseconds."""
    value: int


class Window(NamedTuple):
    """What one window told of a figure; there are so many of them that a tuple makes a difference."""

    start: int
    """In microseconds."""
    value: int


@dataclass
class _Walk:
    state: ThresholdState
    crossings: list[Crossing] = field(default_factory=list)

    def take(self, bound: Bound, window: Window) -> None:
        now = self.state
        if window.start < now.last_start:  # it came late, and the windows after it were looked at
            return
        is_over, is_under = window.value > bound.raises_over, window.value <= bound.clears_at
        over = min(now.over + 1, RAISE_AFTER) if is_over else 0
        under = min(now.under + 1, CLEAR_AFTER) if is_under else 0
        is_raised = now.is_raised
        if not is_raised and over >= RAISE_AFTER:
            is_raised = True
        elif is_raised and under >= CLEAR_AFTER:
            is_raised = False
        if is_raised != now.is_raised:
            self.crossings.append(Crossing(is_raised, window.start, window.value))
        self.state = ThresholdState(over, under, is_raised, window.start)


def stands(bound: Bound, state: ThresholdState, windows: Sequence[Window]) -> tuple[ThresholdState, Sequence[Crossing]]:
    """How a figure stands after more windows, and what they raise or clear, in their order.

    Windows are looked at by when they began; one that began before the last that was looked at is passed over.
    """
    ordered = sorted(windows, key=lambda window: window.start)
    is_calm = not state.is_raised and max((each.value for each in ordered), default=0) <= bound.raises_over
    if is_calm:
        last = max(state.last_start, ordered[-1].start) if ordered else state.last_start
        return ThresholdState(last_start=last), []
    walk = _Walk(state)
    for window in ordered:
        walk.take(bound, window)
    return walk.state, walk.crossings


def bounds_of(network: NetworkRegistry, kind: str, name: str) -> Bounds:
    """The bounds of a `link` or a `service` of the registry; each is held against the time in which it is there."""
    if kind == "service":
        names = {network.services[name].quality_class}
    else:
        names = {each.quality_class for each in network.services_on(links=[name])}
    classes = [network.quality_classes[each] for each in sorted(names) if each]
    return {**strictest(classes), **_AVAILABLE}


def strictest(classes: Sequence[QualityClass]) -> dict[QualityFigure.ValueType, Bound]:
    """The lowest bound of each figure; none for a figure that no class bounds."""
    found: dict[QualityFigure.ValueType, Bound] = {}
    for each in classes:
        for figure, bound in ((DELAY, each.delay_us), (VARIATION, each.delay_variation_us), (LOSS, each.loss_ppb)):
            if bound and (figure not in found or bound < found[figure].raises_over):
                found[figure] = Bound(bound, bound * 9 // 10, each.name)
    return found
