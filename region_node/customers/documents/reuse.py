"""For how many orders between two regions no paper had to be handed in again, counted as they are completed."""

from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.metrics import Meter

from gateway.api.region.v1.document_service_pb2 import DocumentReuse
from gateway.api.region.v1.order_pb2 import Order, PaperUse
from gateway.store.port import Store, Transaction
from gateway.store.tables import Tally

METRIC = "crossregion.orders.completed"
_REUSE = Tally(
    "document_reuse",
    key=("business", "origin_region", "home_region"),
    added=("orders", "with_papers", "without_handing_in"),
)


@dataclass(frozen=True)
class CompletedAcross:
    """Published when an order that one region handled for a customer of another was completed, as this region knows."""

    business: str
    paper_use: PaperUse.ValueType


def count_reuse(tx: Transaction, order: Order) -> None:
    """Counts an order that has just been completed, if two regions had to do with it."""
    if not order.home_region or order.home_region == order.origin_region:
        return
    tx.add(
        _REUSE,
        order.request.business,
        order.origin_region,
        order.home_region,
        orders=1,
        with_papers=int(order.paper_use != PaperUse.PAPER_USE_UNSPECIFIED),
        without_handing_in=int(order.paper_use == PaperUse.PAPER_USE_ON_FILE),
    )
    tx.publish(CompletedAcross(order.request.business, order.paper_use))


def reuse(tx: Transaction) -> Sequence[DocumentReuse]:
    """The counts, by business, handling and home region."""
    return tx.all(
        _reuse,
        "SELECT business, origin_region, home_region, orders, with_papers, without_handing_in FROM document_reuse"
        " ORDER BY business, origin_region, home_region",
    )


def measure_reuse(meter: Meter, store: Store) -> None:
    """Counts them as a metric too, by business and by where the papers came from: `none`, `handed_in`, `on_file`."""
    counter = meter.create_counter(METRIC, unit="{order}")
    names = {
        PaperUse.PAPER_USE_UNSPECIFIED: "none",
        PaperUse.PAPER_USE_HANDED_IN: "handed_in",
        PaperUse.PAPER_USE_ON_FILE: "on_file",
    }

    def completed(event: CompletedAcross) -> None:
        counter.add(1, {"business": event.business, "papers": names.get(event.paper_use, "none")})

    store.subscribe(CompletedAcross, completed)


def _reuse(
    business: str, origin_region: str, home_region: str, orders: int, with_papers: int, without_handing_in: int
) -> DocumentReuse:
    return DocumentReuse(
        business=business,
        origin_region=origin_region,
        home_region=home_region,
        orders=orders,
        with_papers=with_papers,
        without_handing_in=without_handing_in,
    )
