"""Pieces of documents: at the region that has the content, and at the home region, which says who may see it.

Another region asks the customer's home region. That one looks for a reason, for each piece in the transaction that
gives it or lets it be fetched, and where the content is in the verifying region asks that; which gives it to the home
region alone. What is denied is returned, not raised: it is written about.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.api.region.v1.document_envelopes_pb2 import DocumentContentQuestion, DocumentPiece
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.relay.border import Moved
from gateway.store.port import Transaction
from gateway.vault import KeyDestroyed, index_of
from region_node.auditing import AuditedCall
from region_node.context import RegionContext
from region_node.customers.rows import find_line
from region_node.customers.standing import RESTRICTED, standing_of
from region_node.documents.files import COMPLETE, REGISTERED, DocumentFile, find_file, read_from
from region_node.documents.reasons import may_see_content, without_agreement
from region_node.documents.rows import find_document
from region_node.documents.rules import PIECE_LIMIT
from region_node.subjects import NUMBER

ACTION = "GetDocumentContent"


@dataclass(frozen=True)
class Elsewhere:
    """The content is in another region, of which it may be asked."""

    region: str


def piece_for(
    tx: Transaction, context: RegionContext, asked: DocumentContentQuestion, asker: str, call: AuditedCall
) -> DocumentPiece | Elsewhere | Refused:
    """What this region answers to the region `asker`, which may be itself.

    Returns Refused with DATA_AGREEMENT_MISSING, with DOCUMENT_CONTENT_DENIED for a region without a reason, with
    CUSTOMER_RESTRICTED, and with DOCUMENT_NOT_ON_FILE for what is not here. Raises Moved where this region is neither
    the customer's home nor has verified the document.
    """
    line = find_line(tx, asked.number)
    home = context.region if line is not None else context.federation.number_plan.home_of(asked.number)
    if home == context.region:
        answer = _at_home(tx, context, asked, asker, call.now)
    elif asker in (context.region, home):
        answer = _own_piece(tx, asked)
    elif home is not None:
        raise Moved(home)
    else:
        answer = _not_on_file(asked)
    told = reason_name(answer.reason) if isinstance(answer, Refused) else f"from byte {asked.offset}"
    call.record(tx, ACTION, asked.register_id, told)
    return answer


def has_verified(tx: Transaction, asked: DocumentContentQuestion) -> bool:
    """Whether this region has the content that is asked for, of whichever region's customer."""
    return _own_file(tx, asked) is not None


def _at_home(
    tx: Transaction, context: RegionContext, asked: DocumentContentQuestion, asker: str, now: datetime
) -> DocumentPiece | Elsewhere | Refused:
    missing = without_agreement(context.federation, asker, context.region, now)
    if missing:
        return Refused(Reason.REASON_DATA_AGREEMENT_MISSING, region=missing)
    if asker != context.region and not may_see_content(tx, asker, asked.number):
        return Refused(Reason.REASON_DOCUMENT_CONTENT_DENIED, region=asker)
    row, line = find_document(tx, asked.register_id), find_line(tx, asked.number)
    if row is None or line is None or row.customer_id != line.customer_id:
        return _not_on_file(asked)
    if standing_of(tx, line.customer_id) == RESTRICTED:
        return Refused(Reason.REASON_CUSTOMER_RESTRICTED)
    return _own_piece(tx, asked) if row.region == context.region else Elsewhere(row.region)


def _own_piece(tx: Transaction, asked: DocumentContentQuestion) -> DocumentPiece | Refused:
    file = _own_file(tx, asked)
    if file is None:
        return _not_on_file(asked)
    if not 0 <= asked.offset <= file.size:
        return Refused(Reason.REASON_REQUEST_INVALID, field="offset", problem=f"not 0 to {file.size}")
    try:
        named, data = file.upload(tx), read_from(tx, file, asked.offset, pieces=1)
    except KeyDestroyed:
        return _not_on_file(asked)
    return DocumentPiece(data=data[:PIECE_LIMIT], size=file.size, sha256=named.sha256, media_type=named.media_type)


def _own_file(tx: Transaction, asked: DocumentContentQuestion) -> DocumentFile | None:
    """The whole file that this region has under the id, if it is of the number's customer."""
    file = find_file(tx, asked.register_id)
    is_whole = file is not None and file.state in (COMPLETE, REGISTERED)
    return file if is_whole and file is not None and file.number_hash == index_of(tx, NUMBER, asked.number) else None


def _not_on_file(asked: DocumentContentQuestion) -> Refused:
    return Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document=asked.register_id)
