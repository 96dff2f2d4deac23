"""Uploads at the region that verifies: one transaction for each message, and the registration with the last one.

What is broken is removed in the transaction that finds it so. Such a refusal is returned, not raised: it is written
about.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway import audit, failpoints
from gateway.api.region.v1.document_envelopes_pb2 import DocumentNotification
from gateway.api.region.v1.document_service_pb2 import DocumentChunk, DocumentUpload, UploadState
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import to_timestamp
from gateway.errors import Refused, reason_name
from gateway.relay.border import Moved
from gateway.relay.envelopes import Letter
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from gateway.timers import Timer, cancel_timer, set_timer
from gateway.vault import index_of
from region_node.auditing import AuditedCall
from region_node.context import RegionContext
from region_node.customers.operations import own_line
from region_node.documents import register, rules
from region_node.documents.files import (
    COMPLETE,
    RECEIVING,
    REFUSED,
    REGISTERED,
    DocumentFile,
    add_chunk,
    find_file,
    insert_file,
    note_withdrawal,
    remove_chunks,
    remove_file,
    set_state,
)
from region_node.documents.rows import document_subject
from region_node.subjects import NUMBER, customer_subject, number_subject

UPLOAD_TIMER = "document-upload"  # nothing came for an upload any more
ABANDONED = timedelta(days=1)
REGISTRATION_LIFETIME = timedelta(days=90)  # a document that was verified longer ago counts for no business
_NAMED = "document upload"  # the kind of the index of what was named


@dataclass(frozen=True)
class Upload:
    """An upload as it was named: the document, with its number in E.164, and who brings it."""

    register_id: str
    named: DocumentUpload = field(repr=False)
    home: str
    operator: str
    asked: AuditedCall
    traceparent: str


@dataclass(frozen=True)
class RegistrationSettled:
    """Published when the home region has answered a registration."""

    register_id: str


def begin(tx: Transaction, context: RegionContext, upload: Upload) -> DocumentFile:
    """The upload, begun or gone on with.

    Raises Refused with REQUEST_ID_REUSED where the same id named another document, and as `own_line` for one of this
    region's own customers; Moved where the number has left.
    """
    named_hash = index_of(tx, _NAMED, upload.named.SerializeToString(deterministic=True).hex())
    known = find_file(tx, upload.register_id)
    if known is not None:
        if known.named_hash != named_hash:
            raise Refused(Reason.REASON_REQUEST_ID_REUSED)
        if known.state == RECEIVING:
            _watch(tx, upload)
        return known
    file = DocumentFile(
        register_id=upload.register_id,
        subject=_subject(tx, context, upload),
        number_hash=index_of(tx, NUMBER, upload.named.number),
        named_hash=named_hash,
        size=upload.named.size,
        received=0,
        state=RECEIVING,
        home=upload.home,
    )
    insert_file(tx, file, upload.named, upload.asked.now)
    _watch(tx, upload)
    return file


def refuse(tx: Transaction, register_id: str, refused: Refused, asked: AuditedCall) -> None:
    """Keeps who brought what was not taken; whatever of it is there already stays as it is."""
    asked.record(tx, "UploadDocument", register_id, reason_name(refused.reason))


def take(tx: Transaction, register_id: str, chunk: DocumentChunk, asked: AuditedCall) -> int | Refused:
    """Adds a chunk; returns how many bytes there are then. One that is there already changes nothing.

    Raises Refused with DOCUMENT_NOT_ON_FILE for an upload that was removed meanwhile, with REQUEST_INVALID for a chunk
    that does not follow; returns Refused with DOCUMENT_TOO_LARGE, and removes all, where more comes than was named.
    """
    file = find_file(tx, register_id)
    if file is None:
        raise Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document=register_id)
    end = chunk.offset + len(chunk.data)
    if file.state != RECEIVING or end <= file.received:
        return file.received
    if chunk.offset != file.received:
        problem = f"the next byte is {file.received}"
        raise Refused(Reason.REASON_REQUEST_INVALID, field="chunk.offset", problem=problem)
    if end > file.size:
        return _remove(tx, file, Refused(Reason.REASON_DOCUMENT_TOO_LARGE, limit=str(file.size)), asked)
    return add_chunk(tx, file, chunk.data)


def complete(
    tx: Transaction, context: RegionContext, upload: Upload, head: bytes, sha256: bytes
) -> UploadState.ValueType | Refused:
    """All bytes are there; `head` is how they begin and `sha256` their hash, as they are stored.

    Registers the document: of an own customer here and now, of another region's by an envelope that leaves with this
    commit. Returns Refused, and removes all, where type or hash is not as it was named. Raises Refused with
    DOCUMENT_NOT_ON_FILE where the upload was removed meanwhile.
    """
    file = find_file(tx, upload.register_id)
    if file is None:
        raise Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document=upload.register_id)
    if file.state != RECEIVING:
        return file.state
    try:
        rules.require_content(upload.named, head, sha256)
    except Refused as refused:
        return _remove(tx, file, refused, upload.asked)
    told, now = _registration(upload), upload.asked.now
    home, state = file.home, COMPLETE
    try:
        if home == context.region:
            register.take_note(tx, context, told, context.region, now)
            state = REGISTERED
    except Moved as moved:
        home = moved.region
    except Refused as refused:
        return _remove(tx, file, refused, upload.asked)
    if state == COMPLETE:
        _send(tx, context, told, home, "register", upload.operator, upload.traceparent, now)
    failpoints.reach("D1.before-commit")
    cancel_timer(tx, _timer_id(upload.register_id))
    set_state(tx, file.register_id, state, home=home)
    upload.asked.record(tx, "UploadDocument", upload.register_id, f"{upload.named.code}, {upload.named.size} bytes")
    return state


def abandon(tx: Transaction, timer: Timer, now: datetime) -> None:
    """Nothing came for a day: what there is of an upload is removed."""
    file = find_file(tx, timer.subject)
    if file is not None and file.state == RECEIVING:
        remove_file(tx, file.register_id)
        audit.append(tx, now=now, actor="timer", action="UploadAbandoned", subject=file.register_id)


def withdraw(
    tx: Transaction, context: RegionContext, register_id: str, operator: str, asked: AuditedCall, traceparent: str
) -> datetime:
    """The document, verified here, was found false; returns since when it counts no more. A repeat changes nothing.

    Raises Refused with DOCUMENT_NOT_ON_FILE for one that this region has not verified, or not yet.
    """
    file = find_file(tx, register_id)
    if file is None or file.state not in (COMPLETE, REGISTERED):
        raise Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document=register_id)
    if file.withdraw_time is not None:
        return file.withdraw_time
    told = DocumentNotification(register_id=register_id, number=file.upload(tx).number)
    told.withdrawal.withdraw_time.CopyFrom(to_timestamp(asked.now))
    if file.home == context.region:
        register.take_note(tx, context, told, context.region, asked.now)
    else:
        _send(tx, context, told, file.home, "withdraw", operator, traceparent, asked.now)
    note_withdrawal(tx, register_id, asked.now)
    asked.record(tx, "WithdrawDocument", register_id)
    return asked.now


def answered(
    tx: Transaction, context: RegionContext, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
) -> None:
    """The home region has taken note, or will not; where the number has moved, its new home is told."""
    told = DocumentNotification.FromString(content.payload)
    file = find_file(tx, told.register_id)
    if file is None:
        return
    failpoints.reach("D3.before-commit")
    if receipt.outcome == Outcome.OUTCOME_MOVED:
        step = content.id.rpartition("#")[2].partition(">")[0]
        set_state(tx, told.register_id, file.state, home=receipt.moved_to)
        if receipt.moved_to == context.region:
            _settle_here(tx, context, told, now)
        else:
            _send(tx, context, told, receipt.moved_to, step, content.operator, content.traceparent, now)
        return
    if told.HasField("registration"):
        refused = None
        if receipt.outcome == Outcome.OUTCOME_REFUSED:
            refused = Refused(receipt.reason, **dict(receipt.reason_parameters))
        _settle(tx, told.register_id, content.destination, refused)


def _settle_here(tx: Transaction, context: RegionContext, told: DocumentNotification, now: datetime) -> None:
    refused = None
    try:
        register.take_note(tx, context, told, context.region, now)
    except Moved:
        refused = Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND)
    except Refused as refusal:
        refused = refusal
    if told.HasField("registration"):
        _settle(tx, told.register_id, context.region, refused)


def _settle(tx: Transaction, register_id: str, home: str, refused: Refused | None) -> None:
    set_state(tx, register_id, REGISTERED if refused is None else REFUSED, home=home, refused=refused)
    if refused is not None:
        remove_chunks(tx, register_id)
    tx.publish(RegistrationSettled(register_id))


def _subject(tx: Transaction, context: RegionContext, upload: Upload) -> str:
    if upload.home != context.region:
        return number_subject(tx, upload.named.number)
    line = own_line(tx, context.federation, context.region, upload.named.number, asking=context.region)
    return customer_subject(line.customer_id)


def _remove(tx: Transaction, file: DocumentFile, refused: Refused, asked: AuditedCall) -> Refused:
    cancel_timer(tx, _timer_id(file.register_id))
    remove_file(tx, file.register_id)
    refuse(tx, file.register_id, refused, asked)
    return refused


def _registration(upload: Upload) -> DocumentNotification:
    named = upload.named
    told = DocumentNotification(register_id=upload.register_id, number=named.number)
    told.registration.code = named.code
    told.registration.media_type = named.media_type
    told.registration.size = named.size
    told.registration.sha256 = named.sha256
    told.registration.verifier = named.requester.staff_id
    told.registration.verify_time.CopyFrom(named.verify_time)
    if named.HasField("expire_time"):
        told.registration.expire_time.CopyFrom(named.expire_time)
    told.registration.identity_number = named.identity_number
    return told


def _send(
    tx: Transaction,
    context: RegionContext,
    told: DocumentNotification,
    home: str,
    step: str,
    operator: str,
    traceparent: str,
    now: datetime,
) -> None:
    letter = Letter(
        envelope_id=f"{told.register_id}#{step}>{home}",
        destination=home,
        kind=EnvelopeKind.ENVELOPE_KIND_DOCUMENT,
        payload=told.SerializeToString(),
        subject=document_subject(told.register_id),
        operator=operator,
        lifetime=REGISTRATION_LIFETIME,
    )
    send(tx, context.border, letter, now=now, traceparent=traceparent)


def _watch(tx: Transaction, upload: Upload) -> None:
    due = upload.asked.now + ABANDONED
    set_timer(tx, _timer_id(upload.register_id), kind=UPLOAD_TIMER, subject=upload.register_id, due=due)


def _timer_id(register_id: str) -> str:
    return f"{UPLOAD_TIMER}/{register_id}"
