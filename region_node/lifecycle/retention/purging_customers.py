"""Erases customers whose contracts ended long ago."""

from dataclasses import dataclass

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.store.port import Transaction
from region_node.customers.other_contacts.rows import forget_other_contacts
from region_node.customers.status import ERASED
from region_node.lifecycle.erasure.operations import retire
from region_node.lifecycle.registry import Registry
from region_node.records.purging.port import Cut, Page

_TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED
_PAGE = 10  # customers in one transaction: each includes its rows in every table
# The end of a line; a line migrated as terminated ended before its migration.
_ENDED = (
    "COALESCE((SELECT MAX(time) FROM line_states WHERE line_states.product_id = products.product_id),"
    " CASE WHEN taken_over > 0 THEN taken_over END)"
)
_ENDED_LINES = (
    f"SELECT products.customer_id, {_ENDED} AS ended FROM products"  # noqa: S608 - names from above
    " JOIN customers ON customers.customer_id = products.customer_id"
    f" WHERE products.status = {_TERMINATED} AND customers.status <> {ERASED} AND NOT EXISTS"
    " (SELECT 1 FROM products AS others WHERE others.customer_id = products.customer_id"
    f" AND others.status <> {_TERMINATED})"
)

_WITH_CONTACTS = " AND products.customer_id IN (SELECT customer_id FROM other_contacts)"


@dataclass(frozen=True)
class _Customer:
    customer_id: str
    ended: int | None


class EndedContacts:
    """Purges the other contacts of customers with only terminated lines; those with lines of unknown end are kept."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the id of the last customer that was looked at."""
        found = _ended_customers(tx, place, cut.limit, _WITH_CONTACTS)
        old = [each.customer_id for each in found if each.ended is not None and each.ended < cut.before]
        gone = [each for each in old if each not in cut.held.customers]
        for customer_id in gone:
            forget_other_contacts(tx, customer_id)
        return Page(len(gone), len(old) - len(gone), found[-1].customer_id if len(found) == cut.limit else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return _oldest_end(tx, _WITH_CONTACTS)


class EndedCustomers:
    """Purges customers with only terminated lines, and without obstacles to erasure.

    They are erased in the same way as by `EraseCustomer`, with all data in other regions. Customers with lines of
    unknown end are kept.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the id of the last customer that was looked at."""
        limit = min(cut.limit, _PAGE)
        found = _ended_customers(tx, place, limit)
        old = [each.customer_id for each in found if each.ended is not None and each.ended < cut.before]
        removed = sum(retire(tx, self._registry, each, cut.now) for each in old if each not in cut.held.customers)
        held = sum(each in cut.held.customers for each in old)
        return Page(removed, held, found[-1].customer_id if len(found) == limit else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return _oldest_end(tx)


def _ended_customers(tx: Transaction, after: str, limit: int, but: str = "") -> list[_Customer]:
    """At most `limit` customers with only terminated lines that follow another one by id; `but` is a condition."""
    return tx.all(
        _Customer,
        "SELECT customer_id, CASE WHEN COUNT(*) = COUNT(ended) THEN MAX(ended) END"  # noqa: S608 - names from above
        f" FROM ({_ENDED_LINES}{but} AND products.customer_id > :after) AS lines"
        " GROUP BY customer_id ORDER BY customer_id LIMIT :limit",
        after=after,
        limit=limit,
    )


def _oldest_end(tx: Transaction, but: str = "") -> int | None:
    """When the first such line ended, in microseconds."""
    ended = f"SELECT ended FROM ({_ENDED_LINES}{but}) AS lines"  # noqa: S608 - names from above
    return tx.first(int, f"{ended} WHERE ended IS NOT NULL ORDER BY ended LIMIT 1")
