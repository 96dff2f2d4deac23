"""One stream of an import: pieces are submitted as they come and answered in their order, each once it is durable."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from gateway.api.region.v1 import customer_service_pb2 as api
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import Clock
from gateway.errors import Refused, text
from gateway.federation.catalogue import Federation
from gateway.store.port import Store
from region_node.auditing import AuditedCall
from region_node.context import RegionContext
from region_node.customers import imports
from region_node.customers.imports import PIECE_LIMIT, Candidate, Done, Progress, Rejection
from region_node.customers.taking_over import NewCustomer, new_customer, require_ours

PIECES_AHEAD = 4  # submitted and not answered: enough to keep the store busy while the caller waits for answers
_HASH_BYTES = 32
_LAST_LINE = 2**62  # more than any file has

T = TypeVar("T")
Requests = AsyncIterator[api.ImportCustomersRequest]


async def opened_file(requests: Requests) -> api.ImportFile:
    """The file that the first message names. Raises Refused where it names none as the contract wants it."""
    first = await anext(requests, None)
    if first is None or not first.HasField("file") or first.lines:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="file", problem="not in the first message, and alone there")
    file = first.file
    if len(file.sha256) != _HASH_BYTES:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="file.sha256", problem=f"not {_HASH_BYTES} bytes")
    if not 0 <= file.lines < _LAST_LINE:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="file.lines", problem="out of range")
    return file


class ImportStream:
    """The import of one file by one caller."""

    def __init__(
        self, context: RegionContext, store: Store, clock: Clock, file: api.ImportFile, asked: AuditedCall
    ) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._file = file
        self._asked = asked
        self._checked_to = imports.FIRST_LINE - 1

    async def answers(self, requests: Requests) -> AsyncIterator[api.ImportCustomersResponse]:
        """What was done before, then the answer to each piece. Raises Refused where one cannot be taken.

        Pieces before that one are answered; of it, and of those after it, nothing is done.
        """
        async for answer in self._known_before():
            yield answer
        room = asyncio.Semaphore(PIECES_AHEAD)
        submitted: asyncio.Queue[asyncio.Future[Done] | None] = asyncio.Queue()
        reading = asyncio.create_task(self._submit_all(requests, submitted, room))
        reading.add_done_callback(_take_note)
        checked = Progress()
        try:
            while (piece := await submitted.get()) is not None:
                done = await piece
                room.release()
                checked = checked.followed_by(done.progress)
                yield _answer(checked if self._file.validate_only else done.progress, done.rejections)
            await reading
        finally:
            reading.cancel()

    async def _known_before(self) -> AsyncIterator[api.ImportCustomersResponse]:
        """How far the file is, with the lines that were not taken, in as many messages as they need."""
        if self._file.validate_only:
            await self._store.write(lambda tx: self._asked.record(tx, "ImportCustomers", "-", "checked only"))
            yield _answer(Progress(), [])
            return
        sha256 = self._file.sha256
        progress = await self._store.read(lambda tx: imports.progress_of(tx, sha256))
        told, next_line = 0, imports.FIRST_LINE
        while True:
            rejections = await self._store.read(
                partial(imports.rejections_between, sha256=sha256, first=next_line, last=progress.last_line)
            )
            yield _answer(progress, rejections)
            told += len(rejections)
            if told >= progress.rejected or not rejections:
                return
            next_line = rejections[-1].number + 1

    async def _submit_all(
        self, requests: Requests, submitted: "asyncio.Queue[asyncio.Future[Done] | None]", room: asyncio.Semaphore
    ) -> None:
        try:
            async for request in requests:
                if request.HasField("file") or not 0 < len(request.lines) <= PIECE_LIMIT:
                    raise Refused(Reason.REASON_REQUEST_INVALID, field="lines", problem=f"not 1 to {PIECE_LIMIT}")
                await room.acquire()
                piece = asyncio.ensure_future(self._submit(_candidates(request.lines, self._context)))
                # Where the caller is gone, or a piece before it was refused, nobody asks what became of it.
                piece.add_done_callback(_take_note)
                submitted.put_nowait(piece)
        finally:
            submitted.put_nowait(None)

    def _submit(self, piece: Sequence[Candidate]) -> Awaitable[Done]:
        if self._file.validate_only:
            imports.require_next(piece, self._checked_to + 1)
            self._checked_to = piece[-1].number
            return self._store.read(lambda tx: imports.check(tx, piece))
        imports.require_next(piece, piece[0].number)
        file, currency = self._file, self._context.currency
        asked = replace(self._asked, now=self._clock.now())
        return self._store.write(lambda tx: imports.take(tx, file.sha256, file.lines, piece, currency, asked))


def _take_note(ended: asyncio.Future[T]) -> None:
    """Asks for the exception that nobody else may ask for."""
    if not ended.cancelled():
        ended.exception()


def _candidates(lines: Sequence[api.ImportLine], context: RegionContext) -> list[Candidate]:
    federation, currency = context.federation, context.currency
    return [Candidate(line.number, _customer(line, federation, context.region, currency)) for line in lines]


def _customer(line: api.ImportLine, federation: Federation, region: str, currency: str) -> NewCustomer | Refused:
    try:
        if not line.HasField("customer"):
            raise Refused(Reason.REASON_REQUEST_INVALID, field="customer", problem="not set")
        new = new_customer(line.customer, currency)
        require_ours(new.line, federation, region)
    except Refused as refused:
        return refused
    return new


def _answer(progress: Progress, rejections: Sequence[Rejection]) -> api.ImportCustomersResponse:
    return api.ImportCustomersResponse(
        last_line=progress.last_line,
        created=progress.created,
        existing=progress.existing,
        rejected=[
            api.RejectedLine(number=each.number, reason=each.reason, message=text(each.reason, each.parameters))
            for each in rejections
        ],
        rejected_total=progress.rejected,
    )
