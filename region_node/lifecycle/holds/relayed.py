"""Legal holds that other regions have set or released of what is kept here."""

from datetime import datetime

from gateway.api.region.v1.retention_envelopes_pb2 import HoldUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.lifecycle.holds.telling import HOLD_SUBJECTS, forget_notice, tell_until
from region_node.lifecycle.registry import Registry
from region_node.node.payloads import received


class HoldEnvelopes:
    """The kind of envelope by which a home region has what other regions keep of its customers held there."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def kinds(self) -> Kinds:
        """What it does here, and what its receipt does."""
        return {EnvelopeKind.ENVELOPE_KIND_LEGAL_HOLD: Command(self._hold, self._held)}

    def _hold(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Holds from now on, or until then; an earlier word of the same region changes nothing.

        A record that is not here yet is noted where it may still come: it is on its way from that region, or its kind
        says so. It is held once it comes. Any other record is gone, and nothing is left of it to be held.
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
                    tell_until(tx, context, each.region, each.record_id, until, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _may_hold(self, tx: Transaction, subject: str, origin: str) -> bool | None:
        """Whether a region may hold a record; None where nothing by that name is here."""
        kinds, context = self._registry.kinds, self._registry.context
        said = (kind.holds.may_hold(tx, context, origin, subject) for kind in kinds)
        return next((each for each in said if each is not None), None)

    def _held(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """The other region knows; where it has refused, it is told anew in the next night."""
        if receipt.outcome != Outcome.OUTCOME_ACCEPTED:
            forget_notice(tx, content.subject.removeprefix(HOLD_SUBJECTS), content.destination)


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
