"""How a call is repeated, and how a watch goes on: what calls of threads and of asyncio have in common."""

import copy
import logging
import math
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.client.failures import Refused, Unanswered, failure_of, unanswered

if TYPE_CHECKING:
    from tenacity import RetryCallState

PATIENCE = 60.0  # seconds for a call with all its repeats, where the call names no timeout
_SECONDS = 15.0  # for one attempt, beyond the time that its request lets it wait for the home region
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts
_LONGEST_TOLD = 600.0  # seconds that a server may have a caller wait: the longest of any reason
_FULL = 60.0  # seconds that a watch which goes on is refused a place: its last stream may still have it
_DOUBLINGS = 8  # more make no pause longer
_TOKEN = "token"  # noqa: S105 - the field of a watch that says from where it resumes
# A server, or a proxy, decides so about a caller without looking for what an earlier attempt did.
_AT_THE_DOOR = (
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
)

Failure = Refused | Unanswered
_log = logging.getLogger(__name__)


M = TypeVar("M", bound=Message)
W = TypeVar("W", bound=Message)


def page_after(request: M, page: Message) -> M | None:
    """The request for the next page of a list; None after the last."""
    token = getattr(page, "next_page_token", "")
    if not token:
        return None
    asked = copy.deepcopy(request)
    setattr(asked, "page_token", token)  # noqa: B010 - not a field of every message
    return asked


def may_pass(failure: BaseException) -> bool:
    """Whether the same request is sent again after a failure."""
    refused = failure.refused if isinstance(failure, Unanswered) else failure
    return refused.is_temporary if isinstance(refused, Refused) else isinstance(failure, Unanswered)


def pause(failures: int, retry_after: float | None) -> float:
    """The seconds before an attempt after so many failures in a row: at random, and beyond the time of the server."""
    bound = min(_LONGEST_PAUSE, _SHORTEST_PAUSE * 2.0 ** min(failures - 1, _DOUBLINGS))
    return min(retry_after or 0.0, _LONGEST_TOLD) + random.uniform(bound / 2, bound)


def pause_of(state: "RetryCallState") -> float:
    """The same pause, in tenacity's form."""
    failure = state.outcome.exception() if state.outcome is not None else None
    told = failure.retry_after if isinstance(failure, Refused | Unanswered) else None
    return pause(state.attempt_number, told)


class Attempts:
    """The attempts of one call: how long each may take, and what all their failures say."""

    def __init__(self, request: object, seconds: float) -> None:
        wait = getattr(request, "wait", None)
        self._longest = _SECONDS + (wait.ToTimedelta().total_seconds() if isinstance(wait, Duration) else 0.0)
        self._end = time.monotonic() + seconds
        self._is_open = False

    def seconds(self) -> float:
        """The time for the next attempt."""
        return max(0.0, min(self._longest, self._end - time.monotonic()))

    def failed(self, error: grpc.RpcError) -> Failure:
        """The failure of an attempt.

        After one without an answer, a refusal that passes, or that looks at the caller alone, leaves the outcome open.
        """
        failure = failure_of(error)
        if isinstance(failure, Unanswered):
            self._is_open = True
        elif self._is_open and (failure.is_temporary or failure.code() in _AT_THE_DOOR):
            return unanswered(failure)
        return failure


def tell_log(failure: Failure) -> None:
    """Logs that a watch was interrupted and goes on."""
    _log.warning("a watch was interrupted, it is begun again: %s", failure)


class Watch(Generic[W]):
    """A watch that goes on after the last message, whatever cuts it.

    A stream without tokens has the present state: it begins anew, and ends when the node ends it.
    """

    def __init__(self, request: W, patience: float, tell: Callable[[Failure], None]) -> None:
        self.request = copy.deepcopy(request)
        """For the next stream: from the last message on."""
        self._patience = patience
        self._tell = tell
        self._failures = 0
        self._end = self._full_end = math.inf
        self._is_new = False
        self._last: Message | None = None

    def takes(self, message: Message) -> bool:
        """Takes in a message. False for the first one of a resumed stream that repeats the last state or the token."""
        token = self._token_of(message)
        is_token_alone = bool(token) and token == self._token_of(self.request) and len(message.ListFields()) == 1
        repeats = self._is_new and (is_token_alone or message == self._last)
        self._is_new, self._failures, self._last = False, 0, message
        self._full_end = math.inf
        if token:
            setattr(self.request, _TOKEN, token)
        return not repeats

    def seconds_after(self, error: grpc.RpcError | None) -> float:
        """The pause after which the stream is begun again. None is the error of a stream that the node has ended.

        Raises Refused or Unanswered where that is in vain, and after the patience without a message. WATCHES_TOO_MANY
        passes for a minute where the watch goes on: the node may not have noticed yet that the last stream is cut.
        """
        ended = Unanswered("the node ended the stream", grpc.StatusCode.UNAVAILABLE)
        failure = ended if error is None else failure_of(error)
        goes_on = self._last is not None or bool(self._token_of(self.request))
        is_full = isinstance(failure, Refused) and failure.reason == Reason.REASON_WATCHES_TOO_MANY
        if not (may_pass(failure) or (is_full and goes_on)):
            raise failure from error
        now = time.monotonic()
        self._full_end = min(self._full_end, now + _FULL) if is_full else math.inf
        if self._failures == 0:
            self._end = now + self._patience
            self._tell(failure)
        self._failures += 1
        seconds = pause(self._failures, failure.retry_after)
        if now + seconds >= min(self._end, self._full_end):
            raise failure from error
        self._is_new = goes_on
        return seconds

    @property
    def ends(self) -> bool:
        """Whether the node ends the stream by itself, and not only when the node stops."""
        return _TOKEN not in self.request.DESCRIPTOR.fields_by_name or getattr(self.request, "only_past", False) is True

    @staticmethod
    def _token_of(message: Message) -> str:
        return str(getattr(message, _TOKEN, ""))
