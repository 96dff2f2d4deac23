"""The owner region's decisions on a fault: at its arrival, at customers' commands, at the limit.

One transaction each. Every Refused comes before the first write.
"""

import logging
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime, timedelta

from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand, FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultStep
from gateway.api.relay.v1.relay_pb2 import Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, invalid
from gateway.process import failpoints
from gateway.relay.outbox import receipts_about
from gateway.store.port import Transaction
from gateway.store.timers import Timer, cancel_timer, set_timer
from gateway.time.clock import to_timestamp
from region_node.network.agreements.of_faults import note_outages_of
from region_node.network.faults import notices, outages, parts, regional, rules, waiver
from region_node.network.faults.evidence import tell_fault
from region_node.network.faults.following import followed
from region_node.network.faults.rows import FaultRow, facts, find_fault, require_fault, update_fault
from region_node.network.faults.sending import send_update
from region_node.node.context import RegionContext
from region_node.node.payloads import parse
from region_node.tickets.border import require_caught_up
from region_node.tickets.sending import followers

_log = logging.getLogger(__name__)

REPAIR_TIMER = "fault-repair"  # the limit of the repair has passed
_JUST_AFTER = timedelta(microseconds=1)  # a repair at the end of the limit is in time
_FOR_WORD = timedelta(hours=1)  # for messages in transit from the owner region


def take_up(context: RegionContext, fault: Fault, now: datetime) -> None:
    """Makes this region the owner of a fault. `fault` is changed in place; the caller stores it."""
    fault.owner_region = context.region
    fault.severity = fault.report.severity or rules.MINOR
    fault.terminal_caused = fault.report.terminal_caused
    outages.set_first(context.federation, fault)
    expect(fault)
    fault.version = 1


def taken_up(
    tx: Transaction, context: RegionContext, row: FaultRow, now: datetime, *, informed: Sequence[str] = ()
) -> None:
    """Starts the timer of a stored fault's limit, and updates the followers but `informed`."""
    watch(tx, context, row.fault)
    changed(tx, context, Fault(), row.fault, now)
    for region in followers(facts(row.fault)):
        if region not in informed:
            send_update(tx, context, row, region, now)


def apply_command(tx: Transaction, context: RegionContext, asked: FaultCommand, now: datetime) -> Fault:
    """Executes the customer's command. Raises Refused before the first write."""
    row = require_fault(tx, asked.fault_id)
    fault, before, what = row.fault, deepcopy(row.fault), asked.WhichOneof("command")
    author = f"{fault.origin_region}/{asked.requester.staff_id}"
    rules.require_room(fault, asked.ByteSize(), rules.FAULT_LIMIT)
    match what:
        case "respond":
            rules.require_state(fault, "respond")
            rules.note(fault, author, asked.respond.text, now)
            _goes_on(context, fault, now)
        case "cancel":
            rules.require_state(fault, "cancel")
            outages.repair(fault, now)
            reason = asked.cancel.reason
            rules.enter(fault, rules.CANCELLED, now=now, region=fault.origin_region, reason=reason)
        case "decide_quote":
            rules.require_state(fault, "decide_quote")
            part, is_accepted = asked.decide_quote.part, asked.decide_quote.accepted
            parts.decide(fault, part, accepted=is_accepted)
            decided = FaultStep(price_accepted=part) if is_accepted else FaultStep(price_refused=part)
            rules.record(fault, author, decided, now, rules.FAULT_LIMIT)
            _goes_on(context, fault, now)
        case "reopen":
            reopen(context, fault, fault.origin_region, asked.reopen.reason, now)
        case "evaluate":
            rules.require_state(fault, "evaluate")
            rules.require_evaluation(asked.evaluate)
            fault.evaluation.CopyFrom(asked.evaluate)
        case _:
            raise invalid("command", "none is set", "未指定任何一项")
    keep_and_tell(tx, context, row, before, now, informed=_informed(fault))
    failpoints.reach("fault-commanded.before-commit")
    return fault


def _informed(fault: Fault) -> Sequence[str]:
    """The regions that need no update after a command, since its answer is complete.

    A home region that gives back rent is not among them: only its answer to an update names the outages.
    """
    is_waived = fault.home_region == fault.origin_region and outages.to_waive(fault)
    return () if is_waived else (fault.origin_region,)


def reopen(context: RegionContext, fault: Fault, region: str, reason: str, now: datetime) -> None:
    """Reopens a fault. `fault` is changed in place. Raises Refused."""
    rules.require_state(fault, "reopen")
    rules.require_room(fault, len(reason.encode()))
    rules.enter(fault, rules.IN_PROGRESS, now=now, region=region, reason=reason)
    fault.reopenings += 1
    fault.cause = FaultCause.FAULT_CAUSE_UNSPECIFIED
    fault.resolution = ""
    fault.ClearField("evaluation")
    outages.reopen(context.federation, fault, now)
    expect(fault)


def limit_has_passed(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Handles the end of the repair's limit, for a fault owned by this region or reported here."""
    row = find_fault(tx, timer.subject)
    if row is None:  # made unreadable since
        return
    if row.fault.owner_region != context.region:
        _nothing_was_heard(tx, context, row.fault, now)
        return
    before = deepcopy(row.fault)
    if not outages.note_breach(row.fault, now):
        return
    failpoints.reach("fault-late.before-commit")
    audit.append(tx, now=now, actor=f"region/{context.region}", action="MissRepairLimit", subject=row.fault.id)
    keep_and_tell(tx, context, row, before, now)


def note_waived(tx: Transaction, context: RegionContext, fault_id: str, receipt: ReceiptContent, now: datetime) -> None:
    """The home region has given back rent. Raises RevisionAwaited for a claim by a later configuration."""
    row = find_fault(tx, fault_id)
    if row is None or row.fault.owner_region != context.region:
        return
    before, waived = deepcopy(row.fault), parse(FaultWaived, receipt.result)
    if not _owe(tx, context, row.fault, waived, now):
        context.border.await_revision_of(receipt)
        _log.error("the region %s claims implausible rent for the fault %s", row.fault.home_region, fault_id)
    if waiver.take_over(row.fault, waived):
        keep_and_tell(tx, context, row, before, now)


def _owe(tx: Transaction, context: RegionContext, fault: Fault, waived: FaultWaived, now: datetime) -> bool:
    """Books the rent that the home region claims; what is implausible stays a difference of the reconciliation.

    Returns whether all of it is booked.
    """
    claimed = [each for each in waived.waived if each.HasField("owed")]
    booked = [regional.owe_rent(tx, context, fault, each, now) for each in claimed]
    return all(booked)


def tell_other_home(tx: Transaction, context: RegionContext, row: FaultRow, now: datetime) -> None:
    """Sends the update to the home region by the plan in force, where the assumed one was wrong.

    The assumed one has stored nothing of the fault, and has given back no rent.
    """
    take_home(tx, context, row, context.federation.number_plan.home_of(row.fault.report.number) or "", now)


def update_taken(tx: Transaction, context: RegionContext, row: FaultRow, region: str, now: datetime) -> None:
    """Looks whether another region than the followers has stored the fault: a number came back to its former home.

    Only a home region begins to follow by an update. It takes the place of a region that has taken none: else two
    regions could take the place of each other for ever.
    """
    fault = row.fault
    if region in followers(facts(fault)):
        return
    told = [ReceiptContent.FromString(each.content) for each in receipts_about(tx, fault.id, fault.home_region)]
    if all(each.outcome != Outcome.OUTCOME_ACCEPTED for each in told):
        take_home(tx, context, row, region, now)


def take_home(tx: Transaction, context: RegionContext, row: FaultRow, home: str, now: datetime) -> None:
    """Takes another region for the home region of the number from now on, and updates the followers."""
    fault, before = row.fault, deepcopy(row.fault)
    if fault.owner_region != context.region or home in ("", fault.home_region):
        return
    fault.home_region = home
    keep_and_tell(tx, context, row, before, now)


def follow_problem(
    tx: Transaction,
    context: RegionContext,
    fault_id: str,
    problem_id: str,
    root_cause: str,
    now: datetime,
    *,
    estimated_end: datetime | None = None,
) -> None:
    """Stores a coordinator's problem at its fault, and takes over the estimated end.

    Nothing happens to another region's fault, to an ended one, and without news.
    """
    row = find_fault(tx, fault_id)
    if row is None or row.fault.owner_region != context.region or row.fault.state not in rules.UNREPAIRED:
        return
    fault, before = row.fault, deepcopy(row.fault)
    fault.problem_id, fault.root_cause_id = problem_id, root_cause
    if estimated_end is not None:
        fault.expected_resolution_time.CopyFrom(to_timestamp(estimated_end))
    if fault == before:
        return
    keep_and_tell(tx, context, row, before, now)


def leave_problem(tx: Transaction, context: RegionContext, fault_id: str, problem_id: str, now: datetime) -> None:
    """Removes a coordinator's problem from a fault that follows it.

    Nothing happens to another region's fault, and to an ended one: its state was known then.
    """
    row = find_fault(tx, fault_id)
    if row is None or row.fault.state not in rules.UNREPAIRED or row.fault.problem_id != problem_id:
        return
    follow_problem(tx, context, fault_id, "", "", now)


def changed(tx: Transaction, context: RegionContext, before: Fault, fault: Fault, now: datetime) -> None:
    """Called in each transaction that changes a fault of this region, with its former and its new version."""
    tell_fault(tx, context, before, fault, now)
    note_outages_of(tx, context, before, fault, now)


def require_owned(tx: Transaction, context: RegionContext, fault_id: str, now: datetime) -> FaultRow:
    """A fault that this region decides on.

    Raises Refused with FAULT_NOT_FOUND, FAULT_NOT_RESPONSIBLE, and as `border.require_caught_up`.
    """
    row = require_fault(tx, fault_id)
    if row.fault.owner_region != context.region or not row.fault.version:
        raise Refused(Reason.REASON_FAULT_NOT_RESPONSIBLE, region=row.fault.owner_region)
    require_caught_up(context, tx, facts(row.fault), now)
    return row


def expect(fault: Fault) -> None:
    """Sets the limit as the customer's estimate, until staff estimate."""
    fault.expected_resolution_time.CopyFrom(fault.outages[-1].due_time)


def watch(tx: Transaction, context: RegionContext, fault: Fault) -> None:
    """Sets the timer of the limit, or removes one without effect.

    The origin region waits a little longer, for messages of the owner region.
    """
    timer_id, due = f"{REPAIR_TIMER}/{fault.id}", outages.due_of(fault)
    if due is None or fault.outages[-1].HasField("breach_time"):
        cancel_timer(tx, timer_id)
    else:
        after = _JUST_AFTER if fault.owner_region == context.region else _FOR_WORD
        set_timer(tx, timer_id, kind=REPAIR_TIMER, subject=fault.id, due=due + after)


def keep_and_tell(
    tx: Transaction,
    context: RegionContext,
    row: FaultRow,
    before: Fault,
    now: datetime,
    *,
    informed: Sequence[str] = (),
) -> None:
    """Stores a decision, handles its consequences here, and updates the followers but `informed`."""
    fault = row.fault
    fault.version += 1
    watch(tx, context, fault)
    followed(tx, context, before, row, now)
    changed(tx, context, before, fault, now)
    update_fault(tx, fault, now)
    for region in followers(facts(fault)):
        if region not in informed:
            send_update(tx, context, row, region, now)


def _nothing_was_heard(tx: Transaction, context: RegionContext, fault: Fault, now: datetime) -> None:
    """Alerts staff where the owner region has not reported on the repair: it is away, or forgets."""
    due = outages.due_of(fault)
    if due is None or now <= due or fault.outages[-1].HasField("breach_time"):
        return
    _log.warning("the limit of the fault %s has passed without word from the region %s", fault.id, fault.owner_region)
    notices.tell_unheard(tx, context, fault, len(fault.outages) - 1, now)


def _goes_on(context: RegionContext, fault: Fault, now: datetime) -> None:
    """Resumes the work after the customer's answer."""
    if fault.state == rules.PENDING:
        rules.enter(fault, rules.IN_PROGRESS, now=now, region=context.region, reason="customer answered")
