"""The scorecards of all regions, for administrators: queried from the nodes at each call, never stored."""

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta, timezone

import grpc

from coordinator.oversight.region_queries import (
    Ask,
    Regions,
    UnreadableAnswer,
    answers_in_turn,
    readable_answer,
    require_asked,
)
from coordinator.registry.port import Registry
from gateway.api.coordinator.v1 import quality_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.quality_oversight_service_pb2_grpc import QualityOversightServiceServicer
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.quality_pb2 import ScorecardDefinition
from gateway.api.region.v1 import quality_service_pb2 as region_contract
from gateway.api.region.v1.quality_service_pb2 import FormerMonth, Scorecard
from gateway.api.region.v1.quality_service_pb2_grpc import QualityServiceStub
from gateway.federation.former_regions import in_questions
from gateway.time.clock import Clock
from gateway.time.months import require_begun, require_month
from gateway.values.scorecard_figures import Counted, measured

_EARLIEST = timezone(timedelta(hours=14))  # a month that has begun nowhere on earth has begun in no region
MOST_REPAIR_TIMES = 100_000
"""The most repair times in one answer, more than the faults of a month between two regions."""


def scorecard_of(region: str, month: str, told: Scorecard) -> Scorecard:
    """The scorecard that a region may report: of itself and the month, each figure once, with finite numbers. Pure."""
    finite = (each for each in told.figures if all(map(math.isfinite, (each.value, each.low, each.high))))
    figures = {each.figure: each for each in finite}
    return Scorecard(region=region, month=month, figures=figures.values())


def former_scorecard(
    region: str, month: str, definitions: Iterable[ScorecardDefinition], told: Iterable[Sequence[FormerMonth]]
) -> Scorecard | None:
    """The scorecard of a region that has left, of the counts of each other region; None where no region has a case.

    A part is at most its whole, whatever a region has counted. Pure.
    """
    found = [next((each for each in one if each.region == region), FormerMonth()) for one in told]
    orders, complaints = sum(each.orders for each in found), sum(each.complaints for each in found)
    timed = min(complaints, sum(each.complaints_timed for each in found))
    counted = Counted(
        orders=orders,
        orders_in_time=min(orders, sum(each.orders_in_time for each in found)),
        orders_right=min(orders, sum(each.orders_right for each in found)),
        complaints=complaints,
        complaints_timed=timed,
        complaints_in_time=min(timed, sum(each.complaints_in_time for each in found)),
        complaints_repeated=min(complaints, sum(each.complaints_repeated for each in found)),
        complaints_appealed=min(complaints, sum(each.complaints_appealed for each in found)),
        repair_times=sorted(time for each in found for time in each.repair_times),
        records_compared=sum(each.records_compared for each in found),
        records_different=sum(each.records_different for each in found),
    )
    figures = [measured(each.figure, counted) for each in definitions]
    if not any(each.denominator for each in figures):
        return None
    return Scorecard(region=region, month=month, figures=figures, has_left=True)


def former_months(month: str, former: Sequence[str]) -> Ask[Sequence[FormerMonth]]:
    """Queries a region for the month of regions that have left."""
    questions = [region_contract.GetFormerMonthsRequest(month=month, regions=some) for some in in_questions(former)]

    async def ask(channel: grpc.aio.Channel, seconds: float) -> Sequence[FormerMonth]:
        answers = await answers_in_turn(QualityServiceStub(channel).GetFormerMonths, questions, seconds)
        for question, answer in zip(questions, answers, strict=True):
            require_asked(answer.months, question.regions)
            if sum(len(each.repair_times) for each in answer.months) > MOST_REPAIR_TIMES:
                raise UnreadableAnswer(f"it has more than {MOST_REPAIR_TIMES} repair times")
        return [each for answer in answers for each in answer.months]

    return ask


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

        former = self._regions.former()
        besides = former_months(request.month, former) if former else None
        answers, months = await self._regions.ask_besides(ask, besides)
        definitions = (self._registry.snapshot().configuration or Configuration()).quality.figures
        own = [
            scorecard_of(region, request.month, answer.scorecard)
            for region, answer in sorted(answers.by_region.items())
        ]
        told = months.by_region.values()
        left = (former_scorecard(region, request.month, definitions, told) for region in former)
        return contract.ReportQualityResponse(
            definitions=definitions,
            scorecards=[*own, *(each for each in left if each is not None)],
            unanswered=answers.without(months.refusals).unanswered(),
        )
