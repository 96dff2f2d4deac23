"""QualityService: gRPC for the quality of the region."""

import grpc

from gateway.api.region.v1 import quality_service_pb2 as api
from gateway.api.region.v1.quality_service_pb2_grpc import QualityServiceServicer
from gateway.store.port import Store
from gateway.time.clock import Clock
from gateway.time.months import require_month
from region_node.care.quality.scorecard import scorecard
from region_node.node.context import RegionContext


class QualityService(QualityServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock

    async def GetScorecard(
        self,
        request: api.GetScorecardRequest,
        context: grpc.aio.ServicerContext[api.GetScorecardRequest, api.GetScorecardResponse],
    ) -> api.GetScorecardResponse:
        """See the contract. One transaction, so that all figures belong to the same moment."""
        require_month("month", request.month)
        now = self._clock.now()
        found = await self._store.read(lambda tx: scorecard(tx, self._context, request.month, now))
        definitions = self._context.federation.configuration.quality.figures
        return api.GetScorecardResponse(scorecard=found, definitions=definitions)
