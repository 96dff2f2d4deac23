"""The changes of alarms, for watchers and listeners."""

from collections.abc import Sequence

from gateway.api.region.v1.alarm_pb2 import Alarm
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.network.measurements.alarm_rows import AlarmChange, changes_after, is_cleared, last_change
from region_node.records.watches import Change, ChangeKind, Feed

_AT_ONCE = 100  # changes that a watch reads at a time


def _changes_after(tx: Transaction, sequence: int, _name: str) -> list[Change[Alarm]]:
    """The alarms that changed after a change, each in its current state."""
    return [_told(each, sequence) for each in changes_after(tx, sequence, _AT_ONCE)]


def _told(change: AlarmChange, after: int) -> Change[Alarm]:
    alarm = change.alarm
    time = alarm.change_time if alarm.HasField("change_time") else alarm.raise_time
    return Change(change.number, alarm.id, alarm, _kinds(change, after), to_microseconds(from_timestamp(time)))


def _kinds(change: AlarmChange, after: int) -> Sequence[ChangeKind]:
    """What may have changed in an alarm after a change: of its changes the last one is kept alone."""
    is_first = change.alarm.version == 1
    created = (ChangeKind.CREATED,) if is_first or (change.first or 0) > after else ()
    state = (ChangeKind.STATE,) if is_cleared(change.alarm) else ()
    return (*created, *state, *(() if is_first else (ChangeKind.ATTRIBUTE,)))


ALARM_FEED = Feed(_changes_after, last_change)
