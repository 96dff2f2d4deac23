"""Legal holds that other regions have set on, or released from, data here."""

from datetime import datetime

from gateway.api.region.v1.retention_envelopes_pb2 import HoldUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.lifecycle.holds.sending import HOLD_SUBJECTS, forget_notice, send_hold_end
from region_node.lifecycle.registry import Registry
from region_node.node.payloads import received


class HoldEnvelopes:
    """The kind of envelope by which a home region holds its customers' data in other regions."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def kinds(self) -> Kinds:
        """The handler here, and that of its receipt."""
        return {EnvelopeKind.ENVELOPE_KIND_LEGAL_HOLD: Command(self._hold, self._held)}

    def _hold(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Stores a hold or its end; an older version of the same region changes nothing.

        The hold of a missing record is stored where the record may still come: in transit, or by its kind. It takes
        effect on arrival. Any other missing record is gone, without data to hold.
        """
        update = received(HoldUpdate, content.payload)
        if not content.subject.startswith(HOLD_SUBJECTS) or update.version < 1:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it names nothing that could be held")
        subject, until = content.subject.removeprefix(HOLD_SUBJECTS), _until(update)
        may_hold = self._may_hold(tx, subject, content.origin)
        if may_hold is False:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        early = (f"{content.origin}/", *(each.holds.early for each in self._registry.kinds if each.holds.early))
        if may_hold is None and not subject.startswith(early):
            return Answer(Outcome.OUTCOME_ACCEPTED)
        if _keep(tx, subject, content.origin, update.version, until):
            context = self._registry.context
            for kind in self._registry.kinds:
                for each in kind.holds.elsewhere(tx, context, content.origin, subject):
                    send_hold_end(tx, context, each.region, each.record_id, until, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _may_hold(self, tx: Transaction, subject: str, origin: str) -> bool | None:
        """Whether a region may hold a record; None for an unknown record."""
        kinds, context = self._registry.kinds, self._registry.context
        said = (kind.holds.may_hold(tx, context, origin, subject) for kind in kinds)
        return next((each for each in said if each is not None), None)

    def _held(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """Notes the other region's receipt; after a refusal, the next night sends the hold again."""
        if receipt.outcome != Outcome.OUTCOME_ACCEPTED:
            forget_notice(tx, content.subject.removeprefix(HOLD_SUBJECTS), content.destination)


def _until(update: HoldUpdate) -> int | None:
    """The end in microseconds; None for a hold without an end. Raises Refused with ENVELOPE_INVALID."""
    try:
        return to_microseconds(from_timestamp(update.end_time)) if update.HasField("end_time") else None
    except OverflowError:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="its end is out of range") from None


def _keep(tx: Transaction, subject: str, origin: str, version: int, until: int | None) -> bool:
    """Stores a region's message; returns False where a later one is known."""
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
