"""PAY 异地交费: accepts money at the customer's location and credits it at the customer's home."""

from gateway.api.region.v1.order_pb2 import Order
from region_node.business.orders.business import BusinessRule, Effects, Situation, after_credit
from region_node.customers.accounts.rules import CASH, IN_TRANSIT, EntryKind, Posting, payable, receivable, transfer


def _amount(order: Order) -> int:
    """The amount in minor units; intake has checked its form."""
    return int(order.request.characteristics["amount"])


class Rule(BusinessRule):
    """The origin region owes the payment, first to the payer, then to the home region."""

    def fulfil(self, situation: Situation) -> Effects:
        """The account is credited, against cash at home or a receivable from the origin region.

        A line that was suspended for arrears is in service again once nothing is overdue.
        """
        order, amount = situation.order, _amount(situation.order)
        at_home = order.origin_region == situation.region
        debit = CASH if at_home else receivable(order.origin_region)
        posting = transfer(
            f"{order.id}#credit", EntryKind.PAYMENT, amount, debit=debit, credit=situation.line.account_id
        )
        line, notices = after_credit(situation, amount)
        results = {"balance_minor_units": str(situation.balance + amount)}
        return Effects(line, (posting,), results, notices=notices)

    def credited(self, order: Order) -> int:
        """The payment."""
        return _amount(order)

    def taken_in(self, order: Order) -> tuple[Posting, ...]:
        """Cash came in and is owed to the payer until the home region has booked it."""
        return (transfer(f"{order.id}#taken", EntryKind.PAYMENT_TAKEN, _amount(order), debit=CASH, credit=IN_TRANSIT),)

    def done_elsewhere(self, order: Order) -> tuple[Posting, ...]:
        """The money is now owed to the home region."""
        to_home = payable(order.home_region)
        return (transfer(f"{order.id}#owed", EntryKind.PAYMENT_OWED, _amount(order), debit=IN_TRANSIT, credit=to_home),)

    def given_up(self, order: Order) -> tuple[Posting, ...]:
        """A payment that was not booked goes back to the payer."""
        return (
            transfer(f"{order.id}#back", EntryKind.PAYMENT_RETURNED, _amount(order), debit=IN_TRANSIT, credit=CASH),
        )
