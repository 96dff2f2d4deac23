"""Purges decisions of customers about sharing that count no more, and disclosures."""

from dataclasses import dataclass

from gateway.store.port import Transaction
from region_node.customers.sharing.rows import forget_grant
from region_node.customers.status import ERASED
from region_node.records.purging.port import Cut, Page

# The next decision of the same line about the same reader and purpose, which replaces one.
_NEXT = (
    "(SELECT MIN(newer.record_time) FROM sharing_grants AS newer WHERE newer.product_id = held.product_id"
    " AND newer.reader = held.reader AND newer.purpose = held.purpose AND newer.sequence > held.sequence)"
)
# The newer decision must stay while a replaced one exists: without it the older one would count.
_OLDER = (
    "EXISTS (SELECT 1 FROM sharing_grants AS older WHERE older.product_id = held.product_id"
    " AND older.reader = held.reader AND older.purpose = held.purpose AND older.sequence < held.sequence)"
)
# Decisions of erased customers do not count.
_ERASED = (
    "CASE WHEN EXISTS (SELECT 1 FROM customers WHERE customers.customer_id = held.customer_id"  # noqa: S608
    f" AND customers.status = {ERASED}) THEN record_time END"
)
_ENDED = f"COALESCE({_NEXT}, withdraw_time, end_time, {_ERASED})"


@dataclass(frozen=True)
class _Decision:
    sequence: int
    customer_id: str
    ended: int | None


class Consents:
    """Purges withdrawn, replaced and expired grants, and replaced and expired refusals.

    Valid decisions stay until the erasure of the customer: a grant without an end, and a refusal. The oldest goes
    first, so that the loss of a replacement restores none.
    """

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the number of the last decision that was looked at."""
        found = tx.all(
            _Decision,
            f"SELECT sequence, customer_id, {_ENDED} FROM sharing_grants AS held"  # noqa: S608 - names of this module
            " WHERE sequence > :after AND record_time < :before ORDER BY sequence LIMIT :limit",
            after=int(place or 0),
            before=cut.before,
            limit=cut.limit,
        )
        old = [each for each in found if each.ended is not None and each.ended < cut.before]
        removed = 0
        for each in old:
            if each.customer_id not in cut.held.customers and not self._has_older(tx, each.sequence):
                forget_grant(tx, each.sequence)
                removed += 1
        held = sum(each.customer_id in cut.held.customers for each in old)
        return Page(removed, held, str(found[-1].sequence) if len(found) == cut.limit else "")

    def _has_older(self, tx: Transaction, sequence: int) -> bool:
        sql = f"SELECT 1 FROM sharing_grants AS held WHERE sequence = :sequence AND {_OLDER}"  # noqa: S608 - as above
        return tx.first(int, sql, sequence=sequence) is not None

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT record_time FROM sharing_grants ORDER BY sequence LIMIT 1")


@dataclass(frozen=True)
class _Disclosure:
    sequence: int
    customer_id: str
    time: int


class Disclosures:
    """Purges disclosures of customers' data."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the number of the last disclosure that was looked at."""
        found = tx.all(
            _Disclosure,
            "SELECT sequence, customer_id, time FROM disclosures WHERE time < :before AND sequence > :after"
            " ORDER BY sequence LIMIT :limit",
            before=cut.before,
            after=int(place or 0),
            limit=cut.limit,
        )
        gone = [each for each in found if each.customer_id not in cut.held.customers]
        tx.execute_many(
            "DELETE FROM disclosures WHERE sequence = :sequence", [{"sequence": each.sequence} for each in gone]
        )
        return Page(len(gone), len(found) - len(gone), str(found[-1].sequence) if len(found) == cut.limit else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT time FROM disclosures ORDER BY sequence LIMIT 1")
