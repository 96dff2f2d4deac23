"""Registration of orders for erasure, legal holds, retention and sealing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1.order_pb2 import Order, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.store import vault
from gateway.store.port import Transaction
from region_node.business.orders import rules
from region_node.business.orders.completed import forget_counted
from region_node.business.orders.erasing import orders_about
from region_node.business.orders.exposure_rows import forget_exposures
from region_node.business.orders.provisioning_rows import remove_task, seal_clear_tasks
from region_node.business.orders.purging import OrderEvents, Orders
from region_node.business.orders.rows import ORDER_RECORDS, find_order, note_awaited
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index, order_subject
from region_node.node.texts import localized
from region_node.records.kinds import Customer, ErasurePort, HoldPort, Kept, RecordKind, RetentionPort, Table, ToErase

_AT_HOME = (Party.PARTY_HOME_STAFF, Party.PARTY_HOME_REGION)
_SUBJECTS = ("envelope", "order")  # the kinds of an order's subject; the second one is of earlier versions


def _require_erasable(tx: Transaction, context: RegionContext, customer: Customer) -> None:
    still_open = [each.order_id for each in orders_about(tx, customer) if each.is_open]
    if still_open:
        rows = (find_order(tx, each) for each in still_open[: rules.MOST_NAMED])
        raise rules.has_orders(len(still_open), [told_open(row.order) for row in rows if row is not None])


def told_open(order: Order) -> LocalizedText:
    """An open order with its state, the action that it waits for, and the region to ask."""
    region = order.home_region if order.awaiting.party in _AT_HOME else order.origin_region
    awaited = [localized(order.awaiting.action)] if order.awaiting.action else []
    return rules.told_order(order.id, rules.state_name(order.state), [*awaited, region])


def _kept_of(tx: Transaction, customer: Customer) -> Sequence[Kept]:
    return [
        Kept(each.order_id, [order_subject(each.order_id)], [each.origin_region], each.traceparent)
        for each in orders_about(tx, customer)
    ]


def _forget(tx: Transaction, order_id: str) -> None:
    tx.execute("UPDATE orders SET erased = 1, number = '' WHERE order_id = :id", id=order_id)
    # The other columns of an event without a body hold its content.
    tx.execute("UPDATE order_events SET body = NULL WHERE order_id = :id", id=order_id)
    remove_task(tx, order_id)  # of an older database: without the order no call about it can be made


def _told(tx: Transaction, context: RegionContext, origin: str, order_id: str) -> ToErase | None:
    row = find_order(tx, order_id)
    if row is None:
        return None
    order = row.order
    if order.home_region != origin or order.origin_region != context.region:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    if not rules.is_final(order):
        raise Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=rules.state_name(order.state), action="erase")
    number = order.request.number
    is_of_origin = context.federation.number_plan.home_of(number) in (origin, None)
    return ToErase([order_subject(order.id)], number_index(tx, number) if is_of_origin else "")


def _may_hold(tx: Transaction, context: RegionContext, origin: str, order_id: str) -> bool | None:
    row = find_order(tx, order_id)
    return None if row is None else row.order.home_region == origin


def _is_open(tx: Transaction, order_id: str) -> bool:
    state = tx.first(int, "SELECT state FROM orders WHERE order_id = :id", id=order_id)
    return state is not None and state not in rules.FINAL


def _forget_days(tx: Transaction, now: datetime) -> None:
    forget_counted(tx, now)
    forget_exposures(tx, now)


@dataclass(frozen=True)
class _Clear:
    order_id: str
    number: str = field(repr=False)
    body: bytes = field(repr=False)


def _seal_clear(tx: Transaction, limit: int) -> int:
    sql = "SELECT order_id, number, body FROM orders WHERE is_sealed = 0 ORDER BY order_id LIMIT :limit"
    rows = tx.all(_Clear, sql, limit=limit)
    sealed = vault.seal_many(tx, [ORDER_RECORDS.sealing(row.order_id, row.body) for row in rows])
    tx.execute_many(
        "UPDATE orders SET body = :body, number = :number, is_sealed = 1 WHERE order_id = :id",
        [
            {"id": row.order_id, "body": body, "number": number_index(tx, row.number)}
            for row, body in zip(rows, sealed, strict=True)
        ],
    )
    return len(rows)


ORDERS = RecordKind(
    "order",
    ErasurePort(
        require_erasable=_require_erasable, kept_of=_kept_of, forget=dict.fromkeys(_SUBJECTS, _forget), told=_told
    ),
    HoldPort(
        held="SELECT held.subject, number FROM held"
        " JOIN orders ON order_id = held.subject AND home_region = held.origin",
        may_hold=_may_hold,
    ),
    RetentionPort(
        purgers={DataClass.DATA_CLASS_ORDERS: Orders(), DataClass.DATA_CLASS_ORDER_EVENTS: OrderEvents()},
        table=Table("orders", "order_id", "number"),
        is_open=_is_open,
        forget=_forget_days,
    ),
    row_migrations={"orders": _seal_clear, "orders for staff": note_awaited, "fulfilment_tasks": seal_clear_tasks},
)
