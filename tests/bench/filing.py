"""Complaints filed and faults reported for customers of another region, until its node has them, beside orders."""

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

from grpc.aio import Channel

from deploy.local.federation import OPERATOR, LocalFederation
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintChannel, ComplaintRequest, ComplaintState, Remedy
from gateway.api.region.v1.complaint_service_pb2 import FileComplaintRequest
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.region.v1.fault_pb2 import FaultPlace, FaultReport
from gateway.api.region.v1.fault_service_pb2 import ReportFaultRequest, WatchFaultsRequest
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceStub
from tests.bench.bare import BARE
from tests.bench.comparing import in_turns
from tests.bench.load import CALL_TIMEOUT, Call, LoadClient
from tests.bench.orders import HANDLING, HOME, WAIT, all_lines, requester
from tests.bench.questions import CALLERS, rate_of
from tests.bench.report import Comparison

COMPLAINTS, FAULTS = "until the home region has it", "until the owner has it"
Report = Callable[[str], Awaitable[None]]
"""Reports a fault of a number, and waits for its owner."""


class NotTaken(Exception):
    """The other region has not taken a complaint: the run measures nothing."""


async def measure_filing(
    federation: LocalFederation, orders: LoadClient, bare: Call, rounds: int, seconds: float
) -> list[Comparison]:
    """Both beside a bare chain, and beside orders of the load client, which waits for the other region too."""

    async def order_rate() -> float:
        return (await asyncio.to_thread(orders.run, CALLERS, seconds)).throughput

    async with (
        federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel,
        filing(channel) as (complaint, fault),
    ):
        return [
            Comparison(
                name=f"{name}_beside_{suffix}",
                figure=f"{figure}, {CALLERS} callers, 1/s",
                base=base,
                measured=name,
                rounds=await in_turns(least, rate_of(call, seconds), rounds),
            )
            for suffix, base, least in (("orders", "orders", order_rate), ("bare", BARE, rate_of(bare, seconds)))
            for name, figure, call in (("complaints", COMPLAINTS, complaint), ("faults", FAULTS, fault))
        ]


@contextlib.asynccontextmanager
async def filing(channel: Channel) -> AsyncIterator[tuple[Call, Call]]:
    """The calls that file a complaint and that report a fault, each for the next number, while the context lasts."""
    numbers = itertools.cycle([line.number for line in all_lines()])
    async with reporting(channel) as report:

        async def complaint() -> None:
            await file_complaint(ComplaintServiceStub(channel), next(numbers))

        async def fault() -> None:
            await report(next(numbers))

        yield complaint, fault


async def file_complaint(service: "ComplaintServiceStub", number: str) -> Complaint:
    """Files a complaint about a bill, and waits until the home region of the number has it. Raises NotTaken."""
    request = complaint_of(number, uuid.uuid4().hex)
    request.wait.FromSeconds(int(WAIT))
    filed = (await service.FileComplaint(request, timeout=CALL_TIMEOUT)).complaint
    if filed.state == ComplaintState.COMPLAINT_STATE_ACKNOWLEDGED and filed.owner_region != filed.origin_region:
        raise NotTaken(filed.ticket_id)
    return filed


def complaint_of(number: str, request_id: str) -> FileComplaintRequest:
    """A complaint about a bill."""
    return FileComplaintRequest(
        request_id=request_id,
        complaint=ComplaintRequest(
            category="BILL_WRONG",
            number=number,
            description="我被多收了钱",
            remedy_sought=Remedy.REMEDY_REFUND,
            channel=ComplaintChannel.COMPLAINT_CHANNEL_COUNTER,
            requester=requester(),
        ),
    )


def fault_of(number: str, region: str, request_id: str) -> ReportFaultRequest:
    """A fault of a line, which is in a region."""
    return ReportFaultRequest(
        request_id=request_id,
        report=FaultReport(
            number=number,
            description="不能上网",
            place=FaultPlace(region=region, address="人民南路四段 4 号"),
            requester=requester(),
        ),
    )


class Reporter:
    """Reports faults at the home region, and hears of their acceptance on a watch of the origin region."""

    def __init__(self, service: "FaultServiceStub") -> None:
        self._service = service
        self._taken: dict[str, asyncio.Event] = {}

    async def watch(self, begun: asyncio.Event) -> None:
        """Hears of faults until it is cancelled; `begun` is set once no later fault can be missed."""
        async for told in self._service.WatchFaults(WatchFaultsRequest(requester=requester())):
            begun.set()
            if told.fault.version:
                self._event(told.fault.id).set()

    async def report(self, number: str) -> None:
        """Reports a fault of a line, and waits until the region in which it is has it. Raises TimeoutError."""
        request = fault_of(number, HOME, uuid.uuid4().hex)
        fault = (await self._service.ReportFault(request, timeout=CALL_TIMEOUT)).fault
        async with asyncio.timeout(WAIT):
            await self._event(fault.id).wait()
        del self._taken[fault.id]

    def _event(self, fault_id: str) -> asyncio.Event:
        """Set once the owner has the fault, which the watch may tell before the report has returned."""
        return self._taken.setdefault(fault_id, asyncio.Event())


@contextlib.asynccontextmanager
async def reporting(channel: Channel) -> AsyncIterator[Report]:
    """Reports faults for numbers while the context lasts."""
    reporter, begun = Reporter(FaultServiceStub(channel)), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(reporter.watch(begun))
        async with asyncio.timeout(CALL_TIMEOUT):
            await begun.wait()
        yield reporter.report
        watch.cancel()
