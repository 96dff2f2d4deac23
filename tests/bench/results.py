"""The results of a run so far, and its file: written anew after each part, so that a later failure loses nothing."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.process.files import replace_file
from tests.bench.history import Ratios, business_ratios, level_ratios
from tests.bench.machine import machine_of
from tests.bench.report import Comparison, Level, Report, report
from tests.bench.suspension import Suspension

CHAIN, ORDERS, SQLITE = "chain", "orders", "SQLite"
_READABLE = 0o644


@dataclass(frozen=True)
class EngineResult:
    """How one shape compares with the baseline."""

    name: str
    levels: Sequence[Level]


def circumstances(directory: Path, others: float, **measured: object) -> Report:
    """The machine of a run with databases below a directory, and so many processors busy before; `measured` beside."""
    return {**measured, "others_processors_before": round(others, 2), "machine": asdict(machine_of(directory))}


def write_report(output: Path, content: Report) -> None:
    """Puts a report as JSON in place of the one before. Raises OSError."""
    output.parent.mkdir(parents=True, exist_ok=True)
    replace_file(output, (json.dumps(content, indent=2) + "\n").encode(), _READABLE)


class Results:
    """The parts of one run. Each `add` puts the whole file in place of the one before; raises OSError."""

    def __init__(self, output: Path, conditions: Report) -> None:
        self._output = output
        self._conditions = conditions
        self.levels: list[Level] = []
        self.engines: list[EngineResult] = []
        self.suspensions: list[Suspension] = []
        self.business: list[Comparison] = []

    def add_level(self, level: Level) -> None:
        """Orders against the bare chain."""
        self.levels.append(level)
        self._write(complete=False)

    def add_engine(self, result: EngineResult) -> None:
        """Orders on another engine."""
        self.engines.append(result)
        self._write(complete=False)

    def add_suspensions(self, suspensions: Sequence[Suspension]) -> None:
        """Suspensions under load."""
        self.suspensions.extend(suspensions)
        self._write(complete=False)

    def add_business(self, comparison: Comparison) -> None:
        """Adds a figure of the rest of the business."""
        self.business.append(comparison)
        self._write(complete=False)

    def finish(self) -> None:
        """The run has measured all that it was to measure."""
        self._write(complete=True)

    @property
    def is_empty(self) -> bool:
        """Whether no part has been measured."""
        return not (self.levels or self.engines or self.suspensions or self.business)

    @property
    def ratios(self) -> Ratios:
        """All ratios measured so far."""
        found = dict(level_ratios(self.levels, ORDERS, ORDERS, CHAIN))
        for each in self.engines:
            found |= level_ratios(each.levels, each.name, f"orders on {each.name}", SQLITE)
        return {**found, **business_ratios(self.business)}

    def _write(self, *, complete: bool) -> None:
        content = {
            **report(self.levels, CHAIN, ORDERS),
            "engines": {each.name: report(each.levels, SQLITE, each.name) for each in self.engines},
            "suspensions": [each.plain() for each in self.suspensions],
            "business": {each.name: each.plain() for each in self.business},
            "conditions": self._conditions,
            "complete": complete,
        }
        write_report(self._output, content)
