"""ComplaintImportService: complaints of another system, on a stream."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import grpc

from gateway.api.region.v1 import complaint_import_service_pb2 as api
from gateway.api.region.v1.complaint_import_service_pb2_grpc import ComplaintImportServiceServicer
from gateway.api.region.v1.customer_service_pb2 import ImportFile
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.process.tracing import current_traceparent
from gateway.rpc.calls import current_call
from gateway.store.port import Store
from gateway.time.clock import Clock, from_timestamp
from region_node.care.complaints import imports
from region_node.care.complaints.imports import Asked, Candidate
from region_node.care.complaints.replay import Earlier
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall, audited_call
from region_node.requests.importing.progress import FIRST_LINE, Done, Progress, Rejection, require_next
from region_node.requests.importing.stream import (
    ImportStream,
    rejected_lines,
    require_alone,
    require_file,
    require_piece,
)

Requests = AsyncIterator[api.ImportComplaintsRequest]


class ComplaintImportService(ComplaintImportServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock

    async def ImportComplaints(  # noqa: N802 - named by the contract
        self,
        request_iterator: Requests,
        context: grpc.aio.ServicerContext[api.ImportComplaintsRequest, api.ImportComplaintsResponse],
    ) -> AsyncIterator[api.ImportComplaintsResponse]:
        """See the contract."""
        first = await anext(request_iterator, None) or api.ImportComplaintsRequest()
        file = _file(first)
        asked = audited_call(file.requester, self._clock)
        self._require_ready(file)
        until = _until(first)
        pieces = self._pieces(request_iterator, file, until)
        if until is not None:
            async for answer in self._replay(until, pieces, asked):
                yield answer
            return
        work = imports.importing(self._context, current_traceparent())
        async for done in ImportStream(self._store, self._clock, file, asked, work).answers(pieces):
            yield _answer(done)

    def _require_ready(self, file: ImportFile) -> None:
        """Requires a trusted clock, which separates past deadlines from future ones. Raises Refused otherwise."""
        self._context.border.clock.require_trusted()
        if not file.validate_only and not self._store.accepts_new_work():
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)

    async def _pieces(
        self, requests: Requests, file: ImportFile, as_of: datetime | None
    ) -> AsyncIterator[Sequence[Candidate]]:
        operator = current_call().identity.name
        async for request in requests:
            require_piece(holds_file=request.HasField("file"), lines=len(request.lines))
            asked = Asked(operator, file.requester, self._clock.now(), as_of)
            yield [imports.candidate(self._context, line, asked) for line in request.lines]

    async def _replay(
        self, until: datetime, pieces: AsyncIterator[Sequence[Candidate]], asked: AuditedCall
    ) -> AsyncIterator[api.ImportComplaintsResponse]:
        """The clock over the lines alone; nothing of them is stored."""
        await self._store.write(lambda tx: asked.record(tx, "ImportComplaints", "-", "replayed only"))
        progress, earlier = Progress(last_line=FIRST_LINE - 1), Earlier()
        yield _answer(Done(Progress(), []))
        async for piece in pieces:
            require_next(piece, progress.last_line + 1)
            rejections = [
                Rejection(each.number, each.imported.reason, each.imported.parameters)
                for each in piece
                if isinstance(each.imported, Refused)
            ]
            taken = len(piece) - len(rejections)
            progress = progress.followed_by(Progress(piece[-1].number, taken, 0, len(rejections)))
            answer = _answer(Done(progress, rejections))
            answer.replayed.extend(imports.replayed(self._context, earlier, piece, until))
            yield answer


def _file(first: api.ImportComplaintsRequest) -> ImportFile:
    """The file that the first message names. Raises Refused where it names none as the contract wants it."""
    require_alone(holds_file=first.HasField("file"), lines=len(first.lines))
    require_file(first.file)
    if first.HasField("as_of_time") and not first.file.validate_only:
        raise invalid("as_of_time", "of a file that is only checked", "文件仅作检查时不能填写")
    return first.file


def _until(first: api.ImportComplaintsRequest) -> datetime | None:
    """The end of the replay; None without a replay. Raises Refused."""
    if not first.HasField("as_of_time"):
        return None
    try:
        return from_timestamp(first.as_of_time)
    except OverflowError:
        raise invalid("as_of_time", "out of range", "超出范围") from None


def _answer(done: Done) -> api.ImportComplaintsResponse:
    progress = done.progress
    return api.ImportComplaintsResponse(
        last_line=progress.last_line,
        created=progress.created,
        existing=progress.existing,
        rejected=rejected_lines(done.rejections),
        rejected_total=progress.rejected,
    )
