"""VAS_CANCEL 增值业务退订: ends a line's subscription besides its plan (specification 4.1.2)."""

from dataclasses import replace
from typing import ClassVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.orders.business import BusinessRule, Effects, Situation, chosen_offering
from region_node.business.orders.contracts import CONTRACT
from region_node.business.orders.rules import characteristic_invalid
from region_node.customers.subscriptions import Subscription


class Rule(BusinessRule):
    """Ends the subscription of a service, a pack or international roaming, also of a withdrawn offering."""

    ends_subscription: ClassVar[bool] = True

    def check(self, situation: Situation) -> None:
        """The line must have the subscription, which must not be a contract."""
        if not _subscribed(situation):
            raise Refused(Reason.REASON_NOT_SUBSCRIBED, offering=chosen_offering(situation).id)
        if situation.text("offering") in _contracts(situation):
            raise characteristic_invalid("offering", "a contract runs to its end", "合约须履行至期满")

    def fulfil(self, situation: Situation) -> Effects:
        """The subscription ends immediately, whatever end was agreed: the current cycle is the last one charged."""
        ended = [replace(each, end_time=situation.now) for each in _subscribed(situation)]
        return Effects(situation.line, subscriptions=tuple(ended))


def _subscribed(situation: Situation) -> list[Subscription]:
    """The running subscriptions of the named offering."""
    return [
        each
        for each in situation.records.subscriptions(situation.line.product_id)
        if each.offering_id == situation.text("offering") and each.runs_at(situation.now)
    ]


def _contracts(situation: Situation) -> set[str]:
    offerings = situation.federation.offerings_of(situation.region)
    return {each.id for each in offerings if each.kind == CONTRACT}
