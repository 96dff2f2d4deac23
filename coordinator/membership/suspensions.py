"""The statements of administrators with which calls suspend a region, or reinstate it."""

from datetime import datetime

from coordinator.registry.port import Snapshot
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid, problem_of
from gateway.federation.revisions import Chain, RevisionRefused
from gateway.federation.suspensions import ProvenSuspension, proven, require_present
from gateway.time.clock import BETWEEN_TRUSTED, to_microseconds


def required_statement(
    snapshot: Snapshot, signed: SignedSuspension | None, region: str, now: datetime, *, suspended: bool, note: str = ""
) -> ProvenSuspension | None:
    """The statement that an administrator's call needs; None for a coordinator without an anchor.

    Raises Refused with SUSPENSION_UNSIGNED, ANCHOR_MISSING, or REQUEST_INVALID for a statement that says otherwise than
    the call; and as `kept_statement`, too.
    """
    if snapshot.chain is None:
        if signed is not None:
            raise Refused(Reason.REASON_ANCHOR_MISSING)
        return None
    if signed is None:
        raise Refused(Reason.REASON_SUSPENSION_UNSIGNED)
    found = kept_statement(snapshot.chain, signed, now)
    try:
        require_present(found, snapshot.chain)
    except RevisionRefused as refused:
        raise _unproven(refused) from None
    statement = found.statement
    if (statement.region, statement.suspended, statement.note) != (region, suspended, note):
        raise invalid("signed", "says otherwise than the call", "与本次请求不符")
    return found


def kept_statement(chain: Chain, signed: SignedSuspension, now: datetime) -> ProvenSuspension:
    """A statement, proven. Raises Refused with SUSPENSION_UNPROVEN, or CLOCK_UNTRUSTED for one of the future."""
    try:
        found = proven(signed, chain)
    except RevisionRefused as refused:
        raise _unproven(refused) from None
    if found.statement.sign_time_us > to_microseconds(now + BETWEEN_TRUSTED):
        raise Refused(Reason.REASON_CLOCK_UNTRUSTED)
    return found


def _unproven(refused: RevisionRefused) -> Refused:
    return Refused(Reason.REASON_SUSPENSION_UNPROVEN, **problem_of(refused))
