"""QualityService: gRPC for the quality of the region."""

from datetime import datetime
from zoneinfo import ZoneInfo

import grpc

from gateway.api.region.v1 import quality_service_pb2 as api
from gateway.api.region.v1.quality_service_pb2 import Sample
from gateway.api.region.v1.quality_service_pb2_grpc import QualityServiceServicer
from gateway.rpc.pages import dated_key, dated_place, decode_token, page_of_bytes, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_timestamp
from gateway.time.months import require_begun, require_month
from region_node.business.billing.rules import Month
from region_node.care.quality import sample_rows, sampling
from region_node.care.quality.draws import Draw
from region_node.care.quality.sampling import Judgement, Population
from region_node.care.quality.scorecard import former_months, scorecard
from region_node.node.context import RegionContext
from region_node.requests.caller import done_before, note
from region_node.requests.calling import caller_of
from region_node.requests.checks import require_name, require_request_id
from region_node.requests.rows import RequestKey, insert_request

_PAGE = "supervision samples"


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
        now = self._now_in(request.month)
        definitions = self._context.federation.configuration.quality.figures

        def read(tx: Transaction) -> api.GetScorecardResponse:
            return api.GetScorecardResponse(
                scorecard=scorecard(tx, self._context, request.month, now),
                definitions=definitions,
            )

        return await self._store.read(read)

    async def GetFormerMonths(
        self,
        request: api.GetFormerMonthsRequest,
        context: grpc.aio.ServicerContext[api.GetFormerMonthsRequest, api.GetFormerMonthsResponse],
    ) -> api.GetFormerMonthsResponse:
        """See the contract. One transaction, as GetScorecard."""
        now = self._now_in(request.month)
        self._context.federation.require_former("regions", request.regions, self._context.region)
        months = await self._store.read(
            lambda tx: former_months(tx, self._context, request.regions, request.month, now)
        )
        return api.GetFormerMonthsResponse(months=months)

    def _now_in(self, month: str) -> datetime:
        """The present time. Raises Refused for no month, and for one that has not begun."""
        require_month("month", month)
        now = self._clock.now()
        require_begun("month", month, now.astimezone(ZoneInfo(self._context.time_zone)))
        return now

    async def DrawSample(
        self,
        request: api.DrawSampleRequest,
        context: grpc.aio.ServicerContext[api.DrawSampleRequest, api.DrawSampleResponse],
    ) -> api.DrawSampleResponse:
        """See the contract. The population is read page by page, before the transaction that stores the sample."""
        require_request_id(request.request_id)
        require_month("month", request.month)
        sampling.require_kind(request.kind)
        if request.seed:
            require_name("seed", request.seed)
        size = sampling.size_of(self._context.federation, self._context.region, request.size)
        caller = caller_of(request.request_id)
        key = caller.key(b"DrawSample" + request.SerializeToString(deterministic=True))
        known = await self._store.read(lambda tx: _drawn(tx, key))
        if known is not None:
            return api.DrawSampleResponse(sample=known)
        seed = request.seed or request.request_id
        month = Month.of(request.month, self._context.time_zone)
        population, draw = Population(self._context.region, request.kind, month), Draw(size, seed)
        place: sampling.Place | None = population.start
        while place is not None:
            place = await self._store.read(lambda tx, after=place: population.page(tx, draw, after))  # type: ignore[misc]
        now = self._clock.now()
        sample = sampling.sample_of(population, draw, seed, caller.identity.name, now)
        sample.id = caller.subject(self._context.region)

        def store(tx: Transaction) -> Sample:
            again = _drawn(tx, key)
            if again is not None:
                return again
            sample_rows.insert_sample(tx, sample)
            insert_request(tx, key, sample.id, settled=True, now=now)
            note(tx, caller, "DrawSample", sample.id, now)
            return sample

        return api.DrawSampleResponse(sample=await self._store.write(store))

    async def ListSamples(
        self,
        request: api.ListSamplesRequest,
        context: grpc.aio.ServicerContext[api.ListSamplesRequest, api.ListSamplesResponse],
    ) -> api.ListSamplesResponse:
        """See the contract."""
        if request.sample_id:
            found = await self._store.read(lambda tx: sample_rows.find_sample(tx, request.sample_id))
            return api.ListSamplesResponse(samples=[] if found is None else [found])
        size, before = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        page, token = await self._store.read(
            lambda tx: page_of_bytes(_PAGE, sample_rows.list_samples(tx, before, size + 1), size, _place)
        )
        return api.ListSamplesResponse(samples=page, next_page_token=token)

    async def JudgeSampledRecord(
        self,
        request: api.JudgeSampledRecordRequest,
        context: grpc.aio.ServicerContext[api.JudgeSampledRecordRequest, api.JudgeSampledRecordResponse],
    ) -> api.JudgeSampledRecordResponse:
        """See the contract."""
        caller, now = caller_of(""), self._clock.now()
        made = Judgement(
            request.sample_id, request.record_id, request.failed_criteria, caller.identity.name, caller.operator
        )

        def judge(tx: Transaction) -> Sample:
            sample = sampling.judge(tx, self._context, made, now)
            note(tx, caller, "JudgeSampledRecord", made.record_id, now)
            return sample

        return api.JudgeSampledRecordResponse(sample=await self._store.write(judge))


def _drawn(tx: Transaction, key: RequestKey) -> Sample | None:
    """The sample of a request that was made before. Raises Refused as `done_before`."""
    known = done_before(tx, key)
    return None if known is None else sample_rows.find_sample(tx, known)


def _place(sample: Sample) -> str:
    return dated_key(from_timestamp(sample.create_time), sample.id)
