"""The history of the bench: a line for each recorded run, and the ratios that are worse than in an earlier run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from gateway.process.files import replace_file
from tests.bench.machine import Machine
from tests.bench.report import FIGURES, PER_SECOND, Comparison, Level, Spread

HISTORY = Path(__file__).parent / "history.jsonl"
WORSE_BY = 0.05
LEAST_ROUNDS = 3
"""The rounds without which a comparison says nothing."""
MOST_ROUNDS = 0.75  # of the rounds of a worse ratio are worse: neither one slow round nor one quick round decides
_READABLE = 0o644
_OF_THE_CLIENT = "client_cpu_per_call"  # the same program calls both


@dataclass(frozen=True)
class Ratio:
    """A figure over its base in each round of one run, with the medians of both in their unit."""

    figure: str
    against: str
    unit: str
    base: float
    measured: float
    rounds: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        """Over the rounds."""
        return Spread.of(self.rounds)

    @property
    def is_better_with_more(self) -> bool:
        """Whether a greater ratio is the better one."""
        return self.unit == PER_SECOND


Ratios = Mapping[str, Ratio]
"""Ratios by their names."""


@dataclass(frozen=True)
class Run:
    """A recorded run."""

    commit: str
    date: str
    """As ISO 8601 writes it."""
    machine: Machine
    python: str
    grpcio: str
    others_before: float
    """The processors that other programs kept busy before the run."""
    ratios: Ratios


@dataclass(frozen=True)
class Worse:
    """A ratio that has become worse."""

    name: str
    before: Ratio
    now: Ratio

    def __str__(self) -> str:
        """Names it, with both medians, for people."""
        return f"{self.name}: {self.now.spread.median:.3f}, was {self.before.spread.median:.3f}"


def level_ratios(levels: Sequence[Level], name: str, measured: str, against: str) -> Ratios:
    """The ratios of loads with so many callers, but not those of the load client's own processor time."""
    return {
        f"{name}/{level.callers}/{figure.name}": Ratio(
            figure=f"{measured}, {level.callers} {'caller' if level.callers == 1 else 'callers'}: {figure.label}",
            against=against,
            unit=figure.unit,
            base=figure.of([each.base for each in level.rounds]).median,
            measured=figure.of([each.measured for each in level.rounds]).median,
            rounds=figure.ratios(level.rounds),
        )
        for level in levels
        for figure in FIGURES
        if figure.name != _OF_THE_CLIENT
    }


def business_ratios(comparisons: Sequence[Comparison]) -> Ratios:
    """The ratios of the rest of the business."""
    return {
        each.name: Ratio(
            figure=f"{each.figure.removesuffix(f', {each.unit}')}: {each.measured}",
            against=each.base,
            unit=each.unit,
            base=each.of_base.median,
            measured=each.of_measured.median,
            rounds=each.ratios,
        )
        for each in comparisons
    }


def worse(before: Ratios, now: Ratios, by: float = WORSE_BY) -> list[Worse]:
    """The ratios of both that have become worse, in the order of the later ones.

    A ratio is worse where it is so in most rounds, and in the median round by more than `by` of the former.
    """
    both = [Worse(name, before[name], ratio) for name, ratio in now.items() if name in before]
    return [each for each in both if _is_worse(each.before, each.now, by)]


def quotients(before: Ratio, now: Ratio) -> list[float]:
    """A ratio over the former, round by round: both halves of a quotient saw the same machine where both ran in turns.

    The rounds of a recorded run and of a later one are pairs by chance.
    """
    return [present / former for former, present in zip(before.rounds, now.rounds, strict=False)]


def _is_worse(before: Ratio, now: Ratio, by: float) -> bool:
    losses = [1 - each if now.is_better_with_more else each - 1 for each in quotients(before, now)]
    if len(losses) < LEAST_ROUNDS:
        return False
    return median(losses) > by and sum(each > 0 for each in losses) >= MOST_ROUNDS * len(losses)


def newest(runs: Sequence[Run], machine: Machine) -> Run | None:
    """The last run of the same machine; None without one."""
    return next((each for each in reversed(runs) if each.machine == machine), None)


def read(path: Path = HISTORY) -> list[Run]:
    """The recorded runs, oldest first; none without the file."""
    if not path.exists():
        return []
    return [_run(json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def append(run: Run, path: Path = HISTORY) -> None:
    """Adds a run at the end of the file. Raises OSError, and keeps the file as it was then."""
    former = path.read_bytes() if path.exists() else b""
    replace_file(path, former + (json.dumps(_plain(asdict(run)), ensure_ascii=False) + "\n").encode(), _READABLE)


def _plain(value: object) -> object:
    """The value for JSON, its figures with five digits."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _run(line: dict[str, Any]) -> Run:
    machine = Machine(**line.pop("machine"))
    ratios = {name: Ratio(rounds=tuple(each.pop("rounds")), **each) for name, each in line.pop("ratios").items()}
    return Run(machine=machine, ratios=ratios, **line)
