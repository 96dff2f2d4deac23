"""The intake of measurements: stored, added to their hours, and compared with thresholds, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from gateway.api.region.v1.alarm_pb2 import QualityFigure
from gateway.api.region.v1.measurement_service_pb2 import Measurement
from gateway.errors import Refused, invalid
from gateway.federation.network import NetworkRegistry
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.network.measurements import alarms
from region_node.network.measurements.measurement_rows import (
    HOUR,
    Period,
    add_totals,
    insert_piece,
    keep_threshold_states,
    threshold_states_of,
)
from region_node.network.measurements.objects import require_own
from region_node.network.measurements.streams import Piece, Rejected
from region_node.network.measurements.thresholds import (
    ALL,
    AVAILABILITY,
    DELAY,
    LOSS,
    THROUGHPUT,
    VARIATION,
    Bounds,
    ThresholdState,
    Window,
    bounds_of,
    stands,
)
from region_node.network.measurements.totals import Totals
from region_node.node.context import RegionContext

BEFORE_COMMIT = "measurements.before-commit"
_AHEAD = timedelta(hours=1)  # that the clock of a probe may be
_MOST = 2**53  # of a delay, or of traffic: the exact integers of every language
_LONGEST_WINDOW = 3_600  # seconds
_ALL_PACKETS = 1_000_000_000
_EASE = ThresholdState()
_Values = dict[QualityFigure.ValueType, list[int]]
_Windows = dict[QualityFigure.ValueType, list[Window]]


@dataclass
class _Sorted:
    """The measurements of a piece, by their processing."""

    kept: list[Measurement] = field(default_factory=list, repr=False)
    rejected: list[Rejected] = field(default_factory=list)
    values: dict[Period, _Values] = field(default_factory=dict, repr=False)
    windows: dict[str, _Windows] = field(default_factory=dict)
    end: int = 0


class _Sorting:
    """Sorts out one piece."""

    def __init__(self, network: NetworkRegistry, region: str, now: datetime) -> None:
        self._network = network
        self._region = region
        self._latest = to_microseconds(now + _AHEAD)
        self._objects: dict[tuple[str, str], str] = {}
        self.into = _Sorted()

    def take(self, sequence: int, measurement: Measurement) -> None:
        """Sorts out a measurement, by its number in the stream."""
        try:
            about = self._about(measurement)
            start, end = self._window(measurement)
            figures = _figures(measurement)
        except Refused as refused:
            self.into.rejected.append(Rejected(sequence, refused))
            return
        self.into.kept.append(measurement)
        self.into.end = max(self.into.end, end)
        values = self.into.values.setdefault((about, start - start % HOUR), {})
        windows = self.into.windows.setdefault(about, {})
        for figure, value in figures:
            values.setdefault(figure, []).append(value)
            if figure != THROUGHPUT:
                held = ALL - value if figure == AVAILABILITY else value
                windows.setdefault(figure, []).append(Window(start, held))

    def _about(self, measurement: Measurement) -> str:
        kind = measurement.WhichOneof("object") or ""
        name = measurement.link if kind == "link" else measurement.service
        about = self._objects.get((kind, name))
        if about is None:
            about = self._objects[kind, name] = require_own(self._network, self._region, kind, name)
        return about

    def _window(self, measurement: Measurement) -> tuple[int, int]:
        """When the window began and ended, in microseconds. Raises Refused with REQUEST_INVALID."""
        told, seconds = measurement.start_time, measurement.window_seconds
        start = told.seconds * 1_000_000 + told.nanos // 1_000
        if start <= 0:
            raise invalid("start_time", "not set", "未填写")
        if start > self._latest:
            raise invalid("start_time", "in the future", "晚于当前时间")
        if not 0 < seconds <= _LONGEST_WINDOW:
            raise invalid("window_seconds", f"not 1 to {_LONGEST_WINDOW}", f"不是1至{_LONGEST_WINDOW}")
        return start, start + seconds * 1_000_000


def take(
    tx: Transaction, context: RegionContext, stream: str, piece: Piece[Measurement], now: datetime
) -> Sequence[Rejected]:
    """Processes a piece; returns the rejected measurements. Raises Refused without a configuration."""
    network = context.federation.network
    sorting = _Sorting(network, context.region, now)
    for sequence, measurement in enumerate(piece.items, piece.first):
        sorting.take(sequence, measurement)
    found = sorting.into
    if found.kept:
        insert_piece(tx, stream, piece.first, found.kept, found.end)
        totals = {
            period: {figure: Totals.of(told) for figure, told in values.items()}
            for period, values in found.values.items()
        }
        add_totals(tx, "measurement_hours", totals)
        _hold_against_bounds(tx, context, found.windows, now)
    failpoints.reach(BEFORE_COMMIT)
    return found.rejected


def _figures(measurement: Measurement) -> list[tuple[QualityFigure.ValueType, int]]:
    """The figures of a measurement. Raises Refused with REQUEST_INVALID."""
    found = []
    if measurement.HasField("delay_us"):
        found.append((DELAY, _within("delay_us", measurement.delay_us, _MOST)))
    if measurement.HasField("delay_variation_us"):
        found.append((VARIATION, _within("delay_variation_us", measurement.delay_variation_us, _MOST)))
    if measurement.HasField("loss_ppb"):
        found.append((LOSS, _within("loss_ppb", measurement.loss_ppb, _ALL_PACKETS)))
    if measurement.HasField("throughput_kbps"):
        found.append((THROUGHPUT, _within("throughput_kbps", measurement.throughput_kbps, _MOST)))
    if measurement.HasField("availability_ppm"):
        found.append((AVAILABILITY, _within("availability_ppm", measurement.availability_ppm, ALL)))
    if not found:
        raise invalid("measurements", "tells no figure", "没有任何测量值")
    return found


def _within(name: str, value: int, most: int) -> int:
    if not 0 <= value <= most:
        raise invalid(name, f"not 0 to {most}", f"不是0至{most}")
    return value


def _hold_against_bounds(tx: Transaction, context: RegionContext, windows: dict[str, _Windows], now: datetime) -> None:
    """Raises and clears alarms by the measurements."""
    network = context.federation.network
    before = threshold_states_of(tx, windows)
    for about in sorted(windows):
        known = before.get(about, {})
        after = {**known}
        for figure, bound in _bounds(network, about).items():
            told = windows[about].get(figure)
            if told:
                state, crossings = stands(bound, known.get(figure, _EASE), told)
                for crossing in crossings:
                    alarms.cross(tx, context, about, figure, bound, crossing, now)
                after[figure] = state
        for figure in after.keys() - _bounds(network, about).keys():  # the figure has no bound any more
            if after.pop(figure).is_raised:
                alarms.no_bound(tx, context, about, figure, now)
        left = {figure: each for figure, each in after.items() if each.is_raised or each.over}
        if left != known:
            keep_threshold_states(tx, about, left)


_known_bounds: WeakKeyDictionary[NetworkRegistry, dict[str, Bounds]] = WeakKeyDictionary()


def _bounds(network: NetworkRegistry, about: str) -> Bounds:
    """The bounds of an object; looked up once for each registry."""
    known = _known_bounds.setdefault(network, {})
    if about not in known:
        kind, _, name = about.partition("/")
        known[about] = bounds_of(network, kind, name)
    return known[about]
