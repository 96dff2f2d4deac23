"""Replays the clock over complaints from another system, by the live rules. Pure.

The replay does the work of live timers in one pass. Before each event, and up to a final instant, the complaint reaches
all levels due until then. Each level has its own due time.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, Escalation
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.care.complaints import escalation, rules
from region_node.care.complaints.deadlines import Hours, meet
from region_node.care.complaints.repeats import REPEAT_WITHIN

WITHOUT_RESOLUTION = frozenset({rules.CANCELLED, rules.REJECTED})
"""How a complaint ends to which nothing was proposed: withdrawn, or none."""
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Past:
    """The known events of a complaint's life, in UTC; None for an event that has not happened."""

    filed: datetime
    answered: datetime | None = None
    resolved: datetime | None = None
    closed: datetime | None = None
    ended_as: ComplaintState.ValueType = rules.CLOSED
    """Its final state, once it is closed; a withdrawn or rejected one has no resolution."""
    is_end_estimated: bool = False
    """Whether nobody has recorded its closing time."""

    @property
    def is_open(self) -> bool:
        """Whether something is still to happen."""
        return self.closed is None


def relive(complaint: Complaint, past: Past, hours: Hours, until: datetime) -> datetime | None:
    """Replays a complaint with deadlines, of its own region, up to an instant. Returns the next escalation, or None.

    The complaint must be filed before that instant. The caller determines its repeats before.
    """
    region, filed = complaint.owner_region, past.filed
    rules.enter(complaint, rules.ACKNOWLEDGED, now=filed, region=region, reason="received")
    escalation.file(complaint, filed, region)
    escalation.classified(complaint, filed, region)
    rules.hand_over(complaint, region, rules.WORKING, filed)
    complaint.version = 1
    if past.ended_as != rules.REJECTED:  # to which TMF621 leads from a state without work
        rules.enter(complaint, rules.IN_PROGRESS, now=filed, region=region, reason="taken up")
    meet(complaint, (rules.ACKNOWLEDGE,), filed)
    escalation.take_up(complaint, filed, region)
    for instant, happen in _happenings(past):
        if instant > until:
            break
        # An event at the very end of a limit is in time.
        _raise_until(complaint, hours, instant - _MOMENT)
        happen(complaint, instant)
        complaint.version += 1
        is_known = happen is _answer or (happen is _resolve and past.resolved is not None)
        if past.is_end_estimated and not is_known:
            complaint.state_changes[-1].estimated = True
    return _raise_until(complaint, hours, until)


def levels_at(complaint: Complaint, hours: Hours, until: datetime, now: datetime) -> Sequence[Escalation]:
    """The levels that a stored complaint has reached by an instant, ascending. For a future instant, the levels
    that timers will raise it to if nothing else happens.
    """
    if until <= now:
        return [each for each in complaint.escalations if from_timestamp(each.time) <= until]
    foreseen = Complaint()
    foreseen.CopyFrom(complaint)
    _raise_until(foreseen, hours, until)
    return list(foreseen.escalations)


def _raise_until(complaint: Complaint, hours: Hours, until: datetime) -> datetime | None:
    """Applies all due escalations; returns the time of the next one."""
    region = complaint.owner_region if complaint.version else complaint.origin_region
    following = escalation.steps(complaint, hours)
    while following and following[0].due_time <= until:
        escalation.raise_to(complaint, following[0], following[0].due_time, region)
        following = escalation.steps(complaint, hours)
    return following[0].due_time if following else None


def _happenings(past: Past) -> Iterator[tuple[datetime, Callable[[Complaint, datetime], None]]]:
    resolved = past.resolved or past.closed
    if past.answered is not None and (resolved is None or past.answered < resolved):
        yield past.answered, _answer
    if past.closed is not None and past.ended_as in WITHOUT_RESOLUTION:
        yield past.closed, _withdraw if past.ended_as == rules.CANCELLED else _reject
        return
    if resolved is not None:
        yield resolved, _resolve
    if past.closed is not None:
        yield past.closed, _close


def _answer(complaint: Complaint, instant: datetime) -> None:
    meet(complaint, (rules.FIRST_RESPONSE,), instant)


def _resolve(complaint: Complaint, instant: datetime) -> None:
    region = complaint.owner_region
    meet(complaint, (rules.FIRST_RESPONSE, rules.RESOLVE, rules.LEGAL), instant)
    rules.enter(complaint, rules.RESOLVED, now=instant, region=region, reason="resolution proposed")
    rules.hand_over(complaint, "", rules.WAITING_FOR_CUSTOMER, instant)
    complaint.resolution.author = region
    complaint.resolution.time.CopyFrom(to_timestamp(instant))


def _close(complaint: Complaint, instant: datetime) -> None:
    region = complaint.owner_region
    rules.enter(complaint, rules.CLOSED, now=instant, region=region, reason="accepted by the customer")


def _withdraw(complaint: Complaint, instant: datetime) -> None:
    region = complaint.owner_region
    rules.enter(complaint, rules.CANCELLED, now=instant, region=region, reason="withdrawn by the customer")


def _reject(complaint: Complaint, instant: datetime) -> None:
    rules.enter(complaint, rules.REJECTED, now=instant, region=complaint.owner_region, reason="no complaint")


class Earlier:
    """The complaints of some numbers and categories, for finding which of them a later one repeats."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], list[tuple[datetime, str]]] = defaultdict(list)

    def add(self, number: str, category: str, filed: datetime, ticket_id: str) -> None:
        """Adds a complaint, or a work item by the ticket id of its case; `number` in the caller's form."""
        self._known[number, category].append((filed, ticket_id))

    def before(self, number: str, category: str, filed: datetime) -> Sequence[str]:
        """The ticket ids of the added complaints within the time for repeats, newest first."""
        since = filed - REPEAT_WITHIN
        latest: dict[str, datetime] = {}
        for instant, ticket_id in self._known.get((number, category), ()):
            if since <= instant <= filed:
                latest[ticket_id] = max(instant, latest.get(ticket_id, instant))
        return sorted(latest, key=lambda ticket_id: (filed - latest[ticket_id], ticket_id))
