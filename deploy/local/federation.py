"""A federation on one machine: certificates, settings, processes, and clients for all who use it."""

import asyncio
import os
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc

from coordinator.settings import CoordinatorSettings
from deploy.local.administrator import NAME as ADMINISTRATOR
from deploy.local.administrator import LocalAdministrator
from deploy.local.ports import HeldPort
from deploy.local.postgresql_access import PostgresqlAccess
from deploy.local.process import ChildProcess, Launcher, LocalProcess, Program, launch_anew
from deploy.local.profiles import EMBEDDED, Engine, Placement, Profile
from deploy.local.programs import REGION_NODE, beside, run_by
from deploy.local.settings_files import Settings, credentials_table, write_scopes, write_settings
from deploy.local.stores import LocalStores, Running
from deploy.provider.notification import Phones
from gateway.api.coordinator.v1.administration_pb2 import (
    ApplyConfigurationRequest,
    GetConfigurationRequest,
    ListRegionsRequest,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub, MembershipServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.types.v1.access_pb2 import Role
from gateway.federation.files import load
from gateway.rpc.channels import Dialer, Replicas
from gateway.security.authority import Authority, CertificateSet
from gateway.security.identity import Identity, server_name
from gateway.security.region_keys import REGION_KEYS, KeySet
from gateway.security.staff_proofs import LONGEST_STATEMENT, statement_for
from gateway.security.tls import Credentials
from gateway.settings import load as load_settings
from gateway.store.opening import DatabasePlace
from gateway.time.clock import SystemClock
from region_node.node.settings import RegionSettings

FEDERATION_FILES = Path(__file__).parents[1] / "federation"
FEDERATION = "crossregion.example"  # as in the shipped files
OPERATOR = "counter"
COORDINATOR = "coordinator"
PROVIDER = "systems"  # a region's own
PROVIDED = {"sichuan": ("ROAMING", "BB_INSTALL")}
"""The businesses of the region's own system, in a federation for people."""
HEARTBEAT_SECONDS = 0.5
LEASE_SECONDS = 3.0
_VALID = timedelta(days=30)
# Reached only where something is wrong: a machine may be busy.
_SECONDS = 60.0  # for a call about the configuration
_PATIENCE = 60.0  # seconds until all have joined


@dataclass(frozen=True)
class Replica:
    """A process of a group with the same service: a region's, or the coordinators'."""

    name: str
    """The region or `coordinator`, followed by its number if there are several."""
    number: int
    port: HeldPort
    process: LocalProcess

    @property
    def endpoint(self) -> str:
        """The address of its server."""
        return f"127.0.0.1:{self.port.number}"


class LocalFederation:
    """Coordinators and the nodes of regions, with all their files in one directory.

    Each process is in `processes` by its name, from the beginning, and may be stopped, killed, frozen and started
    singly. It always serves on the same port. Attributes of the object count from `prepare` on.
    """

    def __init__(
        self,
        directory: Path,
        regions: Sequence[str],
        profile: Profile = EMBEDDED,
        postgresql: PostgresqlAccess | None = None,
        provided: Mapping[str, Sequence[str]] | None = None,
        *,
        clock_file: Path | None = None,
        clock_files: Mapping[str, Path] | None = None,
        launcher: Launcher = launch_anew,
    ) -> None:
        """`postgresql` is a running shared server; without it an own one is started if needed.

        `provided` maps regions to the businesses of their own system. `clock_file` is that of a common clock, instead
        of the machine's (`driven_clock.py`); `clock_files` are those of regions, or single processes, with their own.
        `launcher` starts the processes.
        """
        self._clock_file, self._clock_files = clock_file, dict(clock_files or {})
        self._launcher = launcher
        self.directory = directory = directory.absolute()
        self.administrator = LocalAdministrator(directory, FEDERATION)
        self.regions = tuple(regions)
        self.profile = profile
        self.stores = LocalStores(directory, profile, regions, postgresql)
        self.coordinators = self._replicas(COORDINATOR, profile.coordinators)
        self.nodes = {region: self._replicas(region, profile.placement(region)) for region in self.regions}
        self.processes = {
            replica.name: replica.process
            for replicas in (self.coordinators, *self.nodes.values())
            for replica in replicas
        }
        self.provided = dict(provided or {})
        self.providers = {region: self._provider(region) for region in self.provided}
        self.processes |= {provider.name: provider.process for provider in self.providers.values()}
        self.beside: list[Replica] = []
        """Further processes, each with its files in the directory `certificates/<name>`. Their starter starts them."""
        self.reached_through: dict[str, tuple[str, ...]] = {}
        """The addresses at which a region reaches the coordinators, by region, if not directly."""
        self.heartbeat_seconds = HEARTBEAT_SECONDS
        """The interval of the nodes' heartbeats."""
        self.lease_seconds = LEASE_SECONDS
        """The time without a heartbeat after which a node is no longer used."""
        self.is_signed = True
        """Whether configurations are signed, and members verify it. A version that knows no signatures needs False."""
        self.load: Callable[[Path], Configuration] = load
        """Reads the files of a configuration. Those of another version need its own reader."""
        self.web: dict[str, Settings] = {}
        """The tables `[web]` of the processes that serve HTTPS, by their names."""
        self.operators: tuple[str, ...] = (OPERATOR,)
        """The operator systems of each region, by name: each has a certificate, and a scope with everything."""
        self.staff_rights: Settings = {"businesses": ("*",)}
        """The scope of any member of staff. Version 0.3.0 rejects `purposes`."""
        self.valid = _VALID
        """The validity of certificates. Tests that drive a clock far ahead need a longer one."""
        self.advertised: dict[str, str] = {}
        """The addresses at which coordinators reach a region's process, by the process's name, if not directly."""

    @property
    def coordinator_endpoint(self) -> str:
        """The address of the first coordinator."""
        return self.coordinators[0].endpoint

    def open_web(self, replica: Replica, part: str) -> None:
        """Has a process serve `open_apis` or `console` by HTTPS. Counts from the federation's start on."""
        self.web[replica.name] = {"listen": "127.0.0.1:0", "port_file": str(self._web_port_file(replica)), part: True}

    def web_port(self, replica: Replica) -> int:
        """The port at which it does so, once it has started."""
        return int(self._web_port_file(replica).read_text("ascii"))

    def _web_port_file(self, replica: Replica) -> Path:
        return self.directory / "data" / f"{replica.name}.web-port"

    def endpoint(self, region: str, number: int = 0) -> str:
        """The address of a region's process."""
        return self.nodes[region][number].endpoint

    def prepare(self) -> None:
        """Makes the authority, every certificate, the anchor and every settings file. Raises ProcessFailed."""
        for name in ("certificates", "settings", "data", "logs"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        authority = Authority.create(FEDERATION, now - timedelta(minutes=10), now + self.valid + timedelta(days=1))
        authority.save(self.directory / "authority")
        self.administrator.prepare()
        self.issue(authority, Identity(FEDERATION, Role.ROLE_ADMIN, "", ADMINISTRATOR), "admin")
        for replica in self.coordinators:
            identity = Identity(FEDERATION, Role.ROLE_COORDINATOR, "", str(replica.number))
            self.issue(authority, identity, replica.name)
        for region, replicas in self.nodes.items():
            identity = Identity(FEDERATION, Role.ROLE_REGION, region, "")
            self.issue(authority, identity, region)  # with the one key that the region signs by
            for replica in replicas:
                if replica.name != region:
                    self._issue_tls(authority, identity, replica.name)
            for name in self.operators:
                self.issue(authority, Identity(FEDERATION, Role.ROLE_OPERATOR, region, name), f"{region}-{name}")
        write_scopes(self.scopes_file, self.operators, self.staff_rights)
        for region, provider in self.providers.items():
            self.issue(authority, Identity(FEDERATION, Role.ROLE_PROVIDER, region, PROVIDER), provider.name)
        self.stores.prepare()
        for replica in self.coordinators:
            self._write_coordinator_settings(replica)
        for region, replicas in self.nodes.items():
            for replica in replicas:
                self._write_region_settings(region, replica)

    def issue(self, authority: Authority, identity: Identity, name: str) -> Path:
        """Issues a certificate into the directory `certificates/<name>`."""
        now = datetime.now(UTC)
        directory = self.directory / "certificates" / name
        authority.issue(identity, now - timedelta(minutes=5), now + self.valid).write(directory)
        if identity.role == Role.ROLE_REGION and not (directory / REGION_KEYS).exists():
            KeySet.new().save(directory / REGION_KEYS)
        return directory

    def issue_staff(self, region: str, name: str) -> Path:
        """Issues a certificate for a member of a region's staff."""
        authority = Authority.load(self.directory / "authority")
        return self.issue(authority, Identity(FEDERATION, Role.ROLE_STAFF, region, name), f"{region}-{name}")

    def start(self, environment: Mapping[str, str] | None = None, configuration: Path = FEDERATION_FILES) -> None:
        """Starts everything, applies a configuration, and returns when all regions have joined."""
        self.start_stores()
        self.start_coordinator(environment)
        asyncio.run(self.apply_configuration(configuration))
        for region in self.regions:
            self.launch_region(region, environment)
        for region in self.regions:
            self.await_region(region)
        asyncio.run(self.wait_joined(self.regions))

    def start_stores(self) -> None:
        """Starts etcd and PostgreSQL, where the profile has them, and makes databases with their schema."""
        on_postgresql = {
            owner: replicas[0]
            for owner, replicas in {COORDINATOR: self.coordinators, **self.nodes}.items()
            if self._placement(owner).engine is Engine.POSTGRESQL
        }
        self.stores.start(on_postgresql)
        migrations: list[ChildProcess] = []
        try:
            migrations.extend(self.migration(replica) for replica in on_postgresql.values())
            for migration in migrations:
                migration.require_done()
        finally:
            for migration in migrations:
                migration.kill_group()

    def start_coordinator(self, environment: Mapping[str, str] | None = None) -> None:
        """Starts the coordinators, on the same ports as before."""
        for replica in self.coordinators:
            replica.process.launch(environment)
        for replica in self.coordinators:
            replica.process.await_port()

    def start_region(self, region: str, environment: Mapping[str, str] | None = None) -> None:
        """Starts a region's processes, on the same ports as before."""
        self.launch_region(region, environment)
        self.await_region(region)

    def launch_region(self, region: str, environment: Mapping[str, str] | None = None) -> None:
        """Starts a region's processes, and its own system where it does not run, without waiting."""
        provider = self.providers.get(region)
        if provider is not None and not provider.process.runs():
            provider.process.launch()
        for replica in self.nodes[region]:
            replica.process.launch(environment)

    def await_region(self, region: str) -> None:
        """Waits until all launched processes of a region serve."""
        for replica in self.nodes[region]:
            replica.process.await_port()

    def stop(self) -> None:
        """Stops everything in order: nodes, coordinators, at last etcd and PostgreSQL, whose data is removed.

        Raises ProcessFailed.
        """
        nodes = [replica for replicas in self.nodes.values() for replica in replicas]
        for group in (nodes, self.coordinators, (*self.providers.values(), *self.beside)):
            for replica in group:
                replica.process.tell_to_stop()
            for replica in group:
                replica.process.wait_for_end()
        self.stores.stop()

    def kill(self) -> None:
        """Kills everything, and removes the data of etcd and PostgreSQL."""
        for process in (*self.processes.values(), *(each.process for each in self.beside)):
            process.kill()
        self.stores.remove()

    def running(self) -> list[Running]:
        """The running processes, in the order in which to stop them."""
        nodes = [replica for replicas in self.nodes.values() for replica in replicas]
        settings = f"{self.directory / 'settings'}/"
        certificates = f"{self.directory / 'certificates'}/"
        marked = [(replica, settings) for replica in (*nodes, *self.coordinators)]
        marked += [(each, certificates) for each in (*self.providers.values(), *self.beside)]
        return [
            Running(replica.name, replica.process.pid, replica.endpoint, replica.process.log, mark)
            for replica, mark in marked
            if replica.process.runs()
        ] + self.stores.running()

    def dial_region(self, region: str, certificate: str, number: int = 0) -> grpc.aio.Channel:
        """A channel to a process of a region with the certificate `certificates/<certificate>`."""
        name = server_name(Role.ROLE_REGION, region, FEDERATION)
        return self._dialer(certificate).dial(self.endpoint(region, number), name)

    def dial_coordinator(self, certificate: str = "admin", number: int = 0) -> grpc.aio.Channel:
        """A channel to a coordinator."""
        name = server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
        return self._dialer(certificate).dial(self.coordinators[number].endpoint, name)

    def region_replicas(self, region: str, certificate: str, acting: str = "") -> Replicas:
        """All processes of a region as a client reaches them. Made on the event loop that will use it.

        `acting` is the member of the region's staff who proves for some minutes to act through the operator system.
        """
        name, proof = server_name(Role.ROLE_REGION, region, FEDERATION), ""
        if acting:
            own, operator = self._credentials(f"{region}-{acting}"), certificate.removeprefix(f"{region}-")
            proof = statement_for(own, operator, SystemClock().now(), LONGEST_STATEMENT)
        return self._all(self.nodes[region], certificate, name, proof)

    def coordinator_replicas(self, certificate: str = "admin") -> Replicas:
        """All coordinators as a client reaches them. Made on the event loop that will use it."""
        return self._all(self.coordinators, certificate, server_name(Role.ROLE_COORDINATOR, "", FEDERATION))

    def _all(self, replicas: Sequence[Replica], certificate: str, name: str, staff_proof: str = "") -> Replicas:
        dialer = Dialer(self._credentials(certificate), SystemClock(), staff_proof)
        found = Replicas(dialer, name, random.Random())
        found.update([replica.endpoint for replica in replicas])
        return found

    async def apply_configuration(self, directory: Path) -> int:
        """Applies the files of a directory, by default signed by the administrator; returns the revision."""
        async with self.dial_coordinator() as channel:
            service = ConfigurationServiceStub(channel)
            # On a busy machine the first connection may take more than one attempt.
            current = await service.GetConfiguration(GetConfigurationRequest(), timeout=_SECONDS, wait_for_ready=True)
            wanted = self.load(directory)
            if self.is_signed:
                request = ApplyConfigurationRequest(signed=self.administrator.signed(current.place, wanted))
            else:
                request = ApplyConfigurationRequest(configuration=wanted, expected_revision=current.federation_revision)
            return (await service.ApplyConfiguration(request, timeout=_SECONDS)).federation_revision

    async def wait_joined(self, regions: Sequence[str]) -> None:
        """Returns when each coordinator that runs lists regions as joined, with all their processes that run.

        Raises TimeoutError.
        """
        async with asyncio.timeout(_PATIENCE):
            for replica in self.coordinators:
                if replica.process.runs():
                    await self._wait_joined(replica.number, regions)

    async def _wait_joined(self, number: int, regions: Sequence[str]) -> None:
        async with self.dial_coordinator(number=number) as channel:
            service = MembershipServiceStub(channel)
            while True:
                # On a busy machine the first connection may take more than one attempt.
                listed = await service.ListRegions(ListRegionsRequest(), timeout=_PATIENCE, wait_for_ready=True)
                joined = {
                    each.region: len(each.endpoints)
                    for each in listed.members
                    if each.state == MemberState.MEMBER_STATE_JOINED
                }
                if all(joined.get(region, 0) >= self._count_running(region) for region in regions):
                    return
                await asyncio.sleep(0.05)

    def settings_file(self, name: str) -> Path:
        """The settings of a process."""
        return self.directory / "settings" / f"{name}.toml"

    @property
    def scopes_file(self) -> Path:
        """The scopes of operator systems, the same at each region."""
        return self.directory / "operators.toml"

    def phones(self, region: str) -> Phones:
        """The telephones of a region's customers, where a system of the region's own brings them texts."""
        return Phones(self.directory / "certificates" / self.providers[region].name)

    def database(self, name: str) -> DatabasePlace:
        """The database of a process."""
        file = self.settings_file(name)
        if name in [replica.name for replica in self.coordinators]:
            return load_settings(CoordinatorSettings, file).database
        return load_settings(RegionSettings, file).database

    def keys_file(self, name: str) -> Path:
        """The file of the keys under which a region's process stores personal data."""
        return load_settings(RegionSettings, self.settings_file(name)).keys

    def migration(self, replica: Replica) -> ChildProcess:
        """The command that brings the schema of a database up to date, launched."""
        migration = ChildProcess(f"migrate of {replica.name}", replica.process.program.log)
        program = COORDINATOR if replica in self.coordinators else REGION_NODE
        settings = str(self.settings_file(replica.name))
        migration.run(self.command(program, "migrate", "--settings", settings), os.environ)
        return migration

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line of `coordinator` or `region-node`, by the common clock where there is one."""
        module, words = run_by(self._clock_file, program, *arguments)
        return [sys.executable, "-m", module, *words]

    def _count_running(self, region: str) -> int:
        return max(1, sum(replica.process.runs() for replica in self.nodes[region]))

    def _dialer(self, certificate: str) -> Dialer:
        return Dialer(self._credentials(certificate), SystemClock())

    def _credentials(self, certificate: str) -> Credentials:
        return _credentials(self.directory / "certificates" / certificate)

    def _placement(self, owner: str) -> Placement:
        return self.profile.coordinators if owner == COORDINATOR else self.profile.placement(owner)

    def _replicas(self, owner: str, placement: Placement) -> tuple[Replica, ...]:
        return tuple(
            self._replica(owner if placement.processes == 1 else f"{owner}-{number}", number, owner)
            for number in range(placement.processes)
        )

    def _replica(self, name: str, number: int, owner: str) -> Replica:
        clock_file = self._clock_files.get(name, self._clock_files.get(owner, self._clock_file))
        settings = str(self.settings_file(name))
        served = COORDINATOR if owner == COORDINATOR else REGION_NODE
        module, arguments = run_by(clock_file, served, "serve", "--settings", settings)
        program = Program(
            name=name,
            module=module,
            arguments=arguments,
            log=self.directory / "logs" / f"{name}.log",
            port_file=self.directory / "data" / f"{name}.port",
        )
        return Replica(name, number, HeldPort(), LocalProcess(program, self._launcher))

    def _provider(self, region: str) -> Replica:
        """The region's own system: the example, in the directory of its certificate."""
        name, port = f"{region}-{PROVIDER}", HeldPort()
        program = beside(self.directory, name, "deploy.provider", f"--listen=127.0.0.1:{port.number}")
        return Replica(name, 0, port, LocalProcess(program, self._launcher))

    def _issue_tls(self, authority: Authority, identity: Identity, name: str) -> None:
        now = datetime.now(UTC)
        tls = authority.issue_tls(identity, now - timedelta(minutes=5), now + self.valid)
        CertificateSet(authority.certificate_pem, tls, None).write(self.directory / "certificates" / name)

    def _write_coordinator_settings(self, replica: Replica) -> None:
        settings: Settings = {
            **self._settings(replica, COORDINATOR, self.profile.coordinators),
            "heartbeat_interval": self.heartbeat_seconds,
            "lease": self.lease_seconds,
        }
        if self.stores.etcd is not None:
            etcd = self.stores.etcd.credentials(replica.name)
            settings = {
                **settings,
                "etcd": {
                    "endpoints": self.stores.etcd.endpoints,
                    "credentials": credentials_table(etcd.certificate.parent),
                },
            }
        write_settings(self.settings_file(replica.name), settings)

    def _write_region_settings(self, region: str, replica: Replica) -> None:
        signing = self.directory / "certificates" / region
        settings: Settings = {
            **self._settings(replica, region, self.profile.placement(region)),
            "region": region,
            "operators": str(self.scopes_file),
            "coordinators": self.reached_through.get(region, tuple(each.endpoint for each in self.coordinators)),
            "keys": str(signing / REGION_KEYS),
            "signing": {"certificate": str(signing / "signing.crt"), "key": str(signing / "signing.key")},
        }
        if region in self.providers:
            notification: Settings = {"endpoint": self.providers[region].endpoint, "name": PROVIDER}
            fulfilment: Settings = {**notification, "businesses": tuple(self.provided[region])}
            settings = {**settings, "providers": {"fulfilment": fulfilment, "notification": notification}}
        write_settings(self.settings_file(replica.name), settings)

    def _settings(self, replica: Replica, owner: str, placement: Placement) -> Settings:
        settings: Settings = {
            "federation": FEDERATION,
            "number": replica.number,
            "listen": replica.endpoint,
            "advertise": self.advertised.get(replica.name, ""),
            "data": str(self.directory / "data" / replica.name),
            "port_file": str(replica.process.program.port_file),
            "reflection": True,
            "credentials": credentials_table(self.directory / "certificates" / replica.name),
            **({"web": self.web[replica.name]} if replica.name in self.web else {}),
        }
        if self.is_signed:
            settings = {"federation_anchor": str(self.administrator.anchor), **settings}
        if placement.engine is Engine.SQLITE:
            return settings
        return {**settings, "postgresql": {"conninfo": self.stores.conninfo(owner, replica.name)}}


def _credentials(directory: Path) -> Credentials:
    return Credentials(directory / "authority.crt", directory / "tls.crt", directory / "tls.key")
