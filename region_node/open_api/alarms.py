"""Alarms as TMF642 Alarm (v4), and what a merge patch changes of them. Pure."""

from collections.abc import Collection, Mapping

from google.protobuf.message import Message

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmAckState, AlarmState, AlarmType, NetworkObject, QualityFigure
from gateway.errors import invalid
from gateway.web.enum_words import told_word
from gateway.web.json_bodies import Attributes, unsupported
from gateway.web.json_texts import JsonObject, without_empty
from gateway.web.selecting import Query, values_in, words_of
from region_node.open_api.extension import Extension
from region_node.open_api.resources import Json, href_of, require_type, told_time

ALARM = "alarm"
STATE, ACK_STATE, SEVERITY = "state", "ackState", "perceivedSeverity"
OBJECT, OBJECT_TYPE = "alarmedObject.id", "alarmedObjectType"
ACKNOWLEDGED, CLEARED = "acknowledged", "cleared"
OBJECT_TYPES = ("site", "link", "service")
OUTAGES: Mapping[str, bool] = {"inService": False, "outOfService": True}
"""The words of an indicator, with whether the outage is planned."""
_INDICATORS = {is_planned: word for word, is_planned in OUTAGES.items()}
ALARM_TYPE = Extension(
    "CrossregionAlarm",
    "Alarm",
    Alarm.DESCRIPTOR,
    {"source": "source", "ackTime": "ack_time", "crossedThreshold": "crossed_threshold", "faultId": "fault_id"},
)


def told_alarm(alarm: Alarm, root: str, fields: Collection[str] = ()) -> JsonObject:
    """An alarm as an Alarm.

    `fields` are the attributes that are wanted; all without.
    """
    kind = alarm.alarmed_object.WhichOneof("object")
    word = told_word(AlarmType.DESCRIPTOR, alarm.alarm_type)
    told: Json = {
        "id": alarm.id,
        "href": href_of(root, ALARM, alarm.id),
        "externalAlarmId": alarm.external_id,
        "sourceSystemId": _system_of(alarm),
        "reportingSystemId": alarm.operator,
        "alarmType": f"{word}Alarm" if word else "",
        "perceivedSeverity": told_word(PerceivedSeverity.DESCRIPTOR, alarm.perceived_severity),
        "probableCause": alarm.probable_cause,
        "specificProblem": alarm.specific_problem,
        "state": told_word(AlarmState.DESCRIPTOR, alarm.state),
        "ackState": told_word(AlarmAckState.DESCRIPTOR, alarm.ack_state),
        "ackUserId": alarm.ack_user,
        "clearUserId": alarm.clear_user,
        "alarmRaisedTime": told_time(alarm, "raise_time"),
        "alarmChangedTime": told_time(alarm, "change_time"),
        "alarmClearedTime": told_time(alarm, "clear_time"),
        "serviceAffecting": alarm.service_affecting,
        "plannedOutageIndicator": _INDICATORS[alarm.planned_outage],
        "alarmedObject": {"id": getattr(alarm.alarmed_object, kind)} if kind else {},
        "alarmedObjectType": kind or "",
        "affectedService": [{"id": each} for each in alarm.affected_services],
        "crossedThresholdInformation": _told_crossing(alarm),
        **ALARM_TYPE.type_at(root),
    }
    return ALARM_TYPE.told(JsonObject.of(told), alarm, fields)


def list_request(query: Query) -> api.ListAlarmsRequest:
    """The smallest list of the RPC that has all that a query selects. Raises Refused for an unknown word."""
    states = values_in(query, STATE, words_of(AlarmState.DESCRIPTOR))
    severities = values_in(query, SEVERITY, words_of(PerceivedSeverity.DESCRIPTOR))
    acknowledged = values_in(query, ACK_STATE, words_of(AlarmAckState.DESCRIPTOR))
    request = api.ListAlarmsRequest(
        include_cleared=not states or AlarmState.ALARM_STATE_CLEARED in states,
        least_severity=PerceivedSeverity.ValueType(max(severities, default=0)),
        unacknowledged=list(acknowledged) == [AlarmAckState.ALARM_ACK_STATE_UNACKNOWLEDGED],
    )
    if OBJECT_TYPE in query:
        wanted = object_in(query.get(OBJECT, ""), query[OBJECT_TYPE])
        if OBJECT in query:
            request.alarmed_object.CopyFrom(wanted)
    return request


def change(body: Attributes, alarm_id: str) -> Message:
    """The request of the RPC that makes the one change of a merge patch: acknowledged, or cleared.

    Raises Refused with ATTRIBUTE_UNSUPPORTED for what no RPC changes.
    """
    require_type(body, *ALARM_TYPE.types)
    if body.value("state") is not None:
        _require(body, "state", CLEARED)
        return api.ClearAlarmsRequest(alarm_ids=[alarm_id])
    _require(body, "ackState", ACKNOWLEDGED)
    return api.AcknowledgeAlarmsRequest(alarm_ids=[alarm_id])


def _system_of(alarm: Alarm) -> str:
    """The source system: as it was posted, else the operator system, else the region, whose node raised the alarm."""
    return alarm.source if alarm.outside_stream else alarm.operator or alarm.id.partition("/")[0]


def _require(body: Attributes, name: str, word: str) -> None:
    if body.text(name) != word:
        raise unsupported(body.at(name), f"a change is state {CLEARED}, or ackState {ACKNOWLEDGED}", f"须为{word}")


def object_in(name: str, kind: str) -> NetworkObject:
    """The object of a kind with an id. Raises Refused for an unknown kind."""
    match kind:
        case "site":
            return NetworkObject(site=name)
        case "link":
            return NetworkObject(link=name)
        case "service":
            return NetworkObject(service=name)
    raise invalid(OBJECT_TYPE, "it is site, link or service", "须为site、link或service")


def _told_crossing(alarm: Alarm) -> Json:
    if not alarm.HasField("crossed_threshold"):
        return {}
    crossing = alarm.crossed_threshold
    return without_empty(
        {
            "indicatorName": told_word(QualityFigure.DESCRIPTOR, crossing.figure),
            "observedValue": str(crossing.value),
            "threshold": {"id": crossing.quality_class} if crossing.quality_class else {},
        }
    )
