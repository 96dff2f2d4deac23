"""Shared records: read across regions by a grant and without one, beside a health check and a bare chain."""

import itertools
import uuid
from collections.abc import Iterator

from grpc.aio import Channel

from deploy.local.federation import OPERATOR, LocalFederation
from gateway.api.federation.v1.configuration_pb2 import LegalBasis
from gateway.api.region.v1.document_service_pb2_grpc import DocumentServiceStub
from gateway.api.region.v1.sharing_service_pb2 import (
    ConsentDecision,
    GiveConsentRequest,
    ReadSharedCustomerRequest,
    SharedRecord,
)
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.federation.sharing_rules import CONSENT_PAPER
from gateway.rpc.channels import health_of
from tests.bench.bare import BARE
from tests.bench.comparing import in_turns
from tests.bench.load import CALL_TIMEOUT, Call
from tests.bench.orders import HANDLING, HOME, all_lines, requester
from tests.bench.papers import put_on_file
from tests.bench.questions import CALLERS, rate_of
from tests.bench.report import Comparison

_GRANTED = 64  # customers who consent
PURPOSE = "counter-service"


class NotAsExpected(Exception):
    """A record was refused, or clear where it should be masked: the run measures nothing."""


async def measure_sharing(federation: LocalFederation, bare: Call, rounds: int, seconds: float) -> list[Comparison]:
    """Records of another region's customers: clear by a grant, and masked where there is none.

    Each beside a health check of the same node, and beside a bare chain.
    """
    async with federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        granted, masked = await granted_reading(federation, channel), masked_reading(channel)

        async def health() -> None:
            await health_of(channel, "", CALL_TIMEOUT)

        return [
            Comparison(
                name=name + suffix,
                figure=f"{figure}, {CALLERS} callers, 1/s",
                base=base,
                measured=measured,
                rounds=await in_turns(rate_of(least, seconds), rate_of(reading, seconds), rounds),
            )
            for suffix, base, least in (("", "health check", health), ("_beside_bare", BARE, bare))
            for name, figure, measured, reading in (
                ("granted_reads", "records of another region by a grant", "clear", granted),
                ("masked_reads", "records of another region without one", "masked", masked),
            )
        ]


async def granted_reading(federation: LocalFederation, channel: Channel) -> Call:
    """Reads records of customers who have consented, which they do now, at home: there no paper waits."""
    granted = [line.number for line in all_lines()[:_GRANTED]]
    async with federation.dial_region(HOME, f"{HOME}-{OPERATOR}") as home:
        for number in granted:
            paper = await put_on_file(DocumentServiceStub(home), number, CONSENT_PAPER)
            await SharingServiceStub(home).GiveConsent(_consent(number, paper), timeout=CALL_TIMEOUT)
    return record_call(SharingServiceStub(channel), itertools.cycle(granted), is_masked=False)


def masked_reading(channel: Channel) -> Call:
    """Reads records of customers who have not consented."""
    others = itertools.cycle([line.number for line in all_lines()[_GRANTED:]])
    return record_call(SharingServiceStub(channel), others, is_masked=True)


def record_call(service: "SharingServiceStub", numbers: Iterator[str], *, is_masked: bool) -> Call:
    """Reads the record of the next number. The call raises NotAsExpected."""

    async def call() -> None:
        request = reading_of(next(numbers), uuid.uuid4().hex)
        record: SharedRecord = (await service.ReadSharedCustomer(request, timeout=CALL_TIMEOUT)).record
        if not record.values or any(bool(each.masked) != is_masked for each in record.values):
            raise NotAsExpected(f"{request.number}: {record}")

    return call


def reading_of(number: str, request_id: str) -> ReadSharedCustomerRequest:
    """A reading of a customer's record at the counter, by consent where there is one, else masked."""
    return ReadSharedCustomerRequest(
        request_id=request_id,
        number=number,
        purpose=PURPOSE,
        legal_basis=LegalBasis.LEGAL_BASIS_CONSENT,
        requester=requester(),
    )


def _consent(number: str, paper: str) -> GiveConsentRequest:
    return GiveConsentRequest(
        request_id=f"bench-{number.removeprefix('+')}",
        number=number,
        reader=HANDLING,
        purpose=PURPOSE,
        decision=ConsentDecision.CONSENT_DECISION_GRANTED,
        paper=paper,
        requester=requester(),
    )
