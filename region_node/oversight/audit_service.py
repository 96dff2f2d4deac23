"""AuditService: the region's own chain, verified for coordinators and read by staff, and the heads of others."""

import grpc

from gateway.api.region.v1 import audit_service_pb2 as api
from gateway.api.region.v1.audit_service_pb2_grpc import AuditServiceServicer
from gateway.api.types.v1.types_pb2 import Requester
from gateway.auditing import audit
from gateway.auditing.walking import verified_part
from gateway.rpc.calls import current_call
from gateway.rpc.few_at_once import FewAtOnce
from gateway.rpc.pages import encode_token, page_of_bytes, page_size
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.node.operator_scopes import AUDIT_SERVICE, OperatorScopes
from region_node.node.rules import OF_STAFF
from region_node.node.witnessing.chain_rows import witnessed_chains
from region_node.node.witnessing.witness import witnessed_heads
from region_node.oversight.audit_rows import Wanted, message_of, rows_behind
from region_node.requests.auditing import audited_call

WALKS = 2  # through the chain at a time, each of which reads all of its rows
PATIENCE = 5.0  # seconds for which another one waits: less than a coordinator does for an answer


class AuditService(AuditServiceServicer):
    """See the contract."""

    def __init__(self, store: Store, fenced: Store, scopes: OperatorScopes, clock: Clock) -> None:
        """`store` is the one behind the fence, `fenced` the one before it, from which rows are listed."""
        self._store = store
        self._fenced = fenced
        self._scopes = scopes
        self._clock = clock
        self._walking = FewAtOnce(WALKS, PATIENCE)

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
        async with self._walking.place():
            return await verified_part(lambda after: self._store.read(lambda tx: audit.page(tx, after)), request)

    async def ListAuditRows(  # noqa: N802 - named by the contract
        self,
        request: api.ListAuditRowsRequest,
        context: grpc.aio.ServicerContext[api.ListAuditRowsRequest, api.ListAuditRowsResponse],
    ) -> api.ListAuditRowsResponse:
        """See the contract."""
        self._scopes.require_service(f"{OF_STAFF}{current_call().identity.name}", AUDIT_SERVICE)
        reading, wanted = audited_call(Requester(), self._clock), Wanted.of(request)
        size, behind = page_size(request.page_size), wanted.behind(request.page_token)
        # One row more tells whether the page is the last one.
        found, last, span = await rows_behind(self._fenced, wanted, behind, size + 1)
        rows = map(message_of, found)
        page, following = page_of_bytes(wanted.kind, rows, size, lambda row: wanted.key(row.sequence, span))
        if not following and last is not None:
            following = encode_token(wanted.kind, wanted.key(last, span))
        # A text of the caller that no row has stays out of the chain.
        subject = request.subject if page and request.subject else "-"
        await self._fenced.write(lambda tx: reading.record(tx, "ListAuditRows", subject, f"{len(page)} read"))
        return api.ListAuditRowsResponse(rows=page, next_page_token=following)
