"""Says how old usage and bills are."""

from gateway.store.port import Transaction
from region_node.records.purging.port import Cut, Page


class UsageAndBills:
    """Forgotten by the billing run, as it bills a month; the report says how much that was."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger."""
        return Page(0, 0, "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger. A row of the oldest month."""
        return tx.first(int, "SELECT usage_time FROM usage_records ORDER BY month LIMIT 1")
