"""Purges faults that have ended, and all that there is about each; what was given back for them stays in the ledger."""

from dataclasses import dataclass

from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from gateway.vault import destroy
from region_node.lifecycle.retention.port import Cut, Page, place_of
from region_node.network.faults.rows import fault_subject, forget_waivers
from region_node.network.faults.rules import ENDED

_ENDED = ", ".join(str(state) for state in sorted(ENDED))


@dataclass(frozen=True)
class _Found:
    fault_id: str
    creation_date: int
    number_index: str


class Faults:
    """Faults that ended before an instant, and of which all regions have been told."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the instant and the id of the last fault that was looked at."""
        instant, key = place_of(place)
        found = tx.all(
            _Found,
            "SELECT fault_id, creation_date, number_index FROM faults"  # noqa: S608 - numbers of states
            f" WHERE creation_date < :before AND state IN ({_ENDED})"
            " AND (creation_date, fault_id) > (:after, :key) ORDER BY creation_date, fault_id LIMIT :limit",
            before=cut.before,
            after=instant,
            key=key,
            limit=cut.limit,
        )
        held = [each for each in found if each.number_index in cut.held.numbers]
        removed = sum(self._remove(tx, each, cut.before) for each in found if each not in held)
        last = found[-1] if len(found) == cut.limit else None
        return Page(removed, len(held), f"{last.creation_date} {last.fault_id}" if last is not None else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT creation_date FROM faults ORDER BY creation_date LIMIT 1")

    def _remove(self, tx: Transaction, each: _Found, before: int) -> int:
        if not _has_ended(tx, each.fault_id, before):
            return 0
        tx.execute(
            "INSERT INTO purged_faults (id, fault_number) SELECT 1, fault_number FROM faults WHERE fault_id = :id"
            " ON CONFLICT (id) DO UPDATE SET fault_number = CASE"
            " WHEN excluded.fault_number > purged_faults.fault_number THEN excluded.fault_number"
            " ELSE purged_faults.fault_number END",
            id=each.fault_id,
        )
        # The last of all stays, because the next one is numbered after it.
        tx.execute(
            "DELETE FROM fault_events WHERE fault_id = :id AND sequence < (SELECT MAX(sequence) FROM fault_events)",
            id=each.fault_id,
        )
        forget_waivers(tx, each.fault_id)
        tx.execute("DELETE FROM faults WHERE fault_id = :id", id=each.fault_id)
        destroy(tx, [fault_subject(each.fault_id), envelope_subject(each.fault_id)])
        return 1


def _has_ended(tx: Transaction, fault_id: str, before: int) -> bool:
    """Whether nothing about a fault waits, or has happened since an instant."""
    waiting = tx.first(
        int,
        "SELECT 1 FROM outbox WHERE subject = :id UNION ALL SELECT 1 FROM inbox WHERE subject = :id LIMIT 1",
        id=fault_id,
    )
    later = tx.first(
        int, "SELECT 1 FROM fault_events WHERE fault_id = :id AND time >= :before LIMIT 1", id=fault_id, before=before
    )
    return waiting is None and later is None
