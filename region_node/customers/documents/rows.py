"""The register of documents as stored: one row for each document of this region's own customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.region.v1.document_service_pb2 import RegisteredDocument
from gateway.api.types.v1.types_pb2 import Document
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp

MOST_COUNTED = 200
"""Documents of one customer that may count for an order: far more than anybody has."""
_COLUMNS = (
    "document_id, customer_id, code, region, verifier, verify_time, expire_time, withdraw_time, media_type, size,"
    " content_hash, identity_hash, register_time, keyed_by"
)


DOCUMENT_SUBJECTS = "document/"


def document_subject(document_id: str) -> str:
    """The subject of the envelopes about a document."""
    return DOCUMENT_SUBJECTS + document_id


@dataclass(frozen=True)
class DocumentRow:
    """A document on file. Times in microseconds; the hashes are this region's, in hexadecimal.

    The content's hash of a customer who moved here is by the key of the former home, `keyed_by`.
    """

    document_id: str
    customer_id: str
    code: str
    region: str
    verifier: str
    verify_time: int
    expire_time: int | None
    withdraw_time: int | None
    media_type: str
    size: int
    content_hash: str
    identity_hash: str
    register_time: int
    keyed_by: str = ""

    def message(self) -> RegisteredDocument:
        """The document as a message of the contract."""
        told = RegisteredDocument(
            document_id=self.document_id,
            code=self.code,
            region=self.region,
            verifier=self.verifier,
            verify_time=to_timestamp(from_microseconds(self.verify_time)),
            media_type=self.media_type,
            size=self.size,
            keyed_hash=bytes.fromhex(self.content_hash),
            register_time=to_timestamp(from_microseconds(self.register_time)),
        )
        if self.expire_time is not None:
            told.expire_time.CopyFrom(to_timestamp(from_microseconds(self.expire_time)))
        if self.withdraw_time is not None:
            told.withdraw_time.CopyFrom(to_timestamp(from_microseconds(self.withdraw_time)))
        return told


def find_document(tx: Transaction, document_id: str) -> DocumentRow | None:
    """The document with an id."""
    return tx.first(
        DocumentRow,
        f"SELECT {_COLUMNS} FROM documents WHERE document_id = :id",  # noqa: S608 - column names only
        id=document_id,
    )


def insert_document(tx: Transaction, row: DocumentRow) -> None:
    """Adds a document."""
    tx.execute(
        f"INSERT INTO documents ({_COLUMNS}) VALUES"  # noqa: S608 - column names only
        " (:document_id, :customer_id, :code, :region, :verifier, :verify_time, :expire_time, :withdraw_time,"
        " :media_type, :size, :content_hash, :identity_hash, :register_time, :keyed_by)",
        **vars(row),
    )


def withdraw_document(tx: Transaction, document_id: str, withdraw_time: datetime) -> None:
    """Withdraws a document; the first time counts."""
    tx.execute(
        "UPDATE documents SET withdraw_time = :time WHERE document_id = :id AND withdraw_time IS NULL",
        time=to_microseconds(withdraw_time),
        id=document_id,
    )


def identify_document(tx: Transaction, document_id: str, identity_hash: str) -> None:
    """Stores the keyed hash of the identity number of a document that a hand-over brought without it."""
    tx.execute(
        "UPDATE documents SET identity_hash = :identity_hash WHERE document_id = :id",
        identity_hash=identity_hash,
        id=document_id,
    )


def forget_documents(tx: Transaction, customer_id: str) -> None:
    """Removes the register of a customer."""
    tx.execute("DELETE FROM documents WHERE customer_id = :id", id=customer_id)


@dataclass(frozen=True)
class Kept:
    """A document on file, and the region that has its content."""

    document_id: str
    region: str


def kept_of(tx: Transaction, customer_id: str) -> Sequence[Kept]:
    """All documents on file for a customer, as stored."""
    return tx.all(
        Kept, "SELECT document_id, region FROM documents WHERE customer_id = :id ORDER BY document_id", id=customer_id
    )


def documents_of(
    tx: Transaction, customer_id: str, after: tuple[int, str] | None = None, limit: int = MOST_COUNTED
) -> Sequence[RegisteredDocument]:
    """At most so many of what is on file for a customer, the one verified last first.

    Those behind the place `after` (time of verification in microseconds, document id).
    """
    conditions, place = "customer_id = :customer_id", dict[str, Value]()
    if after is not None:
        conditions += " AND verify_time <= :time AND (verify_time < :time OR document_id > :document_id)"
        place = {"time": after[0], "document_id": after[1]}
    rows = tx.all(
        DocumentRow,
        f"SELECT {_COLUMNS} FROM documents WHERE {conditions}"  # noqa: S608 - names of modules
        " ORDER BY verify_time DESC, document_id LIMIT :limit",
        customer_id=customer_id,
        limit=limit,
        **place,
    )
    return [row.message() for row in rows]


def holder_of(tx: Transaction, document: Document) -> str:
    """The id of the customer who has this document on file; empty for a document supplied with an order."""
    row = find_document(tx, document.document_id) if document.document_id else None
    return "" if row is None else row.customer_id


def is_same_person(tx: Transaction, customer_id: str, other: str) -> bool:
    """Whether both customers are one, or have shown the same identity document, in any region."""
    return customer_id == other or other in same_person(tx, customer_id)


def same_person(tx: Transaction, customer_id: str) -> Sequence[str]:
    """The customers who have shown an identity document with the same number as this one, in any region."""
    return tx.all(
        str,
        "SELECT DISTINCT other.customer_id FROM documents AS own JOIN documents AS other"
        " ON other.identity_hash = own.identity_hash"
        " WHERE own.customer_id = :customer_id AND own.identity_hash <> ''"
        " AND own.withdraw_time IS NULL AND other.withdraw_time IS NULL ORDER BY other.customer_id",
        customer_id=customer_id,
    )
