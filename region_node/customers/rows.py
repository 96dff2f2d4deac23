"""Customers and lines as stored: their personal data is sealed under the customer's key.

Erased customers are not found, and are left out of lists.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from gateway.api.federation.v1.configuration_pb2 import LineKind
from gateway.api.region.v1.customer_service_pb2 import (
    CardKind,
    Customer,
    Product,
    ProductStatus,
    RatingType,
    SuspensionKind,
)
from gateway.store import vault
from gateway.store.batched_lookup import rows_among
from gateway.store.pending_rows import RowMissing
from gateway.store.port import Transaction
from gateway.store.reading_ahead import Wanted, rows_wanted
from gateway.store.tables import Table, prints_without
from gateway.time.clock import from_microseconds, instant_or_none, microseconds_or_none, to_microseconds
from gateway.wording.masking import masked_address, masked_email, masked_name, masked_number, masked_text, prints_masked
from region_node.node.subjects import customer_subject, number_index

READABLE = " AND customer_id NOT IN (SELECT customer_id FROM customers WHERE status <> 1)"
"""The condition of SQL on lines of customers whose data may be read."""
_INSERT_CUSTOMER = "INSERT INTO customers (customer_id, name, email, sealed) VALUES (:customer_id, '', '', :sealed)"
_CONTENT = "taken-over customer"  # the kind of index that compares contents
_CUSTOMERS = "SELECT customer_id, sealed FROM customers WHERE customer_id"


@prints_masked(name=masked_name, email=masked_email)
@dataclass(frozen=True)
class CustomerRow:
    """The identity of the customer."""

    customer_id: str
    name: str
    email: str


@prints_masked(number=masked_number, suspension_reason=masked_text, address=masked_address)
@dataclass(frozen=True)
class Line:
    """A line (TMF637 Product) with its billing account."""

    product_id: str
    customer_id: str
    account_id: str
    number: str
    status: ProductStatus.ValueType
    plan_id: str
    start_time: datetime
    contract_end: datetime | None
    binding: str
    sim_replaced: datetime | None
    suspension_reason: str
    suspension_end: datetime | None
    kind: LineKind.ValueType = LineKind.LINE_KIND_UNSPECIFIED
    rating_type: RatingType.ValueType = RatingType.RATING_TYPE_UNSPECIFIED
    suspension_kind: SuspensionKind.ValueType = SuspensionKind.SUSPENSION_KIND_UNSPECIFIED
    card_kind: CardKind.ValueType = CardKind.CARD_KIND_UNSPECIFIED
    address: str = ""
    promised_to: str = ""
    """The joint order with an item that has promised the end of the line; empty for none."""

    @property
    def is_mobile(self) -> bool:
        """Whether it has a SIM card."""
        return self.kind != LineKind.LINE_KIND_BROADBAND

    @property
    def is_closed(self) -> bool:
        """Whether it was terminated."""
        return self.status == ProductStatus.PRODUCT_STATUS_TERMINATED

    def resumed(self) -> "Line":
        """The line in service again: nothing is left of its suspension."""
        return replace(
            self,
            status=ProductStatus.PRODUCT_STATUS_ACTIVE,
            suspension_reason="",
            suspension_end=None,
            suspension_kind=SuspensionKind.SUSPENSION_KIND_UNSPECIFIED,
        )

    def suspended(self, kind: SuspensionKind.ValueType, reason: str, end: datetime | None = None) -> "Line":
        """The line suspended; emergency calls stay possible (Telecommunications Regulations, art. 36)."""
        return replace(
            self,
            status=ProductStatus.PRODUCT_STATUS_SUSPENDED,
            suspension_reason=reason,
            suspension_end=end,
            suspension_kind=kind,
        )

    def promised(self, joint_order_id: str) -> "Line":
        """The line whose end an item of a joint order has promised; free again with an empty id."""
        return replace(self, promised_to=joint_order_id)

    def terminated(self) -> "Line":
        """The terminated line."""
        return replace(self.resumed(), status=ProductStatus.PRODUCT_STATUS_TERMINATED)


@dataclass(frozen=True)
class _CustomerAtRest:
    customer_id: str
    sealed: bytes


@prints_without("number", "suspension_reason", "address")
class LineAtRest(NamedTuple):
    """A line as stored; times are in microseconds. `number` and `taken_over_content` are indexes."""

    product_id: str
    customer_id: str
    account_id: str
    status: ProductStatus.ValueType
    plan_id: str
    start_time: int
    contract_end: int | None
    binding: str
    sim_replaced: int | None
    suspension_end: int | None
    kind: LineKind.ValueType
    rating_type: RatingType.ValueType
    suspension_kind: SuspensionKind.ValueType
    card_kind: CardKind.ValueType
    sealed: bytes
    number: str
    taken_over: int
    taken_over_content: str | None
    suspension_reason: str = ""
    """Not sealed: of a line that a version without sealing has stored."""
    address: str = ""
    """As `suspension_reason`."""
    promised_to: str = ""


_TAKEN_OVER = ("taken_over", "taken_over_content")
_OPENED = ("customer_id", "account_id", "number", "kind", "start_time", "suspension_reason", "address")
_LINES = Table("products", LineAtRest, key=("product_id",), fixed=(*_OPENED, *_TAKEN_OVER))
ALL_LINES = f"SELECT {', '.join(_LINES.columns)} FROM products"  # noqa: S608 - column names only
"""All lines, as SQL selects them."""


def find_line(tx: Transaction, number: str) -> Line | None:
    """The line with a number. A commit reads and opens it once."""
    row = next(iter(_numbered(tx, number)), None)
    return None if row is None else tx.once(vault.KEYS, row, lambda: opened_lines(tx, [row])[0])


def is_number_in_use(tx: Transaction, number: str) -> bool:
    """Whether a line has the number, also a line of an erased customer."""
    return bool(_numbered(tx, number))


def line_of(tx: Transaction, product_id: str) -> Line | None:
    """The line with an id."""
    row = line_at_rest(tx, product_id)
    return None if row is None else opened_lines(tx, [row])[0]


def line_at_rest(tx: Transaction, product_id: str) -> LineAtRest | None:
    """The stored row of the line with an id, also of an erased customer's."""
    return tx.find(_LINES, product_id)


def _numbered(tx: Transaction, number: str) -> list[LineAtRest]:
    """The stored row of the line with a number, if there is one."""

    def read() -> list[LineAtRest]:
        return tx.find_all(_LINES, number=number_index(tx, number))

    return tx.once(_LINES.name, ("numbered", number), read)


def line_wanted(tx: Transaction, number: str, follows: Callable[[LineAtRest], Iterable[Wanted]]) -> Wanted:
    """The queries of `find_line`, to be announced, and those that follow from a line."""

    def following(line: LineAtRest) -> list[Wanted]:
        return [vault.key_wanted(customer_subject(line.customer_id)), *follows(line)]

    return rows_wanted(_LINES, {"number": number_index(tx, number)}, following)


def insert_line(tx: Transaction, line: Line) -> None:
    """Adds a line that is opened here."""
    _insert_lines(tx, [line], 0, [b""])


def insert_lines(tx: Transaction, lines: Sequence[Line], taken_over: datetime, digests: Sequence[bytes]) -> None:
    """Adds lines migrated from another system, which billed all months that ended before `taken_over`.

    `digests` are those of the content of each, empty for content that nobody will send again.
    """
    _insert_lines(tx, lines, to_microseconds(taken_over), digests)


def _insert_lines(tx: Transaction, lines: Sequence[Line], taken_over: int, digests: Sequence[bytes]) -> None:
    sealed = vault.seal_many(tx, [line_sealing(line) for line in lines])
    for line, content, digest in zip(lines, sealed, digests, strict=True):
        known_by = taken_over_content(tx, digest) if digest else None
        tx.insert(_LINES, _at_rest(line, content, number_index(tx, line.number), taken_over, known_by))


def update_line(tx: Transaction, line: Line) -> None:
    """Stores the mutable columns of a line."""
    stored = line_at_rest(tx, line.product_id)
    if stored is None:
        raise RowMissing(_LINES.name)
    (sealed,) = vault.seal_many(tx, [line_sealing(line)])
    changed = stored._replace(
        status=line.status,
        plan_id=line.plan_id,
        contract_end=microseconds_or_none(line.contract_end),
        binding=line.binding,
        sim_replaced=microseconds_or_none(line.sim_replaced),
        suspension_end=microseconds_or_none(line.suspension_end),
        rating_type=line.rating_type,
        suspension_kind=line.suspension_kind,
        card_kind=line.card_kind,
        sealed=sealed,
        promised_to=line.promised_to,
    )
    tx.update(_LINES, changed)


def give_up_number(tx: Transaction, line: Line) -> None:
    """Takes its number from a line whose customer has moved: another line may have it, also one of this region."""
    (sealed,) = vault.seal_many(tx, [line_sealing(replace(line, number=""))])
    tx.execute(
        "UPDATE products SET number = :number, sealed = :sealed WHERE product_id = :id",
        number=f"moved/{line.product_id}",
        sealed=sealed,
        id=line.product_id,
    )


def free_promised(tx: Transaction, joint_order_id: str) -> None:
    """Takes the promise from the lines of a joint order that is destroyed or purged."""
    sql = "UPDATE products SET promised_to = '' WHERE promised_to = :id AND promised_to <> ''"
    tx.execute(sql, id=joint_order_id)


def forget_indexes(tx: Transaction, customer_id: str) -> int:
    """Removes the indexes of the numbers of an erased customer's lines; returns how many. The numbers are free then."""
    return tx.execute(
        "UPDATE products SET number = 'erased/' || product_id WHERE customer_id = :id AND number NOT LIKE '%/%'",
        id=customer_id,
    )


def lines_that_moved(tx: Transaction, customer_id: str) -> list[Line]:
    """The lines of a customer that gave up their numbers by a move, in the order of `lines_of_customer`."""
    moved = "SELECT product_id FROM products WHERE customer_id = :id AND number LIKE 'moved/%'"
    ids = set(tx.all(str, moved, id=customer_id))
    return [each for each in lines_of_customer(tx, customer_id) if each.product_id in ids]


def find_customer(tx: Transaction, customer_id: str) -> CustomerRow | None:
    """The customer with an id."""
    return customers_of(tx, [customer_id]).get(customer_id)


def insert_customer(tx: Transaction, customer: CustomerRow) -> None:
    """Adds a customer."""
    insert_customers(tx, [customer])


def insert_customers(tx: Transaction, customers: Sequence[CustomerRow]) -> None:
    """Adds customers."""
    sealed = vault.seal_many(tx, [customer_sealing(each) for each in customers])
    tx.execute_many(
        _INSERT_CUSTOMER,
        [{"customer_id": each.customer_id, "sealed": content} for each, content in zip(customers, sealed, strict=True)],
    )


def update_customer(tx: Transaction, customer: CustomerRow) -> None:
    """Stores the mutable columns of a customer."""
    (sealed,) = vault.seal_many(tx, [customer_sealing(customer)])
    tx.execute("UPDATE customers SET sealed = :sealed WHERE customer_id = :id", id=customer.customer_id, sealed=sealed)


def customer_numbered(tx: Transaction, number: str) -> str | None:
    """The id of the customer whose line has a number, also of an erased one."""
    return tx.first(str, "SELECT customer_id FROM products WHERE number = :number", number=number_index(tx, number))


def lines_of_customer(tx: Transaction, customer_id: str) -> list[Line]:
    """All lines of a customer; none of an erased one."""
    rows = tx.all(LineAtRest, f"{ALL_LINES} WHERE customer_id = :id ORDER BY product_id", id=customer_id)
    return [line for line in opened_lines(tx, rows) if line is not None]


def customers_of(tx: Transaction, customer_ids: Sequence[str]) -> Mapping[str, CustomerRow | None]:
    """The existing customers among the ids, by id; None for an erased one."""
    rows = rows_among(tx, _CustomerAtRest, _CUSTOMERS, customer_ids)
    contents = vault.open_many(tx, [_customer_place(row.customer_id, row.sealed) for row in rows])
    return {
        row.customer_id: None if content is None else _customer(row.customer_id, content)
        for row, content in zip(rows, contents, strict=True)
    }


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class LineNames:
    """The identifiers of a line."""

    number: str
    product_id: str
    customer_id: str
    content: str | None = field(repr=False)
    """The index of its migrated content, as `taken_over_content`; None where that is not known."""


def taken_over_content(tx: Transaction, digest: bytes) -> str:
    """The stored index of the digest of a customer's content, with which nobody can try names."""
    return vault.index_of(tx, _CONTENT, digest.hex())


def lines_numbered(tx: Transaction, numbers: Sequence[str]) -> list[LineNames]:
    """The lines with one of the numbers, also those of erased customers."""
    by_index = {number_index(tx, number): number for number in numbers}
    return rows_among(
        tx,
        lambda index, product_id, customer_id, content: LineNames(by_index[index], product_id, customer_id, content),
        "SELECT number, product_id, customer_id, taken_over_content FROM products WHERE number",
        list(by_index),
    )


def product_ids_in_use(tx: Transaction, product_ids: Sequence[str]) -> set[str]:
    """The ids that a line has."""
    return set(rows_among(tx, str, "SELECT product_id FROM products WHERE product_id", product_ids))


def accounts_in_use(tx: Transaction, accounts: Sequence[str]) -> set[str]:
    """The accounts that have entries or pay for a line."""
    booked = rows_among(tx, str, "SELECT DISTINCT account FROM ledger_entries WHERE account", accounts)
    return {*booked, *rows_among(tx, str, "SELECT account_id FROM products WHERE account_id", accounts)}


def customer_sealing(customer: CustomerRow) -> vault.Sealing:
    """The sealed data of a customer."""
    content = Customer(name=customer.name, email=customer.email).SerializeToString()
    return _customer_place(customer.customer_id, content)


def line_sealing(line: Line) -> vault.Sealing:
    """The sealed data of a line."""
    product = Product(number=line.number, address=line.address, suspension_reason=line.suspension_reason)
    return product_sealing(line.customer_id, line.product_id, product)


def product_sealing(customer_id: str, product_id: str, product: Product) -> vault.Sealing:
    """The sealed data of a line, given as a message of exactly that data."""
    return _line_place(customer_id, product_id, product.SerializeToString())


def _customer_place(customer_id: str, content: bytes) -> vault.Sealing:
    return vault.Sealing(customer_subject(customer_id), "customers", content)


def _line_place(customer_id: str, product_id: str, content: bytes) -> vault.Sealing:
    return vault.Sealing(customer_subject(customer_id), f"products/{product_id}", content)


def _at_rest(line: Line, sealed: bytes, number: str, taken_over: int, content: str | None) -> LineAtRest:
    return LineAtRest(
        line.product_id,
        line.customer_id,
        line.account_id,
        line.status,
        line.plan_id,
        to_microseconds(line.start_time),
        microseconds_or_none(line.contract_end),
        line.binding,
        microseconds_or_none(line.sim_replaced),
        microseconds_or_none(line.suspension_end),
        line.kind,
        line.rating_type,
        line.suspension_kind,
        line.card_kind,
        sealed,
        number,
        taken_over,
        content,
        promised_to=line.promised_to,
    )


def _customer(customer_id: str, content: bytes) -> CustomerRow:
    found = Customer.FromString(content)
    return CustomerRow(customer_id, found.name, found.email)


def opened_lines(tx: Transaction, rows: Sequence[LineAtRest]) -> list[Line | None]:
    """The lines of rows, each in its place; None for a line whose key was destroyed."""
    contents = vault.open_many(tx, [_line_place(row.customer_id, row.product_id, row.sealed) for row in rows])
    return [None if content is None else _read(row, content) for row, content in zip(rows, contents, strict=True)]


def _read(row: LineAtRest, content: bytes) -> Line:
    product = Product.FromString(content)
    return Line(
        row.product_id,
        row.customer_id,
        row.account_id,
        product.number,
        row.status,
        row.plan_id,
        from_microseconds(row.start_time),
        instant_or_none(row.contract_end),
        row.binding,
        instant_or_none(row.sim_replaced),
        product.suspension_reason,
        instant_or_none(row.suspension_end),
        row.kind,
        row.rating_type,
        row.suspension_kind,
        row.card_kind,
        product.address,
        row.promised_to,
    )


def indexes_of_customer(tx: Transaction, customer_id: str) -> list[str]:
    """The indexes of the numbers of a customer's lines, also of an erased one."""
    return tx.all(str, "SELECT number FROM products WHERE customer_id = :id AND number IS NOT NULL", id=customer_id)


def remove_of_lines(tx: Transaction, table: str, customer_id: str) -> None:
    """Removes the rows of a table, by its column `product_id`, of a customer's lines."""
    tx.execute(
        f"DELETE FROM {table} WHERE product_id IN"  # noqa: S608 - a name of the caller's module
        " (SELECT product_id FROM products WHERE customer_id = :id)",
        id=customer_id,
    )
