"""The life of an approval, from the proposal to the act. Pure.

Any member of the region's staff but the proposer may confirm, so no absent colleague holds up a limit of the law.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from gateway.api.region.v1.approval_service_pb2 import ApprovalState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.values.names import snake_case
from gateway.values.requesters import is_same_person

PROPOSED = ApprovalState.APPROVAL_STATE_PROPOSED
CONFIRMED = ApprovalState.APPROVAL_STATE_CONFIRMED
REJECTED = ApprovalState.APPROVAL_STATE_REJECTED
DONE = ApprovalState.APPROVAL_STATE_DONE
EXPIRED = ApprovalState.APPROVAL_STATE_EXPIRED
TRANSITIONS: Mapping[ApprovalState.ValueType, frozenset[ApprovalState.ValueType]] = {
    PROPOSED: frozenset({CONFIRMED, REJECTED, EXPIRED}),
    CONFIRMED: frozenset({DONE, REJECTED, EXPIRED}),  # a confirmation may be a thief's
}
TO_DECIDE = timedelta(days=7)
"""The time for the decision: our own limit, short enough to ask once more within a limit of the law."""
TO_DECIDE_OF_PROVIDER = timedelta(days=1)
"""As TO_DECIDE, where an identity provider vouches for the proposer: no node hears whom a provider locks out."""
TO_ACT = timedelta(days=1)
"""The time for the act from its confirmation."""


def time_to_decide(certificates: bytes | None) -> timedelta:
    """The time for the decision on a proposal, by the certificates of its proposer; None for those of a provider."""
    return TO_DECIDE if certificates else TO_DECIDE_OF_PROVIDER


def state_at(state: ApprovalState.ValueType, expires: datetime, now: datetime) -> ApprovalState.ValueType:
    """The state at an instant: a proposal and a confirmation end by themselves."""
    return EXPIRED if state in TRANSITIONS and now >= expires else state


def state_name(state: ApprovalState.ValueType) -> str:
    """The printed state, for example `proposed`."""
    return snake_case(ApprovalState.DESCRIPTOR, state)


def require_decidable(state: ApprovalState.ValueType, wanted: ApprovalState.ValueType) -> None:
    """Raises Refused with APPROVAL_STATE_FORBIDS unless the state leads to the wanted one."""
    if wanted not in TRANSITIONS.get(state, ()):
        raise Refused(Reason.REASON_APPROVAL_STATE_FORBIDS, state=state_name(state))


def require_another(proposer: str, decider: str) -> None:
    """Four eyes: raises Refused with APPROVER_IS_PROPOSER where one member of staff would decide on an own proposal."""
    if is_same_person(proposer, decider):
        raise Refused(Reason.REASON_APPROVER_IS_PROPOSER)
