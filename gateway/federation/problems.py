"""What the header of a problem of the network says. Pure."""

from gateway.api.federation.v1.problem_pb2 import NETWORK_CONDITION_DEGRADED, ProblemHeader


def is_cause_known(header: ProblemHeader) -> bool:
    """Whether its root cause is claimed. A coordinator that does not judge how sure it is has always claimed it."""
    return not header.HasField("confidence") or header.confidence > 0


def was_down(header: ProblemHeader) -> bool:
    """Whether something of it was down, and not degraded alone. A coordinator that does not tell the two apart has
    always taken it for down."""
    return header.HasField("down_start_time") or header.condition != NETWORK_CONDITION_DEGRADED
