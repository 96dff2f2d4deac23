"""NEW_LINE 异地入网: a line in the region that the customer chooses (specification 3.1; real-name rule, Order 25)."""

from typing import ClassVar

from gateway.api.federation.v1.configuration_pb2 import LineKind, OfferingKind
from gateway.api.region.v1.order_pb2 import Quote
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.values.money import in_major_units
from region_node.business.orders.business import BusinessRule, Effects, Situation
from region_node.business.orders.contracts import CONTRACT, contract_of
from region_node.business.orders.new_lines import number_for, opened, plan_of, require_openable

MOBILE = LineKind.LINE_KIND_MOBILE


class Rule(BusinessRule):
    """Opens a mobile line with number, plan and, if wished, contract."""

    opens_line: ClassVar[LineKind.ValueType] = MOBILE
    offering_kind: ClassVar[OfferingKind.ValueType] = CONTRACT

    def check(self, situation: Situation) -> None:
        """See `require_openable`."""
        require_openable(situation, MOBILE)

    def quote(self, situation: Situation) -> Quote:
        """Number, plan, rent and contract term."""
        plan, contract, number = plan_of(situation, MOBILE), contract_of(situation), number_for(situation, MOBILE)
        rent = in_major_units(plan.monthly_rent.minor_units, plan.monthly_rent.currency)
        zh_cn = f"号码{number}，{plan.name.zh_cn}，月租{rent}"
        en = f"The number {number}, {plan.name.en}, {rent} a month"
        if contract is not None:
            zh_cn, en = f"{zh_cn}，{contract.name.zh_cn}", f"{en}, {contract.name.en}"
        return Quote(description=LocalizedText(zh_cn=zh_cn, en=en), amount=plan.monthly_rent)

    def fulfil(self, situation: Situation) -> Effects:
        """The line is in service."""
        return opened(situation, MOBILE, number_for(situation, MOBILE))
