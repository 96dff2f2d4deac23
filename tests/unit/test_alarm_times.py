"""An alarm that a stream dates ahead is followed by true reports outside the stream, and by no earlier ones."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.api.federation.v1.problem_pb2 import PERCEIVED_SEVERITY_CRITICAL, PERCEIVED_SEVERITY_MAJOR
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState, AlarmType, NetworkObject
from gateway.api.region.v1.alarm_service_pb2 import AlarmReport
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.time.clock import MAX_CLOCK_ERROR, from_timestamp, to_timestamp
from region_node.network.measurements import alarms
from region_node.network.measurements.alarm_rows import find_alarm
from region_node.network.measurements.streams import Piece
from region_node.node.context import RegionContext
from tests.unit.purging import Archive, archive
from tests.unit.test_fault_operations import START

MINUTE = timedelta(minutes=1)
SENDER = ("nms", "x")
RAISED, UPDATED, CLEARED = AlarmState.ALARM_STATE_RAISED, AlarmState.ALARM_STATE_UPDATED, AlarmState.ALARM_STATE_CLEARED


def report(state: AlarmState.ValueType, at: datetime) -> AlarmReport:
    """A report about a link. An update makes it less severe."""
    return AlarmReport(
        external_id="a",
        state=state,
        alarmed_object=NetworkObject(link="chengdu-guangzhou-1"),
        alarm_type=AlarmType.ALARM_TYPE_COMMUNICATIONS,
        perceived_severity=PERCEIVED_SEVERITY_MAJOR if state == UPDATED else PERCEIVED_SEVERITY_CRITICAL,
        probable_cause="lossOfSignal",
        event_time=to_timestamp(at),
    )


def by_stream(node: Archive, state: AlarmState.ValueType, at: datetime, ahead: timedelta) -> None:
    """A stream brings a report, by a clock that is ahead."""
    assert not alarms.take(node.tx, node.context, SENDER, Piece(0, [report(state, at + ahead)]), at)


def by_call(node: Archive, state: AlarmState.ValueType, at: datetime, now: datetime) -> Alarm:
    """A report outside the stream; returns the alarm after it."""
    return alarms.report_one(node.tx, node.context, SENDER, report(state, at), now)


@pytest.mark.parametrize("states", [[RAISED], [RAISED, UPDATED], [RAISED, CLEARED]], ids=["raised", "updated", "ended"])
@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=1)], ids=["true", "ahead"])
def test_a_later_report_outside_the_stream_is_taken_and_an_earlier_one_changes_nothing(
    states: list[AlarmState.ValueType], ahead: timedelta
) -> None:
    with archive() as node:
        for minutes, state in enumerate(states):
            by_stream(node, state, START + minutes * MINUTE, ahead)
        last = START + (len(states) - 1) * MINUTE
        follows = RAISED if states[-1] == CLEARED else CLEARED
        known = by_call(node, follows, last - MINUTE, last + MINUTE)
        assert known.state == states[-1]
        assert from_timestamp(known.raise_time) == START, "the time of its receipt"
        assert by_call(node, follows, last + MINUTE, last + MINUTE).state == follows


def test_a_clock_that_is_ahead_by_as_much_as_clocks_may_be_gives_the_time_of_its_events() -> None:
    with archive() as node:
        by_stream(node, RAISED, START, MAX_CLOCK_ERROR)
        known = by_call(node, CLEARED, START, START)
        assert (known.state, from_timestamp(known.raise_time)) == (RAISED, START + MAX_CLOCK_ERROR)


def test_a_stream_refuses_an_event_more_than_an_hour_ahead_and_takes_the_others() -> None:
    with archive() as node:
        piece = Piece(0, [report(RAISED, START + timedelta(hours=1) + MINUTE), report(RAISED, START)])
        (rejected,) = alarms.take(node.tx, node.context, SENDER, piece, START)
        assert rejected.refused.parameters["field"] == "event_time"
        assert from_timestamp(by_call(node, UPDATED, START - MINUTE, START).raise_time) == START


def unconfigured(node: Archive) -> RegionContext:
    """The region of a node before it has the configuration."""
    border = node.context.border
    return RegionContext(Border(border.region, border.signer, border.keys, CurrentFederation()))


def test_a_report_that_comes_before_the_configuration_is_taken_later() -> None:
    with archive() as node:
        by_stream(node, RAISED, START, timedelta(0))
        waiting = unconfigured(node)
        for state in (CLEARED, RAISED):
            with pytest.raises(Refused) as refused:
                alarms.take(node.tx, waiting, SENDER, Piece(2, [report(state, START + MINUTE)]), START + MINUTE)
            assert refused.value.reason == Reason.REASON_CONFIGURATION_MISSING


@pytest.mark.parametrize(
    "act",
    [
        lambda tx, context, name: alarms.report_one(
            tx, context, SENDER, report(CLEARED, START + MINUTE), START + MINUTE
        ),
        lambda tx, context, name: alarms.acknowledge(tx, context, [name], "zhao", START + MINUTE),
        lambda tx, context, name: alarms.clear(tx, context, [name], "zhao", START + MINUTE),
    ],
    ids=["reported cleared", "acknowledged", "cleared by staff"],
)
def test_an_alarm_that_is_changed_before_the_configuration_is_refused_unchanged_and_changed_after_it(
    act: Callable[[Transaction, RegionContext, str], object], tmp_path: Path
) -> None:
    async def scenario(node: Archive) -> None:
        store = SqliteStore(tmp_path / "node.db", migrations_of("gateway", "region_node"))
        first = report(RAISED, START)
        there = await store.write(lambda tx: alarms.report_one(tx, node.context, SENDER, first, START))
        waiting = unconfigured(node)
        with pytest.raises(Refused) as refused:
            await store.write(lambda tx: act(tx, waiting, there.id))
        assert refused.value.reason == Reason.REASON_CONFIGURATION_MISSING
        assert await store.read(lambda tx: find_alarm(tx, there.id)) == there
        await store.write(lambda tx: act(tx, node.context, there.id))
        now = await store.read(lambda tx: find_alarm(tx, there.id))
        assert now is not None
        assert now.version == there.version + 1
        await store.close()

    with archive() as node:
        asyncio.run(scenario(node))
