"""The registration of agreements and outages for erasure and retention."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.store.port import Transaction
from region_node.customers.rows import remove_of_lines
from region_node.network.agreements.purging import Agreements
from region_node.records.kinds import ErasurePort, RecordKind, RetentionPort


def _forget_customer(tx: Transaction, customer_id: str) -> None:
    tx.execute(
        "DELETE FROM agreement_statements WHERE agreement_id IN"
        " (SELECT agreement_id FROM agreements WHERE customer_id = :id)",
        id=customer_id,
    )
    tx.execute("DELETE FROM agreements WHERE customer_id = :id", id=customer_id)
    remove_of_lines(tx, "waived_times", customer_id)


AGREEMENTS = RecordKind(
    "agreement",
    ErasurePort(forget={"customer": _forget_customer}),
    retention=RetentionPort(purgers={DataClass.DATA_CLASS_AGREEMENTS: Agreements()}),
)
