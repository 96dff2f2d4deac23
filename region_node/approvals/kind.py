"""The registration of approvals for erasure and the nightly purge."""

from region_node.approvals.rows import forget_customer, forget_expired, forget_number
from region_node.records.kinds import ErasurePort, RecordKind, RetentionPort

APPROVALS = RecordKind(
    "approval",
    ErasurePort(forget={"customer": forget_customer, "number": forget_number}, indexed=("approvals",)),
    retention=RetentionPort(forget=forget_expired),
)
