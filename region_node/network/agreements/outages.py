"""Outages of services as every region stores them: of its own network, and reported by others.

A region may be the home of agreements on another region's service. An agreement may be made before the report of an
earlier outage. So every region receives and stores all reports.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.agreement_pb2 import OutageCause, PartOutage, ServiceOutage
from gateway.api.region.v1.outage_envelopes_pb2 import OutageTold
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.network import NetworkRegistry
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from gateway.store.timers import Timer, set_timers
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp
from region_node.business.billing.rules import Month
from region_node.network.agreements.announced import tell_planned_soon
from region_node.network.agreements.rules import Outage
from region_node.network.agreements.spans import Span
from region_node.node.context import RegionContext

CORRECTION_TIMER = "agreement-correction"
LONGEST = timedelta(days=366)
_LIFETIME = timedelta(days=3650)  # the report counts however long the other region was away
SUBJECTS = "outage/"
_LARGEST_VERSION = 2**63 - 1
OF_A_SERVICE = frozenset(
    {
        OutageCause.OUTAGE_CAUSE_OPERATOR,
        OutageCause.OUTAGE_CAUSE_PLANNED,
        OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE,
    }
)


@dataclass(frozen=True)
class _Known:
    end_time: int
    cause: int
    announce_time: int | None
    withdrawn: int
    version: int

    def is_said_by(self, outage: ServiceOutage, end: int, announced: int | None) -> bool:
        """Whether a report of the outage brings no news."""
        known = (self.end_time, self.cause, self.announce_time, bool(self.withdrawn))
        return self.version >= outage.version or known == (end, outage.cause, announced, outage.withdrawn)


def note_outage(tx: Transaction, context: RegionContext, outage: ServiceOutage, now: datetime) -> bool:
    """Stores an outage of this region's network, sends it to the others, and corrects existing statements.

    `outage.region` is this region. Source, service, agreement and start name the outage; each new version is processed
    once. Returns False for a known or older version. Raises Refused before the first write.
    """
    require_plausible(context.federation.network, outage)
    if not keep_outage(tx, context, outage, now):
        return False
    if not outage.agreement_id:
        _tell(tx, context, outage, now)
    return True


def keep_outage(tx: Transaction, context: RegionContext, outage: ServiceOutage, now: datetime) -> bool:
    """Stores a region's version of an outage; returns False where that, or a later one, is stored."""
    span = span_of(outage)
    announced = announced_at(outage)
    known = tx.first(
        _Known,
        "SELECT end_time, cause, announce_time, withdrawn, version FROM service_outages"
        " WHERE service = :service AND source = :source AND agreement_id = :agreement AND start_time = :start",
        service=outage.service,
        source=outage.source,
        agreement=outage.agreement_id,
        start=span.start,
    )
    if known is not None and known.is_said_by(outage, span.end, announced):
        return False
    tx.execute(
        "INSERT INTO service_outages (service, source, agreement_id, start_time, end_time, region, cause,"
        " announce_time, version, withdrawn) VALUES (:service, :source, :agreement, :start, :end, :region, :cause,"
        " :announced, :version, :withdrawn) ON CONFLICT (service, source, agreement_id, start_time) DO UPDATE SET"
        " end_time = excluded.end_time, region = excluded.region, cause = excluded.cause,"
        " announce_time = excluded.announce_time, version = excluded.version, withdrawn = excluded.withdrawn",
        service=outage.service,
        source=outage.source,
        agreement=outage.agreement_id,
        start=span.start,
        end=span.end,
        region=outage.region,
        cause=outage.cause,
        announced=announced,
        version=outage.version,
        withdrawn=int(outage.withdrawn),
    )
    looked_at = Span(span.start, max(span.end, known.end_time if known is not None else span.end))
    correct_soon(tx, context, outage.service, looked_at, now)
    if outage.cause == OutageCause.OUTAGE_CAUSE_PLANNED:
        tell_planned_soon(tx, outage.service, outage.source, span.start, now)
    return True


def withdraw_outages(
    tx: Transaction, context: RegionContext, source: str, version: int, now: datetime, start: int | None = None
) -> None:
    """Withdraws the outages of a source, or the one that began at a time, whatever the registry says by now."""
    found = tx.all(
        _withdrawal,
        "SELECT service, source, region, start_time, end_time, cause, announce_time FROM service_outages"
        " WHERE source = :source AND agreement_id = '' AND withdrawn = 0",
        source=source,
    )
    for outage in found:
        outage.version = version
        if start in (None, span_of(outage).start) and keep_outage(tx, context, outage, now):
            _tell(tx, context, outage, now)


def is_known(tx: Transaction, outage: ServiceOutage) -> bool:
    """Whether a region has reported an outage of a service before."""
    sql = (
        "SELECT 1 FROM service_outages WHERE service = :service AND source = :source AND agreement_id = ''"
        " AND start_time = :start"
    )
    start = span_of(outage).start
    return tx.first(int, sql, service=outage.service, source=outage.source, start=start) is not None


def correct_soon(tx: Transaction, context: RegionContext, service: str, span: Span, now: datetime) -> None:
    """Schedules a correction of existing statements after a change of that time."""
    due = to_microseconds(now)
    timers = [
        Timer(f"{CORRECTION_TIMER}/{service}/{month.name}", CORRECTION_TIMER, f"{service} {month.name} ", due)
        for month in _months_of(context.time_zone, span)
        if month.end <= now
    ]
    set_timers(tx, timers)


def outages_of(tx: Transaction, service: str, agreement_id: str, span: Span) -> list[Outage]:
    """The outages that concern an agreement on a service in a stretch of time."""
    return tx.all(
        _outage,
        "SELECT source, start_time, end_time, cause, announce_time FROM service_outages WHERE service = :service"
        " AND end_time > :start AND start_time < :end AND withdrawn = 0 AND agreement_id IN ('', :agreement)",
        service=service,
        start=span.start,
        end=span.end,
        agreement=agreement_id,
    )


def note_waiver(
    tx: Transaction, context: RegionContext, product_id: str, source: str, span: Span, now: datetime
) -> bool:
    """Stores the time of a line's waived rent, once per source; no agreement compensates for it again.

    Corrects existing statements of the line. Returns False for a known waiver.
    """
    new = tx.execute(
        "INSERT INTO waived_times (product_id, source, start_time, end_time) VALUES (:product, :source, :start, :end)"
        " ON CONFLICT (product_id, source) DO NOTHING",
        product=product_id,
        source=source,
        start=span.start,
        end=span.end,
    )
    if not new:
        return False
    services = tx.all(str, "SELECT DISTINCT service FROM agreements WHERE product_id = :product", product=product_id)
    for service in services:
        correct_soon(tx, context, service, span, now)
    return True


def waivers_of(tx: Transaction, product_id: str, span: Span) -> list[Outage]:
    """The times of waived rent of a line that overlap `span`, as outages."""
    return tx.all(
        lambda source, start, end: Outage(source, Span(start, end), OutageCause.OUTAGE_CAUSE_WAIVED),
        "SELECT source, start_time, end_time FROM waived_times"
        " WHERE product_id = :product AND end_time > :start AND start_time < :end",
        product=product_id,
        start=span.start,
        end=span.end,
    )


def runs_part_of(network: NetworkRegistry, service: str, region: str) -> bool:
    """Whether a region runs the service, or a site or an end of a link that it uses. Raises Refused for no service."""
    found = network.service(service)
    regions = {found.region, *(network.site(each).region for each in found.sites)}
    return region in regions.union(*(network.regions_reporting(network.link(each)) for each in found.links))


def require_plausible(network: NetworkRegistry, outage: ServiceOutage) -> None:
    """Raises Refused unless the region may report on that service, with its own source and a finished span.

    Only an outage of a single agreement may be the customer's own. Such an outage never leaves its home, the only
    region that knows the cause.
    """
    is_customers = outage.cause == OutageCause.OUTAGE_CAUSE_CUSTOMER
    runs_part = runs_part_of(network, outage.service, outage.region)
    if not runs_part and not (is_customers and outage.agreement_id):
        raise Refused(Reason.REASON_NETWORK_NOT_OF_REGION, part=outage.service)
    require_told(outage)
    if (is_customers and not outage.agreement_id) or not (is_customers or outage.cause in OF_A_SERVICE):
        raise invalid("cause", "not of a service", "不是服务的原因")


def require_told(outage: ServiceOutage | PartOutage) -> None:
    """Raises Refused unless it has a source of its region, a version, and a time with an end."""
    if not outage.source.startswith(f"{outage.region}/") or not 0 < outage.version <= _LARGEST_VERSION:
        raise invalid("source", "not of the region, or no version", "不属于该地区，或没有版本")
    span = span_of(outage)
    if not span.start < span.end <= span.start + LONGEST // timedelta(microseconds=1):
        raise invalid(
            "end_time",
            f"not later than the start, or more than {LONGEST.days} days later",
            f"须晚于开始时间，且不超过{LONGEST.days}天",
        )


def _tell(tx: Transaction, context: RegionContext, outage: ServiceOutage, now: datetime) -> None:
    kind, payload = EnvelopeKind.ENVELOPE_KIND_SERVICE_OUTAGE, OutageTold(outage=outage).SerializeToString()
    name = f"{outage.service}/{span_of(outage).start}#{outage.version}"
    tell_every_region(tx, context, kind, f"{SUBJECTS}{outage.source}", name, payload, now)


def tell_every_region(
    tx: Transaction,
    context: RegionContext,
    kind: EnvelopeKind.ValueType,
    subject: str,
    name: str,
    payload: bytes,
    now: datetime,
) -> None:
    """Sends a message to every other region that ever joined; messages of one subject stay in order.

    `name` distinguishes the messages about a subject.
    """
    state = context.border.current.state()
    regions = (each.id for each in context.federation.configuration.regions if each.id != context.region)
    for region in sorted(each for each in regions if state.member_state(each) != MemberState.MEMBER_STATE_ABSENT):
        outgoing = OutgoingEnvelope(
            envelope_id=f"{subject}/{name}>{region}",
            destination=region,
            kind=kind,
            payload=payload,
            subject=subject,
            operator="",
            lifetime=_LIFETIME,
        )
        send(tx, context.border, outgoing, now=now, traceparent="")


def span_of(outage: ServiceOutage | PartOutage) -> Span:
    """The span of an outage. Raises Refused for a time out of range, also of the announcement."""
    try:
        times = (outage.start_time, outage.end_time, outage.announce_time)
        start, end, _ = (to_microseconds(from_timestamp(each)) for each in times)
    except OverflowError:
        raise invalid("start_time", "out of range", "超出范围") from None
    return Span(start, end)


def announced_at(outage: ServiceOutage | PartOutage) -> int | None:
    """The announcement of a planned outage, in microseconds; None for an emergency, and for an unplanned one."""
    return to_microseconds(from_timestamp(outage.announce_time)) if outage.HasField("announce_time") else None


def _months_of(time_zone: str, span: Span) -> Iterable[Month]:
    """The months that a stretch of time lies in."""
    first, last = (from_microseconds(each) for each in (span.start, span.end - 1))
    month = Month.at(first, time_zone)
    while month.start <= last:
        yield month
        month = month.next()


def _outage(source: str, start: int, end: int, cause: int, announced: int | None) -> Outage:
    return Outage(source, Span(start, end), OutageCause.ValueType(cause), announced)


def _withdrawal(
    service: str, source: str, region: str, start: int, end: int, cause: int, announced: int | None
) -> ServiceOutage:
    """The report that an outage did not, or will not, take place; its version is the caller's."""
    return ServiceOutage(
        service=service,
        source=source,
        region=region,
        start_time=to_timestamp(from_microseconds(start)),
        end_time=to_timestamp(from_microseconds(end)),
        cause=OutageCause.ValueType(cause),
        announce_time=None if announced is None else to_timestamp(from_microseconds(announced)),
        withdrawn=True,
    )
