"""Taking over customers: the stream of an import against batches of the same customers, in turns on one node."""

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deploy.customers import generate
from deploy.local.federation import FEDERATION, FEDERATION_FILES, OPERATOR, LocalFederation
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.customer_service_pb2 import (
    BatchCreateCustomersRequest,
    Customer,
    ImportCustomersRequest,
    ImportFile,
    ImportLine,
)
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.channels import Dialer
from gateway.clock import SystemClock
from gateway.federation.files import load
from gateway.identity import server_name
from gateway.tls import Credentials
from tests.bench.report import Report, Spread

REGION = "henan"  # its made-up numbers are used by no other load
CUSTOMERS = 5000  # in one round and way
_BATCH, _PIECE = 500, 250
_SECONDS = 60.0
_REQUESTER = Requester(staff_id="4711", channel=Channel.CHANNEL_COUNTER)

Way = Callable[[CustomerServiceStub, Sequence[Customer]], Awaitable[int]]


@dataclass(frozen=True)
class ImportResult:
    """Customers a second, a round each: over the stream, and in batches."""

    stream: Sequence[float]
    batches: Sequence[float]

    def plain(self) -> Report:
        """The row of the report: each way's spread, and that of the stream over the batches of its own round."""
        ratios = [stream / batch for stream, batch in zip(self.stream, self.batches, strict=True)]
        named = {"stream_per_second": self.stream, "batches_per_second": self.batches, "ratio": ratios}
        return {name: vars(Spread.of(list(values))) for name, values in named.items()}


async def measure_imports(federation: LocalFederation, region: str, rounds: int) -> ImportResult:
    """Rounds of both ways with new customers, each first in every other round, on a region that runs.

    The node runs in a process of its own; the customers are made before the time is taken.
    """
    directory = federation.directory / "certificates" / f"{region}-{OPERATOR}"
    credentials = Credentials(directory / "authority.crt", directory / "tls.crt", directory / "tls.key")
    dialer, name = Dialer(credentials, SystemClock()), server_name(Role.ROLE_REGION, region, FEDERATION)
    configuration = load(FEDERATION_FILES)
    measured: dict[Way, list[float]] = {over_stream: [], in_batches: []}
    async with dialer.dial(federation.endpoint(region), name) as channel:
        stub = CustomerServiceStub(channel)
        people = _people(configuration, region, 2 * rounds)
        for index in range(rounds):
            ways = (over_stream, in_batches) if index % 2 else (in_batches, over_stream)
            for turn, way in enumerate(ways):
                measured[way].append(await _rate(stub, way, people[2 * index + turn]))
    return ImportResult(measured[over_stream], measured[in_batches])


async def over_stream(stub: CustomerServiceStub, customers: Sequence[Customer]) -> int:
    """One import; returns how many customers were new."""
    lines = [ImportLine(number=number, customer=each) for number, each in enumerate(customers, 2)]
    pieces = [ImportCustomersRequest(lines=lines[at : at + _PIECE]) for at in range(0, len(lines), _PIECE)]
    sha256 = hashlib.sha256(secrets.token_bytes()).digest()
    file = ImportCustomersRequest(file=ImportFile(sha256=sha256, lines=len(lines), requester=_REQUESTER))
    answers = [answer async for answer in stub.ImportCustomers(iter([file, *pieces]), timeout=_SECONDS)]
    return answers[-1].created


async def in_batches(stub: CustomerServiceStub, customers: Sequence[Customer]) -> int:
    """Batches, one after the other; returns how many customers were new."""
    created = 0
    for at in range(0, len(customers), _BATCH):
        request = BatchCreateCustomersRequest(customers=customers[at : at + _BATCH], requester=_REQUESTER)
        created += (await stub.BatchCreateCustomers(request, timeout=_SECONDS)).created
    return created


async def _rate(stub: CustomerServiceStub, way: Way, customers: Sequence[Customer]) -> float:
    started = time.perf_counter()
    created = await way(stub, customers)
    seconds = time.perf_counter() - started
    if created != len(customers):
        raise ValueError(f"{created} of {len(customers)} customers were new: the run measures nothing")
    return len(customers) / seconds


def _people(configuration: Configuration, region: str, count: int) -> list[list[Customer]]:
    """Groups of customers that no group shares."""
    people = generate(configuration, region, count * CUSTOMERS, 1, datetime.now(UTC))
    return [people[at : at + CUSTOMERS] for at in range(0, len(people), CUSTOMERS)]
