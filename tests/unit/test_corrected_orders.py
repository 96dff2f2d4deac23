"""A confirmed correction of an order puts those right to whom its money went, and only then bookkeeping."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.customer_service_pb2 import SuspensionKind
from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.region.v1.notice_service_pb2 import Notice
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.reconciliation_pb2 import RepairAct
from gateway.time.clock import to_timestamp
from region_node.business.billing.operations import bill_of
from region_node.business.billing.rules import Month
from region_node.business.orders import rules
from region_node.business.orders.repairing import SETTLED_ORDERS
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.business.orders.rules import read_characteristics
from region_node.business.reconciliation.port import Act
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import (
    COMPENSATION,
    FEES,
    OPENING,
    RECONCILIATION,
    REFUNDS_DUE,
    Entry,
    EntryKind,
    Posting,
    correction_of,
    payable,
    receivable,
    transfer,
)
from region_node.customers.notices.rows import notices_after
from region_node.customers.rows import give_up_number
from region_node.customers.status import ACTIVE, MOVING, keep_status
from tests.unit.billing_scene import Books, books
from tests.unit.situations import LINE

NOW = datetime(2030, 6, 15, 4, tzinfo=UTC)
OTHER = "henan"
ACCOUNT, OWED = LINE.account_id, receivable(OTHER)
ARREARS = SuspensionKind.SUSPENSION_KIND_ARREARS
REMEDY = {"ticket_id": "henan/1", "cause": "x", "reason": "x"}
CORRECT = SETTLED_ORDERS.repairs[RepairAct.REPAIR_ACT_CORRECT]


@pytest.fixture(name="node")
def a_region_with_a_customer() -> Iterator[Books]:
    with books(datetime(2030, 6, 1, 2, tzinfo=UTC)) as found:
        found.open(LINE)
        yield found


def ordered(node: Books, business: str = "PAY", amount: int = 700, settlement: str = "", name: str = "1") -> Order:
    """A completed order of the other region about the customer; nothing of it is booked."""
    order = Order(id=f"{OTHER}/counter/{name}", origin_region=OTHER, home_region="sichuan", state=rules.COMPLETED)
    order.request.business, order.request.number = business, LINE.number
    order.product_id = LINE.product_id
    if business in ("PAY", "COMPLAINT_REMEDY"):
        order.request.characteristics["amount"] = f"{amount}"
    if settlement:
        order.request.characteristics.update({**REMEDY, "settlement": settlement})
    order.create_time.CopyFrom(to_timestamp(NOW))
    insert_order(node.tx, OrderRow(order, ""), NOW)
    return order


def postings(node: Books, order: Order) -> tuple[Posting, ...]:
    """What the home region books for an order."""
    business = node.context.federation.prepared(order.request.business)
    values = read_characteristics(business, order.request)
    situation = node.orders.situation(node.tx, order, values, node.line(LINE.product_id), NOW)
    return node.orders.rule(situation.business).fulfil(situation).postings


def book(node: Books, *booked: Posting, again: str = "") -> None:
    named = [replace(each, posting_id=each.posting_id + again) for each in booked]
    ledger.post_all(node.tx, named, "CNY", NOW)


def correct(node: Books, order: Order, amount: int, repair: str = "r1", now: datetime = NOW) -> None:
    CORRECT(node.tx, node.context, Act(f"{OTHER}/staff/li/{repair}", order.id, OTHER, amount), now)


def stands(node: Books) -> dict[str, int]:
    """The balances that are not zero."""
    found = {each.account: each.amount for each in ledger.balances_like(node.tx, "")}
    assert sum(found.values()) == 0
    return {account: balance for account, balance in found.items() if balance}


def test_of_a_payment_that_was_booked_twice_the_customer_keeps_one(node: Books) -> None:
    order = ordered(node)
    for again in ("", "-again"):
        book(node, *postings(node, order), again=again)
    correct(node, order, -700)
    assert stands(node) == {ACCOUNT: 700, OWED: -700}


@pytest.mark.parametrize(("settlement", "account"), [("offset", ACCOUNT), ("refund", REFUNDS_DUE)])
def test_money_for_a_complaint_that_was_not_booked_reaches_the_customer_as_agreed(
    node: Books, settlement: str, account: str
) -> None:
    order = ordered(node, "COMPLAINT_REMEDY", 1300, settlement)
    book(node, *postings(node, order)[1:])  # what is paid out is taken from the account all the same
    correct(node, order, 1300)
    assert stands(node) == {account: 1300, OWED: -1300}


def test_money_to_be_paid_out_that_was_credited_twice_leaves_nothing_on_the_account(node: Books) -> None:
    order = ordered(node, "COMPLAINT_REMEDY", 1300, "refund")
    booked = postings(node, order)
    book(node, *booked)
    book(node, booked[0], again="-again")
    correct(node, order, -1300)
    assert stands(node) == {REFUNDS_DUE: 1300, OWED: -1300}


@pytest.mark.parametrize(
    ("on_account", "owed", "rest"), [(705, 705, 0), (700, 705, -5), (705, 700, 5)], ids=["both", "debt", "account"]
)
def test_a_changed_amount_is_corrected_where_it_was_changed(node: Books, on_account: int, owed: int, rest: int) -> None:
    order, agreed = ordered(node), 700 if owed == 705 else 705
    entries = (Entry(ACCOUNT, on_account), Entry(OWED, -owed))
    node.tx.execute("DROP TRIGGER ledger_never_changes")
    book(node, transfer(f"{order.id}#credit", EntryKind.PAYMENT, 700, debit=OWED, credit=ACCOUNT))
    for each in entries:
        sql = "UPDATE ledger_entries SET amount = :amount WHERE account = :account"
        node.tx.execute(sql, amount=each.amount, account=each.account)
    correct(node, order, agreed - owed)
    balances = (node.balance(ACCOUNT), node.balance(OWED), node.balance(RECONCILIATION))
    assert balances == (agreed, -agreed, rest)


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_customer_whose_line_is_closed_or_has_moved_is_owed_the_money_or_owes_it(
    node: Books, *, is_moved: bool
) -> None:
    doubled, missing = ordered(node), ordered(node, amount=300, name="2")
    for again in ("", "-again"):
        book(node, *postings(node, doubled), again=again)
    paid_out = transfer("terminate#refund", EntryKind.REFUND, 1400, debit=ACCOUNT, credit=REFUNDS_DUE)
    book(node, paid_out)
    node.change(LINE.terminated(), NOW)
    if is_moved:
        give_up_number(node.tx, LINE.terminated())
    correct(node, doubled, -700)
    assert stands(node) == {REFUNDS_DUE: 700, OWED: -700}
    correct(node, missing, 300)
    assert stands(node) == {REFUNDS_DUE: 1000, OWED: -1000}


def test_a_customer_whose_line_is_not_stored_any_more_is_owed_the_money(node: Books) -> None:
    order = ordered(node)
    node.tx.execute("DELETE FROM products WHERE product_id = :id", id=LINE.product_id)
    correct(node, order, 700)
    assert stands(node) == {REFUNDS_DUE: 700, OWED: -700}


def test_a_second_correction_goes_on_from_the_first(node: Books) -> None:
    order = ordered(node)
    for again in ("", "-again"):
        book(node, *postings(node, order), again=again)
    correct(node, order, -1400)
    assert stands(node) == {}
    correct(node, order, 700, "r2")
    assert stands(node) == {ACCOUNT: 700, OWED: -700}


def test_a_correction_of_before_is_taken_for_what_it_was_and_the_customer_is_put_right(node: Books) -> None:
    order = ordered(node)
    for again in ("", "-again", "-once-more"):
        book(node, *postings(node, order), again=again)
    book(node, transfer(f"{order.id}#r0", EntryKind.RECONCILED, 700, debit=RECONCILIATION, credit=OWED))
    correct(node, order, -700)
    assert stands(node) == {ACCOUNT: 700, OWED: -700}


def test_a_fee_and_what_a_delay_costs_are_no_money_of_the_order(node: Books) -> None:
    order = ordered(node)
    for again in ("", "-again"):
        book(node, *postings(node, order), again=again)
    book(node, transfer(f"{order.id}#fee", EntryKind.FEE, 10, debit=ACCOUNT, credit=FEES))
    book(node, transfer(f"{order.id}#late", EntryKind.COMPENSATION, 50, debit=COMPENSATION, credit=ACCOUNT))
    correct(node, order, -700)
    assert (node.balance(ACCOUNT), node.balance(RECONCILIATION)) == (740, 0)


@pytest.mark.parametrize("amount", [5000, -5000])
def test_an_order_that_gives_no_money_gives_none_by_a_correction(node: Books, amount: int) -> None:
    order = ordered(node, "SUSPEND")
    correct(node, order, amount)
    assert stands(node) == {RECONCILIATION: amount, OWED: -amount}


def test_no_word_of_another_region_takes_more_from_a_customer_than_the_order_gave(node: Books) -> None:
    order = ordered(node)
    book(node, *postings(node, order))
    correct(node, order, -9000)
    assert stands(node) == {OWED: 8300, RECONCILIATION: -8300}


def taken_in(node: Books, business: str, amount: int = 700) -> tuple[Order, tuple[Posting, ...]]:
    """A completed order of this region's counter for the other one, with its postings; the first is that of intake."""
    order = Order(id="sichuan/counter/1", origin_region="sichuan", home_region=OTHER, state=rules.COMPLETED)
    order.request.business, order.request.characteristics["amount"] = business, f"{amount}"
    insert_order(node.tx, OrderRow(order, ""), NOW)
    rule = node.orders.rules[business]
    return order, (*rule.taken_in(order), *rule.done_elsewhere(order))


@pytest.mark.parametrize(
    ("times", "amount", "left"),
    [
        (2, -700, {"cash": -700}),
        (0, 700, {"cash": -700}),
        (1, 50, {"cash": -700, RECONCILIATION: -50}),
        (1, -50, {"cash": -700, RECONCILIATION: 50}),
    ],
)
def test_the_origin_owes_a_payer_nothing_after_a_correction_of_its_own(
    node: Books, times: int, amount: int, left: Mapping[str, int]
) -> None:
    order, booked = taken_in(node, "PAY")
    book(node, booked[0])
    for number in range(times):
        book(node, booked[1], again=f"-{number}")
    correct(node, order, amount)
    assert stands(node) == {**left, payable(OTHER): 700 * times + amount}


@pytest.mark.parametrize("times", [0, 2])
def test_the_origin_bears_the_money_for_a_complaint_once_after_a_correction_of_its_own(node: Books, times: int) -> None:
    order, booked = taken_in(node, "COMPLAINT_REMEDY")
    for number in range(times):
        book(node, *booked, again=f"-{number}")
    correct(node, order, 700 - 700 * times)
    assert stands(node) == {COMPENSATION: -700, payable(OTHER): 700}


def test_a_correction_changes_no_bill_that_is_out_and_counts_towards_its_debt(node: Books) -> None:
    order = ordered(node, amount=5900)
    node.run(datetime(2030, 7, 1, 2, tzinfo=UTC))
    june, july = (Month.of(each, "Asia/Shanghai") for each in ("2030-06", "2030-07"))
    issued = bill_of(node.tx, node.context, ACCOUNT, june, itemised=False)
    assert node.balance(ACCOUNT) == -5900
    correct(node, order, 5900, now=datetime(2030, 7, 2, 4, tzinfo=UTC))
    assert bill_of(node.tx, node.context, ACCOUNT, june, itemised=False) == issued
    [line] = bill_of(node.tx, node.context, ACCOUNT, july, itemised=False).lines
    assert (line.amount.minor_units, line.description.en) == (5900, "Correction after a reconciliation")
    for day in range(1, 31):
        node.run(datetime(2030, 7, day, 19, tzinfo=UTC))
    fees = node.rows("SELECT COUNT(*) FROM ledger_entries WHERE kind = 'late-fee'")
    assert (fees, node.balance(ACCOUNT)) == ([(0,)], 0)


def notices(node: Books) -> list[tuple[str, str]]:
    """Id and kind of all notices to the customer, by id."""
    return sorted((each.id, each.kind) for each in told(node))


def told(node: Books) -> list[Notice]:
    return notices_after(node.tx, LINE.number, (0, ""), 100)


def barred_for(node: Books, debt: int, kind: SuspensionKind.ValueType = ARREARS) -> None:
    book(node, transfer("opening", EntryKind.OPENING, debt, debit=ACCOUNT, credit=OPENING))
    node.change(LINE.suspended(kind, "not paid"), NOW)


def test_the_customer_is_told_once_of_each_correction_of_the_account_in_both_languages(node: Books) -> None:
    lost, doubled = ordered(node), ordered(node, name="2")
    for again in ("", "-again"):
        book(node, *postings(node, doubled), again=again)
    correct(node, lost, 700)
    correct(node, doubled, -700, "r2")
    assert notices(node) == [
        (f"{lost.id}#{OTHER}/staff/li/r1", "account-corrected"),
        (f"{doubled.id}#{OTHER}/staff/li/r2", "account-corrected"),
    ]
    credited, taken = sorted(told(node), key=lambda each: each.id)
    assert "lacked 7.00 CNY" in credited.text.en
    assert "少记7.00 CNY" in credited.text.zh_cn
    assert "7.00 CNY too much" in taken.text.en
    assert "多记7.00 CNY" in taken.text.zh_cn


def test_of_a_correction_that_changes_no_account_of_the_customer_nobody_is_told(node: Books) -> None:
    no_money, paid_out = ordered(node, "SUSPEND"), ordered(node, "COMPLAINT_REMEDY", 1300, "refund", name="2")
    correct(node, no_money, 50)
    correct(node, paid_out, 1300, "r2")
    node.change(LINE.terminated(), NOW)
    correct(node, ordered(node, amount=300, name="3"), 300, "r3")
    assert notices(node) == []


@pytest.mark.parametrize("business", ["PAY", "COMPLAINT_REMEDY"])
def test_a_credit_by_a_correction_puts_a_line_barred_for_arrears_in_service_again_at_once(
    node: Books, business: str
) -> None:
    barred_for(node, 700)
    order = ordered(node, business, settlement="offset" if business != "PAY" else "")
    correct(node, order, 700)
    assert (node.line(LINE.product_id), node.balance(ACCOUNT)) == (LINE, 0)
    posting_id = f"{order.id}#{OTHER}/staff/li/r1"
    assert notices(node) == [(posting_id, "account-corrected"), (f"{posting_id}#resumed", "resumed")]


@pytest.mark.parametrize(
    ("debt", "kind", "status"),
    [
        (701, ARREARS, ACTIVE),
        (700, SuspensionKind.SUSPENSION_KIND_LOST, ACTIVE),
        (700, ARREARS, MOVING),
    ],
    ids=["is not enough", "is suspended for another cause", "is on the way to another region"],
)
def test_a_credit_by_a_correction_leaves_a_line_suspended_that_a_payment_would_leave(
    node: Books, debt: int, kind: SuspensionKind.ValueType, status: CustomerStatus.ValueType
) -> None:
    barred_for(node, debt, kind)
    keep_status(node.tx, LINE.customer_id, status)
    correct(node, ordered(node), 700)
    assert node.line(LINE.product_id) == LINE.suspended(kind, "not paid")
    found = node.rows("SELECT kind FROM notices")
    assert (node.balance(ACCOUNT), found) == (700 - debt, [("account-corrected",)])


def test_a_correction_that_takes_money_leaves_a_barred_line_barred(node: Books) -> None:
    order = ordered(node)
    for again in ("", "-again"):
        book(node, *postings(node, order), again=again)
    barred_for(node, 1000)
    correct(node, order, -700)
    assert node.line(LINE.product_id).suspension_kind == ARREARS


_AMOUNTS = st.integers(-(10**12), 10**12)
_BALANCES = st.dictionaries(st.sampled_from([ACCOUNT, REFUNDS_DUE, COMPENSATION]), _AMOUNTS)


@given(_AMOUNTS.filter(bool), _BALANCES, _BALANCES)
def test_a_correction_sums_to_zero_and_brings_each_wanted_balance_about(
    amount: int, booked: dict[str, int], wanted: dict[str, int]
) -> None:
    posting = correction_of("p", Entry(OWED, amount), booked, wanted)
    changes = {each.account: each.amount for each in posting.entries}
    assert (len(changes), sum(changes.values())) == (len(posting.entries), 0)
    assert all(changes.values())
    assert changes.pop(OWED) == amount
    rest = changes.pop(RECONCILIATION, 0)
    assert changes.keys() <= wanted.keys(), "nothing else is changed"
    assert {each: booked.get(each, 0) + changes.get(each, 0) for each in wanted} == wanted
    assert rest == -amount - sum(changes.values())
