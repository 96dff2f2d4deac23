"""A node gives a statement about a region back that a coordinator has lost to one dated ahead."""

import asyncio
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from gateway.api.coordinator.v1 import administration_pb2
from gateway.api.coordinator.v1.administration_pb2 import KeepSuspensionRequest, KeepSuspensionResponse
from gateway.api.coordinator.v1.administration_pb2_grpc import (
    MembershipServiceServicer,
    add_MembershipServiceServicer_to_server,
)
from gateway.api.federation.v1.federation_pb2 import WatchResponse
from gateway.api.federation.v1.federation_pb2_grpc import add_FederationServiceServicer_to_server
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.revisions import place_of
from gateway.federation.suspensions import signed_suspension
from gateway.rpc.server import Service
from region_node.node.membership.last_good import LastGood
from tests.administrators import Administrators
from tests.contract.membership_node import eventually
from tests.contract.small_federation import (
    CLOCK,
    CONFIGURATION,
    FEDERATION,
    SERVICE,
    Certificates,
    Coordinator,
    serving,
)
from tests.contract.test_signed_configuration import following, state

MEMBERSHIP = administration_pb2.DESCRIPTOR.services_by_name["MembershipService"]


class Membership(MembershipServiceServicer):
    """Remembers the statements that were given back, and refuses each while it trusts no clock."""

    def __init__(self) -> None:
        self.given: list[SignedSuspension] = []
        self.trusts_a_clock = False

    async def KeepSuspension(  # noqa: N802 - named by gRPC
        self,
        request: KeepSuspensionRequest,
        context: grpc.aio.ServicerContext[KeepSuspensionRequest, KeepSuspensionResponse],
    ) -> KeepSuspensionResponse:
        self.given.append(request.signed)
        if not self.trusts_a_clock:
            raise Refused(Reason.REASON_SUSPENSION_OUTDATED, region="henan")
        return KeepSuspensionResponse()


@pytest.mark.parametrize("is_ended", [False, True])
def test_a_node_gives_a_suspension_back_that_one_dated_ahead_has_displaced_until_it_is_kept_or_ended(
    certificates: Certificates, tmp_path: Path, is_ended: bool
) -> None:
    people, now, hub = Administrators(tmp_path, FEDERATION), CLOCK.now(), Coordinator()
    membership = Membership()  # type: ignore[abstract]  # its other methods are not called
    first, region = people.signed(people.anchor, CONFIGURATION, now), CONFIGURATION.regions[0].id

    def stated(after: timedelta, *, suspended: bool) -> SignedSuspension:
        place = place_of(first.revision)
        return signed_suspension(people.signers["li"], place, region, now + after, suspended=suspended)

    honest, second = stated(timedelta(), suspended=True), timedelta(seconds=1)
    ahead, ended = stated(timedelta(days=365), suspended=False), stated(second, suspended=False)

    def told(mark: str, *signed: SignedSuspension) -> WatchResponse:
        response = state(first)
        response.members.add(region="probe", state_note=mark)
        response.suspensions.extend(signed)
        return response

    async def story() -> None:
        services = [
            Service.of(SERVICE, add_FederationServiceServicer_to_server, hub),
            Service.of(MEMBERSHIP, add_MembershipServiceServicer_to_server, membership),
        ]
        hub.put(told("before", honest))
        async with serving(certificates, "coordinator/0", services) as endpoint:
            async with following(certificates, tmp_path, people.anchor, endpoint):
                await eventually(LastGood(tmp_path / "node").path.exists)
            hub.put(told("displaced", ahead))
            async with following(certificates, tmp_path, people.anchor, endpoint) as restarted:

                async def taken(mark: str, *signed: SignedSuspension) -> None:
                    """Returns when the node has taken this message."""
                    hub.put(told(mark, *signed))
                    members = restarted.current.state
                    await eventually(lambda: members().members["probe"].state_note == mark)

                await eventually(lambda: membership.given == [honest])
                membership.trusts_a_clock = True
                further = [ended] if is_ended else []
                for mark in ("trusted", "once more", "and more"):
                    await taken(mark, *further)
                assert membership.given == [honest] * (1 if is_ended else 2)

    asyncio.run(story())
