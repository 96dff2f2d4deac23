"""The durations of tests: recorded on request, so that the workers get the longest files first.

A line of the record is seconds and a name: of a file with all its tests and what they start, or of a test that takes a
second or more by itself.
"""

from collections import defaultdict
from pathlib import Path

import pytest

RECORD = Path(__file__).with_name("durations.tsv")
_LEAST = 1.0  # seconds from which a test has a line of its own
_ENGINES = ("databases", "running_scene")
_OPTION = "--record-durations"


def recorded() -> dict[str, float]:
    """Seconds by the name of a file or a test; empty where nothing was recorded."""
    lines = RECORD.read_text("utf-8").splitlines() if RECORD.exists() else []
    return {name: float(seconds) for seconds, name in (line.split("\t") for line in lines)}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that records."""
    parser.addoption(_OPTION, action="store_true", help=f"write how long tests take into {RECORD.name}")


def pytest_configure(config: pytest.Config) -> None:
    """Records on request, in the process that collects all tests."""
    if config.getoption(_OPTION) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Recording())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a file with one engine go to one worker, which then starts their federation once.

    Folders and files that take the longest come first, so that no worker ends with a long one alone.
    """
    seconds = recorded()
    folders: defaultdict[tuple[str, str], float] = defaultdict(float)
    for item in items:
        item.add_marker(pytest.mark.xdist_group("/".join(_group(item))))
    for item in {_group(item): item for item in items}.values():
        folders[_folder(item)] += seconds.get(_file_of(item.nodeid), 0.0)
    items.sort(key=lambda item: (-folders[_folder(item)], -seconds.get(_file_of(item.nodeid), 0.0), _group(item)))


class _Recording:
    """Of one run. The lines of files that it does not run stay as they are."""

    def __init__(self) -> None:
        self._files: defaultdict[str, float] = defaultdict(float)
        self._tests: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Adds one phase of one test."""
        name = report.nodeid
        if name.rfind("@") > name.rfind("]"):  # xdist appends the group
            name = name.rpartition("@")[0]
        self._files[_file_of(name)] += report.duration
        if report.when == "call":
            self._tests[name] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Writes the record."""
        kept = {name: seconds for name, seconds in recorded().items() if _file_of(name) not in self._files}
        slow = {name: seconds for name, seconds in self._tests.items() if seconds >= _LEAST}
        found = sorted({**kept, **self._files, **slow}.items())
        RECORD.write_text("".join(f"{seconds:.1f}\t{name}\n" for name, seconds in found), "utf-8")


def _file_of(name: str) -> str:
    return name.partition("::")[0]


def _folder(item: pytest.Item) -> tuple[str, str]:
    """The group of tests that may share a federation: a folder with one engine."""
    called = getattr(item, "callspec", None)
    engine = next((called.params[name] for name in _ENGINES if name in called.params), "") if called else ""
    return item.path.parent.name, str(engine)


def _group(item: pytest.Item) -> tuple[str, ...]:
    return (*_folder(item), _file_of(item.nodeid))
