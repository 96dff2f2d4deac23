"""Measurements of the network: taken once however often they are sent, what they come to, and the alarms they raise."""

from datetime import datetime, timedelta

import grpc
import pytest

from gateway.api.coordinator.v1 import path_service_pb2 as paths
from gateway.api.coordinator.v1.path_service_pb2_grpc import PathServiceStub
from gateway.api.region.v1 import measurement_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import AlarmState, NetworkObject, QualityFigure
from gateway.api.region.v1.alarm_service_pb2 import ClearAlarmsRequest
from gateway.api.region.v1.alarm_service_pb2_grpc import AlarmServiceStub
from gateway.api.region.v1.measurement_service_pb2 import QualityPeriod
from gateway.errors import from_rpc_error, reason_name
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.network.measurements.thresholds import CLEAR_AFTER, RAISE_AFTER
from tests.federation.probe import LINK, MINUTE, Probe, measured, minutes, rejected, told_of
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.measurements_kept import measurements_of

HOUR = timedelta(hours=1)


@pytest.fixture
def probe(federation: Federation) -> Probe:
    return Probe(federation, "sichuan", federation.next_id())


@pytest.fixture
def hour(federation: Federation) -> datetime:
    """When the hour before the one that it is began; later for each test, so that none meets another's windows."""
    federation.clock.advance(2 * HOUR)
    return federation.clock.now().replace(minute=0, second=0, microsecond=0) - HOUR


def stored(federation: Federation, probe: Probe) -> list[api.Measurement]:
    with federation.sealing(probe.region).transaction() as tx:
        return measurements_of(tx, f"measurements probe {probe.source}")


async def summaries(probe: Probe, start: datetime, *, link: str) -> list[api.QualitySummary]:
    """The totals of the hour."""
    request = api.ListQualityRequest(
        object=NetworkObject(link=link),
        period=QualityPeriod.QUALITY_PERIOD_HOUR,
        start_time=to_timestamp(start),
        end_time=to_timestamp(start + HOUR - MINUTE),
    )
    return list((await probe.measuring.ListQuality(request, timeout=CALL_SECONDS)).summaries)


async def test_measurements_are_acknowledged_in_pieces_and_kept_as_they_came(
    federation: Federation, probe: Probe, hour: datetime
) -> None:
    told = [measured(hour + MINUTE * number, delay=number, throughput=5) for number in range(60)]
    answers = await probe.send(told, piece=25)
    assert [each.last_sequence for each in answers] == [0, 25, 50, 60]
    assert stored(federation, probe) == told


async def test_a_stream_that_is_cut_and_resumed_loses_and_doubles_nothing(
    federation: Federation, probe: Probe, hour: datetime
) -> None:
    told = [measured(hour + MINUTE * (number % 60), link="chengdu-lhasa-1", delay=number) for number in range(1000)]
    acknowledged = await probe.send_until_cut(told, answers=3, piece=50)
    assert 0 < acknowledged < 1000
    (known, *_) = await probe.send([])
    assert known.last_sequence >= acknowledged
    answers = await probe.send(told, piece=70)
    assert answers[-1].last_sequence == 1000
    assert stored(federation, probe) == told
    (summary,) = await summaries(probe, hour, link="chengdu-lhasa-1")
    assert [(each.figure, each.count, each.minimum, each.maximum) for each in summary.figures] == [
        (QualityFigure.QUALITY_FIGURE_DELAY, 1000, 0, 999)
    ]
    assert abs(summary.figures[0].percentile_95 - 949) <= 10


async def test_what_is_missing_before_a_piece_is_asked_for(probe: Probe, hour: datetime) -> None:
    await probe.send(minutes(hour, 3))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await probe.send(minutes(hour, 3), first=5)
    refused = from_rpc_error(raised.value)
    assert refused is not None
    assert reason_name(refused.reason) == "STREAM_OUT_OF_ORDER"
    assert refused.parameters == {"expected": "4", "sequence": "5"}
    answers = await probe.send(minutes(hour, 5)[2:], first=3)
    assert answers[-1].last_sequence == 5


async def test_what_cannot_be_taken_is_told_and_the_rest_is_taken(
    federation: Federation, probe: Probe, hour: datetime
) -> None:
    good = measured(hour)
    told = [
        measured(hour, link="none"),
        good,
        measured(hour, link="beijing-tianjin-1"),
        measured(hour + 100 * HOUR),
        measured(hour, delay=None),
        measured(hour, delay=-1),
        api.Measurement(start_time=to_timestamp(hour), window_seconds=60, delay_us=1),
    ]
    answers = await probe.send(told)
    assert rejected(answers) == [
        (1, "LINK_UNKNOWN"),
        (3, "NETWORK_OBJECT_ELSEWHERE"),
        (4, "REQUEST_INVALID"),
        (5, "REQUEST_INVALID"),
        (6, "REQUEST_INVALID"),
        (7, "REQUEST_INVALID"),
    ]
    assert "in the future" in told_of(answers, 4)
    assert answers[-1].last_sequence == 7
    assert stored(federation, probe) == [good]


async def test_two_streams_of_a_system_are_numbered_apart(federation: Federation, probe: Probe, hour: datetime) -> None:
    other = Probe(federation, "sichuan", federation.next_id())
    assert [each.last_sequence for each in await probe.send(minutes(hour, 2))] == [0, 2]
    assert [each.last_sequence for each in await other.send(minutes(hour, 3))] == [0, 3]


async def test_hours_add_up_to_their_month(federation: Federation, probe: Probe, hour: datetime) -> None:
    link = "chengdu-songpan-1"
    await probe.send([measured(hour, link=link, delay=100), measured(hour + HOUR, link=link, delay=300)])
    request = api.ListQualityRequest(
        object=NetworkObject(link=link),
        period=QualityPeriod.QUALITY_PERIOD_MONTH,
        start_time=to_timestamp(hour - timedelta(days=40)),
        end_time=to_timestamp(hour + HOUR),
    )
    answer = await probe.measuring.ListQuality(request, timeout=CALL_SECONDS)
    assert [each.figures[0].maximum for each in answer.summaries][-1] == 300
    assert sum(each.figures[0].count for each in answer.summaries) == 2
    assert answer.capacity_mbps == 10_000


@pytest.mark.clause("5.1.1", "11.3")
async def test_a_link_over_its_class_raises_one_alarm_and_clears_it_later(
    federation: Federation, probe: Probe, hour: datetime
) -> None:
    thresholds = Probe(federation, "sichuan", "threshold")
    slow, fast = 150_000, 20_000
    noise = [99_000, 101_000, 95_000, 101_000, 99_000]
    values = [slow] * RAISE_AFTER + noise + [fast] * CLEAR_AFTER
    told = [measured(hour + MINUTE * number, delay=value) for number, value in enumerate(values)]
    await probe.send(told[:-1], piece=2)
    (alarm,) = await thresholds.alarms()
    assert alarm.alarmed_object == NetworkObject(link=LINK)
    assert (alarm.crossed_threshold.bound, alarm.crossed_threshold.value) == (100_000, slow)
    assert alarm.crossed_threshold.quality_class == "y1541-0"
    assert "lines-chengdu-guangzhou" in alarm.affected_services
    assert from_timestamp(alarm.raise_time) == hour + MINUTE * (RAISE_AFTER - 1)
    await probe.send(told)
    assert await thresholds.alarms() == []
    (over,) = [each for each in await thresholds.alarms(include_cleared=True) if each.id == alarm.id]
    assert over.state == AlarmState.ALARM_STATE_CLEARED
    assert from_timestamp(over.clear_time) == hour + MINUTE * (len(values) - 1)


async def test_what_is_still_over_its_class_raises_another_alarm_after_staff_have_ended_the_first(
    federation: Federation, probe: Probe, hour: datetime
) -> None:
    thresholds, staff = Probe(federation, "sichuan", "threshold"), "region/sichuan/staff/wang"
    told = [measured(hour + MINUTE * number, delay=150_000) for number in range(2 * RAISE_AFTER)]
    await probe.send(told[:RAISE_AFTER])
    (first,) = await thresholds.alarms()
    request = ClearAlarmsRequest(alarm_ids=[first.id])
    await AlarmServiceStub(federation.dial_node("sichuan", staff)).ClearAlarms(request, timeout=CALL_SECONDS)
    await probe.send(told[:-1])
    assert await thresholds.alarms() == []
    await probe.send(told)
    (second,) = await thresholds.alarms()
    assert second.id != first.id


@pytest.mark.clause("5.1.3")
async def test_the_coordinator_counts_paths_by_what_is_measured_and_leaves_out_what_is_down(
    federation: Federation, probe: Probe, hour: datetime
) -> None:
    service = PathServiceStub(federation.dial_coordinator("admin/root"))
    request = paths.FindPathsRequest(start="chengdu", end="lhasa")
    link = "chengdu-lhasa-1"
    now = hour + HOUR
    await probe.send([measured(now, link=link, delay=7_000, availability=1_000_000)])
    found = await service.FindPaths(request, timeout=CALL_SECONDS)
    (hop,) = found.paths.best.hops
    assert (hop.link, hop.measured) == (link, True)
    down = [measured(now + MINUTE * number, link=link, delay=None, availability=0) for number in range(1, 4)]
    await probe.send(down, first=2)
    found = await service.FindPaths(request, timeout=CALL_SECONDS)
    assert list(found.down) == [link]
    assert link not in [each.link for each in found.paths.best.hops]
    up = [measured(now + MINUTE * number, link=link, availability=1_000_000) for number in range(4, 9)]
    await probe.send(up, first=5)

    async def is_up() -> bool:
        return not (await service.FindPaths(request, timeout=CALL_SECONDS)).down

    await until(is_up, "the link counts as up again")
