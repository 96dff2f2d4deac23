"""The output of `coordinator regions` about several coordinators, by real processes against a server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import grpc
import pytest

from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import (
    MembershipServiceServicer,
    add_MembershipServiceServicer_to_server,
)
from gateway.api.federation.v1.federation_pb2 import EnvelopesInFlight, Member, MemberState, NodeReport, OpenBreaker
from gateway.api.region.v1.recovery_service_pb2 import Loss
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.server import Service
from gateway.time.clock import to_timestamp
from tests.contract.small_federation import CLOCK, NOTHING_LISTENS, Certificates, serving
from tests.contract.test_coordinator_cli import command
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

SERVICE = contract.DESCRIPTOR.services_by_name["MembershipService"]
FIRST = contract.Replica(name="coordinator/0", endpoint="10.0.0.1:7000")
SECOND = contract.Replica(name="coordinator/1", endpoint="10.0.0.2:7000")


@dataclass
class Membership(MembershipServiceServicer):
    """Knows two coordinators, and what a test adds to that."""

    silent: timedelta = timedelta(0)
    unconfirmed: list[contract.Replica] = field(default_factory=list)
    refusal: Refused | None = None
    loss: Loss | None = None
    report: NodeReport = field(default_factory=NodeReport)

    async def ListRegions(  # noqa: N802 - named by gRPC
        self,
        request: contract.ListRegionsRequest,
        context: grpc.aio.ServicerContext[contract.ListRegionsRequest, contract.ListRegionsResponse],
    ) -> contract.ListRegionsResponse:
        return contract.ListRegionsResponse(
            replicas=[FIRST, SECOND],
            registry_time=to_timestamp(CLOCK.now() - self.silent),
            loss=self.loss,
            members=[
                Member(region="henan", federation_revision=12, report=self.report),
                Member(region="sichuan", federation_revision=11),
            ],
        )

    async def SuspendRegion(  # noqa: N802 - named by gRPC
        self,
        request: contract.SuspendRegionRequest,
        context: grpc.aio.ServicerContext[contract.SuspendRegionRequest, contract.SuspendRegionResponse],
    ) -> contract.SuspendRegionResponse:
        if self.refusal is not None:
            raise self.refusal
        member = Member(region=request.region, state=MemberState.MEMBER_STATE_SUSPENDED, state_note=request.note)
        return contract.SuspendRegionResponse(member=member, unconfirmed=self.unconfirmed)

    async def ReinstateRegion(  # noqa: N802 - named by gRPC
        self,
        request: contract.ReinstateRegionRequest,
        context: grpc.aio.ServicerContext[contract.ReinstateRegionRequest, contract.ReinstateRegionResponse],
    ) -> contract.ReinstateRegionResponse:
        raise AssertionError

    async def KeepSuspension(  # noqa: N802 - named by gRPC
        self,
        request: contract.KeepSuspensionRequest,
        context: grpc.aio.ServicerContext[contract.KeepSuspensionRequest, contract.KeepSuspensionResponse],
    ) -> contract.KeepSuspensionResponse:
        raise AssertionError

    async def AcceptRegistryLoss(  # noqa: N802 - named by gRPC
        self,
        request: contract.AcceptRegistryLossRequest,
        context: grpc.aio.ServicerContext[contract.AcceptRegistryLossRequest, contract.AcceptRegistryLossResponse],
    ) -> contract.AcceptRegistryLossResponse:
        assert self.loss is not None
        assert (request.number, request.reference) == (self.loss.number, "INC-2041")
        accepted, self.loss = self.loss, None
        return contract.AcceptRegistryLossResponse(loss=accepted)


@asynccontextmanager
async def told_by(certificates: Certificates, membership: Membership) -> AsyncIterator[str]:
    service = Service.of(SERVICE, add_MembershipServiceServicer_to_server, membership)
    async with serving(certificates, "coordinator/0", [service]) as endpoint:
        yield endpoint


def test_an_older_database_is_told_loudly_with_what_to_do_until_it_is_accepted(certificates: Certificates) -> None:
    async def scenario() -> None:
        loss = Loss(number=1, witness="region/henan", last_sequence=7, seen_sequence=12)
        async with told_by(certificates, Membership(loss=loss)) as endpoint:
            code, _, errors = await command(certificates, endpoint, "regions", "list")
            assert code == 0
            assert "it ended at row 7, and region/henan has seen row 12" in errors
            assert "coordinator regions accept-loss 1 REFERENCE" in errors
            assert "Regions work by revision 12 of the configuration" in errors
            code, out, errors = await command(certificates, endpoint, "regions", "accept-loss", "1", "INC-2041")
            assert (code, out, errors) == (0, "loss 1 is accepted: envelopes are forwarded again\n", "")
            code, _, errors = await command(certificates, endpoint, "regions", "list")
            assert (code, errors) == (0, "")

    asyncio.run(scenario())


def test_the_lanes_of_a_region_are_listed_with_what_is_in_flight_and_why_one_has_stopped(
    certificates: Certificates,
) -> None:
    report = NodeReport(
        in_flight=[EnvelopesInFlight(destination="guangdong", count=7)],
        open_breakers=[OpenBreaker(destination="sichuan", failure="UNAVAILABLE", waiting=12)],
    )

    async def scenario() -> None:
        async with told_by(certificates, Membership(report=report)) as endpoint:
            code, out, errors = await command(certificates, endpoint, "regions", "lanes", "henan")
            assert (code, errors) == (0, "")
            _, _, stopped, flying = (" ".join(line.split()) for line in out.splitlines())
            assert (stopped, flying) == ("sichuan 12 no answer, UNAVAILABLE", "guangdong 7")
            code, out, _ = await command(certificates, endpoint, "regions", "lanes", "henan", "--json")
            assert json.loads(out)["in_flight"] == [{"destination": "guangdong", "count": 7}]

    asyncio.run(scenario())


def test_who_confirmed_a_suspension_is_told(certificates: Certificates) -> None:
    async def scenario() -> None:
        async with told_by(certificates, Membership()) as endpoint:
            code, out, errors = await command(certificates, endpoint, "regions", "suspend", "sichuan", "--note", "why")
            assert (code, errors) == (0, "")
            assert out == "sichuan is suspended: why\nconfirmed by coordinator/0, coordinator/1\n"

    asyncio.run(scenario())


def test_a_suspension_that_not_all_have_confirmed_names_them_and_does_not_succeed(certificates: Certificates) -> None:
    async def scenario() -> None:
        async with told_by(certificates, Membership(unconfirmed=[SECOND])) as endpoint:
            words = ("regions", "suspend", "sichuan", "--note", "why")
            code, out, errors = await command(certificates, endpoint, *words)
            assert (code, out) == (1, "sichuan is suspended: why\nconfirmed by coordinator/0\n")
            assert errors == (
                "Error: not confirmed by coordinator/1 at 10.0.0.2:7000: envelopes may still reach sichuan\n"
            )
            code, out, _ = await command(certificates, endpoint, *words, "--json")
            assert code == 1
            assert json.loads(out)["unconfirmed"] == [{"name": "coordinator/1", "endpoint": "10.0.0.2:7000"}]

    asyncio.run(scenario())


def test_the_end_of_the_lease_of_a_coordinator_that_has_not_confirmed_is_told(certificates: Certificates) -> None:
    async def scenario() -> None:
        until = contract.Replica(name="coordinator/1", endpoint="10.0.0.2:7000")
        until.lease_end_time.FromJsonString("2026-11-24T12:00:09Z")
        async with told_by(certificates, Membership(unconfirmed=[until])) as endpoint:
            code, _, errors = await command(certificates, endpoint, *SUSPEND)
            assert code == 1
            assert "not confirmed by coordinator/1 at 10.0.0.2:7000, whose lease lasts until 2026-11-24" in errors

    asyncio.run(scenario())


def test_a_registry_that_does_not_answer_is_told_loudly(certificates: Certificates) -> None:
    async def scenario() -> None:
        membership = Membership()
        async with told_by(certificates, membership) as endpoint:
            code, out, errors = await command(certificates, endpoint, "regions", "list")
            assert (code, errors) == (0, "")
            assert [line.split() for line in out.splitlines()[-2:]] == [
                ["coordinator/0", "10.0.0.1:7000"],
                ["coordinator/1", "10.0.0.2:7000"],
            ]
            membership.silent = timedelta(minutes=7)
            code, out, errors = await command(certificates, endpoint, "regions", "list")
            assert code == 0
            assert errors.startswith("THE REGISTRY HAS NOT ANSWERED SINCE ")
            assert "7 min ago" in errors

    asyncio.run(scenario())


def test_the_next_coordinator_is_asked_where_one_does_not_answer(certificates: Certificates) -> None:
    async def scenario() -> None:
        async with told_by(certificates, Membership()) as endpoint:
            code, out, _ = await command(certificates, f"{NOTHING_LISTENS}, {endpoint}", "regions", "list")
            assert (code, "coordinator/1" in out) == (0, True)
        code, out, errors = await command(certificates, f"{NOTHING_LISTENS},{endpoint}", "regions", "list")
        assert (code, out) == (3, "")
        assert f"no answer from {NOTHING_LISTENS}, " in errors
        assert f"no answer from {endpoint}, " in errors
        code, _, errors = await command(certificates, f"{endpoint},", "regions", "list")
        assert code == 2

    asyncio.run(scenario())


SUSPEND = ("regions", "suspend", "sichuan", "--note", "why")


def test_the_next_coordinator_is_asked_where_one_cannot_reach_the_registry(certificates: Certificates) -> None:
    async def scenario() -> None:
        cut_off = Membership(refusal=Refused(Reason.REASON_REGISTRY_UNAVAILABLE))
        async with told_by(certificates, cut_off) as first, told_by(certificates, Membership()) as second:
            code, out, errors = await command(certificates, f"{first},{second}", *SUSPEND)
            assert (code, errors) == (0, "")
            assert out.startswith("sichuan is suspended: why\n")

    asyncio.run(scenario())


def test_where_no_coordinator_reaches_the_registry_all_that_were_asked_are_named(certificates: Certificates) -> None:
    async def scenario() -> None:
        cut_off = Membership(refusal=Refused(Reason.REASON_REGISTRY_UNAVAILABLE))
        async with told_by(certificates, cut_off) as first, told_by(certificates, cut_off) as second:
            code, out, errors = await command(certificates, f"{first},{second}", *SUSPEND)
            assert (code, out) == (1, "")
            for endpoint in (first, second):
                assert f"refused by the coordinator at {endpoint}: REGISTRY_UNAVAILABLE: " in errors
            assert "`coordinator doctor`" in errors
            # The one that does not answer may have done it.
            code, _, errors = await command(certificates, f"{NOTHING_LISTENS},{first}", *SUSPEND)
            assert code == 3
            assert f"no answer from {NOTHING_LISTENS}, " in errors
            assert f"refused by the coordinator at {first}: " in errors

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_coordinator_whose_handshake_takes_longer_than_a_second_is_waited_for(certificates: Certificates) -> None:
    async def scenario(background: Background) -> None:
        async with told_by(certificates, Membership()) as endpoint:
            line = FaultProxy(background, lambda: endpoint)
            await asyncio.to_thread(line.delay, 0.6)
            code, _, errors = await command(certificates, line.endpoint, "regions", "list")
            await asyncio.to_thread(line.close)
            assert (code, errors) == (0, "")

    background = Background()
    asyncio.run(scenario(background))
    background.close()


def test_another_refusal_is_told_at_once(certificates: Certificates) -> None:
    async def scenario() -> None:
        refusing = Membership(refusal=Refused(Reason.REASON_REGION_UNKNOWN, region="sichuan"))
        async with told_by(certificates, refusing) as first, told_by(certificates, Membership()) as second:
            code, out, errors = await command(certificates, f"{first},{second}", *SUSPEND)
            assert (code, out) == (1, "")
            assert errors.startswith("Error: REGION_UNKNOWN: ")

    asyncio.run(scenario())
