"""Purges ended complaints with all their data; their figures stay."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from gateway.store.vault import destroy
from region_node.care.complaints.private_notes import remove_private_notes
from region_node.care.complaints.rows import EVENTS, AboutNumber, case_of, complaint_subject
from region_node.care.complaints.rules import FINAL
from region_node.customers.documents.files import remove_files_of
from region_node.records.purging.aged import aged
from region_node.records.purging.port import Cut, Page

_INDEX = "index "  # how a place begins that is none of complaints
_FINAL = ", ".join(str(state) for state in sorted(FINAL))


@dataclass(frozen=True)
class _Ended:
    ticket_id: str
    create_time: int
    number_index: str
    parent: str


@dataclass(frozen=True)
class _Indexed:
    ticket_id: str
    create_time: int
    number_index: str


class Complaints:
    """Purges final complaints with settled money whose followers are all notified. A case goes as a whole.

    Other regions' reports of complaints about this region's numbers are purged by their filing.

    The row of the figures (`complaint_figures`) stays. Without the complaint it names nobody, unless money was paid:
    the ledger keeps account and ticket id forever. Improvement actions stay as well, since they concern a cause.
    """

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger.

        A place is the instant and the ticket id of the last complaint; the index follows behind all of them.
        """
        if place.startswith(_INDEX):
            return _index_page(tx, cut, place.removeprefix(_INDEX))
        found = aged(
            tx,
            _Ended,
            "SELECT ticket_id, create_time, number_index, case_id FROM complaints",
            cut,
            place,
            time="create_time",
            key="ticket_id",
            where=f"state IN ({_FINAL}) AND due_time IS NULL",
        )
        held = [each for each in found.rows if each.number_index in cut.held.numbers]
        removed = sum(self._remove(tx, each, cut.before) for each in found.rows if each not in held)
        return Page(removed, len(held), found.behind or _behind(tx, cut))

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT create_time FROM complaints ORDER BY create_time LIMIT 1")

    def _remove(self, tx: Transaction, ended: _Ended, before: int) -> int:
        """Removes a complaint with its work items, if all of it has ended; a work item goes with its case."""
        whole = case_of(tx, ended.parent or ended.ticket_id)
        if ended.parent and any(each.ticket_id == ended.parent for each in whole):
            return 0
        if not whole or not all(_has_ended(tx, each, before) for each in whole):
            return 0
        ticket_ids = [each.ticket_id for each in whole]
        _note_numbers(tx, ticket_ids)
        EVENTS.forget(tx, ticket_ids)
        for table in ("complaint_escalations", "escalation_notices", "cases_to_tell", "work_items_told", "complaints"):
            tx.execute_many(
                f"DELETE FROM {table} WHERE ticket_id = :ticket_id",  # noqa: S608 - names from above
                [{"ticket_id": each} for each in ticket_ids],
            )
        for ticket_id in ticket_ids:
            remove_files_of(tx, ticket_id)
            remove_private_notes(tx, ticket_id)
        destroy(tx, [subject for each in ticket_ids for subject in (complaint_subject(each), envelope_subject(each))])
        return len(ticket_ids)


def _behind(tx: Transaction, cut: Cut) -> str:
    """The place of the page behind all complaints; empty without old reports in the index."""
    old = tx.first(int, "SELECT 1 FROM complaint_index WHERE create_time < :before LIMIT 1", before=cut.before)
    return "" if old is None else _INDEX


def _index_page(tx: Transaction, cut: Cut, place: str) -> Page:
    """Removes old reports of other regions' complaints."""
    select = "SELECT ticket_id, create_time, number_index FROM complaint_index"
    found = aged(tx, _Indexed, select, cut, place, time="create_time", key="ticket_id")
    held = [each for each in found.rows if each.number_index in cut.held.numbers]
    removed = [each.ticket_id for each in found.rows if each not in held and not _is_needed(tx, each.ticket_id)]
    tx.execute_many(
        "DELETE FROM complaint_index WHERE ticket_id = :ticket_id", [{"ticket_id": each} for each in removed]
    )
    destroy(tx, [envelope_subject(each) for each in removed])
    return Page(len(removed), len(held), _INDEX + found.behind if found.behind else "")


def _is_needed(tx: Transaction, ticket_id: str) -> bool:
    """Whether the complaint itself, or a message about it, is still kept: the reports overrule both."""
    kept = tx.first(
        int,
        "SELECT 1 FROM outbox WHERE subject = :ticket_id UNION ALL SELECT 1 FROM inbox WHERE subject = :ticket_id"
        " UNION ALL SELECT 1 FROM complaints WHERE ticket_id = :ticket_id"
        " UNION ALL SELECT 1 FROM complaints WHERE case_id = :ticket_id AND case_id <> '' LIMIT 1",
        ticket_id=ticket_id,
    )
    return kept is not None


def _has_ended(tx: Transaction, each: AboutNumber, before: int) -> bool:
    """Whether a complaint ended before an instant, and nothing about it waits or has still to be known."""
    if each.is_open:
        return False
    waiting = tx.first(
        int,
        "SELECT 1 FROM outbox WHERE subject = :ticket_id UNION ALL SELECT 1 FROM inbox WHERE subject = :ticket_id"
        " UNION ALL SELECT 1 FROM escalation_notices WHERE ticket_id = :ticket_id AND told_time IS NULL"
        " UNION ALL SELECT 1 FROM cases_to_tell WHERE ticket_id = :ticket_id LIMIT 1",
        ticket_id=each.ticket_id,
    )
    later = tx.first(
        int,
        "SELECT 1 FROM complaint_events WHERE ticket_id = :ticket_id AND time >= :before LIMIT 1",
        ticket_id=each.ticket_id,
        before=before,
    )
    return waiting is None and later is None


def _note_numbers(tx: Transaction, ticket_ids: Sequence[str]) -> None:
    """Keeps the highest number, from which the next complaint is numbered."""
    tx.execute_many(
        "INSERT INTO purged_tickets (id, ticket_number) SELECT 1, ticket_number FROM complaints"
        " WHERE ticket_id = :ticket_id ON CONFLICT (id) DO UPDATE SET ticket_number = CASE"
        " WHEN excluded.ticket_number > purged_tickets.ticket_number THEN excluded.ticket_number"
        " ELSE purged_tickets.ticket_number END",
        [{"ticket_id": each} for each in ticket_ids],
    )
