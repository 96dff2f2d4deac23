"""RevocationService: administrators and regions publish the lists that issuers have signed."""

import asyncio

import grpc

from coordinator.registry.port import Registry
from coordinator.revocations.publishing import published
from gateway.api.coordinator.v1 import revocation_service_pb2 as contract
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import RevocationServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.calls import current_call
from gateway.rpc.rates import Rate
from gateway.security.revocations import Revocations

# Lists of one caller: people sign them, and each is verified here and goes to every node.
LISTS = 16  # as a burst
_LISTS_PER_HOUR = 60


class RevocationService(RevocationServiceServicer):
    """See the contract."""

    def __init__(self, registry: Registry, revocations: Revocations) -> None:
        self._registry = registry
        self._revocations = revocations
        self._rate = Rate(LISTS, _LISTS_PER_HOUR / 3600)

    async def PublishRevocationList(
        self,
        request: contract.PublishRevocationListRequest,
        context: grpc.aio.ServicerContext[
            contract.PublishRevocationListRequest, contract.PublishRevocationListResponse
        ],
    ) -> contract.PublishRevocationListResponse:
        """See the contract."""
        caller, told = current_call().identity.path, request.revocation_list
        if told in self._registry.snapshot().revocation_lists.values():
            return contract.PublishRevocationListResponse()
        if not self._rate.allows(caller, asyncio.get_running_loop().time()):
            raise Refused(Reason.REASON_REVOCATION_LISTS_TOO_MANY, caller=caller)
        wanted = published(self._revocations.verified(told), self._registry.snapshot().revocation_lists)
        await self._registry.publish(wanted, actor=caller)
        return contract.PublishRevocationListResponse()

    async def ListRevocationLists(
        self,
        request: contract.ListRevocationListsRequest,
        context: grpc.aio.ServicerContext[contract.ListRevocationListsRequest, contract.ListRevocationListsResponse],
    ) -> contract.ListRevocationListsResponse:
        """See the contract."""
        lists = self._registry.snapshot().revocation_lists
        return contract.ListRevocationListsResponse(revocation_lists=[lists[issuer] for issuer in sorted(lists)])
