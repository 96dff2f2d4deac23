"""The cost of usage and of a month, against a second computation by days, uses and fractions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Allowance, Offering, OfferingKind, Plan, Rates
from gateway.api.region.v1.billing_service_pb2 import UsageKind
from gateway.api.region.v1.customer_service_pb2 import ProductStatus, RatingType, SuspensionKind
from gateway.api.types.v1.types_pb2 import Money
from region_node.business.billing.arrears import ArrearsState, Move, late_fee, next_move
from region_node.business.billing.cycle import Item, LineMonth, charges_of, in_advance, is_abnormal, postings, total_of
from region_node.business.billing.rating import Tariff, Volume, itemise, rate, volume_of
from region_node.business.billing.rules import Month, late_compensation
from region_node.customers.accounts.rules import CHARGES, EntryKind, require_balanced
from region_node.customers.states import LineState

CHINA = ZoneInfo("Asia/Shanghai")
JUNE = Month.of("2030-06", "Asia/Shanghai")
HOUR = timedelta(hours=1)
ACTIVE = ProductStatus.PRODUCT_STATUS_ACTIVE
SUSPENDED = ProductStatus.PRODUCT_STATUS_SUSPENDED
TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED
REQUESTED = SuspensionKind.SUSPENSION_KIND_REQUESTED
NOT_SUSPENDED = SuspensionKind.SUSPENSION_KIND_UNSPECIFIED
PREPAID = RatingType.RATING_TYPE_PREPAID
POSTPAID = RatingType.RATING_TYPE_POSTPAID
KINDS = (UsageKind.USAGE_KIND_CALL, UsageKind.USAGE_KIND_MESSAGE, UsageKind.USAGE_KIND_DATA)
PLANS = {
    each: Plan(
        id=each,
        monthly_rent=Money(minor_units=rent),
        allowance=Allowance(minutes=100, messages=20, mebibytes=2),
        rates=Rates(minute=15, message=10, mebibyte=30),
    )
    for each, rent in (("small", 2901), ("large", 12899))
}


def half_up(value: Fraction) -> int:
    """Rounded, half away from zero, by no function of the project."""
    whole, rest = divmod(abs(value), 1)
    return int(whole + (rest >= Fraction(1, 2))) * (1 if value >= 0 else -1)


uses = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 20_000)), max_size=30)


def naive_usage(found: Sequence[tuple[UsageKind.ValueType, int]], free: tuple[int, int, int]) -> dict[EntryKind, int]:
    """Counts up minute by minute, message by message, each free or not."""
    minutes = sum(1 for kind, quantity in found if kind == KINDS[0] for _ in range(0, quantity, 60))
    messages = sum(1 for kind, _ in found if kind == KINDS[1])
    kibibytes = sum(quantity for kind, quantity in found if kind == KINDS[2])
    mebibytes = sum(1 for _ in range(0, kibibytes, 1024))
    costs = {EntryKind.CALLS: 0, EntryKind.MESSAGES: 0, EntryKind.DATA: 0}
    for name, count, allowed, price in zip(costs, (minutes, messages, mebibytes), free, (15, 10, 30), strict=True):
        for index in range(count):
            costs[name] += price if index >= allowed else 0
    return costs


def used(found: Sequence[tuple[UsageKind.ValueType, int]]) -> list[Volume]:
    return [volume_of(kind, 1 if kind == KINDS[1] else quantity) for kind, quantity in found]


@settings(max_examples=60)
@given(uses, st.integers(0, 2))
@pytest.mark.clause("4.1.1(3)")
def test_usage_costs_what_a_count_use_by_use_says(found: list[tuple[UsageKind.ValueType, int]], packs: int) -> None:
    tariff = Tariff.of(PLANS["small"], [Allowance(minutes=30, mebibytes=1)] * packs)
    volumes = used(found)
    charged = {each.kind: each.amount for each in rate(sum(volumes, start=Volume()), tariff)}
    expected = naive_usage(found, (100 + 30 * packs, 20, 2 + packs))
    assert {kind: charged.get(kind, 0) for kind in expected} == expected
    listed = itemise(volumes, tariff)
    assert min(listed, default=0) >= 0
    assert sum(listed) == sum(expected.values())


@pytest.mark.parametrize(("seconds", "minutes"), [(1, 1), (59, 1), (60, 1), (61, 2), (3600, 60)])
@pytest.mark.clause("4.1.1(2)")
def test_a_part_of_a_minute_counts_as_a_whole_one(seconds: int, minutes: int) -> None:
    assert volume_of(KINDS[0], seconds) == Volume(minutes=minutes)


@pytest.mark.clause("4.1.1(4)")
def test_data_is_rounded_up_once_a_cycle_and_not_use_by_use() -> None:
    tariff = Tariff(Volume(), mebibyte=30)
    assert [each.amount for each in rate(Volume(kibibytes=1024), tariff)] == [30]
    assert [each.amount for each in rate(sum([Volume(kibibytes=1)] * 1025, start=Volume()), tariff)] == [60]
    assert itemise([Volume(kibibytes=1)] * 1025, tariff)[:2] == [30, 0]


# (hours since the first of May, what the line becomes, plan)
changes = st.lists(
    st.tuples(st.integers(1, 61 * 24), st.sampled_from([ACTIVE, SUSPENDED]), st.sampled_from(["small", "large"])),
    max_size=6,
    unique_by=lambda each: each[0],
).map(sorted)
MAY = datetime(2030, 5, 1, tzinfo=CHINA).astimezone(UTC)


@settings(max_examples=80)
@given(changes, st.none() | st.integers(1, 61 * 24))
@pytest.mark.clause("4.1.1(1)")
def test_rent_is_due_for_the_days_on_which_the_line_was_in_service_at_some_hour(
    found: list[tuple[int, ProductStatus.ValueType, str]], ends: int | None
) -> None:
    states = [LineState(MAY, ACTIVE, NOT_SUSPENDED, "small")]
    states += [LineState(MAY + at * HOUR, status, REQUESTED, plan) for at, status, plan in found if at != ends]
    if ends is not None:
        states = [each for each in states if each.time < MAY + ends * HOUR]
        states.append(LineState(MAY + ends * HOUR, TERMINATED, NOT_SUSPENDED, states[-1].plan_id))
    # Hour by hour, on a calendar of its own.
    days, plan = set(), ""
    for hour in range(61 * 24):
        now = [each for each in states if each.time <= MAY + hour * HOUR][-1]
        local = datetime(2030, 5, 1) + hour * HOUR  # noqa: DTZ001 - China keeps one time all year
        if local.month == 6:
            plan = now.plan_id
            if now.status == ACTIVE:
                days.add(local.day)
    charged = charges_of(LineMonth("p", POSTPAID, states, (), Volume()), JUNE, JUNE.end, PLANS.get)
    expected = half_up(Fraction(PLANS[plan].monthly_rent.minor_units * len(days), 30))
    assert sum(each.amount for each in charged) == expected
    assert {each.kind for each in charged} <= {EntryKind.RENT}


def offering(kind: OfferingKind.ValueType, price: int, allowance: Allowance | None = None) -> Offering:
    return Offering(kind=kind, price=Money(minor_units=price), allowance=allowance)


RINGING = offering(OfferingKind.OFFERING_KIND_VALUE_ADDED, 500)
ABROAD = offering(OfferingKind.OFFERING_KIND_ROAMING, 1000)
PACK = offering(OfferingKind.OFFERING_KIND_PACK, 3000, allowance=Allowance(minutes=50))
CONTRACT = offering(OfferingKind.OFFERING_KIND_CONTRACT, 400)
IN_USE = [LineState(MAY - 400 * 24 * HOUR, ACTIVE, NOT_SUSPENDED, "small")]


@pytest.mark.parametrize(
    ("item", "charged"),
    [
        (Item(RINGING, MAY, None), {EntryKind.VALUE_ADDED: 500}),
        (Item(RINGING, JUNE.start, JUNE.start + HOUR), {EntryKind.VALUE_ADDED: 500}),
        (Item(RINGING, MAY, JUNE.start), {}),
        (Item(RINGING, JUNE.end, None), {}),
        (Item(ABROAD, JUNE.start + HOUR, None), {EntryKind.ROAMING: 1000}),
        (Item(PACK, JUNE.start + HOUR, None), {EntryKind.PACKS: 3000}),
        (Item(PACK, MAY, None), {}),
        (Item(CONTRACT, MAY, None), {EntryKind.DISCOUNT: -400}),
        (Item(CONTRACT, MAY, JUNE.start + HOUR), {}),
    ],
)
def test_an_offering_costs_what_its_kind_says(item: Item, charged: dict[EntryKind, int]) -> None:
    line = LineMonth("p", POSTPAID, IN_USE, [item], Volume())
    assert total_of(charges_of(line, JUNE, JUNE.end, PLANS.get)) == {EntryKind.RENT: 2901, **charged}


def test_a_contract_of_twelve_months_takes_its_price_off_twelve_rents() -> None:
    start = JUNE.start + 15 * 24 * HOUR
    item, taken, month = Item(CONTRACT, start, start.replace(year=2031)), 0, JUNE.before(2)
    for _ in range(20):
        line = LineMonth("p", POSTPAID, IN_USE, [item], Volume())
        taken += sum(each.kind is EntryKind.DISCOUNT for each in charges_of(line, month, month.end, PLANS.get))
        month = month.next()
    assert taken == 12


@pytest.mark.clause("4.1.2(1)")
def test_a_pack_is_used_after_the_plans_allowance_and_before_its_rates() -> None:
    line = LineMonth("p", POSTPAID, IN_USE, [Item(PACK, JUNE.start, None)], Volume(minutes=151))
    (calls,) = [each for each in charges_of(line, JUNE, JUNE.end, PLANS.get) if each.kind is EntryKind.CALLS]
    assert (calls.amount, calls.quantity, calls.allowance, calls.rate) == (15, 151, 150, 15)


def test_a_plan_that_nobody_knows_costs_nothing() -> None:
    line = LineMonth("p", POSTPAID, [replace(IN_USE[0], plan_id="gone")], (), Volume(minutes=5))
    assert sum(each.amount for each in charges_of(line, JUNE, JUNE.end, PLANS.get)) == 0


def test_only_prepaid_lines_pay_rent_in_advance() -> None:
    line = LineMonth("p", PREPAID, IN_USE, [Item(CONTRACT, MAY, None), Item(RINGING, MAY, None)], Volume(minutes=999))
    assert total_of(in_advance(line, JUNE, JUNE.start + HOUR, PLANS.get)) == {
        EntryKind.RENT: 2901,
        EntryKind.DISCOUNT: -400,
    }
    assert in_advance(replace(line, rating_type=POSTPAID), JUNE, JUNE.start + HOUR, PLANS.get) == ()


@given(*[st.dictionaries(st.sampled_from(CHARGES), st.integers(-1000, 1000))] * 2)
def test_what_is_booked_makes_up_for_what_is_missing(due: dict[EntryKind, int], charged: dict[EntryKind, int]) -> None:
    found = postings("account-1", JUNE, due, charged)
    for posting in found:
        require_balanced(posting)
    booked = {each.kind: -sum(e.amount for e in each.entries if e.account == "account-1") for each in found}
    assert {kind: charged.get(kind, 0) + booked.get(kind, 0) for kind in CHARGES} == {
        kind: due.get(kind, 0) for kind in CHARGES
    }


# Fact 4: the text leaves open whether exactly five times counts.


@pytest.mark.parametrize(
    ("total", "at_the_edge", "abnormal"),
    [(499, True, False), (500, True, True), (500, False, False), (501, False, True), (501, True, True)],
)
@pytest.mark.clause("F4.1")
def test_fact_4_a_bill_is_abnormal_by_five_times_the_mean_of_three_months_and_the_edge_is_policy(
    total: int, at_the_edge: bool, abnormal: bool
) -> None:
    assert is_abnormal(total, [50, 100, 150], 5, at_the_edge=at_the_edge) is abnormal


@given(st.integers(-100, 10**6), st.lists(st.integers(0, 10**5), max_size=3), st.booleans())
def test_a_mean_needs_three_months_and_is_not_rounded(total: int, before: list[int], edge: bool) -> None:
    found = is_abnormal(total, before, 5, at_the_edge=edge)
    if len(before) < 3 or total <= 0:
        assert not found
        return
    limit = 5 * Fraction(sum(before), 3)
    assert found == (total > limit or (edge and total == limit))


# Fact 5.


@given(st.integers(0, 10**9), st.integers(-3, 400))
@pytest.mark.clause("F5.1")
def test_fact_5_a_late_installation_costs_one_per_cent_a_day(fee: int, days: int) -> None:
    assert late_compensation(fee, days, 10) == half_up(Fraction(fee * max(days, 0), 100))


@given(st.integers(0, 10**9))
@pytest.mark.clause("F5.2")
def test_fact_5_a_late_fee_is_three_per_mille_a_day_rounded_half_up(principal: int) -> None:
    assert late_fee(principal, 3) == half_up(Fraction(3 * principal, 1000))


DAY = timedelta(days=1)


def move(state: ArrearsState, days: float) -> Move:
    return next_move(state, MAY, MAY + days * DAY, suspension_days=30, termination_days=60)


@pytest.mark.clause("F5.3")
def test_fact_5_a_line_is_suspended_only_after_30_days_and_told_24_hours_before() -> None:
    assert move(ArrearsState(), 27.9) == Move.NOTHING
    assert move(ArrearsState(), 28) == Move.WARN
    warned = ArrearsState(warned=MAY + 28 * DAY)
    assert (move(warned, 29.9), move(warned, 30)) == (Move.NOTHING, Move.SUSPEND)
    late = ArrearsState(warned=MAY + 45 * DAY)
    assert (move(late, 45.9), move(late, 46)) == (Move.NOTHING, Move.SUSPEND)


@pytest.mark.clause("F5.4")
def test_fact_5_a_line_is_terminated_only_after_60_more_days_and_told_24_hours_before() -> None:
    suspended = ArrearsState(MAY + 28 * DAY, MAY + 30 * DAY)
    assert (move(suspended, 87.9), move(suspended, 88)) == (Move.NOTHING, Move.WARN_LAST)
    told = replace(suspended, last_warned=MAY + 88 * DAY)
    assert (move(told, 89.9), move(told, 90)) == (Move.NOTHING, Move.TERMINATE)
    late = replace(suspended, last_warned=MAY + 100 * DAY)
    assert (move(late, 100.9), move(late, 101)) == (Move.NOTHING, Move.TERMINATE)
