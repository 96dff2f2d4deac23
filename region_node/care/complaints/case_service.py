"""CaseService: the coordinator's decisions about the cases that this region leads."""

import grpc

from gateway.api.region.v1 import case_service_pb2 as api
from gateway.api.region.v1.case_service_pb2_grpc import CaseServiceServicer
from gateway.process import failpoints
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.care.complaints.cases import header
from region_node.care.complaints.returning import Assignment, assign
from region_node.node.context import RegionContext
from region_node.requests.administrators import acting
from region_node.requests.checks import require_length, require_request_id

_NAME_LIMIT = 128  # characters of a ticket id, a code, a name


class CaseService(CaseServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock

    async def AssignComplaint(  # noqa: N802 - named by the contract
        self,
        request: api.AssignComplaintRequest,
        context: grpc.aio.ServicerContext[api.AssignComplaintRequest, api.AssignComplaintResponse],
    ) -> api.AssignComplaintResponse:
        """See the contract."""
        require_request_id(request.request_id)
        for field in ("ticket_id", "region", "department"):
            require_length(field, getattr(request, field), _NAME_LIMIT, required=True)
        now = self._clock.now()
        act = acting(self._context, request, now)
        asked = Assignment(request.request_id, request.ticket_id, request.region, request.department, act)
        case = await self._store.write(lambda tx: assign(tx, self._context, asked, now))
        failpoints.reach("complaint-assigned.after-commit")
        return api.AssignComplaintResponse(header=header(case))
