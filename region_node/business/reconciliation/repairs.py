"""The repair of a difference: staff of one region proposes it, staff of the other confirms it, and one region acts.

So no person repairs alone. The act is a normal one of its kind, in the transaction that takes the confirmation.
"""

from datetime import datetime, timedelta

from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairDecided, RepairProposed
from gateway.api.region.v1.reconciliation_pb2 import Difference, Repair, RepairAct, RepairState
from gateway.api.region.v1.reconciliation_service_pb2 import ProposeRepairRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.auditing import audit
from gateway.errors import Refused, lasting
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.reconciliation import rules
from region_node.business.reconciliation.port import Act, Reconciliation
from region_node.business.reconciliation.repair_rows import act_time, keep_repair, repairs_about, require_repair
from region_node.business.reconciliation.rows import find_difference, note_repair, record_of, require_open

SUBJECTS = "repair/"
NOTE_LIMIT, STAFF_LIMIT = 1000, 256  # characters
PROPOSED = RepairState.REPAIR_STATE_PROPOSED
CONFIRMED = RepairState.REPAIR_STATE_CONFIRMED
DONE = RepairState.REPAIR_STATE_DONE
REJECTED = RepairState.REPAIR_STATE_REJECTED
FAILED = RepairState.REPAIR_STATE_FAILED
_LIFETIME = timedelta(days=3650)  # the message waits however long the other region was away


def state_name(state: RepairState.ValueType) -> str:
    """The printed state, for example `proposed`."""
    return RepairState.Name(state).removeprefix("REPAIR_STATE_").lower()


def proposing_region(repair: Repair) -> str:
    """The region whose staff proposed a repair, with which its id begins."""
    return repair.id.partition("/")[0]


def propose(
    tx: Transaction, context: Reconciliation, repair_id: str, staff_id: str, asked: ProposeRepairRequest, now: datetime
) -> Repair:
    """Proposes the repair of an open difference to the other region.

    Raises Refused with DIFFERENCE_NOT_FOUND, REPAIR_STATE_FORBIDS beside another repair, and REPAIR_IMPOSSIBLE: for an
    act that the kind does not have, a record that one region lacks, and a correction while its money is on the way.
    """
    region = context.node.region
    difference = require_open(tx, context.kinds, asked.region, asked.record_kind, asked.serial)
    is_known = asked.act in context.kinds[asked.record_kind].repairs and asked.acting_region in (region, asked.region)
    if not is_known or not _is_repairable(difference, asked.act):
        raise Refused(Reason.REASON_REPAIR_IMPOSSIBLE, region=asked.acting_region, serial=asked.serial)
    _require_alone(tx, context, asked.record_kind, asked.serial, from_timestamp(difference.seen_time))
    repair = Repair(
        id=repair_id,
        deciding_region=asked.region,
        record_kind=asked.record_kind,
        serial=asked.serial,
        act=asked.act,
        acting_region=asked.acting_region,
        amount=_amount(difference, asked.act, acting_here=asked.acting_region == region),
        note=asked.note,
        proposer=f"{region}/{staff_id}",
        state=PROPOSED,
        create_time=to_timestamp(now),
    )
    keep_repair(tx, context.kinds, repair)
    note_repair(tx, asked.region, asked.record_kind, asked.serial, repair.id)
    message = RepairProposed(repair=repair).SerializeToString()
    _tell(tx, context, repair, asked.region, EnvelopeKind.ENVELOPE_KIND_REPAIR_PROPOSED, message, now)
    return repair


def decide(
    tx: Transaction, context: Reconciliation, repair_id: str, staff_id: str, now: datetime, *, confirmed: bool
) -> Repair:
    """Confirms or rejects a repair that the other region has proposed; a confirmed act of this region is done at once.

    Raises Refused with REPAIR_NOT_FOUND, REPAIR_NOT_RESPONSIBLE in the proposing region, REPAIR_STATE_FORBIDS,
    DIFFERENCE_NOT_FOUND for a correction of what this region has not found, REPAIR_IMPOSSIBLE for a correction that its
    difference does not need any more, and as the act.
    """
    repair = require_repair(tx, context.kinds, repair_id)
    region = context.node.region
    if repair.deciding_region != region:
        raise Refused(Reason.REASON_REPAIR_NOT_RESPONSIBLE, region=repair.deciding_region)
    if repair.state != PROPOSED:
        raise Refused(Reason.REASON_REPAIR_STATE_FORBIDS, state=state_name(repair.state))
    if confirmed:
        proposed = from_timestamp(repair.create_time)
        _require_alone(tx, context, repair.record_kind, repair.serial, proposed, but=repair.id)
        _require_needed(tx, context, repair, proposing_region(repair))
    is_ours = confirmed and repair.acting_region == region
    if is_ours:
        _act(tx, context, repair, proposing_region(repair), now)
        repair.act_time.CopyFrom(to_timestamp(now))
    repair.state = DONE if is_ours else CONFIRMED if confirmed else REJECTED
    repair.decider = f"{region}/{staff_id}"
    repair.decide_time.CopyFrom(to_timestamp(now))
    keep_repair(tx, context.kinds, repair)
    _tell_state(tx, context, repair, proposing_region(repair), now)
    return repair


def take_proposal(tx: Transaction, context: Reconciliation, repair: Repair) -> None:
    """Stores a proposal of another region."""
    keep_repair(tx, context.kinds, repair)
    note_repair(tx, proposing_region(repair), repair.record_kind, repair.serial, repair.id)


def take_decision(tx: Transaction, context: Reconciliation, known: Repair, told: Repair, now: datetime) -> None:
    """Follows the other region's decision: the proposing region acts if it is to, and reports the end of the act."""
    region = context.node.region
    known.state = told.state
    if told.state == DONE:
        known.act_time.CopyFrom(to_timestamp(now))
    if proposing_region(known) != region:
        keep_repair(tx, context.kinds, known)  # the report of the act
        return
    known.decider = told.decider
    known.decide_time.CopyFrom(told.decide_time)
    if told.state == CONFIRMED and known.acting_region == region:
        try:
            _require_needed(tx, context, known, known.deciding_region)
            _act(tx, context, known, known.deciding_region, now)
            known.state = DONE
            known.act_time.CopyFrom(to_timestamp(now))
        except Refused as refused:  # before the first write of the act; a temporary reason has the envelope sent again
            lasting(refused)
            known.state = FAILED
        _tell_state(tx, context, known, known.deciding_region, now)
    keep_repair(tx, context.kinds, known)


def _require_alone(
    tx: Transaction, context: Reconciliation, record_kind: str, serial: str, since: datetime, but: str = ""
) -> None:
    """Requires that no other repair of a record is under way, or was done since: two corrections would be one too many.

    So of proposals of both regions at once one has to be rejected first. Raises Refused with REPAIR_STATE_FORBIDS.
    """
    for each in repairs_about(tx, context.kinds, record_kind, serial):
        acted = act_time(each)
        is_recent = acted is not None and acted >= since
        if each.id != but and (is_recent or each.state in (PROPOSED, CONFIRMED)):
            raise Refused(Reason.REASON_REPAIR_STATE_FORBIDS, state=state_name(each.state))


def _require_needed(tx: Transaction, context: Reconciliation, repair: Repair, there: str) -> None:
    """Requires a correction to be that of the difference as this region has found it last.

    A difference may have closed, or changed, since the proposal: Refused with REPAIR_IMPOSSIBLE. A region that has not
    found it compares the day first, since it corrects nothing on the word of the other: DIFFERENCE_NOT_FOUND.
    """
    if repair.act != RepairAct.REPAIR_ACT_CORRECT:
        return
    known = find_difference(tx, context.kinds, there, repair.record_kind, repair.serial)
    if known is None:
        raise Refused(Reason.REASON_DIFFERENCE_NOT_FOUND, serial=repair.serial)
    needed = _amount(known, repair.act, acting_here=repair.acting_region == context.node.region)
    is_repairable = not known.HasField("closed_time") and _is_repairable(known, repair.act)
    if not is_repairable or needed != repair.amount:
        raise Refused(Reason.REASON_REPAIR_IMPOSSIBLE, region=repair.acting_region, serial=repair.serial)


def _act(tx: Transaction, context: Reconciliation, repair: Repair, there: str, now: datetime) -> None:
    """Does the act of a confirmed repair here. Raises Refused with REPAIR_IMPOSSIBLE before its first write."""
    act = context.kinds[repair.record_kind].repairs.get(repair.act)
    if act is None:
        raise Refused(Reason.REASON_REPAIR_IMPOSSIBLE, region=context.node.region, serial=repair.serial)
    act(tx, context.node, Act(repair.id, repair.serial, there, repair.amount.minor_units), now)
    actor = f"region/{context.node.region}"
    detail = f"{RepairAct.Name(repair.act)}, {repair.id}, proposed by {repair.proposer}"
    audit.append(tx, now=now, actor=actor, action="Repair", subject=repair.serial, detail=detail)


def _is_repairable(difference: Difference, act: RepairAct.ValueType) -> bool:
    """Whether both regions have the record; a correction of an open one would be one too many once it settles."""
    has_both = difference.HasField("here") and difference.HasField("there")
    is_open = rules.OPEN in (difference.here.standing, difference.there.standing)
    return has_both and not (act == RepairAct.REPAIR_ACT_CORRECT and is_open)


def _amount(difference: Difference, act: RepairAct.ValueType, *, acting_here: bool) -> Money | None:
    if act != RepairAct.REPAIR_ACT_CORRECT:
        return None
    here, there = record_of(difference.here), record_of(difference.there)
    currency = here.currency or there.currency
    return Money(minor_units=rules.correction(here, there, acting_here=acting_here), currency=currency)


def _tell_state(tx: Transaction, context: Reconciliation, repair: Repair, region: str, now: datetime) -> None:
    message = RepairDecided(repair=repair).SerializeToString()
    _tell(tx, context, repair, region, EnvelopeKind.ENVELOPE_KIND_REPAIR_DECIDED, message, now)


def _tell(
    tx: Transaction,
    context: Reconciliation,
    repair: Repair,
    region: str,
    kind: EnvelopeKind.ValueType,
    message: bytes,
    now: datetime,
) -> None:
    """Sends the state of a repair. Its id names the state, so each state is told once."""
    outgoing = OutgoingEnvelope(
        envelope_id=f"{repair.id}@{state_name(repair.state)}>{region}",
        destination=region,
        kind=kind,
        payload=message,
        subject=f"{SUBJECTS}{repair.id}",
        operator="",
        lifetime=_LIFETIME,
    )
    send(tx, context.node.border, outgoing, now=now, traceparent="")
