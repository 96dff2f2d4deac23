"""What the header of a problem of the network says. Pure."""

from gateway.api.federation.v1.problem_pb2 import ProblemHeader


def is_cause_known(header: ProblemHeader) -> bool:
    """Whether its root cause is claimed. A coordinator that does not judge how sure it is has always claimed it."""
    return not header.HasField("confidence") or header.confidence > 0
