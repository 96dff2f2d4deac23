"""A coordinator: its parts and its run."""

import asyncio
import contextlib
import logging
import random
from datetime import timedelta
from functools import partial

from coordinator.auditing.service import AuditOversightService, AuditPorts
from coordinator.auditing.watch import ChainWatch
from coordinator.cases.service import CasePorts, CaseService
from coordinator.configuration.service import ConfigurationService
from coordinator.console.served import consoles
from coordinator.enrolments.joining import serve_joiners
from coordinator.enrolments.service import EnrolmentPorts, EnrolmentService
from coordinator.membership.administration.service import MembershipService
from coordinator.membership.members import CurrentMembers
from coordinator.membership.metrics import observe_members
from coordinator.membership.presence import Presence
from coordinator.membership.service import FederationPorts, FederationService
from coordinator.membership.witnesses import REGISTRY, Witnesses, open_registry, tell_of_registry
from coordinator.network.service import PathService
from coordinator.oversight.bulletin_service import BulletinService
from coordinator.oversight.complaint_service import ComplaintOversightService
from coordinator.oversight.issue_service import IssueService
from coordinator.oversight.move_service import CustomerMoveOversightService
from coordinator.oversight.quality_service import QualityOversightService
from coordinator.oversight.reconciliation_service import ReconciliationOversightService
from coordinator.oversight.region_queries import Regions
from coordinator.oversight.resource_service import ResourceService
from coordinator.oversight.service import OrderOversightService
from coordinator.oversight.settlement_service import SettlementOversightService
from coordinator.parts import Parts
from coordinator.planned_outages.service import PlannedOutageRegistryService
from coordinator.problems.correlator import Correlator, CorrelatorPorts
from coordinator.problems.current import CurrentNetwork
from coordinator.problems.following import Following, FollowingPorts
from coordinator.problems.making_room import RoomMaker
from coordinator.problems.reports import LogSink, ReportNotifier
from coordinator.problems.service import ProblemPorts, ProblemService
from coordinator.registry.age import observe_age
from coordinator.registry.fence import RegistryFence, observe_fence
from coordinator.registry.own_chains import OwnChains
from coordinator.registry.port import Registry
from coordinator.registry.validity import observe_configuration
from coordinator.renewals.own import certificate_loops
from coordinator.renewals.service import RenewalService
from coordinator.revocations.in_force import follow_registry
from coordinator.revocations.service import RevocationService
from coordinator.risks.reports import RegionReports
from coordinator.risks.reviews import ReviewNotifier
from coordinator.risks.service import RiskPorts, RiskService
from coordinator.risks.watch import RiskWatch, WatchPorts
from coordinator.routing.channels import ChannelPorts, RegionChannels
from coordinator.routing.deliveries import Deliveries
from coordinator.routing.router import Router, RouterPorts
from coordinator.routing.service import RoutingService
from coordinator.schema import PACKAGES
from coordinator.serving import server_of
from coordinator.settings import CoordinatorSettings
from gateway.api.coordinator.v1 import (
    administration_pb2,
    bulletin_service_pb2,
    case_service_pb2,
    complaint_oversight_service_pb2,
    customer_move_oversight_service_pb2,
    enrolment_service_pb2,
    issue_service_pb2,
    path_service_pb2,
    planned_outage_registry_service_pb2,
    problem_service_pb2,
    quality_oversight_service_pb2,
    reconciliation_oversight_service_pb2,
    renewal_service_pb2,
    resource_service_pb2,
    revocation_service_pb2,
    risk_service_pb2,
    settlement_oversight_service_pb2,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import (
    add_AuditOversightServiceServicer_to_server,
    add_ConfigurationServiceServicer_to_server,
    add_MembershipServiceServicer_to_server,
    add_OrderOversightServiceServicer_to_server,
)
from gateway.api.coordinator.v1.bulletin_service_pb2_grpc import add_BulletinServiceServicer_to_server
from gateway.api.coordinator.v1.case_service_pb2_grpc import add_CaseServiceServicer_to_server
from gateway.api.coordinator.v1.complaint_oversight_service_pb2_grpc import (
    add_ComplaintOversightServiceServicer_to_server,
)
from gateway.api.coordinator.v1.customer_move_oversight_service_pb2_grpc import (
    add_CustomerMoveOversightServiceServicer_to_server,
)
from gateway.api.coordinator.v1.enrolment_service_pb2_grpc import add_EnrolmentServiceServicer_to_server
from gateway.api.coordinator.v1.issue_service_pb2_grpc import add_IssueServiceServicer_to_server
from gateway.api.coordinator.v1.path_service_pb2_grpc import add_PathServiceServicer_to_server
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2_grpc import (
    add_PlannedOutageRegistryServiceServicer_to_server,
)
from gateway.api.coordinator.v1.problem_service_pb2_grpc import add_ProblemServiceServicer_to_server
from gateway.api.coordinator.v1.quality_oversight_service_pb2_grpc import (
    add_QualityOversightServiceServicer_to_server,
)
from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2_grpc import (
    add_ReconciliationOversightServiceServicer_to_server,
)
from gateway.api.coordinator.v1.renewal_service_pb2_grpc import add_RenewalServiceServicer_to_server
from gateway.api.coordinator.v1.resource_service_pb2_grpc import add_ResourceServiceServicer_to_server
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import add_RevocationServiceServicer_to_server
from gateway.api.coordinator.v1.risk_service_pb2_grpc import add_RiskServiceServicer_to_server
from gateway.api.coordinator.v1.settlement_oversight_service_pb2_grpc import (
    add_SettlementOversightServiceServicer_to_server,
)
from gateway.api.federation.v1 import federation_pb2
from gateway.api.federation.v1.federation_pb2_grpc import add_FederationServiceServicer_to_server
from gateway.api.relay.v1 import relay_pb2
from gateway.api.relay.v1.relay_pb2_grpc import add_RelayServiceServicer_to_server
from gateway.auditing.chain_heads import HeadSigner
from gateway.auditing.denial_log import DenialLog
from gateway.backups.history import observe_backups
from gateway.federation.versions import OwnVersion
from gateway.process import running
from gateway.process.clock_metrics import observe_clock
from gateway.process.memory import SettledMemory
from gateway.process.running import Running, show_port, stop_tasks
from gateway.process.starting import persistently
from gateway.process.telemetry import Telemetry
from gateway.rpc.channels import Dialer, OwnCertificate
from gateway.rpc.server import LISTENERS, Service
from gateway.security.member_proofs import proof_of_member
from gateway.security.metrics import observe_certificates
from gateway.security.renewing import completed
from gateway.security.signing import COORDINATOR_HEAD, TrustedKeys
from gateway.security.tls import server_credentials
from gateway.store.agreed_time import AgreedTimeKeeper, last_agreed
from gateway.store.metrics import observe_store
from gateway.store.port import Store
from gateway.store.schema import migrations_of
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SteadyClock, SystemClock
from gateway.web.door import Door

SERVICE_NAME = "coordinator"
_log = logging.getLogger(__name__)


async def start(settings: CoordinatorSettings, machine: SteadyClock | None = None) -> Running:
    """Opens the database and the registry, listens, and enters the registry.

    Raises CredentialsUnusable, StoreUnusable, RegistryUnreachable, PortInUse, OSError or StoppedWhileStarting; then
    nothing is left open.
    """
    async with contextlib.AsyncExitStack() as stack:
        clock = AgreedClock(machine or SystemClock())
        own = completed(settings.own_credentials)
        credentials = [server_credentials(own, clock) for _ in range(LISTENERS)]
        # A coordinator under a number that it does not prove would confirm a suspension in another's name.
        settings.credentials.require_identity(settings.identity)
        door = Door(settings.web)
        telemetry = Telemetry.of(SERVICE_NAME, str(settings.number), door.readers())
        stack.callback(telemetry.shutdown)
        store = await _open_store(settings)
        stack.push_async_callback(store.close)
        clock.start_from(await persistently(lambda: store.read(last_agreed)))
        # Only now: before the lock of the store, the file could be that of a coordinator that runs.
        if settings.port_file is not None:
            settings.port_file.unlink(missing_ok=True)
        dialer = Dialer(own, clock)
        keys = TrustedKeys(settings.credentials.authority.read_bytes(), settings.federation)
        witnesses = Witnesses(dialer, settings.federation, keys.revocations)
        registry = await persistently(lambda: open_registry(settings, clock, store, witnesses))
        stack.push_async_callback(registry.close)
        parts = _parts(settings, clock, store, registry, telemetry, dialer, keys, await _fence(settings, store, clock))
        _observe(parts, store, telemetry)
        stack.push_async_callback(parts.channels.close)
        stack.push_async_callback(parts.presence.close)
        server, border, readiness = await server_of(parts, _services(parts), telemetry)
        port = await server.start(settings.listen, *credentials)
        servers = [server]
        # Suspensions wait for this coordinator until then, because some of the calls may be deliveries.
        stack.push_async_callback(lambda: door.close(*(each.drain for each in servers)))
        servers += await serve_joiners(settings, _enrolment_ports(parts), telemetry)
        pages = await door.open(own, border, stack, server.calls, consoles=consoles(settings, clock))
        following = Following(FollowingPorts(registry, parts.members, parts.channels))
        parts.problems.correlator.on_change(following.note_change)
        await server.say(REGISTRY, serves=registry.answers())
        loops = [
            parts.problems.correlator.run(),
            following.run(),
            parts.chain_watch.run(),
            readiness.run(server),
            AgreedTimeKeeper(store, clock).run(),
            _risks(parts, telemetry).run(),
            *certificate_loops(settings, _renewals(parts), parts.keys, parts.channels, telemetry.meter),
            *pages,
        ]
        if settings.etcd is not None:  # a registry in this process answers always
            loops.append(tell_of_registry(server, registry))
        tasks = [asyncio.create_task(each) for each in loops]
        stack.push_async_callback(stop_tasks, tasks)
        stack.callback(parts.federation.close)
        await parts.presence.enter(settings.name, settings.endpoint(port), parts.version.told())
        show_port(settings.port_file, port, stack)
        _log.info("%s of %s serves on %s:%d", settings.name, settings.federation, settings.host, port)
        return Running(port, [*registry.loops, *parts.presence.loops, *tasks], stack.pop_all())
    raise AssertionError("the block above returns or raises")


def _observe(parts: Parts, store: Store, telemetry: Telemetry) -> None:
    """Registers the metrics of a coordinator, besides those of its calls, problems and risks."""
    meter, clock, own = telemetry.meter, parts.clock, parts.settings.own_credentials
    observe_age(meter, parts.registry, clock)
    observe_configuration(meter, parts.registry, clock)
    observe_store(meter, store)
    observe_clock(meter, clock)
    settings, has_etcd = parts.settings, parts.settings.etcd is not None
    observe_backups(meter, settings.backup, settings.database, settings.data, clock, has_shared=has_etcd)
    observe_certificates(meter, {"tls": lambda now: own.in_use(now).certificate}, clock)
    observe_members(meter, parts.members, clock)
    observe_fence(meter, parts.fence)
    parts.chain_watch.observe(meter, parts.federation.audit_heads)


async def serve(settings: CoordinatorSettings, clock: SteadyClock | None = None) -> None:
    """Runs a coordinator until the process gets a signal to stop. Raises as `start`."""
    await running.serve(start(settings, clock))


async def _open_store(settings: CoordinatorSettings) -> Store:
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The embedded registry is for one coordinator: no other process may write its data.
    return await settings.database.open(migrations_of(*PACKAGES), number=settings.number, alone=settings.etcd is None)


async def _fence(settings: CoordinatorSettings, store: Store, clock: AgreedClock) -> RegistryFence | None:
    if settings.etcd is not None:
        return None
    return await persistently(lambda: RegistryFence.open(settings.name, store, clock))


def _parts(
    settings: CoordinatorSettings,
    clock: AgreedClock,
    store: Store,
    registry: Registry,
    telemetry: Telemetry,
    dialer: Dialer,
    keys: TrustedKeys,
    fence: RegistryFence | None,
) -> Parts:
    deliveries = Deliveries()
    members = CurrentMembers(registry)
    channels = RegionChannels(
        ChannelPorts(settings.federation, dialer, telemetry.tracing, telemetry.calls, random.Random())
    )
    members.on_change(channels.update)
    memory = SettledMemory(registry.snapshot().revision)
    members.on_change(lambda _: memory.note(registry.snapshot().revision))
    channels.update(members.all())  # channels to the members of the stored registry, which may stay unchanged for long
    denial_log = DenialLog(store, clock)
    follow_registry(registry, keys.revocations)
    signer = HeadSigner(proof_of_member(settings.own_credentials, clock, COORDINATOR_HEAD), clock)
    own_chains = OwnChains(settings.name, store, registry if settings.etcd is not None else None, signer)
    federation = FederationService(
        FederationPorts(
            registry,
            members,
            keys,
            denial_log,
            clock,
            timedelta(seconds=settings.heartbeat_interval),
            own_chains,
            fence,
        )
    )
    presence = Presence(registry, members, deliveries.over, fence)
    auditing = AuditOversightService(AuditPorts(members, registry, channels, keys, clock, own_chains))
    return Parts(
        settings=settings,
        clock=clock,
        store=store,
        registry=registry,
        keys=keys,
        members=members,
        channels=channels,
        deliveries=deliveries,
        presence=presence,
        denial_log=denial_log,
        federation=federation,
        problems=_problems(registry, members, clock, telemetry),
        auditing=auditing,
        version=OwnVersion(migrations_of(*PACKAGES), settings.database.engine),
        fence=fence,
        chain_watch=ChainWatch(settings.name, registry, auditing.verdicts, denial_log, clock),
    )


def _enrolment_ports(parts: Parts) -> EnrolmentPorts:
    settings, keys = parts.settings, parts.keys
    return EnrolmentPorts(settings.federation, parts.registry, parts.clock, lambda: keys.authorities, parts.fence)


def _problems(registry: Registry, members: CurrentMembers, clock: AgreedClock, telemetry: Telemetry) -> ProblemPorts:
    reports = ReportNotifier(LogSink())
    reports.observe(telemetry.meter)
    current, room = CurrentNetwork(registry), RoomMaker(registry, members)
    correlator = Correlator(CorrelatorPorts(registry, current, clock, reports, room))
    return ProblemPorts(registry, current, correlator, room, clock)


def _risks(parts: Parts, telemetry: Telemetry) -> RiskWatch:
    reviews = ReviewNotifier()
    reviews.observe(telemetry.meter)
    name, heads, judged = parts.settings.name, parts.federation.audit_heads, parts.chain_watch.judged_regions
    reports = RegionReports(Regions(parts.members, parts.channels), parts.registry).observations
    certificate = OwnCertificate(Dialer(parts.settings.own_credentials, parts.clock))
    current, registry = parts.problems.current, parts.registry
    return RiskWatch(
        WatchPorts(name, registry, current, parts.clock, heads, judged, certificate.life, reports, reviews)
    )


def _services(parts: Parts) -> list[Service]:
    router = Router(
        RouterPorts(
            parts.settings.name,
            parts.members.all,
            parts.channels.carrier_to,
            parts.clock,
            parts.deliveries,
            parts.presence.routing_seconds,
        )
    )
    membership = MembershipService(
        parts.registry, parts.presence, parts.clock.now, partial(parts.store.read, parts.version.found), parts.fence
    )
    configuration = ConfigurationService(parts.registry, parts.keys, parts.settings.federation, parts.clock)
    regions = Regions(parts.members, parts.channels)
    admin = administration_pb2.DESCRIPTOR.services_by_name
    return [
        Service.of(
            relay_pb2.DESCRIPTOR.services_by_name["RelayService"],
            add_RelayServiceServicer_to_server,
            RoutingService(router),
        ),
        Service.of(
            federation_pb2.DESCRIPTOR.services_by_name["FederationService"],
            add_FederationServiceServicer_to_server,
            parts.federation,
        ),
        Service.of(admin["MembershipService"], add_MembershipServiceServicer_to_server, membership),
        Service.of(admin["ConfigurationService"], add_ConfigurationServiceServicer_to_server, configuration),
        Service.of(
            admin["OrderOversightService"],
            add_OrderOversightServiceServicer_to_server,
            OrderOversightService(regions, parts.store, parts.clock),
        ),
        Service.of(
            case_service_pb2.DESCRIPTOR.services_by_name["CaseService"],
            add_CaseServiceServicer_to_server,
            CaseService(CasePorts(parts.registry, parts.members, parts.channels, parts.clock)),
        ),
        Service.of(
            complaint_oversight_service_pb2.DESCRIPTOR.services_by_name["ComplaintOversightService"],
            add_ComplaintOversightServiceServicer_to_server,
            ComplaintOversightService(regions, parts.registry),
        ),
        Service.of(
            admin["AuditOversightService"],
            add_AuditOversightServiceServicer_to_server,
            parts.auditing,
        ),
        *_of_certificates(parts),
        *_of_the_network(parts, regions),
        *_between_regions(parts, regions),
    ]


def _renewals(parts: Parts) -> RenewalService:
    return RenewalService(parts.settings.federation, parts.registry, parts.keys, parts.clock)


def _of_certificates(parts: Parts) -> list[Service]:
    """Enrolment, renewal and revocation."""
    return [
        Service.of(
            enrolment_service_pb2.DESCRIPTOR.services_by_name["EnrolmentService"],
            add_EnrolmentServiceServicer_to_server,
            EnrolmentService(_enrolment_ports(parts)),
        ),
        Service.of(
            renewal_service_pb2.DESCRIPTOR.services_by_name["RenewalService"],
            add_RenewalServiceServicer_to_server,
            _renewals(parts),
        ),
        Service.of(
            revocation_service_pb2.DESCRIPTOR.services_by_name["RevocationService"],
            add_RevocationServiceServicer_to_server,
            RevocationService(parts.registry, parts.keys.revocations),
        ),
    ]


def _between_regions(parts: Parts, regions: Regions) -> list[Service]:
    """Issues and bulletins between regions, the comparison of their records, and their quality."""
    return [
        Service.of(
            reconciliation_oversight_service_pb2.DESCRIPTOR.services_by_name["ReconciliationOversightService"],
            add_ReconciliationOversightServiceServicer_to_server,
            ReconciliationOversightService(regions),
        ),
        Service.of(
            quality_oversight_service_pb2.DESCRIPTOR.services_by_name["QualityOversightService"],
            add_QualityOversightServiceServicer_to_server,
            QualityOversightService(regions, parts.registry, parts.clock),
        ),
        Service.of(
            risk_service_pb2.DESCRIPTOR.services_by_name["RiskService"],
            add_RiskServiceServicer_to_server,
            RiskService(RiskPorts(parts.registry, parts.clock)),
        ),
        Service.of(
            settlement_oversight_service_pb2.DESCRIPTOR.services_by_name["SettlementOversightService"],
            add_SettlementOversightServiceServicer_to_server,
            SettlementOversightService(regions),
        ),
        Service.of(
            customer_move_oversight_service_pb2.DESCRIPTOR.services_by_name["CustomerMoveOversightService"],
            add_CustomerMoveOversightServiceServicer_to_server,
            CustomerMoveOversightService(regions),
        ),
        Service.of(
            issue_service_pb2.DESCRIPTOR.services_by_name["IssueService"],
            add_IssueServiceServicer_to_server,
            IssueService(regions, parts.registry, parts.clock),
        ),
        Service.of(
            resource_service_pb2.DESCRIPTOR.services_by_name["ResourceService"],
            add_ResourceServiceServicer_to_server,
            ResourceService(regions),
        ),
        Service.of(
            bulletin_service_pb2.DESCRIPTOR.services_by_name["BulletinService"],
            add_BulletinServiceServicer_to_server,
            BulletinService(regions),
        ),
    ]


def _of_the_network(parts: Parts, regions: Regions) -> list[Service]:
    """Planned outages, problems and paths."""
    return [
        Service.of(
            planned_outage_registry_service_pb2.DESCRIPTOR.services_by_name["PlannedOutageRegistryService"],
            add_PlannedOutageRegistryServiceServicer_to_server,
            PlannedOutageRegistryService(parts.registry, parts.clock),
        ),
        Service.of(
            problem_service_pb2.DESCRIPTOR.services_by_name["ProblemService"],
            add_ProblemServiceServicer_to_server,
            ProblemService(parts.problems),
        ),
        Service.of(
            path_service_pb2.DESCRIPTOR.services_by_name["PathService"],
            add_PathServiceServicer_to_server,
            PathService(regions, parts.registry),
        ),
    ]
