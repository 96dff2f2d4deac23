"""Cases with unreported changes."""

from dataclasses import dataclass

from gateway.store.port import Transaction


@dataclass(frozen=True)
class CaseReport:
    """The queued report of a case to coordinators, by the version of the case."""

    ticket_id: str
    version: int


@dataclass(frozen=True)
class CaseChanged:
    """Published when a case needs a report to coordinators."""


def queue_report(tx: Transaction, ticket_id: str, version: int) -> None:
    """Queues the report of a case to coordinators, in the transaction of its change."""
    tx.execute(
        "INSERT INTO cases_to_tell (ticket_id, version) VALUES (:ticket_id, :version)"
        " ON CONFLICT (ticket_id) DO UPDATE SET version = excluded.version",
        ticket_id=ticket_id,
        version=version,
    )
    tx.publish(CaseChanged())


def queued_reports(tx: Transaction, after: str, limit: int) -> list[CaseReport]:
    """At most `limit` cases with queued reports, by ticket id, after one."""
    return tx.all(
        CaseReport,
        "SELECT ticket_id, version FROM cases_to_tell WHERE ticket_id > :after ORDER BY ticket_id LIMIT :limit",
        after=after,
        limit=limit,
    )


def note_delivered(tx: Transaction, sent: CaseReport) -> None:
    """Removes a sent report from the queue, unless the case has changed meanwhile."""
    tx.execute(
        "DELETE FROM cases_to_tell WHERE ticket_id = :ticket_id AND version = :version",
        ticket_id=sent.ticket_id,
        version=sent.version,
    )
