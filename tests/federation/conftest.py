"""The fixtures of the federation's tests. A test here is a coroutine; all of a worker share one event loop."""

import asyncio
import functools
import inspect
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import pytest
import uvloop

from coordinator.auditing import service as chain_verdicts
from gateway.relay import lanes
from gateway.relay.retry import FullJitter
from gateway.store import scheduler
from region_node.business.billing import runs
from region_node.business.providers import worker
from region_node.node.membership import client, heartbeat, watch
from region_node.node.witnessing import notifier
from tests import preloaded
from tests.both_engines import runs_on_both
from tests.federation.counter import Counter, Reviewer
from tests.federation.databases import Databases
from tests.federation.running import Federation
from tests.federation.shared import shares_federation
from tests.federation.token_provider import TokenProvider, token_provider

SOON = 0.1  # seconds
ROOM = 2**31  # bytes free in memory, of which databases of all workers take a tenth


@pytest.fixture(scope="session")
def fast_disk() -> Path | None:
    """The file system in memory, where there is one with room.

    No test here takes the power away: what a commit waits for on a disk shows nothing.
    """
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM else None


@pytest.fixture
def tmp_path(fast_disk: Path | None) -> Iterator[Path]:
    """A directory that a test has for itself, and that goes with it."""
    with TemporaryDirectory(prefix="crossregion-", dir=fast_disk, ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package", autouse=True)
def _programs_begin() -> None:
    """Imports the modules of commands beside the start of the federation, and not within the first test of one."""
    preloaded.begin()


@pytest.fixture(scope="package", autouse=True)
def _all_is_noticed_soon() -> Iterator[None]:
    """Shortens all waits: tests move the clock, and absent processes are found soon."""
    quick = functools.partial(FullJitter, longest=4 * SOON)
    with pytest.MonkeyPatch.context() as patch:
        for module in (lanes, heartbeat, watch):
            patch.setattr(module, "FullJitter", quick)
        patch.setattr(scheduler, "LONGEST_SLEEP", SOON)
        patch.setattr(runs, "LOOK_AGAIN", SOON)
        patch.setattr(notifier, "LOOK_AGAIN", SOON)
        patch.setattr(worker, "LONGEST_SLEEP", SOON)
        # All are in this process: a node that starts on a busy machine hears what it has lost, and is heard.
        patch.setattr(client, "HEAD_SECONDS", 100 * SOON)
        patch.setattr(chain_verdicts, "ANSWER_SECONDS", 300 * SOON)
        yield


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
        metafunc.parametrize("databases", engines, indirect=True, scope="package")


@pytest.fixture(scope="package")
def databases(request: pytest.FixtureRequest) -> Databases:
    """The databases of members: files of their own, or a PostgreSQL server, with which they are removed."""
    engine: str = request.param
    return Databases(request.getfixturevalue("postgresql_server") if engine == "postgresql" else None)


@pytest.fixture(scope="package")
def shared_federation(
    runner: asyncio.Runner, databases: Databases, fast_disk: Path | None, shared_provider: TokenProvider
) -> Iterator[Federation]:
    """The federation of a worker and engine for all files that share it.

    It ends when the worker leaves the folder: nobody runs its event loop while the tests of another folder run theirs.
    """
    yield from _started(runner, databases, fast_disk, ("coordinator", "guangdong"), {"sichuan": shared_provider})


@pytest.fixture(scope="package")
def shared_provider(fast_disk: Path | None) -> Iterator[TokenProvider]:
    """The identity provider by which people and systems come to Sichuan without a certificate."""
    with TemporaryDirectory(prefix="crossregion-", dir=fast_disk) as name, token_provider(Path(name)) as provider:
        yield provider


@pytest.fixture
def provider(shared_provider: TokenProvider) -> Iterator[TokenProvider]:
    """The same, which does nothing wrong after the test."""
    yield shared_provider
    shared_provider.behave()


@pytest.fixture(scope="module")
def federation(
    request: pytest.FixtureRequest, runner: asyncio.Runner, databases: Databases, fast_disk: Path | None
) -> Iterator[Federation]:
    """A federation that the tests of a file share. They bring their own customers and leave its members unchanged.

    Files in which months pass, members stop or the configuration changes have one of their own.
    """
    if shares_federation(request.path):
        shared = request.getfixturevalue("shared_federation")
        assert isinstance(shared, Federation)
        yield shared
    else:
        yield from _started(runner, databases, fast_disk)


def _started(
    runner: asyncio.Runner,
    databases: Databases,
    disk: Path | None,
    web: Sequence[str] = (),
    providers: Mapping[str, TokenProvider] = MappingProxyType({}),
) -> Iterator[Federation]:
    """A federation, in which the members `web` serve HTTPS, too, and regions with a provider without certificates."""
    with TemporaryDirectory(prefix="crossregion-", dir=disk) as name:
        federation = Federation(Path(name), databases)
        federation.open_web(*web)
        for region, provider in providers.items():
            federation.open_web(region)
            federation.web[region] = replace(federation.web[region], oidc=provider.console, oauth=provider.systems)
        try:
            runner.run(federation.start())
            yield federation
        finally:
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
