"""TERMINATE 异地销户: reviewed at home, the settlement confirmed by the customer, then irreversible."""

from gateway.api.region.v1.order_pb2 import Quote
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText, Money
from gateway.errors import Refused
from gateway.values.money import in_major_units
from region_node.business.billing.charging import closing
from region_node.business.orders.business import BusinessRule, Effects, Situation
from region_node.customers.accounts.rules import Posting, balance_of


def _charges(situation: Situation) -> tuple[tuple[Posting, ...], int]:
    """The remaining charges up to and including today, by the billing cycle, and the balance after them."""
    postings = tuple(situation.records.final_charges(situation.line, situation.now))
    return postings, situation.balance + balance_of(situation.line.account_id, postings)


class Rule(BusinessRule):
    """Terminates a line and pays the balance out."""

    def check(self, situation: Situation) -> None:
        """The balance must cover the charges up to today."""
        _, left = _charges(situation)
        if left < 0:
            raise Refused(Reason.REASON_IN_ARREARS, amount=in_major_units(-left, situation.currency))

    def quote(self, situation: Situation) -> Quote:
        """The payout, and that the termination is final."""
        _, refund = _charges(situation)
        paid_out = in_major_units(refund, situation.currency)
        return Quote(
            description=LocalizedText(
                zh_cn=f"销户后不可恢复，结清截至当日的费用后退还余额{paid_out}",
                en=f"The line is closed for good; {paid_out} are paid out after everything up to today is charged",
            ),
            amount=Money(minor_units=refund, currency=situation.currency),
        )

    def fulfil(self, situation: Situation) -> Effects:
        """The line is terminated; charges and refund empty the account."""
        charges, _ = _charges(situation)
        postings, refund = closing(situation.line.account_id, charges, situation.balance, situation.order.id)
        return Effects(situation.line.terminated(), postings, {"refund_minor_units": str(refund)})
