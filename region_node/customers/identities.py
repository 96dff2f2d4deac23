"""The documents that identify customers, as keyed hashes of the region that saw them, never as content."""

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.store.port import Transaction
from region_node.customers.documents.rows import same_person


def customer_known_by(tx: Transaction, attester: str, keyed_hash: bytes) -> str:
    """The id of the customer whom a region has identified by this document; empty for none."""
    return (
        tx.first(
            str,
            "SELECT customer_id FROM identities WHERE attester = :attester AND keyed_hash = :hash ORDER BY customer_id",
            attester=attester,
            hash=keyed_hash,
        )
        or ""
    )


def note_identity(tx: Transaction, attester: str, keyed_hash: bytes, customer_id: str) -> None:
    """Stores the keyed hash of the document by which a region has identified a customer."""
    tx.execute(
        "INSERT INTO identities (attester, keyed_hash, customer_id) SELECT :attester, :hash, :customer_id"
        " WHERE NOT EXISTS (SELECT 1 FROM identities"
        " WHERE attester = :attester AND keyed_hash = :hash AND customer_id = :customer_id)",
        attester=attester,
        hash=keyed_hash,
        customer_id=customer_id,
    )


def lines_held(tx: Transaction, customer_id: str) -> int:
    """The number of a person's active lines, over all customers with the same identity document.

    An identity document on file counts whichever region saw it; terminated lines do not count.
    """
    return sum(
        tx.first(
            int,
            "SELECT COUNT(*) FROM products WHERE customer_id = :id AND status <> :terminated",
            id=each,
            terminated=ProductStatus.PRODUCT_STATUS_TERMINATED,
        )
        or 0
        for each in {customer_id, *same_person(tx, customer_id)}
    )
