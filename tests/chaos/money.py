"""The comparison of the regions' books, by their own service: each pair, both ways, for the business days of a run."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

from deploy.demo.client import Client
from deploy.local.federation import LocalFederation
from gateway.api.region.v1 import reconciliation_service_pb2 as api
from gateway.api.region.v1.reconciliation_pb2 import DifferenceKind, ReconciledDay
from gateway.api.region.v1.reconciliation_service_pb2_grpc import ReconciliationServiceStub
from tests.chaos.checking import MONEY, Violation
from tests.chaos.load import REGIONS, STAFF

_ZONE = ZoneInfo("Asia/Shanghai")
_PATIENCE = 60.0  # seconds until a comparison has its answer
_LOOK = 0.1


async def compared(federation: LocalFederation, begun: datetime) -> list[Violation]:
    """Each difference that the regions find between them, for the days since the beginning of a run.

    Raises Refused, Unreachable or TimeoutError.
    """
    staff = {region: Client(federation.region_replicas(region, f"{region}-{STAFF}")) for region in REGIONS}
    found: list[Violation] = []
    try:
        for region, other in permutations(REGIONS, 2):
            for day in _days(begun):
                found += [each async for each in _differences(staff[region], region, other, day)]
    finally:
        for client in staff.values():
            await client.close()
    return found


def _days(begun: datetime) -> Iterator[str]:
    day, last = begun.astimezone(_ZONE).date(), datetime.now(UTC).astimezone(_ZONE).date()
    while day <= last:
        yield f"{day}"
        day += timedelta(days=1)


async def _differences(client: Client, region: str, other: str, day: str) -> AsyncIterator[Violation]:
    asked = datetime.now(UTC)
    request = api.CompareDayRequest(region=other, day=day)
    await client.ask(lambda channel: ReconciliationServiceStub(channel).CompareDay, request)
    compared_day = await _answered(client, other, day, asked)
    listed = api.ListDifferencesRequest(region=other)
    answer = await client.ask(lambda channel: ReconciliationServiceStub(channel).ListDifferences, listed)
    for each in answer.differences:
        kind = DifferenceKind.Name(each.kind).removeprefix("DIFFERENCE_KIND_").lower()
        yield Violation(MONEY, each.serial, f"{region} finds the {each.record_kind} {kind} with {other}")
    if compared_day.digest_here != compared_day.digest_there and not answer.differences:
        yield Violation(MONEY, day, f"{region} and {other} have other digests")


async def _answered(client: Client, other: str, day: str, asked: datetime) -> ReconciledDay:
    request = api.ListReconciledDaysRequest(region=other, from_day=day)
    async with asyncio.timeout(_PATIENCE):
        while True:
            listed = await client.ask(lambda channel: ReconciliationServiceStub(channel).ListReconciledDays, request)
            for each in listed.days:
                if each.day == day and each.compare_time.ToDatetime(UTC) >= asked and each.digest_there:
                    return each
            await asyncio.sleep(_LOOK)
