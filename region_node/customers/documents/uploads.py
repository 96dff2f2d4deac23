"""Documents at the verifying region: the purpose of an upload, the registration, and a withdrawal."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from gateway.api.region.v1.document_envelopes_pb2 import DocumentNotification
from gateway.api.region.v1.document_service_pb2 import DocumentUpload, UploadState
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Moved
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send, was_sent
from gateway.store.port import Transaction
from gateway.store.vault import index_of
from gateway.time.clock import to_timestamp
from region_node.customers.documents import register, rules
from region_node.customers.documents.files import (
    COMPLETE,
    RECEIVING,
    REGISTERED,
    StoredFile,
    find_file,
    note_withdrawal,
    set_state,
)
from region_node.customers.documents.receiving import Incoming, settle
from region_node.customers.documents.rows import document_subject
from region_node.customers.operations import own_line
from region_node.node.context import RegionContext
from region_node.node.day_work import UPLOAD
from region_node.node.payloads import refusal_of
from region_node.node.subjects import NUMBER, customer_subject, number_subject
from region_node.requests.auditing import AuditedCall

REGISTRATION_LIFETIME = timedelta(days=90)  # a document that was verified longer ago counts for no business


@dataclass(frozen=True)
class Upload(Incoming):
    """An incoming document with its description, and its number in E.164."""

    action: ClassVar[str] = UPLOAD
    kind: ClassVar[str] = "document upload"
    context: RegionContext
    named: DocumentUpload = field(repr=False)
    home: str
    operator: str
    traceparent: str

    @property
    def content_named(self) -> bytes:
        """See Incoming."""
        return self.named.SerializeToString(deterministic=True)

    def begun(self, tx: Transaction, named_hash: str) -> StoredFile:
        """See Incoming. Raises Refused as `own_line` for one of this region's own customers; Moved where the number
        has left."""
        return StoredFile(
            document_id=self.document_id,
            subject=_subject(tx, self),
            number_hash=index_of(tx, NUMBER, self.named.number),
            named_hash=named_hash,
            size=self.named.size,
            received=0,
            state=RECEIVING,
            home=self.home,
        )

    def require_content(self, head: bytes, sha256: bytes) -> None:
        """See Incoming."""
        rules.require_content(self.named.code, self.named, head, sha256)

    def pass_on(self, tx: Transaction, file: StoredFile) -> tuple[UploadState.ValueType, str]:
        """Registers the document: of an own customer in this transaction, of a foreign one by an envelope."""
        told, now, home = registration_of(self.document_id, self.named), self.asked.now, file.home
        try:
            if home == self.context.region:
                register.take_note(tx, self.context, told, self.context.region, now)
                return REGISTERED, home
        except Moved as moved:
            home = moved.region
        send_notification(tx, self.context, told, home, "register", self.operator, self.traceparent, now)
        return COMPLETE, home

    def what(self, file: StoredFile) -> str:
        """See Incoming."""
        return f"{self.named.code}, {super().what(file)}"


def withdraw(
    tx: Transaction, context: RegionContext, document_id: str, operator: str, asked: AuditedCall, traceparent: str
) -> datetime:
    """Withdraws a document verified here that was found false; returns the time of withdrawal.

    A repeat changes nothing. Raises Refused with DOCUMENT_NOT_ON_FILE for one that this region has not, or not yet,
    verified.
    """
    file = find_file(tx, document_id)
    if file is None or file.state not in (COMPLETE, REGISTERED):
        raise Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document=document_id)
    if file.withdraw_time is not None:
        return file.withdraw_time
    told = DocumentNotification(document_id=document_id, number=DocumentUpload.FromString(file.opened_name(tx)).number)
    told.withdrawal.withdraw_time.CopyFrom(to_timestamp(asked.now))
    if file.home == context.region:
        register.take_note(tx, context, told, context.region, asked.now)
    else:
        send_notification(tx, context, told, file.home, "withdraw", operator, traceparent, asked.now)
    note_withdrawal(tx, document_id, asked.now)
    asked.record(tx, "WithdrawDocument", document_id)
    return asked.now


def answered(
    tx: Transaction, context: RegionContext, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
) -> None:
    """Stores the home region's answer; where the number has moved, sends the report to its new home."""
    told = DocumentNotification.FromString(content.payload)
    file = find_file(tx, told.document_id)
    if file is None:
        return
    failpoints.reach("D3.before-commit")
    if receipt.outcome == Outcome.OUTCOME_MOVED:
        step = _next_step(tx, content, receipt.moved_to)
        set_state(tx, told.document_id, file.state, home=receipt.moved_to)
        if receipt.moved_to == context.region:
            _settle_here(tx, context, told, now)
        else:
            send_notification(tx, context, told, receipt.moved_to, step, content.operator, content.traceparent, now)
        return
    if told.HasField("registration"):
        refused = None
        if receipt.outcome == Outcome.OUTCOME_REFUSED:
            refused = refusal_of(receipt)
        # A home that refuses what another one has registered does not remove it: the region goes on with the content.
        if file.state == COMPLETE or refused is None:
            settle(tx, told.document_id, content.destination, refused)


def _next_step(tx: Transaction, content: EnvelopeContent, home: str) -> str:
    """The step of a report that goes on to another home, unlike those that have gone there: a number may come back."""
    subject, _, last = content.id.rpartition("#")
    step = last.partition(">")[0]
    while was_sent(tx, f"{subject}#{step}>{home}"):
        step += "/again"
    return step


def _settle_here(tx: Transaction, context: RegionContext, told: DocumentNotification, now: datetime) -> None:
    refused = None
    try:
        register.take_note(tx, context, told, context.region, now)
    except Moved:
        refused = Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND)
    except Refused as refusal:
        refused = refusal
    if told.HasField("registration"):
        settle(tx, told.document_id, context.region, refused)


def _subject(tx: Transaction, upload: Upload) -> str:
    context = upload.context
    if upload.home != context.region:
        return number_subject(tx, upload.named.number)
    line = own_line(tx, context.federation, context.region, upload.named.number, asking=context.region)
    return customer_subject(line.customer_id)


def registration_of(document_id: str, named: DocumentUpload) -> DocumentNotification:
    """The registration of a document with the home region, by its description."""
    told = DocumentNotification(document_id=document_id, number=named.number)
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


def send_notification(
    tx: Transaction,
    context: RegionContext,
    told: DocumentNotification,
    home: str,
    step: str,
    operator: str,
    traceparent: str,
    now: datetime,
) -> None:
    """Sends a report about a document to the customer's home; `step` is unique for the document and the home."""
    outgoing = OutgoingEnvelope(
        envelope_id=f"{told.document_id}#{step}>{home}",
        destination=home,
        kind=EnvelopeKind.ENVELOPE_KIND_DOCUMENT,
        payload=told.SerializeToString(),
        subject=document_subject(told.document_id),
        operator=operator,
        lifetime=REGISTRATION_LIFETIME,
    )
    send(tx, context.border, outgoing, now=now, traceparent=traceparent)
