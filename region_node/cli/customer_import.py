"""Importing a file of customers on a stream: from where the node is with it, over however many connections."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

import grpc

from gateway.api.federation.v1.configuration_pb2 import Plan
from gateway.api.region.v1.catalogue_service_pb2 import ListPlansRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.region.v1.customer_service_pb2 import (
    ImportCustomersRequest,
    ImportCustomersResponse,
    ImportFile,
    ImportLine,
    RejectedLine,
)
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.types.v1.types_pb2 import Requester
from gateway.languages import translated
from region_node.cli.customer_file import CustomerFile, CustomerFileUnusable, Line
from region_node.cli.customer_report import CustomerReport
from region_node.cli.reconnecting import Note, keep_trying

_PIECE = 250  # lines in a message: one transaction, for whose time the node does nothing else
_CALL_SECONDS = 10.0
_PLANS = 500  # in a page


class CustomerImport:
    """The import of one file into one node; `validate_only` changes nothing there."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        file: CustomerFile,
        requester: Requester,
        report: CustomerReport,
        *,
        validate_only: bool,
    ) -> None:
        self._customers = CustomerServiceStub(channel)
        self._catalogue = CatalogueServiceStub(channel)
        self._file = file
        self._report = report
        self._first = ImportCustomersRequest(
            file=ImportFile(sha256=file.sha256, lines=file.count, requester=requester, validate_only=validate_only)
        )

    async def run(self, patience: float, tell: Callable[[grpc.aio.AioRpcError], None]) -> None:
        """Imports all lines. Raises AioRpcError where the node does not let it, or is away for too long.

        Raises CustomerFileUnusable where the file cannot be read any more.
        """

        async def attempt(note: Note) -> None:
            await self._attempt(patience, note)

        await keep_trying(attempt, patience, tell)

    async def _attempt(self, patience: float, note: Note) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience) as end:
                stream = _Stream(self._file, self._first, await self._plans(), self._report)
                async for answer in self._customers.ImportCustomers(stream.requests()):
                    if stream.take(answer):
                        note()
                        end.reschedule(loop.time() + patience)
        except TimeoutError:
            raise _unavailable(translated("the node takes no lines")) from None
        stream.require_whole()

    async def _plans(self) -> Sequence[Plan]:
        plans: list[Plan] = []
        request = ListPlansRequest(page_size=_PLANS)
        while True:
            page = await self._catalogue.ListPlans(request, timeout=_CALL_SECONDS)
            plans += page.plans
            if not page.next_page_token:
                return plans
            request.page_token = page.next_page_token


class _Stream:
    """One connection's worth of an import."""

    def __init__(
        self, file: CustomerFile, first: ImportCustomersRequest, plans: Sequence[Plan], report: CustomerReport
    ) -> None:
        self._file = file
        self._first = first
        self._plans = plans
        self._report = report
        self._rejected: dict[int, RejectedLine] = {}
        self._waiting: deque[Line] = deque()
        self._begun: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._done = 0
        self._unreadable: CustomerFileUnusable | None = None

    async def requests(self) -> AsyncIterator[ImportCustomersRequest]:
        """The file, and once the node has said how far it is with it, what follows."""
        yield self._first
        done = await self._begun
        lines = self._file.lines(self._plans)
        try:
            while piece := list(itertools.islice(lines, _PIECE)):
                self._waiting.extend(piece)
                new = [ImportLine(number=each.number, customer=each.customer) for each in piece if each.number > done]
                if new:
                    yield ImportCustomersRequest(lines=new)
                else:
                    self._settle(done)
                    await asyncio.sleep(0)
            self._settle(done)
        except CustomerFileUnusable as error:
            self._unreadable = error

    def take(self, answer: ImportCustomersResponse) -> bool:
        """Takes in an answer; whether the import got further by it."""
        self._rejected.update({each.number: each for each in answer.rejected})
        if not self._begun.done():
            if len(self._rejected) < answer.rejected_total:
                return False
            self._report.begin(answer)
            self._begun.set_result(answer.last_line)
            self._done = answer.last_line
            return False
        self._done = answer.last_line
        self._report.count(answer)
        self._settle(answer.last_line)
        return True

    def require_whole(self) -> None:
        """Raises CustomerFileUnusable or AioRpcError where the stream ended before the file."""
        if self._unreadable is not None:
            raise self._unreadable
        if self._file.count and self._done < self._file.last_line:
            raise _unavailable(translated("the node ended the stream"))

    def _settle(self, done: int) -> None:
        """Tells the report of all lines up to one."""
        while self._waiting and self._waiting[0].number <= done:
            line = self._waiting.popleft()
            rejected = self._rejected.pop(line.number, None)
            if rejected is not None:
                self._report.reject(line, rejected)


def _unavailable(details: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)
