"""Many seeds, over several processes, and what they come to together."""

import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from tests.simulation import faults, losing, replicas
from tests.simulation.federation import Report, simulate


@dataclass(frozen=True)
class Kind:
    """A kind of run: what runs a seed, and what must have happened in a run of many seeds."""

    run: Callable[[int], Report]
    happens: Sequence[str]


RUNS: Mapping[str, Kind] = {
    "federation": Kind(simulate, faults.KINDS),
    "older-database": Kind(losing.lose, losing.PROVEN),
    "last-seconds": Kind(losing.lose_little, losing.PROVEN),
    "fail-over": Kind(losing.fail_over, losing.PROVEN),
    "coordinators": Kind(replicas.replicate, replicas.KINDS),
}


@dataclass
class Summary:
    """The results of many runs of a kind. Of successful ones only the counts are kept."""

    happens: Sequence[str] = faults.KINDS
    seeds: int = 0
    failed: list[Report] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    cpu_seconds: float = 0.0
    """Of processors, for all runs together."""
    seconds: float = 0.0
    """From the start of the first run to the end of the last."""

    def take_in(self, report: Report) -> None:
        """Adds a run."""
        self.seeds += 1
        self.counts.update(report.counts)
        self.cpu_seconds += report.cpu_seconds
        if report.violations:
            self.failed.append(report)

    @property
    def never_happened(self) -> list[str]:
        """What no run had: the runs prove nothing about it."""
        return [kind for kind in self.happens if not self.counts[kind]]

    def lines(self) -> Iterator[str]:
        """The summary for people."""
        a_minute = 60.0 * self.seeds / max(self.seconds, 1e-9)
        each = self.cpu_seconds / max(self.seeds, 1)
        yield f"{self.seeds} seeds, {a_minute:.0f} a minute, {each:.3f} s of processor time each"
        for kind in sorted(self.counts.keys() | set(self.happens)):
            yield f"  {self.counts[kind]:>9,}  {kind}"
        if self.never_happened:
            yield f"INVALID: it never happened that {', '.join(self.never_happened)}; run more seeds"
        if self.failed:
            yield f"FAILED: seeds {', '.join(str(report.seed) for report in self.failed)}"


def run_seeds(seeds: range, jobs: int, told: Callable[[Summary], None], kind: str = "federation") -> Summary:
    """Runs seeds of a kind, in `jobs` processes; reports the progress after each.

    A process that is done takes the next seed: none is idle while another has several left.
    """
    run, summary, begun = partial(_run, kind), Summary(RUNS[kind].happens), time.monotonic()

    def take_in(report: Report) -> None:
        summary.take_in(report)
        summary.seconds = time.monotonic() - begun
        told(summary)

    if jobs == 1:
        for seed in seeds:
            take_in(run(seed))
        return summary
    # Forked: each has all modules at once, and nothing runs beside this.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork"), initializer=_prepare) as pool:
        for report in pool.map(partial(_run_tidily, kind), seeds):
            take_in(report)
    return summary


def _prepare() -> None:
    """What a process has loaded is no garbage, and it looks for some between runs only."""
    gc.freeze()
    gc.disable()


def _run_tidily(kind: str, seed: int) -> Report:
    """As `_run`; what the run has left in cycles goes at its end."""
    report = _run(kind, seed)
    gc.collect(0)
    return report


def _run(kind: str, seed: int) -> Report:
    report = RUNS[kind].run(seed)
    return report if report.violations else report.without_events()
