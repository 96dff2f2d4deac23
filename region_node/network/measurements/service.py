"""MeasurementService: measurements in by streams, and their totals out."""

from collections.abc import AsyncIterator, Sequence

import grpc

from gateway.api.region.v1 import measurement_service_pb2 as api
from gateway.api.region.v1.measurement_service_pb2 import Measurement
from gateway.api.region.v1.measurement_service_pb2_grpc import MeasurementServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.calls import current_call
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.network.measurements import quality
from region_node.network.measurements.intake import take
from region_node.network.measurements.objects import LINK, SITE, require_own
from region_node.network.measurements.streams import (
    Piece,
    PieceStream,
    Rejected,
    rejected_items,
    require_piece,
    require_source,
)
from region_node.node.context import RegionContext

PIECE_LIMIT = 5_000  # measurements in one message


class MeasurementService(MeasurementServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock

    async def SendMeasurements(
        self,
        request_iterator: AsyncIterator[api.SendMeasurementsRequest],
        context: grpc.aio.ServicerContext[api.SendMeasurementsRequest, api.SendMeasurementsResponse],
    ) -> AsyncIterator[api.SendMeasurementsResponse]:
        """See the contract."""
        first = await anext(request_iterator, None) or api.SendMeasurementsRequest()
        require_source(first.source, is_alone=not first.measurements and not first.first_sequence)
        if not self._store.accepts_new_work():
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)
        stream = f"measurements {current_call().identity.name} {first.source}"

        def taken(tx: Transaction, piece: Piece[Measurement]) -> Sequence[Rejected]:
            return take(tx, self._context, stream, piece, self._clock.now())

        pieces = PieceStream(self._store, self._clock, stream, taken)
        async for answer in pieces.answers(_pieces(request_iterator)):
            yield api.SendMeasurementsResponse(
                last_sequence=answer.last_sequence, rejected=rejected_items(answer.rejected)
            )

    async def ListQuality(
        self,
        request: api.ListQualityRequest,
        context: grpc.aio.ServicerContext[api.ListQualityRequest, api.ListQualityResponse],
    ) -> api.ListQualityResponse:
        """See the contract."""
        network = self._context.federation.network
        kind = request.object.WhichOneof("object") or ""
        if kind == SITE:
            raise invalid("object", "not a link or a service", "不是链路或服务")
        name = request.object.link or request.object.service
        about = require_own(network, self._context.region, kind, name)
        first, last = quality.span_of(request)
        found = await self._store.read(lambda tx: quality.summaries(tx, about, request.period, first, last))
        capacity = network.link(name).capacity_mbps if kind == LINK else 0
        return api.ListQualityResponse(summaries=found, capacity_mbps=capacity)

    async def ReportLinks(
        self,
        request: api.ReportLinksRequest,
        context: grpc.aio.ServicerContext[api.ReportLinksRequest, api.ReportLinksResponse],
    ) -> api.ReportLinksResponse:
        """See the contract."""
        network, region, now = self._context.federation.network, self._context.region, self._clock.now()
        found = await self._store.read(lambda tx: quality.link_reports(tx, network, region, now))
        return api.ReportLinksResponse(links=found)


async def _pieces(requests: AsyncIterator[api.SendMeasurementsRequest]) -> AsyncIterator[Piece[Measurement]]:
    async for request in requests:
        require_piece(request.source, request.first_sequence, len(request.measurements), PIECE_LIMIT)
        yield Piece(request.first_sequence, request.measurements)
