"""BB_INSTALL 异地装机: a broadband access at an address of the region that serves it (specification 3.1).

Late installation: 1 % of the fee for each day (Telecommunications Regulations, art. 31).
"""

from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from gateway.api.federation.v1.configuration_pb2 import LineKind, OfferingKind
from gateway.api.region.v1.order_pb2 import Quote
from gateway.api.types.v1.types_pb2 import LocalizedText, Money
from gateway.time.clock import from_timestamp
from gateway.values.money import in_major_units
from region_node.business.billing.rules import late_compensation
from region_node.business.orders.business import BusinessRule, Effects, Situation
from region_node.business.orders.contracts import CONTRACT
from region_node.business.orders.new_lines import number_for, opened, plan_of, require_openable
from region_node.customers.accounts.rules import COMPENSATION, EntryKind, Posting, transfer

BROADBAND = LineKind.LINE_KIND_BROADBAND


class Rule(BusinessRule):
    """Opens a broadband line once the review has found the resources for it."""

    opens_line: ClassVar[LineKind.ValueType] = BROADBAND
    offering_kind: ClassVar[OfferingKind.ValueType] = CONTRACT

    def check(self, situation: Situation) -> None:
        """See `require_openable`."""
        require_openable(situation, BROADBAND)

    def quote(self, situation: Situation) -> Quote:
        """Address, plan, rent and installation fee."""
        plan, address, fee = plan_of(situation, BROADBAND), situation.text("address"), situation.business.fee
        rent = in_major_units(plan.monthly_rent.minor_units, plan.monthly_rent.currency)
        once = in_major_units(fee.minor_units, situation.currency)
        return Quote(
            description=LocalizedText(
                zh_cn=f"{address}，{plan.name.zh_cn}，月租{rent}，安装调试费{once}",
                en=f"{address}: {plan.name.en}, {rent} a month, and {once} for the installation",
            ),
            amount=Money(minor_units=fee.minor_units, currency=situation.currency),
        )

    def fulfil(self, situation: Situation) -> Effects:
        """The access is in service; a late installation is compensated."""
        effects = opened(situation, BROADBAND, number_for(situation, BROADBAND))
        late = _late_compensation(situation, effects.line.account_id)
        return replace(effects, postings=late)


def _late_compensation(situation: Situation, account: str) -> tuple[Posting, ...]:
    lateness = situation.now - from_timestamp(situation.order.expected_completion_time)
    days = -(-lateness // timedelta(days=1))  # a day that has begun counts
    per_mille = situation.federation.figure("late-installation", situation.regions)
    amount = late_compensation(situation.business.fee.minor_units, days, per_mille)
    if not amount:
        return ()
    posting_id = f"{situation.order.id}#late"
    return (transfer(posting_id, EntryKind.COMPENSATION, amount, debit=COMPENSATION, credit=account),)
