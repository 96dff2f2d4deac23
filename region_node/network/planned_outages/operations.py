"""Announcing, moving and cancelling planned outages; one transaction each, with calls to a coordinator in between."""

from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.region.v1 import planned_outage_service_pb2 as api
from gateway.api.region.v1.agreement_pb2 import OutageCause, PartOutage
from gateway.api.region.v1.planned_outage_service_pb2 import PlannedOutage, PlannedOutageState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.network_ways import Parts, services_down
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from region_node.network.agreements.recording import note, withdraw
from region_node.network.agreements.rules import NOTICE_POLICY
from region_node.network.planned_outages.rows import CANCELLED, keep_planned, require_planned
from region_node.node.context import RegionContext

ASKED = PlannedOutageState.PLANNED_OUTAGE_STATE_ASKED
ANNOUNCED = PlannedOutageState.PLANNED_OUTAGE_STATE_ANNOUNCED
LONGEST = timedelta(days=31)
AHEAD = timedelta(days=366)
MOST_PARTS = 64


def ask(
    tx: Transaction, context: RegionContext, staff_id: str, asked: api.AnnouncePlannedOutageRequest, now: datetime
) -> PlannedOutage:
    """Stores an outage for announcement once a coordinator holds it.

    Raises Refused with SITE_UNKNOWN, LINK_UNKNOWN, NETWORK_NOT_OF_REGION or PLANNED_OUTAGE_NOTICE_SHORT, and for a
    started or impossible time.
    """
    _require_own_parts(context, asked)
    _require_time(context, asked.start_time, asked.end_time, now, emergency=asked.emergency)
    parts = Parts(frozenset(asked.sites), frozenset(asked.links))
    planned = PlannedOutage(
        id=f"{context.region}/planned/{staff_id}/{asked.request_id}",
        sites=sorted(parts.sites),
        links=sorted(parts.links),
        start_time=asked.start_time,
        end_time=asked.end_time,
        emergency=asked.emergency,
        state=ASKED,
        version=1,
        services=sorted(services_down(context.federation.network, parts)),
        staff_id=staff_id,
    )
    keep_planned(tx, planned)
    return planned


def announce(tx: Transaction, context: RegionContext, outage_id: str, now: datetime) -> PlannedOutage:
    """Announces an outage that a coordinator holds. Raises Refused where too little time is left by now."""
    planned = require_planned(tx, outage_id)
    if planned.state != ASKED:
        return planned
    _require_time(context, planned.start_time, planned.end_time, now, emergency=planned.emergency)
    planned.state = ANNOUNCED
    planned.announce_time.CopyFrom(to_timestamp(now))
    keep_planned(tx, planned)
    _note(tx, context, planned, now)
    return planned


def forget(tx: Transaction, outage_id: str) -> None:
    """Removes an outage refused by a coordinator, of which nobody was notified."""
    tx.execute(
        "DELETE FROM planned_outages WHERE planned_outage_id = :id AND state = :state", id=outage_id, state=ASKED
    )


def moved(
    tx: Transaction, context: RegionContext, asked: api.ChangePlannedOutageRequest, now: datetime
) -> PlannedOutage:
    """A planned outage at another time, not stored. Raises Refused as `ask`."""
    planned = require_planned(tx, asked.planned_outage_id)
    _require_ahead(planned, now)
    if planned.state != ANNOUNCED:
        raise Refused(Reason.REASON_PLANNED_OUTAGE_OVER, outage=planned.id)
    _require_time(context, asked.start_time, asked.end_time, now, emergency=planned.emergency)
    planned.start_time.CopyFrom(asked.start_time)
    planned.end_time.CopyFrom(asked.end_time)
    planned.announce_time.CopyFrom(to_timestamp(now))
    planned.version += 1
    return planned


def move(tx: Transaction, context: RegionContext, planned: PlannedOutage, now: datetime) -> bool:
    """Stores the result of `moved`; returns False after another change in between."""
    before = require_planned(tx, planned.id)
    if before.version != planned.version - 1 or before.state != ANNOUNCED:
        return False
    keep_planned(tx, planned)
    _note(tx, context, planned, now)
    if before.start_time != planned.start_time:
        start = to_microseconds(from_timestamp(before.start_time))
        withdraw(tx, context, planned.id, planned.version, now, start)
    return True


def cancel(tx: Transaction, context: RegionContext, outage_id: str, now: datetime) -> PlannedOutage:
    """Cancels a planned outage. Raises Refused with PLANNED_OUTAGE_NOT_FOUND or PLANNED_OUTAGE_OVER."""
    planned = require_planned(tx, outage_id)
    _require_ahead(planned, now)
    was_announced = planned.state == ANNOUNCED
    planned.state = CANCELLED
    planned.version += 1
    keep_planned(tx, planned)
    if was_announced:
        withdraw(tx, context, planned.id, planned.version, now)
    return planned


def header_of(planned: PlannedOutage) -> PlannedOutageHeader:
    """The window of an outage at the coordinator."""
    return PlannedOutageHeader(
        id=planned.id,
        sites=planned.sites,
        links=planned.links,
        start_time=planned.start_time,
        end_time=planned.end_time,
        version=planned.version,
        withdrawn=planned.state == CANCELLED,
    )


def _note(tx: Transaction, context: RegionContext, planned: PlannedOutage, now: datetime) -> None:
    """Sends every region the times of the parts, and the services that are down by them."""
    outage = PartOutage(
        source=planned.id,
        region=context.region,
        sites=planned.sites,
        links=planned.links,
        start_time=planned.start_time,
        end_time=planned.end_time,
        cause=OutageCause.OUTAGE_CAUSE_PLANNED,
        announce_time=None if planned.emergency else planned.announce_time,
        version=planned.version,
    )
    note(tx, context, outage, planned.services, now)


def _require_own_parts(context: RegionContext, asked: api.AnnouncePlannedOutageRequest) -> None:
    network = context.federation.network
    if not 1 <= len(asked.sites) + len(asked.links) <= MOST_PARTS:
        raise invalid("links", f"not 1 to {MOST_PARTS} sites and links", f"站点和链路须为1至{MOST_PARTS}个")
    run_by = [(network.site(each).region, each) for each in asked.sites]
    run_by += [(network.link(each).region, each) for each in asked.links]
    for region, part in run_by:
        if region != context.region:
            raise Refused(Reason.REASON_NETWORK_NOT_OF_REGION, part=part)


def _require_time(
    context: RegionContext, start_time: Timestamp, end_time: Timestamp, now: datetime, *, emergency: bool
) -> None:
    try:
        start, end = from_timestamp(start_time), from_timestamp(end_time)
    except OverflowError:
        raise invalid("start_time", "out of range", "超出范围") from None
    if not now < start < now + AHEAD:
        raise invalid("start_time", f"not in the next {AHEAD.days} days", f"须在今后{AHEAD.days}天内")
    if not start < end <= start + LONGEST:
        raise invalid(
            "end_time",
            f"not later than the start, or more than {LONGEST.days} days later",
            f"须晚于开始时间，且不超过{LONGEST.days}天",
        )
    hours = context.federation.figure(NOTICE_POLICY, (context.region, context.region))
    if not emergency and start - now < timedelta(hours=hours):
        raise Refused(Reason.REASON_PLANNED_OUTAGE_NOTICE_SHORT, hours=str(hours))


def _require_ahead(planned: PlannedOutage, now: datetime) -> None:
    if planned.state == CANCELLED or from_timestamp(planned.start_time) <= now:
        raise Refused(Reason.REASON_PLANNED_OUTAGE_OVER, outage=planned.id)
