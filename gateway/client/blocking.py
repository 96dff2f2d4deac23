"""Calls of threads: what a channel adds to each, the pages of a list, and watches."""

import math
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, TypeVar

import grpc
from google.protobuf.message import Message

from gateway.client.failures import Refused
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

if TYPE_CHECKING:  # a class of the stubs alone
    from grpc import _CallFuture

Q = TypeVar("Q")
A = TypeVar("A")
L = TypeVar("L", bound=Message)
P = TypeVar("P", bound=Message)
W = TypeVar("W", bound=Message)
T = TypeVar("T", bound=Message)


class _Details(grpc.ClientCallDetails):
    """The details of a call with another timeout."""

    def __init__(self, told: grpc.ClientCallDetails, timeout: float) -> None:
        self.method = told.method
        self.timeout = timeout
        self.metadata = told.metadata
        self.credentials = told.credentials
        self.wait_for_ready = told.wait_for_ready
        self.compression = told.compression


class Repeating(grpc.UnaryUnaryClientInterceptor):
    """Gives each call a deadline, and sends its request again while that may help."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience

    def intercept_unary_unary(
        self,
        continuation: "Callable[[grpc.ClientCallDetails, Q], _CallFuture[A]]",
        client_call_details: grpc.ClientCallDetails,
        request: Q,
    ) -> "_CallFuture[A]":
        """See gRPC. Raises Refused or Unanswered."""
        # Tenacity is much to import for the help of a command, which calls nobody.
        from tenacity import Retrying, retry_if_exception, stop_before_delay  # noqa: PLC0415

        timeout = client_call_details.timeout
        seconds = self._patience if timeout is None else timeout
        attempts = Attempts(request, seconds)

        def attempt() -> "_CallFuture[A]":
            call = continuation(_Details(client_call_details, attempts.seconds()), request)
            given: object = call  # the refusal of the next interceptor itself is no call that has failed
            error = given if isinstance(given, Refused) else call.exception()
            if isinstance(error, grpc.RpcError):
                failure = attempts.failed(error)
                # An error that is its own cause is an endless chain to whoever reports it.
                raise failure from (None if failure is error else error)
            if error is not None:
                raise error
            return call

        retrying = Retrying(
            stop=stop_before_delay(seconds), wait=pause_of, retry=retry_if_exception(may_pass), reraise=True
        )
        return retrying(attempt)


class Throttling(grpc.UnaryUnaryClientInterceptor):
    """Refuses calls that the server would refuse for want of room; see `gateway.client.throttling`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._throttles: defaultdict[str, Throttle] = defaultdict(Throttle)

    def intercept_unary_unary(
        self,
        continuation: "Callable[[grpc.ClientCallDetails, Q], _CallFuture[A]]",
        client_call_details: grpc.ClientCallDetails,
        request: Q,
    ) -> "_CallFuture[A]":
        """See gRPC. Raises Refused."""
        with self._lock:
            throttle = self._throttles[client_call_details.method]
            throttle.require_sent(time.monotonic(), random.random())
        call = continuation(client_call_details, request)
        failure = call.exception()
        if isinstance(failure, grpc.RpcError):
            with self._lock:
                throttle.note(failure, time.monotonic())
        return call


def pages(rpc: Callable[[L], P], request: L) -> Generator[P, None, None]:
    """All pages of a list, each fetched when the caller needs it. Raises Refused or Unanswered."""
    asked: L | None = request
    while asked is not None:
        page = rpc(asked)
        yield page
        asked = page_after(asked, page)


def watch(
    rpc: "grpc.UnaryStreamMultiCallable[W, T]",
    request: W,
    *,
    patience: float = math.inf,
    tell: Callable[[Failure], None] = tell_log,
    stop: threading.Event | None = None,
) -> Generator[T, None, None]:
    """As `gateway.client.aio.watch`, for threads.

    To end it from another thread, set `stop` and then close its channel: the one ends a pause, the other a stream.
    """
    watching = Watch(request, patience, tell)
    stop = threading.Event() if stop is None else stop
    is_begun = False
    while not stop.is_set():
        failure: grpc.RpcError | None = None
        try:
            call = rpc(watching.request)
        except ValueError:  # so gRPC tells that the channel is closed
            if is_begun:
                return
            raise
        is_begun = True
        try:
            for message in call:
                if watching.takes(message):
                    yield message
            if watching.ends:
                return
        except grpc.RpcError as error:
            failure = error
        finally:
            call.cancel()
        if not stop.is_set():
            stop.wait(watching.seconds_after(failure))
