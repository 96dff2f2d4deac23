"""`python -m tests.bench.complaints`: a region with many open complaints beside one with hardly any.

How fast they come in beside customers; how long it takes to find what is due, and until the node serves after a start.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console

from deploy.customers import generate
from deploy.local.federation import FEDERATION_FILES, OPERATOR, LocalFederation
from gateway.api.region.v1 import complaint_import_service_pb2 as api
from gateway.api.region.v1.complaint_import_service_pb2_grpc import ComplaintImportServiceStub
from gateway.api.region.v1.complaint_pb2 import ComplaintChannel, ComplaintRequest, Remedy
from gateway.api.region.v1.customer_service_pb2 import ImportFile
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.federation.files import load
from gateway.store.timers import SWEEP_LIMIT, due_timers
from gateway.time.clock import to_timestamp
from tests.bench.comparing import in_turns
from tests.bench.imports import over_stream
from tests.bench.orders import requester
from tests.bench.processor_time import processor_seconds
from tests.bench.report import Comparison
from tests.bench.requirements import BUILD, working_directory
from tests.bench.table import business_table

FULL, EMPTY = "sichuan", "guangdong"
_NUMBER = {FULL: "+8619851{:06d}", EMPTY: "+8619844{:06d}"}
_FEW = 100  # open complaints of the other region: more than one sweep never holds
_PIECE, _CALL_SECONDS = 250, 600.0
_SPREAD = timedelta(minutes=20)  # filed within: nothing falls due while it is measured, and each at its own instant
_HORIZON = timedelta(days=1)
_LOOKS = 50
_CUSTOMERS = 2000  # in one round of imports


@click.command()
@click.option("--complaints", default=100_000, show_default=True, help="that are open in the one region")
@click.option("--rounds", default=5, show_default=True)
def main(complaints: int, rounds: int) -> None:
    """Measures a region with many open complaints against one with a hundred, in turns on the same processors."""
    measured: list[Comparison] = []
    with working_directory(BUILD, "bench") as directory:
        federation = LocalFederation(directory, (FULL, EMPTY))
        try:
            federation.prepare()
            federation.start()
            measured += asyncio.run(_imports(federation, complaints, rounds))
            measured.append(asyncio.run(_sweeps(federation, rounds)))
            measured.append(asyncio.run(_starts(federation, rounds)))
        finally:
            federation.kill()
            if measured:
                Console(width=120).print(business_table(measured))


async def _imports(federation: LocalFederation, complaints: int, rounds: int) -> Sequence[Comparison]:
    """Fills both regions; the greater one in as many parts as there are rounds, beside as many imports of customers."""
    people = generate(load(FEDERATION_FILES), EMPTY, _CUSTOMERS * rounds, 1, datetime.now(UTC))
    groups = iter([people[at : at + _CUSTOMERS] for at in range(0, len(people), _CUSTOMERS)])
    share = -(-complaints // rounds)
    parts = iter([range(at, min(at + share, complaints)) for at in range(0, complaints, share)])
    used: dict[str, list[float]] = {EMPTY: [], FULL: []}
    async with (
        federation.dial_region(EMPTY, f"{EMPTY}-{OPERATOR}") as few,
        federation.dial_region(FULL, f"{FULL}-{OPERATOR}") as many,
    ):

        async def measured(region: str, come_in: Awaitable[int]) -> float:
            pids = [federation.nodes[region][0].process.pid]
            before, started = processor_seconds(pids), time.perf_counter()
            count = await come_in
            rate = count / (time.perf_counter() - started)
            used[region].append((processor_seconds(pids) - before) * 1e6 / count)
            return rate

        await import_complaints(ComplaintImportServiceStub(few), complaint_pieces(EMPTY, range(_FEW)))

        async def customers() -> float:
            return await measured(EMPTY, over_stream(CustomerServiceStub(few), next(groups)))

        async def complained() -> float:
            pieces = complaint_pieces(FULL, next(parts))
            return await measured(FULL, import_complaints(ComplaintImportServiceStub(many), pieces))

        rates = await in_turns(customers, complained, rounds)
    costs = list(zip(used[EMPTY], used[FULL], strict=True))
    ways = ("customers", "open complaints")
    return (
        Comparison("complaint-import", "taken over on a stream, 1/s", *ways, rates),
        Comparison("complaint-import-cpu", "CPU of the node for each, us", *ways, costs),
    )


async def import_complaints(stub: ComplaintImportServiceStub, pieces: Sequence[api.ImportComplaintsRequest]) -> int:
    """One import of new complaints; returns their number. Raises ValueError where not all were imported."""
    count = sum(len(piece.lines) for piece in pieces)
    sha256 = hashlib.sha256(secrets.token_bytes()).digest()
    file = api.ImportComplaintsRequest(file=ImportFile(sha256=sha256, lines=count, requester=requester()))
    answers = [each async for each in stub.ImportComplaints(iter([file, *pieces]), timeout=_CALL_SECONDS)]
    if answers[-1].created != count:
        raise ValueError(f"{answers[-1].created} of {count} complaints came in: the run measures nothing")
    return count


def complaint_pieces(region: str, numbers: range) -> Sequence[api.ImportComplaintsRequest]:
    """The pieces of a file of open complaints, one for each of the numbers."""
    lines = _lines(region, numbers)
    return [api.ImportComplaintsRequest(lines=lines[at : at + _PIECE]) for at in range(0, len(lines), _PIECE)]


def _lines(region: str, numbers: range) -> Sequence[api.ComplaintLine]:
    """Open complaints, none older than a few minutes; two of them in a hundred repeat another one."""
    now = datetime.now(UTC)
    return [
        api.ComplaintLine(
            number=line,
            complaint=api.ImportedComplaint(
                external_id=f"OLD-{number}",
                request=ComplaintRequest(
                    category="BILL_WRONG",
                    number=_NUMBER[region].format(number - number % 100 if number % 100 == 1 else number),
                    description="账单多收了钱，请核查并退还。" * 3,
                    remedy_sought=Remedy.REMEDY_REFUND,
                    channel=ComplaintChannel.COMPLAINT_CHANNEL_HOTLINE,
                ),
                filed_time=to_timestamp(now - _SPREAD * (1 - index / len(numbers))),
            ),
        )
        for line, (index, number) in enumerate(enumerate(numbers), 2)
    ]


async def _sweeps(federation: LocalFederation, rounds: int) -> Comparison:
    """A scheduler's queries to its database, at an instant with more due work than one sweep takes."""

    async def sweep(region: str) -> float:
        with federation.database(region).look() as tx:
            until, times = datetime.now(UTC) + _HORIZON, list[float]()
            for _ in range(_LOOKS):
                started = time.perf_counter()
                found = due_timers(tx, until)
                times.append(time.perf_counter() - started)
                if len(found) < min(_FEW, SWEEP_LIMIT):
                    raise ValueError(f"{len(found)} timers are due in {region}: the run measures nothing")
        return sorted(times)[_LOOKS // 2] * 1e3

    return Comparison(
        name="complaint-sweep",
        figure=f"finding the next {SWEEP_LIMIT} that are due, ms",
        base=f"{_FEW} open complaints",
        measured="all of them",
        rounds=await in_turns(lambda: sweep(EMPTY), lambda: sweep(FULL), rounds),
        unit="ms",
    )


async def _starts(federation: LocalFederation, rounds: int) -> Comparison:
    """From the start of the process until its port serves."""

    async def start(region: str) -> float:
        federation.nodes[region][0].process.stop()
        started = time.perf_counter()
        federation.start_region(region)
        return (time.perf_counter() - started) * 1e3

    return Comparison(
        name="complaint-start",
        figure="until the node serves, ms",
        base=f"{_FEW} open complaints",
        measured="all of them",
        rounds=await in_turns(lambda: start(EMPTY), lambda: start(FULL), rounds),
        unit="ms",
    )


if __name__ == "__main__":
    main()
