"""The lines that get a notice of a matter which others may have brought about."""

from collections.abc import Iterator

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.store.port import Transaction
from region_node.customers.listed_lines import lines_after
from region_node.customers.rows import Line

_OTHER_LINES = 3  # of a customer that get it, too: a company may have thousands


def notified_lines(tx: Transaction, line: Line) -> Iterator[Line]:
    """A line, and some more lines of the customer: the telephone of the line may be stolen."""
    yield line
    for other in lines_after(tx, line.customer_id, "", _OTHER_LINES + 1):
        is_reached = other.customer_id == line.customer_id and other.status == ProductStatus.PRODUCT_STATUS_ACTIVE
        if is_reached and other.product_id != line.product_id:
            yield other
