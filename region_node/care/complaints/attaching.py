"""Attachments of a complaint: the bytes stay here, and the owner region adds their description."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from gateway.api.region.v1.attachment_service_pb2 import AttachmentUpload
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintAttachment
from gateway.api.region.v1.document_service_pb2 import UploadState
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, lasting
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.care.complaints import case_lead, handling, owner, rules
from region_node.care.complaints.rows import ComplaintRow, complaint_subject, find_complaint
from region_node.customers.documents.files import COMPLETE, RECEIVING, REGISTERED, StoredFile, find_file
from region_node.customers.documents.receiving import Incoming, settle
from region_node.customers.documents.rules import require_content
from region_node.node.context import RegionContext
from region_node.node.day_work import ATTACH

MATERIAL = "ATTACHMENT"
"""The material of the catalogue with the permitted types of a file."""


@dataclass(frozen=True)
class Attaching(Incoming):
    """An incoming attachment of a complaint, with its description."""

    action: ClassVar[str] = ATTACH
    kind: ClassVar[str] = "attachment upload"
    context: RegionContext
    named: AttachmentUpload = field(repr=False)
    identity: Identity
    traceparent: str

    @property
    def content_named(self) -> bytes:
        """See Incoming."""
        return self.named.SerializeToString(deterministic=True)

    @property
    def about(self) -> str:
        """See Incoming."""
        return self.named.ticket_id

    def begun(self, tx: Transaction, named_hash: str) -> StoredFile:
        """See Incoming. Raises Refused where the caller may attach nothing to the complaint."""
        complaint = self._complaint(tx)
        rules.require_attachable(complaint)
        return StoredFile(
            document_id=self.document_id,
            subject=complaint_subject(complaint.ticket_id),
            number_hash="",
            named_hash=named_hash,
            size=self.named.size,
            received=0,
            state=RECEIVING,
            home=complaint.owner_region,
            ticket_id=complaint.ticket_id,
        )

    def require_content(self, head: bytes, sha256: bytes) -> None:
        """See Incoming."""
        require_content(MATERIAL, self.named, head, sha256)

    def pass_on(self, tx: Transaction, file: StoredFile) -> tuple[UploadState.ValueType, str]:
        """Adds the file to the complaint: in this transaction at the owner region, else by an envelope."""
        complaint, told, now = self._complaint(tx), self._told(), self.asked.now
        rules.require_attachable(complaint)
        if self._is_department(complaint):
            attached = owner.attach(tx, self.context, complaint.ticket_id, told, now)
            case_lead.follow(tx, self.context, attached, now)
            return REGISTERED, self.context.region
        asked = ComplaintCommand(ticket_id=complaint.ticket_id, requester=self.named.requester)
        asked.requester.staff_id = self.asked.staff_id
        asked.attach.attachment.CopyFrom(told)
        row = ComplaintRow(complaint, self.traceparent)
        handling.pass_on(tx, self.context, row, asked, f"attach/{self.document_id}", now)
        is_own = complaint.owner_region == self.context.region
        return REGISTERED if is_own else COMPLETE, complaint.owner_region

    def what(self, file: StoredFile) -> str:
        """See Incoming."""
        return f"{file.document_id}, {super().what(file)}"

    def _complaint(self, tx: Transaction) -> Complaint:
        """The complaint. Raises Refused for operators of a region without contact to the customer."""
        complaint = handling.find_for(tx, self.named.ticket_id, self.identity)
        if not self._is_department(complaint) and complaint.origin_region != self.context.region:
            raise Refused(Reason.REASON_COMPLAINT_NOT_FIRST_CONTACT, region=complaint.origin_region)
        return complaint

    def _is_department(self, complaint: Complaint) -> bool:
        return self.identity.role == Role.ROLE_STAFF and complaint.owner_region == self.context.region

    def _told(self) -> ComplaintAttachment:
        return ComplaintAttachment(
            id=self.document_id,
            name=self.named.name,
            media_type=self.named.media_type,
            size=self.named.size,
            sha256=self.named.sha256,
            region=self.context.region,
            author=f"{self.context.region}/{self.asked.staff_id}",
            time=to_timestamp(self.asked.now),
        )


def answered(
    tx: Transaction, context: RegionContext, asked: ComplaintCommand, refused: Refused | None, now: datetime
) -> None:
    """Handles the owner region's answer to an attachment; a refusal removes the bytes.

    Where that region was not competent, and this region meanwhile answers for the complaint, it is added here.
    """
    attachment_id = asked.attach.attachment.id
    if find_file(tx, attachment_id, asked.ticket_id) is None:  # erased since
        return
    row = find_complaint(tx, asked.ticket_id)
    home = row.complaint.owner_region if row is not None else context.region
    if refused is not None and row is not None and home == context.region:
        try:
            handling.pass_on(tx, context, row, asked, "", now)
            refused = None
        except Refused as again:
            refused = lasting(again)
    settle(tx, attachment_id, home, refused)
