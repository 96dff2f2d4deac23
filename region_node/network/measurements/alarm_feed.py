"""The changes of alarms, for watchers and listeners."""

from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.network.measurements.alarm_rows import changes_after, last_change
from region_node.records.watches import Change, ChangeKind, Feed

_AT_ONCE = 100  # changes that a watch reads at a time


def _changes_after(tx: Transaction, sequence: int, _name: str) -> list[Change[Alarm]]:
    """The alarms that changed after a change, each in its current state."""
    return [_change(change, alarm) for change, alarm in changes_after(tx, sequence, _AT_ONCE)]


def _change(number: int, alarm: Alarm) -> Change[Alarm]:
    time = alarm.change_time if alarm.HasField("change_time") else alarm.raise_time
    return Change(number, alarm.id, alarm, _kind(alarm), to_microseconds(from_timestamp(time)))


def _kind(alarm: Alarm) -> ChangeKind:
    """What the last change of an alarm was."""
    if alarm.version == 1:
        return ChangeKind.CREATED
    return ChangeKind.STATE if alarm.state == AlarmState.ALARM_STATE_CLEARED else ChangeKind.ATTRIBUTE


ALARM_FEED = Feed(_changes_after, last_change)
