"""The registration of lines' network services for erasure."""

from gateway.store.port import Transaction
from region_node.customers.rows import remove_of_lines
from region_node.records.kinds import ErasurePort, RecordKind


def _forget_customer(tx: Transaction, customer_id: str) -> None:
    remove_of_lines(tx, "line_services", customer_id)


LINE_SERVICES = RecordKind("line-service", ErasurePort(forget={"customer": _forget_customer}))
