"""The caller of the gRPC method that is being served, and the forms that many requests share."""

from collections.abc import Collection, Sequence
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration

from gateway.errors import invalid
from gateway.process.tracing import current_traceparent
from gateway.rpc.calls import current_call
from region_node.requests.caller import Caller
from region_node.requests.checks import require_request_id, wait_seconds

State = TypeVar("State", bound=int)


def calling(request_id: str) -> Caller:
    """The caller with a request id. Raises Refused for a malformed id."""
    require_request_id(request_id)
    return caller_of(request_id)


def caller_of(request_id: str) -> Caller:
    """The caller with a request id that is checked elsewhere, or is not needed."""
    call = current_call()
    return Caller(call.identity, request_id, current_traceparent(), call.proof)


def patience(wait: Duration) -> float:
    """The seconds to wait for the other region, within the deadline of the call. Raises Refused out of range."""
    return current_call().patience(wait_seconds(wait.seconds + wait.nanos / 1e9))


def known_states(asked: Sequence[State], known: Collection[State]) -> list[State]:
    """The states of a filter, each once. Raises Refused for one that the contract does not know."""
    if not set(asked) <= set(known):
        raise invalid("states", "names an unknown state", "含未知状态")
    return sorted(set(asked))
