"""BILL_CORRECTION: within five months, no more than was charged, set off or paid out; and PAY, which ends arrears."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.orders.business import Situation, load_rules
from region_node.business.orders.records import StoredRecords
from region_node.business.orders.rules import Value
from region_node.customers.accounts.rules import EntryKind, require_balanced
from region_node.customers.rows import Line
from region_node.customers.subscriptions import Subscription
from tests.unit.billing_scene import books
from tests.unit.situations import FEDERATION, LINE, NOW, Records, situation, with_status

RULES = load_rules()
RULE = RULES["BILL_CORRECTION"]
DISPUTE: Mapping[str, str | int] = {
    "month": "2030-05",
    "charge": "calls",
    "category": "wrong-charge",
    "amount": 500,
    "settlement": "offset",
}
RINGING = Subscription("s1", LINE.product_id, "sichuan-ring-tones", NOW - timedelta(days=40), None)
BARRED = LINE.suspended(SuspensionKind.SUSPENSION_KIND_ARREARS, "arrears")


def dispute(
    said: Mapping[str, str | int] | None = None,
    *,
    charged: int = 500,
    balance: int = 0,
    line: Line = LINE,
    owed: int = 0,
    now: datetime = NOW,
) -> Situation:
    """A dispute about a bill that charged so much for that."""
    told: dict[str, Value] = {**DISPUTE, **(said or {})}
    records = Records(
        charges={(str(told["month"]), EntryKind.of(str(told["charge"]))): charged}, subscribed=[RINGING], owed=owed
    )
    return situation("BILL_CORRECTION", told, line=line, balance=balance, records=records, now=now)


def reason_of(asked: Situation) -> tuple[Reason.ValueType, dict[str, str]]:
    with pytest.raises(Refused) as raised:
        RULE.check(asked)
    return raised.value.reason, dict(raised.value.parameters)


@pytest.mark.parametrize(
    ("now", "possible"),
    [
        (datetime(2030, 10, 31, 15, 59, tzinfo=UTC), True),
        (datetime(2030, 10, 31, 16, tzinfo=UTC), False),  # November in China: the sixth month after May
    ],
)
@pytest.mark.clause("F6.1")
def test_fact_6_a_fee_is_disputed_within_five_months(now: datetime, possible: bool) -> None:
    asked = dispute(now=now)
    if possible:
        RULE.check(asked)
        return
    assert reason_of(asked) == (Reason.REASON_DISPUTE_TOO_LATE, {"month": "2030-05"})


@pytest.mark.clause("4.4(1)")
def test_no_more_is_given_back_than_was_charged() -> None:
    RULE.check(dispute(charged=500))
    assert reason_of(dispute(charged=499)) == (
        Reason.REASON_DISPUTE_TOO_HIGH,
        {"amount": "4.99 CNY", "month": "2030-05"},
    )


def test_a_month_that_is_yet_to_come_charged_nothing() -> None:
    assert reason_of(dispute({"month": "2031-01"}, charged=0))[0] == Reason.REASON_DISPUTE_TOO_HIGH


def test_money_is_paid_out_only_where_nothing_is_owed() -> None:
    RULE.check(dispute({"settlement": "refund"}, balance=0))
    assert reason_of(dispute({"settlement": "refund"}, balance=-1))[0] == Reason.REASON_IN_ARREARS
    RULE.check(dispute({"settlement": "offset"}, balance=-1))


def test_a_closed_line_has_no_next_bill() -> None:
    closed = with_status(ProductStatus.PRODUCT_STATUS_TERMINATED)
    assert reason_of(dispute(line=closed))[0] == Reason.REASON_LINE_CLOSED
    RULE.check(dispute({"settlement": "refund"}, line=closed))


def test_what_was_not_ordered_is_named_and_was_there() -> None:
    said = {"category": "not-ordered", "charge": "value-added"}
    assert reason_of(dispute(said))[0] == Reason.REASON_CHARACTERISTIC_MISSING
    assert reason_of(dispute({**said, "offering": "sichuan-roaming"}))[0] == Reason.REASON_NOT_SUBSCRIBED
    RULE.check(dispute({**said, "offering": RINGING.offering_id}))


@given(st.integers(1, 10**9), st.sampled_from(["offset", "refund"]), st.sampled_from(["calls", "rent", "late-fee"]))
@pytest.mark.clause("4.4 end")
def test_the_account_has_more_after_an_offset_and_the_same_after_a_refund(
    amount: int, settlement: str, charge: str
) -> None:
    asked = dispute({"amount": amount, "settlement": settlement, "charge": charge}, charged=amount)
    assert RULE.quote(asked).amount.minor_units == amount
    sums: dict[str, int] = {}
    for posting in RULE.fulfil(asked).postings:
        require_balanced(posting)
        for entry in posting.entries:
            sums[entry.account] = sums.get(entry.account, 0) + entry.amount
    gained = (
        {"account-1": amount, "refunds-due": 0} if settlement == "offset" else {"account-1": 0, "refunds-due": amount}
    )
    assert {name: sums.get(name, 0) for name in (*gained, charge)} == {**gained, charge: -amount}


@pytest.mark.clause("4.4(2)")
def test_a_service_that_was_not_ordered_ends_where_it_runs() -> None:
    asked = dispute({"category": "not-ordered", "charge": "value-added", "offering": RINGING.offering_id})
    assert RULE.fulfil(asked).subscriptions == (replace(RINGING, end_time=NOW),)
    ended = replace(RINGING, end_time=NOW - timedelta(days=1))
    records = Records(charges={("2030-05", EntryKind.VALUE_ADDED): 500}, subscribed=[ended])
    assert RULE.fulfil(replace(asked, records=records)).subscriptions == ()
    assert RULE.fulfil(dispute()).subscriptions == ()


@pytest.mark.clause("4.4(3)")
def test_what_was_given_back_is_not_given_back_again() -> None:
    with books(NOW - timedelta(days=20)) as found:
        found.open(LINE)
        found.run(datetime(2030, 6, 30, 18, tzinfo=UTC))
        tx = found.tx
        records = StoredRecords(tx, FEDERATION, "Asia/Shanghai")
        charged = records.charged("account-1", "2030-05", EntryKind.RENT)
        assert charged > 0
        asked = replace(dispute({"charge": "rent", "amount": 1000}), records=records)
        found.orders.fulfilment.carry_out(tx, asked, RULE.fulfil(asked))
        assert records.charged("account-1", "2030-05", EntryKind.RENT) == charged - 1000
        assert records.charged("account-1", "2030-05", EntryKind.CALLS) == 0


# A credit that ends arrears, by payment or by correction.


@pytest.mark.parametrize(("owed", "resumes"), [(500, True), (501, False)])
def test_a_line_is_in_service_again_once_nothing_is_overdue(owed: int, resumes: bool) -> None:
    corrected = RULE.fulfil(dispute(line=BARRED, owed=owed))
    paid = RULES["PAY"].fulfil(situation("PAY", {"amount": 500}, line=BARRED, records=Records(owed=owed)))
    for effects in (corrected, paid):
        assert effects.line == (LINE if resumes else BARRED)
        assert [notice.kind for notice in effects.notices] == (["resumed"] if resumes else [])


@pytest.mark.parametrize("kind", [SuspensionKind.SUSPENSION_KIND_LOST, SuspensionKind.SUSPENSION_KIND_REQUESTED])
def test_a_payment_ends_no_suspension_that_has_another_reason(kind: SuspensionKind.ValueType) -> None:
    line = LINE.suspended(kind, "stolen")
    assert RULES["PAY"].fulfil(situation("PAY", {"amount": 500}, line=line)).line == line


def test_a_refund_is_no_credit_that_resumes() -> None:
    assert RULE.fulfil(dispute({"settlement": "refund"}, line=BARRED)).line == BARRED
