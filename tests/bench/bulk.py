"""Orders in bulk on one stream, singly and in packs, against single calls: how many a second are taken in."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from google.protobuf.duration_pb2 import Duration
from grpc.aio import Channel

from deploy.local.federation import LocalFederation
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest, SubmitOrdersRequest, SubmittedOrder
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Applicant
from tests.bench.bare import BARE
from tests.bench.comparing import Way, in_turns
from tests.bench.load import Call, run_calls
from tests.bench.orders import HANDLING, HOME, Line, all_lines, requester
from tests.bench.report import Comparison

CALLERS = 32
PACK = 16  # orders in a message, as the client to copy has them
PACKED_ORDERS = "packed_orders_beside_bare"
FIGURE, PACKED = "orders for another region taken in, 1/s", f"packs of {PACK}"
_CALL_SECONDS = 25.0
_PATIENCE = 120.0  # seconds until the home region has all of a half

Submitting = Callable[["OrderServiceStub", Sequence[SubmitOrdersRequest]], Awaitable[None]]
"""Submits all orders in one way, and returns once they are taken in. Raises OrderRefused."""


class OrderRefused(Exception):
    """An order was not taken in: the run measures nothing."""


class PacksUnknown(Exception):
    """The node has a release without packs."""


async def measure_bulk(federation: LocalFederation, bare: Call, orders: int, rounds: int) -> list[Comparison]:
    """Takes in `orders` payments each way in each round; on the stream also beside as many bare calls.

    Each half begins when the home region has done all of the one before. Raises OrderRefused.
    """
    async with federation.dial_region(HANDLING, f"{HANDLING}-counter") as channel:
        by_calls, by_stream, by_packs = (
            intake(federation, channel, orders, way) for way in (_by_calls, _by_stream, in_packs)
        )

        async def bare_rate() -> float:
            started = time.perf_counter()
            await run_calls([bare] * CALLERS, orders)
            return orders / (time.perf_counter() - started)

        return [
            Comparison(
                name=name, figure=FIGURE, base=base, measured=measured, rounds=await in_turns(least, way, rounds)
            )
            for name, base, measured, least, way in (
                ("bulk_orders", f"{CALLERS} callers", "one stream", by_calls, by_stream),
                ("bulk_orders_beside_bare", BARE, "one stream", bare_rate, by_stream),
                (PACKED_ORDERS, BARE, PACKED, bare_rate, by_packs),
            )
        ]


def intake(federation: LocalFederation, channel: Channel, orders: int, way: Submitting) -> Way:
    """Measures how many orders a second are taken in, of so many, and waits until the home region has done them all."""
    service = OrderServiceStub(channel)

    async def rate() -> float:
        requests, before = payments(orders, all_lines()), received(federation)
        started = time.perf_counter()
        await way(service, requests)
        found = orders / (time.perf_counter() - started)
        await until_done(federation, before + orders)
        return found

    return rate


async def _by_calls(service: "OrderServiceStub", requests: Sequence[SubmitOrdersRequest]) -> None:
    waiting = iter(requests)

    async def call() -> None:
        request = next(waiting)
        single = SubmitOrderRequest(request_id=request.request_id, order=request.order, wait=Duration())
        await service.SubmitOrder(single, timeout=_CALL_SECONDS)

    await run_calls([call] * CALLERS, len(requests))


async def _by_stream(service: "OrderServiceStub", requests: Sequence[SubmitOrdersRequest]) -> None:
    async for response in service.SubmitOrders(iter(requests)):
        if not response.HasField("order"):
            raise OrderRefused(response.refused.message.en)


async def in_packs(service: "OrderServiceStub", requests: Sequence[SubmitOrdersRequest]) -> None:
    """Submits orders in packs on one stream. Raises OrderRefused and PacksUnknown."""
    orders = [SubmittedOrder(request_id=each.request_id, order=each.order) for each in requests]
    packs = [SubmitOrdersRequest(orders=orders[first : first + PACK]) for first in range(0, len(orders), PACK)]
    async for response in service.SubmitOrders(iter(packs)):
        if not response.HasField("pack"):
            raise PacksUnknown(response.refused.message.en)
        for result in response.pack.results:
            if not result.HasField("order"):
                raise OrderRefused(result.refused.message.en)


def payments(count: int, lines: Iterable[Line]) -> list[SubmitOrdersRequest]:
    """Orders with ids of their own, for one line after the other; both ways are given the same."""
    run, taken = secrets.token_hex(4), itertools.cycle(lines)
    return [
        SubmitOrdersRequest(
            request_id=f"{run}-{number}",
            order=OrderRequest(
                business="PAY",
                number=next(taken).number,
                applicant=Applicant.APPLICANT_HOLDER,
                characteristics={"amount": "1"},
                requester=requester(),
                bulk=True,
            ),
        )
        for number in range(count)
    ]


def received(federation: LocalFederation) -> int:
    """How many commands the home region has acted on."""
    with federation.database(HOME).look() as tx:
        return tx.first(int, "SELECT COUNT(*) FROM inbox") or 0


async def until_done(federation: LocalFederation, commands: int) -> None:
    """Returns when the home region has acted on so many commands. Raises TimeoutError."""
    async with asyncio.timeout(_PATIENCE):
        while received(federation) < commands:  # noqa: ASYNC110 - it waits for other processes
            await asyncio.sleep(0.05)
