"""An exemplary client: it knows every process of its peer, and repeats the same request, while it can."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import grpc
from tenacity import AsyncRetrying, retry_if_exception_type, stop_before_delay, wait_random_exponential

from gateway.errors import Unreachable
from gateway.rpc.channels import Replica, Replicas, invoke

SECONDS = 15.0  # for one call with all its attempts: more than any wait in the story
_ATTEMPT = 12.0  # seconds for one attempt: more than a call may wait for the home region

Request = TypeVar("Request")
Response = TypeVar("Response")
Rpc = Callable[[grpc.aio.Channel], "grpc.aio.UnaryUnaryMultiCallable[Request, Response]"]


class Client:
    """Calls of one caller to one peer. Every request with an effect carries an id, so that a repeat is safe."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    async def ask(self, rpc: "Rpc[Request, Response]", request: Request, seconds: float = SECONDS) -> Response:
        """The response of any live process. Raises Refused, or Unreachable where none responded in time."""

        async def attempt(replica: Replica, left: float) -> Response:
            return await invoke(rpc(replica.channel), request, left)

        retrying = AsyncRetrying(
            stop=stop_before_delay(seconds),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            retry=retry_if_exception_type(Unreachable),
            sleep=asyncio.sleep,
            reraise=True,
        )
        answer: Response = await retrying(self._replicas.call, attempt, min(seconds, _ATTEMPT))
        return answer

    def channel(self) -> grpc.aio.Channel:
        """A connection to one of the processes, for a stream."""
        return self._replicas.pick().channel

    async def close(self) -> None:
        """Closes all connections."""
        await self._replicas.close()
