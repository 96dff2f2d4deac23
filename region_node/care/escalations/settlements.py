"""The reminders of a month of settlement that waits for a proposal or an answer, to this region's person on duty."""

from datetime import datetime, timedelta

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.settlement_pb2 import SettlementState, SettlementStatement, SettlementTerms
from gateway.federation.body import SETTLEMENT_DISPUTE
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from gateway.time.clock import to_timestamp
from region_node.business.settlement.port import Settlement
from region_node.business.settlement.rows import Waiting, find_statement, first_waiting_month
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
    since = waiting.since or now
    due = due_by(context, SETTLEMENT_DISPUTE, since, _USUAL)
    if now < due:
        waiting._replace(since=since).watch(tx, due)
        return
    reminders = waiting.reminders
    # An honest region proposes no month beside another one that waits: many are one reminder.
    is_first = first_waiting_month(tx, waiting.region) in (None, waiting.month)
    if is_first and context.takes_part(waiting.region):
        reminders += 1
        escalated = Escalated(
            reminders, EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED, to_timestamp(now), to_timestamp(due)
        )
        told = statement or _nobodys(context.region, waiting, since)
        tell_body(tx, context, _facts(context, told), escalated, "RemindOfSettlement", SETTLEMENT_DISPUTE, now)
    waiting._replace(reminders=reminders, since=now).watch(tx, due_by(context, SETTLEMENT_DISPUTE, now, _USUAL))


def _nobodys(region: str, waiting: Waiting, since: datetime) -> SettlementStatement:
    """The statement that the first region has yet to propose."""
    first, second = sorted((region, waiting.region))
    terms = SettlementTerms(first_region=first, second_region=second, month=waiting.month)
    return SettlementStatement(id=statement_id(terms), terms=terms, propose_time=to_timestamp(since))


def _facts(context: RegionContext, statement: SettlementStatement) -> Facts:
    """The first region made the statement; the duty is that of this one."""
    return Facts(
        name=statement.id,
        origin=statement.terms.first_region,
        owner=context.region,
        operator="",
        version=statement.terms.version,
        state=statement.state,
        created=statement.propose_time,
        number="",
        home="",
    )
