"""The one rule of each business: what is checked, shown, changed and booked."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Step
from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import from_timestamp
from region_node.business.orders.business import BusinessRule, Situation, load_rules
from region_node.business.orders.rules import require_offered
from region_node.customers.accounts.rules import Posting, require_balanced
from tests.shipped import shipped_configuration
from tests.unit.situations import FEDERATION, LINE, NOW, situation, with_status

RULES = load_rules()
SUSPENDED = ProductStatus.PRODUCT_STATUS_SUSPENDED
TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED
HOUR = timedelta(hours=1)
amounts = st.integers(1, 10**12)


def sums(postings: Iterable[Posting]) -> dict[str, int]:
    """The changes of postings, by account, without unchanged accounts."""
    found: dict[str, int] = {}
    for posting in postings:
        require_balanced(posting)
        for entry in posting.entries:
            found[entry.account] = found.get(entry.account, 0) + entry.amount
    return {account: amount for account, amount in found.items() if amount}


def check_refuses(asked: Situation, reason: Reason.ValueType) -> None:
    with pytest.raises(Refused) as raised:
        RULES[asked.business.code].check(asked)
    assert raised.value.reason == reason


def test_every_business_of_the_catalogue_that_is_an_order_has_a_rule() -> None:
    followed = {business.rule or business.code for business in FEDERATION.businesses if business.steps}
    assert RULES.keys() == followed | {"WORK_ORDER"}


@pytest.mark.parametrize("business", sorted(RULES.keys() - {"WORK_ORDER"}))
def test_a_business_with_something_to_confirm_can_show_it(business: str) -> None:
    confirms = Step.STEP_CONFIRM in FEDERATION.business(business).steps
    shows = type(RULES[business]).quote is not BusinessRule.quote
    assert shows == confirms


@pytest.mark.parametrize("business", ["SUSPEND", "RESUME", "PLAN_CHANGE", "TERMINATE"])
def test_only_a_payment_moves_money_at_the_handling_region(business: str) -> None:
    order = situation(business).order
    rule = RULES[business]
    assert [rule.taken_in(order), rule.done_elsewhere(order), rule.given_up(order)] == [(), (), ()]


# PAY


@given(amounts, st.integers(-(10**12), 10**12))
def test_a_foreign_payment_is_due_from_the_region_that_took_it(amount: int, balance: int) -> None:
    effects = RULES["PAY"].fulfil(situation("PAY", {"amount": amount}, balance=balance))
    assert sums(effects.postings) == {"account-1": amount, "receivable/guangdong": -amount}
    assert effects.results == {"balance_minor_units": str(balance + amount)}
    assert effects.line == LINE


@given(amounts)
def test_a_payment_at_home_is_cash(amount: int) -> None:
    effects = RULES["PAY"].fulfil(situation("PAY", {"amount": amount}, origin_region="sichuan"))
    assert sums(effects.postings) == {"account-1": amount, "cash": -amount}


@given(amounts)
def test_what_was_taken_is_handed_on_or_given_back_to_the_last_fen(amount: int) -> None:
    rule, order = RULES["PAY"], situation("PAY", {"amount": amount}).order
    taken = rule.taken_in(order)
    assert sums(taken) == {"cash": -amount, "payments-in-transit": amount}
    assert sums([*taken, *rule.done_elsewhere(order)]) == {"cash": -amount, "payable/sichuan": amount}
    assert sums([*taken, *rule.given_up(order)]) == {}


def test_the_postings_of_one_payment_never_share_an_id() -> None:
    rule, order = RULES["PAY"], situation("PAY", {"amount": 1}).order
    postings = [
        *rule.taken_in(order),
        *rule.done_elsewhere(order),
        *rule.given_up(order),
        *rule.fulfil(situation("PAY", {"amount": 1})).postings,
    ]
    ids = [posting.posting_id for posting in postings]
    assert len(set(ids)) == len(ids) == 4
    assert all(each.startswith("guangdong/counter/R1#") for each in ids)


# SUSPEND and RESUME


@pytest.mark.parametrize(
    ("start", "end", "possible"),
    [
        (None, None, True),
        (None, HOUR, True),
        (HOUR, None, True),
        (HOUR, 2 * HOUR, True),
        (-HOUR, HOUR, True),
        (None, timedelta(0), False),
        (None, -HOUR, False),
        (HOUR, HOUR, False),
        (2 * HOUR, HOUR, False),
    ],
)
def test_a_suspension_ends_after_its_start_and_in_the_future(
    start: timedelta | None, end: timedelta | None, possible: bool
) -> None:
    times = {name: NOW + at for name, at in (("start", start), ("end", end)) if at is not None}
    asked = situation("SUSPEND", {"reason": "abroad", **times})
    if possible:
        RULES["SUSPEND"].check(asked)
    else:
        check_refuses(asked, Reason.REASON_CHARACTERISTIC_INVALID)


def test_a_suspension_whose_whole_time_has_passed_has_expired() -> None:
    times = {"start": NOW - 2 * HOUR, "end": NOW - HOUR}
    check_refuses(situation("SUSPEND", {"reason": "abroad", **times}), Reason.REASON_ORDER_EXPIRED)


def test_a_suspended_line_keeps_the_reason_and_the_agreed_end() -> None:
    end = NOW + HOUR
    effects = RULES["SUSPEND"].fulfil(situation("SUSPEND", {"reason": "abroad", "end": end}))
    assert effects.line == LINE.suspended(SuspensionKind.SUSPENSION_KIND_REQUESTED, "abroad", end)
    assert effects.postings == ()


def test_a_resumed_line_is_as_it_was_before_the_suspension() -> None:
    suspended = RULES["SUSPEND"].fulfil(situation("SUSPEND", {"reason": "abroad", "end": NOW + HOUR})).line
    assert RULES["RESUME"].fulfil(situation("RESUME", line=suspended)).line == LINE


@pytest.mark.parametrize("business", ["SUSPEND", "RESUME"])
def test_the_agreed_start_is_what_the_order_waits_for(business: str) -> None:
    rule = RULES[business]
    assert rule.start_time(situation(business, {"start": NOW + HOUR})) == NOW + HOUR
    assert rule.start_time(situation(business)) is None


# PLAN_CHANGE


def test_a_plan_must_be_another_of_the_home_region() -> None:
    RULES["PLAN_CHANGE"].check(situation("PLAN_CHANGE", {"plan": "sichuan-99"}))
    check_refuses(situation("PLAN_CHANGE", {"plan": "sichuan-59"}), Reason.REASON_PLAN_SAME)
    check_refuses(situation("PLAN_CHANGE", {"plan": "guangdong-39"}), Reason.REASON_PLAN_UNKNOWN)
    check_refuses(situation("PLAN_CHANGE", {"plan": "sichuan-0"}), Reason.REASON_PLAN_UNKNOWN)


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        (datetime(2030, 6, 15, 4, tzinfo=UTC), datetime(2030, 6, 30, 16, tzinfo=UTC)),
        # Already July in China.
        (datetime(2030, 6, 30, 16, tzinfo=UTC), datetime(2030, 7, 31, 16, tzinfo=UTC)),
        (datetime(2030, 6, 30, 15, 59, 59, tzinfo=UTC), datetime(2030, 6, 30, 16, tzinfo=UTC)),
        (datetime(2030, 12, 31, 12, tzinfo=UTC), datetime(2030, 12, 31, 16, tzinfo=UTC)),
        (datetime(2031, 12, 31, 17, tzinfo=UTC), datetime(2032, 1, 31, 16, tzinfo=UTC)),
    ],
)
def test_the_quote_shows_name_rent_and_the_next_cycle(now: datetime, begins: datetime) -> None:
    quote = RULES["PLAN_CHANGE"].quote(situation("PLAN_CHANGE", {"plan": "sichuan-99"}, now=now))
    assert (quote.amount.minor_units, quote.amount.currency) == (9900, "CNY")
    assert from_timestamp(quote.effective_time) == begins
    for text in (quote.description.zh_cn, quote.description.en):
        assert "99.00" in text


def test_the_line_gets_the_plan_and_nothing_else_changes() -> None:
    effects = RULES["PLAN_CHANGE"].fulfil(situation("PLAN_CHANGE", {"plan": "sichuan-99"}))
    assert effects.line == replace(LINE, plan_id="sichuan-99")
    assert (effects.postings, effects.results) == ((), {"plan": "sichuan-99"})


# TERMINATE: the monthly rent of sichuan-59 is 5900 fen.


@pytest.mark.parametrize(
    ("now", "rent"),
    [
        (datetime(2030, 6, 1, 4, tzinfo=UTC), 197),  # 5900 / 30 = 196.67
        (datetime(2030, 6, 15, 4, tzinfo=UTC), 2950),
        (datetime(2030, 6, 30, 4, tzinfo=UTC), 5900),
        (datetime(2030, 6, 30, 17, tzinfo=UTC), 190),  # the first of July in China: 5900 / 31 = 190.32
        (datetime(2030, 2, 14, 4, tzinfo=UTC), 2950),
        (datetime(2032, 2, 29, 4, tzinfo=UTC), 5900),
        (datetime(2030, 12, 31, 4, tzinfo=UTC), 5900),
    ],
)
def test_the_rent_is_due_by_days_up_to_today_in_the_home_region(now: datetime, rent: int) -> None:
    rule = RULES["TERMINATE"]
    quote = rule.quote(situation("TERMINATE", now=now, balance=20_000))
    assert quote.amount.minor_units == 20_000 - rent
    rule.check(situation("TERMINATE", now=now, balance=rent))
    with pytest.raises(Refused) as raised:
        rule.check(situation("TERMINATE", now=now, balance=rent - 1))
    assert (raised.value.reason, raised.value.parameters) == (Reason.REASON_IN_ARREARS, {"amount": "0.01 CNY"})


@given(st.integers(5900, 10**12), st.datetimes(datetime(2029, 1, 1), datetime(2033, 1, 1)))  # noqa: DTZ001 - made aware
def test_a_termination_empties_the_account_and_pays_out_what_the_quote_said(balance: int, moment: datetime) -> None:
    rule, asked = RULES["TERMINATE"], situation("TERMINATE", balance=balance, now=moment.replace(tzinfo=UTC))
    quoted = rule.quote(asked).amount.minor_units
    effects = rule.fulfil(asked)
    booked = sums(effects.postings)
    assert booked.pop("account-1") == -balance
    assert booked.pop("rent") == balance - quoted > 0
    assert booked.pop("refunds-due", 0) == quoted
    assert not booked
    assert effects.results == {"refund_minor_units": str(quoted)}
    assert effects.line == with_status(TERMINATED)


def test_a_suspension_ends_with_the_line() -> None:
    line = replace(LINE, status=SUSPENDED, suspension_reason="abroad", suspension_end=NOW + HOUR)
    assert RULES["TERMINATE"].fulfil(situation("TERMINATE", line=line)).line == with_status(TERMINATED)


# MNP_IN


@pytest.mark.parametrize(
    "segment", ["170", "171", "162", "165", "167", "1349", "174", "146", "148", "149", "140", "144", "1064"]
)
@pytest.mark.clause("F7.2")
def test_fact_7_numbers_of_resale_satellite_and_things_are_never_ported(segment: str) -> None:
    number = f"+86{segment:0<11}"
    check_refuses(situation("MNP_IN", line=replace(LINE, number=number)), Reason.REASON_NUMBER_NOT_PORTABLE)


@pytest.mark.clause("F7.3")
def test_fact_7_a_number_is_ported_120_days_after_it_was_opened() -> None:
    young = replace(LINE, start_time=NOW - timedelta(days=120) + HOUR)
    check_refuses(situation("MNP_IN", line=young), Reason.REASON_PORTED_RECENTLY)
    RULES["MNP_IN"].check(situation("MNP_IN", line=replace(LINE, start_time=NOW - timedelta(days=120))))


@pytest.mark.clause("F7.4")
def test_fact_7_an_authorisation_to_port_holds_for_one_hour() -> None:
    effects = RULES["MNP_IN"].fulfil(situation("MNP_IN"))
    assert effects.results == {"authorisation_expire_time": (NOW + HOUR).isoformat()}
    assert effects.line == LINE


@pytest.mark.clause("F7.1")
def test_fact_7_porting_across_regions_is_refused_and_the_refusal_says_why_in_both_languages() -> None:
    business = FEDERATION.business("MNP_IN")
    with pytest.raises(Refused) as raised:
        require_offered(business, at_home=False)
    assert raised.value.reason == Reason.REASON_BUSINESS_NOT_OFFERED
    assert {business.reach_note.zh_cn, business.reach_note.en} <= set(raised.value.parameters.values())


def test_the_chinese_description_of_a_choice_names_it_as_staff_read_it() -> None:
    codes = [
        f"{business.code}.{each.name}: {choice}"
        for business in shipped_configuration().businesses
        for each in business.characteristics
        for choice in each.choices
        if choice in each.description.zh_cn
    ]
    assert codes == []
