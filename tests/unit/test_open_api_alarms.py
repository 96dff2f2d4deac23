"""Alarms as TMF642 has them, what selects them, and the changes that a merge patch makes of them."""

import json
from collections.abc import Mapping, Sequence
from typing import cast

import pytest
from google.protobuf.message import Message

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState, AlarmType, NetworkObject
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.web.json_bodies import parsed
from region_node.open_api.alarm_reports import ATTRIBUTES, report_in
from region_node.open_api.alarm_tasks import ACKNOWLEDGING, CLEARING, AlarmTask, alarm_ids, told_task
from region_node.open_api.alarms import ALARM_TYPE, change, list_request, told_alarm
from region_node.open_api.samples import filled
from tests.unit.open_api_schemas import require_own_schema, require_schema

ROOT = "/tmf-api/alarm/v4"
ALARM, OTHER = "guangdong/alarm-7", "guangdong/alarm-8"
TASKS = pytest.mark.parametrize("task", [ACKNOWLEDGING, CLEARING], ids=lambda task: task.type)


def changed(body: Mapping[str, object]) -> Message:
    """The request for a change by a merge patch that came as JSON."""
    attributes = parsed(json.dumps(body).encode())
    made = change(attributes, ALARM)
    attributes.close()
    return made


def named(body: Mapping[str, object], task: AlarmTask) -> Sequence[str]:
    """The alarms that a task names which came as JSON."""
    attributes = parsed(json.dumps(body).encode())
    found = alarm_ids(attributes, task)
    attributes.close()
    return found


def done() -> list[Alarm]:
    """Two alarms that are acknowledged and cleared, the second one last."""
    found = []
    for seconds, name in enumerate((ALARM, OTHER)):
        alarm = filled(Alarm())
        alarm.id, alarm.ack_user, alarm.clear_user = name, f"ack-{seconds}", f"clear-{seconds}"
        alarm.ack_time.seconds = alarm.clear_time.seconds = seconds
        found.append(alarm)
    return found


def test_an_alarm_that_the_node_has_raised_has_the_region_as_its_source() -> None:
    alarm = Alarm(id=ALARM, alarm_type=AlarmType.ALARM_TYPE_QUALITY_OF_SERVICE, alarmed_object=NetworkObject(link="l1"))
    alarm.state = AlarmState.ALARM_STATE_RAISED
    told = told_alarm(alarm, ROOT)
    assert (told["alarmType"], told["sourceSystemId"], told["state"]) == (
        "qualityOfServiceAlarm",
        "guangdong",
        "raised",
    )
    assert (told["alarmedObject"], told["alarmedObjectType"]) == ({"id": "l1"}, "link")
    assert told["plannedOutageIndicator"] == "inService"


@pytest.mark.parametrize(
    ("query", "request_"),
    [
        ({}, api.ListAlarmsRequest(include_cleared=True)),
        ({"state": "raised,updated"}, api.ListAlarmsRequest()),
        ({"state": "cleared,raised,updated"}, api.ListAlarmsRequest(include_cleared=True)),
        ({"ackState": "unacknowledged"}, api.ListAlarmsRequest(include_cleared=True, unacknowledged=True)),
        (
            {"perceivedSeverity": "major,critical"},
            api.ListAlarmsRequest(include_cleared=True, least_severity=PerceivedSeverity.PERCEIVED_SEVERITY_MAJOR),
        ),
        ({"state": "cleared"}, api.ListAlarmsRequest(include_cleared=True)),
        ({"state": "raised"}, api.ListAlarmsRequest()),
        ({"ackState": "acknowledged"}, api.ListAlarmsRequest(include_cleared=True)),
        ({"ackState": "acknowledged,unacknowledged"}, api.ListAlarmsRequest(include_cleared=True)),
        (
            {"perceivedSeverity": "minor"},
            api.ListAlarmsRequest(include_cleared=True, least_severity=PerceivedSeverity.PERCEIVED_SEVERITY_MINOR),
        ),
        ({"alarmedObject.id": "l1"}, api.ListAlarmsRequest(include_cleared=True)),
        ({"alarmedObjectType": "link"}, api.ListAlarmsRequest(include_cleared=True)),
        (
            {"alarmedObject.id": "l1", "alarmedObjectType": "link"},
            api.ListAlarmsRequest(include_cleared=True, alarmed_object=NetworkObject(link="l1")),
        ),
    ],
)
def test_a_query_asks_for_the_smallest_list_of_the_rpc_that_has_all_of_it(
    query: Mapping[str, str], request_: api.ListAlarmsRequest
) -> None:
    assert list_request(query) == request_


@pytest.mark.parametrize(
    "query",
    [
        {"state": "lost"},
        {"ackState": "seen"},
        {"perceivedSeverity": "major,unknown"},
        {"alarmedObjectType": "room"},
    ],
)
def test_a_query_with_an_unknown_word_is_refused(query: Mapping[str, str]) -> None:
    with pytest.raises(Refused):
        list_request(query)


def reported(body: Mapping[str, object], key: str = "") -> api.ReportAlarmRequest:
    """The request of a new alarm that came as JSON."""
    attributes = parsed(json.dumps(body).encode())
    made = report_in(attributes, key)
    attributes.close()
    return made


@pytest.mark.parametrize("state", ["raised", "updated", "cleared"])
def test_what_is_told_of_an_alarm_reports_it_again(state: str) -> None:
    alarm = filled(Alarm())
    alarm.alarmed_object.link = "l1"
    told = {name: value for name, value in told_alarm(alarm, ROOT).items() if name in (*ATTRIBUTES, "@type")}
    times = {"updated": "alarmChangedTime", "cleared": "alarmClearedTime"}
    for other, name in times.items():
        if other != state:
            told.pop(name)
    made = reported({**told, "state": state, "ackState": "unacknowledged"})
    report = made.report
    assert (made.source, report.external_id) == (alarm.source, alarm.external_id)
    for name in ("alarmed_object", "alarm_type", "perceived_severity", "probable_cause", "specific_problem"):
        assert getattr(report, name) == getattr(alarm, name)
    assert (report.service_affecting, report.planned_outage) == (alarm.service_affecting, alarm.planned_outage)
    field = {"raised": "raise_time", "updated": "change_time", "cleared": "clear_time"}[state]
    assert report.event_time == getattr(alarm, field)


def test_an_alarm_without_an_id_is_known_by_its_key_or_by_object_type_cause_and_problem() -> None:
    body = {
        "alarmType": "Quality of Service Alarm",
        "perceivedSeverity": "MAJOR",
        "probableCause": "lossOfSignal",
        "alarmedObject": {"id": "l1"},
        "sourceSystemId": "ems",
        "alarmRaisedTime": "2026-12-01T08:00:00+08:00",
        "state": "raised",
    }
    assert reported(body, "K1").report.external_id == "K1"
    assert reported({**body, "externalAlarmId": "a"}, "K1").report.external_id == "a"
    same = reported(body).report.external_id
    assert reported({**body, "alarmedObjectType": "link"}).report.external_id == same
    assert reported({**body, "perceivedSeverity": "minor"}).report.external_id == same
    for other in ({"probableCause": "fire"}, {"alarmedObject": {"id": "l2"}}, {"alarmType": "equipmentAlarm"}):
        assert reported({**body, **other}).report.external_id != same


def test_the_source_system_is_as_posted_or_the_operator_system_or_the_region() -> None:
    alarm = Alarm(id=ALARM, alarm_type=AlarmType.ALARM_TYPE_EQUIPMENT, source="ems", operator="probe")
    told = told_alarm(alarm, ROOT)
    assert (told["sourceSystemId"], told["source"], told["reportingSystemId"]) == ("probe", "ems", "probe")
    alarm.outside_stream = True
    told = told_alarm(alarm, ROOT)
    assert (told["sourceSystemId"], told["source"], told["reportingSystemId"]) == ("ems", "ems", "probe")
    alarm = Alarm(id=ALARM, alarm_type=AlarmType.ALARM_TYPE_EQUIPMENT, source="threshold")
    told = told_alarm(alarm, ROOT)
    assert (told["sourceSystemId"], told["source"], told.get("reportingSystemId")) == ("guangdong", "threshold", None)


def test_a_merge_patch_acknowledges_or_clears_and_nothing_else() -> None:
    assert changed({"ackState": "acknowledged"}) == api.AcknowledgeAlarmsRequest(alarm_ids=[ALARM])
    assert changed({"state": "cleared"}) == api.ClearAlarmsRequest(alarm_ids=[ALARM])
    for body, attribute in (
        ({}, "ackState"),
        ({"ackState": "unacknowledged"}, "ackState"),
        ({"state": "updated"}, "state"),
        ({"state": "cleared", "ackState": "acknowledged"}, "ackState"),
        ({"ackState": "acknowledged", "perceivedSeverity": "minor"}, "perceivedSeverity"),
    ):
        with pytest.raises(Refused) as refused:
            changed(body)
        assert refused.value.reason == Reason.REASON_ATTRIBUTE_UNSUPPORTED
        assert refused.value.parameters["attribute"] == attribute


def test_what_is_told_has_the_schemas_that_it_names() -> None:
    alarm = filled(Alarm())
    assert isinstance(alarm, Alarm)
    told = dict(told_alarm(alarm, ROOT))
    require_own_schema(told, ALARM_TYPE)
    # The file of TM Forum has whole numbers as ids, unlike its guide and every other API.
    told["id"] = 7
    require_schema("TMF642-Alarm-v4.0.0.swagger.json", "Alarm", told, ALARM_TYPE)


@TASKS
def test_a_task_names_alarms_by_their_ids_and_what_is_told_of_it_asks_for_the_same_again(task: AlarmTask) -> None:
    told = dict(told_task(task, done(), ROOT))
    assert named({name: told[name] for name in (*task.attributes, "@type")}, task) == [ALARM, OTHER]
    assert named({"alarmPattern": [{"id": ALARM, "@type": "Alarm"}]}, task) == [ALARM]
    assert named({}, task) == []


@TASKS
def test_a_task_is_told_with_its_alarms_and_the_person_and_time_of_the_last_one(task: AlarmTask) -> None:
    told = told_task(task, [*reversed(done())], ROOT)
    assert (told["state"], told[task.system], told[task.time]) == ("done", "guangdong", "1970-01-01T00:00:01Z")
    assert told[task.user] == ("ack-1" if task is ACKNOWLEDGING else "clear-1")
    assert told[task.done] == [told_alarm(each, ROOT) for each in reversed(done())]


@TASKS
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"alarmPattern": [{"id": ALARM, "perceivedSeverity": "minor"}]}, Reason.REASON_ATTRIBUTE_UNSUPPORTED),
        ({"alarmPattern": [{"perceivedSeverity": "minor"}]}, Reason.REASON_ATTRIBUTE_UNSUPPORTED),
        ({"alarmPattern": [{"id": ALARM}], "comment": "seen"}, Reason.REASON_ATTRIBUTE_UNSUPPORTED),
        ({"alarmPattern": [{"id": ALARM}], "@type": "Alarm"}, Reason.REASON_ATTRIBUTE_UNSUPPORTED),
        ({"alarmPattern": [{"id": ALARM}, {}]}, Reason.REASON_REQUEST_INVALID),
        ({"alarmPattern": [{"id": 7}]}, Reason.REASON_REQUEST_INVALID),
        ({"alarmPattern": {"id": ALARM}}, Reason.REASON_REQUEST_INVALID),
    ],
)
def test_a_task_that_names_alarms_by_anything_but_their_ids_is_refused(
    task: AlarmTask, body: Mapping[str, object], reason: Reason.ValueType
) -> None:
    with pytest.raises(Refused) as refused:
        named(body, task)
    assert refused.value.reason == reason


@TASKS
def test_a_task_has_the_schema_of_tm_forum(task: AlarmTask) -> None:
    told = dict(told_task(task, done(), ROOT))
    for name in ("alarmPattern", task.done):
        told[name] = [{**each, "id": 7} for each in cast("Sequence[Mapping[str, object]]", told[name])]
    require_schema("TMF642-Alarm-v4.0.0.swagger.json", task.type, told, None)
