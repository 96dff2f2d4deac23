"""What faults and works say of outages: of the parts that were, or will be, out, and of the services down by that."""

from collections.abc import Iterable
from datetime import datetime

from gateway.api.region.v1.agreement_pb2 import PartOutage, ServiceOutage
from gateway.store.port import Transaction
from region_node.network.agreements.outages import note_outage, runs_part_of, withdraw_outages
from region_node.network.agreements.part_outages import note_parts_out, withdraw_parts_out
from region_node.node.context import RegionContext


def note(tx: Transaction, context: RegionContext, outage: PartOutage, services: Iterable[str], now: datetime) -> None:
    """Notes that parts of this region's network are out, and which services are down by that alone.

    Of services of which this region runs no part, by the registry as it is, nothing is noted: it would not be believed.
    """
    note_parts_out(tx, context, outage, now)
    network = context.federation.network
    for service in services:
        if service in network.services and runs_part_of(network, service, context.region):
            note_outage(tx, context, _of_service(outage, service), now)


def withdraw(
    tx: Transaction, context: RegionContext, source: str, version: int, now: datetime, start: int | None = None
) -> None:
    """Takes back all that was noted for a source, or of it what began at a time, in microseconds."""
    withdraw_parts_out(tx, context, source, version, now, start)
    withdraw_outages(tx, context, source, version, now, start)


def _of_service(outage: PartOutage, service: str) -> ServiceOutage:
    return ServiceOutage(
        source=outage.source,
        service=service,
        region=outage.region,
        start_time=outage.start_time,
        end_time=outage.end_time,
        cause=outage.cause,
        announce_time=outage.announce_time if outage.HasField("announce_time") else None,
        version=outage.version,
    )
