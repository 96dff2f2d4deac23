"""BILL_CORRECTION 账单更正: a disputed charge is investigated at home and given back (specification 4.4)."""

from dataclasses import replace

from gateway.api.region.v1.order_pb2 import Quote
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText, Money
from gateway.errors import Refused
from gateway.values.money import in_major_units
from region_node.business.billing.charging import correction_id
from region_node.business.billing.rules import Month
from region_node.business.orders.business import BusinessRule, Effects, Situation, after_credit
from region_node.customers.accounts.rules import REFUNDS_DUE, EntryKind, earned, transfer
from region_node.customers.subscriptions import Subscription

NOT_ORDERED = "not-ordered"
REFUND = "refund"


class Rule(BusinessRule):
    """Refunds wrong charges, to the account or as a payout; ends a service that nobody ordered."""

    def check(self, situation: Situation) -> None:
        """Requires a recent bill with at least that charge, and a possible way of refund."""
        month, charge = situation.text("month"), _charge(situation)
        age = Month.at(situation.now, situation.time_zone) - Month.of(month, situation.time_zone)
        if age > situation.federation.figure("bills-kept", situation.regions):
            raise Refused(Reason.REASON_DISPUTE_TOO_LATE, month=month)
        charged = situation.records.charged(situation.line.account_id, month, charge)
        if situation.amount("amount") > charged:
            told = in_major_units(max(charged, 0), situation.currency)
            raise Refused(Reason.REASON_DISPUTE_TOO_HIGH, amount=told, month=month)
        if situation.text("category") == NOT_ORDERED:
            _disputed(situation)
        if situation.text("settlement") == REFUND:
            if situation.balance < 0:
                owed = in_major_units(-situation.balance, situation.currency)
                raise Refused(Reason.REASON_IN_ARREARS, amount=owed)
        elif situation.line.is_closed:
            raise Refused(Reason.REASON_LINE_CLOSED)

    def quote(self, situation: Situation) -> Quote:
        """The refund, its cause, and its way."""
        amount = Money(minor_units=situation.amount("amount"), currency=situation.currency)
        told, month = in_major_units(amount.minor_units, amount.currency), situation.text("month")
        kind = _charge(situation).description
        how = (
            ("退款", "paid out")
            if situation.text("settlement") == REFUND
            else ("抵扣后续账单", "set off against the next bill")
        )
        return Quote(
            description=LocalizedText(
                zh_cn=f"{month}{kind.zh_cn}更正，退还{told}，方式为{how[0]}",
                en=f"{kind.en} of {month}: {told} are given back, {how[1]}",
            ),
            amount=amount,
        )

    def fulfil(self, situation: Situation) -> Effects:
        """The account is credited; for a refund the money is then owed to the customer."""
        order, account, amount = situation.order, situation.line.account_id, situation.amount("amount")
        charge = _charge(situation)
        posting_id = correction_id(account, situation.text("month"), charge, order.id)
        given = transfer(posting_id, EntryKind.CORRECTION, amount, debit=earned(charge), credit=account)
        ended = _ended(situation)
        results = {"corrected_minor_units": str(amount)}
        if situation.text("settlement") == REFUND:
            paid_out = transfer(f"{order.id}#refund", EntryKind.REFUND, amount, debit=account, credit=REFUNDS_DUE)
            return Effects(situation.line, (given, paid_out), results, subscriptions=ended)
        line, notices = after_credit(situation, amount)
        return Effects(line, (given,), results, subscriptions=ended, notices=notices)


def _charge(situation: Situation) -> EntryKind:
    return EntryKind.of(situation.text("charge"))


def _disputed(situation: Situation) -> list[Subscription]:
    """The subscriptions to the offering that was not ordered. Raises Refused where it is unnamed or missing."""
    offering = situation.text("offering")
    if not offering:
        raise Refused(Reason.REASON_CHARACTERISTIC_MISSING, business=situation.business.code, name="offering")
    held = situation.records.subscriptions(situation.line.product_id)
    found = [each for each in held if each.offering_id == offering]
    if not found:
        raise Refused(Reason.REASON_NOT_SUBSCRIBED, offering=offering)
    return found


def _ended(situation: Situation) -> tuple[Subscription, ...]:
    """The subscriptions that nobody ordered and that still run, ended now."""
    if situation.text("category") != NOT_ORDERED:
        return ()
    running = [each for each in _disputed(situation) if each.runs_at(situation.now)]
    return tuple(replace(each, end_time=situation.now) for each in running)
