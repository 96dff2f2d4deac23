"""Arrears, day by day: late fees, and suspension, termination or resumption of lines. One transaction for a page.

Late fees of a day carry its last instant, whenever they are booked. Changes of a line depend on the time of the change,
because a notice must precede it.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.auditing import audit
from gateway.store.port import Transaction
from gateway.time.clock import instant_or_none, to_microseconds
from gateway.values.money import in_major_units
from region_node.business.billing import wording
from region_node.business.billing.arrears import ArrearsState, Move, late_fee, next_move
from region_node.business.billing.bills import accounts_with_open_bills, open_bills, settle_bill
from region_node.business.billing.charging import Progress, final_charges, lines_of_account, progress_of
from region_node.business.billing.debts import overdue, unpaid_of
from region_node.business.billing.monthly import ARREARS, PAGE, is_caught_up, move_on
from region_node.business.billing.rules import end_of_day
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import EntryKind, charge
from region_node.customers.notices.rows import Notice, tell
from region_node.customers.operations import keep_line
from region_node.customers.rows import Line
from region_node.node.context import RegionContext

ACTOR = "billing"
_INSTANT = timedelta(microseconds=1)


def is_due(tx: Transaction, context: RegionContext, now: datetime) -> bool:
    """Whether a page of a day is to be looked at."""
    progress = progress_of(tx, ARREARS)
    return progress is not None and _is_over(tx, context, progress, now)


def arrears_page(tx: Transaction, context: RegionContext, now: datetime, limit: int = PAGE) -> bool:
    """Processes the next accounts that may be overdue at the end of a day. Returns False before the end of a day."""
    progress = progress_of(tx, ARREARS)
    if progress is None or not _is_over(tx, context, progress, now):
        return False
    day = date.fromisoformat(progress.period)
    accounts = accounts_with_open_bills(tx, progress.after, end_of_day(day, context.time_zone), limit)
    for account in accounts:
        _look_at(tx, context, account, day, now)
    if accounts:
        move_on(tx, ARREARS, progress, after=accounts[-1])
    else:
        move_on(tx, ARREARS, progress, period=(day + timedelta(days=1)).isoformat())
    return True


def _is_over(tx: Transaction, context: RegionContext, progress: Progress, now: datetime) -> bool:
    """Whether the next day has ended, and every month before."""
    end = end_of_day(date.fromisoformat(progress.period), context.time_zone)
    return now >= end and is_caught_up(tx, context, now)


def _look_at(tx: Transaction, context: RegionContext, account: str, day: date, now: datetime) -> None:
    end, lines = end_of_day(day, context.time_zone), lines_of_account(tx, account)
    principal = 0
    for bill in open_bills(tx, account, end):
        principal = unpaid_of(tx, context.time_zone, bill, end, with_late_fees=False)
        if principal == 0:
            settle_bill(tx, bill)
    if principal and not all(line.is_closed for line in lines):
        fee = late_fee(principal, context.federation.figure("late-fee", (context.region, context.region)))
        if fee:
            month, kind = f"{day:%Y-%m}", EntryKind.LATE_FEE
            posting = charge(f"{account}/{month}#{kind}/{day.isoformat()}", kind, fee, account)
            ledger.post(tx, posting, context.currency, end - _INSTANT)
    _proceed(tx, context, account, lines, now)


def _proceed(tx: Transaction, context: RegionContext, account: str, lines: Sequence[Line], now: datetime) -> None:
    """Advances the procedure by the account's current state."""
    late = [
        bill
        for bill in open_bills(tx, account, now)
        if unpaid_of(tx, context.time_zone, bill, now, with_late_fees=False)
    ]
    if not late:
        _begin_anew(tx, account)
        if overdue(tx, context.time_zone, account, now) == 0:
            _resume(tx, account, lines, now)
        return
    since = late[0].payment_due
    if since is None or all(line.is_closed for line in lines):
        return
    is_barred = any(line.suspension_kind == SuspensionKind.SUSPENSION_KIND_ARREARS for line in lines)
    if not is_barred and _state_of(tx, account).came_before(since):
        _begin_anew(tx, account)  # a payment has ended it on the day on which the next bill fell due
    procedure = _Procedure(tx, context, account, lines, since, now)
    move = procedure.next_move()
    procedure.take(move)
    if move == Move.NOTHING:
        procedure.suspend_again()


def _begin_anew(tx: Transaction, account: str) -> None:
    tx.execute("DELETE FROM arrears WHERE account_id = :account", account=account)


def _resume(tx: Transaction, account: str, lines: Sequence[Line], now: datetime) -> None:
    for line in lines:
        if line.suspension_kind == SuspensionKind.SUSPENSION_KIND_ARREARS and not line.is_closed:
            keep_line(tx, line.resumed(), now)
            tell(tx, wording.resumed(f"arrears/{account}/{to_microseconds(now)}", line.number), now)
            audit.append(tx, now=now, actor=ACTOR, action="ArrearsPaid", subject=line.product_id)


class _Procedure:
    """The procedure against one account that is overdue since a due date."""

    def __init__(
        self,
        tx: Transaction,
        context: RegionContext,
        account: str,
        lines: Sequence[Line],
        since: datetime,
        now: datetime,
    ) -> None:
        self._tx = tx
        self._context = context
        self._account = account
        self._lines = lines
        self._since = since
        self._now = now
        self._state = _state_of(tx, account)

    def next_move(self) -> Move:
        """The next step of the procedure."""
        federation, regions = self._context.federation, (self._context.region, self._context.region)
        return next_move(
            self._state,
            self._since,
            self._now,
            suspension_days=federation.figure("arrears-suspension", regions),
            termination_days=federation.figure("arrears-termination", regions),
        )

    def take(self, move: Move) -> None:
        """Does it."""
        match move:
            case Move.WARN:
                self._note("warned")
                self._tell(wording.suspension_ahead, self._day("arrears-suspension", self._since))
            case Move.SUSPEND:
                self._note("suspended")
                self._suspend()
                self._tell(wording.suspended)
            case Move.WARN_LAST:
                self._note("last_warned")
                self._tell(wording.termination_ahead, self._day("arrears-termination", self._state.suspended))
            case Move.TERMINATE:
                self._terminate()
                self._tell(wording.terminated)

    def suspend_again(self) -> None:
        """Suspends a line in arrears again whose suspension on request has ended meanwhile."""
        if self._state.suspended is not None:
            self._suspend()

    def _suspend(self) -> None:
        for line in self._lines:
            if line.status == ProductStatus.PRODUCT_STATUS_ACTIVE:
                keep_line(self._tx, line.suspended(SuspensionKind.SUSPENSION_KIND_ARREARS, "arrears"), self._now)
                audit.append(
                    self._tx, now=self._now, actor=ACTOR, action="SuspendedForArrears", subject=line.product_id
                )

    def _terminate(self) -> None:
        federation, time_zone = self._context.federation, self._context.time_zone
        for line in self._lines:
            if line.is_closed:
                continue
            for posting in final_charges(self._tx, federation, time_zone, line, self._now):
                ledger.post(self._tx, posting, self._context.currency, self._now)
            keep_line(self._tx, line.terminated(), self._now)
            audit.append(self._tx, now=self._now, actor=ACTOR, action="TerminatedForArrears", subject=line.product_id)

    def _note(self, column: str) -> None:
        account, now = self._account, to_microseconds(self._now)
        if not self._tx.execute(
            f"UPDATE arrears SET {column} = :now WHERE account_id = :account",  # noqa: S608 - a column name of ours
            now=now,
            account=account,
        ):
            self._tx.execute(
                f"INSERT INTO arrears (account_id, {column}) VALUES (:account, :now)",  # noqa: S608
                account=account,
                now=now,
            )

    def _day(self, policy: str, start: datetime | None) -> str:
        """The day from which a policy of days has passed."""
        days = self._context.federation.figure(policy, (self._context.region, self._context.region))
        ends = max((start or self._now) + timedelta(days=days), self._now + timedelta(days=1))
        return ends.astimezone(ZoneInfo(self._context.time_zone)).date().isoformat()

    def _tell(self, notice: Callable[..., Notice], *more: str) -> None:
        owed = overdue(self._tx, self._context.time_zone, self._account, self._now)
        amount = in_major_units(owed, self._context.currency)
        since = self._since.astimezone(ZoneInfo(self._context.time_zone)).date().isoformat()
        tell(self._tx, notice(self._account, since, self._lines[0].number, amount, *more), self._now)


def _state_of(tx: Transaction, account: str) -> ArrearsState:
    found = tx.first(
        _state, "SELECT warned, suspended, last_warned FROM arrears WHERE account_id = :account", account=account
    )
    return found or ArrearsState()


def _state(*times: int | None) -> ArrearsState:
    warned, suspended, last_warned = (instant_or_none(each) for each in times)
    return ArrearsState(warned, suspended, last_warned)
