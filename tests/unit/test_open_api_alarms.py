"""Alarms as TMF642 has them, what selects them, and the changes that a merge patch makes of them."""

import json
from collections.abc import Mapping

import pytest
from google.protobuf.message import Message

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState, AlarmType, NetworkObject
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.web.json_bodies import parsed
from region_node.open_api.alarms import ALARM_TYPE, change, list_request, told_alarm
from region_node.open_api.samples import filled
from tests.unit.open_api_schemas import require_own_schema, require_schema

ROOT = "/tmf-api/alarm/v4"
ALARM = "guangdong/alarm-7"


def changed(body: Mapping[str, object]) -> Message:
    """The request for a change by a merge patch that came as JSON."""
    attributes = parsed(json.dumps(body).encode())
    made = change(attributes, ALARM)
    attributes.close()
    return made


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
    told = told_alarm(alarm, ROOT)
    require_own_schema(told, ALARM_TYPE)
    # The file of TM Forum has whole numbers as ids, unlike its guide and every other API.
    told["id"] = 7
    require_schema("TMF642-Alarm-v4.0.0.swagger.json", "Alarm", told, ALARM_TYPE)
