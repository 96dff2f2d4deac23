"""A month's measurements of a service for agreements: sent by its region after the end of the month.

An hour counts if a figure bounded by the service's class of quality was measured. It conforms where the mean of each of
these figures is within its bound. Y.1541 bounds means over a time, not single windows, and measurements are summed up
by hours. The choice of the hour is this project's.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from gateway.api.region.v1.agreement_pb2 import ServiceConformance
from gateway.api.region.v1.alarm_pb2 import QualityFigure
from gateway.errors import Refused
from gateway.federation.network import NetworkRegistry
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from gateway.time.clock import to_microseconds
from region_node.business.billing.rules import Month
from region_node.network.agreements.conformance import note_conformance
from region_node.network.agreements.monthly import RETRY, come_back, ensure_monthly, place_of
from region_node.network.agreements.rules import Measured
from region_node.network.measurements.measurement_rows import totals_between
from region_node.network.measurements.objects import SERVICE
from region_node.network.measurements.thresholds import Bound, strictest
from region_node.network.measurements.totals import Figures
from region_node.node.context import RegionContext

CONFORMANCE_TIMER = "agreement-conformance"
SETTLES = timedelta(minutes=30)  # after a month's end: every region knows before it states the month
_VERSION = 1  # each month is sent once


def ensure_conformance(tx: Transaction, now: datetime) -> None:
    """Sets the timer if it is missing: the first month is the current one."""
    ensure_monthly(tx, CONFORMANCE_TIMER, now)


def conformance_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Sends the figures of one service of this region in the ended month and returns for the next.

    The subject of the timer is the month and the last service, or the time of the first request. Services without
    measurements are skipped.
    """
    try:
        zone, network = context.time_zone, context.federation.network
    except Refused:  # no configuration yet
        come_back(tx, CONFORMANCE_TIMER, timer.subject, now + RETRY)
        return
    month, after = place_of(timer.subject, zone)
    if now < month.end + SETTLES:
        come_back(tx, CONFORMANCE_TIMER, f"{month.name} {after}", month.end + SETTLES)
        return
    service = _next_service(network, context.region, after)
    if service is None:
        come_back(tx, CONFORMANCE_TIMER, f"{month.next().name} ", month.next().end + SETTLES)
        return
    measured = measured_in(tx, network, service, month)
    if measured.windows:
        told = ServiceConformance(
            service=service,
            month=month.name,
            region=context.region,
            windows=measured.windows,
            kept=measured.kept,
            version=_VERSION,
        )
        note_conformance(tx, context, told, now)
    # Due as before: even after a long delay, the figures of a month precede its statement.
    come_back(tx, CONFORMANCE_TIMER, f"{month.name} {service}", month.end + SETTLES)


def measured_in(tx: Transaction, network: NetworkRegistry, service: str, month: Month) -> Measured:
    """The measured hours that began in a month, and the conforming hours among them.

    Raises Refused for a service or a class missing from the registry.
    """
    bounds = strictest([network.quality_class(network.service(service).quality_class)])
    first, last = to_microseconds(month.start), to_microseconds(month.end) - 1
    hours = totals_between(tx, "measurement_hours", f"{SERVICE}/{service}", first, last)
    kept = [found for _, figures in hours if (found := keeps(bounds, figures)) is not None]
    return Measured(windows=len(kept), kept=sum(kept))


def keeps(bounds: Mapping[QualityFigure.ValueType, Bound], figures: Figures) -> bool | None:
    """Whether the mean of each figure that is bound is within its bound; None where none of them was measured.

    Exact: whole sums are compared, not quotients.
    """
    found = [(figures[figure], bound.raises_over) for figure, bound in bounds.items() if figure in figures]
    return all(totals.sum <= most * totals.count for totals, most in found) if found else None


def _next_service(network: NetworkRegistry, region: str, after: str) -> str | None:
    """The service after one, by id, that the region runs and that has a class of quality to keep to."""
    own = (each.id for each in network.services.values() if each.region == region and each.quality_class)
    return min((each for each in own if each > after), default=None)
