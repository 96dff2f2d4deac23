"""Rules for documents on file: the conditions of an upload, and the documents that count for a business. Pure."""

import hmac
import re
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import Material
from gateway.api.region.v1.attachment_service_pb2 import AttachmentUpload
from gateway.api.region.v1.document_service_pb2 import DocumentChunk, DocumentUpload, RegisteredDocument
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, PaperUse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import Refused, invalid, listed
from gateway.federation.catalogue import Federation
from gateway.federation.checks import CODE
from gateway.federation.documents import MATERIALS_OF_THE_MOMENT, MEDIA_TYPES, RequiredLine, documents_missing
from gateway.federation.prepared import PreparedBusiness
from gateway.time.clock import BETWEEN_TRUSTED, from_timestamp, is_dated
from gateway.values.lists import either
from gateway.values.requesters import SELF_SERVICE
from region_node.customers.verification.rules import OF_THE_CUSTOMER
from region_node.requests.checks import require_length, require_name, require_request_id, require_requester

CHUNK_LIMIT = 64 * 1024
"""Bytes in one chunk of an upload."""
PIECE_LIMIT = 48 * 1024
"""Bytes of content in an envelope's answer: with overhead less than the 64 KiB of an envelope."""
SIZE_POLICY = "document-size"
HASH_BYTES = 32
"""Of a document's content by SHA-256, and of its keyed hash by HMAC-SHA-256."""
IDENTIFYING = frozenset({"ID_ORIG", "BIZ_LIC"})
"""The materials that identify the holder of a line, by their number."""
_IDENTITY_LIMIT = 64  # characters
_REGISTER_ID = re.compile(r"[a-z][a-z0-9-]*/[A-Za-z0-9._-]{1,64}/[A-Za-z0-9._-]{1,64}")
_NOT_IN_A_NUMBER = re.compile(r"[\s\-]")
_UNKNOWN = "application/octet-stream"


def require_upload(upload: DocumentUpload, material: Material | None, limit: int, now: datetime) -> None:
    """Raises Refused unless a document of this description may be accepted, with at most `limit` bytes.

    Raises DOCUMENT_TOO_LARGE, DOCUMENT_TYPE_NOT_ALLOWED, DOCUMENT_EXPIRED or REQUEST_INVALID. Raises
    DOCUMENT_NOT_REUSABLE for a document that only proves presence at a moment.
    """
    require_request_id(upload.request_id)
    require_requester(upload.requester)
    if material is None:
        raise invalid("document.code", "no material of the catalogue", "不是目录中的材料")
    if upload.code in MATERIALS_OF_THE_MOMENT:
        raise Refused(Reason.REASON_DOCUMENT_NOT_REUSABLE, document=upload.code)
    require_file("document", upload, material, limit)
    require_length("document.identity_number", upload.identity_number, _IDENTITY_LIMIT)
    if upload.identity_number and upload.code not in IDENTIFYING:
        known = either(sorted(IDENTIFYING))
        raise invalid("document.identity_number", f"only with {known.en}", f"仅限与{known.zh_cn}一起填写")
    _require_times(upload, now)


def require_file(field: str, upload: DocumentUpload | AttachmentUpload, material: Material, limit: int) -> None:
    """Raises Refused unless a file of this description may be accepted, with at most `limit` bytes.

    Raises DOCUMENT_TOO_LARGE, DOCUMENT_TYPE_NOT_ALLOWED or REQUEST_INVALID.
    """
    if upload.media_type not in material.media_types:
        raise type_not_allowed(material.code, upload.media_type or "-", material.media_types)
    if upload.size <= 0:
        raise invalid(f"{field}.size", "not positive", "须为正数")
    if upload.size > limit:
        raise Refused(Reason.REASON_DOCUMENT_TOO_LARGE, limit=str(limit))
    if len(upload.sha256) != HASH_BYTES:
        raise invalid(f"{field}.sha256", f"not {HASH_BYTES} bytes", f"须为{HASH_BYTES}字节")


def require_chunk(chunk: DocumentChunk) -> None:
    """Raises Refused for an empty or oversized chunk."""
    if not 0 < len(chunk.data) <= CHUNK_LIMIT:
        raise invalid("chunk.data", f"not 1 to {CHUNK_LIMIT} bytes", f"须为1至{CHUNK_LIMIT}字节")


def is_code(code: str) -> bool:
    """Whether a code has the form of that of a material.

    A register has documents of materials that a configuration no longer has, or has not yet: they count for nothing.
    """
    return CODE.fullmatch(code) is not None


def require_document_id(document_id: str, *, field: str = "document_id") -> None:
    """Raises Refused for a malformed document id."""
    if not _REGISTER_ID.fullmatch(document_id):
        raise invalid(field, "not <region>/<operator>/<request id>", "须为<地区>/<系统>/<请求编号>")


def require_content(code: str, upload: DocumentUpload | AttachmentUpload, head: bytes, sha256: bytes) -> None:
    """Raises Refused unless the content of a material fits its description: by its first bytes, and by its hash."""
    found = next((name for name, magic in MEDIA_TYPES.items() if head.startswith(magic)), _UNKNOWN)
    if found != upload.media_type:
        raise type_not_allowed(code, found, [upload.media_type])
    if sha256 != upload.sha256:
        raise Refused(Reason.REASON_DOCUMENT_HASH_DIFFERS)


def type_not_allowed(code: str, found: str, allowed: Sequence[str]) -> Refused:
    """The refusal of a content of another type."""
    told = listed(allowed=allowed or ["-"])
    return Refused(Reason.REASON_DOCUMENT_TYPE_NOT_ALLOWED, document=code, found=found, **told)


def in_one_form(identity_number: str) -> str:
    """The number of an identity document, or of another paper, in normal form, for comparison."""
    return _NOT_IN_A_NUMBER.sub("", identity_number).upper()


def hash_of_paper(key: bytes, code: str, number: str) -> bytes:
    """The keyed hash of a paper by its number, as all systems of a region make it (`docs/integrating.md`)."""
    return hmac.digest(key, f"{code}\n{in_one_form(number)}".encode(), "sha256")


def attested(registered: RegisteredDocument) -> Document:
    """A document on file as an order names it."""
    return Document(
        code=registered.code,
        verifier=registered.verifier,
        verify_time=registered.verify_time,
        keyed_hash=registered.keyed_hash,
        document_id=registered.document_id,
    )


def require_reusable(federation: Federation, documents: Sequence[Document]) -> None:
    """Raises Refused with DOCUMENT_NOT_REUSABLE for a document on file that has to be verified anew."""
    for document in documents:
        if document.document_id and not is_reusable(federation, document.code):
            raise Refused(Reason.REASON_DOCUMENT_NOT_REUSABLE, document=document.code)


def is_reusable(federation: Federation, code: str) -> bool:
    """Whether a material on file counts again."""
    return code not in MATERIALS_OF_THE_MOMENT and federation.is_reusable(code)


def identifying(documents: Sequence[Document]) -> list[Document]:
    """Those of some documents that identify the holder of a line."""
    return [each for each in documents if each.code in IDENTIFYING]


def require_good(registered: RegisteredDocument, now: datetime) -> None:
    """Raises Refused for a document on file that was withdrawn or has expired."""
    if registered.HasField("withdraw_time"):
        raise Refused(Reason.REASON_DOCUMENT_WITHDRAWN, document=registered.code)
    if registered.HasField("expire_time") and from_timestamp(registered.expire_time) <= now:
        raise Refused(Reason.REASON_DOCUMENT_EXPIRED, document=registered.code)


def expire_time(business: PreparedBusiness, verify_time: datetime, expire_time: datetime | None) -> datetime:
    """The last instant at which a document counts for a business: while it is fresh, and before it expires."""
    ends = verify_time + business.freshness
    return ends if expire_time is None else min(ends, expire_time)


def counts(federation: Federation, business: PreparedBusiness, registered: RegisteredDocument, now: datetime) -> bool:
    """Whether a document on file counts for a business: reusable, fresh to the microsecond, neither expired nor
    withdrawn."""
    if not is_reusable(federation, registered.code):
        return False
    try:
        require_good(registered, now)
    except Refused:
        return False
    verified = from_timestamp(registered.verify_time)
    return verified - BETWEEN_TRUSTED <= now <= verified + business.freshness


def is_fresh(business: PreparedBusiness, document: Document, now: datetime) -> bool:
    """Whether a document that is handed in is fresh enough for a business."""
    try:
        verified = from_timestamp(document.verify_time)
    except OverflowError:  # a time that no calendar has
        return False
    return verified - BETWEEN_TRUSTED <= now <= verified + business.freshness


@dataclass(frozen=True)
class OnFile:
    """The documents from the file for a business, and the lines of the catalogue that are still missing."""

    added: Sequence[RegisteredDocument] = field(repr=False)
    missing: Sequence[str]


def may_complete(staff_id: str, brought: Collection[str]) -> bool:
    """Whether documents on file may complete those that were brought, by their codes.

    A paper on file is no sign of the person who acts now. A member of staff sees that person; a customer who acts alone
    shows a code or a password with it.
    """
    return staff_id != SELF_SERVICE or not OF_THE_CUSTOMER.isdisjoint(brought)


def completed(
    federation: Federation,
    business: PreparedBusiness,
    lines: Sequence[RequiredLine],
    brought: set[str],
    registered: Sequence[RegisteredDocument],
    now: datetime,
) -> OnFile:
    """Completes the applicant's codes with documents on file that count: no more than the lines need.

    Of several documents of one code the latest verification counts, of several alternatives the first available one.
    """
    usable = _newest(each for each in registered if counts(federation, business, each, now))
    added: dict[str, RegisteredDocument] = {}
    missing = []
    for line in documents_missing(lines, brought):
        for alternative in line.alternatives:
            needed = [code for code in alternative if code not in brought]
            if all(code in usable for code in needed):
                added |= {code: usable[code] for code in needed}
                break
        else:
            missing.append(line.written)
    return OnFile(list(added.values()), missing)


def completed_codes(
    federation: Federation,
    business: PreparedBusiness,
    codes: Sequence[str],
    registered: Sequence[RegisteredDocument],
    now: datetime,
) -> Sequence[RegisteredDocument]:
    """The documents on file that count, among the codes that a review requested and nobody supplied."""
    usable = _newest(each for each in registered if counts(federation, business, each, now))
    return [usable[code] for code in dict.fromkeys(codes) if code in usable]


def asks_for(federation: Federation, order: Order, code: str) -> bool:
    """Whether an order needs documents of this code: by the catalogue for its applicant, or by a review's request."""
    if code in order.documents_requested:
        return True
    try:
        business = federation.prepared(order.request.business)
    except Refused:  # the catalogue no longer has it
        return False
    lines = business.documents.get(order.request.applicant, ())
    return any(code in alternative for line in lines for alternative in line.alternatives)


def is_named_by(order: Order, document_id: str) -> bool:
    """Whether an order itself counts on this document on file."""
    return bool(document_id) and any(each.document_id == document_id for each in order.request.documents)


def paper_use(federation: Federation, documents: Sequence[Document]) -> PaperUse.ValueType:
    """Whether an order needed papers, and whether one of them had to be supplied.

    A paper can be on file; a code, a password or a live check cannot.
    """
    papers = [document for document in documents if federation.is_reusable(document.code)]
    if not papers:
        return PaperUse.PAPER_USE_UNSPECIFIED
    is_on_file = all(document.document_id for document in papers)
    return PaperUse.PAPER_USE_ON_FILE if is_on_file else PaperUse.PAPER_USE_HANDED_IN


def required_of(business: PreparedBusiness, applicant: Applicant.ValueType) -> Sequence[RequiredLine]:
    """The lines of documents that an applicant has to bring. Raises Refused with APPLICANT_NOT_ALLOWED."""
    lines = business.documents.get(applicant)
    if lines is None:
        raise Refused(Reason.REASON_APPLICANT_NOT_ALLOWED, business=business.code)
    return lines


def require_documents(business: PreparedBusiness, request: OrderRequest, now: datetime) -> None:
    """Raises Refused unless the applicant brings every document of the catalogue, each attested and fresh."""
    lines = required_of(business, request.applicant)
    require_attested(request.documents)
    missing = documents_missing(lines, {document.code for document in request.documents})
    if missing:
        raise Refused(Reason.REASON_DOCUMENT_MISSING, **listed(documents=[line.written for line in missing]))
    _require_fresh(business, request.documents, now)


def require_fresh(business: PreparedBusiness, documents: Sequence[Document], now: datetime) -> None:
    """Raises Refused unless every document is attested, and verified neither too long ago nor in the future."""
    require_attested(documents)
    _require_fresh(business, documents, now)


def require_attested(documents: Sequence[Document]) -> None:
    """Raises Refused with REQUEST_INVALID unless each document has its verifier, time, material and hash.

    The home region relies on these four facts of the person who saw the document.
    """
    for index, document in enumerate(documents):
        field = f"documents[{index}]"
        if not document.code:
            raise invalid(f"{field}.code", "not set", "未填写")
        require_name(f"{field}.verifier", document.verifier)
        if not document.HasField("verify_time"):
            raise invalid(f"{field}.verify_time", "not set", "未填写")
        if len(document.keyed_hash) != HASH_BYTES:
            raise invalid(f"{field}.keyed_hash", f"not {HASH_BYTES} bytes", f"须为{HASH_BYTES}字节")


def require_materials(materials: Container[str], documents: Sequence[Document]) -> None:
    """Raises Refused with REQUEST_INVALID for a document that is no material of the catalogue.

    Raises it with DOCUMENT_STALE for a time that no calendar has.
    """
    for index, document in enumerate(documents):
        if document.code not in materials:
            raise invalid(f"documents[{index}].code", "no material of the catalogue", "不是目录中的材料")
        if not is_dated(document.verify_time):
            raise Refused(Reason.REASON_DOCUMENT_STALE, document=document.code)


def _require_fresh(business: PreparedBusiness, documents: Sequence[Document], now: datetime) -> None:
    """Raises Refused with DOCUMENT_STALE for a document verified too long ago for this business, or in the future."""
    for document in documents:
        try:
            age = now - from_timestamp(document.verify_time)
        except OverflowError:  # a time that no calendar has
            age = timedelta.max
        if not -BETWEEN_TRUSTED <= age <= business.freshness + BETWEEN_TRUSTED:
            raise Refused(Reason.REASON_DOCUMENT_STALE, document=document.code)


def _newest(registered: Iterable[RegisteredDocument]) -> Mapping[str, RegisteredDocument]:
    found: dict[str, RegisteredDocument] = {}
    for each in registered:
        known = found.get(each.code)
        if known is None or from_timestamp(known.verify_time) < from_timestamp(each.verify_time):
            found[each.code] = each
    return found


def _require_times(upload: DocumentUpload, now: datetime) -> None:
    if not upload.HasField("verify_time"):
        raise invalid("document.verify_time", "not set", "未填写")
    try:
        verified = from_timestamp(upload.verify_time)
        expires = from_timestamp(upload.expire_time) if upload.HasField("expire_time") else None
    except OverflowError:  # a time that no calendar has
        raise invalid("document.verify_time", "out of range", "超出范围") from None
    if verified > now + BETWEEN_TRUSTED:
        raise invalid("document.verify_time", "in the future", "时间在未来")
    if expires is not None and expires <= now:
        raise Refused(Reason.REASON_DOCUMENT_EXPIRED, document=upload.code)
