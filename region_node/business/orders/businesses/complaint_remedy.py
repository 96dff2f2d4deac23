"""COMPLAINT_REMEDY 投诉退费: books a complaint's compensation at home, at the owner region's expense."""

from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.values.money import in_major_units
from region_node.business.orders.business import BusinessRule, Effects, Situation, after_credit
from region_node.customers.accounts.rules import (
    COMPENSATION,
    REFUNDS_DUE,
    EntryKind,
    Posting,
    payable,
    receivable,
    transfer,
)

REFUND = "refund"


def _amount(order: Order) -> int:
    """The amount in minor units; intake has checked its form."""
    return int(order.request.characteristics["amount"])


class Rule(BusinessRule):
    """The owner region pays through its node's order: it owes the home region the customer's compensation."""

    def check(self, situation: Situation) -> None:
        """Refuses a payout to a debtor, and a credit to a customer without further bills."""
        if situation.text("settlement") == REFUND:
            if situation.balance < 0:
                owed = in_major_units(-situation.balance, situation.currency)
                raise Refused(Reason.REASON_IN_ARREARS, amount=owed)
        elif situation.line.is_closed:
            raise Refused(Reason.REASON_LINE_CLOSED)

    def fulfil(self, situation: Situation) -> Effects:
        """The account is credited; for a refund the money is then owed to the customer."""
        order, account, amount = situation.order, situation.line.account_id, situation.amount("amount")
        at_home = order.origin_region == situation.region
        debit = COMPENSATION if at_home else receivable(order.origin_region)
        given = transfer(f"{order.id}#remedy", EntryKind.REMEDY, amount, debit=debit, credit=account)
        results = {"given_minor_units": str(amount)}
        if situation.text("settlement") == REFUND:
            paid_out = transfer(f"{order.id}#refund", EntryKind.REFUND, amount, debit=account, credit=REFUNDS_DUE)
            return Effects(situation.line, (given, paid_out), results)
        line, notices = after_credit(situation, amount)
        return Effects(line, (given,), results, notices=notices)

    def credited(self, order: Order) -> int:
        """The compensation."""
        return _amount(order)

    def is_paid_out(self, order: Order) -> bool:
        """The way of payment on which customer and region agreed in the complaint."""
        return order.request.characteristics.get("settlement") == REFUND

    def done_elsewhere(self, order: Order) -> tuple[Posting, ...]:
        """Books the customer's compensation as a debt to the home region."""
        amount, to_home = _amount(order), payable(order.home_region)
        return (transfer(f"{order.id}#owed", EntryKind.REMEDY_OWED, amount, debit=COMPENSATION, credit=to_home),)
