"""An order in the reports of several regions. Pure."""

from collections.abc import Iterable, Mapping

from gateway.api.region.v1.oversight_service_pb2 import OrderSummary
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

_ID_PARTS = 3


def origin_region(order_id: str) -> str:
    """The region in `<origin region>/<operator>/<request id>`. Raises Refused with REQUEST_INVALID."""
    parts = order_id.split("/")
    if len(parts) != _ID_PARTS or not all(parts):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="order_id", problem="not region/operator/request-id")
    return parts[0]


def merged(reports: Mapping[str, Iterable[OrderSummary]]) -> list[OrderSummary]:
    """Each order of all reports once, newest first. `reports` are by their region.

    The home region's summary counts; without it, the highest version.
    """
    chosen: dict[str, tuple[bool, int]] = {}
    orders: dict[str, OrderSummary] = {}
    for region, summaries in reports.items():
        for summary in summaries:
            rank = (summary.home_region == region, summary.version)
            if summary.id not in chosen or rank > chosen[summary.id]:
                chosen[summary.id], orders[summary.id] = rank, summary
    return sorted(orders.values(), key=_age)


def concerns(summary: OrderSummary, region: str) -> bool:
    """Whether a region handles or owns an order."""
    return region in (summary.origin_region, summary.home_region)


def _age(summary: OrderSummary) -> tuple[int, int, str]:
    return (-summary.create_time.seconds, -summary.create_time.nanos, summary.id)
