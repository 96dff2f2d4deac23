"""Readings of the header of a network problem. Pure."""

from gateway.api.federation.v1.problem_pb2 import NETWORK_CONDITION_DEGRADED, ProblemHeader


def is_cause_known(header: ProblemHeader) -> bool:
    """Whether the root cause is claimed. A coordinator that reports no confidence has always claimed it."""
    return not header.HasField("confidence") or header.confidence > 0


def was_down(header: ProblemHeader) -> bool:
    """Whether a part was down, and not only degraded. A coordinator that reports no difference means down."""
    return header.HasField("down_start_time") or header.condition != NETWORK_CONDITION_DEGRADED
