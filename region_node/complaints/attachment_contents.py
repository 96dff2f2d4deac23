"""Reading what was attached to a complaint: from here, or piece by piece from the region that has it."""

from collections.abc import AsyncIterator
from datetime import datetime

from gateway.api.region.v1.attachment_service_pb2 import GetAttachmentContentRequest, GetAttachmentContentResponse
from gateway.api.region.v1.complaint_envelopes_pb2 import AttachmentQuestion
from gateway.api.region.v1.document_envelopes_pb2 import DocumentPiece
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused, reason_name
from gateway.identity import Identity
from gateway.relay.envelopes import Answer
from gateway.store.port import Store, Transaction
from region_node.auditing import AuditedCall
from region_node.complaints import handling, rules
from region_node.complaints.parties import may_read
from region_node.complaints.rows import find_complaint
from region_node.context import RegionContext
from region_node.customers.rows import find_line
from region_node.customers.told_standings import is_restricted
from region_node.documents.contents import READING_LASTS
from region_node.documents.files import find_file
from region_node.documents.pieces import checked_pieces, not_on_file, piece_of
from region_node.payloads import parse
from region_node.questions import Questions
from region_node.requests import require_name
from region_node.sharing.rows import DisclosureRow, note_disclosure, was_noted

KIND = EnvelopeKind.ENVELOPE_KIND_ATTACHMENT
_ACTION = "GetAttachmentContent"


def answer(tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
    """A piece for another region, while the complaint concerns it. The first piece and each denial are audited."""
    asked = parse(AttachmentQuestion, content.payload)
    require_name("staff_id", asked.staff_id)
    require_name("operator", content.operator)
    rules.require_docket(asked.docket)
    if asked.docket != content.subject:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="the subject is not the docket")
    found = _piece_for(tx, asked, content.origin)
    is_refused = isinstance(found, Refused)
    _note_for_customer(
        tx, content, asked, found.reason if isinstance(found, Refused) else Reason.REASON_UNSPECIFIED, now
    )
    if is_refused or not asked.offset:
        told = reason_name(found.reason) if isinstance(found, Refused) else asked.attachment_id
        AuditedCall(f"region/{content.origin}", asked.staff_id, now).record(tx, _ACTION, asked.docket, told)
    if isinstance(found, Refused):
        return Answer(Outcome.OUTCOME_REFUSED, reason=found.reason, parameters=found.parameters)
    return Answer(Outcome.OUTCOME_ACCEPTED, result=found.SerializeToString())


def _note_for_customer(
    tx: Transaction, content: EnvelopeContent, asked: AttachmentQuestion, refused: Reason.ValueType, now: datetime
) -> None:
    """Notes a reading for a customer of this region once, whichever byte it begins with; and each denial."""
    complaint = find_complaint(tx, asked.docket)
    line = find_line(tx, complaint.complaint.request.number) if complaint is not None else None
    if line is None:
        return
    row = DisclosureRow(
        kind=DisclosureKind.DISCLOSURE_KIND_ATTACHMENT_READ,
        time=now,
        region=content.origin,
        operator=content.operator,
        purpose="",
        refused=refused,
        particulars=DisclosureParticulars(
            requester=Requester(staff_id=asked.staff_id), record=f"{asked.docket} {asked.attachment_id}"
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
        """The content as `checked_pieces` has it. Raises Refused with COMPLAINT_NOT_FOUND for whoever may not see the
        complaint, with DOCUMENT_NOT_ON_FILE for what it does not name, and as the region that has it."""
        rules.require_docket(request.docket)
        asked = AttachmentQuestion(docket=request.docket, attachment_id=request.attachment_id, staff_id=call.staff_id)
        region = await self._store.write(lambda tx: _holder(tx, request, identity, call))
        if isinstance(region, Refused):
            raise region

        async def piece(offset: int) -> DocumentPiece:
            asked.offset = offset
            if region != self._context.region:
                return DocumentPiece.FromString(await self._questions.ask(region, KIND, asked.docket, asked))
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


def _holder(
    tx: Transaction, request: GetAttachmentContentRequest, identity: Identity, call: AuditedCall
) -> str | Refused:
    """The region that has an attachment, for whoever may see the complaint; audited either way."""
    try:
        complaint = handling.find_for(tx, request.docket, identity)
        found = next((each for each in complaint.attachments if each.id == request.attachment_id), None)
        if found is None:
            raise not_on_file(request.attachment_id)
    except Refused as refused:
        call.record(tx, _ACTION, request.docket, reason_name(refused.reason))
        return refused
    call.record(tx, _ACTION, request.docket, f"{found.id} from byte {request.offset}")
    return found.region


def _piece_for(tx: Transaction, asked: AttachmentQuestion, asker: str) -> DocumentPiece | Refused:
    """A piece of what is here, for a region that may read it."""
    row = find_complaint(tx, asked.docket)
    if row is None or not may_read(row.complaint, asker):
        return Refused(Reason.REASON_COMPLAINT_NOT_FOUND, complaint=asked.docket)
    if is_restricted(tx, row.complaint.request.number):
        return Refused(Reason.REASON_CUSTOMER_RESTRICTED)
    return _piece(tx, asked)


def _piece(tx: Transaction, asked: AttachmentQuestion) -> DocumentPiece | Refused:
    """A piece of what is here: of the complaint, or where that is a work item, of its case."""
    row = find_complaint(tx, asked.docket)
    dockets = (asked.docket, row.complaint.parent if row is not None else "")
    found = (find_file(tx, asked.attachment_id, each) for each in dockets if each)
    file = next((each for each in found if each is not None), None)
    return not_on_file(asked.attachment_id) if file is None else piece_of(tx, file, asked.offset)
