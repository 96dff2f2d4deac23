"""Seals rows of a version without sealing: at the start, before the node serves, page by page.

The process may be killed after any page: the next start continues. Unsealed rows have their own index, which is empty
afterwards, so that a start costs nothing.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from gateway.api.region.v1.customer_service_pb2 import Product
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.relay import at_rest
from gateway.store import vault
from gateway.store.port import Store, Transaction, Value
from region_node.business.billing.usage import seal_other_number
from region_node.business.orders.provisioning_rows import PROBLEM, RESULTS, seal_told
from region_node.business.orders.rows import order_sealing
from region_node.customers.notices.rows import seal_notice
from region_node.customers.rows import CustomerRow, customer_sealing, line_of, product_sealing
from region_node.node.subjects import number_index
from region_node.requests.importing.progress import rejection_sealing
from region_node.requests.rows import keyed_digest, seal_parameters

_PAGE = 200  # rows in one transaction
_log = logging.getLogger(__name__)


async def seal_what_is_clear(store: Store) -> int:
    """Seals every unsealed row; returns their number. Raises Refused as the store does."""
    total = 0
    for table, seal_page in _PAGES.items():
        sealed = 0
        while count := await store.write(partial(_page, seal_page)):
            sealed += count
        if sealed:
            _log.warning("%d rows of %s were in the clear and are sealed now", sealed, table)
        total += sealed
    return total


def _page(seal_page: Callable[[Transaction, int], int], tx: Transaction) -> int:
    return seal_page(tx, _PAGE)


@dataclass(frozen=True)
class _Clear:
    """An unsealed row: its key, the parts of its subject, and the content to seal."""

    key: str
    of: str
    content: str | bytes = field(repr=False)
    more: str = field(default="", repr=False)
    rest: str = field(default="", repr=False)


def _customers(tx: Transaction, limit: int) -> int:
    sql = "SELECT customer_id, '', name, email FROM customers WHERE sealed IS NULL ORDER BY customer_id LIMIT :limit"
    rows = tx.all(_Clear, sql, limit=limit)
    sealed = vault.seal_many(tx, [customer_sealing(CustomerRow(row.key, str(row.content), row.more)) for row in rows])
    return _update(
        tx,
        "UPDATE customers SET sealed = :sealed, name = '', email = '' WHERE customer_id = :key",
        [{"key": row.key, "sealed": content} for row, content in zip(rows, sealed, strict=True)],
    )


def _products(tx: Transaction, limit: int) -> int:
    rows = tx.all(
        _Clear,
        "SELECT product_id, customer_id, number, address, suspension_reason FROM products WHERE sealed IS NULL"
        " ORDER BY product_id LIMIT :limit",
        limit=limit,
    )
    products = [Product(number=str(row.content), address=row.more, suspension_reason=row.rest) for row in rows]
    sealings = [product_sealing(row.of, row.key, product) for row, product in zip(rows, products, strict=True)]
    sealed = vault.seal_many(tx, sealings)
    return _update(
        tx,
        "UPDATE products SET sealed = :sealed, number = :number, address = '', suspension_reason = ''"
        " WHERE product_id = :key",
        [
            {"key": row.key, "sealed": content, "number": number_index(tx, str(row.content))}
            for row, content in zip(rows, sealed, strict=True)
        ],
    )


@dataclass(frozen=True)
class _ClearOrder:
    order_id: str
    number: str = field(repr=False)
    body: bytes = field(repr=False)


def _orders(tx: Transaction, limit: int) -> int:
    sql = "SELECT order_id, number, body FROM orders WHERE is_sealed = 0 ORDER BY order_id LIMIT :limit"
    rows = tx.all(_ClearOrder, sql, limit=limit)
    sealed = vault.seal_many(tx, [order_sealing(row.order_id, row.body) for row in rows])
    return _update(
        tx,
        "UPDATE orders SET body = :body, number = :number, is_sealed = 1 WHERE order_id = :key",
        [
            {"key": row.order_id, "body": body, "number": number_index(tx, row.number)}
            for row, body in zip(rows, sealed, strict=True)
        ],
    )


@dataclass(frozen=True)
class _ClearRequest:
    caller: str
    request_id: str
    digest: bytes
    order_id: str
    parameters: str = field(repr=False)


def _requests(tx: Transaction, limit: int) -> int:
    rows = tx.all(
        _ClearRequest,
        "SELECT caller, request_id, digest, order_id, parameters FROM requests WHERE is_sealed = 0"
        " ORDER BY caller, request_id LIMIT :limit",
        limit=limit,
    )
    return _update(
        tx,
        "UPDATE requests SET digest = :digest, sealed = :sealed, parameters = '', is_sealed = 1"
        " WHERE caller = :caller AND request_id = :request_id",
        [
            {
                "caller": row.caller,
                "request_id": row.request_id,
                "digest": keyed_digest(tx, row.digest),
                "sealed": seal_parameters(tx, row.order_id, row.parameters) if row.parameters else None,
            }
            for row in rows
        ],
    )


def _notices(tx: Transaction, limit: int) -> int:
    sql = "SELECT notice_id, number, zh_cn, en FROM notices WHERE sealed IS NULL ORDER BY notice_id LIMIT :limit"
    updates: list[dict[str, Value]] = []
    for row in tx.all(_Clear, sql, limit=limit):
        index, text = number_index(tx, row.of), LocalizedText(zh_cn=str(row.content), en=row.more)
        updates.append({"key": row.key, "number": index, "sealed": seal_notice(tx, row.key, index, row.of, text)})
    return _update(
        tx,
        "UPDATE notices SET sealed = :sealed, number = :number, zh_cn = '', en = '' WHERE notice_id = :key",
        updates,
    )


def _usage(tx: Transaction, limit: int) -> int:
    """Runs after the lines: the number whose key seals a use is read from its line."""
    rows = tx.all(
        _Clear,
        "SELECT usage_id, product_id, other_number FROM usage_records WHERE other_number <> ''"
        " ORDER BY usage_id LIMIT :limit",
        limit=limit,
    )
    numbers = {row.of: line.number for row in rows if (line := line_of(tx, row.of)) is not None}
    return _update(
        tx,
        "UPDATE usage_records SET sealed = :sealed, other_number = '' WHERE usage_id = :key",
        [
            {
                "key": row.key,
                "sealed": seal_other_number(tx, numbers[row.of], row.key, str(row.content))
                if row.of in numbers
                else None,
            }
            for row in rows
        ],
    )


def _tasks(tx: Transaction, limit: int) -> int:
    rows = tx.all(
        _Clear,
        "SELECT order_id, order_id, results, problem FROM fulfilment_tasks WHERE results <> '{}' OR problem <> ''"
        " ORDER BY order_id LIMIT :limit",
        limit=limit,
    )
    return _update(
        tx,
        "UPDATE fulfilment_tasks SET sealed_results = :results, sealed_problem = :problem, results = '{}', problem = ''"
        " WHERE order_id = :key",
        [
            {
                "key": row.key,
                "results": seal_told(tx, row.of, RESULTS, str(row.content)),
                "problem": seal_told(tx, row.of, PROBLEM, row.more),
            }
            for row in rows
        ],
    )


@dataclass(frozen=True)
class _ClearRejection:
    sha256: bytes
    number: int
    parameters: str = field(repr=False)


def _rejections(tx: Transaction, limit: int) -> int:
    rows = tx.all(
        _ClearRejection,
        "SELECT sha256, number, parameters FROM import_rejections WHERE sealed IS NULL"
        " ORDER BY sha256, number LIMIT :limit",
        limit=limit,
    )
    sealings = [rejection_sealing(tx, row.sha256, row.number, row.parameters) for row in rows]
    sealed = vault.seal_many(tx, sealings)
    return _update(
        tx,
        "UPDATE import_rejections SET parameters = '', subject = :subject, sealed = :sealed"
        " WHERE sha256 = :sha256 AND number = :number",
        [
            {"sha256": row.sha256, "number": row.number, "subject": sealing.subject, "sealed": content}
            for row, sealing, content in zip(rows, sealings, sealed, strict=True)
        ],
    )


_PAGES: dict[str, Callable[[Transaction, int], int]] = {
    "customers": _customers,
    "products": _products,
    "orders": _orders,
    "requests": _requests,
    "notices": _notices,
    "usage_records": _usage,
    "fulfilment_tasks": _tasks,
    "import_rejections": _rejections,
    "outbox and inbox": at_rest.seal_clear_page,
}


def _update(tx: Transaction, sql: str, rows: Sequence[dict[str, Value]]) -> int:
    tx.execute_many(sql, rows)
    return len(rows)
