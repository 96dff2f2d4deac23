"""Orders in bulk on one stream, against the same number of single calls: how many a second are taken in."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

from google.protobuf.duration_pb2 import Duration

from deploy.local.federation import LocalFederation
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest, SubmitOrdersRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Applicant
from tests.bench.bare import BARE
from tests.bench.comparing import in_turns
from tests.bench.load import Call, run_calls
from tests.bench.orders import HANDLING, HOME, all_lines, requester
from tests.bench.report import Comparison

CALLERS = 32
_CALL_SECONDS = 25.0
_PATIENCE = 120.0  # seconds until the home region has all of a half


class OrderRefused(Exception):
    """An order was not taken in: the run measures nothing."""


async def measure_bulk(federation: LocalFederation, bare: Call, orders: int, rounds: int) -> list[Comparison]:
    """Takes in `orders` payments either way in each round; on the stream also beside as many bare calls.

    Each half begins when the home region has done all of the one before. Raises OrderRefused.
    """
    async with federation.dial_region(HANDLING, f"{HANDLING}-counter") as channel:
        service = OrderServiceStub(channel)

        async def rate(way: Callable[["OrderServiceStub", Sequence[SubmitOrdersRequest]], Awaitable[None]]) -> float:
            requests, before = _payments(orders), _received(federation)
            started = time.perf_counter()
            await way(service, requests)
            found = orders / (time.perf_counter() - started)
            await _until_done(federation, before + orders)
            return found

        async def bare_rate() -> float:
            started = time.perf_counter()
            await run_calls([bare] * CALLERS, orders)
            return orders / (time.perf_counter() - started)

        return [
            Comparison(
                name=name,
                figure="orders for another region taken in, 1/s",
                base=base,
                measured="one stream",
                rounds=await in_turns(way, lambda: rate(_by_stream), rounds),
            )
            for name, base, way in (
                ("bulk_orders", f"{CALLERS} callers", lambda: rate(_by_calls)),
                ("bulk_orders_beside_bare", BARE, bare_rate),
            )
        ]


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


def _payments(count: int) -> list[SubmitOrdersRequest]:
    """Orders with ids of their own; both ways are given the same."""
    run, lines = secrets.token_hex(4), itertools.cycle(all_lines())
    return [
        SubmitOrdersRequest(
            request_id=f"{run}-{number}",
            order=OrderRequest(
                business="PAY",
                number=next(lines).number,
                applicant=Applicant.APPLICANT_HOLDER,
                characteristics={"amount": "1"},
                requester=requester(),
                bulk=True,
            ),
        )
        for number in range(count)
    ]


def _received(federation: LocalFederation) -> int:
    """How many commands the home region has acted on."""
    with federation.database(HOME).look() as tx:
        return tx.first(int, "SELECT COUNT(*) FROM inbox") or 0


async def _until_done(federation: LocalFederation, commands: int) -> None:
    async with asyncio.timeout(_PATIENCE):
        while _received(federation) < commands:  # noqa: ASYNC110 - it waits for other processes
            await asyncio.sleep(0.05)
