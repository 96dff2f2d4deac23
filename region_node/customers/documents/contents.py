"""Pieces of documents: at the region with the content, and at the home region, which decides about access.

Other regions query the customer's home region. The home region checks the reason for each piece, in the transaction
that returns it. It returns its own content, fetches it from a third region, or lets the calling region read its own
copy. A third region answers the home region alone. The customer can see each read. Denials are returned, not raised,
since they are noted.

There are two reasons. The calling region has an open order about the number that needs this document, or it has
verified the document. Without a reason, a region does not learn whether the document exists. The verifying region has
seen the paper and attested it. It still needs the home region for each read, so that a restriction, erasure or
withdrawal takes effect immediately.
"""

from dataclasses import dataclass
from datetime import timedelta

from gateway.api.federation.v1.configuration_pb2 import LegalBasis
from gateway.api.region.v1.document_envelopes_pb2 import DocumentContentQuestion, DocumentPiece
from gateway.api.region.v1.document_service_pb2 import DocumentUpload
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused, reason_name
from gateway.relay.border import Moved
from gateway.store.port import Transaction
from gateway.store.vault import index_of
from region_node.customers.disclosures.rows import DisclosureRow, note_disclosure, was_noted
from region_node.customers.documents import rules
from region_node.customers.documents.files import COMPLETE, REGISTERED, StoredFile, find_file
from region_node.customers.documents.pieces import not_on_file, piece_of
from region_node.customers.documents.rows import DocumentRow, find_document
from region_node.customers.moved_numbers import home_elsewhere
from region_node.customers.rows import Line, find_line
from region_node.customers.status import RESTRICTED, status_of
from region_node.node.context import RegionContext
from region_node.node.subjects import NUMBER
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import Questioner

ACTION = "GetDocumentContent"
READING_LASTS = timedelta(hours=1)
"""The time for which a piece from the middle of a document belongs to a noted read."""


@dataclass(frozen=True)
class Elsewhere:
    """The content is in another region, which may be queried."""

    region: str


def piece_for(
    tx: Transaction,
    context: RegionContext,
    asked: DocumentContentQuestion,
    questioner: Questioner,
    call: AuditedCall,
) -> DocumentPiece | Elsewhere | Refused:
    """The answer of this region to a reader, also one of its own operators.

    An own operator reads another region's document only after that region's permission. Returns Refused with
    DATA_AGREEMENT_MISSING, with DOCUMENT_CONTENT_DENIED for a region without a reason, or with CUSTOMER_RESTRICTED.
    Returns Refused with DOCUMENT_WITHDRAWN to other regions than the customer's, and with DOCUMENT_NOT_ON_FILE for
    missing content. Raises Moved where this region is neither the customer's home nor has verified the document.
    """
    line = find_line(tx, asked.number)
    federation = context.federation
    home = home_elsewhere(tx, federation, context.region, asked.number, has_line=line is not None)
    if home is None:
        home = context.region if line is not None else federation.number_plan.home_of(asked.number)
    answer: DocumentPiece | Elsewhere | Refused
    if home == context.region and questioner.region == context.region:
        answer = _to_own_operator(tx, context, asked, line)
    elif home == context.region:
        answer = _to_another_region(tx, context, asked, questioner, call)
    elif questioner.region in (context.region, home):
        answer = _own_piece(tx, asked, is_evidence=questioner.region == home)
    elif home is not None:
        raise Moved(home)
    else:
        answer = not_on_file(asked.document_id)
    told = reason_name(answer.reason) if isinstance(answer, Refused) else f"from byte {asked.offset}"
    call.record(tx, ACTION, asked.document_id, told)
    return answer


def _to_own_operator(
    tx: Transaction, context: RegionContext, asked: DocumentContentQuestion, line: Line | None
) -> DocumentPiece | Elsewhere | Refused:
    """A document found false stays readable at home, as evidence."""
    row = _registered(tx, asked, line)
    if row is None:
        return not_on_file(asked.document_id)
    if status_of(tx, row.customer_id) == RESTRICTED:
        return Refused(Reason.REASON_CUSTOMER_RESTRICTED)
    return _own_piece(tx, asked) if row.region == context.region else Elsewhere(row.region)


def _to_another_region(
    tx: Transaction,
    context: RegionContext,
    asked: DocumentContentQuestion,
    questioner: Questioner,
    call: AuditedCall,
) -> DocumentPiece | Elsewhere | Refused:
    line = find_line(tx, asked.number)
    row = _registered(tx, asked, line)
    order = _asking_order(tx, context, asked, row, questioner.region)
    has_verified = row is not None and row.region == questioner.region
    missing = context.federation.without_agreement((questioner.region, context.region), call.now)
    answer: DocumentPiece | Elsewhere | Refused
    if missing:
        answer = Refused(Reason.REASON_DATA_AGREEMENT_MISSING, region=missing)
    elif order is None and not has_verified:
        answer = Refused(Reason.REASON_DOCUMENT_CONTENT_DENIED, region=questioner.region)
    elif row is None:
        answer = not_on_file(asked.document_id)
    else:
        answer = _with_a_reason(tx, context, asked, row, questioner.region)
    if line is not None:
        _note(tx, asked, line, _disclosure(asked, questioner, order, call, answer))
    return answer


def _asking_order(
    tx: Transaction, context: RegionContext, asked: DocumentContentQuestion, row: DocumentRow | None, asker: str
) -> Order | None:
    """The newest open order of the calling region that needs this very document, if there is one."""
    for order in context.orders_under_way(tx, asker, asked.number):
        is_needed = row is not None and rules.asks_for(context.federation, order, row.code)
        if is_needed or rules.is_named_by(order, asked.document_id):
            return order
    return None


def _with_a_reason(
    tx: Transaction, context: RegionContext, asked: DocumentContentQuestion, row: DocumentRow, asker: str
) -> DocumentPiece | Elsewhere | Refused:
    if status_of(tx, row.customer_id) == RESTRICTED:
        return Refused(Reason.REASON_CUSTOMER_RESTRICTED)
    if row.withdraw_time is not None:
        return Refused(Reason.REASON_DOCUMENT_WITHDRAWN, document=row.code)
    if row.region == asker:
        return DocumentPiece(size=row.size, media_type=row.media_type, is_with_asker=True)
    return _own_piece(tx, asked) if row.region == context.region else Elsewhere(row.region)


def _registered(tx: Transaction, asked: DocumentContentQuestion, line: Line | None) -> DocumentRow | None:
    """The document, if it belongs to the number's customer."""
    row = find_document(tx, asked.document_id)
    return row if row is not None and line is not None and row.customer_id == line.customer_id else None


def _disclosure(
    asked: DocumentContentQuestion,
    questioner: Questioner,
    order: Order | None,
    call: AuditedCall,
    answer: DocumentPiece | Elsewhere | Refused,
) -> DisclosureRow:
    """The customer's record of a piece: a read for an order, or by the region that verified the document."""
    necessity, unset = LegalBasis.LEGAL_BASIS_CONTRACT_NECESSITY, LegalBasis.LEGAL_BASIS_UNSPECIFIED
    return DisclosureRow(
        kind=DisclosureKind.DISCLOSURE_KIND_DOCUMENT_READ,
        time=call.now,
        region=questioner.region,
        operator=questioner.operator,
        purpose="" if order is None else order.request.business,
        legal_basis=unset if order is None else necessity,
        refused=answer.reason if isinstance(answer, Refused) else Reason.REASON_UNSPECIFIED,
        particulars=DisclosureParticulars(
            requester=Requester(staff_id=call.staff_id),
            order_id="" if order is None else order.id,
            record_id=asked.document_id,
        ),
    )


def _note(tx: Transaction, asked: DocumentContentQuestion, line: Line, row: DisclosureRow) -> None:
    """Notes a read once, whichever byte it begins with. Notes each denial, which ends the read, except of the form."""
    if row.refused == Reason.REASON_REQUEST_INVALID:
        return
    if asked.offset and not row.refused and was_noted(tx, line, row, row.time - READING_LASTS):
        return
    note_disclosure(tx, line, row)


def _own_piece(tx: Transaction, asked: DocumentContentQuestion, *, is_evidence: bool = True) -> DocumentPiece | Refused:
    """A piece of the content here.

    `is_evidence` includes documents that this region found false, even before the home region knows of it.
    """
    file = _own_file(tx, asked)
    if file is None:
        return not_on_file(asked.document_id)
    if file.withdraw_time is not None and not is_evidence:
        named = DocumentUpload.FromString(file.opened_name(tx))
        return Refused(Reason.REASON_DOCUMENT_WITHDRAWN, document=named.code)
    return piece_of(tx, file, asked.offset)


def _own_file(tx: Transaction, asked: DocumentContentQuestion) -> StoredFile | None:
    """The whole file of this region under the id, if it belongs to the number's customer."""
    file = find_file(tx, asked.document_id)
    is_whole = file is not None and file.state in (COMPLETE, REGISTERED)
    return file if is_whole and file is not None and file.number_hash == index_of(tx, NUMBER, asked.number) else None
