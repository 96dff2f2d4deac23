"""The outages of faults and works: of network parts, past or planned, and of the services that they take down."""

from collections.abc import Iterable
from datetime import datetime

from gateway.api.region.v1.agreement_pb2 import PartOutage, ServiceOutage
from gateway.store.port import Transaction
from region_node.network.agreements.outages import note_outage, runs_part_of, withdraw_outages
from region_node.network.agreements.part_outages import note_parts_out, withdraw_parts_out
from region_node.node.context import RegionContext


def note(tx: Transaction, context: RegionContext, outage: PartOutage, services: Iterable[str], now: datetime) -> None:
    """Stores an outage of this region's parts, and the services that are down by it alone.

    Services without a part of this region, by the current registry, are left out: others would refuse the report.
    """
    note_parts_out(tx, context, outage, now)
    network = context.federation.network
    for service in services:
        if service in network.services and runs_part_of(network, service, context.region):
            note_outage(tx, context, _of_service(outage, service), now)


def withdraw(
    tx: Transaction, context: RegionContext, source: str, version: int, now: datetime, start: int | None = None
) -> None:
    """Withdraws all outages of a source, or the one that began at a time, in microseconds."""
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
