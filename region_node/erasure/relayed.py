"""Erasing across regions: whoever keeps something of an erased customer elsewhere is told by the home region."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.api.region.v1.order_envelopes_pb2 import OrderErasure
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.at_rest import envelope_subject
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer, Letter
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from region_node.complaints.rows import case_of, complaint_subject, find_complaint
from region_node.complaints.rules import FINAL as ENDED
from region_node.context import RegionContext
from region_node.customers.rows import customer_numbered
from region_node.documents.files import find_file, remove_file
from region_node.documents.rows import DOCUMENT_SUBJECTS
from region_node.erasure.destroying import destroy
from region_node.erasure.elsewhere import Elsewhere, kept_elsewhere
from region_node.orders import rules
from region_node.orders.rows import find_order
from region_node.subjects import number_subject, order_subject

_LIFETIME = timedelta(days=3650)  # the word that something is erased does not expire


def tell_region(
    tx: Transaction, context: RegionContext, region: str, subject: str, traceparent: str, now: datetime
) -> None:
    """Has another region destroy what it keeps of a subject: an order, a document or a complaint by its id.

    Comes after the keys of this region are destroyed. It follows what was sent about the subject before.
    """
    if region == context.region:
        return
    letter = Letter(
        envelope_id=f"{subject}#erase>{region}",
        destination=region,
        kind=EnvelopeKind.ENVELOPE_KIND_ERASURE,
        payload=OrderErasure().SerializeToString(),
        subject=subject,
        operator="",
        lifetime=_LIFETIME,
        bulk=True,
    )
    send(tx, context.border, letter, now=now, traceparent=traceparent)


class ErasureEnvelopes:
    """The kind of envelope by which a home region has what is kept of its customers elsewhere erased there."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """What it does here, and what its receipt does."""
        return {EnvelopeKind.ENVELOPE_KIND_ERASURE: Command(self._erase, self._erased, is_repeatable=True)}

    def _erase(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The home region has erased the customer of what is kept here; of what is gone already nothing is left."""
        others: Sequence[Elsewhere] = ()
        if content.subject.startswith(DOCUMENT_SUBJECTS):
            subjects = self._of_document(tx, content)
        elif not (subjects := self._of_order(tx, content)):
            subjects, others = self._of_complaint(tx, content)
        destroy(tx, self._context, subjects, now)
        for each in others:
            tell_region(tx, self._context, each.region, each.docket, each.traceparent, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _of_order(self, tx: Transaction, content: EnvelopeContent) -> Sequence[str]:
        row = find_order(tx, content.subject)
        if row is None:
            return ()
        order = row.order
        if order.home_region != content.origin or order.handling_region != self._context.region:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if not rules.is_final(order):
            raise Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=rules.state_name(order.state), action="erase")
        return [order_subject(order.id), *self._of_number(tx, order.request.number)]

    def _of_complaint(self, tx: Transaction, content: EnvelopeContent) -> tuple[Sequence[str], Sequence[Elsewhere]]:
        """What is kept here of a complaint and of the case that it belongs to, and where else something of it is."""
        row = find_complaint(tx, content.subject)
        if row is None:
            return (), ()
        complaint, number = row.complaint, row.complaint.request.number
        whole = case_of(tx, complaint.parent or complaint.docket)
        # The home region knows the region that leads a case. That one has what others keep of it erased once it has
        # ended, whatever they have heard of that.
        is_part = bool(complaint.parent) or complaint.HasField("returned")
        led_elsewhere = is_part and complaint.handling_region != self._context.region
        if led_elsewhere:
            may_ask = content.origin == complaint.handling_region
        else:
            root = next(each for each in whole if not each.parent)
            home = self._context.federation.number_plan.home_of(number)
            may_ask = content.origin == home and root.state in ENDED
        if not may_ask:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        dockets = [each.docket for each in whole]
        subjects = [complaint_subject(each) for each in dockets] + [envelope_subject(each) for each in dockets]
        others = [each for each in kept_elsewhere(tx, whole) if each.region != content.origin]
        return [*subjects, *self._of_number(tx, number)], others

    def _of_number(self, tx: Transaction, number: str) -> Sequence[str]:
        """What hangs on a number; a number that has moved here since belongs to a customer of this region."""
        return [number_subject(tx, number)] if number and customer_numbered(tx, number) is None else []

    def _of_document(self, tx: Transaction, content: EnvelopeContent) -> Sequence[str]:
        file = find_file(tx, content.subject.removeprefix(DOCUMENT_SUBJECTS))
        if file is None:
            return ()
        if file.home != content.origin:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        moved_here = tx.first(int, "SELECT 1 FROM products WHERE number = :number", number=file.number_hash)
        remove_file(tx, file.register_id)
        return [envelope_subject(content.subject), *([] if moved_here else [file.subject])]

    def _erased(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """The other region has done it."""
