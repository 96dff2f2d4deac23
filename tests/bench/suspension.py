"""How long it takes from asking for a suspension until nothing more reaches the region, under load."""

import asyncio
import contextlib
import itertools
import secrets
import time
from dataclasses import dataclass

import grpc
from google.protobuf.duration_pb2 import Duration

from deploy.local.federation import LocalFederation
from gateway.api.coordinator.v1.administration_pb2 import (
    GetConfigurationRequest,
    ReinstateRegionRequest,
    SuspendRegionRequest,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub, MembershipServiceStub
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Applicant
from tests.bench.orders import HANDLING, HOME, all_lines, requester

CALLERS = 8
LOADED = 50  # envelopes that must have come in before the suspension is asked for, and after it was ended
PATIENCE = 60.0  # seconds; reached only where something is broken
_CALL_SECONDS = 20.0
_NOTE = "measured"


@dataclass(frozen=True)
class Suspension:
    """A suspension, in seconds from its request."""

    confirmed: float
    """Until the call returned, with every coordinator's word."""
    last_envelope: float
    """Until the last envelope was acted on in the suspended region; 0 where none was after the question."""
    later: int
    """Envelopes that were acted on after the call had returned."""

    def plain(self) -> dict[str, float]:
        """For JSON."""
        return {"confirmed": self.confirmed, "last_envelope": self.last_envelope, "later": self.later}


async def measure_suspensions(federation: LocalFederation, count: int) -> list[Suspension]:
    """Suspends and reinstates the home region under a load of payments."""
    async with (
        federation.dial_coordinator() as administration,
        federation.dial_region(HANDLING, f"{HANDLING}-counter") as counter,
    ):
        load = asyncio.ensure_future(_pay(OrderServiceStub(counter)))
        try:
            return [await _suspend(federation, administration) for _ in range(count)]
        finally:
            load.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await load


async def _suspend(federation: LocalFederation, administration: grpc.aio.Channel) -> Suspension:
    membership = MembershipServiceStub(administration)
    configuration = ConfigurationServiceStub(administration)
    place = (await configuration.GetConfiguration(GetConfigurationRequest(), timeout=_CALL_SECONDS)).place
    await _until_received(federation, after=time.time())
    signed = federation.administrator.suspension(place, HOME, suspended=True, note=_NOTE)
    asked, started = time.time(), time.perf_counter()
    request = SuspendRegionRequest(region=HOME, note=_NOTE, signed=signed)
    answer = await membership.SuspendRegion(request, timeout=_CALL_SECONDS)
    confirmed = time.perf_counter() - started
    returned = time.time()
    if answer.unconfirmed:
        raise RuntimeError(f"not confirmed by {[replica.name for replica in answer.unconfirmed]}")
    # Long enough for everything that could still be on its way by then: a delivery takes milliseconds.
    await asyncio.sleep(1.0)
    received = _received(federation, asked)
    signed = federation.administrator.suspension(place, HOME, suspended=False)
    await membership.ReinstateRegion(ReinstateRegionRequest(region=HOME, signed=signed), timeout=_CALL_SECONDS)
    last = max(received, default=asked)
    return Suspension(confirmed, last - asked, sum(1 for instant in received if instant > returned))


def _received(federation: LocalFederation, after: float) -> list[float]:
    """When envelopes were acted on in the home region, after an instant; seconds since 1970."""
    with federation.database(HOME).look() as tx:
        instants = tx.all(int, "SELECT received FROM inbox WHERE received > :after", after=int(after * 1e6))
    return [instant / 1e6 for instant in instants]


async def _until_received(federation: LocalFederation, after: float) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(_received(federation, after)) < LOADED:  # noqa: ASYNC110 - it waits for other processes
            await asyncio.sleep(0.05)


async def _pay(orders: "OrderServiceStub") -> None:
    """Payments without waiting for the home region, until it is cancelled."""
    run, lines = secrets.token_hex(4), itertools.cycle(all_lines())
    numbers = itertools.count()

    async def repeat() -> None:
        while True:
            request = SubmitOrderRequest(
                request_id=f"{run}-{next(numbers)}",
                order=OrderRequest(
                    business="PAY",
                    number=next(lines).number,
                    applicant=Applicant.APPLICANT_HOLDER,
                    characteristics={"amount": "1"},
                    requester=requester(),
                ),
                wait=Duration(),
            )
            try:
                await orders.SubmitOrder(request, timeout=_CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:  # the lane is full while the region is suspended
                    raise
                await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(repeat())
