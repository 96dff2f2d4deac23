"""Reports the age of usage and bills."""

from gateway.store.port import Transaction
from region_node.records.purging.port import Cut, Page


class UsageAndBills:
    """The billing run removes them with each month; the report has their number."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger."""
        return Page(0, 0, "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger. A row of the oldest month."""
        return tx.first(int, "SELECT usage_time FROM usage_records ORDER BY month LIMIT 1")
