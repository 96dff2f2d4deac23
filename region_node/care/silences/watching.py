"""The watch over tickets between regions: of an owner over its next due time, of any other region over its word."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.api.region.v1.silence_pb2 import OwnerSilence
from gateway.federation.body import HIGHEST_LEVEL
from gateway.store.port import Transaction
from gateway.store.timers import Timer, cancel_timer, set_timer
from gateway.time.clock import from_microseconds, from_timestamp
from region_node.care.escalations.body import Escalated, due_by, tell_body
from region_node.care.escalations.rows import forgo, remove_notices, remove_notices_below
from region_node.care.silences import rules
from region_node.node.context import RegionContext
from region_node.tickets.followed import Facts, M
from region_node.tickets.rows import TicketRow, TicketRows

_USUAL = timedelta(hours=2)  # without a row in the matrix of responsibility
_AWAY = timedelta(minutes=15)  # a region that is later has been down: the owner's word may be on its way to it
_SILENCE = "silence"  # the field of each kind of ticket


@dataclass(frozen=True)
class OwnerWatch(Generic[M]):
    """How all regions of a kind of ticket watch what is due in it. Its timers are one for each ticket."""

    rows: TicketRows[M]
    silence: Callable[[M], OwnerSilence] = field(repr=False)
    """The silence of the owner, as this region has noted it: the field of that name."""
    own_due: Callable[[M], datetime | None]
    """When the owner itself acts next; None for never."""
    limit: Callable[[M], datetime | None]
    """The next due time on which the owner has not spoken yet; None where it owes no word."""
    timer: str
    """The kind of the timers."""
    matter: str
    """The matter of a silent owner. Its limit is the margin of the owner, and of each further call."""
    calls: int
    """The number of limits that the first of the other regions escalates, from level 3 of the coordination body on."""

    def renew(self, tx: Transaction, context: RegionContext, ticket: M, now: datetime) -> None:
        """Sets the timer of what is due next in a ticket, or removes one without effect.

        Another owner gets the limit from now on, whatever is overdue: it may just have spoken, or become the owner.
        """
        about = self._facts(ticket)
        timer_id = f"{self.timer}/{about.name}"
        due = self.own_due(ticket)
        if about.owner != context.region:
            due = self._next_silence(context, ticket)
            due = None if due is None else max(due, due_by(context, self.matter, now, _USUAL))
        if due is None:
            cancel_timer(tx, timer_id)
        else:
            set_timer(tx, timer_id, kind=self.timer, subject=about.name, due=due)

    def note_silence(
        self, tx: Transaction, context: RegionContext, row: TicketRow[M], timer: Timer, now: datetime
    ) -> None:
        """Notes that the owner of a ticket is silent about a due time that has passed, each time the limit has passed.

        Every other region of the ticket does so by its own clock; one of them escalates. A region that was down itself
        gives the owner the limit once more. So does one that would escalate and, as all others that would, takes no
        part at that moment: the limit would pass without a call.
        """
        ticket, about = row.ticket, self._facts(row.ticket)
        silent_until, due = self._next_silence(context, ticket), self.limit(ticket)
        is_away = now - from_microseconds(timer.due_time) > _AWAY
        callers = [each for each in _callers(about) if context.takes_part(each)]
        is_mute = not callers and context.region in _callers(about)
        if silent_until is None or due is None or now < silent_until or is_away or is_mute:
            self.renew(tx, context, ticket, now)
            return
        silence = rules.next_silence(self.silence(ticket), due, callers, self.calls, now)
        self.silence(ticket).CopyFrom(silence)
        self.rows.update(tx, ticket, now)
        self.renew(tx, context, ticket, now)
        if silence.region == context.region:
            trigger = EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED
            escalated = Escalated(silence.limits_passed, trigger, silence.note_time, silence.due_time)
            part = _case(about, silence)
            tell_body(tx, context, about, escalated, "EscalateSilentOwner", self.matter, now, part=part)

    def hear(self, tx: Transaction, context: RegionContext, known: M, ticket: M, now: datetime) -> None:
        """Ends the silence where the owner's version `ticket`, to be stored, changes what is due next; else it lasts.

        An owner that talks of other things stays silent on this.
        """
        ticket.ClearField(_SILENCE)  # another region's own watch is no word on this one's
        if self.limit(known) != self.limit(ticket):
            self.end_silence(tx, known)
            self.renew(tx, context, ticket, now)
        elif known.HasField(_SILENCE):
            self.silence(ticket).CopyFrom(self.silence(known))

    def end_silence(self, tx: Transaction, ticket: M) -> None:
        """Clears the silence of an owner, if any; the caller stores the ticket. Nobody is called about it any more."""
        if ticket.HasField(_SILENCE):
            silence = self.silence(ticket)
            forgo(tx, _case(self._facts(ticket), silence), HIGHEST_LEVEL + silence.limits_passed)
            ticket.ClearField(_SILENCE)

    def _next_silence(self, context: RegionContext, ticket: M) -> datetime | None:
        """When the next limit of the owner's silence passes; None where nothing is due, or the last one has passed."""
        watching = len(_watching(self._facts(ticket)))
        since = rules.silent_since(self.silence(ticket), self.limit(ticket), watching, self.calls)
        if since is None:
            return None
        try:
            return due_by(context, self.matter, since, _USUAL)
        except OverflowError:  # the limit of a due time at the end of the calendar lies beyond it
            return None

    def _facts(self, ticket: M) -> Facts:
        return self.rows.kind.facts(ticket)


def forget(tx: Transaction, ticket_id: str) -> None:
    """Removes all notices about a ticket, and about the silence of its owner."""
    remove_notices(tx, ticket_id)
    remove_notices_below(tx, ticket_id)


def _watching(about: Facts) -> Sequence[str]:
    return rules.others(about.owner, about.origin, about.helpers)


def _callers(about: Facts) -> Sequence[str]:
    """A helper escalates no ticket that its owner has never accepted: an origin may have made it up."""
    return _watching(about) if about.version else (about.origin,)


def _case(about: Facts, silence: OwnerSilence) -> str:
    """The id by which all regions of a ticket tell of the same silence."""
    return f"{about.name}/silence/{int(from_timestamp(silence.due_time).timestamp())}"
