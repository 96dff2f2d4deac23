"""The money of a complaint: booked once by the customer's home region, at the cost of the region that settled it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, DeadlineKind, Remedy, RemedyState
from gateway.api.region.v1.complaint_service_pb2 import SettleRemedyRequest
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.time.clock import from_timestamp
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter, Reviewer
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.test_complaints import IN_PROGRESS, RESOLVED, staff, texts

CLOSED = ComplaintState.COMPLAINT_STATE_CLOSED
REFUND, CREDIT = Remedy.REMEDY_REFUND, Remedy.REMEDY_CREDIT
ORDERED, BOOKED = RemedyState.REMEDY_STATE_ORDERED, RemedyState.REMEDY_STATE_BOOKED
REFUSED, SETTLED = RemedyState.REMEDY_STATE_REFUSED, RemedyState.REMEDY_STATE_SETTLED


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


async def accepted(
    desk: Complainant, number: str, remedy: Remedy.ValueType, *, owner: str = "sichuan", amount: int = 1200
) -> str:
    """The ticket id of a complaint in which the customer has accepted money."""
    category, place = ("BILL_WRONG", "") if owner == "sichuan" else ("NET_COVERAGE", owner)
    filed = await desk.file(category, number, location_region=place)
    quality = staff(desk.federation, owner)
    assert filed.owner_region == owner
    await quality.reaches(filed.ticket_id, IN_PROGRESS)
    await quality.propose(filed.ticket_id, amount=amount, remedy=remedy)
    await desk.reaches(filed.ticket_id, RESOLVED)
    assert (await desk.accept(filed.ticket_id)).state == CLOSED
    return filed.ticket_id


async def remedied(who: Complainant, ticket_id: str, holds: Callable[[Complaint], bool], what: str) -> Complaint:
    """The complaint once its money stands so at a region."""
    found = Complaint()

    async def is_so() -> bool:
        found.CopyFrom(await who.get(ticket_id))
        return holds(found)

    await until(is_so, f"the money of {ticket_id} is {what} in {who.region}")
    return found


async def stands(who: Complainant, ticket_id: str, state: RemedyState.ValueType) -> Complaint:
    return await remedied(who, ticket_id, lambda each: each.remedy.state == state, RemedyState.Name(state))


async def in_review(who: Complainant, ticket_id: str) -> Complaint:
    return await remedied(who, ticket_id, lambda each: each.remedy.awaiting_action == "review", "in review")


def entries(federation: Federation, region: str, order_id: str) -> list[tuple[object, ...]]:
    sql = "SELECT posting_id, account, amount FROM ledger_entries WHERE posting_id LIKE ? ORDER BY posting_id, amount"
    return [
        (str(posting).removeprefix(order_id), account, amount)
        for posting, account, amount in federation.database(region).rows(sql, f"{order_id}%")
    ]


async def until_told(federation: Federation, number: str, words: str) -> None:
    async def is_told() -> bool:
        return sum(words in text for text in texts(federation, number)) == 1

    await until(is_told, f"the customer was told once: {words}")


@pytest.mark.parametrize(("remedy", "gained"), [(CREDIT, 1200), (REFUND, 0)])
async def test_money_for_a_complaint_of_three_regions_is_booked_once_at_home_and_owed_by_who_settled_it(
    federation: Federation, desk: Complainant, sichuan: Counter, remedy: Remedy.ValueType, gained: int
) -> None:
    number, henan = await sichuan.new_customer(balance=5000), staff(federation, "henan")
    ticket_id = await accepted(desk, number, remedy, owner="henan")
    waiting = await in_review(desk, ticket_id)
    order_id = waiting.remedy.order_id
    assert (waiting.remedy.state, waiting.remedy.awaiting_region) == (ORDERED, "sichuan")
    assert order_id == f"henan/node/complaints/{ticket_id.replace('/', '.')}.1"
    assert await sichuan.balance(number) == 5000
    await Reviewer(federation, "sichuan").approve(order_id)
    given = await stands(desk, ticket_id, BOOKED)
    assert (given.state, given.remedy.awaiting_action) == (CLOSED, "")
    assert await stands(henan, ticket_id, BOOKED) == given
    assert await sichuan.balance(number) == 5000 + gained
    account = f"account-{number.removeprefix('+')}"
    booked = [("#remedy", "receivable/henan", -1200), ("#remedy", account, 1200)]
    if remedy == REFUND:
        booked = [("#refund", account, -1200), ("#refund", "refunds-due", 1200), *booked]
    assert entries(federation, "sichuan", order_id) == booked
    owed = [("#owed", "compensation", -1200), ("#owed", "payable/sichuan", 1200)]
    assert entries(federation, "henan", order_id) == owed
    assert entries(federation, "guangdong", order_id) == []
    for reader in (sichuan, Counter(federation, "guangdong")):
        lines = (await reader.bill(number)).lines
        told = [(each.description.zh_cn, each.description.en, each.amount.minor_units) for each in lines]
        paid_out = [("余额退还", "Balance paid out", -1200)] if remedy == REFUND else []
        expected = [("期初余额", "Balance taken over", 5000), ("投诉退费", "Money for a complaint", 1200), *paid_out]
        assert sorted(told) == sorted(expected)
    await until_told(federation, number, "退款已入账" if remedy == REFUND else "已记入您的账户")
    actions = "SELECT action, detail FROM audit WHERE subject = ? AND action = 'FollowRemedy'"
    assert federation.database("henan").rows(actions, ticket_id) == [("FollowRemedy", f"booked, {order_id}")]


async def test_money_of_the_responsible_home_region_is_reviewed_by_somebody_else_and_due_in_time(
    federation: Federation, desk: Complainant, sichuan: Counter
) -> None:
    number, quality = await sichuan.new_customer(balance=0), staff(federation, "sichuan")
    ticket_id = await accepted(desk, number, CREDIT)
    order_id = (await in_review(quality, ticket_id)).remedy.order_id
    assert (await refusal(Reviewer(federation, "sichuan", "wang").approve(order_id))).reason == "REVIEWER_IS_SUBMITTER"
    assert ticket_id not in await quality.list(due_within=timedelta(0), number=number)
    await federation.advance(timedelta(days=8))
    assert await quality.list(due_within=timedelta(0), number=number) == [ticket_id]
    late = (await desk.told(ticket_id)).remedy_lateness.ToTimedelta()
    assert timedelta() < late <= timedelta(days=1)  # the seventh day after today is over
    await Reviewer(federation, "sichuan").approve(order_id)
    given = await stands(desk, ticket_id, BOOKED)
    (limit,) = [each for each in given.deadlines if each.kind == DeadlineKind.DEADLINE_KIND_REFUND]
    assert from_timestamp(limit.met_time) == from_timestamp(given.remedy.state_time)
    assert await quality.list(due_within=timedelta(0), number=number) == []
    assert entries(federation, "sichuan", order_id)[0] == ("#remedy", "compensation", -1200)


async def test_money_that_the_home_region_refuses_is_due_with_the_reason_and_can_be_ordered_again(
    federation: Federation, desk: Complainant, sichuan: Counter
) -> None:
    number = federation.next_number("sichuan")  # of nobody yet
    henan = staff(federation, "henan")
    ticket_id = await accepted(desk, number, CREDIT, owner="henan")
    refused = await stands(desk, ticket_id, REFUSED)
    assert refused.remedy.error.reason == Reason.REASON_SUBSCRIPTION_NOT_FOUND
    assert (refused.remedy.awaiting_region, refused.remedy.awaiting_action) == ("henan", "settle")
    assert await henan.list(due_within=timedelta(0), number=number) == [ticket_id]
    await until_told(federation, number, "暂未能入账")
    await sichuan.create(sichuan.customer(number, balance=0))
    request = SettleRemedyRequest(request_id=federation.next_id(), ticket_id=ticket_id)
    request.again.SetInParent()
    for _ in range(2):  # the same request again does nothing more
        await henan.service.SettleRemedy(request, timeout=CALL_SECONDS)
    order_id = (await in_review(henan, ticket_id)).remedy.order_id
    assert order_id.endswith(".2")
    await Reviewer(federation, "sichuan").approve(order_id)
    await stands(desk, ticket_id, BOOKED)
    assert await sichuan.balance(number) == 1200
    again = SettleRemedyRequest(request_id=federation.next_id(), ticket_id=ticket_id, otherwise="cash")
    told = await refusal(henan.service.SettleRemedy(again, timeout=CALL_SECONDS))
    assert (told.reason, told.parameters) == ("REMEDY_STATE_FORBIDS", {"state": "booked"})


@pytest.mark.parametrize("remedy", [REFUND, CREDIT])
async def test_the_bill_names_the_complaint_of_its_money_and_of_its_payout_at_home_and_in_another_region(
    federation: Federation, desk: Complainant, guangdong: Counter, sichuan: Counter, remedy: Remedy.ValueType
) -> None:
    number, quality = await sichuan.new_customer(balance=0), staff(federation, "sichuan")
    ticket_id = await accepted(desk, number, remedy)
    order_id = (await in_review(quality, ticket_id)).remedy.order_id
    await Reviewer(federation, "sichuan").decide(order_id, ReviewDecision.REVIEW_DECISION_APPROVE)
    await stands(desk, ticket_id, BOOKED)
    named = [("Money for a complaint", ticket_id), *([("Balance paid out", ticket_id)] if remedy == REFUND else [])]
    for counter in (sichuan, guangdong):
        assert [(each.description.en, each.ticket_id) for each in (await counter.bill(number)).lines] == named


async def test_money_that_a_review_rejects_is_settled_in_another_way(
    federation: Federation, desk: Complainant, sichuan: Counter
) -> None:
    number, quality = await sichuan.new_customer(balance=0), staff(federation, "sichuan")
    ticket_id = await accepted(desk, number, REFUND)
    order_id = (await in_review(quality, ticket_id)).remedy.order_id
    rejected = ReviewDecision.REVIEW_DECISION_REJECT
    await Reviewer(federation, "sichuan").decide(order_id, rejected, note="twice what was charged")
    refused = await stands(quality, ticket_id, REFUSED)
    assert refused.remedy.error.reason == Reason.REASON_REVIEW_REJECTED
    settle = SettleRemedyRequest(request_id=federation.next_id(), ticket_id=ticket_id, otherwise="half of it in cash")
    assert (await refusal(desk.service.SettleRemedy(settle, timeout=CALL_SECONDS))).reason == "PERMISSION_DENIED"
    settled = (await quality.service.SettleRemedy(settle, timeout=CALL_SECONDS)).complaint
    assert (settled.remedy.state, settled.remedy.author) == (SETTLED, "sichuan/wang")
    assert await stands(desk, ticket_id, SETTLED) == settled
    assert await quality.list(due_within=timedelta(0), number=number) == []
    assert await sichuan.balance(number) == 0
    assert entries(federation, "sichuan", order_id) == []


async def test_a_customer_is_not_erased_while_money_is_due_that_the_home_region_has_refused(
    federation: Federation, desk: Complainant, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(balance=0, status=ProductStatus.PRODUCT_STATUS_TERMINATED)
    quality = staff(federation, "sichuan")
    ticket_id = await accepted(desk, number, CREDIT)
    refused = await stands(quality, ticket_id, REFUSED)
    assert refused.remedy.error.reason == Reason.REASON_LINE_CLOSED
    assert (await refusal(sichuan.erase(number))).parameters["complaint"] == ticket_id
    settle = SettleRemedyRequest(request_id=federation.next_id(), ticket_id=ticket_id, otherwise="cash")
    await quality.service.SettleRemedy(settle, timeout=CALL_SECONDS)
    await stands(desk, ticket_id, SETTLED)
    await sichuan.erase(number)
    assert (await refusal(quality.get(ticket_id))).reason == "COMPLAINT_NOT_FOUND"


async def test_no_more_is_offered_for_a_complaint_than_the_policy_of_the_federation_allows(
    federation: Federation, desk: Complainant, sichuan: Counter
) -> None:
    quality = staff(federation, "sichuan")
    filed = await desk.file("BILL_WRONG", await sichuan.new_customer())
    await quality.reaches(filed.ticket_id, IN_PROGRESS)
    told = await refusal(quality.propose(filed.ticket_id, amount=5_000_001, remedy=CREDIT))
    assert (told.reason, told.parameters) == ("AMOUNT_TOO_HIGH", {"amount": "50000.00 CNY"})
    await quality.propose(filed.ticket_id, amount=5_000_000, remedy=CREDIT)


async def test_money_for_a_region_that_has_not_joined_waits_for_the_federation(
    federation: Federation, desk: Complainant
) -> None:
    number = federation.next_number("hunan")
    ticket_id = await accepted(desk, number, CREDIT, owner="henan")
    held = await remedied(desk, ticket_id, lambda each: each.remedy.awaiting_action == "join", "held")
    assert (held.remedy.state, held.remedy.awaiting_region) == (ORDERED, "")
    assert held.remedy.error.reason == Reason.REASON_REGION_NOT_JOINED


async def test_a_resolution_without_money_orders_none_and_no_operator_orders_any(
    federation: Federation, desk: Complainant, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(balance=0)
    ticket_id = await accepted(desk, number, Remedy.REMEDY_APOLOGY)
    assert not (await desk.get(ticket_id)).HasField("remedy")
    request = guangdong.request(
        "COMPLAINT_REMEDY", number, ticket_id=ticket_id, cause="x", amount="100000", settlement="refund", reason="x"
    )
    for applicant in (Applicant.APPLICANT_HOLDER, Applicant.APPLICANT_REGION):
        request.applicant = applicant
        assert (await refusal(guangdong.submit(request))).reason == "APPLICANT_NOT_ALLOWED"
