"""PlannedOutageService: regions hold windows; administrators see them."""

from collections.abc import Sequence

import grpc

from coordinator.membership.members import members_of
from coordinator.membership.rules import require_configured
from coordinator.planned_outages import rules
from coordinator.registry.port import Registry
from gateway.api.coordinator.v1 import planned_outage_service_pb2 as contract
from gateway.api.coordinator.v1.planned_outage_service_pb2 import PlannedWindow
from gateway.api.coordinator.v1.planned_outage_service_pb2_grpc import PlannedOutageServiceServicer
from gateway.api.federation.v1.network_pb2 import Network
from gateway.federation.network import NetworkRegistry
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_key, page_after
from gateway.time.clock import Clock, from_timestamp


class PlannedOutageService(PlannedOutageServiceServicer):
    """See the contract."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    async def HoldWindow(
        self,
        request: contract.HoldWindowRequest,
        context: grpc.aio.ServicerContext[contract.HoldWindowRequest, contract.HoldWindowResponse],
    ) -> contract.HoldWindowResponse:
        """See the contract."""
        window = PlannedWindow()
        window.CopyFrom(request.window)
        window.DiscardUnknownFields()  # fields of a later version were not checked
        configuration = self._registry.snapshot().configuration
        network = NetworkRegistry(configuration.network if configuration is not None else Network())
        now = self._clock.now()
        rules.require_window(window, current_call().identity.region, network, now)

        def decide(held: Sequence[PlannedWindow]) -> Sequence[PlannedWindow] | None:
            return rules.held_with(held, window, network, now)

        await self._registry.change_planned_windows(decide)
        return contract.HoldWindowResponse()

    async def ListWindows(
        self,
        request: contract.ListWindowsRequest,
        context: grpc.aio.ServicerContext[contract.ListWindowsRequest, contract.ListWindowsResponse],
    ) -> contract.ListWindowsResponse:
        """See the contract."""
        if request.region:
            require_configured(members_of(self._registry.snapshot()), request.region)
        held = await self._registry.planned_windows()
        found = rules.listed(held, request.region, self._clock.now())
        windows, token = page_after("windows", found, _key, request.page_size, request.page_token)
        return contract.ListWindowsResponse(windows=windows, next_page_token=token)


def _key(window: PlannedWindow) -> str:
    return dated_key(from_timestamp(window.start_time), window.id)
