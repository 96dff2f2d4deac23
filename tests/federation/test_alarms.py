"""Alarms of the network: one for each trouble however often it is reported, seen by staff, watched as they change."""

from datetime import datetime, timedelta

import grpc
import pytest

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import AlarmAckState, AlarmState, NetworkObject
from gateway.api.region.v1.alarm_service_pb2_grpc import AlarmServiceStub
from gateway.time.clock import from_timestamp
from tests.federation.probe import LINK, MINUTE, Probe, cleared, raised, rejected, told_of
from tests.federation.refusals import read
from tests.federation.running import CALL_SECONDS, Federation

RAISED, UPDATED, CLEARED = AlarmState.ALARM_STATE_RAISED, AlarmState.ALARM_STATE_UPDATED, AlarmState.ALARM_STATE_CLEARED


@pytest.fixture
def probe(federation: Federation) -> Probe:
    return Probe(federation, "sichuan", federation.next_id())


@pytest.fixture
def now(federation: Federation) -> datetime:
    return federation.clock.now().replace(microsecond=0)


def staff(federation: Federation, name: str = "wang") -> AlarmServiceStub:
    return AlarmServiceStub(federation.dial_node("sichuan", f"region/sichuan/staff/{name}"))


async def test_a_trouble_is_one_alarm_from_its_beginning_to_its_end(probe: Probe, now: datetime) -> None:
    begun, over = now - 10 * MINUTE, now - MINUTE
    await probe.report(raised("x", begun), raised("x", begun))
    (alarm,) = await probe.alarms()
    assert alarm.id.startswith("sichuan/alarm-")
    assert (alarm.state, alarm.version, alarm.operator) == (RAISED, 1, "probe")
    assert "lines-chengdu-guangzhou" in alarm.affected_services
    worse = raised("x", begun, service_affecting=False)
    worse.perceived_severity = PerceivedSeverity.PERCEIVED_SEVERITY_MINOR
    await probe.report(worse, first=3)
    (changed,) = await probe.alarms()
    assert (changed.id, changed.state, changed.version) == (alarm.id, UPDATED, 2)
    assert not changed.service_affecting
    await probe.report(cleared("x", over), first=4)
    assert await probe.alarms() == []
    (ended,) = await probe.alarms(include_cleared=True)
    assert (ended.id, ended.state, from_timestamp(ended.clear_time)) == (alarm.id, CLEARED, over)
    assert from_timestamp(ended.raise_time) == begun


async def test_what_is_raised_again_after_its_end_is_another_alarm(probe: Probe, now: datetime) -> None:
    await probe.report(raised("x", now), cleared("x", now - MINUTE), raised("x", now))
    first, second = sorted(await probe.alarms(include_cleared=True), key=lambda each: each.state, reverse=True)
    assert first.id != second.id
    assert (second.state, first.state) == (RAISED, CLEARED)
    assert first.clear_time == first.raise_time, "it does not end before it began"


async def test_a_stream_that_is_resumed_raises_nothing_twice(probe: Probe, now: datetime) -> None:
    reports = [raised(f"x-{number}", now) for number in range(20)]
    await probe.report(*reports[:12], piece=5)
    answers = await probe.report(*reports, piece=5)
    assert [each.last_sequence for each in answers] == [12, 12, 12, 15, 20]
    assert len(await probe.alarms()) == 20
    assert {each.version for each in await probe.alarms()} == {1}


async def test_a_report_that_cannot_be_taken_is_told_and_the_rest_is_taken(probe: Probe, now: datetime) -> None:
    no_cause, elsewhere, no_time = raised("a", now), raised("b", now, link="beijing-tianjin-1"), raised("c", now)
    no_cause.probable_cause = "fibre cut, says Mr Wang"
    no_time.ClearField("event_time")
    nothing = raised("d", now)
    nothing.ClearField("alarmed_object")
    ahead = raised("e", now + timedelta(days=1))
    answers = await probe.report(no_cause, elsewhere, no_time, nothing, ahead, cleared("f", now), raised("g", now))
    assert rejected(answers) == [
        (1, "REQUEST_INVALID"),
        (2, "NETWORK_OBJECT_ELSEWHERE"),
        (3, "REQUEST_INVALID"),
        (4, "REQUEST_INVALID"),
        (5, "REQUEST_INVALID"),
        (6, "ALARM_NOT_FOUND"),
    ]
    assert ("not set" in told_of(answers, 3), "in the future" in told_of(answers, 5)) == (True, True)
    assert [each.external_id for each in await probe.alarms()] == ["g"]


async def test_alarms_are_listed_by_what_they_are_about_and_how_bad_they_are(probe: Probe, now: datetime) -> None:
    minor = raised("minor", now, link="chengdu-lhasa-1")
    minor.perceived_severity = PerceivedSeverity.PERCEIVED_SEVERITY_MINOR
    await probe.report(raised("critical", now), minor)

    async def ids(request: api.ListAlarmsRequest) -> set[str]:
        found = await probe.alarming.ListAlarms(request, timeout=CALL_SECONDS)
        return {each.external_id for each in found.alarms if each.source == probe.source}

    assert await ids(api.ListAlarmsRequest(alarmed_object=NetworkObject(link=LINK))) == {"critical"}
    major = PerceivedSeverity.PERCEIVED_SEVERITY_MAJOR
    assert await ids(api.ListAlarmsRequest(least_severity=major)) == {"critical"}
    first = await probe.alarming.ListAlarms(api.ListAlarmsRequest(page_size=1), timeout=CALL_SECONDS)
    second = await probe.alarming.ListAlarms(
        api.ListAlarmsRequest(page_size=1, page_token=first.next_page_token), timeout=CALL_SECONDS
    )
    assert [each.external_id for each in (*first.alarms, *second.alarms)] == ["minor", "critical"]


async def test_staff_say_once_that_they_have_seen_an_alarm(federation: Federation, probe: Probe, now: datetime) -> None:
    await probe.report(raised("x", now))
    (alarm,) = await probe.alarms(unacknowledged=True)
    request = api.AcknowledgeAlarmsRequest(alarm_ids=[alarm.id, alarm.id])
    seen = await staff(federation).AcknowledgeAlarms(request, timeout=CALL_SECONDS)
    again = await staff(federation, "li").AcknowledgeAlarms(request, timeout=CALL_SECONDS)
    assert again == seen
    (after,) = seen.alarms
    assert (after.ack_state, after.ack_user) == (AlarmAckState.ALARM_ACK_STATE_ACKNOWLEDGED, "wang")
    assert await probe.alarms(unacknowledged=True) == []
    rows = "SELECT actor FROM audit WHERE action = 'AcknowledgeAlarm' AND subject = ? ORDER BY sequence"
    assert federation.database("sichuan").rows(rows, alarm.id) == [
        ("region/sichuan/staff/wang",),
        ("region/sichuan/staff/li",),
    ]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await staff(federation).AcknowledgeAlarms(
            api.AcknowledgeAlarmsRequest(alarm_ids=[alarm.id, "sichuan/alarm-0"]), timeout=CALL_SECONDS
        )
    assert read(refused.value).reason == "ALARM_NOT_FOUND"


async def test_staff_end_an_alarm_of_which_no_system_says_that_it_is_over(
    federation: Federation, probe: Probe, now: datetime
) -> None:
    await probe.report(raised("gone", now), raised("there", now))
    gone = next(each for each in await probe.alarms() if each.external_id == "gone")
    request = api.ClearAlarmsRequest(alarm_ids=[gone.id])
    (over,) = (await staff(federation).ClearAlarms(request, timeout=CALL_SECONDS)).alarms
    assert (over.state, over.clear_user, over.version) == (CLEARED, "wang", gone.version + 1)
    again = await staff(federation, "li").ClearAlarms(request, timeout=CALL_SECONDS)
    assert list(again.alarms) == [over]
    assert [each.external_id for each in await probe.alarms()] == ["there"]
    rows = "SELECT actor FROM audit WHERE action = 'ClearAlarm' AND subject = ? ORDER BY sequence LIMIT 1"
    assert federation.database("sichuan").rows(rows, gone.id) == [("region/sichuan/staff/wang",)]
    await probe.report(raised("gone", now), first=3)
    assert {each.id for each in await probe.alarms() if each.external_id == "gone"} != {gone.id}


@pytest.mark.clause("5.2.2")
async def test_a_watch_tells_of_each_change_and_goes_on_after_its_token(
    federation: Federation, probe: Probe, now: datetime
) -> None:
    watch = probe.alarming.WatchAlarms(api.WatchAlarmsRequest(), timeout=CALL_SECONDS)
    begun = await anext(aiter(watch))
    assert not begun.HasField("alarm")
    await probe.report(raised("x", now))
    change = await anext(aiter(watch))
    assert (change.alarm.external_id, change.alarm.state) == ("x", RAISED)
    watch.cancel()
    await probe.report(cleared("x", now), first=2)
    resumed = probe.alarming.WatchAlarms(api.WatchAlarmsRequest(token=change.token), timeout=CALL_SECONDS)
    told = aiter(resumed)
    assert not (await anext(told)).HasField("alarm")
    assert (await anext(told)).alarm.state == CLEARED
    resumed.cancel()
