"""The reminders of a month of settlement that waits for a signature or its payment, to this region's person on duty."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.settlement_pb2 import SettlementState, SettlementStatement, SettlementTerms
from gateway.federation.body import SETTLEMENT_DISPUTE, SETTLEMENT_PAYMENT
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from gateway.time.clock import to_timestamp
from region_node.business.settlement.payments import unpaid_months
from region_node.business.settlement.port import Settlement
from region_node.business.settlement.rows import (
    ANSWER_TIMER,
    PAYMENT_TIMER,
    Waiting,
    find_statement,
    first_waiting_month,
)
from region_node.business.settlement.signing import statement_id
from region_node.business.settlement.unproposed import is_unproposed
from region_node.care.escalations.body import Escalated, due_by, tell_body
from region_node.node.context import RegionContext
from region_node.tickets.followed import Facts

_USUAL = timedelta(days=5)  # without a row in the matrix of responsibility


def answer_is_due(tx: Transaction, settlement: Settlement, timer: Timer, now: datetime) -> None:
    """Reminds the person on duty of a month that not both have signed, each time the limit of the matter has passed.

    Both regions remind their own: one has to propose or to answer, the other one may press for it. Nobody is reminded
    while the other region is suspended: no act of people would reach it.
    """
    waiting, context = Waiting.parse(timer.subject), settlement.node
    statement = find_statement(tx, waiting.region, waiting.month)
    if statement is not None and statement.state == SettlementState.SETTLEMENT_STATE_SIGNED:
        return
    if statement is None and not is_unproposed(tx, settlement, waiting.region, waiting.month):
        return
    told = statement or _nobodys(context.region, waiting, waiting.since or now)
    # An honest region proposes no month beside another one that waits: many are one reminder.
    is_first = first_waiting_month(tx, waiting.region) in (None, waiting.month)
    matter = _Matter(ANSWER_TIMER, SETTLEMENT_DISPUTE, "RemindOfSettlement", is_first=is_first)
    _remind(tx, context, waiting, _facts(context, told, told.id), matter, now)


def payment_is_due(tx: Transaction, settlement: Settlement, timer: Timer, now: datetime) -> None:
    """Reminds the person on duty of a signed month whose payment this region has not recorded.

    Both regions remind their own: one has to pay, by two people, and the other one to find the money at its bank. The
    earliest unpaid month counts.
    """
    waiting, context = Waiting.parse(timer.subject), settlement.node
    unpaid = unpaid_months(tx, settlement, waiting.region)
    statement = find_statement(tx, waiting.region, waiting.month)
    if statement is None or waiting.month not in unpaid:
        return
    is_first = waiting.month == unpaid[0]
    matter = _Matter(PAYMENT_TIMER, SETTLEMENT_PAYMENT, "RemindOfSettlementPayment", is_first=is_first)
    # The reminders of its signatures have the name of the statement.
    _remind(tx, context, waiting, _facts(context, statement, f"{statement.id}/payment"), matter, now)


@dataclass(frozen=True)
class _Matter:
    """What a month waits for: its kind of timer, its row in the matrix, the audited action."""

    timer: str
    name: str
    action: str
    is_first: bool
    """Whether no earlier month with the region waits for the same."""


def _remind(
    tx: Transaction, context: RegionContext, waiting: Waiting, about: Facts, matter: _Matter, now: datetime
) -> None:
    since = waiting.since or now
    due = due_by(context, matter.name, since, _USUAL)
    if now < due:
        waiting._replace(since=since).watch(tx, due, matter.timer)
        return
    reminders = waiting.reminders
    if matter.is_first and context.takes_part(waiting.region):
        reminders += 1
        escalated = Escalated(
            reminders, EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED, to_timestamp(now), to_timestamp(due)
        )
        tell_body(tx, context, about, escalated, matter.action, matter.name, now)
    again = due_by(context, matter.name, now, _USUAL)
    waiting._replace(reminders=reminders, since=now).watch(tx, again, matter.timer)


def _nobodys(region: str, waiting: Waiting, since: datetime) -> SettlementStatement:
    """The statement that the first region has yet to propose."""
    first, second = sorted((region, waiting.region))
    terms = SettlementTerms(first_region=first, second_region=second, month=waiting.month)
    return SettlementStatement(id=statement_id(terms), terms=terms, propose_time=to_timestamp(since))


def _facts(context: RegionContext, statement: SettlementStatement, name: str) -> Facts:
    """The first region made the statement; the duty is that of this one."""
    return Facts(
        name=name,
        origin=statement.terms.first_region,
        owner=context.region,
        operator="",
        version=statement.terms.version,
        state=statement.state,
        created=statement.propose_time,
        number="",
        home="",
    )
