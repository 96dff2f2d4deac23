"""The fixtures of the federation's tests. A test here is a coroutine; all of a worker share one event loop."""

import asyncio
import inspect
from collections.abc import Iterator

import pytest
import uvloop

from tests.both_engines import runs_on_both
from tests.federation.counter import Counter, Reviewer
from tests.federation.databases import Databases
from tests.federation.running import Federation


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    """The event loop on which members and tests run."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    runner = pyfuncitem.funcargs["runner"]
    assert isinstance(runner, asyncio.Runner)
    names = inspect.signature(pyfuncitem.obj).parameters
    runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(autouse=True)
def _on_the_loop(runner: asyncio.Runner) -> None:
    """Every test has the loop at hand."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs tests that have databases on each engine, or on the one that is enough."""
    if "databases" in metafunc.fixturenames:
        engines = ["sqlite", "postgresql"]
        if metafunc.definition.get_closest_marker("files"):
            engines = ["sqlite"]
        elif metafunc.definition.get_closest_marker("several_processes"):
            engines = ["postgresql"]
        elif not runs_on_both(metafunc.definition.path):
            engines = ["sqlite"]
        metafunc.parametrize("databases", engines, indirect=True, scope="session")


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Databases:
    """Where members keep what they know: files of their own, or a PostgreSQL server, with which they are removed."""
    engine: str = request.param
    return Databases(request.getfixturevalue("postgresql_server") if engine == "postgresql" else None)


@pytest.fixture(scope="module")
def federation(
    runner: asyncio.Runner, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Federation]:
    """A federation that the tests of a file share. They bring their own customers and leave its members as they were.

    Other files have one of their own: what was set going there, by months that passed, would go on here.
    """
    federation = Federation(tmp_path_factory.mktemp("federation"), databases)
    runner.run(federation.start())
    yield federation
    runner.run(federation.stop())
    federation.give_back_databases()


@pytest.fixture
def guangdong(federation: Federation) -> Counter:
    """The counter in Guangdong: where the customers of the stories stand."""
    return Counter(federation, "guangdong")


@pytest.fixture
def sichuan(federation: Federation) -> Counter:
    """The counter in Sichuan: where most customers of the stories are at home."""
    return Counter(federation, "sichuan")


@pytest.fixture
def reviewer(federation: Federation) -> Reviewer:
    """A member of Sichuan's staff."""
    return Reviewer(federation, "sichuan")
