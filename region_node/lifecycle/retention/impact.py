"""Impact records: the assessment before customers' data goes to other handlers, and its result.

Personal Information Protection Law, art. 55 (3) and 56.
"""

from gateway.api.region.v1.retention_service_pb2 import ImpactRecord
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.requests.auditing import AuditedCall


def record(tx: Transaction, told: ImpactRecord, call: AuditedCall) -> ImpactRecord:
    """Stores a record; a repeat returns the stored one. Raises Refused with IMPACT_RECORD_EXISTS."""
    wanted = ImpactRecord()
    wanted.CopyFrom(told)
    wanted.create_time.CopyFrom(to_timestamp(call.now))
    known = find(tx, wanted.id)
    if known is not None:
        wanted.create_time.CopyFrom(known.create_time)
        if wanted != known:
            raise Refused(Reason.REASON_IMPACT_RECORD_EXISTS, record=wanted.id)
        return known
    tx.execute(
        "INSERT INTO impact_records (record_id, content, recorded) VALUES (:id, :content, :now)",
        id=wanted.id,
        content=wanted.SerializeToString(),
        now=to_microseconds(call.now),
    )
    call.record(tx, "RecordImpact", f"impact/{wanted.id}")
    return wanted


def find(tx: Transaction, record_id: str) -> ImpactRecord | None:
    """A record."""
    return tx.first(ImpactRecord.FromString, "SELECT content FROM impact_records WHERE record_id = :id", id=record_id)


def records_after(tx: Transaction, record_id: str, limit: int) -> list[ImpactRecord]:
    """At most `limit` records after one, by id."""
    return tx.all(
        ImpactRecord.FromString,
        "SELECT content FROM impact_records WHERE record_id > :after ORDER BY record_id LIMIT :limit",
        after=record_id,
        limit=limit,
    )
