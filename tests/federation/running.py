"""A federation that runs: one coordinator and a node for each region, by default in this process."""

import asyncio
import functools
import itertools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.settings import CoordinatorSettings
from deploy.local.driven_clock import DrivenClock
from deploy.provider.notification import Phones, Text
from deploy.provider.server import Provider, ProviderOptions
from gateway.api.coordinator.v1 import administration_pb2 as admin_api
from gateway.api.coordinator.v1.administration_pb2_grpc import (
    ConfigurationServiceStub,
    MembershipServiceStub,
    OrderOversightServiceStub,
)
from gateway.api.coordinator.v1.complaint_oversight_service_pb2_grpc import ComplaintOversightServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.errors import from_rpc_error
from gateway.federation.suspensions import signed_suspension
from gateway.rpc.channels import Dialer
from gateway.security.identity import server_name
from gateway.security.provider_settings import IdentityProviderSettings
from gateway.security.tls import command_options
from gateway.store.opening import PostgresqlSettings
from gateway.time.clock import to_timestamp
from region_node.care.surveys.following import SURVEY_TIMER
from region_node.node.settings import (
    NodeWebSettings,
    NotificationSettings,
    ProviderSettings,
    RegionSettings,
)
from tests.administrators import Administrators
from tests.federation.certificates import FEDERATION, Certificates, written_document_key
from tests.federation.databases import Database, Databases
from tests.federation.members import Member as Started
from tests.federation.members import Starting, WithinThisProcess
from tests.federation.receivers import receivers
from tests.sealing import Sealing
from tests.shipped import shipped_configuration

REGIONS = ("guangdong", "sichuan", "henan")
NOT_JOINED = "hunan"  # configured, and nobody starts it
MOBILE = {"guangdong": "+8619844", "sichuan": "+8619851", "henan": "+8619841", NOT_JOINED: "+8619843"}
NO_PREFIX = "+8619999"  # of no region
MESSAGING = "messaging"  # the name of the system by which a region sends texts
CALL_SECONDS = 40.0
PATIENCE = 40.0  # seconds that a condition may take to come true
_LOOK, _LONGEST_LOOK = 0.005, 0.04  # seconds between looks, most of which ask a member


def noon_of_the_tenth(now: datetime) -> datetime:
    """Noon of the tenth of the next month: no test runs across a midnight or a month's end."""
    month = now.astimezone(ZoneInfo("Asia/Shanghai")).replace(day=1) + timedelta(days=31)
    return month.replace(day=10, hour=12, minute=0)


class Federation:
    """The members of one federation, their databases, and channels to them."""

    def __init__(self, directory: Path, databases: Databases, *, is_driven: bool = True) -> None:
        self.directory = directory
        self._databases = databases
        self._postgresql: dict[str, PostgresqlSettings | None] = {}
        self.certificates = Certificates(directory / "certificates")
        directory.mkdir(parents=True, exist_ok=True)
        self.clock_file = directory / "clock"
        """Of `clock`, for commands beside the federation."""
        self.clock = DrivenClock.create(self.clock_file)
        if is_driven:
            self.clock.drive_to(noon_of_the_tenth(self.clock.now()))
        self.providers: dict[str, ProviderSettings] = {}
        self.operators: dict[str, Path] = {}
        """The files of scopes of the regions that have one."""
        self.identity_providers: dict[str, IdentityProviderSettings] = {}
        """The identity providers of the regions that have one."""
        self.web: dict[str, NodeWebSettings] = {}
        """The HTTPS listeners of the members that have one."""
        self.acting: dict[str, str] = {}
        """The member of staff who proves to act through an operator system, by the path of the system."""
        self._messaging: dict[str, Provider] = {}  # the own systems of the regions that have any
        self.administrators: Administrators | None = None
        """Who sign each revision; None where no signatures are needed."""
        self.starting: Starting = WithinThisProcess(self.clock)
        """How members are started."""
        self.coordinator: Started | None = None
        self.nodes: dict[str, Started] = {}
        self._channels: dict[tuple[str, str, str], grpc.aio.Channel] = {}
        self._numbers = itertools.count(1)

    def next_number(self, region: str) -> str:
        """A telephone number of a region that was not used before."""
        prefix = NO_PREFIX if region == "" else MOBILE[region]
        return f"{prefix}{next(self._numbers):06d}"

    def next_id(self) -> str:
        """A request id that was not used before."""
        return f"R{next(self._numbers)}"

    def open_web(self, *members: str) -> None:
        """Has members, once they start, serve their consoles by HTTPS, and nodes the Open APIs, too."""
        for member in members:
            port, key = self.directory / f"{member}.web-port", written_document_key(self.directory)
            self.web[member] = NodeWebSettings("127.0.0.1:0", port, open_apis=True, console=True, document_key=key)

    @property
    def coordinator_endpoint(self) -> str:
        """The endpoint of the coordinator."""
        assert self.coordinator is not None
        return f"127.0.0.1:{self.coordinator.port}"

    def endpoint(self, region: str) -> str:
        """The endpoint of a node."""
        return f"127.0.0.1:{self.nodes[region].port}"

    def database(self, region: str) -> Database:
        """The database of a region."""
        settings = self.region_settings(region)
        return Database(settings.database.file, settings.postgresql, settings.keys)

    @property
    def coordinator_database(self) -> Database:
        """The database of the coordinator."""
        settings = self._coordinator_settings()
        return Database(settings.database.file, settings.postgresql)

    async def start(self, regions: Sequence[str] = REGIONS) -> None:
        """Starts everything by the shipped configuration and returns when all know each other."""
        await self.start_coordinator()
        await self.apply(shipped_configuration())
        await asyncio.gather(*(self._start_messaging(region) for region in regions))
        await asyncio.gather(*(self.start_node(region) for region in regions))
        await self.until_members(dict.fromkeys(regions, MemberState.MEMBER_STATE_JOINED))
        await asyncio.gather(*(self._until_known(*pair) for pair in itertools.permutations(regions, 2)))
        await asyncio.gather(*(self._until_timed(region) for region in regions))

    async def _until_timed(self, region: str) -> None:
        """Returns when a node has agreed on the time, and has set its timers: nothing of its start is left to do."""
        await until(lambda: self._is_timed(region), f"{region} has set its timers")

    async def _is_timed(self, region: str) -> bool:
        return bool(self.database(region).rows(f"SELECT 1 FROM timers WHERE timer_id = '{SURVEY_TIMER}'"))

    async def _until_known(self, asking: str, asked: str) -> None:
        """Returns when two regions trust each other's keys: a question about nobody is then answered by its region."""
        billing = BillingServiceStub(self.dial_node(asking, f"region/{asking}/operator/probe"))
        request = QueryBillRequest(
            number=self.next_number(asked),
            month=f"{self.clock.now():%Y-%m}",
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[
                Document(
                    code="ID_ORIG",
                    verifier="probe",
                    verify_time=to_timestamp(self.clock.now()),
                    keyed_hash=bytes(32),
                )
            ],
            requester=Requester(staff_id="probe", channel=Channel.CHANNEL_COUNTER),
        )

        async def holds() -> bool:
            try:
                await billing.QueryBill(request, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                refused = from_rpc_error(error)
                return refused is not None and refused.reason == Reason.REASON_PROOF_NOT_OF_NUMBER
            raise AssertionError("a customer that nobody created has a bill")

        await until(holds, f"{asking} and {asked} know each other")

    def give_back_databases(self) -> None:
        """Leaves the databases to other federations, once this one has stopped."""
        self._databases.take_back(self._postgresql.values())

    async def stop(self) -> None:
        """Stops everything."""
        for channel in self._channels.values():
            await channel.close()
        await asyncio.gather(*(self.stop_node(region) for region in list(self.nodes)))
        for provider in self._messaging.values():
            await provider.stop()
        if self.coordinator is not None:
            await self.coordinator.stop()

    def texts(self, number: str, sent_by: str = "") -> list[Text]:
        """The texts to a customer's telephone, oldest first: from its home region, or another one."""
        region = sent_by or next(region for region, prefix in MOBILE.items() if number.startswith(prefix))
        return Phones(self._messaging_directory(region)).texts(number)

    async def _start_messaging(self, region: str) -> None:
        """Starts the system by which a region sends texts."""
        options = ProviderOptions(self._messaging_directory(region), "127.0.0.1:0")
        self._messaging[region] = await Provider.start(options, self.clock)

    def _messaging_directory(self, region: str) -> Path:
        return self.certificates.credentials(f"region/{region}/provider/{MESSAGING}").certificate.parent

    def _own_systems(self, region: str) -> ProviderSettings:
        provider = self._messaging.get(region)
        if provider is None:
            return ProviderSettings()
        return ProviderSettings(notification=NotificationSettings(f"127.0.0.1:{provider.port}", MESSAGING))

    async def start_node(self, region: str) -> None:
        """Starts a node, or starts it again on its old database.

        `guangdong/1` is the process number 1 of Guangdong, beside number 0, which is called `guangdong`.
        """
        self.nodes[region] = await self.starting.node(self.region_settings(region))

    async def start_coordinator(self, port: int = 0) -> None:
        """Starts the coordinator, or starts it again at the port where it was."""
        settings = replace(self._coordinator_settings(), listen=f"127.0.0.1:{port}")
        self.coordinator = await self.starting.coordinator(settings)

    async def stop_node(self, region: str) -> None:
        """Stops a node."""
        await self.nodes.pop(region).stop()

    def region_settings(self, node: str) -> RegionSettings:
        """The settings of a node."""
        region, _, number = node.partition("/")
        settings = RegionSettings(
            federation=FEDERATION,
            region=region,
            listen="127.0.0.1:0",
            data=self.directory / node.replace("/", "-"),
            coordinators=(self.coordinator_endpoint,),
            credentials=self.certificates.credentials(f"region/{region}"),
            signing=self.certificates.signing(f"region/{region}"),
            keys=self.certificates.keys(f"region/{region}"),
            federation_anchor=self._anchor,
            allow_unsigned_configuration=self._anchor is None,
            providers=self.providers.get(region, self._own_systems(region)),
            operators=self.operators.get(region),
            allow_unscoped_operators=region not in self.operators,
            identity_provider=self.identity_providers.get(region),
            web=self.web.get(region),
        )
        postgresql = self._database(region, "region_node", settings.database.file)
        return replace(settings, postgresql=postgresql, number=int(number or 0), listeners=receivers(self.directory))

    def take_database(self, region: str, former: "Federation") -> None:
        """Gives a region, before its node starts, what it had in another federation, which has stopped."""
        before = former.database(region)
        self._postgresql[region] = former.region_settings(region).postgresql
        own = self.directory / region
        own.mkdir()
        if before.path.exists():
            shutil.copy(before.path, own / before.path.name)
        shutil.copy(former.region_settings(region).keys, self.region_settings(region).keys)

    def back_up(self, region: str) -> Callable[[], None]:
        """Copies the database of a region whose node has stopped; what is returned puts the copy back in its place."""
        self.database(region).change("DELETE FROM receipt_questions")  # a late answer would find one loss more
        file, postgresql = self.database(region).path, self.region_settings(region).postgresql
        if postgresql is None:
            copy = file.with_name("backup")
            shutil.copy(file, copy)

            def restore() -> None:
                for left in file.parent.glob(f"{file.name}-*"):
                    left.unlink()
                shutil.copy(copy, file)

            return restore
        taken = self._databases.copy(postgresql)
        return lambda: self._postgresql.update({region: taken})

    def sealing(self, region: str) -> Sealing:
        """Seals and opens beside the running node of a region."""
        settings = self.region_settings(region)
        return Sealing(settings.database, settings.keys)

    def _database(self, member: str, package: str, file: Path) -> PostgresqlSettings | None:
        if member not in self._postgresql:
            self._postgresql[member] = self._databases.make(package, file)
        return self._postgresql[member]

    def dial_node(self, node: str, path: str) -> grpc.aio.Channel:
        """A channel to a node with the certificate of the member at `path`."""
        region = node.partition("/")[0]
        return self._dial(self.endpoint(node), path, server_name(Role.ROLE_REGION, region, FEDERATION))

    def dial_coordinator(self, path: str) -> grpc.aio.Channel:
        """A channel to the coordinator with the certificate of the member at `path`."""
        return self._dial(self.coordinator_endpoint, path, server_name(Role.ROLE_COORDINATOR, "", FEDERATION))

    @property
    def membership(self) -> MembershipServiceStub:
        """An administrator's calls about regions."""
        return MembershipServiceStub(self.dial_coordinator("admin/root"))

    @property
    def oversight(self) -> OrderOversightServiceStub:
        """An administrator's reads of orders."""
        return OrderOversightServiceStub(self.dial_coordinator("admin/root"))

    @property
    def complaint_oversight(self) -> ComplaintOversightServiceStub:
        """An administrator's calls about complaints."""
        return ComplaintOversightServiceStub(self.dial_coordinator("admin/root"))

    @property
    def administration(self) -> ConfigurationServiceStub:
        """An administrator's calls about the configuration."""
        return ConfigurationServiceStub(self.dial_coordinator("admin/root"))

    async def configuration(self) -> Configuration:
        """A copy of the configuration in force."""
        request = admin_api.GetConfigurationRequest()
        return (await self.administration.GetConfiguration(request, timeout=CALL_SECONDS)).configuration

    async def apply(self, configuration: Configuration) -> int:
        """Puts a configuration in force; returns its revision."""
        held = await self.administration.GetConfiguration(admin_api.GetConfigurationRequest(), timeout=CALL_SECONDS)
        if self.administrators is not None:
            signed = self.administrators.signed(held.place, configuration, self.clock.now())
            request = admin_api.ApplyConfigurationRequest(signed=signed)
        else:
            request = admin_api.ApplyConfigurationRequest(
                configuration=configuration, expected_revision=held.federation_revision
            )
        response = await self.administration.ApplyConfiguration(request, timeout=CALL_SECONDS)
        return response.federation_revision

    async def suspend(self, region: str) -> None:
        """An administrator suspends a region."""
        note = "under investigation"
        signed = await self._signed(region, suspended=True, note=note)
        request = admin_api.SuspendRegionRequest(region=region, note=note, signed=signed)
        await self.membership.SuspendRegion(request, timeout=CALL_SECONDS)

    async def reinstate(self, region: str) -> None:
        """An administrator ends a suspension."""
        request = admin_api.ReinstateRegionRequest(region=region, signed=await self._signed(region, suspended=False))
        await self.membership.ReinstateRegion(request, timeout=CALL_SECONDS)

    async def _signed(self, region: str, *, suspended: bool, note: str = "") -> SignedSuspension | None:
        """The statement of the first administrator about a region; None where no signatures are needed."""
        if self.administrators is None:
            return None
        held = await self.administration.GetConfiguration(admin_api.GetConfigurationRequest(), timeout=CALL_SECONDS)
        signer = next(iter(self.administrators.signers.values()))
        return signed_suspension(signer, held.place, region, self.clock.now(), suspended=suspended, note=note)

    async def members(self) -> dict[str, Member]:
        """The regions as the coordinator knows them."""
        listed = await self.membership.ListRegions(admin_api.ListRegionsRequest(), timeout=CALL_SECONDS)
        return {member.region: member for member in listed.members}

    async def until_members(self, wanted: dict[str, MemberState.ValueType]) -> None:
        """Returns when the coordinator and all nodes know regions to stand so."""

        async def holds() -> bool:
            members = await self.members()
            return all(members[region].state == state for region, state in wanted.items())

        await until(holds, f"regions stand as {wanted}")

    async def advance(self, step: timedelta) -> None:
        """Moves everybody's clock forward, and returns when heartbeats have found again that all clocks agree."""
        self.clock.advance(step)
        regions = sorted({node.partition("/")[0] for node in self.nodes})
        # The first beat may have begun before, the second then began after, and the third says that the second is over.
        for _ in range(3):
            seen = {region: member.heartbeat_time for region, member in (await self.members()).items()}

            async def has_beaten(region: str, seen: Mapping[str, Timestamp] = seen) -> bool:
                member = (await self.members())[region]
                return member.heartbeat_time != seen[region]

            for region in regions:
                await until(functools.partial(has_beaten, region), f"{region} sends a heartbeat")

    async def until_billed(self, region: str) -> None:
        """Returns when a region has billed every month that has ended, and looked at every day.

        Tests pass months together: people let a run of several go on.
        """

        async def holds() -> bool:
            waits = "work_id = 'run/billing' AND state = 1"
            self.database(region).change(f"UPDATE quarantined_work SET state = 2 WHERE {waits}")
            now = self.clock.now().astimezone(ZoneInfo("Asia/Shanghai"))
            due = {("cycle", f"{now:%Y-%m}"), ("arrears", f"{now:%Y-%m-%d}")}
            return due == set(self.database(region).rows("SELECT run, period FROM billing_runs"))

        await until(holds, f"{region} has billed", 3 * PATIENCE)  # the days of months are looked at one by one

    def _dial(self, endpoint: str, path: str, name: str) -> grpc.aio.Channel:
        key = (endpoint, path, self.acting.get(path, ""))
        if key not in self._channels:
            dialer = Dialer(self.certificates.credentials(path), self.clock, self.staff_proof(path))
            self._channels[key] = dialer.dial(endpoint, name, command_options)
        return self._channels[key]

    def staff_proof(self, path: str) -> str:
        """The statement of whoever acts through the operator system at `path`; empty for nobody."""
        staff = self.acting.get(path)
        return "" if staff is None else self.certificates.statement(path, staff)

    @property
    def _anchor(self) -> Path | None:
        return self.administrators.anchor_file if self.administrators is not None else None

    def _coordinator_settings(self) -> CoordinatorSettings:
        settings = CoordinatorSettings(
            federation=FEDERATION,
            listen="127.0.0.1:0",
            data=self.directory / "coordinator",
            credentials=self.certificates.credentials("coordinator/0"),
            heartbeat_interval=0.1,
            web=self.web.get("coordinator"),
            lease=10.0,
            federation_anchor=self._anchor,
            allow_unsigned_configuration=self._anchor is None,
        )
        return replace(settings, postgresql=self._database("coordinator", "coordinator", settings.database.file))


@asynccontextmanager
async def running(
    directory: Path,
    databases: Databases,
    regions: Sequence[str] = REGIONS,
    *,
    keeps_databases: bool = False,
    administrators: Administrators | None = None,
    web: Sequence[str] = (),
) -> AsyncIterator[Federation]:
    """A federation of one's own, for a test that changes it.

    `keeps_databases`: another federation of the test goes on with them. `web` is for `open_web`.
    """
    federation = Federation(directory, databases)
    federation.administrators = administrators
    federation.open_web(*web)
    try:
        await federation.start(regions)
        yield federation
    finally:
        await federation.stop()
    if not keeps_databases:
        federation.give_back_databases()


async def until(holds: Callable[[], Awaitable[bool]], what: str, patience: float = PATIENCE) -> None:
    """Returns once a condition holds. Raises TimeoutError naming it where it does not in time."""
    try:
        async with asyncio.timeout(patience):
            pause = _LOOK
            while not await holds():
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_LOOK)
    except TimeoutError:
        raise TimeoutError(f"waited in vain until {what}") from None


async def until_nothing_changes(act: Callable[[], Awaitable[None]], contents: Callable[[], object], what: str) -> None:
    """Returns once an action leaves all contents unchanged.

    A change each time is the action's own; an occasional one is remaining work of earlier tests.
    """

    async def holds() -> bool:
        before = contents()
        await act()
        return contents() == before

    await until(holds, f"nothing changes by {what}")


async def until_a_lane_stops(caplog: pytest.LogCaptureFixture) -> None:
    """Returns when a lane has noticed, and logged, that its destination is away."""

    async def holds() -> bool:
        return any("stops sending" in record.getMessage() for record in caplog.records)

    await until(holds, "a lane stops sending")
