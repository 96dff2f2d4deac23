"""The notices about quarantined work to this region's person on duty, until somebody has decided."""

from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.quarantine_service_pb2 import QuarantineSource
from gateway.auditing import audit
from gateway.federation.body import QUARANTINED_WORK
from gateway.store import quarantine
from gateway.store.port import Transaction
from gateway.store.quarantine import QuarantinedWork
from gateway.store.timers import Timer, set_timer
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from region_node.care.escalations.body import Escalated, due_by, tell_body
from region_node.node.context import RegionContext
from region_node.tickets.followed import Facts

QUARANTINE_TIMER = "quarantine"
_USUAL = timedelta(days=1)  # without a row in the matrix of responsibility


class _Group(NamedTuple):
    """Work of one source, kind and destination that waits: one notice serves all of it."""

    source: int
    kind: str
    destination: str
    since: int
    notices: int

    def watch(self, tx: Transaction, due: datetime) -> None:
        """Sets the timer of the next notice."""
        name = f"{QUARANTINE_TIMER}/{self.source}/{self.kind}/{self.destination}"
        subject = " ".join((str(self.source), self.kind, self.destination or "-", str(self.since), str(self.notices)))
        set_timer(tx, name, kind=QUARANTINE_TIMER, subject=subject, due=due)

    @classmethod
    def parse(cls, subject: str) -> "_Group":
        """The group of a timer."""
        source, kind, destination, since, notices = subject.split(" ")
        return cls(int(source), kind, "" if destination == "-" else destination, int(since), int(notices))


def keep(tx: Transaction, context: RegionContext, work: QuarantinedWork, now: datetime) -> None:
    """Stores quarantined work with its due time, and notifies the person on duty of the first of its kind."""
    due = due_by(context, QUARANTINED_WORK, now, _USUAL)
    quarantine.keep(tx, work._replace(due_time=to_microseconds(due)), now)
    actor, detail = f"region/{context.region}", f"{work.failure}, {work.attempts} attempts"
    audit.append(tx, now=now, actor=actor, action="QuarantineWork", subject=work.work_id, detail=detail)
    if not quarantine.has_waiting(tx, work):
        _tell(tx, context, _Group(work.source, work.kind, work.destination, to_microseconds(now), 0), now, None)


def decision_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Notifies the next level of work that waits on behind its due time."""
    group = _Group.parse(timer.subject)
    due = quarantine.first_due(tx, QuarantineSource.ValueType(group.source), group.kind, group.destination)
    if due is None:
        return
    if to_microseconds(now) < due:
        group.watch(tx, from_microseconds(due))
        return
    _tell(tx, context, group, now, from_microseconds(due))


def _tell(tx: Transaction, context: RegionContext, group: _Group, now: datetime, passed: datetime | None) -> None:
    told = group._replace(notices=group.notices + 1)
    escalated = Escalated(
        told.notices,
        EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED,
        to_timestamp(now),
        None if passed is None else to_timestamp(passed),
    )
    tell_body(tx, context, _facts(context, told), escalated, "TellOfQuarantine", QUARANTINED_WORK, now)
    told.watch(tx, due_by(context, QUARANTINED_WORK, now, _USUAL))


def _facts(context: RegionContext, group: _Group) -> Facts:
    """The notices of a group since its first work have one name, so that the next time is told anew."""
    return Facts(
        name="/".join(filter(None, (QUARANTINE_TIMER, group.kind, group.destination, str(group.since)))),
        origin=context.region,
        owner=context.region,
        operator="",
        version=1,
        state=quarantine.WAITING,
        created=to_timestamp(from_microseconds(group.since)),
        number="",
        home="",
    )
