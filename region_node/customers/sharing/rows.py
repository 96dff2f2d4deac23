"""Decisions of customers, as stored."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.region.v1.sharing_service_pb2 import ConsentEvidence
from gateway.store.port import Transaction
from gateway.store.vault import seal
from gateway.time.clock import from_microseconds, instant_or_none, microseconds_or_none, to_microseconds
from region_node.customers.disclosures.rows import FROM_NEWEST, fields_read, fields_written, opened
from region_node.customers.rows import Line
from region_node.customers.sharing.rules import Decided
from region_node.node.subjects import customer_subject

_GRANTS = "sharing_grants"
_DECIDED = (
    "grant_id, reader, purpose, fields, granted, start_time, end_time, withdraw_time, text_version, attested_start"
)

_COUNTS = (
    "(newer.attested_start IS NULL OR (newer.start_time <= :now"
    " AND (newer.withdraw_time IS NULL OR newer.start_time <= newer.withdraw_time)))"
)


@dataclass(frozen=True)
class SharingRequest:
    """The result of a request id: a digest of the request, and the time in which it holds."""

    digest: str
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class GrantRow:
    """A decision: its place in the list, its time of recording, whether it is the newest, and its form."""

    sequence: int
    decided: Decided
    recorded: datetime
    is_newest: bool
    evidence: ConsentEvidence = field(repr=False)


def find_request(tx: Transaction, subject: str) -> SharingRequest | None:
    """The stored result of a request id, if there is one."""
    return tx.first(
        _request, "SELECT digest, start_time, end_time FROM sharing_requests WHERE subject = :subject", subject=subject
    )


def insert_request(tx: Transaction, subject: str, request: SharingRequest, now: datetime) -> None:
    """Stores the result of a request."""
    tx.execute(
        "INSERT INTO sharing_requests (subject, digest, start_time, end_time, request_time)"
        " VALUES (:subject, :digest, :start, :end, :now)",
        subject=subject,
        digest=request.digest,
        start=microseconds_or_none(request.start),
        end=microseconds_or_none(request.end),
        now=to_microseconds(now),
    )


def decisions_of(tx: Transaction, line: Line, reader: str) -> list[Decided]:
    """The decisions of a line's customer about a region, newest first."""
    return tx.all(
        _decided,
        f"SELECT {_DECIDED} FROM sharing_grants"  # noqa: S608 - column names only
        " WHERE product_id = :product AND customer_id = :customer AND reader = :reader ORDER BY sequence DESC",
        product=line.product_id,
        customer=line.customer_id,
        reader=reader,
    )


def insert_grant(tx: Transaction, line: Line, decided: Decided, evidence: ConsentEvidence, now: datetime) -> None:
    """Adds a decision."""
    subject = customer_subject(line.customer_id)
    tx.execute(
        f"INSERT INTO sharing_grants (sequence, customer_id, product_id, {_DECIDED}, record_time, evidence, paper)"  # noqa: S608
        " SELECT COALESCE(MAX(sequence), 0) + 1, :customer, :product, :grant_id, :reader, :purpose, :fields, :granted,"
        " CAST(:start AS BIGINT), CAST(:end AS BIGINT), NULL, :text_version, CAST(:attested AS BIGINT),"
        " CAST(:now AS BIGINT), :evidence, :paper FROM sharing_grants",
        customer=line.customer_id,
        product=line.product_id,
        grant_id=decided.grant_id,
        reader=decided.reader,
        purpose=decided.purpose,
        fields=fields_written(decided.fields),
        granted=int(decided.granted),
        start=to_microseconds(decided.start),
        end=microseconds_or_none(decided.end),
        now=to_microseconds(now),
        text_version=decided.text_version,
        attested=microseconds_or_none(decided.attested),
        evidence=seal(tx, subject, _GRANTS, evidence.SerializeToString()),
        paper=evidence.paper if decided.granted else "",
    )


def is_paper_used(tx: Transaction, document_id: str) -> bool:
    """Whether a grant rests on a paper on file, of any line. Withdrawn and purged grants count."""
    found = tx.first(
        int,
        "SELECT 1 FROM sharing_grants WHERE paper = :paper"
        " UNION ALL SELECT 1 FROM documents WHERE document_id = :paper AND is_used = 1 LIMIT 1",
        paper=document_id,
    )
    return found is not None


def forget_grant(tx: Transaction, sequence: int) -> None:
    """Removes a decision; the paper behind it stays used for as long as it is registered."""
    tx.execute(
        "UPDATE documents SET is_used = 1 WHERE document_id ="
        " (SELECT paper FROM sharing_grants WHERE sequence = :sequence)",
        sequence=sequence,
    )
    tx.execute("DELETE FROM sharing_grants WHERE sequence = :sequence", sequence=sequence)


def grants_page(tx: Transaction, line: Line, before: int, limit: int, *, now: datetime) -> list[GrantRow]:
    """At most `limit` decisions about a line before a place, newest first; 0 begins with the newest.

    A decision is the newest as long as no later one counts, as `Decided.counts`.
    """
    found = tx.all(
        _grant,
        f"SELECT sequence, record_time, evidence, (SELECT COUNT(*) FROM sharing_grants AS newer"  # noqa: S608
        " WHERE newer.product_id = held.product_id AND newer.reader = held.reader AND newer.purpose = held.purpose"
        f" AND newer.sequence > held.sequence AND {_COUNTS}), {_DECIDED} FROM sharing_grants AS held"
        " WHERE product_id = :product AND customer_id = :customer AND sequence < :before"
        " ORDER BY sequence DESC LIMIT :limit",
        product=line.product_id,
        customer=line.customer_id,
        before=before or FROM_NEWEST,
        now=to_microseconds(now),
        limit=limit,
    )
    return [
        GrantRow(sequence, decided, recorded, is_newest, ConsentEvidence.FromString(opened(tx, line, _GRANTS, sealed)))
        for sequence, recorded, sealed, is_newest, decided in found
    ]


def withdraw(tx: Transaction, grant_ids: Collection[str], now: datetime) -> None:
    """Ends grants."""
    tx.execute_many(
        "UPDATE sharing_grants SET withdraw_time = :now WHERE grant_id = :grant_id",
        [{"grant_id": each, "now": to_microseconds(now)} for each in grant_ids],
    )


def confirm(tx: Transaction, grant_id: str, start: datetime) -> None:
    """Brings a grant into force from `start` on: the customer has confirmed it."""
    tx.execute(
        "UPDATE sharing_grants SET start_time = :start, attested_start = NULL WHERE grant_id = :grant_id",
        start=to_microseconds(start),
        grant_id=grant_id,
    )


def granted_to_anybody(tx: Transaction, line: Line) -> list[Decided]:
    """The grants of a line that were not withdrawn, oldest first."""
    return tx.all(
        _decided,
        f"SELECT {_DECIDED} FROM sharing_grants"  # noqa: S608 - column names only
        " WHERE product_id = :product AND customer_id = :customer AND granted = 1 AND withdraw_time IS NULL"
        " ORDER BY sequence",
        product=line.product_id,
        customer=line.customer_id,
    )


def _request(digest: str, start: int | None, end: int | None) -> SharingRequest:
    return SharingRequest(digest, instant_or_none(start), instant_or_none(end))


def _decided(
    grant_id: str,
    reader: str,
    purpose: str,
    fields: str,
    granted: int,
    start: int,
    end: int | None,
    withdrawn: int | None,
    text_version: str,
    attested: int | None,
) -> Decided:
    return Decided(
        grant_id,
        reader,
        purpose,
        frozenset(fields_read(fields)),
        bool(granted),
        from_microseconds(start),
        instant_or_none(end),
        instant_or_none(withdrawn),
        text_version,
        instant_or_none(attested),
    )


def _grant(
    sequence: int,
    recorded: int,
    sealed: bytes,
    newer: int,
    grant_id: str,
    reader: str,
    purpose: str,
    fields: str,
    granted: int,
    start: int,
    end: int | None,
    withdrawn: int | None,
    text_version: str,
    attested: int | None,
) -> tuple[int, datetime, bytes, bool, Decided]:
    decided = _decided(grant_id, reader, purpose, fields, granted, start, end, withdrawn, text_version, attested)
    return sequence, from_microseconds(recorded), sealed, not newer, decided
