"""Customers and lines as stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from gateway.api.federation.v1.configuration_pb2 import LineKind
from gateway.api.region.v1.customer_service_pb2 import CardKind, ProductStatus, RatingType, SuspensionKind
from gateway.clock import from_microseconds, to_microseconds
from gateway.store.port import Transaction, Value

T = TypeVar("T")

_LINE_COLUMNS = (
    "product_id, customer_id, account_id, number, status, plan_id, start_date, contract_end, binding,"
    " sim_replaced, suspension_reason, suspension_end, kind, rating_type, suspension_kind, card_kind, address"
)
_INSERT_LINE = (
    f"INSERT INTO products ({_LINE_COLUMNS}, taken_over) VALUES"  # noqa: S608 - column names only
    " (:product_id, :customer_id, :account_id, :number, :status, :plan_id, :start_date, :contract_end, :binding,"
    " :sim_replaced, :suspension_reason, :suspension_end, :kind, :rating_type, :suspension_kind, :card_kind, :address,"
    " :taken_over)"
)
_INSERT_CUSTOMER = "INSERT INTO customers (customer_id, name, email) VALUES (:customer_id, :name, :email)"
# How many values one query looks for: always the same, so that it is the same statement.
_ASKED = 250
_ASKED_NAMES = tuple(f"p{index}" for index in range(_ASKED))
_ASKED_LIST = ", ".join(f":{name}" for name in _ASKED_NAMES)


@dataclass(frozen=True)
class CustomerRow:
    """Who the customer is."""

    customer_id: str
    name: str
    email: str


@dataclass(frozen=True)
class Line:
    """A line (TMF637 Product) with the account that pays for it."""

    product_id: str
    customer_id: str
    account_id: str
    number: str
    status: ProductStatus.ValueType
    plan_id: str
    start_date: datetime
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

    @property
    def is_mobile(self) -> bool:
        """Whether it has a SIM card."""
        return self.kind != LineKind.LINE_KIND_BROADBAND

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

    def terminated(self) -> "Line":
        """The line closed for good."""
        return replace(self.resumed(), status=ProductStatus.PRODUCT_STATUS_TERMINATED)


def find_line(tx: Transaction, number: str) -> Line | None:
    """The line with a number."""
    return tx.first(_line, f"SELECT {_LINE_COLUMNS} FROM products WHERE number = :number", number=number)  # noqa: S608


def line_of(tx: Transaction, product_id: str) -> Line | None:
    """The line with an id."""
    return tx.first(_line, f"SELECT {_LINE_COLUMNS} FROM products WHERE product_id = :id", id=product_id)  # noqa: S608


def insert_line(tx: Transaction, line: Line) -> None:
    """Adds a line that is opened here."""
    tx.execute(_INSERT_LINE, **_columns(line), taken_over=0)


def insert_lines(tx: Transaction, lines: Sequence[Line], taken_over: datetime) -> None:
    """Adds lines that are taken over from another system: months that ended before then were its to bill."""
    instant = to_microseconds(taken_over)
    tx.execute_many(_INSERT_LINE, [{**_columns(line), "taken_over": instant} for line in lines])


def update_line(tx: Transaction, line: Line) -> None:
    """Stores what can change about a line."""
    tx.execute(
        "UPDATE products SET status = :status, plan_id = :plan_id, contract_end = :contract_end, binding = :binding,"
        " sim_replaced = :sim_replaced, suspension_reason = :suspension_reason, suspension_end = :suspension_end,"
        " rating_type = :rating_type, suspension_kind = :suspension_kind, card_kind = :card_kind, address = :address"
        " WHERE product_id = :product_id",
        **_changeable(line),
    )


def find_customer(tx: Transaction, customer_id: str) -> CustomerRow | None:
    """The customer with an id."""
    return tx.first(
        CustomerRow, "SELECT customer_id, name, email FROM customers WHERE customer_id = :id", id=customer_id
    )


def insert_customer(tx: Transaction, customer: CustomerRow) -> None:
    """Adds a customer."""
    insert_customers(tx, [customer])


def insert_customers(tx: Transaction, customers: Sequence[CustomerRow]) -> None:
    """Adds customers."""
    tx.execute_many(
        _INSERT_CUSTOMER,
        [{"customer_id": each.customer_id, "name": each.name, "email": each.email} for each in customers],
    )


def update_customer(tx: Transaction, customer: CustomerRow) -> None:
    """Stores what can change about a customer."""
    tx.execute(
        "UPDATE customers SET name = :name, email = :email WHERE customer_id = :id",
        id=customer.customer_id,
        name=customer.name,
        email=customer.email,
    )


def lines_after(tx: Transaction, customer_id: str, product_id: str, limit: int) -> list[Line]:
    """At most `limit` lines that follow a customer's line, by customer id, then by line.

    Those of customers whose data may not be read are left out.
    """
    return tx.all(
        _line,
        f"SELECT {_LINE_COLUMNS} FROM products"  # noqa: S608 - column names only
        " WHERE (customer_id, product_id) > (:customer_id, :product_id)"
        " AND customer_id NOT IN (SELECT customer_id FROM customers WHERE standing <> 1)"
        " ORDER BY customer_id, product_id LIMIT :limit",
        customer_id=customer_id,
        product_id=product_id,
        limit=limit,
    )


def lines_ending(tx: Transaction, start: datetime, end: datetime, after: str, limit: int) -> list[Line]:
    """At most `limit` lines whose contract ends between two instants, by its end, after the place of another line.

    Those of customers whose data may not be used are left out.

    The place of a line is the end in microseconds and its id, `1790000000000000 line-1`; empty for the first page.
    """
    instant, _, product_id = after.partition(" ")
    return tx.all(
        _line,
        f"SELECT {_LINE_COLUMNS} FROM products WHERE contract_end > :start AND contract_end <= :end"  # noqa: S608
        " AND customer_id NOT IN (SELECT customer_id FROM customers WHERE standing <> 1)"
        " AND (contract_end > :instant OR (contract_end = :instant AND product_id > :id))"
        " ORDER BY contract_end, product_id LIMIT :limit",
        start=to_microseconds(start),
        end=to_microseconds(end),
        instant=int(instant or 0),
        id=product_id,
        limit=limit,
    )


def customer_numbered(tx: Transaction, number: str) -> str | None:
    """The id of the customer whose line has a number."""
    return tx.first(str, "SELECT customer_id FROM products WHERE number = :number", number=number)


def lines_of_customer(tx: Transaction, customer_id: str) -> list[Line]:
    """All lines of a customer."""
    return tx.all(
        _line,
        f"SELECT {_LINE_COLUMNS} FROM products WHERE customer_id = :id ORDER BY product_id",  # noqa: S608
        id=customer_id,
    )


def customers_of(tx: Transaction, customer_ids: Sequence[str]) -> list[CustomerRow]:
    """Those of the customers that are there."""
    return _among(tx, CustomerRow, "SELECT customer_id, name, email FROM customers WHERE customer_id", customer_ids)


@dataclass(frozen=True)
class LineNames:
    """What a line is known by."""

    number: str
    product_id: str
    customer_id: str


_NAMES = "SELECT number, product_id, customer_id FROM products WHERE "


def lines_numbered(tx: Transaction, numbers: Sequence[str]) -> list[LineNames]:
    """The lines that have one of the numbers."""
    return _among(tx, LineNames, f"{_NAMES}number", numbers)


def lines_called(tx: Transaction, product_ids: Sequence[str]) -> list[LineNames]:
    """The lines that have one of the ids."""
    return _among(tx, LineNames, f"{_NAMES}product_id", product_ids)


def accounts_in_use(tx: Transaction, accounts: Sequence[str]) -> set[str]:
    """Those of the accounts that have entries or pay for a line."""
    booked = _among(tx, str, "SELECT DISTINCT account FROM ledger_entries WHERE account", accounts)
    return {*booked, *_among(tx, str, "SELECT account_id FROM products WHERE account_id", accounts)}


def _among(tx: Transaction, shape: Callable[..., T], query: str, values: Sequence[str]) -> list[T]:
    """The rows of `query`, which ends with the column that is to have one of the values."""
    found: list[T] = []
    for start in range(0, len(values), _ASKED):
        asked = list(values[start : start + _ASKED])
        asked += asked[-1:] * (_ASKED - len(asked))
        parameters: dict[str, Value] = dict(zip(_ASKED_NAMES, asked, strict=True))
        found += tx.all(shape, f"{query} IN ({_ASKED_LIST})", **parameters)
    return found


def _columns(line: Line) -> dict[str, Value]:
    return {
        **_changeable(line),
        "customer_id": line.customer_id,
        "account_id": line.account_id,
        "number": line.number,
        "start_date": to_microseconds(line.start_date),
        "kind": line.kind,
        "address": line.address,
    }


def _changeable(line: Line) -> dict[str, Value]:
    return {
        "product_id": line.product_id,
        "status": line.status,
        "plan_id": line.plan_id,
        "contract_end": _column(line.contract_end),
        "binding": line.binding,
        "sim_replaced": _column(line.sim_replaced),
        "suspension_reason": line.suspension_reason,
        "suspension_end": _column(line.suspension_end),
        "rating_type": line.rating_type,
        "suspension_kind": line.suspension_kind,
        "card_kind": line.card_kind,
        "address": line.address,
    }


def _column(instant: datetime | None) -> int | None:
    return None if instant is None else to_microseconds(instant)


def _instant(value: int | None) -> datetime | None:
    return None if value is None else from_microseconds(value)


def _line(
    product_id: str,
    customer_id: str,
    account_id: str,
    number: str,
    status: ProductStatus.ValueType,
    plan_id: str,
    start_date: int,
    contract_end: int | None,
    binding: str,
    sim_replaced: int | None,
    suspension_reason: str,
    suspension_end: int | None,
    kind: LineKind.ValueType,
    rating_type: RatingType.ValueType,
    suspension_kind: SuspensionKind.ValueType,
    card_kind: CardKind.ValueType,
    address: str,
) -> Line:
    return Line(
        product_id,
        customer_id,
        account_id,
        number,
        status,
        plan_id,
        from_microseconds(start_date),
        _instant(contract_end),
        binding,
        _instant(sim_replaced),
        suspension_reason,
        _instant(suspension_end),
        kind,
        rating_type,
        suspension_kind,
        card_kind,
        address,
    )
