"""The changes of alarms: each says all that it may have changed."""

import contextlib

from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.sqlite import SqliteTransaction
from region_node.network.measurements.alarm_feed import ALARM_FEED
from region_node.network.measurements.alarm_rows import keep
from region_node.records.watches import ChangeKind
from tests.empty_database import empty_database

CREATED, STATE, ATTRIBUTE = ChangeKind.CREATED, ChangeKind.STATE, ChangeKind.ATTRIBUTE


def test_an_alarm_that_was_raised_and_changed_since_was_created_too_and_one_known_before_was_not() -> None:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        tx = SqliteTransaction(connection, RegionKeys(KeySet.new()))

        def kinds(after: int) -> list[ChangeKind]:
            return [kind for change in ALARM_FEED.after(tx, after, "") for kind in change.kinds]

        alarm = Alarm(id="ALM-1", version=1)
        alarm.raise_time.GetCurrentTime()
        keep(tx, alarm)
        assert kinds(0) == [CREATED]
        alarm.version = 2
        keep(tx, alarm)
        assert (kinds(0), kinds(1)) == ([CREATED, ATTRIBUTE], [ATTRIBUTE])
        alarm.version, alarm.state = 3, AlarmState.ALARM_STATE_CLEARED
        alarm.clear_time.GetCurrentTime()
        keep(tx, alarm)
        assert (kinds(0), kinds(2)) == ([CREATED, STATE, ATTRIBUTE], [STATE, ATTRIBUTE])
