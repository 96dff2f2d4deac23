"""Callers that insist: the same request again, to whichever process answers, until their deadline."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
from tenacity import AsyncRetrying, retry_if_exception, stop_before_delay, wait_random_exponential

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable, is_temporary, reason_name
from gateway.rpc.channels import Replica, Replicas, invoke

# The only process of a region is away for two cold starts of a busy machine; a report tells how long calls really took.
DEADLINE = 120.0  # seconds for a call with all its repeats
_ATTEMPT = 6.0  # seconds for one attempt: more than an order waits for its home region
_SHORTEST_WAIT, _LONGEST_WAIT = 0.05, 0.5  # seconds before the same request again, at random up to a growing bound

Request = TypeVar("Request")
Response = TypeVar("Response")
Rpc = Callable[[grpc.aio.Channel], "grpc.aio.UnaryUnaryMultiCallable[Request, Response]"]
Send = Callable[[grpc.aio.Channel, float], Awaitable[Response]]
"""Sends a request once, with the seconds that are left. Raises Refused and Unreachable."""


@dataclass
class Call:
    """A call of one client with all its repeats. Times are of `time.monotonic`."""

    way: str
    """The caller, the server and the purpose."""
    begun: float
    ended: float = 0.0
    tries: int = 0
    hindrances: Counter[str] = field(default_factory=Counter)
    """Why it was repeated: reasons of the contract, else status codes."""
    failure: str = ""
    """The last failure where all repeats were in vain."""
    completed: bool = False
    """Whether it was an order that was completed when it was answered."""
    through: str = ""
    """The address of the process that answered."""

    @property
    def seconds(self) -> float:
        """How long the caller waited."""
        return self.ended - self.begun


class Journal:
    """All calls that have ended, in that order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._failed: list[Call] = []

    def note(self, call: Call) -> None:
        """Takes in a call that has ended."""
        self.calls.append(call)
        if call.failure:
            self._failed.append(call)

    def answered(self, begin: float, end: float) -> int:
        """How many calls were answered well between two times."""
        return sum(begin <= call.ended <= end and not call.failure for call in self.calls)

    def touched(self, begin: float, end: float) -> list[Call]:
        """The calls that were under way at some time between two."""
        return [call for call in self.calls if call.begun <= end and call.ended >= begin]

    def require_no_failure(self) -> None:
        """Raises AssertionError where a call failed although it was repeated until the deadline."""
        assert not self._failed, f"calls failed in the end: {self._failed}"

    def ways_completed_since(self, begin: float) -> set[str]:
        """The ways on which an order that was asked for since then was completed."""
        recent = itertools.takewhile(lambda call: call.ended >= begin, reversed(self.calls))
        return {call.way for call in recent if call.completed and call.begun >= begin}


class Caller:
    """The operator system of one region."""

    def __init__(self, region: str, replicas: Replicas, journal: Journal, deadline: float = DEADLINE) -> None:
        """`deadline`: seconds for a call with all its repeats."""
        self.region = region
        self.deadline = deadline
        self._replicas = replicas
        self._journal = journal

    async def ask(self, way: str, rpc: "Rpc[Request, Response]", request: Request) -> tuple[Response, Call]:
        """The answer, and how it came about. Raises Refused or Unreachable where nothing helped; noted either way."""
        return await self.insist(way, lambda channel, left: invoke(rpc(channel), request, left))

    async def insist(self, way: str, send: "Send[Response]") -> tuple[Response, Call]:
        """As `ask`, for any way to send a request."""
        call = Call(way, time.monotonic())

        async def attempt(replica: Replica, left: float) -> Response:
            call.tries += 1
            try:
                answer = await send(replica.channel, left)
            except (Refused, Unreachable) as failure:
                call.hindrances[name_of(failure)] += 1
                raise
            call.through = replica.endpoint
            return answer

        retrying = AsyncRetrying(
            stop=stop_before_delay(self.deadline),
            wait=wait_random_exponential(multiplier=_SHORTEST_WAIT, max=_LONGEST_WAIT),
            retry=retry_if_exception(may_pass),
            sleep=asyncio.sleep,
            reraise=True,
        )
        try:
            answer: Response = await retrying(self._replicas.call, attempt, _ATTEMPT)
        except (Refused, Unreachable) as failure:
            call.failure = f"{name_of(failure)}: {failure}"
            raise
        finally:
            call.ended = time.monotonic()
            self._journal.note(call)
        return answer, call

    def pick(self) -> Replica:
        """The process to ask for a stream."""
        return self._replicas.pick()

    def leave_out(self, replica: Replica) -> None:
        """Takes in that a stream of that process ended."""
        self._replicas.leave_out(replica)

    def note(self, call: Call) -> None:
        """Keeps a call that was not made by `ask`."""
        self._journal.note(call)

    async def close(self) -> None:
        """Closes all connections."""
        await self._replicas.close()


def may_pass(failure: BaseException) -> bool:
    """Whether the same request may succeed later. INTERNAL is a defect, which no repeat may hide."""
    if isinstance(failure, Refused):
        return is_temporary(failure.reason) and failure.reason != Reason.REASON_INTERNAL
    return isinstance(failure, Unreachable)


def name_of(failure: Refused | Unreachable) -> str:
    """The reason of the contract, else the status code."""
    return reason_name(failure.reason) if isinstance(failure, Refused) else failure.status


def hindrance(error: grpc.aio.AioRpcError, refused: Refused | None) -> tuple[str, bool]:
    """The name of what ended a stream, and whether it may be begun again."""
    if refused is None:
        return error.code().name, True
    return name_of(refused), may_pass(refused)
