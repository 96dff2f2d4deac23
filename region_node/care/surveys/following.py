"""Requests invitations after a share of finished orders, complaints and repairs, by one timer."""

from datetime import datetime, timedelta

from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.store.timers import is_set, set_timer
from region_node.care.surveys import inviting, rows
from region_node.care.surveys.occasions import OCCASIONS, Occasion
from region_node.care.surveys.rules import find_policy, in_sample
from region_node.node.context import RegionContext

SURVEY_TIMER = "surveys"
_EVENTS = 2_000  # of one kind, in one transaction
_EVERY = timedelta(hours=1)
_BREATH = timedelta(seconds=1)


def ensure_surveys(tx: Transaction, now: datetime) -> None:
    """Sets the timer if it is missing. Work that finished before the first time leads to no request."""
    for occasion in OCCASIONS:
        if rows.place_in(tx, occasion.name) is None:
            rows.note_place(tx, occasion.name, occasion.events.last(tx))
    if not is_set(tx, SURVEY_TIMER):
        _come_back(tx, now + _EVERY)


def surveys_are_due(tx: Transaction, context: RegionContext, now: datetime) -> None:
    """Looks at a page of events of each kind, and returns within the hour."""
    try:
        policy = find_policy(context.federation, context.region)
    except Refused:  # no configuration yet
        policy = None
    if policy is None:
        _come_back(tx, now + _EVERY)
        return
    percent = policy.sample
    full = [each.name for each in OCCASIONS if _look(tx, context, each, percent, now)]
    _come_back(tx, now + (_BREATH if full else _EVERY))


def _look(tx: Transaction, context: RegionContext, occasion: Occasion, percent: int, now: datetime) -> bool:
    """Returns whether there may be further events."""
    events = occasion.events.after(tx, rows.place_in(tx, occasion.name) or 0, "", _EVENTS)
    for record_id in dict.fromkeys(event.name for event in events if in_sample(event.name, percent)):
        finished = occasion.finished(tx, context.region, record_id)
        if finished is not None:
            inviting.request(tx, context, finished.asked, now, finished.traceparent)
    if events:
        rows.note_place(tx, occasion.name, events[-1].sequence)
    return len(events) == _EVENTS


def _come_back(tx: Transaction, due: datetime) -> None:
    set_timer(tx, SURVEY_TIMER, kind=SURVEY_TIMER, subject="", due=due)
