"""An operator that offers one process far more than it can do, beside the callers of the mixed load."""

import asyncio
import itertools
import time
from collections import Counter
from contextlib import AsyncExitStack

import grpc

from deploy.local.federation import LocalFederation
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.errors import Refused, Unreachable, from_rpc_error
from tests.chaos.load import MixedLoad
from tests.chaos.operations import Kind, Operation, Outcome
from tests.federation.refusals import read
from tests.rolling.callers import Caller, Journal, may_pass, name_of
from tests.rolling.load import Line, Taken, submission

OPERATOR = "crowd"
"""The name of the operator system."""
_CALLERS = 600
_CONNECTIONS = 4
_INSISTING = 16  # callers at a time
_PATIENCE = 10.0  # seconds for a call
_PAUSE = 0.5  # seconds after a refusal: about half of what RetryInfo asks for
_LONGEST = 20.0  # seconds, after which it stops by itself


class Crowd:
    """Callers who pay at a process for customers of its region. Used on one event loop, and stopped from anywhere.

    Who is refused for want of room does not ask again: nothing may be left of that request. Who hears nothing insists.
    """

    def __init__(self, federation: LocalFederation, load: MixedLoad, region: str, number: int) -> None:
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        """By reason."""
        self._federation = federation
        self._load = load
        self._region = region
        self._number = number
        self._certificate = f"{region}-{OPERATOR}"
        self._lines = [line for way in load.ways if way.handling == way.home == region for line in way.lines]
        self._turns = asyncio.Semaphore(_INSISTING)
        self._is_over = False

    def stop(self) -> None:
        """Lets each caller finish what it has begun."""
        self._is_over = True

    async def press(self) -> None:
        """Returns once all callers have ended."""
        end = time.monotonic() + _LONGEST
        replicas = self._federation.region_replicas(self._region, self._certificate)
        insisting = Caller(self._region, replicas, Journal())
        try:
            async with AsyncExitStack() as stack:
                services = [
                    OrderServiceStub(await stack.enter_async_context(self._dial())) for _ in range(_CONNECTIONS)
                ]
                turns = zip(range(_CALLERS), itertools.cycle(services), itertools.cycle(self._lines), strict=False)
                await asyncio.gather(*(self._call(service, insisting, line, end) for _, service, line in turns))
        finally:
            await insisting.close()

    def _dial(self) -> grpc.aio.Channel:
        return self._federation.dial_region(self._region, self._certificate, self._number)

    async def _call(self, service: OrderServiceStub, insisting: Caller, line: Line, end: float) -> None:
        while not self._is_over and time.monotonic() < end:
            name = f"c-{len(self._load.operations)}"
            operation = Operation(Kind.CROWD, name, self._region, self._region, line.number, turns=1)
            self._load.operations.append(operation)
            request, begun = submission(name, "PAY", line.number), time.monotonic()
            try:
                answer = await service.SubmitOrder(request, timeout=_PATIENCE)
                self._accept(operation, line, answer.order.id)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and from_rpc_error(error) is not None:
                    self._turn_away(operation, error)
                    await asyncio.sleep(_PAUSE)
                else:
                    await self._insist(insisting, operation, line, request)
            finally:
                operation.seconds = time.monotonic() - begun

    async def _insist(self, caller: Caller, operation: Operation, line: Line, request: SubmitOrderRequest) -> None:
        """Repeats a request of which it is not known what became of it. Few do so at a time: others have their turn."""
        try:
            async with self._turns:
                answer, call = await caller.ask(
                    OPERATOR, lambda channel: OrderServiceStub(channel).SubmitOrder, request
                )
        except (Refused, Unreachable) as failure:
            if not may_pass(failure):
                operation.outcome, operation.reason = Outcome.REFUSED, name_of(failure)
            return
        operation.hindrances += call.hindrances
        self._accept(operation, line, answer.order.id)

    def _accept(self, operation: Operation, line: Line, order_id: str) -> None:
        self.accepted += 1
        operation.outcome, operation.record_id = Outcome.ACKNOWLEDGED, order_id
        self._load.taken.append(Taken(order_id, operation.request_id, self._region, "PAY", line))

    def _turn_away(self, operation: Operation, error: grpc.aio.AioRpcError) -> None:
        told = read(error)
        self.refused[told.reason] += 1
        operation.outcome, operation.reason = Outcome.REFUSED, told.reason
        if not told.retry_seconds:
            self._load.defects.append(f"{told.reason} without the time for another attempt")
