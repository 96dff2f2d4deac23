"""Many seeds, over several processes, and what they come to together."""

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.simulation.faults import KINDS
from tests.simulation.federation import Report, simulate

_CHUNK = 10  # seeds that a process runs before it tells


@dataclass
class Summary:
    """The results of many runs. Of successful ones only the counts are kept."""

    seeds: int = 0
    failed: list[Report] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    cpu_seconds: float = 0.0

    def take_in(self, reports: Sequence[Report]) -> None:
        """Adds runs."""
        for report in reports:
            self.seeds += 1
            self.counts.update(report.counts)
            self.cpu_seconds += report.cpu_seconds
            if report.violations:
                self.failed.append(report)

    @property
    def never_happened(self) -> list[str]:
        """The kinds of fault that no run had: the runs prove nothing about them."""
        return [kind for kind in KINDS if not self.counts[kind]]

    def lines(self) -> Iterator[str]:
        """The summary for people."""
        yield f"{self.seeds} seeds, {self.cpu_seconds / max(self.seeds, 1):.3f} s of processor time each"
        for kind in sorted(self.counts.keys() | set(KINDS)):
            yield f"  {self.counts[kind]:>9,}  {kind}"
        if self.never_happened:
            yield f"INVALID: it never happened that {', '.join(self.never_happened)}; run more seeds"
        if self.failed:
            yield f"FAILED: seeds {', '.join(str(report.seed) for report in self.failed)}"


def run_seeds(seeds: range, jobs: int, told: Callable[[Summary], None]) -> Summary:
    """Runs seeds, in `jobs` processes; reports the progress after every few."""
    chunks = [seeds[index : index + _CHUNK] for index in range(0, len(seeds), _CHUNK)]
    summary = Summary()
    if jobs == 1:
        for chunk in chunks:
            summary.take_in(_run(chunk))
            told(summary)
        return summary
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for reports in pool.map(_run, chunks):
            summary.take_in(reports)
            told(summary)
    return summary


def _run(seeds: Sequence[int]) -> list[Report]:
    return [report if report.violations else report.without_events() for report in map(simulate, seeds)]
