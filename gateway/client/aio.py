"""Calls of asyncio: what a channel adds to each, the pages of a list, and watches."""

import asyncio
import math
import random
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from gateway.client.repeating import (
    PATIENCE,
    Attempts,
    Failure,
    Watch,
    may_pass,
    page_after,
    pause_of,
    tell_log,
)
from gateway.client.throttling import Throttle

Q = TypeVar("Q")
A = TypeVar("A")
L = TypeVar("L", bound=Message)
P = TypeVar("P", bound=Message)
W = TypeVar("W", bound=Message)
T = TypeVar("T", bound=Message)


class Repeating(grpc.aio.UnaryUnaryClientInterceptor):
    """Gives each call a deadline, and sends its request again while that may help."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Q], Awaitable[grpc.aio.UnaryUnaryCall[Q, A]]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Q,
    ) -> A | grpc.aio.UnaryUnaryCall[Q, A]:
        """See gRPC. Raises Refused or Unanswered."""
        # Tenacity is much to import for the help of a command, which calls nobody.
        from tenacity import AsyncRetrying, retry_if_exception, stop_before_delay  # noqa: PLC0415

        told = client_call_details
        seconds = self._patience if told.timeout is None else told.timeout
        attempts = Attempts(request, seconds)

        async def attempt() -> grpc.aio.UnaryUnaryCall[Q, A]:
            details = grpc.aio.ClientCallDetails(
                told.method, attempts.seconds(), told.metadata, told.credentials, told.wait_for_ready
            )
            try:
                call = await continuation(details, request)
                await call
            except grpc.aio.AioRpcError as error:
                failure = attempts.failed(error)
                # An error that is its own cause is an endless chain to whoever reports it.
                raise failure from (None if failure is error else error)
            return call

        retrying = AsyncRetrying(
            stop=stop_before_delay(seconds),
            wait=pause_of,
            retry=retry_if_exception(may_pass),
            sleep=asyncio.sleep,
            reraise=True,
        )
        return await retrying(attempt)


class Throttling(grpc.aio.UnaryUnaryClientInterceptor):
    """Refuses calls that the server would refuse for want of room; see `gateway.client.throttling`."""

    def __init__(self) -> None:
        self._throttles: defaultdict[str | bytes, Throttle] = defaultdict(Throttle)

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Q], Awaitable[grpc.aio.UnaryUnaryCall[Q, A]]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Q,
    ) -> A | grpc.aio.UnaryUnaryCall[Q, A]:
        """See gRPC. Raises Refused."""
        throttle = self._throttles[client_call_details.method]
        throttle.require_sent(time.monotonic(), random.random())
        call = await continuation(client_call_details, request)
        try:
            await call
        except grpc.aio.AioRpcError as error:
            throttle.note(error, time.monotonic())
        return call


async def pages(rpc: Callable[[L], Awaitable[P]], request: L) -> AsyncGenerator[P, None]:
    """All pages of a list, each fetched when the caller needs it. Raises Refused or Unanswered."""
    asked: L | None = request
    while asked is not None:
        page = await rpc(asked)
        yield page
        asked = page_after(asked, page)


async def watch(
    rpc: "grpc.aio.UnaryStreamMultiCallable[W, T]",
    request: W,
    *,
    patience: float = math.inf,
    tell: Callable[[Failure], None] = tell_log,
) -> AsyncGenerator[T, None]:
    """The messages of a stream, each once, whatever cuts it; each has the token to resume from, if the RPC has any.

    `tell` is called at the first failure after a message. Raises Refused, and Unanswered after `patience` seconds
    without a message since then. Closing the generator, or cancelling its task, ends the stream at the node, too.
    Closing its channel begins no further stream: the watch ends, with the stream that runs.
    """
    watching = Watch(request, patience, tell)
    is_begun = False
    while True:
        failure: grpc.RpcError | None = None
        try:
            call = rpc(watching.request)
        except grpc.aio.UsageError:  # the channel is closed
            if is_begun:
                return
            raise
        is_begun = True
        try:
            async for message in call:
                if watching.takes(message):
                    yield message
            if watching.ends:
                return
        except grpc.aio.AioRpcError as error:
            failure = error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return  # the closed channel has cancelled the stream, and nobody the task
        finally:
            call.cancel()
        await asyncio.sleep(watching.seconds_after(failure))
