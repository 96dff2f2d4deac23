"""ROAMING 国际漫游开通: from an agreed start to an agreed end, where the balance suffices (specification 4.1.2)."""

from datetime import UTC, datetime
from typing import ClassVar

from gateway.api.federation.v1.configuration_pb2 import OfferingKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.values.money import in_major_units
from region_node.business.orders.business import BusinessRule, Effects, Situation, chosen_offering, require_period
from region_node.business.orders.rules import characteristic_invalid
from region_node.customers.subscriptions import Subscription

ROAMING = OfferingKind.OFFERING_KIND_ROAMING
_OPEN = datetime.max.replace(tzinfo=UTC)


class Rule(BusinessRule):
    """Subscribes a mobile line to the home region's roaming."""

    offering_kind: ClassVar[OfferingKind.ValueType] = ROAMING

    def check(self, situation: Situation) -> None:
        """Checks that the region offers it, that no roaming of the line overlaps, and that the balance covers it."""
        offering = chosen_offering(situation)
        if offering.kind != ROAMING or not situation.line.is_mobile:
            raise characteristic_invalid("offering", "no roaming for such a line", "该线路不适用此漫游业务")
        require_period(situation)
        start = max(situation.now, situation.time("start") or situation.now)
        for other in situation.records.subscriptions(situation.line.product_id):
            if _is_roaming(situation, other) and _overlaps(other, start, situation.time("end")):
                raise Refused(Reason.REASON_ALREADY_SUBSCRIBED, offering=other.offering_id)
        needed = situation.federation.figure("roaming-credit", situation.regions)
        if situation.balance < needed:
            raise Refused(Reason.REASON_CREDIT_TOO_LOW, amount=in_major_units(needed, situation.currency))

    def fulfil(self, situation: Situation) -> Effects:
        """The line has roaming from now on, until the agreed end if there is one."""
        subscription = Subscription(
            subscription_id=f"{situation.line.product_id}/{situation.order.id}#roaming",
            product_id=situation.line.product_id,
            offering_id=chosen_offering(situation).id,
            start_time=situation.now,
            end_time=situation.time("end"),
        )
        return Effects(situation.line, subscriptions=(subscription,))


def _is_roaming(situation: Situation, subscription: Subscription) -> bool:
    offerings = situation.federation.offerings_of(situation.region)
    return any(each.id == subscription.offering_id and each.kind == ROAMING for each in offerings)


def _overlaps(other: Subscription, start: datetime, end: datetime | None) -> bool:
    return other.start_time < (end or _OPEN) and start < (other.end_time or _OPEN)
