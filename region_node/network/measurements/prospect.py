"""How much of a link is used by month, and when it will be full, for people."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.alarm_pb2 import QualityFigure
from gateway.api.region.v1.measurement_service_pb2 import ListQualityResponse
from gateway.time.clock import from_timestamp
from gateway.wording.languages import translated
from region_node.network.measurements.capacity import trend


def used(found: ListQualityResponse) -> Sequence[tuple[datetime, int]]:
    """The start of each period, and the throughput in kbit/s that 95 of 100 windows did not pass."""
    return [
        (from_timestamp(each.start_time), figure.percentile_95)
        for each in found.summaries
        for figure in each.figures
        if figure.figure == QualityFigure.QUALITY_FIGURE_THROUGHPUT
    ]


def prospect(months: Sequence[tuple[datetime, int]], capacity_kbps: int) -> str:
    """When the link will be full if the traffic goes on as in these months."""
    found = trend([(month.year * 12 + month.month, carried) for month, carried in months], capacity_kbps)
    if found is None:
        return translated("Too few months for a trend.")
    grows = translated("It changes by {rate} Mbit/s a month.", rate=f"{found.growth / 1000:+,.1f}")
    if found.months_left is None:
        return grows + " " + translated("By that it is never full.")
    if not found.months_left:
        return grows + " " + translated("By that it is full.")
    return grows + " " + translated("By that it is full in {count} months.", count=found.months_left)
