"""A federation on one machine: certificates, settings, processes, and clients for all who use it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc

from deploy.local.process import LocalProcess, Program
from gateway.api.coordinator.v1.administration_pb2 import (
    ApplyConfigurationRequest,
    GetConfigurationRequest,
    ListRegionsRequest,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub, MembershipServiceStub
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.types.v1.access_pb2 import Role
from gateway.authority import Authority
from gateway.channels import Dialer
from gateway.clock import SystemClock
from gateway.federation.files import load
from gateway.identity import Identity, server_name
from gateway.tls import Credentials

FEDERATION_FILES = Path(__file__).parents[1] / "federation"
FEDERATION = "crossregion.example"  # as in the shipped files
OPERATOR = "counter"
_VALID = timedelta(days=30)
_SECONDS = 10.0


class LocalFederation:
    """One coordinator and a node per region, in one directory that holds everything they need."""

    def __init__(self, directory: Path, regions: Sequence[str]) -> None:
        self.directory = directory
        self.regions = tuple(regions)
        self.coordinator_port = 0
        self.processes: dict[str, LocalProcess] = {}
        self.coordinator_endpoints: dict[str, str] = {}
        """Where a region reaches the coordinator, by region, if not directly."""
        self.advertised: dict[str, str] = {}
        """Where the coordinator reaches a region's node, by region, if not directly."""
        self._ports: dict[str, int] = {}

    @property
    def coordinator_endpoint(self) -> str:
        """Where the coordinator serves."""
        return f"127.0.0.1:{self.coordinator_port}"

    def endpoint(self, region: str) -> str:
        """Where a region's node serves."""
        return f"127.0.0.1:{self._ports[region]}"

    def prepare(self) -> None:
        """Makes the authority, every certificate and every settings file."""
        for name in ("certificates", "settings", "data", "logs"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        authority = Authority.create(FEDERATION, now - timedelta(minutes=10), now + _VALID + timedelta(days=1))
        authority.save(self.directory / "authority")
        self.issue(authority, Identity(FEDERATION, Role.ROLE_COORDINATOR, "", "0"), "coordinator")
        self.issue(authority, Identity(FEDERATION, Role.ROLE_ADMIN, "", "root"), "admin")
        for region in self.regions:
            self.issue(authority, Identity(FEDERATION, Role.ROLE_REGION, region, ""), region)
            self.issue(authority, Identity(FEDERATION, Role.ROLE_OPERATOR, region, OPERATOR), f"{region}-{OPERATOR}")

    def issue(self, authority: Authority, identity: Identity, name: str) -> Path:
        """Issues a certificate into the directory `certificates/<name>`."""
        now = datetime.now(UTC)
        directory = self.directory / "certificates" / name
        authority.issue(identity, now - timedelta(minutes=5), now + _VALID).write(directory)
        return directory

    def issue_staff(self, region: str, name: str) -> Path:
        """Issues a certificate for a member of a region's staff."""
        authority = Authority.load(self.directory / "authority")
        return self.issue(authority, Identity(FEDERATION, Role.ROLE_STAFF, region, name), f"{region}-{name}")

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Starts everything, applies the shipped configuration, and returns when all regions have joined."""
        self.start_coordinator(environment)
        asyncio.run(self.apply_configuration(FEDERATION_FILES))
        for region in self.regions:
            self.launch_region(region, environment)
        for region in self.regions:
            self.await_region(region)
        asyncio.run(self.wait_joined(self.regions))

    def start_coordinator(self, environment: Mapping[str, str] | None = None) -> None:
        """Starts the coordinator; again on the same port after the first time."""
        settings = self._write_coordinator_settings()
        process = self._process("coordinator", "coordinator.cli.main", settings)
        self.coordinator_port = process.start(environment)

    def start_region(self, region: str, environment: Mapping[str, str] | None = None) -> None:
        """Starts a region's node; again on the same port after the first time."""
        self.launch_region(region, environment)
        self.await_region(region)

    def launch_region(self, region: str, environment: Mapping[str, str] | None = None) -> None:
        """Starts a region's node without waiting."""
        settings = self._write_region_settings(region)
        self._process(region, "region_node.cli.main", settings).launch(environment)

    def await_region(self, region: str) -> None:
        """Waits until a launched node serves."""
        self._ports[region] = self.processes[region].await_port()

    def stop(self) -> None:
        """Stops every process: the nodes, all at the same time, and then the coordinator. Raises ProcessFailed."""
        nodes = [process for name, process in self.processes.items() if name != "coordinator"]
        for node in nodes:
            node.tell_to_stop()
        for node in nodes:
            node.wait_for_end()
        if "coordinator" in self.processes:
            self.processes["coordinator"].stop()

    def kill(self) -> None:
        """Ends every process at once."""
        for process in self.processes.values():
            process.kill()

    def dial_region(self, region: str, certificate: str) -> grpc.aio.Channel:
        """A channel to a region's node with the certificate `certificates/<certificate>`."""
        return self._dialer(certificate).dial(self.endpoint(region), server_name(Role.ROLE_REGION, region, FEDERATION))

    def dial_coordinator(self, certificate: str = "admin") -> grpc.aio.Channel:
        """A channel to the coordinator."""
        return self._dialer(certificate).dial(
            self.coordinator_endpoint, server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
        )

    async def apply_configuration(self, directory: Path) -> int:
        """Applies the files of a directory; returns the revision."""
        async with self.dial_coordinator() as channel:
            service = ConfigurationServiceStub(channel)
            current = await service.GetConfiguration(GetConfigurationRequest(), timeout=_SECONDS)
            request = ApplyConfigurationRequest(
                configuration=load(directory), expected_revision=current.federation_revision
            )
            return (await service.ApplyConfiguration(request, timeout=_SECONDS)).federation_revision

    async def wait_joined(self, regions: Sequence[str]) -> None:
        """Returns when the coordinator lists regions as joined. Raises TimeoutError."""
        async with self.dial_coordinator() as channel, asyncio.timeout(30):
            service = MembershipServiceStub(channel)
            while True:
                listed = await service.ListRegions(ListRegionsRequest(), timeout=_SECONDS)
                joined = {each.region for each in listed.members if each.state == MemberState.MEMBER_STATE_JOINED}
                if joined >= set(regions):
                    return
                await asyncio.sleep(0.05)

    def settings_file(self, name: str) -> Path:
        """The settings of a region's node, or of the `coordinator`."""
        return self.directory / "settings" / f"{name}.toml"

    def _dialer(self, certificate: str) -> Dialer:
        directory = self.directory / "certificates" / certificate
        return Dialer(_credentials(directory), SystemClock())

    def _process(self, name: str, module: str, settings: Path) -> LocalProcess:
        process = self.processes.get(name)
        if process is None:
            program = Program(
                name=name,
                module=module,
                arguments=("serve", "--settings", str(settings)),
                log=self.directory / "logs" / f"{name}.log",
                port_file=self.directory / "data" / f"{name}.port",
            )
            process = self.processes[name] = LocalProcess(program)
        return process

    def _write_coordinator_settings(self) -> Path:
        return self._write_settings(
            "coordinator",
            f'federation = "{FEDERATION}"\nlisten = "127.0.0.1:{self.coordinator_port}"\n'
            "heartbeat_interval = 0.5\nlease = 3.0\n",
        )

    def _write_region_settings(self, region: str) -> Path:
        certificates = f"../certificates/{region}"
        coordinator = self.coordinator_endpoints.get(region, self.coordinator_endpoint)
        return self._write_settings(
            region,
            f'federation = "{FEDERATION}"\nregion = "{region}"\n'
            f'listen = "127.0.0.1:{self._ports.get(region, 0)}"\nadvertise = "{self.advertised.get(region, "")}"\n'
            f'coordinators = ["{coordinator}"]\n',
            f'[signing]\ncertificate = "{certificates}/signing.crt"\nkey = "{certificates}/signing.key"\n',
        )

    def _write_settings(self, name: str, own: str, tables: str = "") -> Path:
        path = self.settings_file(name)
        certificates = f"../certificates/{name}"
        path.write_text(
            own + f'data = "../data/{name}"\nport_file = "../data/{name}.port"\nreflection = true\n'
            f'[credentials]\nauthority = "{certificates}/authority.crt"\n'
            f'certificate = "{certificates}/tls.crt"\nkey = "{certificates}/tls.key"\n' + tables,
            "utf-8",
        )
        return path


def _credentials(directory: Path) -> Credentials:
    return Credentials(directory / "authority.crt", directory / "tls.crt", directory / "tls.key")
