"""A region at full speed at a coordinator leaves the other regions their calls, by the same turns as operators take."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import grpc
import pytest

from gateway.api.federation.v1.federation_pb2 import GetAuditHeadRequest, WatchRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.relay.v1.relay_pb2 import DeliverRequest
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.errors import from_rpc_error, reason_name
from gateway.rpc.admission import AMONG_OTHERS
from gateway.rpc.server import LISTENERS
from tests.bench.orders import HOME
from tests.hostile.caller import CALL_SECONDS
from tests.hostile.conftest import MORE_OFTEN, OF_STREAM, RESTS, SECONDS, Target
from tests.hostile.served import KEPT, Served, require_served

CALLERS = 128  # of the region at full speed: few enough for the door to let them wait, and not refuse them
CONNECTIONS = 4 * LISTENERS  # of theirs: some at each
# In quiet calls: a call waits for those that began before it, and half as many on their way to the door.
# Without turns the medians are 17 to 50.
MOST = 1.5 * AMONG_OTHERS
BATCH = 64 * 1024  # bytes
COPIES = 6  # of a batch: received, parsed, forwarded, and in the buffers of gRPC
GROWTH = KEPT + CALLERS * (OF_STREAM + COPIES * BATCH)  # bytes

Flood = Callable[[grpc.aio.Channel], Awaitable[object]]


async def ask(channel: grpc.aio.Channel) -> None:
    await FederationServiceStub(channel).GetAuditHead(GetAuditHeadRequest(), timeout=CALL_SECONDS)


async def watch(channel: grpc.aio.Channel) -> None:
    async for _ in FederationServiceStub(channel).Watch(WatchRequest(), timeout=CALL_SECONDS):
        return


async def deliver(channel: grpc.aio.Channel) -> None:
    batch = DeliverRequest(destination=HOME, sealed=bytes(BATCH))
    await RelayServiceStub(channel).Deliver(batch, timeout=CALL_SECONDS)


async def flood(target: Target, call: Flood) -> tuple[Served, Counter[str]]:
    """Lets one region call at full speed, whatever it is told, beside another one; counts how its calls end."""
    ends = Counter[str]()

    async def insist(channel: grpc.aio.Channel) -> None:
        try:
            await call(channel)
            ends[""] += 1
        except grpc.aio.AioRpcError as error:
            refused = from_rpc_error(error)
            ends[reason_name(refused.reason) if refused else error.code().name] += 1

    async with target.honest(RESTS) as served, AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(target.dial()) for _ in range(CONNECTIONS)]
        await served.hold(*(partial(insist, channels[each % CONNECTIONS]) for each in range(CALLERS)))
    return served, ends


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("call", [ask, watch, deliver], ids=lambda call: call.__name__)
def test_a_region_that_calls_twenty_times_as_often_leaves_others_their_calls(coordinator: Target, call: Flood) -> None:
    served, ends = asyncio.run(flood(coordinator, call))
    print(f"{call.__name__}: {served}, {dict(ends)}")
    require_served(served, GROWTH)
    assert ends.total() >= MORE_OFTEN * len(served.beside.waits)
    if call is ask:  # beside refusals and large requests the median varies too much for a bound
        assert served.occupied(0.5) < MOST
