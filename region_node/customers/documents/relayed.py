"""Envelopes about documents, and the effects of their receipts."""

from datetime import datetime

from gateway.api.region.v1.document_envelopes_pb2 import (
    DocumentHome,
    DocumentListQuestion,
    DocumentNotification,
    DocumentsWanted,
)
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds, Query, SlowQuery
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.customers.disclosures.recording import noted_answer
from region_node.customers.disclosures.rows import DisclosureRow
from region_node.customers.documents import register, uploads
from region_node.customers.documents.content_stream import KIND, ContentApplication
from region_node.customers.documents.moved import MOST_HANDED_OVER, register_again, register_anew, require_home
from region_node.customers.documents.on_file import LIST_KIND
from region_node.customers.documents.rows import document_subject
from region_node.customers.verification.rules import Shown
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import require_name


class DocumentEnvelopes:
    """The kinds of envelope that documents use."""

    def __init__(self, context: RegionContext, contents: ContentApplication) -> None:
        self._context = context
        self._contents = contents

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        return {
            EnvelopeKind.ENVELOPE_KIND_DOCUMENT: Command(self._told, self._answered),
            EnvelopeKind.ENVELOPE_KIND_DOCUMENT_HOME: Command(self._moved, lambda tx, content, receipt, now: None),
            EnvelopeKind.ENVELOPE_KIND_DOCUMENTS_WANTED: Command(self._wanted, lambda tx, content, receipt, now: None),
            LIST_KIND: Query(self._listed),
            KIND: SlowQuery(self._contents.answer),
        }

    def _told(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the report of a region that verified a document of a customer here."""
        told = received(DocumentNotification, content.payload)
        customer_id = register.take_note(tx, self._context, told, content.origin, now)
        failpoints.reach("D2.before-commit")
        action = "RegisterDocument" if told.HasField("registration") else "WithdrawDocument"
        staff_id = told.registration.verifier or "-"
        AuditedCall(f"region/{content.origin}", staff_id, now).record(tx, action, customer_id, told.document_id)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _moved(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the report of an old home: a document that was verified here has another home."""
        told = received(DocumentHome, content.payload)
        if content.subject != document_subject(told.document_id):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        require_home(tx, told, content.origin)
        register_anew(tx, self._context, told, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _wanted(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the request of a home that has lost registrations with a newer database."""
        wanted = received(DocumentsWanted, content.payload)
        if content.subject != wanted.move_id or not wanted.numbers or len(wanted.document_ids) > MOST_HANDED_OVER:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no number, too many documents, or another subject")
        register_again(tx, self._context, wanted, (content.origin, content.origin), now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _answered(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        uploads.answered(tx, self._context, content, receipt, now)

    def _listed(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles another region's query for the documents on file."""
        asked = received(DocumentListQuestion, content.payload)
        for name, value in (("operator", content.operator), ("staff_id", asked.staff_id), ("business", asked.business)):
            if value:
                require_name(name, value)
        call = AuditedCall(f"region/{content.origin}", asked.staff_id, now)
        row = DisclosureRow(
            kind=DisclosureKind.DISCLOSURE_KIND_DOCUMENT_LIST_READ,
            time=now,
            region=content.origin,
            operator=content.operator,
            purpose=asked.business,
            particulars=DisclosureParticulars(requester=Requester(staff_id=asked.staff_id)),
        )

        return noted_answer(
            tx,
            self._context,
            Shown("", asked.number),
            row,
            lambda: register.list_documents(tx, self._context, asked, content.origin, call),
        )
