"""The share of measured hours in which services kept to their class of quality, month by month, in every region."""

from datetime import datetime

from gateway.api.region.v1.agreement_pb2 import ServiceConformance
from gateway.api.region.v1.outage_envelopes_pb2 import ConformanceTold
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.network import NetworkRegistry
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from gateway.time.months import require_month
from region_node.business.billing.rules import Month
from region_node.network.agreements.outages import correct_soon, tell_every_region
from region_node.network.agreements.rules import Measured
from region_node.network.agreements.spans import Span
from region_node.node.context import RegionContext

SUBJECTS = "conformance/"
_MOST = 2**63 - 1


def note_conformance(tx: Transaction, context: RegionContext, told: ServiceConformance, now: datetime) -> bool:
    """Stores this region's measurements of a service that it runs, and sends them to the others; once per version.

    Returns False where this version, or a later one, is stored. Raises Refused before the first write.
    """
    require_measured(context.federation.network, told)
    if not keep_conformance(tx, context, told, now):
        return False
    subject = f"{SUBJECTS}{told.service}"
    payload = ConformanceTold(conformance=told).SerializeToString()
    kind = EnvelopeKind.ENVELOPE_KIND_SERVICE_CONFORMANCE
    tell_every_region(tx, context, kind, subject, f"{told.month}#{told.version}", payload, now)
    return True


def keep_conformance(tx: Transaction, context: RegionContext, told: ServiceConformance, now: datetime) -> bool:
    """Stores measurements, and corrects existing statements; returns False for known measurements."""
    is_news = tx.execute(
        "INSERT INTO service_conformance (service, month, windows, kept, version)"
        " VALUES (:service, :month, :windows, :kept, :version) ON CONFLICT (service, month) DO UPDATE SET"
        " windows = excluded.windows, kept = excluded.kept, version = excluded.version"
        " WHERE excluded.version > service_conformance.version",
        service=told.service,
        month=told.month,
        windows=told.windows,
        kept=told.kept,
        version=told.version,
    )
    if not is_news:
        return False
    month = Month.of(told.month, context.time_zone)
    correct_soon(tx, context, told.service, Span(to_microseconds(month.start), to_microseconds(month.end)), now)
    return True


def measured_of(tx: Transaction, service: str, month: str) -> Measured:
    """The measurements of a service in a month."""
    sql = "SELECT windows, kept FROM service_conformance WHERE service = :service AND month = :month"
    return tx.first(Measured, sql, service=service, month=month) or Measured()


def require_measured(network: NetworkRegistry, told: ServiceConformance) -> None:
    """Raises Refused unless the report comes from the region of the service, for a month, with possible counts."""
    if network.service(told.service).region != told.region:
        raise Refused(Reason.REASON_NETWORK_NOT_OF_REGION, part=told.service)
    require_month("month", told.month)
    if not 0 <= told.kept <= told.windows or not 0 < told.version <= _MOST:
        raise invalid("kept", "more than was measured, or no version", "超过测量数，或没有版本")
