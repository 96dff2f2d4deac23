"""PAY: the origin region books a liability, the home region a receivable; a refused payment returns the money."""

from collections.abc import Mapping

import pytest

from gateway.api.region.v1.billing_service_pb2 import ListSettlementsRequest, Settlement
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.types_pb2 import Applicant
from tests.federation.commands import as_caller, run_command
from tests.federation.counter import REQUESTER, Counter, Reviewer
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation

ACCOUNTS = ("cash", "payments-in-transit", "payable/sichuan", "receivable/guangdong")


def books(federation: Federation, region: str) -> Mapping[str, int]:
    """The balances of the region's own accounts."""
    rows = federation.database(region).rows("SELECT account, SUM(amount) FROM ledger_entries GROUP BY account")
    found = {str(account): int(amount or 0) for account, amount in rows}
    return {account: found.get(account, 0) for account in ACCOUNTS}


def changes(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """By how much each account changed."""
    return {account: after[account] - before[account] for account in before if after[account] != before[account]}


async def settlement(counter: Counter, region: str) -> Settlement:
    """The debts between a counter's region and another."""
    response = await counter.billing.ListSettlements(ListSettlementsRequest(requester=REQUESTER), timeout=CALL_SECONDS)
    found = {each.region: each for each in response.settlements}
    return found.get(region, Settlement())


async def test_a_foreign_payment_is_owed_by_the_origin_region_and_credited_at_home(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(balance=-1200)
    before = books(federation, "guangdong"), books(federation, "sichuan")
    order = await guangdong.order("PAY", number)
    assert (order.state, dict(order.results)) == (
        OrderState.ORDER_STATE_COMPLETED,
        {"balance_minor_units": "3800"},
    )
    assert changes(before[0], books(federation, "guangdong")) == {"cash": -5000, "payable/sichuan": 5000}
    assert changes(before[1], books(federation, "sichuan")) == {"receivable/guangdong": -5000}
    assert await sichuan.balance(number) == 3800
    fee = f"SELECT handling_fee FROM orders WHERE order_id = '{order.id}'"
    assert [federation.database(each).rows(fee) for each in ("guangdong", "sichuan")] == [[(50,)], [(50,)]]


async def test_what_one_region_owes_is_what_the_other_is_owed(guangdong: Counter, sichuan: Counter) -> None:
    await guangdong.order("PAY", await sichuan.new_customer())
    owed, due = await settlement(guangdong, "sichuan"), await settlement(sichuan, "guangdong")
    assert owed.payable == due.receivable
    assert owed.payable.minor_units >= 5000


async def test_a_local_payment_concerns_no_other_region(federation: Federation, guangdong: Counter) -> None:
    number = await guangdong.new_customer(balance=0)
    before = books(federation, "guangdong")
    order = await guangdong.order("PAY", number)
    assert order.state == OrderState.ORDER_STATE_COMPLETED
    assert changes(before, books(federation, "guangdong")) == {"cash": -5000}
    assert await guangdong.balance(number) == 5000


async def test_a_refused_payment_goes_back_to_the_payer(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(balance=0, status=ProductStatus.PRODUCT_STATUS_TERMINATED)
    before = books(federation, "guangdong"), books(federation, "sichuan")
    order = await guangdong.order("PAY", number)
    assert order.state == OrderState.ORDER_STATE_REJECTED
    assert changes(before[0], books(federation, "guangdong")) == {}
    assert changes(before[1], books(federation, "sichuan")) == {}
    assert await sichuan.balance(number) == 0
    kinds = federation.database("guangdong").rows(
        "SELECT kind FROM ledger_entries WHERE posting_id LIKE ? ORDER BY time, kind", f"{order.id}#%"
    )
    assert {kind for (kind,) in kinds} == {"payment taken", "payment returned"}


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_a_payment_above_the_policy_of_the_federation_is_refused_and_nothing_is_taken(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    number, before = await Counter(federation, home).new_customer(balance=0), books(federation, "guangdong")
    for amount in (5_000_001, 10**12):
        told = await refusal(guangdong.order("PAY", number, amount=str(amount)))
        assert (told.reason, told.parameters) == ("AMOUNT_TOO_HIGH", {"amount": "50000.00 CNY"})
    assert changes(before, books(federation, "guangdong")) == {}
    order = await guangdong.order("PAY", number, amount="5000000")
    assert (order.state, order.awaiting.action) == (
        (OrderState.ORDER_STATE_COMPLETED, "")
        if home == "guangdong"
        else (OrderState.ORDER_STATE_IN_PROGRESS, "review")
    )


@pytest.mark.parametrize("decision", [ReviewDecision.REVIEW_DECISION_APPROVE, ReviewDecision.REVIEW_DECISION_REJECT])
async def test_a_payment_beyond_a_limit_waits_for_staff_of_the_home_region_and_says_why(
    federation: Federation, guangdong: Counter, sichuan: Counter, decision: ReviewDecision.ValueType
) -> None:
    number, before = await sichuan.new_customer(balance=0), books(federation, "guangdong")
    order = await guangdong.order("PAY", number, amount="2000001")
    assert (order.state, order.awaiting.action) == (OrderState.ORDER_STATE_IN_PROGRESS, "review")
    assert order.error.message.en.endswith("The largest amount from another region without a review: 20000.00 CNY.")
    assert "异地受理免审核的单笔最高金额：20000.00 CNY" in order.error.message.zh_cn
    assert await sichuan.balance(number) == 0
    await Reviewer(federation, "sichuan").decide(order.id, decision, note="looked at")
    if decision == ReviewDecision.REVIEW_DECISION_APPROVE:
        done = await guangdong.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
        assert (done.HasField("error"), await sichuan.balance(number)) == (False, 2_000_001)
    else:
        await guangdong.reaches(order.id, OrderState.ORDER_STATE_FAILED)
        assert (changes(before, books(federation, "guangdong")), await sichuan.balance(number)) == ({}, 0)


async def test_staff_find_and_approve_by_commands_what_is_beyond_a_limit(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("PAY", await sichuan.new_customer(), amount="2000001")
    staff = as_caller(federation, "sichuan", "staff/zhao", language="zh")
    listed = await run_command("region_node.cli.main", "orders", "waiting", environment=staff)
    assert (listed.code, order.id in listed.out) == (0, True), listed
    assert "异地受理免审核的单笔最高金额" in listed.out
    approved = await run_command("region_node.cli.main", "orders", "approve", order.id, environment=staff)
    assert approved.code == 0, approved
    await guangdong.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)


async def test_a_held_payment_is_owed_to_the_payer_until_it_is_cancelled(
    federation: Federation, guangdong: Counter
) -> None:
    before = books(federation, "guangdong")
    order = await guangdong.order("PAY", federation.next_number(NOT_JOINED))
    assert changes(before, books(federation, "guangdong")) == {"cash": -5000, "payments-in-transit": 5000}
    cancelled = await guangdong.cancel(order.id)
    assert cancelled.state == OrderState.ORDER_STATE_CANCELLED
    assert changes(before, books(federation, "guangdong")) == {}


async def test_anybody_may_pay_for_anybody(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer(balance=0)
    for applicant in (Applicant.APPLICANT_AGENT, Applicant.APPLICANT_ENTERPRISE):
        request = guangdong.request("PAY", number)
        request.applicant = applicant
        assert (await guangdong.submit(request)).state == OrderState.ORDER_STATE_COMPLETED
    assert await sichuan.balance(number) == 10_000


async def test_staff_see_what_regions_owe_each_other(federation: Federation, guangdong: Counter) -> None:
    billing = BillingServiceStub(federation.dial_node("guangdong", "region/guangdong/staff/reviewer-1"))
    seen = await billing.ListSettlements(ListSettlementsRequest(), timeout=CALL_SECONDS)
    request = ListSettlementsRequest(requester=REQUESTER)
    assert seen == await guangdong.billing.ListSettlements(request, timeout=CALL_SECONDS)


async def test_every_posting_in_every_book_sums_to_zero(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    await guangdong.order("PAY", await sichuan.new_customer())
    for region in ("guangdong", "sichuan", "henan"):
        unbalanced = federation.database(region).rows(
            "SELECT posting_id FROM ledger_entries GROUP BY posting_id HAVING SUM(amount) <> 0 OR COUNT(*) <> 2"
        )
        assert unbalanced == []
