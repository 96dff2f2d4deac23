"""Decisions of people on quarantined work: one replays it, two give it up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.region.v1.quarantine_service_pb2 import QuarantineState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay import setting_aside
from gateway.relay.border import Kinds
from gateway.store.port import Transaction
from gateway.store.quarantine import ENVELOPE, QUARANTINED, QuarantinedWork, decide, require, require_waiting
from gateway.store.timers import DueRows, is_set, set_timer
from region_node.care.quarantine import watching
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall

REPLAYED = QuarantineState.QUARANTINE_STATE_REPLAYED
GIVEN_UP = QuarantineState.QUARANTINE_STATE_GIVEN_UP


@dataclass(frozen=True)
class Quarantine:
    """The quarantine of a region.

    `rows` are those that fall due as timers do, `kinds` the handlers of each kind of envelope.
    """

    context: RegionContext
    rows: Sequence[DueRows]
    kinds: Kinds

    def keep(self, tx: Transaction, work: QuarantinedWork, now: datetime) -> None:
        """Leaves work to people."""
        watching.keep(tx, self.context, work, now)

    def replay(self, tx: Transaction, work_id: str, call: AuditedCall) -> QuarantinedWork:
        """Has work tried again. Raises Refused with QUARANTINED_WORK_NOT_FOUND, or QUARANTINED_WORK_DECIDED."""
        work = require(tx, work_id)
        if work.state == REPLAYED:
            return work
        work = require_waiting(tx, work_id)
        if work.source == ENVELOPE:
            setting_aside.replay(tx, self.context.border, work)
        else:
            self._set_again(tx, work, call.now)
        call.record(tx, "ReplayQuarantinedWork", work_id)
        return decide(tx, work, REPLAYED, call.staff_id, call.now)

    def give_up(self, tx: Transaction, work_id: str, reference: str, call: AuditedCall) -> QuarantinedWork:
        """Proposes to give work up; a second member of staff gives it up by the same reference.

        Raises Refused with QUARANTINED_WORK_NOT_FOUND, QUARANTINED_WORK_DECIDED, QUARANTINED_WORK_ANSWERED,
        QUARANTINED_WORK_PROPOSER or QUARANTINED_WORK_REFERENCE_DIFFERS.
        """
        work = require(tx, work_id)
        if work.state == GIVEN_UP and work.reference == reference:
            return work
        work = require_waiting(tx, work_id)
        if work.is_answered:
            raise Refused(Reason.REASON_QUARANTINED_WORK_ANSWERED, work=work_id, region=work.destination)
        if work.proposer in ("", call.staff_id):
            if work.reference == reference:
                raise Refused(Reason.REASON_QUARANTINED_WORK_PROPOSER, work=work_id)
            proposed = work._replace(proposer=call.staff_id, reference=reference)
            tx.update(QUARANTINED, proposed)
            call.record(tx, "ProposeToGiveUp", work_id, f"reference {reference}")
            return proposed
        if work.reference != reference:
            raise Refused(Reason.REASON_QUARANTINED_WORK_REFERENCE_DIFFERS, work=work_id, reference=work.reference)
        call.record(tx, "GiveUpQuarantinedWork", work_id, f"reference {reference}")
        if work.source == ENVELOPE:
            setting_aside.give_up(tx, self.context.border, self.kinds, work, call.now)
        return decide(tx, work, GIVEN_UP, call.staff_id, call.now)

    def _set_again(self, tx: Transaction, work: QuarantinedWork, now: datetime) -> None:
        """Sets a timer or a row again, unless that was done meanwhile."""
        for rows in self.rows:
            if rows.kind == work.kind:
                rows.set_again(tx, work.subject, now)
                return
        if not is_set(tx, work.name):
            set_timer(tx, work.name, kind=work.kind, subject=work.subject, due=now)
