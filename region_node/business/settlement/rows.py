"""Statements as stored. They are records of bookkeeping without personal data, and stay."""

from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.settlement_pb2 import SettlementState, SettlementStatement
from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without
from gateway.store.timers import TIMERS, cancel_timer, is_set, set_timer
from gateway.time.clock import from_microseconds, to_microseconds

ANSWER_TIMER = "settlement-answer"  # a month waits for the other region, or for staff
PAYMENT_TIMER = "settlement-payment"  # a signed month waits for its payment


@prints_without("body")
class _StatementRow(NamedTuple):
    """The columns of a statement."""

    region: str
    month: str
    state: int
    body: bytes


_STATEMENTS = Table("settlement_statements", _StatementRow, key=("region", "month"))


class Waiting(NamedTuple):
    """The subject of the timer of a month that not both have signed, or that is not paid."""

    region: str
    month: str
    reminders: int
    """Those so far."""
    since: datetime | None
    """The last reminder, or the last change of the statement; None for one from before there were reminders."""

    @classmethod
    def parse(cls, subject: str) -> "Waiting":
        """The subject of a timer."""
        region, month, reminders, since = subject.split(" ")
        return cls(region, month, int(reminders), from_microseconds(int(since)) if since != "0" else None)

    def watch(self, tx: Transaction, due: datetime, kind: str = ANSWER_TIMER) -> None:
        """Sets the timer of a kind."""
        since = 0 if self.since is None else to_microseconds(self.since)
        subject = f"{self.region} {self.month} {self.reminders} {since}"
        set_timer(tx, _timer(self.region, self.month, kind), kind=kind, subject=subject, due=due)


def keep_statement(tx: Transaction, region: str, statement: SettlementStatement, now: datetime) -> None:
    """Stores the statement with another region, in place of its state before.

    One that not both have signed is waited for from now on, and then its payment: the timers belong to a higher floor,
    which reminds people.
    """
    month = statement.terms.month
    tx.keep(_STATEMENTS, _StatementRow(region, month, statement.state, statement.SerializeToString()))
    if statement.state == SettlementState.SETTLEMENT_STATE_SIGNED:
        cancel_timer(tx, _timer(region, month))
        if not is_set(tx, _timer(region, month, PAYMENT_TIMER)):
            Waiting(region, month, 0, now).watch(tx, now, PAYMENT_TIMER)
        return
    known = tx.find(TIMERS, _timer(region, month))
    reminders = 0 if known is None else Waiting.parse(known.subject).reminders
    Waiting(region, month, reminders, now).watch(tx, now)


def watch_unproposed(tx: Transaction, region: str, month: str, before: str, now: datetime) -> None:
    """Waits for the statement of an ended month that nobody has signed, in place of the month `before` it."""
    if find_statement(tx, region, month) is not None:
        return
    known = tx.find(TIMERS, _timer(region, before)) if find_statement(tx, region, before) is None else None
    if known is not None:
        cancel_timer(tx, _timer(region, before))
    Waiting(region, month, 0 if known is None else Waiting.parse(known.subject).reminders, now).watch(tx, now)


def stop_waiting_for_payment(tx: Transaction, region: str, month: str) -> None:
    """Cancels the timer of a signed month, whose payment is recorded."""
    cancel_timer(tx, _timer(region, month, PAYMENT_TIMER))


def _timer(region: str, month: str, kind: str = ANSWER_TIMER) -> str:
    return f"{kind}/{region}/{month}"


def find_statement(tx: Transaction, region: str, month: str) -> SettlementStatement | None:
    """The statement of a month with another region; None if neither has signed it."""
    row = tx.find(_STATEMENTS, region, month)
    return None if row is None else SettlementStatement.FromString(row.body)


def statements_with(tx: Transaction, region: str, from_month: str) -> list[SettlementStatement]:
    """The statements with another region of a month and later ones, in order."""
    return tx.all(
        SettlementStatement.FromString,
        "SELECT body FROM settlement_statements WHERE region = :region AND month >= :month ORDER BY month",
        region=region,
        month=from_month,
    )


def is_any_pending(tx: Transaction, region: str) -> bool:
    """Whether a statement with another region has one signature, or is contested."""
    found = tx.first(
        int,
        "SELECT 1 FROM settlement_statements WHERE region = :region AND state IN (:proposed, :contested) LIMIT 1",
        region=region,
        proposed=SettlementState.SETTLEMENT_STATE_PROPOSED,
        contested=SettlementState.SETTLEMENT_STATE_CONTESTED,
    )
    return found is not None


def first_waiting_month(tx: Transaction, region: str) -> str | None:
    """The first month with another region that has a statement which not both have signed."""
    return tx.first(
        str,
        "SELECT month FROM settlement_statements WHERE region = :region AND state <> :signed ORDER BY month LIMIT 1",
        region=region,
        signed=SettlementState.SETTLEMENT_STATE_SIGNED,
    )


def list_statements(tx: Transaction, month: str, before: str, limit: int) -> list[tuple[str, SettlementStatement]]:
    """At most `limit` keys and statements, the newest month first, behind a key `<month> <region>`.

    An empty month means all of them.
    """
    last_month, _, last_region = before.partition(" ")
    rows = tx.all(
        _StatementRow,
        "SELECT region, month, state, body FROM settlement_statements WHERE (:month = '' OR month = :month)"
        " AND (:last = '' OR month < :last OR (month = :last AND region > :region))"
        " ORDER BY month DESC, region LIMIT :limit",
        month=month,
        last=last_month,
        region=last_region,
        limit=limit,
    )
    return [(f"{each.month} {each.region}", SettlementStatement.FromString(each.body)) for each in rows]
