"""The measurements, and the arithmetic on them. Pure.

Throughput and CPU time are computed per window; a level's figure is the median over its rounds, with the least and the
greatest. A ratio is the measured value over its base within one round, so that both halves saw the same machine.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

Report = dict[str, object]
PER_SECOND = "1/s"
"""The one unit of which more is better; of ms and us less is."""


@dataclass(frozen=True)
class Window:
    """A load client's work in one stretch of time: latencies and CPU time in seconds."""

    calls: int
    seconds: float
    p50: float
    p99: float
    servers_cpu: float
    client_cpu: float
    busy: float
    """Processor time of everything on the machine, in seconds."""
    refused: int = 0
    """Calls that had no room. Each is made again after a pause, in which its caller brings nothing."""

    @property
    def throughput(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds

    @property
    def servers_cpu_per_call(self) -> float:
        """CPU seconds, user and system, of all server processes together."""
        return self.servers_cpu / self.calls

    @property
    def client_cpu_per_call(self) -> float:
        """CPU seconds of the load client."""
        return self.client_cpu / self.calls

    @property
    def others(self) -> float:
        """How many processors everything else on the machine kept busy meanwhile, idle halves of the bench included."""
        return max(0.0, self.busy - self.servers_cpu - self.client_cpu) / self.seconds


@dataclass(frozen=True)
class Round:
    """Both loads, one right after the other."""

    base: Window
    measured: Window


@dataclass(frozen=True)
class Level:
    """The rounds with one number of callers."""

    callers: int
    rounds: Sequence[Round]

    @property
    def others(self) -> "Spread":
        """How many processors other processes kept busy: with much more than none the ratios say little."""
        return Spread.of([window.others for each in self.rounds for window in (each.base, each.measured)])

    @property
    def refused(self) -> tuple[float, float]:
        """The calls that had no room, for each one that was done: those of the base, and of the measured load."""
        return _refused([each.base for each in self.rounds]), _refused([each.measured for each in self.rounds])


def _refused(windows: Sequence[Window]) -> float:
    return sum(each.refused for each in windows) / sum(each.calls for each in windows)


@dataclass(frozen=True)
class Spread:
    """A figure over several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value."""
        return cls(median(values), min(values), max(values))

    def plain(self) -> dict[str, float]:
        """For JSON."""
        return {"median": round(self.median, 6), "min": round(self.low, 6), "max": round(self.high, 6)}


@dataclass(frozen=True)
class Figure:
    """A measured figure: its name for programs, and label and unit for people."""

    name: str
    label: str
    unit: str
    factor: float
    read: Callable[[Window], float]

    def of(self, windows: Sequence[Window]) -> Spread:
        """The figure in its unit."""
        return Spread.of([self.read(window) * self.factor for window in windows])

    def ratios(self, rounds: Sequence[Round]) -> tuple[float, ...]:
        """The measured value over its base, in each round."""
        return tuple(self.read(each.measured) / self.read(each.base) for each in rounds)

    def ratio(self, rounds: Sequence[Round]) -> Spread:
        """The measured value over its base."""
        return Spread.of(self.ratios(rounds))


@dataclass(frozen=True)
class Comparison:
    """A figure, measured alternately in two ways: the second beside the first."""

    name: str
    """For programs."""
    figure: str
    """For people, with its unit."""
    base: str
    measured: str
    rounds: Sequence[tuple[float, float]]
    """The figure of the base and of what is measured beside it, one right after the other."""
    unit: str = PER_SECOND

    @property
    def ratios(self) -> tuple[float, ...]:
        """The measured value over its base, in each round."""
        return tuple(measured / base for base, measured in self.rounds)

    @property
    def ratio(self) -> Spread:
        """The measured value over its base."""
        return Spread.of(self.ratios)

    @property
    def of_base(self) -> Spread:
        """The figure of the base."""
        return Spread.of([base for base, _ in self.rounds])

    @property
    def of_measured(self) -> Spread:
        """The figure of what is measured."""
        return Spread.of([measured for _, measured in self.rounds])

    def plain(self) -> Report:
        """For JSON."""
        return {
            "figure": self.figure,
            "base": {"what": self.base, **self.of_base.plain()},
            "measured": {"what": self.measured, **self.of_measured.plain()},
            "ratio": self.ratio.plain(),
        }


FIGURES = (
    Figure("throughput", "throughput", PER_SECOND, 1, lambda window: window.throughput),
    Figure("p50", "p50", "ms", 1e3, lambda window: window.p50),
    Figure("p99", "p99", "ms", 1e3, lambda window: window.p99),
    Figure("servers_cpu_per_call", "CPU of servers", "us", 1e6, lambda window: window.servers_cpu_per_call),
    Figure("client_cpu_per_call", "CPU of client", "us", 1e6, lambda window: window.client_cpu_per_call),
)


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least `share` (0 to 1) of the values do not exceed. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values, no percentile")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def report(levels: Sequence[Level], base: str, measured: str) -> Report:
    """All figures of a comparison for a file: the ratios first, then both halves by their names."""
    return {
        "ratios": {
            str(level.callers): {figure.name: figure.ratio(level.rounds).plain() for figure in FIGURES}
            for level in levels
        },
        base: _figures(levels, lambda each: each.base),
        measured: _figures(levels, lambda each: each.measured),
        "others_processors": {str(level.callers): level.others.plain() for level in levels},
        "refused_per_call": {
            str(level.callers): {
                name: round(refused, 3) for name, refused in zip((base, measured), level.refused, strict=True)
            }
            for level in levels
        },
        "units": {figure.name: figure.unit for figure in FIGURES},
    }


def _figures(levels: Sequence[Level], half: Callable[[Round], Window]) -> Report:
    return {
        str(level.callers): {
            figure.name: figure.of([half(each) for each in level.rounds]).plain() for figure in FIGURES
        }
        for level in levels
    }
