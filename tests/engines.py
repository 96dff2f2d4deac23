"""Real servers for tests: etcd clusters and a PostgreSQL server for each worker, started at first use.

A missing server is installed if permitted. Else its tests are skipped, with a line in the summary; with CI=true they
fail.
"""

import functools
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local import etcd, patroni, postgresql
from deploy.local.etcd import LocalEtcd
from deploy.local.postgresql import LocalPostgresql
from tests.faults import primary

_INSTALLER = Path(__file__).parents[1] / "deploy" / "build" / "services.sh"
_MISSING = "a server is missing"


@dataclass(frozen=True)
class Engine:
    """A server that tests need: its name for the installer, its Debian packages, and how to see whether it is there."""

    name: str
    package: str
    is_installed: Callable[[], bool]


ETCD = Engine("etcd", etcd.PACKAGE, lambda: etcd.program() is not None)
POSTGRESQL = Engine("postgresql", postgresql.PACKAGE, lambda: postgresql.programs() is not None)
PATRONI = Engine("patroni", patroni.PACKAGES, lambda: patroni.program() is not None)
_NEEDED_BY = {"etcd_cluster": ETCD, "postgresql_server": POSTGRESQL}


def require_engine(engine: Engine) -> None:
    """Returns if a server is installed, now if not before. Else skips the test, or fails it with CI=true."""
    if engine.is_installed():
        return
    said = _install(engine)
    if engine.is_installed():
        return
    reason = f"{_MISSING}: {engine.name} (install the package {engine.package}). {said}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@functools.cache
def _install(engine: Engine) -> str:
    """Tries it, once for each worker, and returns what there is to say about it."""
    command = ["sh", str(_INSTALLER), engine.name]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()


@pytest.fixture(scope="session")
def etcd_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEtcd]:
    """A cluster of three members that tests share. Tests use their own keys, and leave all members healthy."""
    require_engine(ETCD)
    cluster = LocalEtcd(tmp_path_factory.mktemp("etcd"))
    try:
        cluster.prepare()
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgresql]:
    """A server that tests share. Tests make their own databases, and leave it running."""
    require_engine(POSTGRESQL)
    server = LocalPostgresql(tmp_path_factory.mktemp("postgresql"))
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def patroni_etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEtcd]:
    """An etcd of one member for clusters that Patroni leads, each of the test's own."""
    for engine in (ETCD, POSTGRESQL, PATRONI):
        require_engine(engine)
    with primary.patroni_etcd(tmp_path_factory.mktemp("patroni-etcd")) as etcd_of_patroni:
        yield etcd_of_patroni


@pytest.fixture
def postgresql_database(postgresql_server: LocalPostgresql) -> str:
    """The name of an empty database for this test alone. It goes with its server: dropping it takes a checkpoint."""
    name = f"test_{uuid4().hex}"
    postgresql_server.create_database(name)
    return name


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Installs what the chosen tests need and lack, before the time of any test runs."""
    fixtures = {name for item in items if isinstance(item, pytest.Function) for name in item.fixturenames}
    for fixture, engine in _NEEDED_BY.items():
        if fixture in fixtures and not engine.is_installed():
            _install(engine)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how much was left out for want of a server."""
    reasons = [_reason(report) for report in terminalreporter.stats.get("skipped", [])]
    missing = [reason for reason in reasons if _MISSING in reason]
    if missing:
        terminalreporter.section("NOT TESTED", red=True, bold=True)
        terminalreporter.line(f"{len(missing)} tests were skipped for want of a server:", red=True)
        for reason in sorted(set(missing)):
            terminalreporter.line(reason, red=True)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
