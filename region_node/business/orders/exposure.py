"""Limits of money for orders without a review: of one order, and of a day.

The home region of a customer credits what another region took in, and bears the risk until that region has paid. An
order beyond a limit of its policies waits for staff (STEP_REVIEW). A region limits each of its own operator systems by
their scopes. Beyond it an order of an own customer waits for staff too. One of another region's customer is refused,
since only the home region reviews it. Reviewed orders count for no limit.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import Business, Step
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.federation.policies import UNREVIEWED_AMOUNT, UNREVIEWED_OF_OPERATOR, UNREVIEWED_OF_REGION
from gateway.store.port import Transaction
from gateway.values.money import in_major_units
from region_node.business.orders import rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.exposure_rows import ALL, count, count_open, total
from region_node.node.operator_scopes import scope_name
from region_node.requests.checks import NODE_OPERATOR

_SCOPE_TITLE = LocalizedText(zh_cn="受理系统每日受理金额", en="Amount a day of the operator system")


@dataclass(frozen=True)
class Limit:
    """A limit in minor units, and the total of the day that it bounds; without a total it bounds single orders."""

    title: LocalizedText = field(repr=False)
    most: int
    operator: str | None = None
    """An operator system, or ALL of the region that took the order in; None for single orders."""


def is_beyond(limit: Limit, counted: int, amount: int) -> bool:
    """Whether an amount is beyond a limit, after what was counted for it."""
    return counted + amount > limit.most


def beyond_limit(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> Refused | None:
    """The reason for a review of an order by staff of this home region (LIMIT_EXCEEDED); None within all limits.

    The catalogue's own review is enough for each amount.
    """
    amount = _amount(context, order)
    for limit in _limits(context, order) if amount else ():
        if is_beyond(limit, _counted(tx, context, order, limit, now), amount):
            return Refused(
                Reason.REASON_LIMIT_EXCEEDED,
                limit=in_major_units(limit.most, context.node.currency),
                title=limit.title.en,
                title_zh_cn=limit.title.zh_cn,
            )
    return None


def count_unreviewed(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> None:
    """Counts an order within all limits, at its home region after its first steps."""
    if amount := _amount(context, order):
        _count(tx, context, order, amount, _limits(context, order), now)


def take_in(tx: Transaction, context: OrderContext, order: Order, now: datetime) -> None:
    """Counts an order for another region by the scope of its operator system.

    Raises Refused with OPERATOR_LIMIT_EXCEEDED before the first write.
    """
    amount = _amount(context, order)
    if not amount:
        return
    limits = list(_scope_limits(context, order))
    for limit in limits:
        if is_beyond(limit, _counted(tx, context, order, limit, now), amount):
            most = in_major_units(limit.most, context.node.currency)
            raise Refused(Reason.REASON_OPERATOR_LIMIT_EXCEEDED, operator=order.operator, limit=most)
    _count(tx, context, order, amount, limits, now)


def _amount(context: OrderContext, order: Order) -> int:
    """The money that the home region credits for an order without a review, in minor units."""
    business = context.node.federation.business(order.request.business)
    rule = context.rules.get(business.rule or business.code)
    return 0 if rule is None or Step.STEP_REVIEW in business.steps else rule.credited(order)


def _limits(context: OrderContext, order: Order) -> Iterator[Limit]:
    """The limits of an order at its home region: those of the federation's policies across a border, else the scope."""
    if order.origin_region == context.node.region:
        yield from _scope_limits(context, order)
        return
    business = context.node.federation.business(order.request.business)
    for name, operator in _bounded(business, order.operator):
        title = context.node.federation.policy(name).title
        most = context.node.federation.figure(name, (order.origin_region, context.node.region))
        yield Limit(title, most, operator)


def _bounded(business: Business, operator: str) -> Iterator[tuple[str, str | None]]:
    """The policies of a business that limit money, each with the total that it bounds."""
    totals = {UNREVIEWED_AMOUNT: None, UNREVIEWED_OF_OPERATOR: operator, UNREVIEWED_OF_REGION: ALL}
    return ((name, totals[name]) for name in business.policies if name in totals)


def _scope_limits(context: OrderContext, order: Order) -> Iterator[Limit]:
    most = None if order.operator == NODE_OPERATOR else context.node.scopes.amount_a_day(order.operator)
    if most is not None:
        yield Limit(_SCOPE_TITLE, most, scope_name(order.operator))


def _counted(tx: Transaction, context: OrderContext, order: Order, limit: Limit, now: datetime) -> int:
    if limit.operator is None:
        return 0
    return total(tx, _day(context, now), order.origin_region, limit.operator)


def _count(
    tx: Transaction, context: OrderContext, order: Order, amount: int, limits: Iterable[Limit], now: datetime
) -> None:
    """Adds an order to the totals of its limits. One that is completed gives nothing back, so it needs no row."""
    day = _day(context, now)
    for operator in [each.operator for each in limits if each.operator is not None]:
        if order.state == rules.COMPLETED:
            count(tx, day, order.origin_region, operator, amount)
        else:
            count_open(tx, order.id, day, order.origin_region, operator, amount)


def _day(context: OrderContext, now: datetime) -> date:
    return now.astimezone(ZoneInfo(context.node.time_zone)).date()
