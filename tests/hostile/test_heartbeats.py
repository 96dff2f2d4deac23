"""Heartbeats with invented names: a region fills no memory and no chain, and takes no other region's place."""

import asyncio
import itertools
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial

import grpc
import pytest

from coordinator.membership.service import ENDPOINTS_PER_REGION, NEWCOMERS_SECONDS
from deploy.local.federation import FEDERATION, LocalFederation
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.federation.v1.federation_pb2 import GetChainHeadsRequest, JoinRequest, Member
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.relay.v1.relay_pb2 import DeliverRequest
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, from_rpc_error, reason_name
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.time.clock import to_timestamp
from tests.bench.orders import HOME
from tests.contract.coordinators import RegionKeys, join_request
from tests.hostile.caller import CALL_SECONDS
from tests.hostile.conftest import FLOODING, OF_STREAM, QUIET, RESTS, SECONDS, Target
from tests.hostile.served import KEPT, Served, require_served

CALLERS = 64
CONNECTIONS = 4
ROWS = 16  # of the chain: the region joins, with its keys, and what peers repeat has one row a minute
# Bytes: what each process tells has its limits.
GROWTH = KEPT + CALLERS * OF_STREAM + ENDPOINTS_PER_REGION * 64 * 1024
LOOK = 0.05  # seconds
PATIENCE = 60.0  # seconds until what is left of a flood has gone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS)]


def keys_of(federation: LocalFederation, region: str) -> RegionKeys:
    """Keys of a region with certificates of the federation's authority."""
    now, authority = datetime.now(UTC), Authority.load(federation.directory / "authority")
    identity = Identity(FEDERATION, Role.ROLE_REGION, region, "")
    return RegionKeys(region, authority.issue(identity, now - timedelta(minutes=5), now + timedelta(days=1)))


async def refusal_of(channel: grpc.aio.Channel, request: JoinRequest) -> Refused | None:
    """Sends a heartbeat; None where it is taken."""
    request.node_time.CopyFrom(to_timestamp(datetime.now(UTC)))
    try:
        await FederationServiceStub(channel).Join(request, timeout=CALL_SECONDS)
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        if refused is None:
            raise
        return refused
    return None


def forgeries(own: RegionKeys, others: RegionKeys) -> dict[str, JoinRequest]:
    """Heartbeats of a region with a statement of another one, by the field that is refused."""
    sealed, headed = join_request(own), join_request(own)
    sealed.sealing_key.CopyFrom(join_request(others).sealing_key)
    headed.audit_head.CopyFrom(others.audit_head(1))
    return {"signing_certificate": join_request(others), "sealing_key": sealed, "audit_head": headed}


async def members(federation: LocalFederation) -> dict[str, Member]:
    """What administrators see of each region."""
    async with federation.dial_coordinator() as channel:
        listed = await MembershipServiceStub(channel).ListRegions(ListRegionsRequest(), timeout=CALL_SECONDS)
        return {each.region: each for each in listed.members}


async def end_of_delivery(channel: grpc.aio.Channel) -> str:
    """The reason for which a batch of nothing is refused."""
    request = DeliverRequest(destination=HOME, sealed=bytes(64))
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await RelayServiceStub(channel).Deliver(request, timeout=CALL_SECONDS)
    refused = from_rpc_error(told.value)
    assert refused is not None
    return reason_name(refused.reason)


async def rows(channel: grpc.aio.Channel) -> int:
    """How many rows the coordinator's chains have."""
    told = await FederationServiceStub(channel).GetChainHeads(GetChainHeadsRequest(), timeout=CALL_SECONDS)
    return sum(each.sequence for each in told.heads)


def test_a_region_that_invents_thousands_of_processes_keeps_few_and_leaves_others_their_calls(
    coordinator: Target, federation: LocalFederation
) -> None:
    keys, ends, listed = keys_of(federation, FLOODING), Counter[str](), Counter[str]()
    names = (f"process-{number}.invalid:443" for number in itertools.count())

    async def invent(channel: grpc.aio.Channel) -> None:
        refused = await refusal_of(channel, join_request(keys, next(names)))
        ends[reason_name(refused.reason) if refused else ""] += 1
        if refused and reason_name(refused.reason) == "REQUEST_INVALID":
            assert refused.parameters["field"] == "endpoint"

    async def look() -> None:
        seen = await members(federation)
        listed[FLOODING] = max(listed[FLOODING], len(seen[FLOODING].endpoints))

    async def scenario() -> Served:
        async with AsyncExitStack() as stack, coordinator.honest(RESTS) as served:
            channels = [await stack.enter_async_context(coordinator.dial()) for _ in range(CONNECTIONS)]
            before = await rows(channels[0])
            await served.hold(look, *(partial(invent, channels[each % CONNECTIONS]) for each in range(CALLERS)))
            assert await rows(channels[0]) - before <= ROWS
            async with asyncio.timeout(PATIENCE):
                while (await members(federation))[FLOODING].endpoints:  # noqa: ASYNC110 - it waits for another process
                    await asyncio.sleep(LOOK)
            await federation.wait_joined([HOME])
        return served

    began = time.monotonic()
    served = asyncio.run(scenario())
    print(f"invented processes: {served}, {dict(ends)}")
    require_served(served, GROWTH)
    assert 0 < ends[""] <= 2 * ENDPOINTS_PER_REGION * (1 + (time.monotonic() - began) / NEWCOMERS_SECONDS)
    assert ends.total() > ends[""]
    assert 0 < listed[FLOODING] <= ENDPOINTS_PER_REGION
    assert ends.keys() <= {"", "HEARTBEATS_TOO_MANY", "REQUEST_INVALID", "CALLS_TOO_MANY"}


def test_a_region_that_names_the_keys_or_the_process_of_another_one_takes_nothing_from_it(
    coordinator: Target, federation: LocalFederation
) -> None:
    own, others = keys_of(federation, FLOODING), keys_of(federation, HOME)

    async def forge() -> None:
        async with coordinator.dial() as channel:
            before = (await members(federation))[HOME]
            for field, forged in forgeries(own, others).items():
                refused = await refusal_of(channel, forged)
                assert refused is not None
                assert (reason_name(refused.reason), refused.parameters["field"]) == ("REQUEST_INVALID", field)
            assert await refusal_of(channel, join_request(own, federation.endpoint(HOME))) is None
            after = (await members(federation))[HOME]
            assert after.signing_certificate == before.signing_certificate
        async with coordinator.dial_honest() as channel:
            assert await refusal_of(channel, join_request(keys_of(federation, QUIET))) is None
            async with asyncio.timeout(PATIENCE):
                while (told := await end_of_delivery(channel)) == "REGION_UNREACHABLE":  # noqa: ASYNC110 - of a process
                    await asyncio.sleep(LOOK)
            assert told == "SEALING_KEY_UNKNOWN", "the region itself has answered"

    async def scenario() -> Served:
        await federation.wait_joined([HOME])
        async with coordinator.honest() as served:
            await forge()
            await served.end()
        return served

    require_served(asyncio.run(scenario()), KEPT)
