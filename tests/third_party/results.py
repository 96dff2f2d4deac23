"""What programs of others found at the Open APIs: the tables of docs/integrating.md, from a run of the tests."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Self

import pytest

from region_node.open_api.served import served_apis

PROPERTY = "third_party"
"""The property of a test that names one result. Its value is `str` of the result."""
_BEGIN, _END = "<!-- third party -->\n", "<!-- end -->\n"
_PART = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)
_CELL = re.compile(r"([\d,]+) cases, ([\d,]+) failed")
_UNTRIED = "not run"
_CALL_TITLES = "| request of `tmforum` | calls | answers |\n|---|---|---|\n"


@dataclass(frozen=True)
class Trial:
    """One way to try an API by Schemathesis."""

    source: str
    """Where the requests come from."""
    phases: str
    """The phases of Schemathesis, with commas between them."""

    @property
    def title(self) -> str:
        """The title of its column."""
        return f"{self.source}: " + ", ".join(f"`{each}`" for each in self.phases.split(","))


DESCRIBED = Trial("by the node's description", "coverage,fuzzing")
PRESENT = Trial("for resources that are there", "fuzzing")
FILED = Trial("by TM Forum's file", "coverage,fuzzing")
TRIALS = (DESCRIBED, PRESENT, FILED)


@dataclass(frozen=True)
class Tried:
    """The end of one run of Schemathesis: its requests, and those that failed a check or ended in an error."""

    root: str
    """The path of the API."""
    source: str
    """That of the trial."""
    cases: int
    failed: int

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def reported(cls, root: str, trial: Trial, report: str) -> Self:
        """The end by the JSON report of Schemathesis."""
        told = json.loads(report)["test_cases"]
        return cls(root, trial.source, told["generated"], told["with_failures"] + told["errored"])


@dataclass(frozen=True)
class Call:
    """A request of the client `tmforum`, and the status of its answer."""

    verb: str
    path: str
    """Below the host."""
    status: int

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @property
    def route(self) -> str:
        """Verb, API, version and resource. The id of a resource is left out."""
        api, version, resource, *ids = self.path.removeprefix("/tmf-api/").split("/", 3)
        return f"{self.verb} {api}/{version}/{resource}" + ("/{id}" if ids else "")


class Results:
    """A plugin of pytest: the results of all tests, also of those that fail."""

    def __init__(self) -> None:
        self.tried: list[Tried] = []
        self.calls: list[Call] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes the properties of a test."""
        if report.when != "call":
            return
        for told in (json.loads(str(value)) for name, value in report.user_properties if name == PROPERTY):
            if "cases" in told:
                self.tried.append(Tried(**told))
            else:
                self.calls.append(Call(**told))


def shown(page: str) -> dict[tuple[str, str], str]:
    """The cells on a page about Schemathesis that tell of a run, by the path of the API and the source."""
    rows = re.findall(r"^\| [^|]+ `(/tmf-api/[^`]+)` \| (.+) \|$", page, re.MULTILINE)
    return {
        (root, trial.source): cell
        for root, cells in rows
        for trial, cell in zip(TRIALS, cells.split(" | "), strict=True)
        if _CELL.fullmatch(cell)
    }


def shown_calls(page: str) -> str:
    """The rows on a page about the client `tmforum`."""
    return page.partition(_CALL_TITLES)[2].partition(_END)[0]


def with_results(page: str, tried: Iterable[Tried], calls: Iterable[Call]) -> str:
    """The page with these results in its tables. Cells of other runs stay, and without a call all calls do."""
    found = {(each.root, each.source): f"{each.cases:,} cases, {each.failed:,} failed" for each in tried}
    rows = _call_rows(calls) or shown_calls(page)
    tables = f"{_table({**shown(page), **found})}\n{_CALL_TITLES}{rows}"
    return _PART.sub(lambda _: f"{_BEGIN}{tables}{_END}", page)


def _table(cells: Mapping[tuple[str, str], str]) -> str:
    titles = " | ".join(trial.title for trial in TRIALS)
    lines = [f"| API | {titles} |", "|---" * (1 + len(TRIALS)) + "|"]
    for api in served_apis():
        told = " | ".join(cells.get((api.root, trial.source), _UNTRIED) for trial in TRIALS)
        lines.append(f"| {api.title} `{api.root}` | {told} |")
    return "".join(f"{line}\n" for line in lines)


def _call_rows(calls: Iterable[Call]) -> str:
    answers: dict[str, list[int]] = {}
    for each in calls:
        answers.setdefault(each.route, []).append(each.status)
    return "".join(
        f"| `{route}` | {len(statuses)} | {', '.join(map(str, sorted(set(statuses))))} |\n"
        for route, statuses in sorted(answers.items())
    )
