"""Statements and credits of a node's agreements: once for each month, whatever comes late, wherever a run is broken."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.region.v1.agreement_pb2 import (
    Agreement,
    AgreementStatement,
    OutageCause,
    ServiceConformance,
    ServiceOutage,
)
from gateway.api.region.v1.agreement_pb2 import StatementLineKind as Kind
from gateway.api.region.v1.agreement_service_pb2 import CreateAgreementRequest, EndAgreementRequest
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.types_pb2 import Money
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.sqlite import SqliteTransaction
from gateway.store.timers import Timer, TimerHandler, due_timers, fire
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import COMPENSATION, REFUNDS_DUE
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow, give_up_number
from region_node.customers.status import MOVED, keep_status
from region_node.network.agreements import operations
from region_node.network.agreements.announced import PLANNED_TIMER, planned_is_told
from region_node.network.agreements.conformance import note_conformance
from region_node.network.agreements.moved import give_up
from region_node.network.agreements.of_measurements import (
    CONFORMANCE_TIMER,
    conformance_is_due,
    ensure_conformance,
    keeps,
)
from region_node.network.agreements.outages import CORRECTION_TIMER, keep_outage, note_outage, note_waiver
from region_node.network.agreements.purging import Agreements
from region_node.network.agreements.rows import find_agreement, find_statement
from region_node.network.agreements.spans import Span
from region_node.network.agreements.statements import (
    PAGE,
    STATEMENT_TIMER,
    correction_is_due,
    ensure_statements,
    statements_are_due,
)
from region_node.network.measurements.measurement_rows import add_totals
from region_node.network.measurements.thresholds import DELAY, LOSS, THROUGHPUT, strictest
from region_node.network.measurements.totals import Totals
from region_node.node.context import RegionContext
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, LINE

CHINA = ZoneInfo("Asia/Shanghai")
SERVICE = "lines-chengdu-guangzhou"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JUNE, JULY, LATER = (datetime(2030, month, 1, 3, tzinfo=CHINA).astimezone(UTC) for month in (6, 7, 9))
OPERATOR = OutageCause.OUTAGE_CAUSE_OPERATOR
CHARGE = 100_000
Handler = Callable[[Transaction, RegionContext, Timer, datetime], None]


class Desk:
    """The node of Sichuan without its edges, and its timers."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        current = CurrentFederation()
        current.update(FEDERATION, [])
        shared = keys()
        border = Border("sichuan", shared.signers["sichuan"], shared.trusted, current)
        self.context = RegionContext(border)
        self.tx = SqliteTransaction(connection, region_keys())
        self._connection = connection
        self._ids = count(1)

    def agree(self, now: datetime, start: datetime | None = None) -> Agreement:
        """A customer with a line and an agreement from now on, or from a later start."""
        each = next(self._ids)
        line = replace(LINE, product_id=f"p{each}", customer_id=f"c{each}", account_id=f"a{each}")
        line = replace(line, number=f"+8619851{each:06d}", start_time=now - 400 * DAY)
        keep_customer(self.tx, CustomerRow(line.customer_id, "王芳", ""))
        keep_line(self.tx, line, now - 400 * DAY)
        asked = CreateAgreementRequest(
            number=line.number,
            service=SERVICE,
            template="leased-line",
            monthly_charge=Money(minor_units=CHARGE, currency="CNY"),
            start_time=to_timestamp(start or now),
        )
        return operations.create(self.tx, self.context, "chen", asked, now)

    def note(self, start: datetime, lasts: timedelta, now: datetime, source: str = "", version: int = 1) -> None:
        """An outage of this region's network."""
        note_outage(self.tx, self.context, outage(start, lasts, source or f"o{next(self._ids)}", version), now)

    def run(self, now: datetime, *, broken_before: Sequence[int] = ()) -> int:
        """Fires what is due until nothing is; those whose number is in `broken_before` fail at their commit."""
        fired = 0
        handlers = {
            STATEMENT_TIMER: self._handle(statements_are_due),
            CORRECTION_TIMER: self._handle(correction_is_due),
            CONFORMANCE_TIMER: self._handle(conformance_is_due),
            PLANNED_TIMER: self._handle(planned_is_told),
        }
        while due := due_timers(self.tx, now):
            fired += 1
            self._connection.execute("BEGIN")
            fire(self.tx, due[0], handlers, now)
            self._connection.execute("ROLLBACK" if fired in broken_before else "COMMIT")
            now += HOUR / 60 / 60
        return fired

    def measure(self, hours: Mapping[datetime, int]) -> None:
        """Measures a delay, in microseconds, in each minute of these hours, and no other figure."""
        totals = {
            (f"service/{SERVICE}", to_microseconds(start.replace(minute=0))): {DELAY: Totals.of([delay] * 60)}
            for start, delay in hours.items()
        }
        add_totals(self.tx, "measurement_hours", totals)

    def statement(self, agreement: Agreement, month: str = "2030-06") -> AgreementStatement:
        """The latest statement of a month."""
        found = find_statement(self.tx, agreement, month)
        assert found is not None
        return found

    def postings(self, account: str) -> list[tuple[str, int]]:
        """The postings on an account."""
        sql = "SELECT posting_id, amount FROM ledger_entries WHERE account = ? ORDER BY time, posting_id"
        return self._connection.execute(sql, (account,)).fetchall()

    def count(self, table: str) -> int:
        """How many rows a table has."""
        (found,) = self._connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
        return int(found)

    def _handle(self, handle: Handler) -> TimerHandler:
        return lambda tx, timer, now: handle(tx, self.context, timer, now)


def outage(start: datetime, lasts: timedelta, source: str, version: int = 1, region: str = "sichuan") -> ServiceOutage:
    return ServiceOutage(
        source=f"{region}/fault/{source}",
        service=SERVICE,
        region=region,
        start_time=to_timestamp(start),
        end_time=to_timestamp(start + lasts),
        cause=OPERATOR,
        version=version,
    )


@contextmanager
def desk(began: datetime = JUNE) -> Iterator[Desk]:
    """A node that began at a time."""
    with closing(empty_database("gateway", "region_node")) as connection:
        found = Desk(connection)
        ensure_statements(found.tx, began)
        found.run(began)
        yield found


def test_a_month_is_stated_once_and_its_credit_posted_once() -> None:
    with desk() as node:
        agreement = node.agree(JUNE)
        node.note(JUNE + DAY, 2 * HOUR, JUNE + 2 * DAY)
        node.run(JULY)
        node.run(JULY + DAY)
        stated = node.statement(agreement)
        assert (stated.revision, stated.credit.minor_units) == (1, stated.posted.minor_units)
        assert node.postings("a1") == [(f"{agreement.id}/2030-06#credit", stated.credit.minor_units)]
        assert ledger.balance(node.tx, COMPENSATION) == -stated.credit.minor_units


def test_a_node_that_was_off_for_months_states_each_of_them() -> None:
    with desk() as node:
        agreement = node.agree(JUNE)
        node.note(JUNE + DAY, 2 * HOUR, JUNE + 2 * DAY)
        node.note(JULY + DAY, 3 * HOUR, JULY + 2 * DAY)
        node.run(LATER)
        stated = [node.statement(agreement, month) for month in ("2030-06", "2030-07", "2030-08")]
        assert [timedelta(microseconds=each.downtime_us) for each in stated] == [2 * HOUR, 3 * HOUR, timedelta()]
        assert len(node.postings("a1")) == 2


def test_a_late_outage_posts_the_difference_once_and_one_that_is_taken_back_takes_it_back() -> None:
    with desk() as node:
        agreement = node.agree(JUNE)
        node.run(JULY)
        assert node.statement(agreement).credit.minor_units == 0
        for _ in range(2):
            node.note(JUNE + DAY, 10 * HOUR, JULY, "late")
            node.run(JULY + DAY)
        first = node.statement(agreement)
        assert (first.revision, first.posted.minor_units > 0) == (2, True)
        node.note(JUNE + DAY, HOUR / 100, JULY, "late", version=2)
        node.note(JUNE + DAY, 10 * HOUR, JULY, "late", version=1)  # an earlier word, come late
        node.run(JULY + 2 * DAY)
        second = node.statement(agreement)
        assert (second.revision, second.posted.minor_units) == (3, -first.posted.minor_units)
        ids = [posting_id for posting_id, _ in node.postings("a1")]
        assert ids == [f"{agreement.id}/2030-06#correction-{each}" for each in (2, 3)]
        assert ledger.balance(node.tx, "a1") == 0
        amounts = {each.kind: each.amount.minor_units for each in second.lines}
        assert amounts[Kind.STATEMENT_LINE_KIND_POSTED] == -first.credit.minor_units
        assert amounts[Kind.STATEMENT_LINE_KIND_POSTING] == second.posted.minor_units


def test_time_for_which_the_rent_was_waived_is_not_paid_for_again() -> None:
    with desk() as node:
        agreement, other = node.agree(JUNE), node.agree(JUNE)
        node.note(JUNE + DAY, 80 * HOUR, JUNE + 5 * DAY)
        begins = to_microseconds(JUNE + DAY)
        span = Span(begins, begins + 80 * HOUR // timedelta(microseconds=1))
        node.run(JULY)
        for _ in range(2):
            note_waiver(node.tx, node.context, "p1", "sichuan/fault/1", span, JULY)
            node.run(JULY + DAY)
        assert (node.statement(agreement).downtime_us, ledger.balance(node.tx, "a1")) == (0, 0)
        assert ledger.balance(node.tx, "a2") == node.statement(other).credit.minor_units > 0


def test_what_is_ended_or_closed_is_measured_until_then_and_owed_where_there_are_no_bills_any_more() -> None:
    with desk() as node:
        ended, closed = node.agree(JUNE), node.agree(JUNE)
        node.note(JUNE + DAY, 10 * HOUR, JUNE + 5 * DAY)
        ending = EndAgreementRequest(agreement_id=ended.id)
        operations.end(node.tx, node.context, ending, JUNE + 10 * DAY)
        line = replace(LINE, product_id="p2", customer_id="c2", account_id="a2", number="+8619851000002")
        line = replace(line, status=ProductStatus.PRODUCT_STATUS_TERMINATED, start_time=JUNE - 400 * DAY)
        keep_line(node.tx, line, JUNE + 20 * DAY)
        node.note(JUNE + 25 * DAY, 48 * HOUR, JUNE + 28 * DAY)
        node.run(JULY)
        first, second = node.statement(ended), node.statement(closed)
        assert timedelta(microseconds=first.period_us) == 10 * DAY
        assert timedelta(microseconds=second.period_us) == 20 * DAY
        assert first.downtime_us == second.downtime_us == 10 * HOUR // timedelta(microseconds=1)
        assert ledger.balance(node.tx, "a2") == 0
        assert ledger.balance(node.tx, REFUNDS_DUE) == second.credit.minor_units
        node.run(LATER)
        assert find_statement(node.tx, ended, "2030-07") is None


def test_the_old_home_states_its_part_of_the_month_of_a_move_and_sends_no_notice_to_a_line_without_number() -> None:
    with desk() as node:
        agreement = node.agree(JUNE)
        node.note(JUNE + DAY, 10 * HOUR, JUNE + 5 * DAY)
        line = replace(LINE, product_id="p1", customer_id="c1", account_id="a1", number="+8619851000001")
        line = replace(line, start_time=JUNE - 400 * DAY).terminated()
        give_up(node.tx, node.context, line.product_id, JUNE + 20 * DAY, JUNE + 20 * DAY)
        keep_line(node.tx, line, JUNE + 20 * DAY)
        give_up_number(node.tx, line)
        node.run(JULY)
        stated = node.statement(agreement)
        assert timedelta(microseconds=stated.period_us) == 20 * DAY
        assert ledger.balance(node.tx, REFUNDS_DUE) == stated.credit.minor_units > 0
        assert node.count("notices") == 0


def test_of_a_customer_whom_an_older_database_has_still_the_new_home_states_the_months() -> None:
    with desk() as node:
        node.agree(JUNE)
        node.note(JUNE + DAY, 10 * HOUR, JUNE + 5 * DAY)
        keep_status(node.tx, "c1", MOVED)
        node.run(JULY)
        assert (node.count("agreement_statements"), node.postings("a1")) == (0, [])


def test_a_line_that_was_suspended_could_not_be_used_and_gets_nothing_for_it() -> None:
    with desk() as node:
        agreement = node.agree(JUNE)
        line = replace(LINE, product_id="p1", customer_id="c1", account_id="a1", number="+8619851000001")
        line = replace(line, start_time=JUNE - 400 * DAY)
        suspended = replace(line, status=ProductStatus.PRODUCT_STATUS_SUSPENDED)
        keep_line(node.tx, suspended, JUNE + DAY)
        keep_line(node.tx, line, JUNE + 3 * DAY)
        node.note(JUNE + 2 * DAY, 30 * HOUR, JUNE + 5 * DAY)
        node.run(JULY)
        assert timedelta(microseconds=node.statement(agreement).downtime_us) == 6 * HOUR


def test_quality_that_was_not_kept_is_paid_for_once_and_a_later_count_corrects_it() -> None:
    with desk() as node:
        agreement = node.agree(JUNE)
        counts = ServiceConformance(
            service=SERVICE, month="2030-06", region="sichuan", windows=1000, kept=989, version=1
        )
        assert note_conformance(node.tx, node.context, counts, JUNE + 29 * DAY)
        node.run(JULY)
        first = node.statement(agreement)
        assert (first.measured_windows, first.kept_windows) == (1000, 989)
        (quality,) = (each for each in first.lines if each.kind == Kind.STATEMENT_LINE_KIND_QUALITY)
        assert (quality.percent, quality.amount) == (5, first.credit)
        assert not note_conformance(node.tx, node.context, counts, JULY)
        counts.kept, counts.version = 990, 2
        assert note_conformance(node.tx, node.context, counts, JULY)
        node.run(JULY + DAY)
        second = node.statement(agreement)
        assert (second.revision, second.credit.minor_units, ledger.balance(node.tx, "a1")) == (2, 0, 0)


def test_hours_whose_mean_was_over_the_class_are_told_once_the_month_has_ended_and_paid_for() -> None:
    with desk() as node:
        ensure_conformance(node.tx, JUNE)
        agreement = node.agree(JUNE)
        bound = FEDERATION.network.quality_class("y1541-0").delay_us
        node.measure({JUNE + each * HOUR: bound for each in range(1, 98)})
        node.measure({JUNE + 10 * DAY + each * HOUR: bound + 1 for each in range(2)})
        node.measure({JULY: bound + 1})
        node.run(JULY - 3 * HOUR)
        assert node.count("service_conformance") == 0, "the month has not ended"
        node.run(JULY, broken_before=(1, 2, 4))
        stated = node.statement(agreement)
        assert (stated.revision, stated.measured_windows, stated.kept_windows) == (1, 99, 97)
        assert stated.credit.minor_units > 0
        node.run(JULY + DAY)
        assert (node.count("service_conformance"), node.statement(agreement).revision) == (1, 1)
        assert node.postings("a1") == [(f"{agreement.id}/2030-06#credit", stated.credit.minor_units)]


def test_an_hour_keeps_to_a_class_by_the_means_of_the_figures_that_the_class_bounds() -> None:
    bounds = strictest([FEDERATION.network.quality_class("y1541-0")])
    delay, loss = bounds[DELAY].raises_over, bounds[LOSS].raises_over
    assert keeps(bounds, {DELAY: Totals.of([delay - 1, delay + 1]), LOSS: Totals.of([loss])})
    assert keeps(bounds, {DELAY: Totals.of([delay, delay, delay + 1])}) is False, "also by a part of a microsecond"
    assert keeps(bounds, {DELAY: Totals.of([0]), LOSS: Totals.of([loss + 1])}) is False
    assert keeps(bounds, {THROUGHPUT: Totals.of([1])}) is None, "nothing was measured that it bounds"


def test_of_an_erased_customer_nothing_is_stated() -> None:
    with desk() as node:
        agreement = node.agree(JUNE)
        vault.destroy(node.tx, ["customer/c1"])
        node.note(JUNE + DAY, 10 * HOUR, JUNE + 5 * DAY)
        node.run(JULY)
        assert (node.count("agreement_statements"), node.postings("a1")) == (0, [])
        assert find_agreement(node.tx, agreement.id) is None


def works(start: datetime, announced: datetime) -> ServiceOutage:
    """A planned outage of an hour."""
    planned = outage(start, HOUR, "works")
    planned.cause = OutageCause.OUTAGE_CAUSE_PLANNED
    planned.announce_time.CopyFrom(to_timestamp(announced))
    return planned


def test_customers_are_told_of_a_planned_outage_once_however_many_pages_there_are() -> None:
    with desk() as node:
        for _ in range(PAGE + 3):
            node.agree(JUNE)
        planned = works(JUNE + 5 * DAY, JUNE)
        for _ in range(2):
            keep_outage(node.tx, node.context, planned, JUNE)
            node.run(JUNE + HOUR, broken_before=(1, 2))
        assert node.count("notices") == PAGE + 3
        planned.version = 2
        keep_outage(node.tx, node.context, planned, JUNE + 6 * DAY)
        node.run(JUNE + 6 * DAY)
        assert node.count("notices") == PAGE + 3, "of what has begun already nobody is told"


def test_an_agreement_that_a_former_version_took_over_with_its_end_is_purged_and_has_no_notices() -> None:
    with desk() as node:
        operations.end(node.tx, node.context, EndAgreementRequest(agreement_id=node.agree(JUNE).id), JUNE + DAY)
        node.agree(JUNE)
        node.tx.execute("UPDATE agreements SET end_time = NULL")
        node.run(JULY)
        keep_outage(node.tx, node.context, works(JULY + 5 * DAY, JULY), JULY + HOUR)
        node.run(JULY + 2 * HOUR)
        assert node.count("notices") == 1
        node.tx.execute("DELETE FROM agreement_statements")
        node.tx.execute("DELETE FROM service_outages")
        assert Agreements().oldest(node.tx) == to_microseconds(JUNE + DAY)


def test_an_agreement_that_ended_before_it_began_gives_way_to_another_and_brings_no_notices() -> None:
    with desk() as node:
        agreement = node.agree(JUNE, start=JULY)
        operations.end(node.tx, node.context, EndAgreementRequest(agreement_id=agreement.id), JUNE)
        keep_outage(node.tx, node.context, works(JULY - HOUR / 2, JUNE), JUNE)
        node.run(JUNE + HOUR)
        assert node.count("notices") == 0
        again = CreateAgreementRequest(number=agreement.number, service=SERVICE, template="leased-line")
        assert operations.create(node.tx, node.context, "chen", again, JUNE + HOUR).id != agreement.id


_told = st.lists(
    st.tuples(
        st.integers(0, 29 * 24), st.integers(1, 60), st.integers(0, 60), st.sampled_from(["sichuan", "guangdong"])
    ),
    max_size=8,
)


@settings(max_examples=25)
@given(_told, st.sets(st.integers(1, 12), max_size=6))
def test_whatever_is_told_when_and_broken_where_the_sum_is_what_all_of_it_gives(
    told: list[tuple[int, int, int, str]], broken: set[int]
) -> None:
    """Outages of June in hours, each reported on one of sixty days; against a node that knew all in time."""
    outages = [
        (outage(JUNE + start * HOUR, lasts * HOUR, f"f{each}", region=region), JUNE + day * DAY)
        for each, (start, lasts, day, region) in enumerate(told)
    ]
    with desk() as node, desk() as knowing:
        agreements = [node.agree(JUNE) for _ in range(3)]
        knowing.agree(JUNE)
        for told_outage, _ in outages:
            keep_outage(knowing.tx, knowing.context, told_outage, JUNE)
        for told_outage, when in sorted(outages, key=lambda each: each[1]):
            node.run(when, broken_before=tuple(broken))
            keep_outage(node.tx, node.context, told_outage, when)
        for each in (node, knowing):
            each.run(LATER, broken_before=tuple(broken) if each is node else ())
        expected = ledger.balance(knowing.tx, "a1")
        for number, agreement in enumerate(agreements, start=1):
            assert ledger.balance(node.tx, f"a{number}") == expected
            assert node.statement(agreement).credit.minor_units == expected - _of_july(knowing)


def _of_july(node: Desk) -> int:
    """The credits of outages that reached into July: an agreement's number is the same at each node."""
    agreement = find_agreement(node.tx, "sichuan/agreement-1")
    assert agreement is not None
    return node.statement(agreement, "2030-07").credit.minor_units
