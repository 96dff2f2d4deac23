"""Reads a region's database with the region's keys, and looks for what these open in any bytes."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag

from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.region.v1.issue_pb2 import Issue
from gateway.api.region.v1.order_pb2 import Order
from gateway.relay.at_rest import INBOX, INBOX_RECEIPT, OUTBOX, OUTBOX_RECEIPT, inbox_key, open_signed
from gateway.relay.envelopes import Sealed
from gateway.relay.outbox import sealed_from
from gateway.relay.receipt_differences import receipt_of
from gateway.security.region_keys import KeySet
from gateway.store import vault
from gateway.store.port import Transaction
from region_node.business.orders.rows import find_order
from region_node.care.issues.rows import ISSUE_ROWS
from region_node.customers.listed_lines import lines_after
from region_node.customers.notices.rows import notices_after
from region_node.customers.rows import find_customer
from region_node.network.faults.rows import find_fault
from region_node.node.subjects import customer_subject


@dataclass(frozen=True)
class Kept:
    """A row of an outbox or inbox with the bytes that were signed; `peer` is the destination, or the origin."""

    envelope_id: str
    subject: str
    peer: str
    kind: int
    content: bytes
    signature: bytes
    receipt_content: bytes | None
    receipt_signature: bytes | None
    closed: int | None


@dataclass(frozen=True)
class WrappedKey:
    """The key of a subject at rest, as somebody has seen it before it was destroyed."""

    subject: str
    key_id: str
    wrapped: bytes


_NONCE, _WRAPPED = 12, 60  # bytes: of a wrapped key 12 of nonce, 32 of key, 16 of tag
_ALL = 100_000  # rows: more than any test has
_SENT = (
    "SELECT envelope_id, subject, destination, kind, content, signature, receipt_content, receipt_signature, closed"
    " FROM outbox WHERE :subject = '' OR subject = :subject ORDER BY created, envelope_id"
)
_RECEIVED = (
    "SELECT envelope_id, subject, origin, 0, content, signature, receipt_content, receipt_signature, received"
    " FROM inbox WHERE :subject = '' OR subject = :subject ORDER BY received, envelope_id"
)


def wrapped_keys(tx: Transaction, subjects: Sequence[str]) -> list[WrappedKey]:
    """The keys of those subjects that have one."""
    sql = "SELECT subject, key_id, wrapped FROM data_keys WHERE subject = :subject"
    found = (tx.first(WrappedKey, sql, subject=each) for each in subjects)
    return [each for each in found if each is not None]


def recovered_subjects(content: bytes, keys: Sequence[WrappedKey], region: KeySet) -> list[str]:
    """The subjects of the keys that the key in use of a region opens somewhere in the bytes of files."""
    found = list[str]()
    for key in keys:
        place = content.find(key.wrapped[:_NONCE])
        while place >= 0:
            with contextlib.suppress(InvalidTag):
                wrapped = content[place + _NONCE : place + _WRAPPED]
                bound = f"{key.subject}\0{key.key_id}".encode()
                region.in_use.cipher.decrypt(key.wrapped[:_NONCE], wrapped, bound)
                found.append(key.subject)
            place = content.find(key.wrapped[:_NONCE], place + 1)
    return found


def sent(tx: Transaction, subject: str = "") -> Iterator[Kept]:
    """The sent envelopes, of one subject or of all, oldest first; without those about erased customers."""
    for row in tx.all(Kept, _SENT, subject=subject):
        yield from _opened(tx, row, OUTBOX, OUTBOX_RECEIPT, row.envelope_id)


def received(tx: Transaction, subject: str = "") -> Iterator[Kept]:
    """The executed envelopes, of one subject or of all, oldest first; without those about erased customers."""
    for row in tx.all(Kept, _RECEIVED, subject=subject):
        yield from _opened(tx, row, INBOX, INBOX_RECEIPT, inbox_key(row.peer, row.envelope_id))


def open_envelopes(tx: Transaction) -> list[Sealed]:
    """All envelopes without a receipt, oldest first."""
    return [sealed_from(row.content, row.signature) for row in sent(tx) if row.closed is None]


def customer_names(tx: Transaction, query: str) -> list[tuple[str, str]]:
    """Ids and names of customers, from a query for ids and what is sealed."""
    rows: list[tuple[str, bytes]] = tx.all(lambda *row: row, query)
    return [
        (
            customer_id,
            Customer.FromString(vault.open_sealed(tx, customer_subject(customer_id), "customers", sealed)).name,
        )
        for customer_id, sealed in rows
    ]


def orders(tx: Transaction) -> list[Order]:
    """All orders, by id."""
    ids = tx.all(str, "SELECT order_id FROM orders ORDER BY order_id")
    return [row.order for each in ids if (row := find_order(tx, each)) is not None]


def faults(tx: Transaction) -> list[Fault]:
    """All faults, by id."""
    ids = tx.all(str, "SELECT fault_id FROM faults ORDER BY fault_id")
    return [row.fault for each in ids if (row := find_fault(tx, each)) is not None]


def issues(tx: Transaction) -> list[Issue]:
    """All issues, by id."""
    ids = tx.all(str, "SELECT issue_id FROM issues ORDER BY issue_id")
    return [row.ticket for each in ids if (row := ISSUE_ROWS.find(tx, each)) is not None]


def told(tx: Transaction) -> bytes:
    """Everything personal that is stored, opened: what a search must find before it may say that it finds nothing."""
    found: list[bytes] = [order.SerializeToString() for order in orders(tx)]
    for kept in (*sent(tx), *received(tx)):
        found += [kept.content, kept.receipt_content or b""]
    for line in lines_after(tx, "", "", _ALL):
        customer = find_customer(tx, line.customer_id)
        assert customer is not None, "who has a line is known"
        found += [each.encode() for each in (line.number, line.address, line.suspension_reason)]
        found += [each.encode() for each in (customer.name, customer.email)]
    found += [notice.SerializeToString() for notice in notices_after(tx, "", (0, ""), _ALL)]
    return b"\n".join(found)


def _opened(tx: Transaction, row: Kept, place: str, receipt_place: str, key: str) -> Iterator[Kept]:
    content = open_signed(tx, row.subject, place, key, row.content)
    if content is None:
        return
    receipt = row.receipt_content
    if receipt is not None:
        receipt = receipt_of(open_signed(tx, row.subject, receipt_place, key, receipt) or b"", content)
    yield Kept(
        row.envelope_id,
        row.subject,
        row.peer,
        row.kind,
        content,
        row.signature,
        receipt,
        row.receipt_signature,
        row.closed,
    )
