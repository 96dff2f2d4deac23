"""The registration of customers, their lines and identities for erasure."""

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.customers.rows import lines_of_customer
from region_node.node.context import RegionContext
from region_node.records.kinds import Customer, ErasurePort, RecordKind


def _require_out_of_service(tx: Transaction, context: RegionContext, customer: Customer) -> None:
    lines = lines_of_customer(tx, customer.customer_id)
    in_service = [each for each in lines if each.status != ProductStatus.PRODUCT_STATUS_TERMINATED]
    if in_service:
        raise Refused(Reason.REASON_CUSTOMER_HAS_LINES, lines=str(len(in_service)))


def _forget(tx: Transaction, customer_id: str) -> None:
    tx.execute("DELETE FROM identities WHERE customer_id = :id", id=customer_id)
    tx.execute("UPDATE products SET taken_over_content = NULL WHERE customer_id = :id", id=customer_id)


def _has_line(tx: Transaction, index: str, home: str) -> bool:
    return tx.first(int, "SELECT 1 FROM products WHERE number = :index", index=index) is not None


CUSTOMERS = RecordKind(
    "customer",
    ErasurePort(require_erasable=_require_out_of_service, forget={"customer": _forget}, is_of_another=_has_line),
)
