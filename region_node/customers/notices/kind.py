"""Registration of notices for erasure, retention and sealing."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.store.port import Transaction
from region_node.customers.notices.purging import Notices
from region_node.customers.notices.rows import seal_clear_notices
from region_node.records.kinds import ErasurePort, RecordKind, RetentionPort


def _forget_number(tx: Transaction, index: str) -> None:
    tx.execute("UPDATE notices SET number = '' WHERE number = :index", index=index)


NOTICES = RecordKind(
    "notice",
    ErasurePort(forget={"number": _forget_number}, indexed=("notices",)),
    retention=RetentionPort(purgers={DataClass.DATA_CLASS_NOTICES: Notices()}),
    row_migrations={"notices": seal_clear_notices},
)
