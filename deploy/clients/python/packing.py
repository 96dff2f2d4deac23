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
    SubmittedPack,
)
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.reason_pb2 import Reason, ReasonOptions, reason_options

MOST_ORDERS = 16  # in a message: more save little, and each order waits for the slowest of its message
MOST_BYTES = 128 * 1024  # of the orders in a message, which may have 256 KiB
LARGEST_IN_PACK = 32 * 1024  # bytes of an order: a node refuses a larger one
LEAST_WAIT = 1.0  # seconds: a node takes an order with a shorter wait as bulk work
MOST_DEFECTS = 8  # answers INTERNAL to one order
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
# Until others are done.
NO_ROOM = (
    Reason.REASON_CALLS_TOO_MANY,
    Reason.REASON_CONNECTIONS_TOO_MANY,
    Reason.REASON_DAY_WORK_TOO_MUCH,
    Reason.REASON_OPEN_WORK_TOO_MUCH,
    Reason.REASON_ORDERS_WAITING_TOO_MANY,
    Reason.REASON_REQUEST_BYTES_TOO_MANY,
    Reason.REASON_SERVER_CALLS_TOO_MANY,
)
BAD_FORM = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)  # of a message, which ends its stream
NOTHING_IS_SENT = "nothing is sent any more"


class OrderRefused(Exception):
    """An order was not accepted: the reason for programs, and its text in both languages."""

    def __init__(self, error: OrderError) -> None:
        super().__init__(error.message.en)
        self.error = error


class OrderUnknown(Exception):
    """The node failed at an order again and again, and may have accepted it. Submit it later with the same id."""

    def __init__(self, error: OrderError) -> None:
        super().__init__(error.message.en)
        self.error = error


class Again(Exception):
    """The same order may be answered later."""

    def __init__(self, error: OrderError, *, is_defect: bool) -> None:
        super().__init__(error.message.en)
        self.error, self.is_defect = error, is_defect


class Singly(Exception):
    """An order has to travel by itself."""


class PacksUnknown(Singly):
    """The node has a release without packs."""


@dataclass(frozen=True, repr=False)
class Waiting:
    """An order without an answer."""

    order: SubmittedOrder
    wait: Duration
    answer: "asyncio.Future[Order]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Packing:
    """Two streams of packs to a node, so that no order that waits stands behind bulk work. For one event loop."""

    def __init__(self, orders: "OrderServiceStub") -> None:
        self._orders = orders
        self._bulk, self._urgent = Stream(orders), Stream(orders)
        self._under_way: set[str] = set()
        self._knows_packs = True

    async def __aenter__(self) -> "Packing":
        """Begins to send."""
        self._bulk.begin()
        self._urgent.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends the streams; orders without an answer are cancelled."""
        try:
            await self._bulk.end()
        finally:
            await self._urgent.end()

    async def submit(self, request_id: str, order: OrderRequest, wait: float = 0.0) -> Order:
        """The accepted order, after at most `wait` seconds for the home region. Without a wait of 1 s it is bulk work.

        Tries again until the node answers: limit it by `asyncio.timeout`. Raises OrderRefused, OrderUnknown, ValueError
        while the request id is under way, and RuntimeError after the end of `async with`.
        """
        if request_id in self._under_way:
            raise ValueError(f"{request_id} is under way")
        self._under_way.add(request_id)
        try:
            return await self._submit(
                SubmittedOrder(request_id=request_id, order=order), duration(wait if wait >= LEAST_WAIT else 0.0)
            )
        finally:
            self._under_way.remove(request_id)

    async def _submit(self, order: SubmittedOrder, wait: Duration) -> Order:
        stream = self._urgent if wait.seconds else self._bulk
        goes_singly = order.ByteSize() > LARGEST_IN_PACK
        failures = defects = 0
        while True:
            stream.require_sending()
            try:
                if goes_singly or not self._knows_packs:
                    return await self._submit_singly(order, wait)
                return await stream.submit(Waiting(order, wait))
            except Singly as told:
                goes_singly = True
                self._knows_packs &= not isinstance(told, PacksUnknown)
            except Again as again:
                defects += again.is_defect
                if defects == MOST_DEFECTS:
                    raise OrderUnknown(again.error) from again
                await pause(failures, retry_seconds(again.error.reason))
                failures += 1

    async def _submit_singly(self, submitted: SubmittedOrder, wait: Duration) -> Order:
        request = SubmitOrderRequest(request_id=submitted.request_id, order=submitted.order, wait=wait)
        request.order.bulk |= wait == Duration()  # as a node sets it: the same content in either way
        try:
            return (await self._orders.SubmitOrder(request, timeout=SILENCE)).order
        except grpc.aio.AioRpcError as error:
            raise failure(refusal(error), error.code()) from error


class Stream:
    """A stream of packs to a node, opened again where it breaks."""

    def __init__(self, orders: "OrderServiceStub") -> None:
        self._orders = orders
        self._open: dict[str, Waiting] = {}  # all orders without an answer by request id, oldest first
        self._queue: deque[Waiting] = deque()  # those to be sent
        self._sent: dict[str, list[Waiting]] = {}  # by message, oldest first, as of the turns
        self._turns: dict[str, asyncio.TimerHandle] = {}  # of the messages under way, by their first request id
        self._changed = asyncio.Event()
        self._streams = self._failures = 0
        self._retry_seconds = 0  # after which the node may take a stream again
        self._was_wordless = False  # whether the last stream broke as INTERNAL without a word of the node

    def begin(self) -> None:
        """Begins to send."""
        self._sending = asyncio.create_task(self._send())

    async def end(self) -> None:
        """Cancels the orders without an answer."""
        self._sending.cancel()
        with suppress(asyncio.CancelledError):
            await self._sending

    def require_sending(self) -> None:
        """Raises RuntimeError after the end."""
        if self._sending.done():
            raise RuntimeError(NOTHING_IS_SENT)

    async def submit(self, waiting: Waiting) -> Order:
        """The accepted order. Raises OrderRefused, Again, Singly, and RuntimeError where the sending fails."""
        self._open[waiting.order.request_id] = waiting
        self._queue.append(waiting)
        self._changed.set()
        try:
            return await waiting.answer
        finally:
            del self._open[waiting.order.request_id]

    async def _send(self) -> None:
        try:
            while True:
                while not self._queue:
                    await self._change()
                await self._send_on_one_stream()
                self._queue = deque(self._unanswered())
                if self._queue:
                    await pause(self._failures, self._retry_seconds)
                    self._failures += 1
        except asyncio.CancelledError:
            for waiting in self._unanswered():
                waiting.answer.cancel()
            raise
        finally:
            for waiting in self._unanswered():
                waiting.answer.set_exception(RuntimeError(NOTHING_IS_SENT))

    async def _send_on_one_stream(self) -> None:
        self._retry_seconds = 0
        call = self._orders.SubmitOrders(self._messages(self._streams))
        try:
            while True:
                async with asyncio.timeout(SILENCE):
                    response = await call.read()
                if not isinstance(response, SubmitOrdersResponse):  # the node has ended the stream
                    return
                if not response.HasField("pack"):  # a release without packs refuses the message's empty request id
                    for waiting in self._unanswered():
                        waiting.answer.set_exception(PacksUnknown)
                    return
                self._answered(response.pack)
        except TimeoutError:
            return
        except grpc.aio.AioRpcError as error:
            self._broken(error)
        finally:
            call.cancel()
            for turn in self._turns.values():
                turn.cancel()
            self._turns.clear()
            self._sent.clear()
            self._streams += 1
            self._changed.set()

    async def _messages(self, stream: int) -> AsyncIterator[SubmitOrdersRequest]:
        """The messages of one stream. After its end gRPC may ask for one more."""
        while self._streams == stream:
            pack = self._next() if len(self._turns) < MESSAGES else []
            if not pack:
                await self._change()
                continue
            first = pack[0].order.request_id
            self._sent[first] = pack
            self._turns[first] = asyncio.get_running_loop().call_later(LONGEST_TURN, self._end_turn, first)
            yield SubmitOrdersRequest(orders=[each.order for each in pack], wait=pack[0].wait)

    def _next(self) -> list[Waiting]:
        """The oldest orders that have one wait and fit in a message, but for those whose callers have left."""
        pack: list[Waiting] = []
        size = 0
        while self._queue and len(pack) < MOST_ORDERS:
            waiting = self._queue[0]
            size += waiting.order.ByteSize()
            if pack and (size > MOST_BYTES or waiting.wait != pack[0].wait):
                break
            self._queue.popleft()
            if not waiting.answer.done():
                pack.append(waiting)
        return pack

    def _answered(self, pack: SubmittedPack) -> None:
        self._failures, self._was_wordless = 0, False
        first = pack.results[0].request_id
        self._sent.pop(first, None)
        self._end_turn(first)
        for result in pack.results:
            known = self._open.get(result.request_id)
            if known is None or known.answer.done():
                continue
            if result.HasField("refused"):
                known.answer.set_exception(failure(result.refused, status_of(result.refused.reason)))
            else:
                known.answer.set_result(result.order)

    def _broken(self, error: grpc.aio.AioRpcError) -> None:
        """Decides on the orders of a stream that the node has ended. Those left without an answer are sent again.

        A node answers the messages before one that it cannot read, which therefore is the oldest without an answer.
        A write to a stream that the node has just ended fails as INTERNAL without a word of the node. That blames no
        order, unless the stream before ended so, too, and nothing was answered since.
        """
        told, code = refusal(error), error.code()
        may_pass = isinstance(failure(told, code), Again)
        self._retry_seconds = retry_seconds(told.reason)
        oldest = next(iter(self._sent.values()), None)
        is_wordless = code is grpc.StatusCode.INTERNAL and not told.reason
        is_defect = code is grpc.StatusCode.INTERNAL and (told.reason or self._was_wordless)
        self._was_wordless = is_wordless
        if oldest is not None and (is_defect or (code in BAD_FORM and not may_pass)):
            for waiting in oldest:
                if not waiting.answer.done():
                    waiting.answer.set_exception(Singly)
        elif not may_pass:
            for waiting in self._unanswered():
                waiting.answer.set_exception(OrderRefused(told))

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


def duration(seconds: float) -> Duration:
    """The message for a number of seconds."""
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def failure(told: OrderError, code: grpc.StatusCode) -> Again | OrderRefused:
    """The failure of an order by the status of its refusal: for good only where the same request cannot be accepted."""
    if code in NOBODY_ANSWERED or told.reason in NO_ROOM:
        return Again(told, is_defect=code is grpc.StatusCode.INTERNAL)
    return OrderRefused(told)


def status_of(reason: Reason.ValueType) -> grpc.StatusCode:
    """The status of a reason, as the contract gives it. A reason of a later contract counts as final."""
    return grpc.StatusCode[options_of(reason).status or "FAILED_PRECONDITION"]


def retry_seconds(reason: Reason.ValueType) -> int:
    """The seconds before the same request may be accepted, as the contract gives them; 0 where it gives none."""
    return options_of(reason).retry_seconds


def options_of(reason: Reason.ValueType) -> ReasonOptions:
    """What the contract says of a reason: nothing of one that came later."""
    value = Reason.DESCRIPTOR.values_by_number.get(reason)
    return ReasonOptions() if value is None else value.GetOptions().Extensions[reason_options]


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


async def pause(failures: int, told: int) -> None:
    """Waits before another attempt, longer after each failure, beyond the seconds that the node has told."""
    await asyncio.sleep(told + min(LONGEST_PAUSE, random.uniform(0.1, 0.2) * 2 ** min(failures, 8)))
