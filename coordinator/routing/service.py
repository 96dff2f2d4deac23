"""RelayService of a coordinator."""

import grpc

from coordinator.routing.router import Router
from gateway.api.relay.v1.relay_pb2 import DeliverRequest, DeliverResponse
from gateway.api.relay.v1.relay_pb2_grpc import RelayServiceServicer
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.lanes import DELIVER_TIMEOUT
from gateway.rpc.calls import current_call


class RoutingService(RelayServiceServicer):
    """Only regions bring envelopes to a coordinator."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def Deliver(
        self, request: DeliverRequest, context: grpc.aio.ServicerContext[DeliverRequest, DeliverResponse]
    ) -> DeliverResponse:
        """See the contract."""
        call = current_call()
        if call.identity.role != Role.ROLE_REGION:
            raise Refused(Reason.REASON_PERMISSION_DENIED, identity=call.identity.path, method=call.method)
        return await self._router.deliver(call.identity.region, request, call.seconds_left(DELIVER_TIMEOUT))
