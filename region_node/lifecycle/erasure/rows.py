"""Erasures of customers, as stored."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.api.region.v1 import erasure_service_pb2 as api
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_timestamp

_COLUMNS = (
    "caller, request_id, digest, customer_id, reason, staff_id, channel, time, keys_destroyed, orders_erased, scrub,"
    " status_key"
)
_STATUS = "status/"


@dataclass(frozen=True)
class ErasureRow:
    """An erasure, and its request: the caller, its id and the digest of its content."""

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
    scrub: int
    """The number of the first scrub that counts for it; 0 for an erasure of an earlier version."""
    status_key: str
    """The id in the subjects of its status envelopes; empty where there were none, or an earlier version sent them."""

    def message(self) -> api.Erasure:
        """The erasure as a message of the contract."""
        return api.Erasure(
            request_id=self.request_id,
            customer_id=self.customer_id,
            reason=self.reason,
            requester=Requester(staff_id=self.staff_id, channel=self.channel),
            erase_time=to_timestamp(from_microseconds(self.time)),
            keys_destroyed=self.keys_destroyed,
            orders_erased=self.orders_erased,
        )


def insert_erasure(tx: Transaction, row: ErasureRow) -> None:
    """Remembers an erasure."""
    tx.execute(
        f"INSERT INTO erasures ({_COLUMNS}) VALUES"  # noqa: S608 - column names only
        " (:caller, :request_id, :digest, :customer_id, :reason, :staff_id, :channel, :time, :keys_destroyed,"
        " :orders_erased, :scrub, :status_key)",
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
        scrub=row.scrub,
        status_key=row.status_key,
    )


def erasure_asked(tx: Transaction, caller: str, request_id: str) -> ErasureRow | None:
    """The erasure of a request."""
    return tx.first(
        ErasureRow,
        f"SELECT {_COLUMNS} FROM erasures WHERE caller = :caller AND request_id = :request_id",  # noqa: S608
        caller=caller,
        request_id=request_id,
    )


def erasure_of(tx: Transaction, customer_id: str) -> ErasureRow | None:
    """How a customer was erased."""
    return tx.first(ErasureRow, f"SELECT {_COLUMNS} FROM erasures WHERE customer_id = :id", id=customer_id)  # noqa: S608


def status_subject(status_key: str, region: str) -> str:
    """The subject of the envelopes with a customer's status to a region; the id is that of the customer's key."""
    return f"{_STATUS}{status_key}>{region}"


def has_status_envelopes(tx: Transaction, status_key: str) -> bool:
    """Whether the key of an envelope exists that reports the erasure to a region, with the numbers."""
    first, behind = f"{_STATUS}{status_key}>", f"{_STATUS}{status_key}?"  # in the order of bytes, ? follows >
    found = tx.first(
        int,
        "SELECT 1 FROM data_keys WHERE subject > :first AND subject < :behind LIMIT 1",
        first=envelope_subject(first),
        behind=envelope_subject(behind),
    )
    return found is not None


def count_scrub(tx: Transaction, subjects: Sequence[str], scrub: int) -> None:
    """Has erasures wait for a scrub if keys of their status envelopes are among the destroyed keys' subjects."""
    start = envelope_subject(_STATUS)
    for key in {each.removeprefix(start).partition(">")[0] for each in subjects if each.startswith(start)}:
        tx.execute("UPDATE erasures SET scrub = :scrub WHERE status_key = :key", scrub=scrub, key=key)
