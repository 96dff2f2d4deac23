"""The repair of a difference: staff of one region proposes it, staff of the other confirms it, and one region acts.

So no person repairs alone. The act is a normal one of its kind, in the transaction that takes the confirmation. A lost
record takes one step more: the acting region sends evidence, and the region that has lost the record books it.
"""

from datetime import datetime, timedelta

from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairDecided, RepairEvidence, RepairProposed
from gateway.api.region.v1.reconciliation_pb2 import (
    Difference,
    RecordStanding,
    Repair,
    RepairAct,
    RepairState,
)
from gateway.api.region.v1.reconciliation_service_pb2 import ProposeRepairRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.auditing import audit
from gateway.errors import Refused, lasting
from gateway.relay.envelopes import CONTENT_LIMIT, OutgoingEnvelope
from gateway.relay.outbox import send
from gateway.security.peers import Certificates, pem_of
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.values.names import snake_case
from region_node.approvals.proposals import counts
from region_node.approvals.rules import TO_DECIDE, time_to_decide
from region_node.business.reconciliation import rules
from region_node.business.reconciliation.nightly import compare_soon
from region_node.business.reconciliation.port import Act, Reconciliation, SettledKind
from region_node.business.reconciliation.repair_rows import (
    act_time,
    certificates_of_proposer,
    find_repair,
    is_under_way,
    keep_proposer,
    keep_repair,
    repairs_about,
    require_repair,
)
from region_node.business.reconciliation.rows import find_difference, note_repair, open_day, record_of, require_open
from region_node.requests.checks import require_size

SUBJECTS = "repair/"
NOTE_LIMIT, STAFF_LIMIT = 1000, 256  # characters
CHAIN_LIMIT = 16 * 1024  # bytes of the certificates of a proposer
PROPOSED = RepairState.REPAIR_STATE_PROPOSED
CONFIRMED = RepairState.REPAIR_STATE_CONFIRMED
DONE = RepairState.REPAIR_STATE_DONE
REJECTED = RepairState.REPAIR_STATE_REJECTED
FAILED = RepairState.REPAIR_STATE_FAILED
EXPIRED = RepairState.REPAIR_STATE_EXPIRED
RESTORE = RepairAct.REPAIR_ACT_RESTORE
_LARGEST_EVIDENCE = CONTENT_LIMIT - 4096  # bytes: ids and times of the envelope take less than the rest
_LIFETIME = timedelta(days=3650)  # the message waits however long the other region was away
_AFTER_ACT = timedelta(seconds=1)  # a comparison that begins with the act could not tell which of both came first


def state_name(state: RepairState.ValueType) -> str:
    """The printed state, for example `proposed`."""
    return snake_case(RepairState.DESCRIPTOR, state)


def proposing_region(repair: Repair) -> str:
    """The region whose staff proposed a repair, with which its id begins."""
    return repair.id.partition("/")[0]


def next_states(repair: Repair, sender: str) -> tuple[RepairState.ValueType, ...]:
    """The states to which a region may bring a repair by its word.

    That a record was restored is no word of anybody: the region that books it knows.
    """
    acts, restores = repair.acting_region == sender, repair.act == RESTORE
    if repair.deciding_region == sender and repair.state == PROPOSED:
        return (REJECTED, CONFIRMED if not acts else FAILED if restores else DONE)
    if proposing_region(repair) == sender and acts and repair.state == CONFIRMED:
        return (FAILED,) if restores else (DONE, FAILED)
    return ()


def awaits_evidence(repair: Repair, sender: str) -> bool:
    """Whether a region may send the evidence of a repair now; that of the deciding region is its decision as well."""
    is_next = CONFIRMED if proposing_region(repair) == sender else PROPOSED
    is_of_pair = sender in (proposing_region(repair), repair.deciding_region)
    return repair.act == RESTORE and repair.acting_region == sender and is_of_pair and repair.state == is_next


def told_state(tx: Transaction, context: Reconciliation, repair: Repair, now: datetime) -> RepairState.ValueType:
    """The state of a repair for answers to people: a proposal that has ended is expired."""
    return EXPIRED if repair.state == PROPOSED and not _counts(tx, context, repair, now) else repair.state


def propose(
    tx: Transaction,
    context: Reconciliation,
    repair_id: str,
    staff_id: str,
    certificates: Certificates,
    asked: ProposeRepairRequest,
    now: datetime,
) -> Repair:
    """Proposes the repair of an open difference to the other region.

    The proposal ends as one of an approval. The certificates are those of the proposer, as `Call.staff_certificates`.
    Raises Refused with DIFFERENCE_NOT_FOUND, REPAIR_STATE_FORBIDS beside another repair, and REPAIR_IMPOSSIBLE: for an
    act that the kind does not have, another act than to restore a record that one region lacks, and a correction while
    its money is on the way. RECORD_NOT_RESTORABLE for a kind without evidence. A region that has the record raises
    RECORD_NOT_PROVEN without evidence of it.
    """
    region = context.node.region
    difference = require_open(tx, context.kinds, asked.region, asked.record_kind, asked.serial)
    acts_here, kind = asked.acting_region == region, context.kinds[asked.record_kind]
    if asked.act == RESTORE and kind.restoring is None:
        lost = asked.region if acts_here else region
        raise Refused(Reason.REASON_RECORD_NOT_RESTORABLE, kind=kind.name, region=lost)
    is_known = _has_act(kind, asked.act) and asked.acting_region in (region, asked.region)
    if not is_known or not _is_repairable(difference, asked.act, acts_here=acts_here):
        raise Refused(Reason.REASON_REPAIR_IMPOSSIBLE, region=asked.acting_region, serial=asked.serial)
    if asked.act == RESTORE and acts_here and kind.restoring is not None:
        kind.restoring.evidence(tx, context.node, Act(repair_id, asked.serial, asked.region, 0))
    _require_alone(tx, context, asked.record_kind, asked.serial, from_timestamp(difference.seen_time), now)
    chain = pem_of(certificates)
    repair = Repair(
        id=repair_id,
        deciding_region=asked.region,
        record_kind=asked.record_kind,
        serial=asked.serial,
        act=asked.act,
        acting_region=asked.acting_region,
        amount=_amount(difference, asked.act, acts_here=acts_here),
        note=asked.note,
        proposer=f"{region}/{staff_id}",
        state=PROPOSED,
        create_time=to_timestamp(now),
        expire_time=to_timestamp(now + time_to_decide(chain or None)),
    )
    keep_repair(tx, context.kinds, repair)
    keep_proposer(tx, repair.id, chain)
    note_repair(tx, asked.region, asked.record_kind, asked.serial, repair.id)
    message = RepairProposed(repair=repair, proposer_certificates=chain).SerializeToString()
    _tell(tx, context, repair, asked.region, EnvelopeKind.ENVELOPE_KIND_REPAIR_PROPOSED, message, now)
    return repair


def decide(
    tx: Transaction, context: Reconciliation, repair_id: str, staff_id: str, now: datetime, *, confirmed: bool
) -> Repair:
    """Confirms or rejects a repair that the other region has proposed; a confirmed act of this region is done at once.

    Raises Refused with REPAIR_NOT_FOUND, REPAIR_NOT_RESPONSIBLE in the proposing region, REPAIR_STATE_FORBIDS,
    PROPOSER_CERTIFICATE_REVOKED, DIFFERENCE_NOT_FOUND for what this region has not found, REPAIR_IMPOSSIBLE for an act
    that its difference does not need any more, and as the act.
    """
    repair = require_repair(tx, context.kinds, repair_id)
    region = context.node.region
    if repair.deciding_region != region:
        raise Refused(Reason.REASON_REPAIR_NOT_RESPONSIBLE, region=repair.deciding_region)
    if repair.state != PROPOSED:
        raise Refused(Reason.REASON_REPAIR_STATE_FORBIDS, state=state_name(repair.state))
    if confirmed:
        _require_counts(tx, context, repair, now)
        proposed = from_timestamp(repair.create_time)
        _require_alone(tx, context, repair.record_kind, repair.serial, proposed, now, but=repair.id)
        _require_needed(tx, context, repair, proposing_region(repair))
    repair.state = CONFIRMED if confirmed else REJECTED
    repair.decider = f"{region}/{staff_id}"
    repair.decide_time.CopyFrom(to_timestamp(now))
    if confirmed and repair.acting_region == region:
        _act(tx, context, repair, proposing_region(repair), now)
    keep_repair(tx, context.kinds, repair)
    if not _is_on_its_way(repair, region):
        _tell_state(tx, context, repair, proposing_region(repair), now)
    return repair


def take_proposal(tx: Transaction, context: Reconciliation, repair: Repair, certificates: bytes) -> None:
    """Stores a proposal of another region, with the certificates of its proposer as `pem_of`."""
    keep_repair(tx, context.kinds, repair)
    keep_proposer(tx, repair.id, certificates)
    note_repair(tx, proposing_region(repair), repair.record_kind, repair.serial, repair.id)


def take_decision(tx: Transaction, context: Reconciliation, known: Repair, told: Repair, now: datetime) -> None:
    """Follows the other region's decision: the proposing region acts if it is to, and reports the end of the act."""
    region = context.node.region
    known.state, known.failure = told.state, told.failure
    if told.state == DONE:
        _end(tx, context, known, now)
    if proposing_region(known) != region:
        keep_repair(tx, context.kinds, known)  # the report of the act
        return
    _take_decider(known, told)
    if told.state == CONFIRMED and known.acting_region == region:
        try:
            _require_counts(tx, context, known, from_timestamp(told.decide_time))
            _require_needed(tx, context, known, known.deciding_region)
            _act(tx, context, known, known.deciding_region, now)
        except Refused as refused:  # before the first write of the act; a temporary reason has the envelope sent again
            known.state, known.failure = FAILED, lasting(refused).reason
        if not _is_on_its_way(known, region):
            _tell_state(tx, context, known, known.deciding_region, now)
    keep_repair(tx, context.kinds, known)


def take_evidence(
    tx: Transaction, context: Reconciliation, known: Repair, told: RepairEvidence, there: str, now: datetime
) -> None:
    """Books a record that this region has lost, by the evidence of the other one; both have agreed to that.

    Raises Refused before the first write: with PROPOSER_CERTIFICATE_REVOKED, DIFFERENCE_NOT_FOUND, REPAIR_IMPOSSIBLE,
    REPAIR_STATE_FORBIDS for a proposal that had ended, or as the kind restores.
    """
    restoring = context.kinds[known.record_kind].restoring
    decided = told.repair if known.state == PROPOSED else known
    _require_counts(tx, context, known, from_timestamp(decided.decide_time))
    lost = _require_needed(tx, context, known, there)
    if restoring is None or lost is None:
        raise Refused(Reason.REASON_REPAIR_IMPOSSIBLE, region=there, serial=known.serial)
    restoring.restore(tx, context.node, Act(known.id, known.serial, there, lost.there.amount.minor_units), told, now)
    if known.state == PROPOSED:
        _take_decider(known, told.repair)
    _note_done(tx, context, known, now)
    keep_repair(tx, context.kinds, known)


def evidence_answered(
    tx: Transaction, context: Reconciliation, repair_id: str, failure: Reason.ValueType, now: datetime
) -> None:
    """The other region has booked the record; or it has not, with a reason, and hears that the repair has failed."""
    repair = find_repair(tx, context.kinds, repair_id)
    if repair is None or repair.state != CONFIRMED:
        return
    if not failure:
        _end(tx, context, repair, now)
    else:
        repair.state, repair.failure = FAILED, failure
        _tell_state(tx, context, repair, _other_region(repair, context.node.region), now)
    keep_repair(tx, context.kinds, repair)


def evidence_subject(context: Reconciliation, record_kind: str, serial: str) -> str | None:
    """The subject of the envelope with the evidence of a record; None for a kind without any."""
    kind = context.kinds.get(record_kind)
    return None if kind is None or kind.restoring is None else kind.restoring.about(serial)


def _require_alone(
    tx: Transaction,
    context: Reconciliation,
    record_kind: str,
    serial: str,
    since: datetime,
    now: datetime,
    but: str = "",
) -> None:
    """Requires that no other repair of a record is under way, or was done since: two corrections would be one too many.

    So of proposals of both regions at once one has to be rejected first, also an ended one: its confirmation may be on
    the way here. An ended proposal hinders no other one to the same region, which confirms one after the other. `but`
    is the repair that is decided on here. Raises Refused with REPAIR_STATE_FORBIDS.
    """
    for each in repairs_about(tx, context.kinds, record_kind, serial):
        acted = act_time(each)
        is_recent = acted is not None and acted >= since
        may_be_confirmed = but and each.deciding_region != context.node.region
        is_open = is_under_way(each) and (may_be_confirmed or told_state(tx, context, each, now) != EXPIRED)
        if each.id != but and (is_recent or is_open):
            raise Refused(Reason.REASON_REPAIR_STATE_FORBIDS, state=state_name(each.state))


def _counts(tx: Transaction, context: Reconciliation, repair: Repair, now: datetime) -> bool:
    """Whether a proposal may be confirmed."""
    return counts(_expiry(repair), certificates_of_proposer(tx, repair.id), context.node, now)


def _expiry(repair: Repair) -> datetime:
    expires = from_timestamp(repair.create_time) + TO_DECIDE
    return min(expires, from_timestamp(repair.expire_time)) if repair.HasField("expire_time") else expires


def _require_counts(tx: Transaction, context: Reconciliation, repair: Repair, decided: datetime) -> None:
    """Raises Refused with PROPOSER_CERTIFICATE_REVOKED or REPAIR_STATE_FORBIDS where a proposal had ended by then."""
    if context.node.border.keys.revocations.names_any(certificates_of_proposer(tx, repair.id)):
        reason = Reason.REASON_PROPOSER_CERTIFICATE_REVOKED
        raise Refused(reason, proposer=repair.proposer, approval=repair.id)
    if decided >= _expiry(repair):
        raise Refused(Reason.REASON_REPAIR_STATE_FORBIDS, state=state_name(EXPIRED))


def _require_needed(tx: Transaction, context: Reconciliation, repair: Repair, there: str) -> Difference | None:
    """Requires a correction, or a restored record, to be that of the difference as this region has found it last.

    Returns that difference; None for an act that needs none.

    A difference may have closed, or changed, since the proposal: Refused with REPAIR_IMPOSSIBLE. A region that has not
    found it compares the day first, since it books nothing on the word of the other: DIFFERENCE_NOT_FOUND.
    """
    if repair.act not in (RepairAct.REPAIR_ACT_CORRECT, RESTORE):
        return None
    known = find_difference(tx, context.kinds, there, repair.record_kind, repair.serial)
    if known is None:
        raise Refused(Reason.REASON_DIFFERENCE_NOT_FOUND, serial=repair.serial)
    acts_here = repair.acting_region == context.node.region
    needed = _amount(known, repair.act, acts_here=acts_here)
    is_repairable = not known.HasField("closed_time") and _is_repairable(known, repair.act, acts_here=acts_here)
    if not is_repairable or (needed is not None and needed != repair.amount):
        raise Refused(Reason.REASON_REPAIR_IMPOSSIBLE, region=repair.acting_region, serial=repair.serial)
    return known


def _act(tx: Transaction, context: Reconciliation, repair: Repair, there: str, now: datetime) -> None:
    """Does the act of a confirmed repair here. Raises Refused with REPAIR_IMPOSSIBLE before its first write.

    A repair that restores a record is not done yet: its evidence is on the way.
    """
    kind, wanted = context.kinds[repair.record_kind], Act(repair.id, repair.serial, there, repair.amount.minor_units)
    if repair.act == RESTORE and kind.restoring is not None:
        told = kind.restoring.evidence(tx, context.node, wanted)
        told.repair.CopyFrom(repair)
        require_size(told.ByteSize(), _LARGEST_EVIDENCE)
        subject, evidence = kind.restoring.about(repair.serial), EnvelopeKind.ENVELOPE_KIND_REPAIR_EVIDENCE
        _tell(tx, context, repair, there, evidence, told.SerializeToString(), now, subject=subject)
        return
    act = kind.repairs.get(repair.act)
    if act is None:
        raise Refused(Reason.REASON_REPAIR_IMPOSSIBLE, region=context.node.region, serial=repair.serial)
    act(tx, context.node, wanted, now)
    _note_done(tx, context, repair, now)


def _note_done(tx: Transaction, context: Reconciliation, repair: Repair, now: datetime) -> None:
    """Notes that this region has booked a repair."""
    _end(tx, context, repair, now)
    actor = f"region/{context.node.region}"
    detail = f"{RepairAct.Name(repair.act)}, {repair.id}, proposed by {repair.proposer}"
    audit.append(tx, now=now, actor=actor, action="Repair", subject=repair.serial, detail=detail)


def _end(tx: Transaction, context: Reconciliation, repair: Repair, now: datetime) -> None:
    """Notes that the act is done, and has the day compared once more: the difference closes by no act, but by that."""
    repair.state = DONE
    repair.act_time.CopyFrom(to_timestamp(now))
    there = _other_region(repair, context.node.region)
    day = open_day(tx, there, repair.record_kind, repair.serial)
    if day is not None:
        compare_soon(tx, there, day, now + _AFTER_ACT)


def _take_decider(known: Repair, told: Repair) -> None:
    known.decider = told.decider
    known.decide_time.CopyFrom(told.decide_time)


def _is_on_its_way(repair: Repair, region: str) -> bool:
    """Whether the evidence of this region speaks for it: no other message about the confirmation is sent."""
    return repair.act == RESTORE and repair.state == CONFIRMED and repair.acting_region == region


def _other_region(repair: Repair, region: str) -> str:
    proposing = proposing_region(repair)
    return repair.deciding_region if proposing == region else proposing


def _has_act(kind: SettledKind, act: RepairAct.ValueType) -> bool:
    return kind.restoring is not None if act == RESTORE else act in kind.repairs


def _is_repairable(difference: Difference, act: RepairAct.ValueType, *, acts_here: bool) -> bool:
    """Whether the copies of both regions allow an act.

    A record is restored by the one region that has it, settled; any other act needs the record of both. A correction of
    an open one would be one too many once it settles.
    """
    copies = (difference.here, difference.there) if acts_here else (difference.there, difference.here)
    standings = [each.standing for each in copies]
    if act == RESTORE:
        return standings == [rules.SETTLED, RecordStanding.RECORD_STANDING_UNSPECIFIED]
    has_both = difference.HasField("here") and difference.HasField("there")
    return has_both and not (act == RepairAct.REPAIR_ACT_CORRECT and rules.OPEN in standings)


def _amount(difference: Difference, act: RepairAct.ValueType, *, acts_here: bool) -> Money | None:
    if act != RepairAct.REPAIR_ACT_CORRECT:
        return None
    here, there = record_of(difference.here), record_of(difference.there)
    currency = here.currency or there.currency
    return Money(minor_units=rules.correction(here, there, acting_here=acts_here), currency=currency)


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
    *,
    subject: str = "",
) -> None:
    """Sends the state of a repair. Its id names the state, so each state is told once, by one kind of message."""
    outgoing = OutgoingEnvelope(
        envelope_id=f"{repair.id}@{state_name(repair.state)}>{region}",
        destination=region,
        kind=kind,
        payload=message,
        subject=subject or f"{SUBJECTS}{repair.id}",
        operator="",
        lifetime=_LIFETIME,
    )
    send(tx, context.node.border, outgoing, now=now, traceparent="")
