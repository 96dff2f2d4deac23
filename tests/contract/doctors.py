"""The doctors of a node and of a coordinator, and a coordinator that they look at."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from click.testing import CliRunner, Result

import coordinator.cli.main
import region_node.cli.main
from coordinator.app import start as start_coordinator
from coordinator.settings import CoordinatorSettings
from deploy.local.federation import FEDERATION, LocalFederation
from gateway.api.coordinator.v1.administration_pb2 import ApplyConfigurationRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.federation.anchors import load_anchor
from gateway.rpc.channels import Dialer
from gateway.security.authority import Authority, CertificateSet
from gateway.security.identity import Identity, server_name
from gateway.security.tls import Credentials
from gateway.time.clock import SystemClock
from tests.shipped import shipped_configuration

REGION = "sichuan"
DAY = timedelta(days=1)
PATIENCE_S = 60.0


class Doctor:
    """A federation whose coordinator and node of one region run, and the doctors of both."""

    def __init__(self, federation: LocalFederation) -> None:
        self.federation = federation
        self.authority = Authority.load(federation.directory / "authority")

    @property
    def coordinator_endpoint(self) -> str:
        return self.federation.coordinator_endpoint

    def region(self, *words: str, **changed: str) -> Result:
        """The doctor of the node; of changed settings, dots in keys are written as two underscores."""
        return self._run(region_node.cli.main.main, REGION, words, changed)

    def coordinator(self, *words: str, **changed: str) -> Result:
        """The doctor of the coordinator."""
        return self._run(coordinator.cli.main.main, "coordinator", words, changed)

    def issue(self, directory: Path, region: str = REGION, *, by: Authority | None = None) -> CertificateSet:
        """Certificates of a region for thirty days, in files."""
        identity = Identity(FEDERATION, Role.ROLE_REGION, region, "")
        now = datetime.now(UTC)
        issued = (by or self.authority).issue(identity, now - timedelta(minutes=5), now + 30 * DAY)
        issued.write(directory)
        return issued

    def _run(self, main: click.Command, name: str, words: tuple[str, ...], changed: Mapping[str, str]) -> Result:
        flags = [word for key, text in changed.items() for word in ("--set", f"{key.replace('__', '.')}={text}")]
        return CliRunner().invoke(
            main, ["doctor", "--settings", str(self.federation.settings_file(name)), *words, *flags]
        )


def checks(told: Result) -> Mapping[str, tuple[str, str, str]]:
    """State, finding and advice by the name of the check."""
    assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
    return {each["name"]: (each["state"], each["found"], each["todo"]) for each in json.loads(told.stdout)["checks"]}


class Shifted:
    """A clock that is wrong."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by

    def steady(self) -> float:
        return time.monotonic()


async def apply(doctor: Doctor, endpoint: str) -> None:
    """An administrator puts the shipped configuration in force."""
    files = doctor.federation.directory / "certificates" / "admin"
    dialer = Dialer(Credentials(files / "authority.crt", files / "tls.crt", files / "tls.key"), SystemClock())
    async with dialer.dial(endpoint, server_name(Role.ROLE_COORDINATOR, "", FEDERATION)) as channel:
        administrator = doctor.federation.administrator
        anchor = load_anchor(administrator.anchor, FEDERATION)
        request = ApplyConfigurationRequest(signed=administrator.signed(anchor, shipped_configuration()))
        await ConfigurationServiceStub(channel).ApplyConfiguration(request, timeout=PATIENCE_S)


@contextmanager
def coordinator_with(doctor: Doctor, clock: Shifted, data: Path, *, configured: bool = True) -> Iterator[str]:
    """The endpoint of a second coordinator whose clock is this one, in a thread of its own."""
    files = doctor.federation.directory / "certificates" / "coordinator"
    credentials = Credentials(files / "authority.crt", files / "tls.crt", files / "tls.key")
    anchor = doctor.federation.administrator.anchor
    settings = CoordinatorSettings(FEDERATION, "127.0.0.1:0", data, credentials, federation_anchor=anchor)
    ports: list[int] = []
    started, ending = threading.Event(), threading.Event()

    async def serve() -> None:
        running = await start_coordinator(settings, clock)
        ports.append(running.port)
        try:
            if configured:
                await apply(doctor, f"127.0.0.1:{running.port}")
            started.set()
            await asyncio.to_thread(ending.wait)
        finally:
            await running.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(PATIENCE_S)
        yield f"127.0.0.1:{ports[0]}"
    finally:
        ending.set()
        thread.join()
