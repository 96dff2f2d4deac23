"""Cases in the embedded registry: one transaction each."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds


def keep_case(tx: Transaction, header: CaseHeader) -> None:
    """Stores the header of a case. See the port."""
    tx.execute(
        "INSERT INTO cases (ticket_id, version, ended, content) VALUES (:ticket_id, :version, :ended, :content)"
        " ON CONFLICT (ticket_id) DO UPDATE SET version = excluded.version, ended = excluded.ended,"
        " content = excluded.content WHERE excluded.version > cases.version",
        ticket_id=header.ticket_id,
        version=header.version,
        ended=to_microseconds(from_timestamp(header.end_time)) if header.HasField("end_time") else None,
        content=header.SerializeToString(),
    )


def cases(tx: Transaction) -> Sequence[CaseHeader]:
    """All cases that are kept, by ticket id."""
    return tx.all(CaseHeader.FromString, "SELECT content FROM cases ORDER BY ticket_id")


def forget_cases(tx: Transaction, before: datetime) -> None:
    """Forgets the cases that ended before."""
    tx.execute("DELETE FROM cases WHERE ended < :before", before=to_microseconds(before))
