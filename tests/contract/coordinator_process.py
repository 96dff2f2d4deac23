"""Coordinators as processes of their own: what kills and freezes them is real."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coordinator.registry.etcd.settings import EtcdSettings
from deploy.local.process import Launcher, LocalProcess, Program
from gateway.security.tls import Credentials
from tests import preloaded
from tests.contract.small_federation import FEDERATION, Certificates

# Long enough for a cold start on a busy machine; reached only where a test fails.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class CoordinatorProcess:
    """A coordinator that serves."""

    process: LocalProcess
    endpoint: str

    def freeze(self) -> None:
        """Stops it in the middle of whatever it does; its kernel goes on acknowledging."""
        self.process.freeze()

    def thaw(self) -> None:
        """Lets it go on as if nothing had been."""
        self.process.thaw()


@contextmanager
def coordinator_process(
    certificates: Certificates,
    directory: Path,
    *,
    number: int = 0,
    listen: str = "127.0.0.1:0",
    etcd: EtcdSettings | None = None,
    lease: float = 10.0,
    extra: str = "",
    launcher: Launcher = preloaded.launch,
) -> Iterator[CoordinatorProcess]:
    """Starts one in a directory of its own, and kills it at the end; with `etcd` one of several."""
    directory.mkdir(exist_ok=True)
    credentials = certificates.credentials(f"coordinator/{number}")
    settings, port, errors = directory / "coordinator.toml", directory / "port", directory / "errors"
    settings.write_text(
        f'federation = "{FEDERATION}"\nlisten = "{listen}"\ndata = "data"\nport_file = "port"\nnumber = {number}\n'
        f"allow_unsigned_configuration = true\nlease = {lease}\nheartbeat_interval = {lease / 4}\n"
        + _table("credentials", credentials)
        + extra
        + (_etcd_tables(etcd) if etcd is not None else "")
    )
    program = Program("coordinator", "coordinator.cli.main", ("serve", "--settings", str(settings)), errors, port)
    process = LocalProcess(program, launcher)
    try:
        yield CoordinatorProcess(process, f"127.0.0.1:{process.start()}")
    finally:
        process.kill()


def _table(name: str, credentials: Credentials) -> str:
    return (
        f'[{name}]\nauthority = "{credentials.authority}"\ncertificate = "{credentials.certificate}"\n'
        f'key = "{credentials.key}"\n'
    )


def _etcd_tables(etcd: EtcdSettings) -> str:
    endpoints = ", ".join(f'"{endpoint}"' for endpoint in etcd.endpoints)
    return f"[etcd]\nendpoints = [{endpoints}]\n" + _table("etcd.credentials", etcd.credentials)
