"""TERMINATE 异地销户: reviewed at home, the settlement confirmed by the customer, then irreversible."""

from zoneinfo import ZoneInfo

from gateway.api.region.v1.order_pb2 import Quote
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText, Money
from gateway.errors import Refused
from gateway.money import in_major_units, share_half_up
from region_node.billing.rules import REFUNDS_DUE, RENT, Posting, next_month, transfer
from region_node.orders.business import BusinessRule, Effects, Situation


def _rent_due(situation: Situation) -> int:
    """The rent of the running month up to and with today, by days, rounded half up once (minor units)."""
    today = situation.now.astimezone(ZoneInfo(situation.time_zone))
    first = today.replace(day=1)
    days = (next_month(today).date() - first.date()).days
    monthly_rent = situation.federation.plan(situation.line.plan_id).monthly_rent.minor_units
    return share_half_up(monthly_rent, today.day, days)


class Rule(BusinessRule):
    """Closes a line for good and pays the balance out."""

    def check(self, situation: Situation) -> None:
        """The balance covers the rent up to today."""
        missing = _rent_due(situation) - situation.balance
        if missing > 0:
            raise Refused(Reason.REASON_IN_ARREARS, amount=in_major_units(missing, situation.currency))

    def quote(self, situation: Situation) -> Quote:
        """What is paid out, and that it cannot be undone."""
        refund = situation.balance - _rent_due(situation)
        paid_out = in_major_units(refund, situation.currency)
        return Quote(
            description=LocalizedText(
                zh_cn=f"销户后不可恢复，结清当月月租后退还余额{paid_out}",
                en=f"The line is closed for good; {paid_out} are paid out after the rent of this month",
            ),
            amount=Money(minor_units=refund, currency=situation.currency),
        )

    def fulfil(self, situation: Situation) -> Effects:
        """The line is terminated; rent and refund empty the account."""
        order, account = situation.order, situation.line.account_id
        rent = _rent_due(situation)
        refund = situation.balance - rent
        postings: list[Posting] = []
        if rent:
            postings.append(transfer(f"{order.id}#rent", "rent", rent, debit=account, credit=RENT))
        if refund:
            postings.append(transfer(f"{order.id}#refund", "refund", refund, debit=account, credit=REFUNDS_DUE))
        return Effects(situation.line.terminated(), tuple(postings), {"refund_minor_units": str(refund)})
