"""The register of documents at the customers' home region: registration, lists, and checks of orders' documents."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.document_envelopes_pb2 import DocumentListQuestion, DocumentNotification
from gateway.api.region.v1.document_service_pb2 import ListDocumentsResponse, RegisteredDocument
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, invalid, listed
from gateway.federation.documents import documents_missing
from gateway.federation.prepared import PreparedBusiness
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store.port import Transaction
from gateway.store.vault import index_of
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.customers.documents import rules
from region_node.customers.documents.rows import (
    DocumentRow,
    documents_of,
    find_document,
    identify_document,
    insert_document,
    is_same_person,
    withdraw_document,
)
from region_node.customers.operations import own_line, readable_line, require_usable
from region_node.customers.rows import Line, find_line
from region_node.customers.status import RESTRICTED, status_of
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall

_PAGE = "documents"
CONTENT, IDENTITY = "document content", "identity document"  # kinds of indexes
_NOBODY = ""  # the id of no customer


def take_note(tx: Transaction, context: RegionContext, told: DocumentNotification, region: str, now: datetime) -> str:
    """Stores a document or withdrawal reported by the verifying region; returns the customer's id.

    A repeat changes nothing. Raises Refused, or Moved where the number belongs to another region, before the first
    write.
    """
    if not told.document_id.startswith(f"{region}/"):
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    rules.require_document_id(told.document_id)
    line = own_line(tx, context.federation, context.region, told.number, asking=region)
    if told.HasField("registration"):
        _register(tx, told, region, line, now)
    elif told.HasField("withdrawal"):
        known = find_document(tx, told.document_id)
        if known is None or known.customer_id != line.customer_id:
            raise Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document=told.document_id)
        withdraw_document(tx, told.document_id, from_timestamp(told.withdrawal.withdraw_time))
    else:
        raise invalid("outcome", "not set", "未填写")
    return line.customer_id


def list_documents(
    tx: Transaction,
    context: RegionContext,
    question: DocumentListQuestion,
    asking: str,
    asked: AuditedCall,
    *,
    for_order: bool = False,
) -> ListDocumentsResponse:
    """Returns a page of the documents on file of a customer of this region, for any region, and audits the reading.

    Other regions, and orders that lack documents, get an empty list for a restricted or unknown customer. Raises
    Refused with DATA_AGREEMENT_MISSING, at home with CUSTOMER_RESTRICTED or SUBSCRIPTION_NOT_FOUND; or Moved.
    """
    size, after = page_size(question.page_size), dated_place(decode_token(_PAGE, question.page_token))
    number, purpose = question.number, f" for {question.business}" if question.business else ""
    missing = context.federation.without_agreement((asking, context.region), asked.now)
    if missing and asking != context.region:
        raise Refused(Reason.REASON_DATA_AGREEMENT_MISSING, region=missing)
    if (for_order or asking != context.region) and _tells_nothing(tx, context, number):
        asked.record(tx, "ListDocuments", "-", f"0 read{purpose}")
        return ListDocumentsResponse()
    line = readable_line(tx, context.federation, context.region, number, asking=asking)
    found = documents_of(tx, line.customer_id, after, size + 1)
    page, token = first_page(_PAGE, found, size, _place)
    asked.record(tx, "ListDocuments", line.customer_id, f"{len(page)} read{purpose}")
    return ListDocumentsResponse(documents=page, next_page_token=token)


def _place(document: RegisteredDocument) -> str:
    return dated_key(from_timestamp(document.verify_time), document.document_id)


def _tells_nothing(tx: Transaction, context: RegionContext, number: str) -> bool:
    """Whether a number of this region is unassigned, or belongs to a restricted customer."""
    line = find_line(tx, number)
    if line is None:
        return context.federation.number_plan.home_of(number) == context.region
    return status_of(tx, line.customer_id) == RESTRICTED


def with_file(
    tx: Transaction, context: RegionContext, business: PreparedBusiness, request: OrderRequest, now: datetime
) -> OrderRequest:
    """A request to one of this region's customers, completed from the file where its own documents do not suffice.

    The request itself where nothing is added; its refusal is then that without a register.
    """
    lines = business.documents.get(request.applicant, ())
    brought = {document.code for document in request.documents}
    staff_id = request.requester.staff_id
    if not documents_missing(lines, brought) or not rules.may_complete(staff_id, brought):
        return request
    line = find_line(tx, request.number)
    if line is None:
        return request
    found = documents_of(tx, line.customer_id)
    added = rules.completed(context.federation, business, lines, brought, found, now).added
    if not added:
        return request
    more = OrderRequest()
    more.CopyFrom(request)
    more.documents.extend(rules.attested(each) for each in added)
    return more


def proven_line(
    tx: Transaction, context: RegionContext, number: str, documents: Sequence[Document], now: datetime, *, asking: str
) -> Line:
    """The line as `readable_line`, to whose customer the documents on file among those of a request belong.

    Documents for a number that nobody has are refused as those of another customer, after the same reads. Their check
    comes before that of the customer's status, so that no refusal reveals who has a number. Raises as `readable_line`
    and `require_on_file`.
    """
    try:
        line = own_line(tx, context.federation, context.region, number, asking=asking)
    except Refused as refused:
        if refused.reason != Reason.REASON_SUBSCRIPTION_NOT_FOUND or not documents:
            raise
        require_on_file(tx, context, documents, _NOBODY, now)
        raise _not_of_number(documents) from None
    require_on_file(tx, context, documents, line.customer_id, now)
    require_usable(tx, context.federation, context.region, line.customer_id)
    return line


def require_on_file(
    tx: Transaction, context: RegionContext, documents: Sequence[Document], customer_id: str | None, now: datetime
) -> None:
    """Checks the documents on file of a request against the register, the only authority for them.

    `customer_id` is None where an order opens the line. Raises Refused with PROOF_NOT_OF_NUMBER for a missing or
    different document, or one of another person; with DOCUMENT_NOT_ON_FILE where there is no customer yet. Raises
    Refused with DOCUMENT_WITHDRAWN, DOCUMENT_EXPIRED or DOCUMENT_NOT_REUSABLE.
    """
    rules.require_reusable(context.federation, documents)
    for document in documents:
        if not document.document_id:
            continue
        row = find_document(tx, document.document_id)
        is_named_rightly = row is not None and rules.attested(row.message()) == document
        if row is None or not is_named_rightly or not _is_of(tx, row, customer_id):
            if customer_id is None:
                raise Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document=document.code)
            raise _not_of_number(documents)
        rules.require_good(row.message(), now)


def _is_of(tx: Transaction, row: DocumentRow, customer_id: str | None) -> bool:
    return customer_id is None or is_same_person(tx, customer_id, row.customer_id)


def _not_of_number(documents: Sequence[Document]) -> Refused:
    return Refused(Reason.REASON_PROOF_NOT_OF_NUMBER, **listed(documents=sorted({each.code for each in documents})))


def _register(tx: Transaction, told: DocumentNotification, region: str, line: Line, now: datetime) -> None:
    registration = told.registration
    is_whole = len(registration.sha256) == rules.HASH_BYTES and registration.HasField("verify_time")
    if not is_whole or not rules.is_code(registration.code):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a registration says what was verified and when")
    identity = rules.in_one_form(registration.identity_number) if registration.code in rules.IDENTIFYING else ""
    expire_time = registration.expire_time if registration.HasField("expire_time") else None
    row = DocumentRow(
        document_id=told.document_id,
        customer_id=line.customer_id,
        code=registration.code,
        region=region,
        verifier=registration.verifier,
        verify_time=to_microseconds(from_timestamp(registration.verify_time)),
        expire_time=None if expire_time is None else to_microseconds(from_timestamp(expire_time)),
        withdraw_time=None,
        media_type=registration.media_type,
        size=registration.size,
        content_hash=index_of(tx, CONTENT, registration.sha256.hex()),
        identity_hash=index_of(tx, IDENTITY, identity) if identity else "",
        register_time=to_microseconds(now),
    )
    known = find_document(tx, told.document_id)
    if known is None:
        insert_document(tx, row)
    elif known.customer_id != row.customer_id or (not known.keyed_by and known.content_hash != row.content_hash):
        raise Refused(Reason.REASON_REQUEST_ID_REUSED)
    elif known.keyed_by:
        identify_document(tx, told.document_id, row.identity_hash)
