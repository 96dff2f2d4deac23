"""Taking over customers: the stream of an import against batches of the same customers, in turns on one node."""

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from deploy.customers import generate
from deploy.local.federation import FEDERATION_FILES, OPERATOR, LocalFederation
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.customer_service_pb2 import (
    BatchCreateCustomersRequest,
    Customer,
    ImportCustomersRequest,
    ImportFile,
    ImportLine,
)
from gateway.api.region.v1.customer_service_pb2_grpc import CustomerServiceStub
from gateway.federation.files import load
from tests.bench.comparing import in_turns
from tests.bench.orders import requester
from tests.bench.report import Comparison

_BATCH, _PIECE = 500, 250
_SECONDS = 60.0

Way = Callable[[CustomerServiceStub, Sequence[Customer]], Awaitable[int]]


async def measure_imports(federation: LocalFederation, region: str, customers: int, rounds: int) -> Comparison:
    """Takes over so many customers of a region either way in each round; all of them are made before.

    The region's node is a process of its own, and has no customers with made-up numbers yet.
    """
    groups = iter(_people(load(FEDERATION_FILES), region, customers, 2 * rounds))
    async with federation.dial_region(region, f"{region}-{OPERATOR}") as channel:
        stub = CustomerServiceStub(channel)
        return Comparison(
            name="import",
            figure="customers taken over, 1/s",
            base=f"batches of {_BATCH}",
            measured="the stream of an import",
            rounds=await in_turns(
                lambda: _rate(stub, in_batches, next(groups)), lambda: _rate(stub, over_stream, next(groups)), rounds
            ),
        )


async def over_stream(stub: CustomerServiceStub, customers: Sequence[Customer]) -> int:
    """One import; returns the number of new customers."""
    lines = [ImportLine(number=number, customer=each) for number, each in enumerate(customers, 2)]
    pieces = [ImportCustomersRequest(lines=lines[at : at + _PIECE]) for at in range(0, len(lines), _PIECE)]
    sha256 = hashlib.sha256(secrets.token_bytes()).digest()
    file = ImportCustomersRequest(file=ImportFile(sha256=sha256, lines=len(lines), requester=requester()))
    answers = [answer async for answer in stub.ImportCustomers(iter([file, *pieces]), timeout=_SECONDS)]
    return answers[-1].created


async def in_batches(stub: CustomerServiceStub, customers: Sequence[Customer]) -> int:
    """Batches, one after the other; returns how many customers were new."""
    created = 0
    for at in range(0, len(customers), _BATCH):
        request = BatchCreateCustomersRequest(customers=customers[at : at + _BATCH], requester=requester())
        created += (await stub.BatchCreateCustomers(request, timeout=_SECONDS)).created
    return created


async def _rate(stub: CustomerServiceStub, way: Way, customers: Sequence[Customer]) -> float:
    started = time.perf_counter()
    created = await way(stub, customers)
    seconds = time.perf_counter() - started
    if created != len(customers):
        raise ValueError(f"{created} of {len(customers)} customers were new: the run measures nothing")
    return len(customers) / seconds


def _people(configuration: Configuration, region: str, customers: int, groups: int) -> list[list[Customer]]:
    """Groups of customers that no group shares."""
    people = generate(configuration, region, groups * customers, 1, datetime.now(UTC))
    return [people[at : at + customers] for at in range(0, len(people), customers)]
