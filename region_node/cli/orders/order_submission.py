"""Submitting a file of orders on a stream: each line once, over however many connections that takes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import grpc

from gateway.api.region.v1.order_pb2 import OrderError, OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrdersRequest, SubmitOrdersResponse
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import is_temporary, reason_name
from gateway.wording.languages import translated
from region_node.business.orders.rules import state_name
from region_node.cli.imports.reconnecting import Note, keep_trying
from region_node.cli.orders.order_file import Line, OrderFile
from region_node.cli.outcome import Stalled

_UNDER_WAY = 256  # unanswered lines in transit: more than the node's own limit, so that it never waits
_RETRY_SECONDS = 1.0  # until a line is sent again that the node refused for a reason that passes

ACCEPTED, REFUSED, INVALID, UNKNOWN, NOT_SENT = "accepted", "refused", "invalid", "unknown", "not-sent"


@dataclass(frozen=True)
class Outcome:
    """The result of a line. A rejected order is accepted, in the state `rejected`, and has a reason, too."""

    line: int
    request_id: str
    outcome: str
    order_id: str = ""
    state: str = ""
    reason: str = ""
    message: LocalizedText | None = None


class Submission:
    """A run over a file. `told` receives the result of each line as soon as it is definite."""

    def __init__(self, file: OrderFile, orders: OrderServiceStub, told: Callable[[Outcome], None]) -> None:
        self._orders = orders
        self._told = told
        self._lines = file.lines()
        self._waiting: deque[Line] = deque()
        self._under_way: dict[str, Line] = {}
        self._refused: dict[int, OrderError] = {}
        """Why lines that wait to be sent again were refused the last time."""
        self._later: dict[int, Line] = {}
        """Lines that wait a moment before they are sent again."""
        self._attempt = 0
        self._changed = asyncio.Event()

    async def run(self, patience: float, tell: Callable[[grpc.aio.AioRpcError], None]) -> None:
        """Submits every line. Raises AioRpcError where the node refuses, or is away for too long."""

        async def attempt(note: Note) -> None:
            self._waiting.extendleft(sorted(self._under_way.values(), key=lambda line: -line.number))
            self._under_way.clear()
            try:
                async with asyncio.timeout(patience) as end:
                    async for response in self._orders.SubmitOrders(self._requests(self._attempt)):
                        if self._answered(response):
                            note()
                            end.reschedule(asyncio.get_running_loop().time() + patience)
            except TimeoutError:
                raise Stalled(translated("the node takes no order")) from None
            finally:
                self._attempt += 1
                self._changed.set()
            if self._under_way or self._waiting or self._later:
                raise Stalled(translated("the node ended the stream"))

        await keep_trying(attempt, patience, tell)

    def leave(self) -> None:
        """Reports the lines without a response when the run ends early."""
        open_lines = [*self._under_way.values(), *self._waiting, *self._later.values()]
        for line in sorted(open_lines, key=lambda each: each.number):
            error = self._refused.get(line.number, OrderError())
            self._told(
                Outcome(
                    line.number,
                    line.request_id,
                    UNKNOWN,
                    reason=reason_name(error.reason) if error.reason else "",
                    message=error.message if error.HasField("message") else None,
                )
            )
        for line in self._lines:
            outcome = INVALID if line.problem is not None else NOT_SENT
            self._told(Outcome(line.number, line.request_id, outcome, message=line.problem))

    async def _requests(self, attempt: int) -> AsyncIterator[SubmitOrdersRequest]:
        """The requests of one attempt. After a failed call its iterator must take no more lines."""
        while attempt == self._attempt:
            line = self._next() if len(self._under_way) < _UNDER_WAY else None
            if line is not None:
                self._under_way[line.request_id] = line
                yield SubmitOrdersRequest(request_id=line.request_id, order=line.order)
            elif self._under_way or self._later:
                self._changed.clear()
                await self._changed.wait()
            else:
                return

    def _next(self) -> Line | None:
        """The next sendable line; reports the others on the way."""
        if self._waiting:
            return self._waiting.popleft()
        for line in self._lines:
            if line.problem is None:
                return line
            self._told(Outcome(line.number, line.request_id, INVALID, message=line.problem))
        return None

    def _answered(self, response: SubmitOrdersResponse) -> bool:
        """Handles a response; returns whether it is definite."""
        line = self._under_way.pop(response.request_id, None)
        self._changed.set()
        if line is None:
            return False
        refused = response.refused
        if response.HasField("refused") and is_temporary(refused.reason):
            self._refused[line.number] = refused
            self._send_later(line)
            return False
        self._refused.pop(line.number, None)
        self._told(_outcome(line, response))
        return True

    def _send_later(self, line: Line) -> None:
        self._later[line.number] = line

        def send() -> None:
            self._waiting.append(self._later.pop(line.number))
            self._changed.set()

        asyncio.get_running_loop().call_later(_RETRY_SECONDS, send)


def _outcome(line: Line, response: SubmitOrdersResponse) -> Outcome:
    if response.HasField("refused"):
        refused = response.refused
        return Outcome(
            line.number, line.request_id, REFUSED, reason=reason_name(refused.reason), message=refused.message
        )
    order = response.order
    is_rejected = order.state == OrderState.ORDER_STATE_REJECTED
    return Outcome(
        line.number,
        line.request_id,
        ACCEPTED,
        order_id=order.id,
        state=state_name(order.state),
        reason=reason_name(order.error.reason) if is_rejected else "",
        message=order.error.message if is_rejected else None,
    )
