"""Purges support requests that are closed, and all that there is about each."""

from dataclasses import dataclass

from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from gateway.vault import destroy
from region_node.lifecycle.retention.port import Cut, Page, place_of
from region_node.network.support.rows import support_subject
from region_node.network.support.rules import CLOSED


@dataclass(frozen=True)
class _Found:
    support_id: str
    creation_date: int
    changed: int
    number_index: str


class SupportRequests:
    """Support requests that were closed before an instant, and of which the other region has been told."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the instant and the id of the last one that was looked at."""
        instant, key = place_of(place)
        found = tx.all(
            _Found,
            "SELECT support_id, creation_date, changed, number_index FROM support_requests"
            " WHERE creation_date < :before AND state = :closed"
            " AND (creation_date, support_id) > (:after, :key) ORDER BY creation_date, support_id LIMIT :limit",
            before=cut.before,
            closed=CLOSED,
            after=instant,
            key=key,
            limit=cut.limit,
        )
        held = [each for each in found if each.number_index in cut.held.numbers]
        removed = sum(self._remove(tx, each, cut.before) for each in found if each not in held)
        last = found[-1] if len(found) == cut.limit else None
        return Page(removed, len(held), f"{last.creation_date} {last.support_id}" if last is not None else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT creation_date FROM support_requests ORDER BY creation_date LIMIT 1")

    def _remove(self, tx: Transaction, each: _Found, before: int) -> int:
        waiting = tx.first(
            int,
            "SELECT 1 FROM outbox WHERE subject = :id UNION ALL SELECT 1 FROM inbox WHERE subject = :id LIMIT 1",
            id=each.support_id,
        )
        if waiting is not None or each.changed >= before:
            return 0
        tx.execute(
            "INSERT INTO purged_support_requests (id, support_number)"
            " SELECT 1, support_number FROM support_requests WHERE support_id = :id"
            " ON CONFLICT (id) DO UPDATE SET support_number = CASE"
            " WHEN excluded.support_number > purged_support_requests.support_number THEN excluded.support_number"
            " ELSE purged_support_requests.support_number END",
            id=each.support_id,
        )
        tx.execute("DELETE FROM support_requests WHERE support_id = :id", id=each.support_id)
        destroy(tx, [support_subject(each.support_id), envelope_subject(each.support_id)])
        return 1
