"""Legal holds that other regions have set or released of what is kept here."""

from datetime import datetime

from gateway.api.region.v1.retention_envelopes_pb2 import HoldUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import from_timestamp, to_microseconds
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.business.orders.rows import find_order
from region_node.care.complaints.rows import case_of, find_complaint
from region_node.customers.documents.files import find_file
from region_node.customers.documents.rows import DOCUMENT_SUBJECTS
from region_node.lifecycle.erasure.elsewhere import Elsewhere, kept_elsewhere
from region_node.lifecycle.retention.elsewhere import HOLD_SUBJECTS, forget_telling, tell_until
from region_node.network.faults.rows import find_fault
from region_node.network.support.rows import find_support_request
from region_node.node.context import RegionContext
from region_node.node.payloads import received


class HoldEnvelopes:
    """The kind of envelope by which a home region has what other regions keep of its customers held there."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """What it does here, and what its receipt does."""
        return {EnvelopeKind.ENVELOPE_KIND_LEGAL_HOLD: Command(self._hold, self._held)}

    def _hold(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Holds from now on, or until then; an earlier word of the same region changes nothing.

        A document that is not here yet is noted too, and what is on its way from that region: it is held once it
        comes. Anything else that is not here is gone, and nothing is left of it to be held.
        """
        update = received(HoldUpdate, content.payload)
        if not content.subject.startswith(HOLD_SUBJECTS) or update.version < 1:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it names nothing that could be held")
        subject, until = content.subject.removeprefix(HOLD_SUBJECTS), _until(update)
        may_hold = self._may_hold(tx, subject, content.origin)
        if may_hold is False:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if may_hold is None and not subject.startswith((DOCUMENT_SUBJECTS, f"{content.origin}/")):
            return Answer(Outcome.OUTCOME_ACCEPTED)
        if _keep(tx, subject, content.origin, update.version, until):
            for each in self._led_from_here(tx, subject, content.origin):
                tell_until(tx, self._context, each.region, each.docket, until, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _may_hold(self, tx: Transaction, subject: str, origin: str) -> bool | None:
        """Whether the customer is of the region that says so, or that region is the complaint's first contact.

        None where nothing by that name is here.
        """
        if subject.startswith(DOCUMENT_SUBJECTS):
            file = find_file(tx, subject.removeprefix(DOCUMENT_SUBJECTS))
            return None if file is None else file.home == origin
        order = find_order(tx, subject)
        if order is not None:
            return order.order.home_region == origin
        fault = find_fault(tx, subject)
        if fault is not None:
            return fault.fault.home_region == origin
        asked = find_support_request(tx, subject)
        if asked is not None:
            return self._context.federation.number_plan.home_of(asked.request.inquiry.number) == origin
        row = find_complaint(tx, subject)
        if row is None:
            return None
        complaint = row.complaint
        home = self._context.federation.number_plan.home_of(complaint.request.number)
        return origin in (home, complaint.handling_region)

    def _led_from_here(self, tx: Transaction, subject: str, origin: str) -> list[Elsewhere]:
        """What other regions keep of a complaint that was taken in here, of which its home region does not know."""
        row = find_complaint(tx, subject)
        if row is None or row.complaint.handling_region != self._context.region:
            return []
        whole = case_of(tx, row.complaint.parent or subject)
        return [each for each in kept_elsewhere(tx, whole) if each.region not in (origin, self._context.region)]

    def _held(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """The other region knows; where it has refused, it is told anew in the next night."""
        if receipt.outcome != Outcome.OUTCOME_ACCEPTED:
            forget_telling(tx, content.subject.removeprefix(HOLD_SUBJECTS), content.destination)


def _until(update: HoldUpdate) -> int | None:
    """In microseconds; None for until it is released. Raises Refused with ENVELOPE_INVALID."""
    try:
        return to_microseconds(from_timestamp(update.end_time)) if update.HasField("end_time") else None
    except OverflowError:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="its end is out of range") from None


def _keep(tx: Transaction, subject: str, origin: str, version: int, until: int | None) -> bool:
    """Notes a word of a region; False where a later one is known."""
    return bool(
        tx.execute(
            "INSERT INTO holds_of_others (subject, origin, version, until) VALUES (:subject, :origin, :version, :until)"
            " ON CONFLICT (subject, origin) DO UPDATE SET version = excluded.version, until = excluded.until"
            " WHERE excluded.version > holds_of_others.version",
            subject=subject,
            origin=origin,
            version=version,
            until=until,
        )
    )
