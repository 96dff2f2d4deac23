"""Erasing across regions: whoever keeps something of an erased customer elsewhere is told by the home region."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
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
from gateway.timers import Timer
from region_node.business.orders import rules
from region_node.business.orders.rows import find_order
from region_node.care.complaints.rows import case_of, complaint_subject, find_complaint
from region_node.care.complaints.rules import FINAL as ENDED
from region_node.customers.documents.files import find_file, remove_file
from region_node.customers.documents.rows import DOCUMENT_SUBJECTS
from region_node.lifecycle.erasure.destroying import destroy
from region_node.lifecycle.erasure.elsewhere import Elsewhere, kept_elsewhere
from region_node.lifecycle.erasure.of_numbers import forget_number, is_erased, is_held, look_again
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index, order_subject

ERASURE_TIMER = "erasure-told"  # something stood against it
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
        self._context.border.require_known_revision(content)
        _erase_told(tx, self._context, content.origin, content.subject, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _erased(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """The other region has done it."""


def erasure_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Looks again at what another region has erased and a hold, or the home region's silence, has kept here."""
    origin, _, subject = timer.subject.partition(" ")
    with contextlib.suppress(Refused):  # it has another home since, or goes on: then that region says so itself
        _erase_told(tx, context, origin, subject, now)


@dataclass(frozen=True)
class _ToErase:
    """What goes with an order, a complaint or a document."""

    subjects: Sequence[str] = ()
    index: str = ""
    """Of the number on which it hangs."""
    others: Sequence[Elsewhere] = ()
    """Where else something of it is, of which the home region does not know."""
    is_said_at_home: bool = True
    """Whether the home region has said so by itself, where another one has."""


def _erase_told(tx: Transaction, context: RegionContext, origin: str, subject: str, now: datetime) -> None:
    """Does what a region says of a customer who was erased; under a hold, once that has ended. Raises Refused."""
    found = _to_erase(tx, context, origin, subject)
    if found is None:
        return
    if not found.is_said_at_home or is_held(tx, subject, found.index, now):
        look_again(tx, ERASURE_TIMER, f"{origin} {subject}", now)
        return
    if subject.startswith(DOCUMENT_SUBJECTS):
        remove_file(tx, subject.removeprefix(DOCUMENT_SUBJECTS))
    destroy(tx, context, found.subjects, now)
    forget_number(tx, context, origin, found.index, now)
    for each in found.others:
        tell_region(tx, context, each.region, each.docket, each.traceparent, now)


def _to_erase(tx: Transaction, context: RegionContext, origin: str, subject: str) -> _ToErase | None:
    """What a region may have erased here of a subject; None where nothing of it is left. Raises Refused."""
    if subject.startswith(DOCUMENT_SUBJECTS):
        return _of_document(tx, origin, subject)
    return _of_order(tx, context, origin, subject) or _of_complaint(tx, context, origin, subject)


def _of_order(tx: Transaction, context: RegionContext, origin: str, order_id: str) -> _ToErase | None:
    row = find_order(tx, order_id)
    if row is None:
        return None
    order = row.order
    if order.home_region != origin or order.handling_region != context.region:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    if not rules.is_final(order):
        raise Refused(Reason.REASON_ORDER_STATE_FORBIDS, state=rules.state_name(order.state), action="erase")
    number = order.request.number
    is_of_origin = context.federation.number_plan.home_of(number) in (origin, None)
    return _ToErase([order_subject(order.id)], number_index(tx, number) if is_of_origin else "")


def _of_complaint(tx: Transaction, context: RegionContext, origin: str, docket: str) -> _ToErase | None:
    """What is kept here of a complaint and of the case that it belongs to, and where else something of it is."""
    row = find_complaint(tx, docket)
    if row is None:
        return None
    complaint, number = row.complaint, row.complaint.request.number
    whole = case_of(tx, complaint.parent or complaint.docket)
    home = context.federation.number_plan.home_of(number)
    # The home region knows the region that leads a case. That one has what others keep of it erased once it has
    # ended, whatever they have heard of that; but not before the home region has told them, as it tells all.
    is_part = bool(complaint.parent) or complaint.HasField("returned")
    led_elsewhere = is_part and complaint.handling_region != context.region
    if led_elsewhere:
        may_ask = origin == complaint.handling_region
    else:
        root = next(each for each in whole if not each.parent)
        may_ask = origin == home and root.state in ENDED
    if not may_ask:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    dockets = [each.docket for each in whole]
    subjects = [complaint_subject(each) for each in dockets] + [envelope_subject(each) for each in dockets]
    others = [each for each in kept_elsewhere(tx, whole) if each.region != origin]
    is_said = origin == home or is_erased(tx, context, number, complaint.home_region)
    return _ToErase(subjects, number_index(tx, number) if origin == home else "", others, is_said_at_home=is_said)


def _of_document(tx: Transaction, origin: str, subject: str) -> _ToErase | None:
    file = find_file(tx, subject.removeprefix(DOCUMENT_SUBJECTS))
    if file is None:
        return None
    if file.home != origin:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    return _ToErase([envelope_subject(subject)], file.number_hash)
