"""Proposing and confirming acts of a region. One transaction each."""

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.approval_service_pb2 import Approval, ApprovalAct
from gateway.api.region.v1.erasure_service_pb2 import ErasureReason
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.numberplan import normalize
from gateway.rpc.acting import not_proven
from gateway.security.peers import Certificates, pem_of
from gateway.security.revocations import Revocations
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, time_in, to_microseconds
from region_node.approvals import rules
from region_node.approvals.rows import APPROVALS, ApprovalRow, newest_of, require_row
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index
from region_node.requests.auditing import AuditedCall


@dataclass(frozen=True)
class Act:
    """An act that needs two people; the same content is the same act."""

    act: ApprovalAct.ValueType
    customer_id: str = ""
    number: str = field(default="", repr=False)
    """Of a reading, E.164."""
    purpose: str = ""
    reference: str = ""
    reason: ErasureReason.ValueType = ErasureReason.ERASURE_REASON_UNSPECIFIED


@dataclass(frozen=True)
class Decision:
    """The decision of a member of staff on a proposed act."""

    decider: str
    confirmed: bool
    number: str = field(default="", repr=False)
    """Of a reading, as the decider knows it; else empty."""
    certificates: Certificates = field(default=(), repr=False)
    """Of the decider, as `Call.staff_certificates`."""


@dataclass(frozen=True)
class Awaited:
    """The act waits for a second person: what the operation stored is kept, and its caller is refused."""

    approval: ApprovalRow

    def refused(self, context: RegionContext) -> Refused:
        """The refusal, with APPROVAL_AWAITED, whose time is in the zone of the region."""
        until = time_in(_zone(context), from_microseconds(self.approval.expire_time))
        return Refused(Reason.REASON_APPROVAL_AWAITED, approval=self.approval.approval_id, until=until)


def _zone(context: RegionContext) -> ZoneInfo:
    """That of the region; UTC without a configuration, since the act is stored and its caller has to know it."""
    try:
        return ZoneInfo(context.time_zone)
    except Refused:
        return ZoneInfo("UTC")


def approval_of(tx: Transaction, act: Act, call: AuditedCall, revocations: Revocations) -> ApprovalRow | Awaited:
    """The confirmed approval of a caller's act; without one the proposal, which is made unless it is there.

    Each caller needs an approval of its own. One with a revoked certificate ends, and the act is proposed anew. Raises
    Refused with STAFF_NOT_PROVEN where nobody has proven who proposes: a name that an operator system gives is no first
    person, even where the region believes it otherwise.
    """
    content = _content(tx, act, call.actor)
    known = newest_of(tx, content)
    state = None if known is None else known.state_at(call.now)
    if known is None or state not in rules.TRANSITIONS:
        return _proposed(tx, act, call, content, None)
    if _is_revoked(known, revocations):
        return _proposed(tx, act, call, content, known)
    return known if state == rules.CONFIRMED else Awaited(known)


def _proposed(tx: Transaction, act: Act, call: AuditedCall, content: str, former: ApprovalRow | None) -> Awaited:
    """The proposal of a caller's act. A former approval with a revoked certificate ends by it."""
    if not call.proven:
        problem, chinese = "a proven one proposes what two people do", "须由两人办理的事项须由身份经证明的员工提出"
        raise not_proven(call.actor, problem, chinese)
    time, certificates = to_microseconds(call.now), pem_of(call.certificates) or None
    row = ApprovalRow(
        approval_id=_free_id(tx, time),
        act=act.act,
        state=rules.PROPOSED,
        content=content,
        number=number_index(tx, act.number),
        customer_id=act.customer_id,
        purpose=act.purpose,
        reference=act.reference,
        reason=act.reason,
        caller=call.actor,
        proposer=call.proven,
        propose_time=time,
        expire_time=to_microseconds(call.now + rules.time_to_decide(certificates)),
        decider="",
        decide_time=None,
        proposer_certificates=certificates,
        decider_certificates=None,
    )
    told = ApprovalAct.Name(act.act)
    if former is not None:
        tx.update(APPROVALS, former._replace(state=rules.EXPIRED, expire_time=time))
        told = f"{told}, in place of {former.approval_id}, which a revoked certificate ends"
    tx.insert(APPROVALS, row)
    call.record(tx, "ProposeAct", row.approval_id, told)
    return Awaited(row)


def use(tx: Transaction, approval: ApprovalRow) -> None:
    """Notes that the act was done: the same act needs another approval."""
    tx.update(APPROVALS, approval._replace(state=rules.DONE))


def decide(tx: Transaction, approval_id: str, decision: Decision, revocations: Revocations, now: datetime) -> Approval:
    """A member of staff confirms a proposed act, or rejects one that is not done; proposers also reject their own.

    Raises Refused with APPROVAL_NOT_FOUND, APPROVAL_STATE_FORBIDS, APPROVER_IS_PROPOSER, with APPROVAL_DIFFERS where
    the number is not the one of the reading, and with PROPOSER_CERTIFICATE_REVOKED for a confirmation.
    """
    row = require_row(tx, approval_id)
    state = rules.CONFIRMED if decision.confirmed else rules.REJECTED
    rules.require_decidable(row.state_at(now), state)
    expires = row.expire_time
    if decision.confirmed:
        rules.require_another(row.proposer, decision.decider)
        if row.number and (not decision.number or number_index(tx, normalize(decision.number)) != row.number):
            raise Refused(Reason.REASON_APPROVAL_DIFFERS, approval=approval_id)
        if revocations.names_any(row.proposer_certificates):
            raise Refused(Reason.REASON_PROPOSER_CERTIFICATE_REVOKED, approval=approval_id, proposer=row.proposer)
        expires = to_microseconds(now + rules.TO_ACT)
    decided = row._replace(
        state=state,
        expire_time=expires,
        decider=decision.decider,
        decide_time=to_microseconds(now),
        decider_certificates=pem_of(decision.certificates) or None,
    )
    tx.update(APPROVALS, decided)
    return decided.message(now)


def _is_revoked(approval: ApprovalRow, revocations: Revocations) -> bool:
    """Whether a certificate of either person is revoked: a thief may have proposed the act, or confirmed it."""
    return any(map(revocations.names_any, (approval.proposer_certificates, approval.decider_certificates)))


def _content(tx: Transaction, act: Act, caller: str) -> str:
    told = (caller, str(act.act), act.customer_id, act.number, act.purpose, act.reference, str(act.reason))
    return vault.index_of(tx, "approval", "\0".join(told))


def _free_id(tx: Transaction, time: int) -> str:
    """An id by the time of the proposal; proposals of one instant have those of the next ones."""
    while tx.find(APPROVALS, f"approval-{time}") is not None:
        time += 1
    return f"approval-{time}"
