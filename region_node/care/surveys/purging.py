"""Purges old surveys; counts of marks stay longer."""

from dataclasses import dataclass

from gateway.store.port import Transaction
from region_node.care.surveys.follow_ups import forget_notices
from region_node.customers.status import MOVED
from region_node.records.purging.aged import aged
from region_node.records.purging.port import Cut, Page

# The first condition is that of the index of customers who are not active.
_MOVED = f"SELECT customer_id FROM customers WHERE status <> 1 AND status = {MOVED}"  # noqa: S608 - a number of the contract
_ENDED = f"(follow_up_due IS NULL OR customer_id IN ({_MOVED}))"


@dataclass(frozen=True)
class _Old:
    survey_id: str
    invite_time: int
    customer_id: str


class Surveys:
    """Purges surveys. Those with an open follow-up stay, however old, unless the customer has another home."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the instant and the id of the last survey that was looked at."""
        select = "SELECT survey_id, invite_time, customer_id FROM surveys"
        found = aged(tx, _Old, select, cut, place, time="invite_time", key="survey_id", where=_ENDED)
        gone = [each for each in found.rows if each.customer_id not in cut.held.customers]
        for each in gone:
            forget_notices(tx, each.survey_id)
        tx.execute_many("DELETE FROM surveys WHERE survey_id = :id", [{"id": each.survey_id} for each in gone])
        return Page(len(gone), len(found.rows) - len(gone), found.behind)

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT invite_time FROM surveys ORDER BY invite_time LIMIT 1")
