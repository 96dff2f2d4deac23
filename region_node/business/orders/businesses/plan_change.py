"""PLAN_CHANGE 套餐变更: shows the plan, the customer confirms, and the next cycle uses it (specification 3.2)."""

from dataclasses import replace

from gateway.api.federation.v1.configuration_pb2 import LineKind, Plan
from gateway.api.region.v1.order_pb2 import Quote
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.time.clock import to_timestamp
from gateway.values.money import in_major_units
from region_node.business.billing.rules import next_cycle
from region_node.business.orders.business import BusinessRule, Effects, Situation


def _plan(situation: Situation) -> Plan:
    plan = situation.federation.plan(situation.text("plan"))
    for_mobile = plan.line_kind != LineKind.LINE_KIND_BROADBAND
    if plan.region != situation.region or for_mobile != situation.line.is_mobile:
        raise Refused(Reason.REASON_PLAN_UNKNOWN, plan=plan.id)
    return plan


class Rule(BusinessRule):
    """Changes the tariff plan of a line to another of its home region."""

    def check(self, situation: Situation) -> None:
        """The home region must offer the plan for such a line, and the plan must differ from the current one."""
        plan = _plan(situation)
        if plan.id == situation.line.plan_id:
            raise Refused(Reason.REASON_PLAN_SAME, plan=plan.id)

    def quote(self, situation: Situation) -> Quote:
        """The plan, its monthly rent, and from when."""
        plan = _plan(situation)
        rent = in_major_units(plan.monthly_rent.minor_units, plan.monthly_rent.currency)
        return Quote(
            description=LocalizedText(
                zh_cn=f"{plan.name.zh_cn}，月租{rent}，下一计费周期生效",
                en=f"{plan.name.en}, {rent} a month, from the next billing cycle",
            ),
            amount=plan.monthly_rent,
            effective_time=to_timestamp(next_cycle(situation.now, situation.time_zone)),
        )

    def fulfil(self, situation: Situation) -> Effects:
        """The line has the new plan."""
        plan = _plan(situation)
        return Effects(replace(situation.line, plan_id=plan.id), results={"plan": plan.id})
