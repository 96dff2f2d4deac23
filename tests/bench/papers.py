"""Papers: bills for which one was handed in, against those for which the one on file counts."""

import hashlib
import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from deploy.local.federation import OPERATOR, LocalFederation
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceStub
from gateway.api.region.v1.document_service_pb2 import (
    DocumentChunk,
    DocumentUpload,
    UploadDocumentRequest,
    UploadDocumentResponse,
    UploadState,
)
from gateway.api.region.v1.document_service_pb2_grpc import DocumentServiceStub
from gateway.api.types.v1.types_pb2 import Applicant, Document
from tests.bench.bare import BARE
from tests.bench.comparing import in_turns
from tests.bench.load import CALL_TIMEOUT, Call
from tests.bench.orders import HANDLING, all_lines, identity_document, requester
from tests.bench.questions import CALLERS, rate_of
from tests.bench.report import Comparison

_ON_FILE = 64  # customers whose paper is on file
_SCAN = b"\x89PNG\r\n\x1a\n" + hashlib.shake_256(b"a scan").digest(8_000)


class NotOnFile(Exception):
    """A document did not come to its register: the run measures nothing."""


async def measure_papers(federation: LocalFederation, bare: Call, rounds: int, seconds: float) -> list[Comparison]:
    """Bills of another region's customers with the paper on file: beside one handed in, and beside a bare chain."""
    numbers = [line.number for line in all_lines()][:_ON_FILE]
    async with federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        for number in numbers:
            await put_on_file(DocumentServiceStub(channel), number, "ID_ORIG")
        service = BillingServiceStub(channel)
        asked = itertools.cycle(numbers)
        handed_in = _asking(service, asked, [identity_document()])
        return [
            Comparison(
                name=name,
                figure=f"bills of another region, {CALLERS} callers, 1/s",
                base=base,
                measured="paper on file",
                rounds=await in_turns(rate_of(least, seconds), rate_of(_asking(service, asked, []), seconds), rounds),
            )
            for name, base, least in (
                ("papers_on_file", "paper handed in", handed_in),
                ("papers_on_file_beside_bare", BARE, bare),
            )
        ]


def _asking(service: "BillingServiceStub", numbers: Iterator[str], documents: list[Document]) -> Call:
    month = f"{datetime.now(ZoneInfo('Asia/Shanghai')):%Y-%m}"

    async def call() -> None:
        request = QueryBillRequest(
            number=next(numbers),
            month=month,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=documents,
            requester=requester(),
        )
        await service.QueryBill(request, timeout=CALL_TIMEOUT)

    return call


async def put_on_file(service: "DocumentServiceStub", number: str, code: str, request_id: str = "") -> str:
    """Puts a document on file; returns its document id. Raises NotOnFile.

    Without a request id a repetition finds the document of the first time.
    """
    verified = Timestamp()
    verified.FromDatetime(datetime.now(UTC))
    named = DocumentUpload(
        request_id=request_id or f"bench-{code}-{number.removeprefix('+')}",
        number=number,
        code=code,
        media_type="image/png",
        size=len(_SCAN),
        sha256=hashlib.sha256(_SCAN).digest(),
        verify_time=verified,
        requester=requester(),
    )

    async def parts() -> AsyncIterator[UploadDocumentRequest]:
        yield UploadDocumentRequest(document=named)
        yield UploadDocumentRequest(chunk=DocumentChunk(offset=0, data=_SCAN))

    answer = UploadDocumentResponse()
    async for each in service.UploadDocument(parts(), timeout=CALL_TIMEOUT):
        answer = each
    if answer.state != UploadState.UPLOAD_STATE_REGISTERED:
        raise NotOnFile(f"{answer.document_id}: {UploadState.Name(answer.state)}")
    return answer.document_id
