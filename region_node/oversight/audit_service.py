"""AuditService: the region's own chain, verified for coordinators, and the heads that it keeps as a witness."""

import grpc

from gateway.api.region.v1 import audit_service_pb2 as api
from gateway.api.region.v1.audit_service_pb2_grpc import AuditServiceServicer
from gateway.auditing import audit
from gateway.auditing.walking import verified_part
from gateway.store.port import Store
from region_node.node.witnessing.chain_rows import witnessed_chains
from region_node.node.witnessing.witness import witnessed_heads


class AuditService(AuditServiceServicer):
    """See the contract."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ListWitnessedHeads(  # noqa: N802 - named by the contract
        self,
        request: api.ListWitnessedHeadsRequest,
        context: grpc.aio.ServicerContext[api.ListWitnessedHeadsRequest, api.ListWitnessedHeadsResponse],
    ) -> api.ListWitnessedHeadsResponse:
        """See the contract."""
        heads = await self._store.read(lambda tx: [*witnessed_heads(tx), *witnessed_chains(tx)])
        return api.ListWitnessedHeadsResponse(heads=heads)

    async def VerifyChain(  # noqa: N802 - named by the contract
        self,
        request: api.VerifyChainRequest,
        context: grpc.aio.ServicerContext[api.VerifyChainRequest, api.VerifyChainResponse],
    ) -> api.VerifyChainResponse:
        """See the contract."""
        return await verified_part(
            lambda after: self._store.read(lambda tx: audit.page(tx, after)),
            request,
        )
