"""The changes of alarms, for watchers and listeners."""

from collections.abc import Sequence

from gateway.api.region.v1.alarm_pb2 import Alarm
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.network.measurements.alarm_rows import AlarmChange, changes_after, is_cleared, last_change
from region_node.records.watches import Change, ChangeKind, Feed

_AT_ONCE = 100  # changes that a watch reads at a time


def _changes_after(tx: Transaction, sequence: int, _name: str) -> list[Change[Alarm]]:
    """The creations and last changes of alarms after a change, each with the alarm in its current state."""
    return [_told(each) for each in changes_after(tx, sequence, _AT_ONCE)]


def _told(change: AlarmChange) -> Change[Alarm]:
    alarm = change.alarm
    time = alarm.raise_time if change.is_creation else alarm.change_time
    return Change(change.number, alarm.id, alarm, _kinds(change), to_microseconds(from_timestamp(time)))


def _kinds(change: AlarmChange) -> Sequence[ChangeKind]:
    """What may have changed: of the changes since the creation the last one is kept alone."""
    if change.is_creation:
        return (ChangeKind.CREATED,)
    return (ChangeKind.STATE, ChangeKind.ATTRIBUTE) if is_cleared(change.alarm) else (ChangeKind.ATTRIBUTE,)


ALARM_FEED = Feed(_changes_after, last_change)
