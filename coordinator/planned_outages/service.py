"""PlannedOutageRegistryService: regions hold planned outages; administrators see them."""

import asyncio
from collections.abc import Sequence

import grpc

from coordinator.membership.members import members_of
from coordinator.membership.rules import require_configured
from coordinator.planned_outages import rules
from coordinator.registry import shares
from coordinator.registry.port import Registry
from coordinator.registry.writes import Writes
from gateway.api.coordinator.v1 import planned_outage_registry_service_pb2 as contract
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2_grpc import PlannedOutageRegistryServiceServicer
from gateway.api.federation.v1.network_pb2 import Network
from gateway.federation.network import NetworkRegistry
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_key, page_after
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import from_timestamp


class PlannedOutageRegistryService(PlannedOutageRegistryServiceServicer):
    """See the contract."""

    def __init__(self, registry: Registry, clock: AgreedClock) -> None:
        self._registry = registry
        self._clock = clock
        self._writes = Writes(shares.PLANNED_OUTAGE_WRITES)

    async def HoldPlannedOutage(
        self,
        request: contract.HoldPlannedOutageRequest,
        context: grpc.aio.ServicerContext[contract.HoldPlannedOutageRequest, contract.HoldPlannedOutageResponse],
    ) -> contract.HoldPlannedOutageResponse:
        """See the contract."""
        window = PlannedOutageHeader()
        window.CopyFrom(request.planned_outage)
        window.DiscardUnknownFields()  # fields of a later version were not checked
        configuration = self._registry.snapshot().configuration
        network = NetworkRegistry(configuration.network if configuration is not None else Network())
        now, seconds, region = (
            self._clock.settled_now(),
            asyncio.get_running_loop().time(),
            current_call().identity.region,
        )
        rules.require_planned_outage(window, region, network, now)

        def decide(held: Sequence[PlannedOutageHeader]) -> Sequence[PlannedOutageHeader] | None:
            after = rules.held_with(held, window, network, now)
            if after is not None:
                take(sum(each.ByteSize() for each in after))
            return after

        with self._writes.change(region, seconds) as take:
            await self._registry.change_planned_outages(decide)
        return contract.HoldPlannedOutageResponse()

    async def ListPlannedOutages(
        self,
        request: contract.ListPlannedOutagesRequest,
        context: grpc.aio.ServicerContext[contract.ListPlannedOutagesRequest, contract.ListPlannedOutagesResponse],
    ) -> contract.ListPlannedOutagesResponse:
        """See the contract."""
        if request.region:
            require_configured(members_of(self._registry.snapshot()), request.region)
        held = await self._registry.planned_outages()
        found = rules.listed(held, request.region, self._clock.now())
        windows, token = page_after("windows", found, _key, request.page_size, request.page_token)
        return contract.ListPlannedOutagesResponse(planned_outages=windows, next_page_token=token)


def _key(window: PlannedOutageHeader) -> str:
    return dated_key(from_timestamp(window.start_time), window.id)
