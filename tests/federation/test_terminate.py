"""TERMINATE in proxy mode: reviewed at home, returned and supplemented, settled, confirmed, irreversible."""

from zoneinfo import ZoneInfo

import pytest

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.reason_pb2 import Reason
from region_node.requests.checks import REQUEST_LIMIT
from tests.federation.counter import Counter, Reviewer
from tests.federation.refusals import refusal
from tests.federation.running import Federation

RETURN = ReviewDecision.REVIEW_DECISION_RETURN
REJECT = ReviewDecision.REVIEW_DECISION_REJECT
APPROVE = ReviewDecision.REVIEW_DECISION_APPROVE
IN_PROGRESS = OrderState.ORDER_STATE_IN_PROGRESS
PENDING = OrderState.ORDER_STATE_PENDING
COMPLETED = OrderState.ORDER_STATE_COMPLETED
TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED


def rent_due(federation: Federation, monthly: int) -> int:
    """The rent of the running month up to today in fen: its share by days, half a fen up."""
    today = federation.clock.now().astimezone(ZoneInfo("Asia/Shanghai")).date()
    days = {2: 29 if today.year % 4 == 0 else 28, 4: 30, 6: 30, 9: 30, 11: 30}.get(today.month, 31)
    return int(monthly * today.day / days + 0.5)


async def approved(guangdong: Counter, reviewer: Reviewer, number: str) -> Order:
    """A termination that waits for the customer's confirmation."""
    order = await guangdong.order("TERMINATE", number)
    assert (order.state, order.awaiting.party, order.awaiting.action) == (
        IN_PROGRESS,
        Party.PARTY_HOME_STAFF,
        "review",
    )
    await reviewer.approve(order.id)
    return await guangdong.awaits(order.id, "confirm")


async def test_from_review_over_return_and_supplement_to_the_refund(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    number = await sichuan.new_customer(balance=20_000)
    order = await guangdong.order("TERMINATE", number)
    returned = await reviewer.decide(order.id, RETURN, documents=["SIM"], note="the SIM card is not the line's")
    assert returned.state == PENDING
    seen = await guangdong.reaches(order.id, PENDING)
    assert (seen.awaiting.party, seen.awaiting.action) == (Party.PARTY_ORIGIN_REGION, "supplement")
    assert list(seen.documents_requested) == ["SIM"]
    assert seen.notes[0].author == "sichuan/reviewer-1"

    told = await refusal(guangdong.supplement(order.id, "FACE"))
    assert (told.reason, told.parameters["documents"]) == ("DOCUMENT_MISSING", "SIM")
    supplemented = await guangdong.supplement(order.id, "SIM", note="here it is")
    assert (supplemented.id, supplemented.state, supplemented.awaiting.action) == (order.id, IN_PROGRESS, "review")
    assert [note.author for note in supplemented.notes] == ["sichuan/reviewer-1", "guangdong/clerk-7"]
    assert len(supplemented.request.documents) == 5

    await reviewer.approve(order.id)
    quoted = await guangdong.awaits(order.id, "confirm")
    rent = rent_due(federation, 2900)
    assert (quoted.awaiting.action, quoted.quote.amount.minor_units) == ("confirm", 20_000 - rent)
    assert (await sichuan.read(number)).product.status == ProductStatus.PRODUCT_STATUS_ACTIVE

    done = await guangdong.confirm(order.id)
    assert (done.state, dict(done.results)) == (COMPLETED, {"refund_minor_units": str(20_000 - rent)})
    customer = await sichuan.read(number)
    assert (customer.product.status, customer.billing_account.balance.minor_units) == (TERMINATED, 0)
    booked = federation.database("sichuan").rows(
        "SELECT posting_id, account, amount FROM ledger_entries"
        " WHERE (posting_id LIKE ? OR posting_id LIKE ?) AND amount > 0",
        f"{order.id}#%",
        f"account-{number.removeprefix('+')}/%",
    )
    month = f"{federation.clock.now().astimezone(ZoneInfo('Asia/Shanghai')):%Y-%m}"
    account = customer.billing_account.id
    assert sorted(booked) == [
        (f"{account}/{month}#rent/final/{customer.product.id}", "rent", rent),
        (f"{order.id}#refund", "refunds-due", 20_000 - rent),
    ]


async def test_nothing_is_done_on_a_terminated_line_again(
    guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    number = await sichuan.new_customer()
    order = await approved(guangdong, reviewer, number)
    assert (await guangdong.confirm(order.id)).state == COMPLETED
    for business in ("SUSPEND", "RESUME", "PAY", "PLAN_CHANGE", "TERMINATE"):
        refused = await guangdong.order(business, number)
        assert (refused.state, refused.error.reason) == (
            OrderState.ORDER_STATE_REJECTED,
            Reason.REASON_LINE_CLOSED,
        )


async def test_a_balance_that_changed_after_the_quote_is_quoted_anew(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    number = await sichuan.new_customer(balance=20_000)
    order = await approved(guangdong, reviewer, number)
    assert (await sichuan.order("PAY", number)).state == COMPLETED
    again = await guangdong.confirm(order.id)
    assert (again.state, again.awaiting.action) == (PENDING, "confirm")
    assert again.quote.amount.minor_units == order.quote.amount.minor_units + 5000
    done = await guangdong.confirm(order.id)
    assert done.results["refund_minor_units"] == str(25_000 - rent_due(federation, 2900))
    assert await sichuan.balance(number) == 0


async def test_a_rejected_review_fails_the_order_and_says_why(
    guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    number = await sichuan.new_customer()
    order = await guangdong.order("TERMINATE", number)
    await reviewer.decide(order.id, REJECT, note="the face does not match")
    failed = await guangdong.reaches(order.id, OrderState.ORDER_STATE_FAILED)
    assert failed.error.reason == Reason.REASON_REVIEW_REJECTED
    assert "the face does not match" in failed.error.message.en
    assert (await sichuan.read(number)).product.status == ProductStatus.PRODUCT_STATUS_ACTIVE


async def test_the_submitter_does_not_review(federation: Federation, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    order = await sichuan.submit(sichuan.request("TERMINATE", number, staff_id="chen"))
    told = await refusal(Reviewer(federation, "sichuan", "chen").approve(order.id))
    assert told.reason == "REVIEWER_IS_SUBMITTER"
    assert await sichuan.get(order.id) == order
    denied = federation.database("sichuan").rows(
        "SELECT detail FROM audit WHERE actor = 'region/sichuan/staff/chen' AND action = 'DENIED'"
    )
    assert denied == [("REVIEWER_IS_SUBMITTER",)]
    assert (await Reviewer(federation, "sichuan", "wang").approve(order.id)).state == PENDING


async def test_a_namesake_of_the_submitter_in_the_home_region_may_review(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    namesake = Reviewer(federation, "sichuan", order.request.requester.staff_id)
    assert (await namesake.approve(order.id)).state == PENDING


async def test_staff_of_the_origin_region_do_not_review(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    assert (await refusal(Reviewer(federation, "guangdong").approve(order.id))).reason == "NOT_HOME"
    assert (await refusal(Reviewer(federation, "henan").approve(order.id))).reason == "ORDER_NOT_FOUND"
    assert await sichuan.get(order.id) == order


async def test_the_same_review_twice_is_one_review(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    order, request_id = await guangdong.order("TERMINATE", await sichuan.new_customer()), federation.next_id()
    first = await reviewer.decide(order.id, APPROVE, request_id=request_id)
    assert await reviewer.decide(order.id, APPROVE, request_id=request_id) == first
    told = await refusal(reviewer.decide(order.id, REJECT, note="no", request_id=request_id))
    assert told.reason == "REQUEST_ID_REUSED"
    again = reviewer.decide(order.id, RETURN, documents=["SIM"], note="after all")
    assert (await refusal(again)).reason == "ORDER_STATE_FORBIDS"


async def test_an_order_that_is_no_longer_possible_is_not_approved(
    guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    number = await sichuan.new_customer()
    first, second = [await guangdong.order("TERMINATE", number) for _ in range(2)]
    await reviewer.approve(first.id)
    await guangdong.awaits(first.id, "confirm")
    assert (await guangdong.confirm(first.id)).state == COMPLETED
    assert (await refusal(reviewer.approve(second.id))).reason == "LINE_CLOSED"
    assert (await sichuan.get(second.id)).state == IN_PROGRESS


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_an_order_does_not_grow_beyond_what_travels_between_regions(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    order = await guangdong.order("TERMINATE", await Counter(federation, home).new_customer())
    await Reviewer(federation, home).decide(order.id, RETURN, documents=["SIM"], note="which SIM?")
    pending = await guangdong.reaches(order.id, PENDING)
    # The first is small enough by itself, and too much for what the order holds already.
    fitting = (REQUEST_LIMIT - 300) // (guangdong.document("SIM").ByteSize() + 2)
    for copies in (fitting, 2 * fitting):
        told = await refusal(guangdong.supplement(order.id, *["SIM"] * copies))
        assert told.reason == "MESSAGE_TOO_LARGE"
    assert await guangdong.get(order.id) == pending
    assert (await guangdong.supplement(order.id, "SIM")).state == IN_PROGRESS


@pytest.mark.parametrize("missing", ["ID_ORIG", "FACE", "SIM", "REFUND_ACC"])
async def test_every_paper_is_needed(guangdong: Counter, sichuan: Counter, missing: str) -> None:
    papers = [code for code in ("ID_ORIG", "FACE", "SIM", "REFUND_ACC") if code != missing]
    request = guangdong.request("TERMINATE", await sichuan.new_customer(), papers=papers)
    told = await refusal(guangdong.submit(request))
    assert (told.reason, told.parameters["documents"]) == ("DOCUMENT_MISSING", missing)
