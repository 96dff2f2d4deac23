"""Registration of customers, lines and identities for erasure and sealing."""

from dataclasses import dataclass, field

from gateway.api.region.v1.customer_service_pb2 import Product
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store import vault
from gateway.store.port import Transaction
from region_node.customers.contact_preferences import forget_preferences
from region_node.customers.events import forget_events
from region_node.customers.other_contacts.rows import forget_other_contacts
from region_node.customers.rows import CustomerRow, customer_sealing, lines_of_customer, product_sealing
from region_node.customers.status import ERASED
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index
from region_node.records.kinds import Customer, ErasurePort, RecordKind


def _require_out_of_service(tx: Transaction, context: RegionContext, customer: Customer) -> None:
    lines = lines_of_customer(tx, customer.customer_id)
    in_service = [each for each in lines if not each.is_closed]
    if in_service:
        raise Refused(Reason.REASON_CUSTOMER_HAS_LINES, lines=str(len(in_service)))


def _forget(tx: Transaction, customer_id: str) -> None:
    tx.execute("DELETE FROM identities WHERE customer_id = :id", id=customer_id)
    forget_preferences(tx, customer_id)
    forget_other_contacts(tx, customer_id)
    forget_events(tx, customer_id)
    tx.execute("UPDATE products SET taken_over_content = NULL WHERE customer_id = :id", id=customer_id)


def _has_line(tx: Transaction, index: str, home: str) -> bool:
    found = tx.first(
        int,
        "SELECT 1 FROM products JOIN customers ON customers.customer_id = products.customer_id"
        " WHERE products.number = :index AND customers.status <> :erased",
        index=index,
        erased=ERASED,
    )
    return found is not None


def _seal_customers(tx: Transaction, limit: int) -> int:
    sql = "SELECT customer_id, name, email FROM customers WHERE sealed IS NULL ORDER BY customer_id LIMIT :limit"
    rows = tx.all(CustomerRow, sql, limit=limit)
    sealed = vault.seal_many(tx, [customer_sealing(each) for each in rows])
    tx.execute_many(
        "UPDATE customers SET sealed = :sealed, name = '', email = '' WHERE customer_id = :id",
        [{"id": row.customer_id, "sealed": content} for row, content in zip(rows, sealed, strict=True)],
    )
    return len(rows)


@dataclass(frozen=True)
class _ClearLine:
    product_id: str
    customer_id: str
    number: str = field(repr=False)
    address: str = field(repr=False)
    suspension_reason: str = field(repr=False)


def _seal_lines(tx: Transaction, limit: int) -> int:
    rows = tx.all(
        _ClearLine,
        "SELECT product_id, customer_id, number, address, suspension_reason FROM products WHERE sealed IS NULL"
        " ORDER BY product_id LIMIT :limit",
        limit=limit,
    )
    sealed = vault.seal_many(tx, [_line_sealing(each) for each in rows])
    tx.execute_many(
        "UPDATE products SET sealed = :sealed, number = :number, address = '', suspension_reason = ''"
        " WHERE product_id = :id",
        [
            {"id": row.product_id, "sealed": content, "number": number_index(tx, row.number)}
            for row, content in zip(rows, sealed, strict=True)
        ],
    )
    return len(rows)


def _line_sealing(row: _ClearLine) -> vault.Sealing:
    product = Product(number=row.number, address=row.address, suspension_reason=row.suspension_reason)
    return product_sealing(row.customer_id, row.product_id, product)


CUSTOMERS = RecordKind(
    "customer",
    ErasurePort(
        require_erasable=_require_out_of_service,
        forget={"customer": _forget},
        is_of_another=_has_line,
        indexed=("products", "identities"),
    ),
    row_migrations={"customers": _seal_customers, "products": _seal_lines},
)
