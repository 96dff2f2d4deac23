"""The scorecards of all regions, for administrators: queried from the nodes at each call, never stored."""

import math
from datetime import timedelta, timezone

import grpc

from coordinator.oversight.region_queries import Regions, readable_answer
from coordinator.registry.port import Registry
from gateway.api.coordinator.v1 import quality_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.quality_oversight_service_pb2_grpc import QualityOversightServiceServicer
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1 import quality_service_pb2 as region_contract
from gateway.api.region.v1.quality_service_pb2 import Scorecard
from gateway.api.region.v1.quality_service_pb2_grpc import QualityServiceStub
from gateway.time.clock import Clock
from gateway.time.months import require_begun, require_month

_EARLIEST = timezone(timedelta(hours=14))  # a month that has begun nowhere on earth has begun in no region


def scorecard_of(region: str, month: str, told: Scorecard) -> Scorecard:
    """The scorecard that a region may report: of itself and the month, each figure once, with finite numbers. Pure."""
    finite = (each for each in told.figures if all(map(math.isfinite, (each.value, each.low, each.high))))
    figures = {each.figure: each for each in finite}
    return Scorecard(region=region, month=month, figures=figures.values())


class QualityOversightService(QualityOversightServiceServicer):
    """Queries the nodes."""

    def __init__(self, regions: Regions, registry: Registry, clock: Clock) -> None:
        self._regions = regions
        self._registry = registry
        self._clock = clock

    async def ReportQuality(  # noqa: N802 - named by the contract
        self,
        request: contract.ReportQualityRequest,
        context: grpc.aio.ServicerContext[contract.ReportQualityRequest, contract.ReportQualityResponse],
    ) -> contract.ReportQualityResponse:
        """See the contract."""
        require_month("month", request.month)
        require_begun("month", request.month, self._clock.now().astimezone(_EARLIEST))
        question = region_contract.GetScorecardRequest(month=request.month)

        async def ask(channel: grpc.aio.Channel, seconds: float) -> region_contract.GetScorecardResponse:
            return await readable_answer(QualityServiceStub(channel).GetScorecard, question, seconds)

        answers = await self._regions.ask(self._regions.joined(), ask)
        configuration = self._registry.snapshot().configuration or Configuration()
        return contract.ReportQualityResponse(
            definitions=configuration.quality.figures,
            scorecards=[
                scorecard_of(region, request.month, answers.by_region[region].scorecard)
                for region in sorted(answers.by_region)
            ],
            unanswered=answers.unanswered(),
        )
