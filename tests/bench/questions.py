"""Questions: bills across regions against those at home, guides and searches against a bare call of the same node."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from grpc.aio import Channel

from deploy.local.federation import OPERATOR, LocalFederation
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest, QueryBillsRequest
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideRequest, SearchBusinessesRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.rpc.channels import health_of
from tests.bench.bare import BARE
from tests.bench.comparing import in_turns
from tests.bench.load import CALL_TIMEOUT, Call, run_window
from tests.bench.orders import HANDLING, HOME, all_lines, identity_document, requester
from tests.bench.report import Comparison

CALLERS = 32
_GUIDES = ("SUSPEND", "PLAN_CHANGE", "TERMINATE")
_WORDS = ("停机", "change my plan", "宽带", "lost card")


class BillRefused(Exception):
    """A bill was not shown: the run measures nothing."""


class Repeated:
    """The same call by every caller (see load.Work)."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def callers(self, count: int) -> Sequence[Call]:
        """See Work."""
        return [self._call] * count


async def measure_bills(federation: LocalFederation, bare: Call, rounds: int, seconds: float) -> list[Comparison]:
    """Bills of one region's customers: asked for there and in another region; there one by one and on one stream.

    Those of the other region also beside a bare chain.
    """
    queries = bill_queries()
    async with (
        federation.dial_region(HOME, f"{HOME}-{OPERATOR}") as at_home,
        federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as elsewhere,
    ):
        own, foreign = bill_call(at_home, queries), bill_call(elsewhere, queries)
        stream = BillingServiceStub(elsewhere)
        return [
            Comparison(
                name="bill_time",
                figure="a bill, one caller, p50 in ms",
                base="in the home region",
                measured="in another",
                rounds=await in_turns(lambda: _time(own, seconds), lambda: _time(foreign, seconds), rounds),
                unit="ms",
            ),
            Comparison(
                name="bills",
                figure=f"bills, {CALLERS} callers, 1/s",
                base="in the home region",
                measured="in another",
                rounds=await in_turns(lambda: _rate(own, seconds), lambda: _rate(foreign, seconds), rounds),
            ),
            Comparison(
                name="bills_beside_bare",
                figure=f"bills of another region, {CALLERS} callers, 1/s",
                base=BARE,
                measured="QueryBill",
                rounds=await in_turns(rate_of(bare, seconds), rate_of(foreign, seconds), rounds),
            ),
            Comparison(
                name="bulk_bills",
                figure="bills of another region's customers, 1/s",
                base=f"{CALLERS} callers",
                measured="one stream",
                rounds=await in_turns(
                    lambda: _rate(foreign, seconds), lambda: _stream_rate(stream, queries, seconds), rounds
                ),
            ),
        ]


async def measure_guides(federation: LocalFederation, rounds: int, seconds: float) -> list[Comparison]:
    """Guides and searches at one node, against the least that it can be asked."""
    guides, words = itertools.cycle(_GUIDES), itertools.cycle(_WORDS)
    number = all_lines()[0].number
    async with federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        catalogue = CatalogueServiceStub(channel)

        async def health() -> None:
            await health_of(channel, "", CALL_TIMEOUT)

        async def guide() -> None:
            request = GetBusinessGuideRequest(business=next(guides), number=number)
            await catalogue.GetBusinessGuide(request, timeout=CALL_TIMEOUT)

        async def search() -> None:
            await catalogue.SearchBusinesses(SearchBusinessesRequest(query=next(words)), timeout=CALL_TIMEOUT)

        return [
            Comparison(
                name=name,
                figure=f"{figure}, {CALLERS} callers, 1/s",
                base="health check",
                measured=measured,
                rounds=await in_turns(lambda: _rate(health, seconds), rate_of(call, seconds), rounds),
            )
            for name, figure, measured, call in (
                ("guides", "guides of a business", "GetBusinessGuide", guide),
                ("searches", "searches for a business", "SearchBusinesses", search),
            )
        ]


def bill_queries(home: str = HOME) -> Iterator[QueryBillRequest]:
    """This month's bill of one customer of a region after the other, for ever."""
    month = f"{datetime.now(ZoneInfo('Asia/Shanghai')):%Y-%m}"
    for line in itertools.cycle(all_lines(home)):
        yield QueryBillRequest(
            number=line.number,
            month=month,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[identity_document()],
            requester=requester(),
        )


def bill_call(channel: Channel, queries: Iterator[QueryBillRequest]) -> Call:
    """Asks for the next of the bills."""
    service = BillingServiceStub(channel)

    async def call() -> None:
        await service.QueryBill(next(queries), timeout=CALL_TIMEOUT)

    return call


async def _time(call: Call, seconds: float) -> float:
    """Milliseconds."""
    return (await run_window(Repeated(call), 1, seconds, ())).p50 * 1e3


async def _rate(call: Call, seconds: float) -> float:
    return (await run_window(Repeated(call), CALLERS, seconds, ())).throughput


def rate_of(call: Call, seconds: float) -> Callable[[], Awaitable[float]]:
    """Measures how many of these calls are answered in a second, by so many seconds of `CALLERS` callers."""
    return lambda: _rate(call, seconds)


async def _stream_rate(service: "BillingServiceStub", queries: Iterator[QueryBillRequest], seconds: float) -> float:
    """Bills a second on one stream that asks on for so long, and is read to its end."""
    started = time.perf_counter()
    # The transport alone would let in so many questions within a second that answering them takes a minute.
    places = asyncio.Semaphore(2 * CALLERS)

    async def ask() -> AsyncIterator[QueryBillsRequest]:
        for number, query in enumerate(queries):
            await places.acquire()
            if time.perf_counter() - started > seconds:
                return
            yield QueryBillsRequest(query_id=str(number), query=query)

    shown = 0
    async for response in service.QueryBills(ask()):
        if not response.HasField("bill"):
            raise BillRefused(response.refused.message.en)
        places.release()
        shown += 1
    return shown / (time.perf_counter() - started)
