"""The registration of verifications for erasure and retention."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.store.port import Transaction
from region_node.customers.rows import remove_of_lines
from region_node.customers.verification.purging import Verification
from region_node.customers.verification.rows import forget_askers
from region_node.records.kinds import ErasurePort, RecordKind, RetentionPort


def _forget_customer(tx: Transaction, customer_id: str) -> None:
    for table in ("passwords", "codes", "verification_failures", "verification_states"):
        remove_of_lines(tx, table, customer_id)


VERIFICATIONS = RecordKind(
    "verification",
    ErasurePort(
        forget={"customer": _forget_customer},
        forget_user=forget_askers,
        indexed=("asked_codes", "wrong_answers", "verification_locks"),
    ),
    retention=RetentionPort(purgers={DataClass.DATA_CLASS_VERIFICATION: Verification()}),
)
