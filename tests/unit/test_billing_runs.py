"""Months and days are billed once, wherever a run was stopped, late as in time; against a second reckoning."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.region.v1.customer_service_pb2 import ProductStatus, RatingType, SuspensionKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.billing.charging import final_charges
from region_node.business.billing.debts import overdue
from region_node.business.billing.usage import NewUsage, UsageRow, record_usage
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import balance_of
from region_node.customers.notices.rows import notices_after
from region_node.customers.rows import Line
from region_node.requests.auditing import AuditedCall
from tests.unit.billing_scene import CALL, DATA, MESSAGE, Books, books
from tests.unit.situations import LINE

CHINA = ZoneInfo("Asia/Shanghai")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BEGAN = datetime(2030, 6, 1, 2, tzinfo=CHINA).astimezone(UTC)
PREPAID = RatingType.RATING_TYPE_PREPAID
POSTPAID = RatingType.RATING_TYPE_POSTPAID
ACTIVE = ProductStatus.PRODUCT_STATUS_ACTIVE
SUSPENDED = ProductStatus.PRODUCT_STATUS_SUSPENDED
TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED
ARREARS = SuspensionKind.SUSPENSION_KIND_ARREARS
# As in the shipped plan sichuan-59, written down again: rent, free minutes, messages and MiB, and the rates of each.
RENT, FREE, RATES = 5900, (200, 50, 15360), (15, 10, 3)


def line_of(index: int, rating_type: RatingType.ValueType = POSTPAID) -> Line:
    return replace(
        LINE,
        product_id=f"p{index}",
        customer_id=f"c{index}",
        account_id=f"a{index}",
        number=f"+8619851{index:06}",
        rating_type=rating_type,
        start_time=BEGAN - 400 * DAY,
    )


def at(month: int, day: int, hour: int = 12) -> datetime:
    """A time of 2030 in China."""
    return datetime(2030, month, day, hour, tzinfo=CHINA).astimezone(UTC)


# What happens to an account: hours since the beginning, what, and how much of it.
Event = tuple[int, str, int]
events = st.lists(
    st.tuples(
        st.integers(0, 80 * 24),
        st.sampled_from(["call", "message", "data", "suspend", "resume"]),
        st.integers(1, 40_000),
    ),
    max_size=12,
    unique_by=lambda each: each[0],
).map(sorted)
accounts = st.lists(st.tuples(st.sampled_from([PREPAID, POSTPAID]), events), min_size=1, max_size=4)


def happen(found: Books, index: int, event: Event) -> None:
    """Applies one event."""
    hours, what, much = event
    now, line = BEGAN + hours * HOUR, found.line(f"p{index}")
    match what:
        case "suspend":
            found.change(line.suspended(SuspensionKind.SUSPENSION_KIND_REQUESTED, "abroad"), now)
        case "resume":
            found.change(line.resumed(), now)
        case "call":
            found.use(line.number, CALL, much, now)
        case "message":
            found.use(line.number, MESSAGE, 1, now)
        case "data":
            found.use(line.number, DATA, much * 500, now)


def naive_months(history: list[Event]) -> Counter[int]:
    """The cost of June, July and August, computed hour by hour and use by use."""
    in_service, days, uses = (
        True,
        {6: set[int](), 7: set[int](), 8: set[int]()},
        {6: [0, 0, 0], 7: [0, 0, 0], 8: [0, 0, 0]},
    )
    by_hour = {hours: (what, much) for hours, what, much in history}
    for hour in range(-26, 92 * 24):
        local = (BEGAN + hour * HOUR).astimezone(CHINA)
        what, much = by_hour.get(hour, ("", 0))
        if what in ("suspend", "resume"):
            in_service = what == "resume"
        if local.month in days and in_service:
            days[local.month].add(local.day)
        if what in ("call", "message", "data"):
            # It began a second before it was recorded.
            began = (BEGAN + hour * HOUR - timedelta(seconds=1)).astimezone(CHINA).month
            kind = ("call", "message", "data").index(what)
            uses[began][kind] += (-(-much // 60), 1, much * 500)[kind]
    costs: Counter[int] = Counter()
    for month, length in ((6, 30), (7, 31), (8, 31)):
        costs[month] = int(Fraction(RENT * len(days[month]), length) + Fraction(1, 2))
        used = (*uses[month][:2], -(-uses[month][2] // 1024))
        costs[month] += sum(max(0, each - free) * rate for each, free, rate in zip(used, FREE, RATES, strict=True))
    return costs


def live(
    found: Books, lived: list[tuple[RatingType.ValueType, list[Event]]], *, stops: list[int], every: timedelta
) -> None:
    """Lets everything happen, and the runs look in between; the pages that `stops` names fail at their commit."""
    for index, (rating_type, _) in enumerate(lived):
        found.open(line_of(index, rating_type))
        found.pay(f"a{index}", 10**9, BEGAN)  # nobody gets into arrears
    happenings = sorted((event, index) for index, (_, history) in enumerate(lived) for event in history)
    now, end = BEGAN, at(9, 1, 3)
    while now < end:
        now = min(now + every, end)
        while happenings and BEGAN + happenings[0][0][0] * HOUR <= now:
            event, index = happenings.pop(0)
            # In time, a month that has ended is billed before anything happens later.
            if every <= DAY:
                found.run(BEGAN + event[0] * HOUR, broken_before=stops)
            happen(found, index, event)
        found.run(now, broken_before=stops)


def ledger_of(found: Books) -> list[tuple[object, ...]]:
    return found.rows(
        "SELECT account, posting_id, kind, amount, time FROM ledger_entries"
        " WHERE account LIKE 'a%' AND kind <> 'payment' ORDER BY 1, 2"
    )


def bills_of(found: Books) -> list[tuple[object, ...]]:
    return found.rows("SELECT account_id, month, total, abnormal FROM bills ORDER BY 1, 2")


@settings(max_examples=12)
@given(accounts)
@pytest.mark.clause("4.2.1")
def test_months_cost_what_a_second_reckoning_says(lived: list[tuple[RatingType.ValueType, list[Event]]]) -> None:
    with books(BEGAN) as found:
        live(found, lived, stops=[], every=DAY)
        totals = {(account, month): total for account, month, total, _ in bills_of(found)}
        for index, (rating_type, history) in enumerate(lived):
            expected = naive_months(history)
            for month in (6, 7, 8):
                assert totals.get((f"a{index}", f"2030-0{month}"), 0) == expected[month]
            charged = -sum(int(str(each[3])) for each in ledger_of(found) if each[0] == f"a{index}")
            in_advance = RENT if rating_type == PREPAID and found.line(f"p{index}").status == ACTIVE else 0
            assert charged == sum(expected.values()) + in_advance
        assert found.rows("SELECT posting_id FROM ledger_entries GROUP BY posting_id HAVING SUM(amount) <> 0") == []
        balances = {
            str(a): int(str(b)) for a, b in found.rows("SELECT account, SUM(amount) FROM ledger_entries GROUP BY 1")
        }
        assert all(found.balance(account) == amount for account, amount in balances.items())
        assert sum(balances.values()) == 0


@settings(max_examples=10)
@given(accounts, st.lists(st.integers(1, 4), max_size=3, unique=True))
def test_a_run_that_is_stopped_anywhere_bills_nothing_twice(
    lived: list[tuple[RatingType.ValueType, list[Event]]], stops: list[int]
) -> None:
    with books(BEGAN) as smooth, books(BEGAN) as stopped:
        live(smooth, lived, stops=[], every=DAY)
        live(stopped, lived, stops=stops, every=DAY)
        assert ledger_of(stopped) == ledger_of(smooth)
        assert bills_of(stopped) == bills_of(smooth)


@settings(max_examples=10)
@given(accounts)
def test_a_node_that_was_off_for_months_catches_up_to_the_same_books(
    lived: list[tuple[RatingType.ValueType, list[Event]]],
) -> None:
    known = [(rating_type, [each for each in history if each[0] < 24 * 29]) for rating_type, history in lived]
    with books(BEGAN) as in_time, books(BEGAN) as late:
        live(in_time, known, stops=[], every=DAY)
        live(late, known, stops=[], every=92 * DAY)
        assert ledger_of(late) == ledger_of(in_time)
        assert bills_of(late) == bills_of(in_time)


def test_a_bill_that_was_written_late_is_due_later() -> None:
    with books(BEGAN) as found:
        found.open(line_of(1))
        found.run(at(8, 20))
        due = found.rows("SELECT month, payment_due FROM bills ORDER BY month")
        end = int((datetime(2030, 9, 10, tzinfo=CHINA)).timestamp() * 10**6)
        assert due == [("2030-06", end), ("2030-07", end)]


def test_pages_are_small_and_each_account_is_on_one() -> None:
    with books(BEGAN) as found:
        for index in range(230):
            found.open(line_of(index))
        assert found.run(at(7, 1, 2)) >= 4  # three pages of accounts, and one that ends the month
        assert found.rows("SELECT COUNT(*) FROM bills") == [(230,)]


def test_nothing_is_billed_within_the_first_hour_of_a_month() -> None:
    with books(BEGAN) as found:
        found.open(line_of(1))
        found.run(at(7, 1, 0))
        assert bills_of(found) == []
        found.run(at(7, 1, 1))
        assert bills_of(found) == [("a1", "2030-06", RENT, 0)]


def test_a_plan_that_begins_with_the_cycle_is_charged_from_then_on() -> None:
    with books(BEGAN) as found:
        for index, rating_type in ((1, POSTPAID), (2, PREPAID)):
            found.open(line_of(index, rating_type))
            found.change(replace(found.line(f"p{index}"), plan_id="sichuan-99"), at(7, 1, 0) + timedelta(seconds=1))
        found.run(at(8, 1, 2))
        assert [total for _, _, total, _ in bills_of(found)] == [5900, 9900, 5900, 9900]
        assert found.rows("SELECT amount FROM ledger_entries WHERE posting_id = 'a2/2030-07#rent/advance'")[0] != ()


def test_fact_4_an_abnormal_bill_is_told_and_marked() -> None:
    with books(BEGAN) as found:
        line = line_of(1)
        found.open(line)
        found.run(at(9, 2))
        found.use(line.number, CALL, 60 * (200 + 4 * RENT // 15 + 1), at(9, 3))
        found.run(at(10, 1, 2))
        assert [abnormal for *_, abnormal in bills_of(found)] == [0, 0, 0, 1]
        assert found.rows("SELECT notice_id FROM notices WHERE kind = 'abnormal-bill'") == [
            ("abnormal-bill/a1/2030-09",)
        ]


# Usage.


@pytest.mark.clause("4.2.2(1)")
def test_a_use_is_recorded_once_and_a_prepaid_line_pays_at_once() -> None:
    with books(BEGAN) as found:
        line = line_of(1, PREPAID)
        found.open(line)
        assert found.use(line.number, CALL, 60 * 201, at(6, 5), "U1") == 1
        assert found.use(line.number, CALL, 60 * 201, at(6, 5), "U1") == 0
        with pytest.raises(Refused) as other:
            found.use(line.number, CALL, 60 * 999, at(6, 5), "U1")
        assert other.value.reason == Reason.REASON_USAGE_RECORDED_OTHERWISE
        assert found.balance("a1") == -15
        assert found.use(line.number, CALL, 1, at(6, 6), "U2") == 1
        assert found.balance("a1") == -30


def test_uses_of_prepaid_lines_cost_in_one_batch_what_they_cost_one_by_one() -> None:
    lines = [line_of(1, PREPAID), line_of(2, PREPAID), line_of(3)]
    kinds = [(CALL, 60 * 90), (DATA, 10**7), (MESSAGE, 1), (CALL, 61)]
    batch = [
        NewUsage(line.number, UsageRow(f"{line.number}/{kind}/{again}/{quantity}", kind, at(6, 5), quantity, ""))
        for again in range(3)
        for kind, quantity in kinds
        for line in lines
    ]
    charged = []
    for size in (1, len(batch)):
        with books(BEGAN) as found:
            for line in lines:
                found.open(line)
            for start in range(0, len(batch), size):
                asked = AuditedCall("test", "clerk", at(6, 5, 13))
                record_usage(found.tx, found.context, batch[start : start + size], asked)
            charged.append(found.rows("SELECT posting_id, account, amount, time FROM ledger_entries ORDER BY 1, 2"))
    assert charged[0] == charged[1]
    assert {str(account) for _, account, _, _ in charged[0]} >= {"a1", "a2"}


def test_usage_that_comes_after_the_bill_is_charged_in_the_next_month() -> None:
    with books(BEGAN) as found:
        line = line_of(1)
        found.open(line)
        found.run(at(7, 1, 2))
        found.use(line.number, CALL, 60 * 201, at(6, 30))
        found.run(at(8, 1, 2))
        assert [total for _, _, total, _ in bills_of(found)] == [RENT, RENT + 15]


@pytest.mark.parametrize(
    ("status", "when", "reason"),
    [
        (TERMINATED, at(6, 5), Reason.REASON_LINE_CLOSED),
        (ACTIVE, at(6, 5) - 200 * DAY, Reason.REASON_REQUEST_INVALID),
    ],
)
def test_usage_of_a_closed_line_or_of_long_ago_is_refused(
    status: ProductStatus.ValueType, when: datetime, reason: Reason.ValueType
) -> None:
    with books(BEGAN) as found:
        line = replace(line_of(1), status=status)
        found.open(line)
        with pytest.raises(Refused) as raised:
            found.use(line.number, CALL, 60, at(6, 5)) if status == TERMINATED else _old_use(found, line, when)
        assert raised.value.reason == reason


def _old_use(found: Books, line: Line, when: datetime) -> None:
    row = UsageRow("U1", CALL, when, 60, "")
    record_usage(found.tx, found.context, [NewUsage(line.number, row)], AuditedCall("test", "clerk", at(6, 5)))


def test_usage_and_paid_bills_are_kept_for_five_months_and_the_ledger_for_ever() -> None:
    with books(BEGAN) as found:
        line = line_of(1)
        found.open(line)
        found.pay("a1", 10**6, at(6, 2))
        found.use(line.number, CALL, 60, at(6, 5))
        for month in range(7, 12):
            found.run(at(month, 28))
        entries = found.rows("SELECT COUNT(*) FROM ledger_entries WHERE account = 'a1'")
        assert found.rows("SELECT COUNT(*) FROM usage_records") == [(1,)]
        assert bills_of(found)[0][1] == "2030-06"
        found.run(at(12, 1))
        assert found.rows("SELECT COUNT(*) FROM usage_records") == [(0,)]
        assert bills_of(found)[0][1] == "2030-07"
        assert found.rows("SELECT COUNT(*) FROM ledger_entries WHERE account = 'a1'") > entries


# Termination agrees with the cycle.


@settings(max_examples=25)
@given(st.sampled_from([PREPAID, POSTPAID]), st.integers(0, 89 * 24), st.booleans())
def test_a_termination_charges_what_the_cycle_then_leaves_as_it_is(
    rating_type: RatingType.ValueType, hours: int, billed: bool
) -> None:
    with books(BEGAN) as found:
        line, now = line_of(1, rating_type), BEGAN + hours * HOUR
        found.open(line)
        if billed:
            found.run(now)
        federation = found.context.federation
        postings = final_charges(found.tx, federation, "Asia/Shanghai", found.line("p1"), now)
        for posting in postings:
            ledger.post(found.tx, posting, "CNY", now)
        found.change(line.terminated(), now)
        left = found.balance("a1")
        found.run(at(10, 1, 2))
        assert found.balance("a1") == left - _late_fees(found)
        local, cost = now.astimezone(CHINA), 0
        for month, length in ((6, 30), (7, 31), (8, 31)):
            days = length if local.month > month else local.day if local.month == month else 0
            cost += int(Fraction(RENT * days, length) + Fraction(1, 2))
        assert -left == cost
        assert final_charges(found.tx, federation, "Asia/Shanghai", found.line("p1"), now) == ()
        assert balance_of("a1", postings) <= RENT * 3


@pytest.mark.clause("4.3(1)")
def test_every_bill_is_told_and_nobody_is_asked_to_pay_one_that_was_paid_before_it_was_written() -> None:
    with books(BEGAN) as found:
        for index in (1, 2, 3):
            found.open(line_of(index))
        now = at(6, 20)
        charges = final_charges(found.tx, found.context.federation, "Asia/Shanghai", found.line("p1"), now)
        for posting in charges:
            ledger.post(found.tx, posting, "CNY", now)
        found.pay("a1", -balance_of("a1", charges), now)
        found.change(found.line("p1").terminated(), now)
        found.pay("a2", RENT, now)
        found.run(at(7, 1, 2))
        bills = [each for each in notices_after(found.tx, "", (0, ""), 100) if each.kind == "bill"]
        assert [each.number for each in bills if "please pay" in each.text.en] == ["+8619851000003"]
        assert found.rows("SELECT COUNT(*) FROM notices WHERE kind = 'bill'") == [(3,)]
        assert found.rows("SELECT account_id FROM bills WHERE payment_due IS NOT NULL") == [("a3",)]
        assert found.rows("SELECT COUNT(*) FROM bills") == [(3,)]


def _late_fees(found: Books) -> int:
    ((amount,),) = found.rows(
        "SELECT -COALESCE(SUM(amount), 0) FROM ledger_entries WHERE account='a1' AND kind='late-fee'"
    )
    return int(str(amount))


# Arrears.


@settings(max_examples=12)
@given(st.lists(st.tuples(st.integers(0, 85), st.integers(1, 6000)), max_size=5).map(sorted), st.integers(1, 9))
def test_late_fees_are_what_a_count_day_by_day_says_in_time_and_late(
    payments: list[tuple[int, int]], every: int
) -> None:
    with books(BEGAN) as found:
        found.open(line_of(1))
        now, end, left = BEGAN, at(8, 29), list(payments)
        while now < end:
            now += every * DAY
            while left and BEGAN + left[0][0] * DAY <= now:
                found.pay("a1", left[0][1], BEGAN + left[0][0] * DAY)
                left.pop(0)
            # Only what is done to lines depends on when the run comes; months have to be billed in time here.
            for month in (7, 8):
                if now >= at(month, 1, 2):
                    found.run(at(month, 1, 2))
            found.run(now)
        fees, day = 0, date(2030, 7, 22)  # the first after the 21st, 20 days after the bill of the first
        while datetime.combine(day + DAY, datetime.min.time(), CHINA) <= now:
            due = RENT if day <= date(2030, 8, 21) else 2 * RENT
            paid = sum(much for days, much in payments if (BEGAN + days * DAY).astimezone(CHINA).date() <= day)
            fees += int(Fraction(3 * max(0, due - paid), 1000) + Fraction(1, 2))
            day += DAY
        assert _late_fees(found) == fees


@pytest.mark.clause("4.2.2(2)", "F5.5")
def test_arrears_suspend_after_30_days_and_terminate_after_60_more_with_emergency_calls_all_the_time() -> None:
    with books(BEGAN) as found:
        found.open(line_of(1))
        now, seen = BEGAN, dict[ProductStatus.ValueType, date]()
        while now < at(12, 20):
            now += DAY
            found.run(now)
            seen.setdefault(found.line("p1").status, now.astimezone(CHINA).date())
        due = date(2030, 7, 21)
        assert seen[SUSPENDED] == due + 31 * DAY
        assert seen[TERMINATED] == due + 91 * DAY
        kinds = [
            str(kind) for (kind,) in found.rows("SELECT kind FROM notices WHERE kind <> 'bill' ORDER BY create_time")
        ]
        assert kinds == ["suspension-ahead", "suspended", "termination-ahead", "terminated"]
        left = found.balance("a1")
        found.run(at(12, 31))
        assert found.balance("a1") == left


def test_paid_in_time_nothing_happens_and_the_bill_is_settled() -> None:
    with books(BEGAN) as found:
        found.open(line_of(1))
        found.run(at(7, 1, 2))
        found.pay("a1", RENT, at(7, 21, 23))
        found.run(at(7, 25))
        assert (_late_fees(found), found.rows("SELECT settled FROM bills")) == (0, [(1,)])


def test_a_line_that_is_suspended_at_wish_stays_so_and_is_not_resumed_by_a_payment() -> None:
    with books(BEGAN) as found:
        found.open(line_of(1))
        found.run(at(7, 2))
        lost = found.line("p1").suspended(SuspensionKind.SUSPENSION_KIND_LOST, "stolen")
        found.change(lost, at(7, 3))
        for day in range(1, 30):
            found.run(at(8, day))
        assert found.line("p1").suspension_kind == SuspensionKind.SUSPENSION_KIND_LOST
        found.pay("a1", 10**6, at(8, 30))
        found.run(at(8, 31))
        assert found.line("p1").suspension_kind == SuspensionKind.SUSPENSION_KIND_LOST


def test_a_line_in_arrears_that_was_paid_otherwise_is_resumed_by_the_next_run() -> None:
    with books(BEGAN) as found:
        found.open(line_of(1))
        for days in range(95):
            found.run(BEGAN + days * DAY)
        assert found.line("p1").suspension_kind == ARREARS
        found.pay("a1", 10**6, BEGAN + 95 * DAY)
        found.run(BEGAN + 96 * DAY)
        assert found.line("p1").status == ACTIVE
        assert found.rows("SELECT COUNT(*) FROM arrears") == [(0,)]


def test_whoever_pays_what_is_overdue_has_thirty_days_for_the_next_bill_also_when_it_falls_due_that_day() -> None:
    with books(BEGAN) as found:
        found.open(line_of(1))
        days = 0
        while found.line("p1").status == ACTIVE:
            found.run(BEGAN + days * DAY)
            days += 1
        # July's bill falls due at the end of the day on which June's has suspended the line.
        paid = BEGAN + (days - 1) * DAY + HOUR
        found.pay("a1", overdue(found.tx, "Asia/Shanghai", "a1", paid), paid)
        found.change(found.line("p1").resumed(), paid)
        for more in range(29):
            found.run(BEGAN + (days + more) * DAY)
            assert found.line("p1").status == ACTIVE
        for more in range(29, 32):
            found.run(BEGAN + (days + more) * DAY)
        assert found.line("p1").suspension_kind == ARREARS
        told = [
            str(kind) for (kind,) in found.rows("SELECT kind FROM notices WHERE kind <> 'bill' ORDER BY create_time")
        ]
        assert told == ["suspension-ahead", "suspended"] * 2
