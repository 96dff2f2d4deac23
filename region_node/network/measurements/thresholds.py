"""The alarms of measurements: raised and cleared with hysteresis, so that nothing flaps. Pure.

RAISE_AFTER consecutive windows over the bound raise an alarm. CLEAR_AFTER consecutive windows at or below a lower bound
clear it. Windows between the two bounds do neither. The bounds come from the class of quality of a service. A link has
the strictest bounds of its services, since no part may use up more than the whole. Both numbers of windows, and the
distance of the lower bound, are choices of this project.
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
ALL = 1_000_000  # the denominator of the availability
# of the time: below the first value an element is down, from the second on it is up again
_DOWN, _UP = 500_000, 900_000

DELAY = QualityFigure.QUALITY_FIGURE_DELAY
VARIATION = QualityFigure.QUALITY_FIGURE_DELAY_VARIATION
LOSS = QualityFigure.QUALITY_FIGURE_LOSS
THROUGHPUT = QualityFigure.QUALITY_FIGURE_THROUGHPUT
AVAILABILITY = QualityFigure.QUALITY_FIGURE_AVAILABILITY


@dataclass(frozen=True)
class Bound:
    """The highest value of a figure, in its own unit. For availability, the missing time counts."""

    raises_over: int
    clears_at: int
    quality_class: str = ""

    @property
    def severity(self) -> PerceivedSeverity.ValueType:
        """The severity above the bound: a missed class of quality harms customers at once, and so does an outage."""
        bad, worst = PerceivedSeverity.PERCEIVED_SEVERITY_MAJOR, PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL
        return bad if self.quality_class else worst


Bounds = Mapping[QualityFigure.ValueType, Bound]
_AVAILABLE = {AVAILABILITY: Bound(ALL - _DOWN, ALL - _UP)}


@dataclass(frozen=True)
class ThresholdState:
    """The state of a figure against its bound."""

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
    """A window's value of a figure; a tuple, since there are very many."""

    start: int
    """In microseconds."""
    value: int


@dataclass
class _Walk:
    state: ThresholdState
    crossings: list[Crossing] = field(default_factory=list)

    def take(self, bound: Bound, window: Window) -> None:
        now = self.state
        if window.start < now.last_start:  # it came late, after the processing of later windows
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
    """The state of a figure after more windows, and the alarms that they raise or clear, in order.

    Windows are processed by their start; a window older than the last processed one is ignored.
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
    """The bounds of a `link` or a `service` of the registry, for its time of existence."""
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
