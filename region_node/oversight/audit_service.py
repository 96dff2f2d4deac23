"""AuditService: the region's own chain, verified for coordinators, and its stored heads of other regions."""

import grpc

from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.api.region.v1 import audit_service_pb2 as api
from gateway.api.region.v1.audit_service_pb2_grpc import AuditServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.auditing.audit import GENESIS, AuditRow, ChainBroken, Head, Walk
from gateway.errors import Refused
from gateway.store.port import Store
from gateway.time.clock import from_microseconds, to_timestamp
from region_node.node.witnessing.witness import witnessed_heads

_LARGEST = 2**63 - 1
_MOST_ROWS = 100_000
_ROWS = 20_000
_MOST_SEQUENCES = 256


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
        return api.ListWitnessedHeadsResponse(heads=await self._store.read(witnessed_heads))

    async def VerifyChain(  # noqa: N802 - named by the contract
        self,
        request: api.VerifyChainRequest,
        context: grpc.aio.ServicerContext[api.VerifyChainRequest, api.VerifyChainResponse],
    ) -> api.VerifyChainResponse:
        """See the contract. Each page is a read of its own: the chain grows meanwhile, and never changes."""
        after, rows = _start(request)
        walk, wanted = Walk(after=after), frozenset(request.sequences)
        response = api.VerifyChainResponse()
        left = rows
        try:
            while left and not response.is_end:
                size, reached = min(audit.PAGE, left), walk.head.sequence
                found = await self._store.read(lambda tx, at=reached, limit=size: audit.page(tx, at, limit))  # type: ignore[misc]
                for row in found:
                    walk.take(row)
                    if row.sequence in wanted:
                        response.requested_rows.append(_told(row))
                left -= len(found)
                response.is_end = len(found) < size
        except ChainBroken as broken:
            response.problem.CopyFrom(problem_of(broken))
        response.head.CopyFrom(AuditHead(sequence=walk.head.sequence, hash=walk.head.hash))
        if walk.time is not None:
            response.end_time.CopyFrom(to_timestamp(from_microseconds(walk.time)))
        return response


def problem_of(broken: ChainBroken) -> api.ChainProblem:
    """The break in a chain as a message of the contract."""
    return api.ChainProblem(
        kind=broken.kind,
        sequence=broken.sequence,
        row_time=to_timestamp(from_microseconds(broken.time)) if broken.time is not None else None,
        witness=broken.seen.witness if broken.seen is not None else "",
    )


def _start(request: api.VerifyChainRequest) -> tuple[Head | None, int]:
    if request.rows > _MOST_ROWS:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="rows", problem=f"more than {_MOST_ROWS}")
    if len(request.sequences) > _MOST_SEQUENCES:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="sequences", problem=f"more than {_MOST_SEQUENCES}")
    after = request.after
    if after.sequence > _LARGEST or (after.sequence and len(after.hash) != len(GENESIS)):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="after", problem="not a sequence number with a SHA-256 hash")
    head = Head(after.sequence, after.hash) if after.sequence else None
    return head, request.rows or _ROWS


def _told(row: AuditRow) -> api.RequestedRow:
    return api.RequestedRow(
        head=AuditHead(sequence=row.sequence, hash=row.hash), time=to_timestamp(from_microseconds(row.time))
    )
