"""Reads complaint attachments: from here, or piece by piece from their region.

The lead region of a case decides about access. It fetches a third region's pieces for the regions of its items.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.region.v1.attachment_service_pb2 import GetAttachmentContentRequest, GetAttachmentContentResponse
from gateway.api.region.v1.complaint_envelopes_pb2 import AttachmentQuestion
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.document_envelopes_pb2 import DocumentPiece
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused, reason_name
from gateway.relay.envelopes import Answer, OutgoingEnvelope
from gateway.relay.queries import Asker
from gateway.rpc.element_counts import parsed
from gateway.security.identity import Identity
from gateway.store.port import Store, Transaction
from region_node.care.complaints import handling, rules
from region_node.care.complaints.cases import are_of_one
from region_node.care.complaints.parties import may_read
from region_node.care.complaints.rows import ComplaintRow, find_complaint
from region_node.customers.disclosures.rows import DisclosureRow, note_disclosure, was_noted
from region_node.customers.documents.contents import READING_LASTS
from region_node.customers.documents.files import StoredFile, find_upload
from region_node.customers.documents.pieces import checked_pieces, not_on_file, piece_of
from region_node.customers.known_statuses import is_restricted
from region_node.customers.rows import find_line
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import require_name
from region_node.requests.questions import ANSWER_SECONDS, Questions

KIND = EnvelopeKind.ENVELOPE_KIND_ATTACHMENT
FETCH_SECONDS = 5.0
"""For a piece that the leading region fetches for another one, which waits for ANSWER_SECONDS."""
_ACTION = "GetAttachmentContent"


@dataclass(frozen=True)
class Elsewhere:
    """The bytes are in another region, which the lead region may query."""

    region: str


class AttachmentApplication:
    """Answers other regions from this region's content and, in a case led here, from other regions' content.

    Access is checked for each piece. The region with the bytes gives them to the lead region only.
    """

    def __init__(self, context: RegionContext, store: Store, asker: Asker) -> None:
        self._context = context
        self._store = store
        self._asker = asker

    async def answer(self, content: EnvelopeContent, now: datetime) -> Answer:
        """A piece for another region, while the complaint concerns it. The first piece and each denial are audited.

        Raises Refused.
        """
        asked = received(AttachmentQuestion, content.payload)
        require_name("staff_id", asked.staff_id)
        require_name("operator", content.operator)
        rules.require_ticket_id(asked.ticket_id)
        if asked.ticket_id != content.subject:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="the subject is not the ticket id")
        if asked.reader:
            self._context.federation.region(asked.reader)
        found = await self._store.write(lambda tx: _noted_piece(tx, self._context.region, content, asked, now))
        if isinstance(found, Elsewhere):
            found = await self._fetch(found.region, asked, content)
        if isinstance(found, Refused):
            raise found
        return Answer(Outcome.OUTCOME_ACCEPTED, result=found.SerializeToString())

    async def _fetch(self, region: str, asked: AttachmentQuestion, content: EnvelopeContent) -> DocumentPiece:
        question = AttachmentQuestion()
        question.CopyFrom(asked)
        question.reader = content.origin
        outgoing = OutgoingEnvelope(
            envelope_id=f"{asked.attachment_id}#content@{asked.offset}",
            destination=region,
            kind=KIND,
            payload=question.SerializeToString(),
            subject=asked.ticket_id,
            operator=content.operator,
            lifetime=timedelta(seconds=ANSWER_SECONDS),
        )
        answer = await self._asker.ask(outgoing, FETCH_SECONDS, content.traceparent, alone=True)
        return parsed(DocumentPiece, answer)


def _noted_piece(
    tx: Transaction, here: str, content: EnvelopeContent, asked: AttachmentQuestion, now: datetime
) -> DocumentPiece | Elsewhere | Refused:
    row = _asked_about(tx, asked)
    found = _piece_for(tx, here, row, asked, content.origin)
    refused = found.reason if isinstance(found, Refused) else Reason.REASON_UNSPECIFIED
    if row is not None:
        _note_for_customer(tx, row.complaint, content, asked, refused, now)
    if refused or not asked.offset:
        told = reason_name(refused) if refused else asked.attachment_id
        reader = f" for {asked.reader}" if asked.reader else ""
        AuditedCall(f"region/{content.origin}", asked.staff_id, now).record(tx, _ACTION, asked.ticket_id, told + reader)
    return found


def _note_for_customer(
    tx: Transaction,
    complaint: Complaint,
    content: EnvelopeContent,
    asked: AttachmentQuestion,
    refused: Reason.ValueType,
    now: datetime,
) -> None:
    """Notes a read for a customer of this region once, whichever byte it begins with; and each denial."""
    line = find_line(tx, complaint.request.number)
    if line is None:
        return
    row = DisclosureRow(
        kind=DisclosureKind.DISCLOSURE_KIND_ATTACHMENT_READ,
        time=now,
        region=asked.reader or content.origin,
        operator=content.operator,
        purpose="",
        refused=refused,
        particulars=DisclosureParticulars(
            requester=Requester(staff_id=asked.staff_id), record_id=f"{asked.ticket_id} {asked.attachment_id}"
        ),
    )
    if refused or not asked.offset or not was_noted(tx, line, row, now - READING_LASTS):
        note_disclosure(tx, line, row)


class AttachmentReading:
    """Readings by operators and staff of this region."""

    def __init__(self, context: RegionContext, store: Store, questions: Questions) -> None:
        self._context = context
        self._store = store
        self._questions = questions

    async def pieces(
        self, request: GetAttachmentContentRequest, identity: Identity, call: AuditedCall
    ) -> AsyncIterator[GetAttachmentContentResponse]:
        """The content in the form of `checked_pieces`.

        Raises Refused with COMPLAINT_NOT_FOUND for a caller who may not see the complaint. Raises Refused with
        DOCUMENT_NOT_ON_FILE for an unknown attachment, and as the attachment's region.
        """
        rules.require_ticket_id(request.ticket_id)
        asked = AttachmentQuestion(
            ticket_id=request.ticket_id, attachment_id=request.attachment_id, staff_id=call.staff_id
        )
        region = await self._store.write(lambda tx: _giver(tx, self._context.region, request, identity, call))
        if isinstance(region, Refused):
            raise region

        async def piece(offset: int) -> DocumentPiece:
            asked.offset = offset
            if region != self._context.region:
                answer = await self._questions.ask(region, KIND, asked.ticket_id, asked, alone=True)
                return parsed(DocumentPiece, answer)
            found = await self._store.read(lambda tx: _piece(tx, asked))
            if isinstance(found, Refused):
                raise found
            return found

        async for offset, found in checked_pieces(piece, request.attachment_id, request.offset):
            yield GetAttachmentContentResponse(
                offset=offset,
                data=found.data,
                size=found.size,
                sha256=found.sha256,
                media_type=found.media_type,
            )


def _giver(
    tx: Transaction, here: str, request: GetAttachmentContentRequest, identity: Identity, call: AuditedCall
) -> str | Refused:
    """The region that supplies an attachment to a permitted reader; the query is audited either way.

    For the origin region it is the region of the bytes, for others the origin region.
    """
    try:
        complaint = handling.find_for(tx, request.ticket_id, identity)
        found = next((each for each in complaint.attachments if each.id == request.attachment_id), None)
        if found is None:
            raise not_on_file(request.attachment_id)
        if found.region != here and not may_read(complaint, here):
            raise Refused(Reason.REASON_COMPLAINT_NOT_FOUND, complaint=request.ticket_id)
    except Refused as refused:
        call.record(tx, _ACTION, request.ticket_id, reason_name(refused.reason))
        return refused
    call.record(tx, _ACTION, request.ticket_id, f"{found.id} from byte {request.offset}")
    return found.region if here in (found.region, complaint.origin_region) else complaint.origin_region


def _asked_about(tx: Transaction, asked: AttachmentQuestion) -> ComplaintRow | None:
    """The complaint of a query; for a part of a case that is not here, the one with the attachment."""
    row = find_complaint(tx, asked.ticket_id)
    file = _file(tx, asked) if row is None else None
    return find_complaint(tx, file.ticket_id) if file is not None else row


def _piece_for(
    tx: Transaction, here: str, row: ComplaintRow | None, asked: AttachmentQuestion, asker: str
) -> DocumentPiece | Elsewhere | Refused:
    """A piece for a permitted region. Only the origin region queries for other regions."""
    complaint = row.complaint if row is not None else Complaint()
    asks_itself = asked.reader in ("", asker) or asker == complaint.origin_region
    if row is None or not may_read(complaint, asker) or not asks_itself:
        return Refused(Reason.REASON_COMPLAINT_NOT_FOUND, complaint=asked.ticket_id)
    if is_restricted(tx, complaint.request.number):
        return Refused(Reason.REASON_CUSTOMER_RESTRICTED)
    if complaint.origin_region != here:
        return _piece(tx, asked)
    case = find_complaint(tx, complaint.case_id) if complaint.case_id else row
    known = case.complaint.attachments if case is not None else ()
    named = next((each for each in known if each.id == asked.attachment_id), None)
    if named is not None and named.region not in (here, asker):
        return Elsewhere(named.region)
    file = _file(tx, asked)
    if named is None and file is not None and file.ticket_id not in (complaint.ticket_id, complaint.case_id):
        return not_on_file(asked.attachment_id)
    return _piece(tx, asked)


def _piece(tx: Transaction, asked: AttachmentQuestion) -> DocumentPiece | Refused:
    """A piece of the content here."""
    file = _file(tx, asked)
    return not_on_file(asked.attachment_id) if file is None else piece_of(tx, file, asked.offset)


def _file(tx: Transaction, asked: AttachmentQuestion) -> StoredFile | None:
    """The attachment of the complaint here, or of another part of its case."""
    file = find_upload(tx, asked.attachment_id)
    return file if file is not None and file.ticket_id and are_of_one(file.ticket_id, asked.ticket_id) else None
