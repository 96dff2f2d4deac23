"""The changes of alarms: each says all that it may have changed."""

import contextlib
from collections.abc import Iterator, Sequence

import pytest

from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.port import Transaction
from gateway.store.sqlite import SqliteTransaction
from region_node.network.measurements.alarm_feed import ALARM_FEED
from region_node.network.measurements.alarm_rows import changes_after, keep
from region_node.records.watches import ChangeKind
from tests.empty_database import empty_database
from tests.unit.purging import archive
from tests.unit.test_lists import work_of

CREATED, STATE, ATTRIBUTE = ChangeKind.CREATED, ChangeKind.STATE, ChangeKind.ATTRIBUTE


def raised(tx: Transaction, alarm_id: str) -> Alarm:
    alarm = Alarm(id=alarm_id, external_id=alarm_id, version=1)
    alarm.raise_time.GetCurrentTime()
    keep(tx, alarm)
    return alarm


def change(tx: Transaction, alarm: Alarm) -> None:
    alarm.version += 1
    alarm.change_time.GetCurrentTime()
    keep(tx, alarm)


@pytest.fixture(name="tx")
def a_transaction() -> Iterator[Transaction]:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield SqliteTransaction(connection, RegionKeys(KeySet.new()))


def told(tx: Transaction, after: int) -> list[tuple[str, Sequence[ChangeKind]]]:
    return [(each.name, each.kinds) for each in ALARM_FEED.after(tx, after, "")]


def test_an_alarm_that_was_raised_and_changed_since_was_created_too_and_one_known_before_was_not(
    tx: Transaction,
) -> None:
    alarm = raised(tx, "ALM-1")
    assert told(tx, 0) == [("ALM-1", (CREATED,))]
    change(tx, alarm)
    assert told(tx, 0) == [("ALM-1", (CREATED,)), ("ALM-1", (ATTRIBUTE,))]
    assert told(tx, 1) == [("ALM-1", (ATTRIBUTE,))]
    alarm.state = AlarmState.ALARM_STATE_CLEARED
    alarm.clear_time.GetCurrentTime()
    change(tx, alarm)
    assert told(tx, 0) == [("ALM-1", (CREATED,)), ("ALM-1", (STATE, ATTRIBUTE))]
    assert told(tx, 2) == [("ALM-1", (STATE, ATTRIBUTE))]


def test_a_reader_that_stops_after_any_change_is_told_once_of_each_alarm_that_it_was_created(tx: Transaction) -> None:
    alarms = [raised(tx, f"ALM-{number}") for number in range(120)]
    for alarm in alarms[::2]:
        change(tx, alarm)
    created, place = list[str](), 0
    while changes := ALARM_FEED.after(tx, place, ""):
        place = changes[0].sequence
        if CREATED in changes[0].kinds:
            created.append(changes[0].name)
        if len(created) == 60 and alarms[-1].version == 1:
            change(tx, alarms[-1])
            change(tx, alarms[1])
    assert created == [each.id for each in alarms]


def test_a_reader_looks_at_as_few_rows_before_a_storm_of_alarms_that_have_not_changed_since() -> None:
    with archive() as kept:

        def work() -> int:
            return work_of(kept, lambda: changes_after(kept.tx, 0, 10))

        for number in range(20):
            raised(kept.tx, f"ALM-{number}")
        few = work()
        for number in range(20, 400):
            raised(kept.tx, f"ALM-{number}")
        assert work() < 2 * few
