"""Coordinators as processes of their own: what kills and freezes them is real."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coordinator.registry.etcd.settings import EtcdSettings
from gateway.tls import Credentials
from tests.contract.small_federation import FEDERATION, Certificates

# Long enough for a cold start on a busy machine; reached only where a test fails.
PATIENCE_S = 30.0


@dataclass(frozen=True)
class CoordinatorProcess:
    """A coordinator that serves."""

    process: "subprocess.Popen[bytes]"
    endpoint: str

    def freeze(self) -> None:
        """Stops it in the middle of whatever it does; its kernel goes on acknowledging."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on as if nothing had been."""
        os.kill(self.process.pid, signal.SIGCONT)


@contextmanager
def coordinator_process(
    certificates: Certificates,
    directory: Path,
    *,
    number: int = 0,
    listen: str = "127.0.0.1:0",
    etcd: EtcdSettings | None = None,
    lease: float = 10.0,
) -> Iterator[CoordinatorProcess]:
    """Starts one in a directory of its own, and kills it at the end; with `etcd` one of several."""
    directory.mkdir(exist_ok=True)
    credentials = certificates.credentials(f"coordinator/{number}")
    settings, port, errors = directory / "coordinator.toml", directory / "port", directory / "errors"
    settings.write_text(
        f'federation = "{FEDERATION}"\nlisten = "{listen}"\ndata = "data"\nport_file = "port"\nnumber = {number}\n'
        f"lease = {lease}\nheartbeat_interval = {lease / 4}\n"
        + _table("credentials", credentials)
        + (_etcd_tables(etcd) if etcd is not None else "")
    )
    port.unlink(missing_ok=True)
    with errors.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "coordinator.cli.main", "serve", "--settings", str(settings)], stderr=log
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not port.exists():
            assert process.poll() is None, errors.read_text()
            assert time.monotonic() < deadline, "the coordinator does not serve"
            time.sleep(0.01)
        yield CoordinatorProcess(process, f"127.0.0.1:{int(port.read_text())}")
    finally:
        process.kill()
        process.wait()


def _table(name: str, credentials: Credentials) -> str:
    return (
        f'[{name}]\nauthority = "{credentials.authority}"\ncertificate = "{credentials.certificate}"\n'
        f'key = "{credentials.key}"\n'
    )


def _etcd_tables(etcd: EtcdSettings) -> str:
    endpoints = ", ".join(f'"{endpoint}"' for endpoint in etcd.endpoints)
    return f"[etcd]\nendpoints = [{endpoints}]\n" + _table("etcd.credentials", etcd.credentials)
