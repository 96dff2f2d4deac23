"""Businesses that are added by data alone, without a file of Python; and by their help, how a customer accepts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import Business, Precondition, Step
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, LocalizedText, Money
from gateway.time.clock import from_timestamp
from region_node.business.orders.business import load_rules
from tests.federation.counter import Counter, Reviewer
from tests.federation.refusals import refusal
from tests.federation.running import Federation
from tests.federation.test_documents import apply_everywhere

COMPLETED = OrderState.ORDER_STATE_COMPLETED
IN_PROGRESS = OrderState.ORDER_STATE_IN_PROGRESS
PENDING = OrderState.ORDER_STATE_PENDING
REJECTED = OrderState.ORDER_STATE_REJECTED
FEE = 3000
SETTLES = timedelta(hours=72)
HOMES = pytest.mark.parametrize("home", ["guangdong", "sichuan"])


@asynccontextmanager
async def offered(federation: Federation, code: str, rule: str, *steps: Step.ValueType) -> AsyncIterator[Business]:
    """A running federation has one more business: SUSPEND's data with a rule and steps of its own, and a fee."""
    assert code not in load_rules()
    before, after = await federation.configuration(), await federation.configuration()
    added = after.businesses.add()
    added.CopyFrom(next(each for each in after.businesses if each.code == "SUSPEND"))
    added.code, added.rule = code, rule
    added.name.CopyFrom(LocalizedText(zh_cn="家庭网络上门调试", en="Home network visit"))
    added.steps[:] = steps
    added.fee.CopyFrom(Money(minor_units=FEE, currency="CNY"))
    added.preconditions.append(Precondition.PRECONDITION_SIM_SETTLED)
    del added.documents[:]
    added.documents.add(applicant=Applicant.APPLICANT_HOLDER, all_of=["ID_ORIG"])
    await apply_everywhere(federation, after)
    try:
        yield added
    finally:
        await apply_everywhere(federation, before)


async def hand_in(counter: Counter, code: str, number: str) -> Order:
    """A good request for a business that was added."""
    return await counter.submit(counter.request(code, number, papers=("ID_ORIG",), reason="a new flat"))


async def test_a_work_order_goes_through_all_its_steps_and_changes_nothing_but_the_account(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    steps = (Step.STEP_REVIEW, Step.STEP_CONFIRM, Step.STEP_FULFIL, Step.STEP_ACCEPT)
    async with offered(federation, "HOME_VISIT", "WORK_ORDER", *steps) as added:
        number = await sichuan.new_customer(balance=FEE)
        before = await sichuan.read(number)
        order = await hand_in(guangdong, "HOME_VISIT", number)
        assert order.awaiting.action == "review"
        await reviewer.approve(order.id)
        shown = await guangdong.reaches(order.id, PENDING)
        assert (shown.quote.amount.minor_units, shown.quote.description) == (FEE, added.tariff)
        fulfilled = await guangdong.confirm(order.id)
        assert (fulfilled.state, fulfilled.awaiting.action) == (PENDING, "accept")
        assert await sichuan.balance(number) == 0
        done = await guangdong.confirm(order.id)
        assert (done.state, list(done.steps)) == (COMPLETED, list(steps))
        after = await sichuan.read(number)
        assert after.product == before.product
        assert await sichuan.balance(number) == 0


async def test_another_business_s_rule_gives_its_effect(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    async with offered(federation, "HOLIDAY_SUSPENSION", "SUSPEND", Step.STEP_FULFIL):
        number = await sichuan.new_customer()
        assert (await hand_in(guangdong, "HOLIDAY_SUSPENSION", number)).state == COMPLETED
        product = (await sichuan.read(number)).product
        assert (product.status, product.suspension_reason) == (
            ProductStatus.PRODUCT_STATUS_SUSPENDED,
            "a new flat",
        )
        # Its preconditions are those of its own data, and hold as for any other.
        again = await hand_in(guangdong, "HOLIDAY_SUSPENSION", number)
        assert (again.state, again.error.reason) == (REJECTED, Reason.REASON_LINE_NOT_ACTIVE)


async def test_a_balance_below_the_fee_is_refused_at_first_and_at_the_fulfilment(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    async with offered(federation, "HOME_VISIT", "WORK_ORDER", Step.STEP_REVIEW, Step.STEP_FULFIL):
        poor = await hand_in(guangdong, "HOME_VISIT", await sichuan.new_customer(balance=FEE - 1))
        assert (poor.state, poor.error.reason) == (REJECTED, Reason.REASON_CREDIT_TOO_LOW)
        number = await sichuan.new_customer(balance=FEE)
        first, second = [await hand_in(guangdong, "HOME_VISIT", number) for _ in range(2)]
        await reviewer.approve(first.id)
        told = await refusal(reviewer.approve(second.id))
        assert (told.reason, told.parameters) == ("CREDIT_TOO_LOW", {"amount": "30.00 CNY"})
        assert await sichuan.balance(number) == 0


@pytest.mark.clause("F8.2")
async def test_a_card_that_was_just_replaced_keeps_a_line_from_being_transferred(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    async with offered(federation, "LOCAL_TRANSFER", "WORK_ORDER", Step.STEP_FULFIL):
        card = {"id_kind": "resident-id-card", "iccid": "8986012345678901234"}
        number = await sichuan.new_customer()
        papers = ("ID_ORIG", "FACE", "CALLREC3")
        replaced = await sichuan.submit(sichuan.request("SIM_REPLACE", number, papers=papers, **card))
        assert replaced.state == COMPLETED
        refused = await hand_in(guangdong, "LOCAL_TRANSFER", number)
        assert (refused.state, refused.error.reason) == (REJECTED, Reason.REASON_SIM_TOO_NEW)
        settles = from_timestamp((await sichuan.read(number)).product.sim_replace_time) + SETTLES
        await federation.advance(settles - federation.clock.now())
        assert (await hand_in(guangdong, "LOCAL_TRANSFER", number)).state == COMPLETED


@HOMES
async def test_what_is_not_accepted_is_adjusted_by_the_home_region_s_staff_and_shown_again(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    async with offered(federation, "HOME_VISIT", "WORK_ORDER", Step.STEP_FULFIL, Step.STEP_ACCEPT):
        number = await Counter(federation, home).new_customer()
        order = await hand_in(guangdong, "HOME_VISIT", number)
        assert (order.state, order.awaiting.party, order.awaiting.action) == (PENDING, Party.PARTY_CUSTOMER, "accept")
        back = await guangdong.confirm(order.id, agreed=False, note="no signal in the kitchen")
        assert (back.state, back.awaiting.party, back.awaiting.action) == (
            IN_PROGRESS,
            Party.PARTY_HOME_STAFF,
            "adjust",
        )
        staff = Reviewer(federation, home)
        for decision, documents in (
            (ReviewDecision.REVIEW_DECISION_REJECT, ()),
            (ReviewDecision.REVIEW_DECISION_RETURN, ("ADDR",)),
        ):
            told = await refusal(staff.decide(order.id, decision, documents=documents, note="no"))
            assert told.reason == "ORDER_STATE_FORBIDS"
        adjusted = await staff.decide(order.id, ReviewDecision.REVIEW_DECISION_APPROVE, note="a second router")
        assert (adjusted.state, adjusted.awaiting.action) == (PENDING, "accept")
        await guangdong.reaches(order.id, PENDING)
        done = await guangdong.confirm(order.id, agreed=True, note="it works")
        assert done.state == COMPLETED
        assert [(note.author, note.text) for note in done.notes] == [
            ("guangdong/clerk-7", "no signal in the kitchen"),
            (f"{home}/reviewer-1", "a second router"),
            ("guangdong/clerk-7", "it works"),
        ]


@HOMES
async def test_silence_accepts(federation: Federation, guangdong: Counter, home: str) -> None:
    async with offered(federation, "HOME_VISIT", "WORK_ORDER", Step.STEP_FULFIL, Step.STEP_ACCEPT):
        order = await hand_in(guangdong, "HOME_VISIT", await Counter(federation, home).new_customer())
        await federation.advance(from_timestamp(order.awaiting.due_time) - federation.clock.now())
        done = await guangdong.reaches(order.id, COMPLETED)
        assert not done.HasField("error")
        assert (await refusal(guangdong.confirm(order.id))).reason == "ORDER_STATE_FORBIDS"


@HOMES
async def test_what_is_fulfilled_cannot_be_cancelled_while_it_waits_to_be_accepted(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    async with offered(federation, "HOME_VISIT", "WORK_ORDER", Step.STEP_FULFIL, Step.STEP_ACCEPT):
        order = await hand_in(guangdong, "HOME_VISIT", await Counter(federation, home).new_customer())
        assert (await refusal(guangdong.cancel(order.id))).reason == "ORDER_TOO_LATE_TO_CANCEL"
        assert (await guangdong.confirm(order.id, agreed=False, note="not as agreed")).awaiting.action == "adjust"
        assert (await refusal(guangdong.cancel(order.id))).reason == "ORDER_TOO_LATE_TO_CANCEL"


async def test_a_note_that_is_too_long_is_refused_and_the_order_waits_on(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    async with offered(federation, "HOME_VISIT", "WORK_ORDER", Step.STEP_FULFIL, Step.STEP_ACCEPT):
        order = await hand_in(guangdong, "HOME_VISIT", await sichuan.new_customer())
        told = await refusal(guangdong.confirm(order.id, agreed=True, note="x" * 1001))
        assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "note")
        assert told.parameters["problem"].startswith("longer than 1000 characters")
        longest = await guangdong.confirm(order.id, agreed=True, note="x" * 1000)
        assert (longest.state, len(longest.notes[0].text)) == (COMPLETED, 1000)
