"""The stored disclosures of a customer's data."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from gateway.api.federation.v1.configuration_pb2 import LegalBasis, SharedField
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without
from gateway.store.vault import KeyDestroyed, open_sealed, seal
from gateway.time.clock import from_microseconds, to_microseconds
from gateway.values.names import name_of
from region_node.customers.rows import Line
from region_node.node.subjects import customer_subject

_DISCLOSURES = "disclosures"
FROM_NEWEST = 2**62
"""In the place of a sequence number: beyond each."""


@dataclass(frozen=True)
class DisclosureRow:
    """A read, a refusal or a decision."""

    kind: DisclosureKind.ValueType
    time: datetime
    region: str
    operator: str
    purpose: str
    legal_basis: LegalBasis.ValueType = LegalBasis.LEGAL_BASIS_UNSPECIFIED
    grant_id: str = ""
    shown: Sequence[SharedField.ValueType] = ()
    masked: Sequence[SharedField.ValueType] = ()
    refused: Reason.ValueType = Reason.REASON_UNSPECIFIED
    particulars: DisclosureParticulars = field(default_factory=DisclosureParticulars, repr=False)
    sequence: int = 0


@prints_without("particulars")
class _AtRest(NamedTuple):
    """The columns of a disclosure; its particulars are sealed, and its time is in microseconds."""

    sequence: int
    customer_id: str
    product_id: str
    kind: DisclosureKind.ValueType
    time: int
    region: str
    operator: str
    purpose: str
    legal_basis: LegalBasis.ValueType
    grant_id: str
    shown: str
    masked: str
    refused: Reason.ValueType
    particulars: bytes


_TABLE = Table(_DISCLOSURES, _AtRest, key=("sequence",))
_LAST = "last"


def note_disclosure(tx: Transaction, line: Line, row: DisclosureRow) -> None:
    """Adds a row to the customer's own list."""
    sequence = tx.once(_DISCLOSURES, _LAST, lambda: _last_sequence(tx)) + 1
    at_rest = _AtRest(
        sequence=sequence,
        customer_id=line.customer_id,
        product_id=line.product_id,
        kind=row.kind,
        time=to_microseconds(row.time),
        region=row.region,
        operator=row.operator,
        purpose=row.purpose,
        legal_basis=row.legal_basis,
        grant_id=row.grant_id,
        shown=fields_written(row.shown),
        masked=fields_written(row.masked),
        refused=row.refused,
        particulars=seal(tx, customer_subject(line.customer_id), _DISCLOSURES, row.particulars.SerializeToString()),
    )
    tx.insert(_TABLE, at_rest)
    tx.know(_DISCLOSURES, _LAST, sequence)


def _last_sequence(tx: Transaction) -> int:
    return tx.first(int, "SELECT COALESCE(MAX(sequence), 0) FROM disclosures") or 0


_NOTED = 50  # the most rows that are looked at: more reads of one line in the interval than any region has


def was_noted(tx: Transaction, line: Line, row: DisclosureRow, since: datetime) -> bool:
    """Whether the same person of the same region has read the same record since `since`."""
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
    known = (DisclosureParticulars.FromString(opened(tx, line, _DISCLOSURES, each)) for each in found)
    own = row.particulars
    return any((each.requester.staff_id, each.record_id) == (own.requester.staff_id, own.record_id) for each in known)


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
            fields_read(shown),
            fields_read(masked),
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
        before=before or FROM_NEWEST,
        limit=limit,
    )
    return [
        replace(each, particulars=DisclosureParticulars.FromString(opened(tx, line, _DISCLOSURES, sealed)))
        for each, sealed in found
    ]


def opened(tx: Transaction, line: Line, place: str, sealed: bytes) -> bytes:
    """The sealed content; empty for a customer who was erased since and came again under the same id."""
    try:
        return open_sealed(tx, customer_subject(line.customer_id), place, sealed)
    except KeyDestroyed:
        return b""


def fields_written(fields: Collection[SharedField.ValueType]) -> str:
    """Fields in the form of a column."""
    return ",".join(name_of(SharedField, each) for each in sorted(fields))


def fields_read(written: str) -> list[SharedField.ValueType]:
    """The fields of a row, without fields unknown to this version, for example after a downgrade."""
    names = SharedField.keys()
    return [SharedField.Value(each) for each in written.split(",") if each in names]
