"""The months of a line that moves: each home states and charges its part, whenever hand-over and receipt arrive."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.api.region.v1.agreement_pb2 import Agreement, AgreementStatement
from gateway.api.region.v1.agreement_service_pb2 import CreateAgreementRequest
from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MoveState
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.types_pb2 import Money
from gateway.relay.border import Command
from gateway.store.timers import due_timers, fire
from gateway.time.clock import from_microseconds, to_microseconds
from region_node.app.registered import registry
from region_node.business.billing import monthly
from region_node.business.billing.bills import find_bill
from region_node.business.billing.rules import Month
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import OPENING, REFUNDS_DUE, EntryKind, charge, payable, receivable, transfer
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow
from region_node.lifecycle.moving import operations, rules
from region_node.lifecycle.moving.relayed import MoveEnvelopes
from region_node.lifecycle.moving.rows import find_move
from region_node.network.agreements import operations as agreements
from region_node.network.agreements.outages import CORRECTION_TIMER, keep_outage
from region_node.network.agreements.rows import find_statement, running_after
from region_node.network.agreements.statements import (
    STATEMENT_TIMER,
    correction_is_due,
    ensure_statements,
    statements_are_due,
)
from tests.unit.reconciling import HOME, ORIGIN, Region, two_regions
from tests.unit.situations import LINE
from tests.unit.test_agreement_statements import SERVICE, outage

NEW = ORIGIN
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONE = "Asia/Shanghai"
JULY = Month.of("2030-07", ZONE)
MONTHS = [Month.of(f"2030-{number:02}", ZONE) for number in range(6, 9)]
LATER = MONTHS[-1].end + 3 * HOUR
MOVE_ID = f"{HOME}/crm/m"
NEW_ACCOUNT = f"account-{rules.ids_at_new_home(MOVE_ID)}-0"
OPENED = 20_000  # minor units
Down = tuple[int, int, int, str]
"""An outage: where it begins and how long it lasts, when it is told, in hours from the start of June; its region."""
_HAND_OVER = EnvelopeKind.ENVELOPE_KIND_CUSTOMER_HAND_OVER


class Home:
    """A region with its monthly runs, which a time without the node puts off."""

    def __init__(self, region: Region) -> None:
        self.tx, self.context = region.tx, region.context.node
        self.region = region
        handler = MoveEnvelopes(self.context).kinds()[_HAND_OVER]
        assert isinstance(handler, Command)
        self.moves = handler
        ensure_statements(self.tx, MONTHS[0].start)
        self.run(MONTHS[0].start)

    def run(self, now: datetime) -> None:
        """Does all that is due."""
        handlers = {
            STATEMENT_TIMER: lambda tx, timer, at: statements_are_due(tx, self.context, timer, at),
            CORRECTION_TIMER: lambda tx, timer, at: correction_is_due(tx, self.context, timer, at),
        }
        at = now
        while due := due_timers(self.tx, at, of=list(handlers)):
            fire(self.tx, due[0], handlers, at)
            at += HOUR / 60 / 60
        monthly.begin(self.tx, self.context, now)
        while monthly.bill_page(self.tx, self.context, now):
            pass

    @property
    def agreement(self) -> Agreement:
        """The one that it has."""
        (found,) = running_after(self.tx, MONTHS[0].start, LATER, "", 2)
        assert found.agreement is not None
        return found.agreement

    def statements(self) -> Mapping[str, AgreementStatement]:
        """The latest of each month with a part of it here."""
        found = {each.name: find_statement(self.tx, self.agreement, each.name) for each in MONTHS}
        return {name: each for name, each in found.items() if each is not None and each.period_us}

    def credited(self) -> Mapping[str, int]:
        """The sum of the postings of each month."""
        rows = self.tx.all(
            lambda posting_id, amount: (posting_id.partition("#")[0].rpartition("/")[2], amount),
            "SELECT posting_id, amount FROM ledger_entries WHERE account <> 'compensation'"
            " AND kind IN ('service-credit', 'service-credit-correction')",
        )
        return {month: total for month, _ in rows if (total := sum(amount for each, amount in rows if each == month))}

    def charged(self, account: str) -> int:
        """What an account was charged and not given back."""
        taken = [EntryKind.RENT, EntryKind.CORRECTION, EntryKind.DISCOUNT]
        return -ledger.given_after(self.tx, account, taken, from_microseconds(0))


class Story:
    """A customer moves; the new home hears of it later, and the old home still later of that."""

    def __init__(self, old: Home, new: Home, moment: datetime, downs: Sequence[Down]) -> None:
        self.old, self.new, self._moment = old, new, moment
        self._told = sorted((MONTHS[0].start + told * HOUR, index) for index, (_, _, told, _) in enumerate(downs))
        self._downs = downs
        keep_customer(old.tx, CustomerRow(LINE.customer_id, "王芳", ""))
        line = replace(LINE, start_time=MONTHS[0].start)
        keep_line(old.tx, line, MONTHS[0].start)
        opening = transfer("opening", EntryKind.OPENING, OPENED, debit=OPENING, credit=LINE.account_id)
        ledger.post(old.tx, opening, "CNY", MONTHS[0].start)
        asked = CreateAgreementRequest(number=LINE.number, service=SERVICE, template="leased-line")
        asked.monthly_charge.CopyFrom(Money(minor_units=100_000, currency="CNY"))
        agreements.create(old.tx, old.context, "chen", asked, MONTHS[0].start)

    def play(self, taken_over: datetime, answered: datetime, *, off: Sequence[Home] = ()) -> None:
        """The runs of a home that is `off` come last, those of the other one are always in time."""
        on = [each for each in (self.old, self.new) if each not in off]
        self._pass(self._moment, on)
        content = self._confirmed()
        self._pass(taken_over, on)
        told = self.new.moves.act(self.new.tx, content, taken_over)
        assert told.outcome == Outcome.OUTCOME_ACCEPTED
        self._pass(answered, on)
        receipt = ReceiptContent(envelope_id=content.id, outcome=told.outcome)
        for _ in range(2):
            self.old.moves.answered(self.old.tx, content, receipt, answered)
        self._pass(LATER, [self.old, self.new])

    def _confirmed(self) -> EnvelopeContent:
        kinds = registry(self.old.context)
        asked = CustomerMove(id=MOVE_ID, to_region=NEW)
        asked.lines.add(number=LINE.number, plan_id="guangdong-79")
        operations.start(self.old.tx, kinds, asked, LINE.number, self._moment)
        self.old.region.waiting()
        operations.confirm(self.old.tx, kinds, MOVE_ID, self._moment, "")
        (content,) = self.old.region.waiting()
        return content

    def _pass(self, now: datetime, homes: Sequence[Home]) -> None:
        """Tells of outages up to a time, each at its time, and has the runs done that are due then."""
        while self._told and self._told[0][0] <= now:
            at, index = self._told.pop(0)
            start, lasts, _, region = self._downs[index]
            told = outage(MONTHS[0].start + start * HOUR, lasts * HOUR, f"f{index}", region=region)
            for home in (self.old, self.new):
                if home in homes:
                    home.run(at)
                keep_outage(home.tx, home.context, told, at)
        for home in homes:
            home.run(now)


@contextlib.contextmanager
def story(moment: datetime, downs: Sequence[Down]) -> Iterator[Story]:
    with two_regions() as two:
        yield Story(Home(two.home), Home(two.origin), moment, downs)


def test_a_fee_of_a_month_in_which_no_line_had_service_is_on_a_bill_of_that_month_alone() -> None:
    with two_regions() as two:
        home, fee = Home(two.home), 1_000
        keep_customer(home.tx, CustomerRow(LINE.customer_id, "王芳", ""))
        ended = ProductStatus.PRODUCT_STATUS_TERMINATED
        keep_line(home.tx, replace(LINE, start_time=MONTHS[0].start, status=ended), MONTHS[0].start)
        posting = charge("sichuan/app/1#fee", EntryKind.FEE, fee, LINE.account_id)
        ledger.post(home.tx, posting, "CNY", JULY.start + DAY)
        home.run(LATER)
        bills = {each.name: find_bill(home.tx, LINE.account_id, each.name) for each in MONTHS}
    assert {name: each.total for name, each in bills.items() if each is not None} == {JULY.name: fee}


_downs = st.lists(
    st.tuples(st.integers(0, 32 * 24), st.integers(1, 40), st.integers(0, 50 * 24), st.sampled_from((HOME, NEW))).map(
        lambda each: (each[0], each[1], max(each[2], each[0] + each[1]), each[3])
    ),
    max_size=4,
)


@settings(max_examples=10, deadline=None)
@given(st.integers(-72 * 60, 72 * 60), st.integers(0, 96 * 60), st.integers(0, 35 * 24 * 60), _downs, st.integers(0, 3))
@example(-30, 180, 0, [(700, 40, 745, NEW)], 0)  # the run of the month has passed at both homes
@example(-60 * 24, 0, 60 * 24 * 35, [(690, 60, 751, HOME)], 0)  # two months end before the receipt
@example(-60 * 24 * 5, 60 * 24 * 10, 0, [], 0)  # the rent of the days of June, whose run has passed at the new home
@example(30, 10, 90, [(700, 40, 745, HOME)], 0)  # the month has ended, and is not stated yet
def test_a_late_move_is_stated_credited_and_charged_as_a_prompt_one_and_each_moment_once(
    moment: int, until_taken: int, until_answered: int, downs: list[Down], off: int
) -> None:
    """Minutes from the end of June, and from then on; outages in hours; and the homes whose runs come last."""
    at = JULY.start + timedelta(minutes=moment)
    taken = at + timedelta(minutes=until_taken)
    answered = taken + timedelta(minutes=until_answered)
    with story(at, downs) as late, story(at, downs) as prompt:
        prompt.play(at, at)
        late.play(taken, answered, off=[each for bit, each in enumerate((late.old, late.new)) if off & 1 << bit])
        for month in MONTHS:
            parts = [each.period_us for home in (late.old, late.new) if (each := home.statements().get(month.name))]
            assert sum(parts) == to_microseconds(month.end) - to_microseconds(month.start), month.name
        for here, other in ((late.old, prompt.old), (late.new, prompt.new)):
            stated, wanted = here.statements(), other.statements()
            assert {each: stated[each].credit for each in stated} == {each: wanted[each].credit for each in wanted}
            assert {each: stated[each].downtime_us for each in stated} == {
                each: wanted[each].downtime_us for each in wanted
            }
            booked = {each: told.credit.minor_units for each, told in stated.items() if told.credit.minor_units}
            assert here.credited() == booked
        require_books(late, prompt)
        require_bills(late, prompt, at)


def require_books(late: Story, prompt: Story) -> None:
    """The old home has emptied the account, charged what was due at the confirmation, and owes its credits."""
    assert ledger.balance(late.old.tx, LINE.account_id) == 0
    owed, wanted = (
        sum(ledger.balance(each.old.tx, account) for account in (payable(NEW), receivable(NEW), REFUNDS_DUE))
        for each in (late, prompt)
    )
    assert owed == wanted, "a credit of before the confirmation is handed over, a later one is owed to the customer"
    assert late.old.charged(LINE.account_id) == prompt.old.charged(LINE.account_id)
    assert late.new.charged(NEW_ACCOUNT) == prompt.new.charged(NEW_ACCOUNT)
    moved = "SELECT amount FROM ledger_entries WHERE kind = 'moved-balance' AND account = :account"
    assert sum(late.new.tx.all(int, moved, account=receivable(HOME))) == -sum(
        late.old.tx.all(int, moved, account=payable(NEW))
    )
    move = find_move(late.old.tx, MOVE_ID)
    assert move is not None
    assert move.state == MoveState.MOVE_STATE_MOVED


def require_bills(late: Story, prompt: Story, moment: datetime) -> None:
    """Each home has a bill of each month in which the line was its own, the new one as if the move had been prompt."""
    for month in MONTHS:
        assert find_bill(late.old.tx, LINE.account_id, month.name) is not None or month.start > moment, month.name
        stated, wanted = (find_bill(each.new.tx, NEW_ACCOUNT, month.name) for each in (late, prompt))
        assert (stated is not None) == (moment < month.end), month.name
        if stated is not None and wanted is not None:
            assert stated.total == wanted.total, month.name
