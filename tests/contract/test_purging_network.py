"""The purge of measurements and alarms, on SQLite and on PostgreSQL."""

from datetime import UTC, datetime, timedelta

from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState, NetworkObject, QualityFigure
from gateway.api.region.v1.measurement_service_pb2 import Measurement, QualityPeriod
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.lifecycle.holds.operations import held_now
from region_node.network.measurements.alarm_rows import AlarmFilter, keep, list_alarms
from region_node.network.measurements.measurement_rows import DAY, HOUR, add_totals, insert_piece
from region_node.network.measurements.purging import Alarms, MeasurementDays, MeasurementHours, Measurements
from region_node.network.measurements.quality import summaries
from region_node.network.measurements.streams import Piece, position, take_once
from region_node.network.measurements.totals import Totals
from region_node.records.purging.port import Cut, Purger
from tests.contract.test_purging import a_transaction as a_transaction
from tests.measurements_kept import measurements_of

START = datetime(2026, 11, 1, tzinfo=UTC)
FIRST = to_microseconds(START)
LINK = "link/chengdu-guangzhou-1"
DELAY = QualityFigure.QUALITY_FIGURE_DELAY


def purge(tx: Transaction, purger: Purger, before: int) -> int:
    """Everything of a class that ended before an instant, in small pages."""
    removed, place = 0, ""
    while True:
        page = purger.page(tx, Cut(before, held_now(tx, (), START), 7, START), place)
        removed, place = removed + page.removed, page.place
        if not place:
            return removed


def test_pieces_go_by_when_they_ended(tx: Transaction) -> None:
    for number in range(20):
        insert_piece(tx, "s", number + 1, [Measurement(link="x", delay_us=number)], FIRST + number * HOUR)
    assert purge(tx, Measurements(), FIRST + 15 * HOUR) == 15
    assert [each.delay_us for each in measurements_of(tx, "s")] == [15, 16, 17, 18, 19]
    assert Measurements().oldest(tx) == FIRST + 15 * HOUR


def test_hours_go_into_their_days_and_each_measurement_is_counted_once(tx: Transaction) -> None:
    for number in range(60):
        add_totals(tx, "measurement_hours", {(LINK, FIRST + number * HOUR): {DELAY: Totals.of([number, number])}})

    def days() -> list[tuple[int, int, int]]:
        told = summaries(tx, LINK, QualityPeriod.QUALITY_PERIOD_DAY, FIRST, FIRST + 3 * DAY)
        return [(each.figures[0].count, each.figures[0].minimum, each.figures[0].maximum) for each in told]

    before = days()
    assert before == [(48, 0, 23), (48, 24, 47), (24, 48, 59)]
    assert purge(tx, MeasurementHours(), FIRST + 30 * HOUR) == 30
    assert days() == before
    add_totals(tx, "measurement_hours", {(LINK, FIRST): {DELAY: Totals.of([1_000])}})
    assert purge(tx, MeasurementHours(), FIRST + 30 * HOUR) == 1
    assert days()[0] == (49, 0, 1_000)
    assert purge(tx, MeasurementDays(), FIRST + DAY) == 1
    assert [count for count, _, _ in days()] == [48, 24]


def test_how_far_a_stream_was_goes_with_the_days_of_its_last_piece(tx: Transaction) -> None:
    for number in range(20):
        piece, time = Piece(1, [Measurement()]), FIRST + number * DAY
        take_once(tx, f"measurements probe {number}", piece, lambda tx, piece: (), time)
    assert purge(tx, MeasurementDays(), FIRST + 10 * DAY) == 10
    assert [position(tx, f"measurements probe {number}") for number in (9, 10)] == [0, 1]


def test_alarms_go_once_they_are_over_for_long_enough_and_never_while_they_are_there(tx: Transaction) -> None:
    for number in range(20):
        alarm = Alarm(
            id=f"sichuan/alarm-{number}",
            external_id=str(number),
            alarmed_object=NetworkObject(link="chengdu-guangzhou-1"),
            state=AlarmState.ALARM_STATE_RAISED,
        )
        if number % 2:
            alarm.state = AlarmState.ALARM_STATE_CLEARED
            alarm.clear_time.CopyFrom(to_timestamp(START + timedelta(hours=number)))
        keep(tx, alarm)
    assert purge(tx, Alarms(), FIRST + 10 * HOUR) == 5
    left = list_alarms(tx, AlarmFilter(include_cleared=True), None, 50).items
    assert len(left) == 15
    assert len([each for each in left if each.state == AlarmState.ALARM_STATE_RAISED]) == 10
