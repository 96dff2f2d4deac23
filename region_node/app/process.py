"""A region node: its parts and its run."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry.metrics import Meter

from gateway.api.types.v1.access_pb2 import Role
from gateway.auditing.denial_log import DenialLog
from gateway.backups.history import observe_backups
from gateway.backups.remains import keep_bounded, oldest_content
from gateway.backups.settings import ARCHIVE
from gateway.federation.current import CurrentFederation
from gateway.federation.validity import observe_validity
from gateway.maintenance.rotation import KeyFile, Rotation
from gateway.process import running
from gateway.process.metrics import observe
from gateway.process.running import Running, show_port, stop_tasks
from gateway.process.starting import persistently
from gateway.process.telemetry import Telemetry
from gateway.relay.border import Border
from gateway.relay.grpc_carrier import GrpcCarrier
from gateway.relay.queries import Asker
from gateway.relay.sealed_batches import SealedBatchTransport, expire_sessions
from gateway.relay.workers import ThreadWorkers
from gateway.rpc.access import AccessRules
from gateway.rpc.acting import ActingStaff
from gateway.rpc.channels import Dialer, Replicas
from gateway.rpc.interceptor import BorderInterceptor, BorderPorts
from gateway.rpc.metrics import observe_door
from gateway.rpc.readiness import Readiness
from gateway.rpc.server import LISTENERS, Server, Service
from gateway.security.access_tokens import AccessTokens
from gateway.security.identity import server_name
from gateway.security.renewing import completed
from gateway.security.signing import ServingSigner, TrustedKeys, certified_key
from gateway.security.staff_proofs import StaffProofs
from gateway.security.tls import CredentialsUnusable, server_credentials
from gateway.store.agreed_time import AgreedTimeKeeper, last_agreed
from gateway.store.fenced import FencedStore
from gateway.store.opening import moved_file
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SteadyClock, SystemClock
from gateway.web.door import Door
from region_node.app import registered
from region_node.app.beginning import Older, begins, work
from region_node.app.core import CorePorts, RegionCore
from region_node.app.membership import credential_loops, federation_client, watches_of
from region_node.app.metrics import observe_node, observe_recovery
from region_node.app.ports import Ports
from region_node.app.row_fills import RowFilling
from region_node.app.row_migrations import migrate_rows
from region_node.app.services import ServicePorts
from region_node.app.services import services as node_services
from region_node.app.systems import fulfilment, notifier, sinks_of
from region_node.business.catalogue.changes import CatalogueChanges
from region_node.business.joint import proving
from region_node.business.orders.business import load_rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rate import OrderRate
from region_node.business.orders.rows import orders_under_way
from region_node.care.complaints.case_notifier import CaseNotifier
from region_node.care.complaints.of_problems import count_complaints
from region_node.care.quarantine.counting import WaitingWork
from region_node.console.served import consoles
from region_node.customers.verification.rules import CHECKED_AT_HOME, OF_THE_CUSTOMER
from region_node.lifecycle.erasure.operations import apply_erased
from region_node.lifecycle.erasure.repeated_erasure import ErasedKeysKeeper
from region_node.lifecycle.erasure.scrubber import Scrubber
from region_node.lifecycle.moving.planning import MovePlanning
from region_node.lifecycle.moving.recovering import LostCustomers
from region_node.lifecycle.moving.restored import RestoredCustomers
from region_node.lifecycle.recovery.catching_up import CatchingUp, CatchUpPorts
from region_node.lifecycle.recovery.keeper import FenceKeeper, KeeperPorts
from region_node.lifecycle.recovery.operations import Finding
from region_node.lifecycle.recovery.receipts import ReceiptComparison, ReceiptPorts
from region_node.lifecycle.recovery.watching import RecoveryWatch
from region_node.lifecycle.registry import Registry
from region_node.listeners.callbacks import Callbacks
from region_node.listeners.delivery import DeliveryPorts, ListenerDelivery
from region_node.network.problems.notifier import Coordinators, ProblemNotifier
from region_node.node.context import RegionContext
from region_node.node.day_work import DayWork
from region_node.node.erased_keys import ERASED_KEYS, ErasedKeyFile
from region_node.node.identity_provider import IdentityProviders
from region_node.node.membership.client import FederationClient
from region_node.node.operator_scopes import OperatorScopes
from region_node.node.provider_client import ProviderPorts
from region_node.node.settings import RegionSettings
from region_node.node.stored_scopes import ScopeKeeper
from region_node.node.witnessing.coordinators import CoordinatorWitness
from region_node.node.witnessing.notifier import WitnessNotifier, WitnessNotifierPorts
from region_node.open_api.served import event_writer, open_apis
from region_node.requests.questions import Questions
from region_node.schema import PACKAGES

if TYPE_CHECKING:
    from gateway.web.console.pages import WebConsole
    from gateway.web.routes import Api

SERVICE_NAME = "region-node"
_log = logging.getLogger(__name__)


async def start(settings: RegionSettings, machine: SteadyClock | None = None) -> Running:
    """Opens the database, takes up what was left, listens and joins.

    Raises CredentialsUnusable, FileUnusable, StoreUnusable, PortInUse, OSError or StoppedWhileStarting; then
    nothing is left open. Stopped, it leaves the federation before it takes no new calls.
    """
    async with contextlib.AsyncExitStack() as stack:
        clock = AgreedClock(machine or SystemClock())
        own = completed(settings.own_credentials)
        credentials = [server_credentials(own, clock) for _ in range(LISTENERS)]
        door = Door(settings.web)
        telemetry = Telemetry.of(SERVICE_NAME, settings.region, door.readers())
        stack.callback(telemetry.shutdown)
        ports = await _open(settings, clock, telemetry, stack)
        core_ports, questions = _core_ports(ports)
        registry = registered.registry(core_ports.context)
        keeper, scopes = await _keepers(ports, registry)
        rotation = Rotation(ports.key_file, ports.unfenced)
        rotation.observe(telemetry.meter)
        await persistently(partial(migrate_rows, ports.unfenced))
        core = RegionCore(core_ports)
        watches = watches_of(ports, core_ports.context, telemetry.meter)
        client = federation_client(ports, core.lanes, OrderRate(ports.store, ports.clock), watches)
        stack.push_async_callback(client.close)
        client.load()
        restored = RestoredCustomers(core_ports.context, ports.unfenced)
        fence, receipts = await _fence(ports, client, Older(keeper, restored, core), core_ports.asker)
        looking = asyncio.create_task(fence.run())
        stack.push_async_callback(stop_tasks, [looking])
        await persistently(restored.check)
        begun = await begins(core, fence, stack)
        stack.push_async_callback(core.stop)
        waiting_work = WaitingWork(ports.store)
        observe_node(telemetry.meter, core, waiting_work, ports.store, settings, clock)
        server, border, readiness = await _server(ports, _services(ports, core, questions, client, scopes), telemetry)
        port = await server.start(settings.listen, *credentials)
        stack.push_async_callback(door.close, server.drain)
        stack.callback(core.changes.close)
        pages = await door.open(own, border, stack, server.calls, *_web(ports))
        endpoint, tellers = settings.endpoint(port), Coordinators(client.tell_event, client.tell_affected)
        loops = (
            client.follow(),
            _join(client, fence, endpoint),
            rotation.run(),
            scopes.run(ports.store, clock),
            expire_sessions(ports.transport, ports.key_file.keys),
            keeper.run(),
            waiting_work.run(),
            AgreedTimeKeeper(ports.store, clock).run(),
            *_behind_erasures(ports, registry),
            readiness.run(server),
            work(core, begun),
            *(each.run() for each in watches),
            CoordinatorWitness(ports.store, ports.border.keys, clock, ports.source, client.chain_heads).run(),
            CaseNotifier(ports.store, client.tell_case).run(),
            ProblemNotifier(core_ports.context, ports.store, tellers, count_complaints).run(),
            _planning(core_ports, client, restored).run(),
            *_of_listeners(ports, core),
            *pages,
            *_of_database(ports, registry, core_ports, core, receipts, telemetry.meter),
            *credential_loops(ports, client, telemetry.meter),
        )
        tasks = [looking, *(asyncio.create_task(each) for each in loops)]
        stack.push_async_callback(client.leave, endpoint)
        stack.push_async_callback(server.withdraw)
        stack.push_async_callback(stop_tasks, tasks)
        show_port(settings.port_file, port, stack)
        _log.info("region %s of %s serves on %s", settings.region, settings.federation, endpoint)
        return Running(port, tasks, stack.pop_all())
    raise AssertionError("the block above returns or raises")


def _behind_erasures(ports: Ports, registry: Registry) -> Sequence[Coroutine[None, None, None]]:
    """The loops that remove the rests of erased data. Of several processes on a database number 0 has the backups."""
    settings = ports.settings
    disks = () if settings.scratch is None else (settings.scratch,)
    knows = settings.number == 0 or not ports.store.is_shared
    is_backed_up, database = settings.backup is not None, settings.database
    oldest = partial(oldest_content, settings.data, disks, is_backed_up=is_backed_up) if knows else None
    is_written = database.archive is not None and database.postgresql is None
    scrubber = Scrubber(registry, ports.store, ports.clock, moved_file(database.file), oldest)
    return scrubber.run(), keep_bounded(settings.data / ARCHIVE, ports.clock, is_written=is_written)


async def _keepers(ports: Ports, registry: Registry) -> tuple[ErasedKeysKeeper, ScopeKeeper]:
    """The keepers of erased keys and of scopes, which have looked at the database."""
    keeper, scopes = ErasedKeysKeeper(registry, ports.unfenced, ports.clock), ScopeKeeper(ports.scopes, ports.unfenced)
    await persistently(keeper.start)
    await persistently(scopes.look)
    return keeper, scopes


async def _server(
    ports: Ports, services: Sequence[Service], telemetry: Telemetry
) -> tuple[Server, BorderPorts, Readiness]:
    border = _gate(ports, services, telemetry)
    interceptor = BorderInterceptor(border)
    observe_door(telemetry.meter, interceptor)
    ports.scopes.on_change(interceptor.end_unallowed)
    server = Server(services, interceptor, reflects=ports.settings.reflection)
    readiness = Readiness(ports.unfenced, telemetry.meter, lambda: ports.store.is_open)
    ports.store.on_change(readiness.look)
    await readiness.show(server)
    return server, border, readiness


def _services(
    ports: Ports, core: RegionCore, questions: Questions, client: FederationClient, scopes: ScopeKeeper
) -> list[Service]:
    told = (ports.store, ports.unfenced, ports.store, ports.clock)
    listeners = (ports.callbacks, ports.settings.signing.certificate.read_text("ascii"))
    return node_services(ServicePorts(core, *told, questions, client.hold_planned_outage, *listeners, scopes))


def _of_listeners(ports: Ports, core: RegionCore) -> Sequence[Coroutine[None, None, None]]:
    settings, uri = ports.settings, ports.settings.identity.uri
    outside = (ports.store, ports.clock, core.changes, ports.callbacks, ports.source, event_writer(uri))
    delivery = ListenerDelivery(DeliveryPorts(core.context, settings.federation, *outside))
    core.deliveries.append(delivery.deliveries)
    return delivery.run(), CatalogueChanges(core.context, ports.store).run()


def _web(ports: Ports) -> "tuple[Sequence[Api], Sequence[WebConsole], AccessTokens | None]":
    """The Open APIs and the console that the settings open, and the access tokens that they admit."""
    settings, providers = ports.settings, ports.providers
    tokens = None
    if providers.systems is not None:
        tokens = AccessTokens(providers.systems.provider, settings.identity, ports.scopes.operator_of)
    return (
        open_apis(settings),
        consoles(settings, ports.clock, ports.scopes, providers.console, ports.border.current),
        tokens,
    )


def _finding(ports: Ports) -> Finding:
    return Finding(ports.settings.region, registered.COUNTED)


async def _fence(
    ports: Ports, client: FederationClient, older: Older, asker: Asker
) -> tuple[FenceKeeper, ReceiptComparison]:
    """The keeper of the fence, which has looked for losses of the database, and what it has still to ask of others."""
    own, finding, core = ports.unfenced, _finding(ports), older.core
    opens = core.lanes.begin_anew, older.before_opening, core.take_up_again
    keeper = FenceKeeper(KeeperPorts(ports.border, own, ports.store, ports.clock, finding, client.audit_heads, *opens))
    await persistently(keeper.start)
    receipts = ReceiptComparison(ReceiptPorts(ports.border, own, asker, ports.clock, keeper, client.is_told))
    await persistently(receipts.keep_questions)
    return keeper, receipts


def _of_database(
    ports: Ports, registry: Registry, region: CorePorts, core: RegionCore, receipts: ReceiptComparison, meter: Meter
) -> Sequence[Coroutine[None, None, None]]:
    """The loops about the rows of the database: what an earlier version left out, and what was lost.

    Other regions help to find losses, and to catch up.
    """
    catching_up = CatchUpPorts(core.context, ports.store, region.asker, ports.clock, core.kinds)
    watch = RecoveryWatch(core.context, ports.store)
    observe_recovery(meter, watch, ports.clock)
    catching = (receipts.run(), CatchingUp(catching_up).run(), watch.run())
    return _witness_telling(ports, registry).run(), RowFilling(core.context, ports.store).run(), *catching


def _access(services: Sequence[Service], ports: Ports) -> AccessRules:
    return AccessRules(
        (service.descriptor for service in services),
        own_region=ports.settings.region,
        require_scope=ports.scopes.require_service,
        require_share=ports.day_work.require_share,  # of readings, imports and notes, too, which ask for no room
        require_clock=ports.clock.require_trusted,
    )


async def serve(settings: RegionSettings, clock: SteadyClock | None = None) -> None:
    """Runs a node until the process gets a signal to stop. Raises as `start`."""
    await running.serve(start(settings, clock))


async def _open(
    settings: RegionSettings, clock: AgreedClock, telemetry: Telemetry, stack: contextlib.AsyncExitStack
) -> Ports:
    anchor = settings.anchor()
    scopes = OperatorScopes(settings.operators)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_file = KeyFile(settings.keys)
    erased_keys = ErasedKeyFile(settings.data / ERASED_KEYS)
    providers = IdentityProviders.of(settings)
    store = await settings.database.open(migrations_of(*PACKAGES), number=settings.number, keys=key_file.keys)
    stack.push_async_callback(store.close)
    clock.start_from(await persistently(lambda: store.read(last_agreed)))
    observe_backups(telemetry.meter, settings.backup, settings.database, settings.data, clock)
    # Only now: before the lock of the store, the file could be that of a node that runs.
    if settings.port_file is not None:
        settings.port_file.unlink(missing_ok=True)
    fenced = FencedStore(store)
    border = _border(settings, clock, fenced, telemetry.meter)
    source = random.Random()
    dialer = Dialer(settings.own_credentials, clock)
    name = server_name(Role.ROLE_COORDINATOR, "", settings.federation)
    coordinators = Replicas(dialer, name, source)
    coordinators.update(settings.coordinators)
    stack.push_async_callback(coordinators.close)
    workers = ThreadWorkers()
    stack.callback(workers.close)
    transport = SealedBatchTransport(border, GrpcCarrier(coordinators, telemetry.tracing, telemetry.calls))
    calling = ProviderPorts(dialer, source, telemetry.tracing, telemetry.calls)
    return Ports(
        settings=settings,
        anchor=anchor,
        clock=clock,
        unfenced=store,
        store=fenced,
        key_file=key_file,
        erased_keys=erased_keys,
        scopes=scopes,
        day_work=DayWork(),
        providers=providers,
        dialer=dialer,
        border=border,
        source=source,
        tracing=telemetry.tracing,
        transport=transport,
        workers=workers,
        provider=fulfilment(settings, calling, stack),
        notifier=notifier(settings, calling, stack),
        callbacks=Callbacks(settings.listeners),
    )


def _border(settings: RegionSettings, clock: AgreedClock, store: FencedStore, meter: Meter) -> Border:
    try:
        signer = ServingSigner.load(settings.signing.key, certified_key(settings.signing.certificate))
        keys = TrustedKeys(settings.credentials.authority.read_bytes(), settings.federation)
    except ValueError as error:
        raise CredentialsUnusable(str(error)) from None
    observe(meter, "crossregion.signing.failing", "s", lambda: [(signer.failing(), {})])
    current, incarnation = CurrentFederation(), lambda: store.incarnation
    observe_validity(meter, lambda: current.chain, clock)
    return Border(settings.region, signer, keys, current, settings.number, clock=clock, incarnation=incarnation)


def _planning(ports: CorePorts, client: FederationClient, restored: RestoredCustomers) -> MovePlanning:
    lost = LostCustomers(ports.context, ports.store, ports.asker, ports.clock)
    return MovePlanning(ports.context, ports.store, client.assign_number, restored, lost)


def _gate(ports: Ports, services: Sequence[Service], telemetry: Telemetry) -> BorderPorts:
    access, revocations = _access(services, ports), ports.border.keys.revocations
    provider = None if ports.providers.staff is None else ports.providers.staff.provider
    proofs = StaffProofs(ports.settings.identity, revocations, provider)
    return BorderPorts(
        federation=ports.settings.federation,
        access=access,
        tracing=telemetry.tracing,
        metrics=telemetry.calls,
        denied=DenialLog(ports.store, ports.clock).denied,
        revocations=revocations,
        staff=ActingStaff(proofs, access, ports.scopes, SystemClock(), CHECKED_AT_HOME, OF_THE_CUSTOMER),
    )


async def _join(client: FederationClient, fence: FenceKeeper, endpoint: str) -> None:
    await client.catch_up()
    await fence.compare_before_joining()
    await client.stay_joined(endpoint)


def _witness_telling(ports: Ports, registry: Registry) -> WitnessNotifier:
    def destroy_again(tx: Transaction, key_ids: Sequence[str], now: datetime) -> int:
        return apply_erased(tx, registry, key_ids, now)

    return WitnessNotifier(
        WitnessNotifierPorts(
            ports.border,
            ports.unfenced,
            ports.transport,
            ports.source,
            destroy_again,
            _finding(ports).seen,
        )
    )


def _core_ports(ports: Ports) -> tuple[CorePorts, Questions]:
    named = ports.settings.providers.fulfilment
    sinks = sinks_of(ports.settings)
    context = RegionContext(
        ports.border,
        orders_under_way,
        erased_keys=ports.erased_keys,
        scopes=ports.scopes,
        day_work=ports.day_work,
        sinks={name: lowest for name, (lowest, _) in sinks.items()},
        provisioned=frozenset(named.businesses if named is not None else ()),
    )
    asker = Asker(ports.border, ports.transport, ports.clock, ports.source)
    questions = Questions(context, asker)
    core = CorePorts(
        OrderContext(context, load_rules(), is_shown=proving.is_shown),
        ports.key_file.keys,
        ports.store,
        ports.clock,
        ports.transport,
        asker,
        ports.source,
        ports.tracing,
        ports.workers,
        ports.provider,
        ports.notifier,
        sinks={name: sink for name, (_, sink) in sinks.items()},
        questions=questions,
    )
    return core, questions
