"""The node as a member of the federation: its client, its credentials, and the loops that look at both."""

from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import NamedTuple

from opentelemetry.metrics import Meter

from gateway.api.federation.v1.federation_pb2 import DisputedRevision
from gateway.federation.versions import OwnVersion
from gateway.process.metrics import observe
from gateway.relay.lanes import Lanes
from gateway.security.authority_file import follow_authority
from gateway.security.certificate_renewal import CertificateRenewal, RenewalPorts
from gateway.security.renewal_proofs import proof_of_region
from gateway.security.tls import RenewedCredentials
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.time.clock import SystemClock, from_timestamp
from region_node.app import registered
from region_node.app.metrics import observe_anomalies, observe_work
from region_node.app.ports import Ports
from region_node.business.orders.rate import OrderRate
from region_node.care.anomalies.watching import AnomalyWatch
from region_node.care.escalations.configurations import raise_dispute
from region_node.node.context import RegionContext
from region_node.node.membership.client import FederationClient
from region_node.node.membership.node import MembershipPorts, Node
from region_node.node.witnessing.broken import BrokenChains
from region_node.node.witnessing.revisions import RevisionWatch
from region_node.requests.day_work import DayWorkWatch
from region_node.requests.open_work import OpenWorkWatch
from region_node.schema import PACKAGES


class Watches(NamedTuple):
    """The loops that look at what was counted; present findings of those that call people are a part of heartbeats."""

    revisions: RevisionWatch
    anomalies: AnomalyWatch
    open_work: OpenWorkWatch
    day_work: DayWorkWatch
    broken: BrokenChains


def watches_of(ports: Ports, context: RegionContext, meter: Meter) -> Watches:
    """Makes the loops, and registers what they count."""
    anomalies = AnomalyWatch(context, ports.store, ports.clock)
    observe_anomalies(meter, anomalies)
    observe_work(meter, context.open_work, context.day_work)
    open_work = OpenWorkWatch(context, ports.store, registered.OPEN)
    day_work = DayWorkWatch(context, ports.store, ports.clock)
    broken = BrokenChains(ports.store, ports.border.region, meter)
    return Watches(_revision_watch(ports, context, meter), anomalies, open_work, day_work, broken)


def federation_client(ports: Ports, lanes: Lanes, orders: OrderRate, watches: Watches) -> FederationClient:
    """The client by which the node is a member."""
    settings = ports.settings
    node = Node(
        settings.federation,
        ports.border,
        ports.key_file.keys,
        settings.signing.certificate.read_bytes(),
        settings.coordinators,
        ports.anchor,
    )
    outside = MembershipPorts(
        ports.dialer,
        ports.unfenced,
        ports.clock,
        ports.source,
        lanes.stopped,
        lanes.in_flight,
        orders.per_minute,
        disputes=lambda: [each for _, each in watches.revisions.disputes],
        anomalies=lambda: watches.anomalies.waiting,
        version=OwnVersion(migrations_of(*PACKAGES), settings.database.engine).found,
    )
    return FederationClient(node, settings.data, outside)


def _revision_watch(ports: Ports, context: RegionContext, meter: Meter) -> RevisionWatch:
    """Registers the metric of disputes too: for how long each has lasted."""

    def call(tx: Transaction, dispute: DisputedRevision, now: datetime) -> None:
        raise_dispute(tx, context, dispute, now)

    watch = RevisionWatch(ports.store, ports.clock, ports.border.current, call)

    def read() -> list[tuple[float, dict[str, str]]]:
        now = ports.clock.now()
        return [
            ((now - from_timestamp(each.begin_time)).total_seconds(), {"region": each.region, "kind": kind})
            for kind, each in watch.disputes
        ]

    observe(meter, "crossregion.configuration.disputed", "s", read)
    return watch


def credential_loops(ports: Ports, client: FederationClient, meter: Meter) -> Sequence[Coroutine[None, None, None]]:
    """The loops that follow the authority, identity providers, and the end of the own certificate."""
    return (
        follow_authority(ports.settings.credentials, ports.border.keys),
        ports.dialer.revoked.follow(ports.border.keys.revocations),
        *_renewal(ports, client, meter),
        *ports.providers.loops(),
    )


def _renewal(ports: Ports, client: FederationClient, meter: Meter) -> Sequence[Coroutine[None, None, None]]:
    """The loop that renews the certificate of this process; none where its settings leave that to others."""
    settings, border = ports.settings, ports.border
    credentials = settings.own_credentials
    if not isinstance(credentials, RenewedCredentials):
        return ()
    renewal = CertificateRenewal(
        RenewalPorts(
            credentials=credentials,
            identity=settings.identity,
            process=settings.number,
            prove=proof_of_region(border.signer, settings.signing.certificate.read_bytes()),
            authorities=lambda: border.keys.authorities,
            ask=client.renew_certificate,
            clock=SystemClock(),
        )
    )
    renewal.observe(meter)
    return (renewal.run(),)
