"""Decisions of people on quarantined work: one replays it, two give it up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.approval_service_pb2 import ApprovalAct
from gateway.api.region.v1.quarantine_service_pb2 import QuarantineState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay import setting_aside
from gateway.relay.border import Kinds
from gateway.store.port import Transaction
from gateway.store.quarantine import ENVELOPE, RUN, QuarantinedWork, decide, require, require_waiting
from gateway.store.timers import DueRows, is_set, set_timer
from region_node.approvals.operations import Act, Awaited, approval_of, use
from region_node.care.quarantine import watching
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import require_name

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

    def replay(self, tx: Transaction, work_id: str, reference: str, call: AuditedCall) -> QuarantinedWork:
        """Has work tried again, or lets a run go on up to today.

        Raises Refused with QUARANTINED_WORK_NOT_FOUND, QUARANTINED_WORK_DECIDED, or REQUEST_INVALID for a run without a
        reference.
        """
        work = require(tx, work_id)
        if work.state == REPLAYED and reference in ("", work.reference):
            return work
        work = require_waiting(tx, work_id)
        if work.source == RUN:
            require_name("reference", reference)
            today = call.now.astimezone(ZoneInfo(self.context.time_zone)).date().isoformat()
            work = work._replace(subject=min(work.subject, today))  # a wrong clock may have asked for years to come
        elif work.source == ENVELOPE:
            setting_aside.replay(tx, self.context.border, work)
        else:
            self._set_again(tx, work, call.now)
        detail = " ".join(filter(None, (work.subject if work.source == RUN else "", reference)))
        call.record(tx, "ReplayQuarantinedWork", work_id, detail)
        return decide(tx, work._replace(reference=reference), REPLAYED, call.staff_id, call.now)

    def give_up(self, tx: Transaction, work_id: str, reference: str, call: AuditedCall) -> QuarantinedWork | Awaited:
        """Gives work up, once a second member of staff has confirmed the proposal of the first.

        Raises Refused with QUARANTINED_WORK_NOT_FOUND, QUARANTINED_WORK_DECIDED, QUARANTINED_WORK_ANSWERED or
        RUN_NOT_GIVEN_UP.
        """
        work = require(tx, work_id)
        if work.state == GIVEN_UP and work.reference == reference:
            return work
        work = require_waiting(tx, work_id)
        if work.source == RUN:
            raise Refused(Reason.REASON_RUN_NOT_GIVEN_UP, work=work_id)
        if work.is_answered:
            raise Refused(Reason.REASON_QUARANTINED_WORK_ANSWERED, work=work_id, region=work.destination)
        act = Act(ApprovalAct.APPROVAL_ACT_GIVE_UP_WORK, reference=f"{work_id}, {reference}")
        approval = approval_of(tx, act, call, self.context.border.keys.revocations)
        if isinstance(approval, Awaited):
            return approval
        use(tx, approval)
        detail = f"reference {reference}, {approval.confirmation}"
        call.record(tx, "GiveUpQuarantinedWork", work_id, detail)
        if work.source == ENVELOPE:
            setting_aside.give_up(tx, self.context.border, self.kinds, work, call.now)
        return decide(tx, work._replace(reference=reference), GIVEN_UP, approval.decider, call.now)

    def _set_again(self, tx: Transaction, work: QuarantinedWork, now: datetime) -> None:
        """Sets a timer or a row again, unless that was done meanwhile."""
        for rows in self.rows:
            if rows.kind == work.kind:
                rows.set_again(tx, work.subject, now)
                return
        if not is_set(tx, work.name):
            set_timer(tx, work.name, kind=work.kind, subject=work.subject, due=now)
