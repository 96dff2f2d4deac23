"""Contracts of lines: which are offered, from when to when they run. Pure."""

import calendar
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import Offering, OfferingKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.orders.business import Situation
from region_node.customers.subscriptions import Subscription

CONTRACT = OfferingKind.OFFERING_KIND_CONTRACT


def contract_of(situation: Situation) -> Offering | None:
    """The contract that the request names; None where it names none.

    Raises Refused with OFFERING_UNKNOWN where the home region offers no such contract.
    """
    named = situation.text("contract")
    if not named:
        return None
    offering = situation.federation.offering(named)
    if offering.region != situation.region or offering.kind != CONTRACT:
        raise Refused(Reason.REASON_OFFERING_UNKNOWN, offering=named)
    return offering


def contract_end(start: datetime, months: int, time_zone: str) -> datetime:
    """The end of a contract of some months, in UTC: the same day of the month, or its last day."""
    local = start.astimezone(ZoneInfo(time_zone))
    month = local.month - 1 + months
    year, month = local.year + month // 12, month % 12 + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day).astimezone(UTC)


def contract_subscription(situation: Situation, offering: Offering, product_id: str, start: datetime) -> Subscription:
    """The contract of a line from `start` on."""
    end = contract_end(start, offering.months, situation.time_zone)
    return Subscription(f"{product_id}/{situation.order.id}#contract", product_id, offering.id, start, end)
