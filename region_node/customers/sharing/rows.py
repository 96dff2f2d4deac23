"""Decisions of customers, and who saw what, as stored."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import LegalBasis, SharedField
from gateway.api.region.v1.sharing_service_pb2 import ConsentEvidence, DisclosureKind, DisclosureParticulars
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import from_microseconds, to_microseconds
from gateway.store.port import Transaction
from gateway.vault import KeyDestroyed, open_sealed, seal
from region_node.customers.rows import Line
from region_node.customers.sharing.rules import Decided, Field
from region_node.node.subjects import customer_subject

_GRANTS = "sharing_grants"
_DISCLOSURES = "disclosures"
_DECIDED = "grant_id, reader, purpose, fields, granted, start_time, end_time, withdraw_time, text_version"
_OPEN_PAGE = 2**62  # beyond every sequence


@dataclass(frozen=True)
class SharingRequest:
    """What was done for a request id: a digest of what was asked, and from when until when it holds."""

    digest: str
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class GrantRow:
    """A decision with its place in the list, when it was recorded, whether none is newer, and how it was given."""

    sequence: int
    decided: Decided
    recorded: datetime
    is_newest: bool
    evidence: ConsentEvidence = field(repr=False)


@dataclass(frozen=True)
class DisclosureRow:
    """One reading, refusal or decision."""

    kind: DisclosureKind.ValueType
    time: datetime
    region: str
    operator: str
    purpose: str
    legal_basis: LegalBasis.ValueType = LegalBasis.LEGAL_BASIS_UNSPECIFIED
    grant_id: str = ""
    shown: Sequence[Field] = ()
    masked: Sequence[Field] = ()
    refused: Reason.ValueType = Reason.REASON_UNSPECIFIED
    particulars: DisclosureParticulars = field(default_factory=DisclosureParticulars, repr=False)
    sequence: int = 0


def find_request(tx: Transaction, subject: str) -> SharingRequest | None:
    """What was done for a request id, if anything."""
    return tx.first(
        _request, "SELECT digest, start_time, end_time FROM sharing_requests WHERE subject = :subject", subject=subject
    )


def insert_request(tx: Transaction, subject: str, request: SharingRequest, now: datetime) -> None:
    """Remembers what was done."""
    tx.execute(
        "INSERT INTO sharing_requests (subject, digest, start_time, end_time, request_time)"
        " VALUES (:subject, :digest, :start, :end, :now)",
        subject=subject,
        digest=request.digest,
        start=_column(request.start),
        end=_column(request.end),
        now=to_microseconds(now),
    )


def decisions_of(tx: Transaction, line: Line, reader: str) -> list[Decided]:
    """What the customer of a line decided about a region, newest first."""
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
        " CAST(:start AS BIGINT), CAST(:end AS BIGINT), NULL, :text_version, CAST(:now AS BIGINT), :evidence, :paper"
        " FROM sharing_grants",
        customer=line.customer_id,
        product=line.product_id,
        grant_id=decided.grant_id,
        reader=decided.reader,
        purpose=decided.purpose,
        fields=_written(decided.fields),
        granted=int(decided.granted),
        start=to_microseconds(decided.start),
        end=_column(decided.end),
        now=to_microseconds(now),
        text_version=decided.text_version,
        evidence=seal(tx, subject, _GRANTS, evidence.SerializeToString()),
        paper=evidence.paper if decided.granted else "",
    )


def is_paper_used(tx: Transaction, register_id: str) -> bool:
    """Whether a grant was given by a paper on file, of whichever line; also one that was withdrawn, or is forgotten."""
    found = tx.first(
        int,
        "SELECT 1 FROM sharing_grants WHERE paper = :paper"
        " UNION ALL SELECT 1 FROM documents WHERE register_id = :paper AND is_used = 1 LIMIT 1",
        paper=register_id,
    )
    return found is not None


def forget_grant(tx: Transaction, sequence: int) -> None:
    """Removes a decision; the paper by which it was given stays used for as long as it is registered."""
    tx.execute(
        "UPDATE documents SET is_used = 1 WHERE register_id ="
        " (SELECT paper FROM sharing_grants WHERE sequence = :sequence)",
        sequence=sequence,
    )
    tx.execute("DELETE FROM sharing_grants WHERE sequence = :sequence", sequence=sequence)


def grants_page(tx: Transaction, line: Line, before: int, limit: int) -> list[GrantRow]:
    """At most `limit` decisions about a line before a place, newest first; 0 begins with the newest."""
    found = tx.all(
        _grant,
        f"SELECT sequence, record_time, evidence, (SELECT COUNT(*) FROM sharing_grants AS newer"  # noqa: S608
        " WHERE newer.product_id = held.product_id AND newer.reader = held.reader AND newer.purpose = held.purpose"
        f" AND newer.sequence > held.sequence), {_DECIDED} FROM sharing_grants AS held"
        " WHERE product_id = :product AND customer_id = :customer AND sequence < :before"
        " ORDER BY sequence DESC LIMIT :limit",
        product=line.product_id,
        customer=line.customer_id,
        before=before or _OPEN_PAGE,
        limit=limit,
    )
    return [
        GrantRow(sequence, decided, recorded, is_newest, ConsentEvidence.FromString(_opened(tx, line, _GRANTS, sealed)))
        for sequence, recorded, sealed, is_newest, decided in found
    ]


def withdraw(tx: Transaction, grant_ids: Collection[str], now: datetime) -> None:
    """Grants hold no more."""
    tx.execute_many(
        "UPDATE sharing_grants SET withdraw_time = :now WHERE grant_id = :grant_id",
        [{"grant_id": each, "now": to_microseconds(now)} for each in grant_ids],
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


def note_disclosure(tx: Transaction, line: Line, row: DisclosureRow) -> None:
    """Adds a row to what the customer can see."""
    subject = customer_subject(line.customer_id)
    tx.execute(
        "INSERT INTO disclosures (sequence, customer_id, product_id, kind, time, region, operator, purpose,"
        " legal_basis, grant_id, shown, masked, refused, particulars)"
        " SELECT COALESCE(MAX(sequence), 0) + 1, :customer, :product, :kind, CAST(:time AS BIGINT), :region, :operator,"
        " :purpose, :legal_basis, :grant_id, :shown, :masked, :refused, :particulars FROM disclosures",
        customer=line.customer_id,
        product=line.product_id,
        kind=row.kind,
        time=to_microseconds(row.time),
        region=row.region,
        operator=row.operator,
        purpose=row.purpose,
        legal_basis=row.legal_basis,
        grant_id=row.grant_id,
        shown=_written(row.shown),
        masked=_written(row.masked),
        refused=row.refused,
        particulars=seal(tx, subject, _DISCLOSURES, row.particulars.SerializeToString()),
    )


_NOTED = 50  # rows that are looked at: more readings of one line at once than any region has


def was_noted(tx: Transaction, line: Line, row: DisclosureRow, since: datetime) -> bool:
    """Whether the same person of the same region was told of the same record before, `since` then."""
    found = tx.all(
        bytes,
        "SELECT particulars FROM disclosures WHERE product_id = :product AND customer_id = :customer AND kind = :kind"
        " AND region = :region AND operator = :operator AND refused = 0 AND time >= :since"
        " ORDER BY sequence DESC LIMIT :limit",
        product=line.product_id,
        customer=line.customer_id,
        kind=row.kind,
        region=row.region,
        operator=row.operator,
        since=to_microseconds(since),
        limit=_NOTED,
    )
    known = (DisclosureParticulars.FromString(_opened(tx, line, _DISCLOSURES, each)) for each in found)
    own = row.particulars
    return any((each.requester.staff_id, each.record) == (own.requester.staff_id, own.record) for each in known)


def disclosures_page(tx: Transaction, line: Line, before: int, limit: int) -> list[DisclosureRow]:
    """At most `limit` rows about a line before a place, newest first; 0 begins with the newest."""

    def row(
        kind: DisclosureKind.ValueType,
        time: int,
        region: str,
        operator: str,
        purpose: str,
        legal_basis: LegalBasis.ValueType,
        grant_id: str,
        shown: str,
        masked: str,
        refused: Reason.ValueType,
        particulars: bytes,
        sequence: int,
    ) -> tuple[DisclosureRow, bytes]:
        found = DisclosureRow(
            kind,
            from_microseconds(time),
            region,
            operator,
            purpose,
            legal_basis,
            grant_id,
            _read(shown),
            _read(masked),
            refused,
            sequence=sequence,
        )
        return found, particulars

    found = tx.all(
        row,
        "SELECT kind, time, region, operator, purpose, legal_basis, grant_id, shown, masked, refused, particulars,"
        " sequence FROM disclosures WHERE product_id = :product AND customer_id = :customer AND sequence < :before"
        " ORDER BY sequence DESC LIMIT :limit",
        product=line.product_id,
        customer=line.customer_id,
        before=before or _OPEN_PAGE,
        limit=limit,
    )
    return [
        replace(each, particulars=DisclosureParticulars.FromString(_opened(tx, line, _DISCLOSURES, sealed)))
        for each, sealed in found
    ]


def _opened(tx: Transaction, line: Line, place: str, sealed: bytes) -> bytes:
    """What was sealed; nothing where the customer was erased since, and came again under the same id."""
    try:
        return open_sealed(tx, customer_subject(line.customer_id), place, sealed)
    except KeyDestroyed:
        return b""


def _column(instant: datetime | None) -> int | None:
    return None if instant is None else to_microseconds(instant)


def _instant(column: int | None) -> datetime | None:
    return None if column is None else from_microseconds(column)


def _written(fields: Collection[Field]) -> str:
    return ",".join(SharedField.Name(each) for each in sorted(fields))


def _read(written: str) -> list[Field]:
    """The fields of a row; one that this version does not know, as after a step back, is left out."""
    names = SharedField.keys()
    return [SharedField.Value(each) for each in written.split(",") if each in names]


def _request(digest: str, start: int | None, end: int | None) -> SharingRequest:
    return SharingRequest(digest, _instant(start), _instant(end))


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
) -> Decided:
    return Decided(
        grant_id,
        reader,
        purpose,
        frozenset(_read(fields)),
        bool(granted),
        from_microseconds(start),
        _instant(end),
        _instant(withdrawn),
        text_version,
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
) -> tuple[int, datetime, bytes, bool, Decided]:
    decided = _decided(grant_id, reader, purpose, fields, granted, start, end, withdrawn, text_version)
    return sequence, from_microseconds(recorded), sealed, not newer, decided
