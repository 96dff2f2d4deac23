"""Cases that have changed since coordinators were told."""

from dataclasses import dataclass

from gateway.store.port import Transaction


@dataclass(frozen=True)
class ToTell:
    """A case, and the version of which coordinators are to hear."""

    docket: str
    version: int


@dataclass(frozen=True)
class CaseChanged:
    """Published when coordinators are to be told of a case."""


def note_to_tell(tx: Transaction, docket: str, version: int) -> None:
    """Coordinators are to be told of a case, in the transaction that changes it."""
    tx.execute(
        "INSERT INTO cases_to_tell (docket, version) VALUES (:docket, :version)"
        " ON CONFLICT (docket) DO UPDATE SET version = excluded.version",
        docket=docket,
        version=version,
    )
    tx.publish(CaseChanged())


def to_tell(tx: Transaction, after: str, limit: int) -> list[ToTell]:
    """At most `limit` cases of which coordinators are to hear, by docket, after one."""
    return tx.all(
        ToTell,
        "SELECT docket, version FROM cases_to_tell WHERE docket > :after ORDER BY docket LIMIT :limit",
        after=after,
        limit=limit,
    )


def note_told(tx: Transaction, told: ToTell) -> None:
    """A coordinator has it, unless it has changed meanwhile."""
    tx.execute(
        "DELETE FROM cases_to_tell WHERE docket = :docket AND version = :version",
        docket=told.docket,
        version=told.version,
    )
