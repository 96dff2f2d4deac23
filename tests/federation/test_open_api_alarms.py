"""New alarms of TMF642 at a real node: the same alarms as by a stream, once, whatever comes twice or late."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

import pytest

from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import AlarmState, NetworkObject
from gateway.time.clock import MAX_CLOCK_ERROR, to_timestamp
from tests.federation.probe import LINK, MINUTE, Probe, cleared, raised
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.web_caller import WebAnswer, WebCaller, below, web_caller

ALARMS = "/tmf-api/alarm/v4/alarm"


@pytest.fixture
def probe(federation: Federation) -> Probe:
    """A system that has alarms, with a stream of its own."""
    return Probe(federation, "guangdong", federation.next_id())


@pytest.fixture
def web(federation: Federation) -> WebCaller:
    """The same system, speaking HTTP."""
    return web_caller(federation, "region/guangdong/operator/probe", {})


@pytest.fixture
def now(federation: Federation) -> datetime:
    return federation.clock.now().replace(microsecond=0)


def new_alarm(source: str, time: datetime, **changed: object) -> dict[str, object]:
    """A new alarm with the attributes that TM Forum requires, and no other."""
    return {
        "alarmType": "communicationsAlarm",
        "perceivedSeverity": "critical",
        "probableCause": "lossOfSignal",
        "alarmedObject": {"id": LINK},
        "sourceSystemId": source,
        "alarmRaisedTime": time.isoformat(),
        "state": "raised",
        **changed,
    }


async def made(web: WebCaller, body: Mapping[str, object], **headers: str) -> WebAnswer:
    """The answer to a new alarm that the node has taken."""
    answer = await web.ask("POST", ALARMS, body, **headers)
    assert answer.status == HTTPStatus.CREATED, answer.text
    return answer


async def test_a_new_alarm_with_what_tm_forum_requires_is_an_alarm_of_its_system(
    web: WebCaller, probe: Probe, now: datetime
) -> None:
    body = new_alarm(probe.source, now)
    first, again = await made(web, body), await made(web, body)
    (found,) = await probe.alarms()
    assert first.headers["location"] == first.body["href"] == below(ALARMS, found.id)
    assert again.body == first.body == (await web.ask("GET", below(ALARMS, found.id))).body
    assert {each for each in body if each not in first.body} == set()
    assert (found.version, found.operator, found.alarmed_object) == (1, "probe", NetworkObject(link=LINK))
    assert (first.body["sourceSystemId"], first.body["reportingSystemId"]) == (probe.source, "probe")


async def test_an_alarm_by_http_is_changed_and_cleared_by_a_stream_and_the_other_way_round(
    web: WebCaller, probe: Probe, now: datetime
) -> None:
    begun = now - 10 * MINUTE
    made_here = await made(web, new_alarm(probe.source, begun, externalAlarmId="x"))
    await probe.report(cleared("x", now), raised("y", begun))
    ended = (await web.ask("GET", below(ALARMS, str(made_here.body["id"])))).body
    assert ended["state"] == "cleared"
    worse = new_alarm(probe.source, begun, externalAlarmId="y", state="updated", perceivedSeverity="minor")
    changed = await made(web, {**worse, "alarmChangedTime": now.isoformat()})
    (there,) = await probe.alarms()
    assert (changed.body["id"], changed.body["state"]) == (there.id, "updated")
    over = new_alarm(probe.source, begun, externalAlarmId="y", state="cleared", alarmClearedTime=now.isoformat())
    assert (await made(web, over)).body["state"] == "cleared"
    assert await probe.alarms() == []


async def test_what_comes_twice_or_late_changes_nothing_and_is_answered_with_the_alarm(
    web: WebCaller, probe: Probe, now: datetime
) -> None:
    begun, later, over = now - 10 * MINUTE, now - 5 * MINUTE, now - MINUTE
    raise_ = new_alarm(probe.source, begun)
    update = {**raise_, "state": "updated", "perceivedSeverity": "minor", "alarmChangedTime": later.isoformat()}
    late = {**update, "perceivedSeverity": "major", "alarmChangedTime": (later - MINUTE).isoformat()}
    clear = {**raise_, "state": "cleared", "perceivedSeverity": "cleared", "alarmClearedTime": over.isoformat()}
    early = {**clear, "alarmClearedTime": (begun - MINUTE).isoformat()}
    changed = None
    for body in (raise_, update, raise_, late, early, update):
        changed = await made(web, body, Idempotency_Key="x")
    assert changed is not None
    assert (changed.body["perceivedSeverity"], changed.body["state"]) == ("minor", "updated")
    for body in (clear, update, raise_, clear):
        assert (await made(web, body, Idempotency_Key="x")).body["state"] == "cleared"
    (found,) = await probe.alarms(include_cleared=True)
    assert (found.external_id, found.version) == ("x", 3)
    anew = await made(web, new_alarm(probe.source, now), Idempotency_Key="x")
    assert (anew.body["id"] != found.id, anew.body["state"]) == (True, "raised")


async def test_an_event_after_the_last_one_of_an_alarm_that_staff_cleared_raises_another(
    federation: Federation, web: WebCaller, probe: Probe, now: datetime
) -> None:
    first = await made(web, new_alarm(probe.source, now - 2 * MINUTE))
    staff = web_caller(federation, "region/guangdong/staff/wang", {})
    await staff.ask("PATCH", below(ALARMS, str(first.body["id"])), {"state": "cleared"})
    assert (await made(web, new_alarm(probe.source, now - 2 * MINUTE))).body["state"] == "cleared"
    assert (await made(web, new_alarm(probe.source, now - MINUTE))).body["state"] == "raised"


@pytest.fixture
def staff(federation: Federation) -> WebCaller:
    """A member of staff of the network."""
    return web_caller(federation, "region/guangdong/staff/wang", {})


def raising(source: str, time: datetime, **changed: object) -> dict[str, object]:
    """A new alarm of the name `x`."""
    return new_alarm(source, time, externalAlarmId="x", **changed)


def updating(source: str, time: datetime, severity: str = "critical") -> dict[str, object]:
    """An update of `raising`; by itself it changes nothing that is shown."""
    return raising(source, time, state="updated", alarmChangedTime=time.isoformat(), perceivedSeverity=severity)


def clearing(source: str, time: datetime) -> dict[str, object]:
    """The clear of `raising`."""
    return raising(source, time, state="cleared", alarmClearedTime=time.isoformat())


async def test_a_cleared_alarm_that_staff_acknowledge_hides_no_open_one_of_its_name(
    federation: Federation, web: WebCaller, staff: WebCaller, probe: Probe, now: datetime
) -> None:
    old = await made(web, raising(probe.source, now - 9 * MINUTE))
    await made(web, clearing(probe.source, now - 8 * MINUTE))
    there = await made(web, raising(probe.source, now - 7 * MINUTE))
    await staff.ask("PATCH", below(ALARMS, str(old.body["id"])), {"ackState": "acknowledged"})
    unnumbered = f"UPDATE alarms SET first_change = NULL WHERE alarm_id = '{there.body['id']}'"
    federation.database("guangdong").change(unnumbered)  # as a process of a version before creations were numbered
    repeated = await made(web, raising(probe.source, now - 7 * MINUTE))
    late = await made(web, updating(probe.source, now - 8 * MINUTE, "minor"))
    assert repeated.body == late.body == there.body
    over = await made(web, clearing(probe.source, now - 6 * MINUTE))
    assert (over.body["id"], over.body["state"]) == (there.body["id"], "cleared")


async def test_an_acknowledged_alarm_is_not_taken_for_the_one_that_was_created_last(
    web: WebCaller, staff: WebCaller, probe: Probe, now: datetime
) -> None:
    old = await made(web, raising(probe.source, now - 9 * MINUTE))
    await made(web, clearing(probe.source, now - 8 * MINUTE))
    await made(web, raising(probe.source, now - 7 * MINUTE))
    last = await made(web, clearing(probe.source, now - 6 * MINUTE))
    await staff.ask("PATCH", below(ALARMS, str(old.body["id"])), {"ackState": "acknowledged"})
    assert (await made(web, raising(probe.source, now - 7 * MINUTE))).body == last.body


async def test_an_event_without_a_visible_change_is_known_and_notifies_nobody(
    web: WebCaller, staff: WebCaller, probe: Probe, now: datetime
) -> None:
    first = await made(web, raising(probe.source, now - 9 * MINUTE))
    seen = await made(web, updating(probe.source, now - 5 * MINUTE))
    late = await made(web, updating(probe.source, now - 6 * MINUTE, "minor"))
    assert first.body == seen.body == late.body
    await staff.ask("PATCH", below(ALARMS, str(first.body["id"])), {"state": "cleared"})
    assert (await made(web, updating(probe.source, now - 5 * MINUTE))).body["state"] == "cleared"
    await made(web, clearing(probe.source, now - 3 * MINUTE))
    assert (await made(web, updating(probe.source, now - 4 * MINUTE))).body["state"] == "cleared"
    (found,) = await probe.alarms(include_cleared=True)
    assert found.version == 2


async def test_an_event_ahead_of_the_clock_is_refused_and_true_ones_after_it_are_taken(
    web: WebCaller, probe: Probe, now: datetime
) -> None:
    await made(web, raising(probe.source, now - MINUTE))
    ahead = now + MAX_CLOCK_ERROR + MINUTE
    refused = await web.ask("POST", ALARMS, updating(probe.source, ahead, "minor"))
    assert (refused.status, refused.body["code"]) == (HTTPStatus.BAD_REQUEST, "REQUEST_INVALID")
    assert (await made(web, updating(probe.source, now, "major"))).body["perceivedSeverity"] == "major"
    assert (await made(web, clearing(probe.source, now))).body["state"] == "cleared"


async def test_of_events_at_one_time_a_raise_follows_a_clear_and_no_update_follows_another_one(
    web: WebCaller, probe: Probe, now: datetime
) -> None:
    begun, then = now - 2 * MINUTE, now - MINUTE
    first = await made(web, raising(probe.source, begun))
    assert (await made(web, updating(probe.source, then, "minor"))).body["perceivedSeverity"] == "minor"
    assert (await made(web, updating(probe.source, then, "major"))).body["perceivedSeverity"] == "minor"
    assert (await made(web, clearing(probe.source, then))).body["state"] == "cleared"
    assert (await made(web, updating(probe.source, then))).body["state"] == "cleared"
    anew = await made(web, raising(probe.source, then))
    assert (anew.body["id"] != first.body["id"], anew.body["state"]) == (True, "raised")
    assert (await made(web, clearing(probe.source, then))).body["id"] == anew.body["id"]
    assert (await made(web, raising(probe.source, then))).body["state"] == "cleared"


async def test_an_update_that_an_older_process_took_is_followed_by_later_events_alone(
    federation: Federation, web: WebCaller, probe: Probe, now: datetime
) -> None:
    await made(web, raising(probe.source, now - 9 * MINUTE))
    await made(web, updating(probe.source, now - 5 * MINUTE, "minor"))
    (alarm,) = await probe.alarms()
    alarm.ClearField("event_time")
    alarm.change_time.CopyFrom(to_timestamp(now - 5 * MINUTE))
    database = federation.database("guangdong")
    body = database.blob(alarm.SerializeToString())
    database.change(f"UPDATE alarms SET body = {body} WHERE alarm_id = '{alarm.id}'")
    late = await made(web, updating(probe.source, now - 6 * MINUTE, "major"))
    assert late.body["perceivedSeverity"] == "minor"
    later = await made(web, updating(probe.source, now - 4 * MINUTE, "major"))
    assert later.body["perceivedSeverity"] == "major"


async def test_an_alarm_is_cleared_without_its_object_and_without_the_kind_of_it(
    web: WebCaller, probe: Probe, now: datetime
) -> None:
    await made(web, raising(probe.source, now - MINUTE))
    over = await made(web, {**clearing(probe.source, now), "alarmedObject": {"id": "removed"}})
    assert over.body["state"] == "cleared"
    nameless = new_alarm(probe.source, now - MINUTE)
    first = await made(web, {**nameless, "alarmedObjectType": "link"})
    ended = await made(web, {**nameless, "state": "cleared", "alarmClearedTime": now.isoformat()})
    assert (ended.body["id"], ended.body["state"]) == (first.body["id"], "cleared")


async def test_both_doors_refuse_an_alarm_for_the_same_reasons(
    federation: Federation, web: WebCaller, probe: Probe, now: datetime
) -> None:
    report = raised("x", now)
    report.ClearField("alarmed_object")
    for name, state, code in (
        ("nowhere", AlarmState.ALARM_STATE_RAISED, "NETWORK_OBJECT_UNKNOWN"),
        ("beijing-tianjin-1", AlarmState.ALARM_STATE_RAISED, "NETWORK_OBJECT_ELSEWHERE"),
        (LINK, AlarmState.ALARM_STATE_CLEARED, "ALARM_NOT_FOUND"),
    ):
        report.state = state
        request = api.ReportAlarmRequest(source=probe.source, report=report, object_id=name)
        told = await refusal(probe.alarming.ReportAlarm(request, timeout=CALL_SECONDS))
        body = new_alarm(probe.source, now, externalAlarmId="x", alarmedObject={"id": name})
        if state == AlarmState.ALARM_STATE_CLEARED:
            body |= {"state": "cleared", "alarmClearedTime": now.isoformat()}
        refused = await web.ask("POST", ALARMS, body)
        assert (refused.body["code"], refused.body["reason"]) == (told.reason, told.texts["en"])
        assert told.reason == code
    stranger = web_caller(federation, "region/henan/operator/probe", {})
    denied = await stranger.ask("POST", ALARMS, new_alarm(probe.source, now))
    assert (denied.status, denied.body["code"]) == (HTTPStatus.FORBIDDEN, "PERMISSION_DENIED")
    assert await probe.alarms(include_cleared=True) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"alarmType": "noise"},
        {"perceivedSeverity": "cleared"},
        {"alarmRaisedTime": "yesterday"},
        {"alarmRaisedTime": ""},
        {"alarmRaisedTime": "2026-01-01T00:00:00.9e999Z"},
        {"alarmedObject": {}},
        {"alarmedObjectType": "room"},
        {"sourceSystemId": ""},
        {"state": "cleared"},
        {"ackState": "acknowledged"},
        {"plannedOutageIndicator": "soon"},
        {"affectedService": [{"id": "x"}]},
        {"alarmClearedTime": "2026-01-01T00:00:00Z"},
    ],
)
async def test_an_alarm_against_the_contract_is_a_wrong_request_and_none_is_raised(
    web: WebCaller, probe: Probe, now: datetime, changed: Mapping[str, object]
) -> None:
    refused = await web.ask("POST", ALARMS, new_alarm(probe.source, now, **changed))
    assert (refused.status, refused.body["@type"]) == (HTTPStatus.BAD_REQUEST, "Error"), refused.text
    assert await probe.alarms(include_cleared=True) == []
