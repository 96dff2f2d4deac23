"""Bills asked for by single calls: of the node's own customers, against those of another region."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from deploy.local.federation import LocalFederation
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.types.v1.types_pb2 import Applicant, Document
from tests.bench.orders import HANDLING, HOME, all_lines, requester
from tests.bench.report import Spread

CALLERS = 32
_CALL_SECONDS = 10.0


@dataclass(frozen=True)
class BillRound:
    """Bills a second, asked for where the customers are at home, and in another region."""

    local: float
    foreign: float

    @property
    def ratio(self) -> float:
        """Foreign over local."""
        return self.foreign / self.local


@dataclass(frozen=True)
class Bills:
    """The rounds."""

    rounds: Sequence[BillRound]

    def spread(self, read: Callable[[BillRound], float]) -> Spread:
        """A figure over the rounds."""
        return Spread.of([read(each) for each in self.rounds])

    def plain(self) -> dict[str, object]:
        """For JSON."""
        return {
            "callers": CALLERS,
            "ratio": self.spread(lambda each: each.ratio).plain(),
            "local_per_second": self.spread(lambda each: each.local).plain(),
            "foreign_per_second": self.spread(lambda each: each.foreign).plain(),
        }

    def row(self) -> tuple[str, ...]:
        """The figure, local, foreign, and the ratio with the least and the greatest, for a table."""
        ratio = self.spread(lambda each: each.ratio)
        return (
            f"QueryBill, 1/s: foreign against local, {CALLERS} callers",
            f"{self.spread(lambda each: each.local).median:,.0f}",
            f"{self.spread(lambda each: each.foreign).median:,.0f}",
            f"{ratio.median:.2f}",
            f"{ratio.low:.2f}",
            f"{ratio.high:.2f}",
        )


async def measure_bills(federation: LocalFederation, rounds: int, seconds: float) -> Bills:
    """Asks for bills of the bench's customers for `seconds` at either place in each round, each first in turn.

    The customers of `tests.bench.orders` must be there.
    """
    done: list[BillRound] = []
    for index in range(rounds):
        if index % 2:
            foreign = await _asked(federation, HANDLING, seconds)
            done.append(BillRound(await _asked(federation, HOME, seconds), foreign))
        else:
            local = await _asked(federation, HOME, seconds)
            done.append(BillRound(local, await _asked(federation, HANDLING, seconds)))
    return Bills(done)


async def _asked(federation: LocalFederation, region: str, seconds: float) -> float:
    """Bills a second at one region's node."""
    numbers = itertools.cycle([line.number for line in all_lines()])
    answered = 0
    async with federation.dial_region(region, f"{region}-counter") as channel:
        service = BillingServiceStub(channel)
        started = time.perf_counter()

        async def ask() -> None:
            nonlocal answered
            while time.perf_counter() < started + seconds:
                await service.QueryBill(_question(next(numbers)), timeout=_CALL_SECONDS)
                answered += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(ask())
        return answered / (time.perf_counter() - started)


def _question(number: str) -> QueryBillRequest:
    now, verified = datetime.now(UTC), Timestamp()
    verified.FromDatetime(now)
    return QueryBillRequest(
        number=number,
        month=f"{now.astimezone(ZoneInfo('Asia/Shanghai')):%Y-%m}",
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[Document(code="ID_ORIG", verifier="4711", verify_time=verified, keyed_hash=b"\x11" * 32)],
        requester=requester(),
    )
