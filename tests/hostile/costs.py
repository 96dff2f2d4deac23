"""What attacks cost honest callers and the server: the table of SECURITY.md, from what a run of the tests prints."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

_BEGIN, _END = "<!-- costs -->\n", "<!-- end -->\n"
_PART = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)
_TITLES = "| test | p99 of honest calls, in quiet ones | memory afterwards, in that before |\n|---|---|---|\n"
_TOLD = re.compile(r"^cost: ([\d.]+) ([\d.]+)$", re.MULTILINE)
_ROW = re.compile(r"^\| \[[^\]]+\]\((tests/[\w/]+\.py)\): `(\w+)` \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """Ratios within one run of one attack."""

    waited: float
    """The p99 of honest calls beside the attack, as a multiple of the quiet one."""
    memory: float
    """The memory of the server after the attack, as a multiple of that before."""

    def __str__(self) -> str:
        return f"cost: {self.waited:.1f} {self.memory:.2f}"

    def worst(self, other: "Cost") -> "Cost":
        """The higher ratio of each kind."""
        return Cost(max(self.waited, other.waited), max(self.memory, other.memory))


def told(text: str) -> list[Cost]:
    """The costs in what a test has printed."""
    return [Cost(float(waited), float(memory)) for waited, memory in _TOLD.findall(text)]


def shown(page: str) -> dict[tuple[str, str], Cost]:
    """The costs on a page, by the file and the name of the test."""
    return {(file, name): Cost(float(waited), float(memory)) for file, name, waited, memory in _ROW.findall(page)}


def with_costs(page: str, found: Mapping[tuple[str, str], Cost]) -> str:
    """The page with these costs in its table; the rows of other tests stay."""
    rows = "".join(
        f"| [{file.removeprefix('tests/')}]({file}): `{name}` | {cost.waited:.1f} | {cost.memory:.2f} |\n"
        for (file, name), cost in sorted({**shown(page), **found}.items())
    )
    return _PART.sub(lambda _: f"{_BEGIN}{_TITLES}{rows}{_END}", page)


class Costs:
    """A plugin of pytest: the worst cost of each test that passes, with whatever parameters."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Cost] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes what a test has printed."""
        if report.when != "call" or not report.passed:
            return
        file, _, name = report.nodeid.partition("::")
        key = file, name.partition("[")[0].partition("@")[0]
        for cost in told(report.capstdout):
            self.found[key] = cost.worst(self.found.get(key, cost))
