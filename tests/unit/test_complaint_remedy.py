"""The money of a complaint follows its order, one attempt after the other; and what is booked for it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintRequest, Remedy, Resolution
from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.api.region.v1.order_pb2 import Awaiting, Order, OrderError, OrderState, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.time.clock import to_timestamp
from region_node.business.orders.business import Situation, load_rules
from region_node.care.complaints import remedy, rules
from region_node.care.complaints.deadlines import Limit, due_of, find, starting
from region_node.care.complaints.ledger import remedy_lateness
from region_node.customers.accounts.remedies import ticket_id_of, tickets_of
from region_node.customers.accounts.rules import EntryKind, require_balanced
from region_node.requests.checks import TEXT_LIMIT
from tests.unit.complaint_scene import DAY, HOUR, at, complaint, duration, hours
from tests.unit.situations import LINE, Records, situation, with_status

RULE = load_rules()["COMPLAINT_REMEDY"]
ACCEPTED = at("2026-03-02 10:00")


def agreed(kind: Remedy.ValueType = Remedy.REMEDY_CREDIT, *, limit: float = 48) -> Complaint:
    """A complaint whose customer has accepted money, to be given within so many hours."""
    found = complaint(ACCEPTED - DAY)
    found.ticket_id = "guangdong/20260301-7"
    found.request.CopyFrom(ComplaintRequest(number="+8619851000001", category="BILL_WRONG"))
    found.resolution.CopyFrom(
        Resolution(
            text="退" * 1000,
            cause_code="billing-error",
            remedy=kind,
            amount=Money(minor_units=1200, currency="CNY"),
            author="sichuan/wang",
        )
    )
    remedy.agree(found, ACCEPTED)
    found.deadlines.append(starting(rules.REFUND, [Limit("sichuan", duration(limit))], ACCEPTED, hours))
    return found


def order(found: Complaint, state: OrderState.ValueType, **told: object) -> Order:
    """The order of a complaint's money."""
    each = Order(id=f"sichuan/node/complaints/{remedy.request_id(found)}", state=state, home_region="henan")
    if state == OrderState.ORDER_STATE_COMPLETED:
        each.completion_time.CopyFrom(to_timestamp(ACCEPTED + HOUR))
    for field, value in told.items():
        getattr(each, field).CopyFrom(value)
    return each


@pytest.mark.parametrize("ticket_id", ["guangdong/20260301-7", "guangdong/20260301-7/2", "inner-mongolia/20260301-12"])
def test_an_order_names_ticket_id_and_attempt_and_the_ticket_id_is_found_by_it(ticket_id: str) -> None:
    found = agreed()
    found.ticket_id = ticket_id
    ids = []
    for attempt in (1, 2):
        found.remedy.attempt = attempt
        ids.append(order(found, OrderState.ORDER_STATE_ACKNOWLEDGED).id)
        assert ticket_id_of(ids[-1]) == ticket_id
    assert ids[0] != ids[1]


def test_a_bill_names_the_complaint_of_money_and_of_its_payout_and_of_no_other_payout() -> None:
    given, other = "sichuan/node/guangdong.20260301-7.2", "guangdong/counter/leaving"
    entries = [
        (f"{given}#remedy", EntryKind.REMEDY),
        (f"{given}#refund", EntryKind.REFUND),
        (f"{other}#refund", EntryKind.REFUND),
    ]
    assert tickets_of(entries) == {name: "guangdong/20260301-7" for name, _ in entries[:2]}


def test_what_is_ordered_is_what_was_accepted_by_who_proposed_it() -> None:
    ordered = remedy.order_for(agreed(Remedy.REMEDY_REFUND))
    assert (ordered.number, ordered.requester.staff_id) == ("+8619851000001", "wang")
    told = ordered.characteristics
    assert (told["amount"], told["settlement"], told["ticket_id"]) == ("1200", "refund", "guangdong/20260301-7")
    assert len(told["reason"]) == TEXT_LIMIT
    assert remedy.order_for(agreed()).characteristics["settlement"] == "offset"


@pytest.mark.parametrize(
    ("party", "region"),
    [
        (Party.PARTY_HOME_STAFF, "henan"),
        (Party.PARTY_HOME_REGION, "henan"),
        (Party.PARTY_FEDERATION, ""),
        (Party.PARTY_ORIGIN_REGION, "sichuan"),
    ],
)
def test_who_has_to_act_is_told_by_its_region(party: Party.ValueType, region: str) -> None:
    found = agreed()
    waits = order(found, OrderState.ORDER_STATE_IN_PROGRESS, awaiting=Awaiting(party=party, action="x"))
    assert remedy.follow(found, waits, ACCEPTED)
    assert (found.remedy.awaiting_region, found.remedy.awaiting_action) == (region, "x")
    assert not remedy.follow(found, waits, ACCEPTED + HOUR)  # nothing is new


def test_money_that_was_booked_is_met_at_that_time_and_stays_so() -> None:
    found = agreed()
    done = order(found, OrderState.ORDER_STATE_COMPLETED)
    assert remedy.due(found) == ACCEPTED + 2 * DAY
    assert remedy.follow(found, done, ACCEPTED + 3 * HOUR)
    assert found.remedy.state == remedy.BOOKED
    assert remedy.due(found) is None
    assert remedy_lateness(found, ACCEPTED + 9 * DAY) is None
    assert not remedy.follow(found, order(found, OrderState.ORDER_STATE_FAILED), ACCEPTED + DAY)


@pytest.mark.parametrize(
    "state",
    [OrderState.ORDER_STATE_REJECTED, OrderState.ORDER_STATE_FAILED, OrderState.ORDER_STATE_CANCELLED],
)
def test_refused_money_is_due_since_then_and_only_then_ordered_again_as_another_order(
    state: OrderState.ValueType,
) -> None:
    found = agreed()
    for settle in (remedy.order_again, lambda each, now: remedy.settle_otherwise(each, "sichuan/li", "cash", now)):
        with pytest.raises(Refused) as raised:
            settle(found, ACCEPTED)
        assert raised.value.reason == Reason.REASON_REMEDY_STATE_FORBIDS
    error = OrderError(reason=Reason.REASON_SUBSCRIPTION_NOT_FOUND)
    first = order(found, state, error=error)
    assert remedy.follow(found, first, ACCEPTED + HOUR)
    assert (found.remedy.state, found.remedy.error) == (remedy.REFUSED, error)
    assert (found.remedy.awaiting_region, found.remedy.awaiting_action) == ("sichuan", "settle")
    assert remedy.due(found) == ACCEPTED + HOUR
    remedy.order_again(found, ACCEPTED + DAY)
    assert not found.remedy.HasField("error")
    assert not remedy.follow(found, first, ACCEPTED + DAY)  # the word on the order before comes late
    assert remedy.follow(found, order(found, OrderState.ORDER_STATE_COMPLETED), ACCEPTED + DAY)
    assert found.remedy.attempt == 2


def test_money_settled_otherwise_is_no_longer_due_and_how_late_it_was_stays() -> None:
    found = agreed(limit=1)
    remedy.refuse(found, OrderError(reason=Reason.REASON_LINE_CLOSED), ACCEPTED)
    assert remedy_lateness(found, ACCEPTED + 3 * HOUR) == timedelta(hours=2)
    remedy.settle_otherwise(found, "sichuan/li", "cash", ACCEPTED + 4 * HOUR)
    assert remedy.due(found) is None
    assert remedy_lateness(found, ACCEPTED + 9 * HOUR) == timedelta(hours=3)
    limit = find(found, rules.REFUND)
    assert limit is not None
    assert due_of(limit) == ACCEPTED + HOUR


# What the home region books.


def given_to(
    settlement: str, amount: int = 500, *, handling: str = "henan", balance: int = 0, status: int | None = None
) -> Situation:
    told: dict[str, str | int] = {"ticket_id": "guangdong/1", "cause": "x", "amount": amount, "settlement": settlement}
    line = LINE if status is None else with_status(ProductStatus.ValueType(status))
    asked = situation("COMPLAINT_REMEDY", {**told, "reason": "x"}, line=line, balance=balance, records=Records())
    asked.order.origin_region = handling
    asked.order.home_region = asked.region
    asked.order.request.characteristics["amount"] = str(amount)
    return asked


@given(st.integers(1, 10**9), st.sampled_from(["offset", "refund"]))
def test_the_region_that_settled_a_complaint_owes_its_home_region_what_the_customer_was_given(
    amount: int, settlement: str
) -> None:
    asked = given_to(settlement, amount)
    sums: dict[str, int] = {}
    for posting in RULE.fulfil(asked).postings:
        require_balanced(posting)
        for entry in posting.entries:
            sums[entry.account] = sums.get(entry.account, 0) + entry.amount
    gained = {"account-1": amount} if settlement == "offset" else {"account-1": 0, "refunds-due": amount}
    assert sums == {**gained, "receivable/henan": -amount}
    (owed,) = RULE.done_elsewhere(asked.order)
    require_balanced(owed)
    assert {entry.account: entry.amount for entry in owed.entries} == {
        "compensation": -amount,
        f"payable/{asked.region}": amount,
    }


def test_a_home_region_that_settled_the_complaint_itself_pays_for_it() -> None:
    asked = given_to("offset", handling=given_to("offset").region)
    (posting,) = RULE.fulfil(asked).postings
    assert {entry.account for entry in posting.entries} == {"compensation", "account-1"}


def test_nothing_is_paid_out_to_who_owes_and_nothing_set_off_on_a_closed_line() -> None:
    terminated = ProductStatus.PRODUCT_STATUS_TERMINATED
    for asked, reason in (
        (given_to("refund", balance=-1), Reason.REASON_IN_ARREARS),
        (given_to("offset", status=terminated), Reason.REASON_LINE_CLOSED),
    ):
        with pytest.raises(Refused) as raised:
            RULE.check(asked)
        assert raised.value.reason == reason
    RULE.check(given_to("offset", balance=-1))
    RULE.check(given_to("refund", status=terminated))


def test_a_credit_ends_arrears() -> None:
    barred = LINE.suspended(SuspensionKind.SUSPENSION_KIND_ARREARS, "arrears")
    asked = situation(
        "COMPLAINT_REMEDY", {"amount": 500, "settlement": "offset"}, line=barred, records=Records(owed=500)
    )
    assert RULE.fulfil(asked).line == LINE
