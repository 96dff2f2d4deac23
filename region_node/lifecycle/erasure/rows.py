"""Erasures and the ids of destroyed keys, as stored; and what is removed with a key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.region.v1 import erasure_service_pb2 as api
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.clock import from_microseconds, to_microseconds, to_timestamp
from gateway.store.port import Transaction
from region_node.care.complaints.index_rows import forget_indexed
from region_node.care.complaints.private_notes import remove_private_notes
from region_node.customers.documents.files import remove_files_of
from region_node.customers.standing import ERASED, keep_standing
from region_node.customers.verification.rows import forget_askers
from region_node.network.faults.rows import forget_waivers
from region_node.node.subjects import indexed_number_subject

_COLUMNS = "caller, request_id, digest, customer_id, reason, staff_id, channel, time, keys_destroyed, orders_erased"


@dataclass(frozen=True)
class ErasureRow:
    """One erasure, and the request that asked for it: the caller, its id and the digest of its content."""

    caller: str
    request_id: str
    digest: bytes
    customer_id: str
    reason: api.ErasureReason.ValueType
    staff_id: str
    channel: Channel.ValueType
    time: int
    keys_destroyed: int
    orders_erased: int

    def message(self) -> api.Erasure:
        """As the contract tells it."""
        return api.Erasure(
            request_id=self.request_id,
            customer_id=self.customer_id,
            reason=self.reason,
            requester=Requester(staff_id=self.staff_id, channel=self.channel),
            erase_time=to_timestamp(from_microseconds(self.time)),
            keys_destroyed=self.keys_destroyed,
            orders_erased=self.orders_erased,
        )


@dataclass(frozen=True)
class ErasedKey:
    """A key that was destroyed, and when."""

    key_id: str
    time: datetime


def insert_erasure(tx: Transaction, row: ErasureRow) -> None:
    """Remembers an erasure."""
    tx.execute(
        f"INSERT INTO erasures ({_COLUMNS}) VALUES"  # noqa: S608 - column names only
        " (:caller, :request_id, :digest, :customer_id, :reason, :staff_id, :channel, :time, :keys_destroyed,"
        " :orders_erased)",
        caller=row.caller,
        request_id=row.request_id,
        digest=row.digest,
        customer_id=row.customer_id,
        reason=row.reason,
        staff_id=row.staff_id,
        channel=row.channel,
        time=row.time,
        keys_destroyed=row.keys_destroyed,
        orders_erased=row.orders_erased,
    )


def erasure_asked(tx: Transaction, caller: str, request_id: str) -> ErasureRow | None:
    """What a request has erased."""
    return tx.first(
        ErasureRow,
        f"SELECT {_COLUMNS} FROM erasures WHERE caller = :caller AND request_id = :request_id",  # noqa: S608
        caller=caller,
        request_id=request_id,
    )


def erasure_of(tx: Transaction, customer_id: str) -> ErasureRow | None:
    """How a customer was erased."""
    return tx.first(ErasureRow, f"SELECT {_COLUMNS} FROM erasures WHERE customer_id = :id", id=customer_id)  # noqa: S608


def note_erased_keys(tx: Transaction, key_ids: Sequence[str], now: datetime) -> None:
    """Remembers ids of destroyed keys, those that are new."""
    tx.execute_many(
        "INSERT INTO erased_keys (key_id, sequence, time)"
        " SELECT :key_id, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM erased_keys), CAST(:time AS BIGINT)"
        " WHERE NOT EXISTS (SELECT 1 FROM erased_keys WHERE key_id = :key_id)",
        [{"key_id": key_id, "time": to_microseconds(now)} for key_id in key_ids],
    )


def erased_after(tx: Transaction, after: tuple[datetime, str], limit: int) -> list[ErasedKey]:
    """At most so many of the destroyed keys that follow a time and id, by time and id."""
    return tx.all(
        _erased_key,
        "SELECT key_id, time FROM erased_keys WHERE time > :time OR (time = :time AND key_id > :id)"
        " ORDER BY time, key_id LIMIT :limit",
        time=to_microseconds(after[0]),
        id=after[1],
        limit=limit,
    )


@dataclass(frozen=True)
class NumberedKey:
    """A destroyed key, and which of the region's it is, from 1."""

    sequence: int
    key_id: str


def erased_after_number(tx: Transaction, after: int, limit: int) -> list[NumberedKey]:
    """At most so many of the destroyed keys after a number, in order."""
    return tx.all(
        NumberedKey,
        "SELECT sequence, key_id FROM erased_keys WHERE sequence > :after ORDER BY sequence LIMIT :limit",
        after=after,
        limit=limit,
    )


def subjects_of_keys(tx: Transaction, key_ids: Sequence[str]) -> list[str]:
    """The subjects whose keys have one of the ids."""
    found = (tx.first(str, "SELECT subject FROM data_keys WHERE key_id = :id", id=key_id) for key_id in key_ids)
    return [subject for subject in found if subject is not None]


def mark_erased(tx: Transaction, subjects: Sequence[str]) -> None:
    """Notes of customers and orders whose keys are destroyed that they cannot be read any more.

    What is stored of them beside what their keys seal goes, too: hashes of passwords and documents, waiting codes,
    agreements, keyed indexes of numbers; and what is large, or stands by itself, of complaints: files, private notes,
    and what other regions told of them.
    """
    for subject in subjects:
        kind, _, name = subject.partition("/")
        if kind == "customer":
            keep_standing(tx, name, ERASED)
            _forget_customer(tx, name)
        elif kind == "order":
            tx.execute("UPDATE orders SET erased = 1, number = '' WHERE order_id = :id", id=name)
            # What an event without a body tells, its other columns say.
            tx.execute("UPDATE order_events SET body = NULL WHERE order_id = :id", id=name)
        elif kind == "fault":
            forget_waivers(tx, name)
            tx.execute("UPDATE faults SET number_index = '' WHERE fault_id = :id", id=name)
        elif kind == "support":
            tx.execute("UPDATE support_requests SET number_index = '' WHERE support_id = :id", id=name)
        elif kind == "number":
            _forget_number(tx, name)
            forget_askers(tx, name)
        elif kind == "complaint":
            remove_files_of(tx, name)
            remove_private_notes(tx, name)
            tx.execute("UPDATE complaints SET number_index = '' WHERE docket = :id", id=name)


def _forget_number(tx: Transaction, index: str) -> None:
    """What can be read no more is not found by its number any more either."""
    forget_indexed(tx, index)
    tx.execute("UPDATE notices SET number = '' WHERE number = :index", index=index)
    for table, blank in (("document_files", "subject = '', number_hash = ''"), ("import_rejections", "subject = ''")):
        tx.execute(
            f"UPDATE {table} SET {blank} WHERE subject = :subject",  # noqa: S608 - names from above
            subject=indexed_number_subject(index),
        )


def _forget_customer(tx: Transaction, customer_id: str) -> None:
    tx.execute("DELETE FROM identities WHERE customer_id = :id", id=customer_id)
    tx.execute("DELETE FROM documents WHERE customer_id = :id", id=customer_id)
    tx.execute("UPDATE products SET taken_over_content = NULL WHERE customer_id = :id", id=customer_id)
    numbers = "SELECT number FROM products WHERE customer_id = :id AND number IS NOT NULL"
    for number in tx.all(str, numbers, id=customer_id):
        forget_indexed(tx, number)
        forget_askers(tx, number)
    tx.execute(
        "DELETE FROM agreement_statements WHERE agreement_id IN"
        " (SELECT agreement_id FROM agreements WHERE customer_id = :id)",
        id=customer_id,
    )
    tx.execute("DELETE FROM agreements WHERE customer_id = :id", id=customer_id)
    for table in (
        "passwords",
        "codes",
        "verification_failures",
        "verification_standing",
        "waived_times",
        "line_services",
    ):
        tx.execute(
            f"DELETE FROM {table} WHERE product_id IN"  # noqa: S608 - names from above
            " (SELECT product_id FROM products WHERE customer_id = :id)",
            id=customer_id,
        )


def _erased_key(key_id: str, time: int) -> ErasedKey:
    return ErasedKey(key_id, from_microseconds(time))
