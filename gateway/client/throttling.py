"""Adaptive throttling: a client sends few of the calls that its server would refuse for want of room.

A server spends processor time on each refusal, and its client more. So while the server has calls of a method wait, by
google.rpc.RetryInfo, the client refuses further ones by itself. Chance lets some through: about `MOST_SENT` times as
many as the server takes, so that all of its room is used and found again ("Handling Overload" in Google's "Site
Reliability Engineering"). Once no refusal has come for the time of the RetryInfo, all calls go on.
"""

import math

import grpc

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.client.failures import Refused, failure_of
from gateway.errors import NO_ROOM

MOST_SENT = 2.0  # calls for each one that is taken
# Seconds in which the weight of a call falls to 1/e. With the two minutes of the book, minutes of rest would let the
# first seconds of a flood through, and the flood would hold up the calls of a minute after it.
MEMORY = 2.0
_SHORTEST = 1.0  # seconds for which a refusal counts that tells no time
_LONGEST = 60.0  # seconds for which one counts at most: no server keeps its clients away for longer
# Without a refusal in the status, the caller's own end of a call.
_BY_CALLER = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


def share_refused(asked: float, taken: float) -> float:
    """The share of the calls that a client refuses by itself, of its counts while its server lacks room."""
    return max(0.0, (asked - MOST_SENT * taken) / (asked + 1))


class Throttle:
    """The calls of one method at one server. Pure: times are monotonic, in seconds.

    A call counts as taken from its sending on: an answer may take longer than a refusal, and longer than the memory.
    """

    def __init__(self) -> None:
        self._asked = self._taken = 0.0
        self._counted = -math.inf
        self._until = -math.inf
        self._last: Refused | None = None

    def require_sent(self, now: float, chance: float) -> None:
        """Raises the server's last refusal, where a call is not to be sent. `chance` is of [0, 1).

        Its `retry_after` is the time that is left, and it `is_local`.
        """
        self._fade(now)
        share = share_refused(self._asked, self._taken)
        self._asked += 1
        if self._last is not None and now < self._until and chance < share:
            raise self._last.by_client(self._until - now)
        self._taken += 1

    def note(self, failure: grpc.RpcError, now: float) -> None:
        """Takes the failure of a call into account that was sent. Without one, the call stays taken.

        A server that refuses for another reason has taken the call. So has one whose caller ends the call before the
        answer. A server that is gone, and a proxy, tell nothing.
        """
        refused = _refusal_in(failure)
        if failure.code() in _BY_CALLER if refused is None else refused.reason not in NO_ROOM:
            return
        self._fade(now)
        self._taken = max(0.0, self._taken - 1)
        if refused is None:
            self._asked = max(0.0, self._asked - 1)
            return
        told = _SHORTEST if refused.retry_after is None else min(refused.retry_after, _LONGEST)
        self._until = max(self._until, now + told)
        self._last = refused

    def _fade(self, now: float) -> None:
        weight = math.exp(min(0.0, self._counted - now) / MEMORY)
        self._asked *= weight
        self._taken *= weight
        self._counted = now


def _refusal_in(failure: grpc.RpcError) -> Refused | None:
    """The refusal by a server of the contract, for a reason that this version knows; None without one."""
    named = failure_of(failure)
    refused = named if isinstance(named, Refused) else named.refused
    return refused if refused is not None and refused.reason != Reason.REASON_UNSPECIFIED else None
