"""Submits the orders of many tasks in few messages. To copy: it needs the generated code alone, as client.py does.

    async with Packing(OrderServiceStub(channel)) as packing:
        order = await packing.submit("stored-before-it-was-sent", request, wait=5.0)

An order leaves at once while few messages are under way. Above that, orders are collected, and share the next message.
After a cut connection the same orders are sent again, which their request ids make safe.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, LocalizedMessage
from google.rpc.status_pb2 import Status

from gateway.api.region.v1.order_pb2 import Order, OrderError, OrderRequest
from gateway.api.region.v1.order_service_pb2 import (
    SubmitOrderRequest,
    SubmitOrdersRequest,
    SubmitOrdersResponse,
    SubmittedOrder,
)
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.reason_pb2 import Reason

MOST_ORDERS = 16  # in a message: more save little, and each order waits for the slowest of its message
MOST_BYTES = 128 * 1024  # of the orders in a message, which may have 256 KiB
MESSAGES = 8  # under way, above which orders are collected
LONGEST_TURN = (
    0.1  # seconds until a message counts as under way no longer: its orders may wait for a region that is away
)
SILENCE = 45.0  # seconds without an answer after which a stream is opened again: more than the longest wait
LONGEST_PAUSE = 2.0  # seconds between two attempts
NOBODY_ANSWERED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
)


class OrderRefused(Exception):
    """An order was not accepted: the reason for programs, and its text in both languages."""

    def __init__(self, error: OrderError) -> None:
        super().__init__(error.message.en)
        self.error = error


class PacksUnknown(Exception):
    """The node has a release without packs."""


@dataclass(frozen=True, repr=False)
class Waiting:
    """An order without an answer."""

    order: SubmittedOrder
    wait: Duration
    answer: "asyncio.Future[Order]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Packing:
    """A stream of packs to a node, opened again where it breaks. Made and used on one event loop."""

    def __init__(self, orders: "OrderServiceStub") -> None:
        self._orders = orders
        self._open: dict[str, Waiting] = {}  # all orders without an answer by request id, oldest first
        self._queue: deque[Waiting] = deque()  # those to be sent
        self._turns: dict[str, asyncio.TimerHandle] = {}  # of the messages under way, by their first request id
        self._changed = asyncio.Event()
        self._streams = self._failures = 0
        self._knows_packs = True

    async def __aenter__(self) -> "Packing":
        """Begins to send."""
        self._sending = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends the stream; orders without an answer are cancelled."""
        self._sending.cancel()
        with suppress(asyncio.CancelledError):
            await self._sending

    async def submit(self, request_id: str, order: OrderRequest, wait: float = 0.0) -> Order:
        """The accepted order, after at most `wait` seconds for the home region. Without a wait it is bulk work.

        Tries again until the node answers: limit it by `asyncio.timeout`. Raises OrderRefused, ValueError while the
        request id is under way, and RuntimeError after the end of `async with`.
        """
        if self._sending.done():
            raise RuntimeError("nothing is sent any more")
        if request_id in self._open:
            raise ValueError(f"{request_id} is under way")
        waiting = Waiting(SubmittedOrder(request_id=request_id, order=order), duration(wait))
        if not self._knows_packs or waiting.order.ByteSize() > MOST_BYTES:
            return await self._submit_singly(waiting)
        self._open[request_id] = waiting
        self._queue.append(waiting)
        self._changed.set()
        try:
            return await waiting.answer
        except PacksUnknown:
            return await self._submit_singly(waiting)
        finally:
            del self._open[request_id]

    async def _send(self) -> None:
        try:
            while True:
                while not self._queue:
                    await self._change()
                await self._send_on_one_stream()
                self._queue = deque(self._unanswered())
                if self._queue:
                    await pause(self._failures)
                    self._failures += 1
        finally:
            for waiting in self._unanswered():
                waiting.answer.cancel()

    async def _send_on_one_stream(self) -> None:
        call = self._orders.SubmitOrders(self._messages(self._streams))
        try:
            while self._knows_packs:
                async with asyncio.timeout(SILENCE):
                    response = await call.read()
                if not isinstance(response, SubmitOrdersResponse):  # the node has ended the stream
                    return
                self._answered(response)
        except TimeoutError:
            return
        except grpc.aio.AioRpcError as error:
            if not may_pass(error):
                for waiting in self._unanswered():
                    waiting.answer.set_exception(OrderRefused(refusal(error)))
        finally:
            call.cancel()
            for turn in self._turns.values():
                turn.cancel()
            self._turns.clear()
            self._streams += 1
            self._changed.set()

    async def _messages(self, stream: int) -> AsyncIterator[SubmitOrdersRequest]:
        """The messages of one stream. After its end gRPC may ask for one more."""
        while self._streams == stream:
            message = self._next() if len(self._turns) < MESSAGES else None
            if message is None:
                await self._change()
                continue
            first = message.orders[0].request_id
            self._turns[first] = asyncio.get_running_loop().call_later(LONGEST_TURN, self._end_turn, first)
            yield message

    def _next(self) -> SubmitOrdersRequest | None:
        """A message of the oldest orders that have one wait, but for those whose callers have left."""
        message, size = SubmitOrdersRequest(), 0
        while self._queue and len(message.orders) < MOST_ORDERS:
            waiting = self._queue[0]
            size += waiting.order.ByteSize()
            if message.orders and (size > MOST_BYTES or waiting.wait != message.wait):
                break
            self._queue.popleft()
            if not waiting.answer.done():
                message.orders.append(waiting.order)
                message.wait.CopyFrom(waiting.wait)
        return message if message.orders else None

    def _answered(self, response: SubmitOrdersResponse) -> None:
        if not response.HasField("pack"):  # a release without packs refuses the message for its empty request id
            self._knows_packs = False
            for waiting in self._unanswered():
                waiting.answer.set_exception(PacksUnknown)
            return
        self._failures = 0
        self._end_turn(response.pack.results[0].request_id)
        for result in response.pack.results:
            known = self._open.get(result.request_id)
            if known is None or known.answer.done():
                continue
            if result.HasField("refused"):
                known.answer.set_exception(OrderRefused(result.refused))
            else:
                known.answer.set_result(result.order)

    def _unanswered(self) -> list[Waiting]:
        return [waiting for waiting in self._open.values() if not waiting.answer.done()]

    def _end_turn(self, first: str) -> None:
        turn = self._turns.pop(first, None)
        if turn is not None:
            turn.cancel()
            self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _submit_singly(self, waiting: Waiting) -> Order:
        request = SubmitOrderRequest(request_id=waiting.order.request_id, order=waiting.order.order, wait=waiting.wait)
        request.order.bulk |= waiting.wait == Duration()  # as a node sets it: the same content in either way
        failures = 0
        while True:
            try:
                return (await self._orders.SubmitOrder(request, timeout=SILENCE)).order
            except grpc.aio.AioRpcError as error:
                if not may_pass(error):
                    raise OrderRefused(refusal(error)) from error
            await pause(failures)
            failures += 1


def duration(seconds: float) -> Duration:
    """The message for a number of seconds."""
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def may_pass(error: grpc.aio.AioRpcError) -> bool:
    """Whether the same call may be answered later."""
    return error.code() in NOBODY_ANSWERED or refusal(error).reason == Reason.REASON_CALLS_TOO_MANY


def refusal(error: grpc.aio.AioRpcError) -> OrderError:
    """What the status of a call says, in the form in which a pack says it."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    told, info, text = OrderError(), ErrorInfo(), LocalizedMessage()
    for detail in Status.FromString(details if isinstance(details, bytes) else b"").details:
        if detail.Unpack(info):
            name = f"REASON_{info.reason}"
            told.reason = Reason.Value(name) if name in Reason.keys() else Reason.REASON_UNSPECIFIED
            told.parameters.update(info.metadata)
        elif detail.Unpack(text):
            setattr(told.message, text.locale.replace("-", "_").lower(), text.message)
    return told


async def pause(failures: int) -> None:
    """Waits before another attempt, longer after each failure."""
    await asyncio.sleep(min(LONGEST_PAUSE, random.uniform(0.1, 0.2) * 2 ** min(failures, 8)))
