"""A new Alarm of TMF642 (v4) as the report of a system. Pure."""

import hashlib
from collections.abc import Collection, Mapping
from typing import cast

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import AlarmState, AlarmType
from gateway.api.region.v1.alarm_service_pb2 import AlarmReport
from gateway.errors import invalid
from gateway.values.lists import one_of
from gateway.web.enum_words import numbers_of
from gateway.web.json_bodies import Attributes, unsupported
from gateway.web.routes import Places
from region_node.open_api.alarms import ACK_STATE, ALARM_TYPE, CLEARED, OUTAGES, SEVERITY, STATE, object_in
from region_node.open_api.resources import require_type

ATTRIBUTES: Collection[str] = (
    *("externalAlarmId", "sourceSystemId", "alarmType", SEVERITY, "probableCause", "specificProblem", STATE, ACK_STATE),
    *("alarmRaisedTime", "alarmChangedTime", "alarmClearedTime", "serviceAffecting", "plannedOutageIndicator"),
    *("alarmedObject", "alarmedObjectType"),
)
"""The attributes of a new alarm."""
_TIMES: Mapping[int, str] = {
    AlarmState.ALARM_STATE_RAISED: "alarmRaisedTime",
    AlarmState.ALARM_STATE_UPDATED: "alarmChangedTime",
    AlarmState.ALARM_STATE_CLEARED: "alarmClearedTime",
}
"""The time of the event that led to a state."""


def _place_of_time(request: Message) -> str:
    assert isinstance(request, api.ReportAlarmRequest)
    return _TIMES[request.report.state]


PLACES: Places = {
    "source": "sourceSystemId",
    "external_id": "externalAlarmId",
    "event_time": _place_of_time,
    "alarm_type": "alarmType",
    "perceived_severity": SEVERITY,
    "probable_cause": "probableCause",
    "specific_problem": "specificProblem",
}
"""The attributes of a new alarm that ReportAlarm names otherwise."""
_UNACKNOWLEDGED = "unacknowledged"
_ID_DIGITS = 32


def report_in(body: Attributes, key: str) -> api.ReportAlarmRequest:
    """The request of a new alarm. Its id is `externalAlarmId`, or `key`, or what X.733 knows an alarm by.

    Raises Refused for a missing attribute, and for a value that the contract does not have.
    """
    require_type(body, *ALARM_TYPE.types)
    state = cast("AlarmState.ValueType", _word(body, STATE, AlarmState.DESCRIPTOR))
    _time(body, "alarmRaisedTime")  # TMF642 wants it of every alarm
    report = AlarmReport(
        state=state,
        event_time=_time(body, _TIMES[state]),
        alarm_type=cast("AlarmType.ValueType", _word(body, "alarmType", AlarmType.DESCRIPTOR, "alarm")),
        probable_cause=body.text("probableCause"),
        specific_problem=body.text("specificProblem"),
        service_affecting=body.flag("serviceAffecting"),
        planned_outage=_is_planned(body),
    )
    # X.733 has this word for an alarm that is over: it is no severity.
    if _plain(body.text(SEVERITY)) != CLEARED:
        severity = _word(body, SEVERITY, PerceivedSeverity.DESCRIPTOR)
        report.perceived_severity = cast("PerceivedSeverity.ValueType", severity)
    if body.text(ACK_STATE) not in ("", _UNACKNOWLEDGED):
        raise unsupported(body.at(ACK_STATE), "staff acknowledge an alarm that is there", "告警须由人员确认")
    name, kind = _object_name(body), body.text("alarmedObjectType")
    if kind:
        report.alarmed_object.CopyFrom(object_in(name, kind))
    report.external_id = body.text("externalAlarmId") or key or _known_by(name, report)
    return api.ReportAlarmRequest(source=body.text("sourceSystemId"), report=report, object_id="" if kind else name)


def _time(body: Attributes, name: str) -> Timestamp:
    said, found = body.required(name), Timestamp()
    try:
        found.FromJsonString(said)
    except (ValueError, OverflowError):
        raise invalid(body.at(name), "is no time of RFC 3339", "不是RFC 3339格式的时间") from None
    return found


def _word(body: Attributes, name: str, enum: EnumDescriptor, ending: str = "") -> int:
    """The value of an enum that a word names, by itself or as X.733 writes it: `Quality of Service Alarm`."""
    words = {_plain(word) + ending: number for word, number in numbers_of(enum).items()}
    found = words.get(_plain(body.text(name)))
    if found is None:
        known = [f"{word}{ending.capitalize()}" for word in numbers_of(enum)]
        raise invalid(body.at(name), *one_of(known))
    return found


def _plain(word: str) -> str:
    return word.replace(" ", "").lower()


def _is_planned(body: Attributes) -> bool:
    said = body.text("plannedOutageIndicator")
    if said and said not in OUTAGES:
        known = OUTAGES.keys()
        raise invalid(body.at("plannedOutageIndicator"), f"it is {' or '.join(known)}", f"须为{'或'.join(known)}")
    return OUTAGES.get(said, False)


def _object_name(body: Attributes) -> str:
    alarmed = body.object("alarmedObject")
    require_type(alarmed, "AlarmedObject")
    name = alarmed.required("id")
    alarmed.close()
    return name


def _known_by(name: str, report: AlarmReport) -> str:
    """The id of an alarm without one: object, event type, probable cause and specific problem (X.733).

    The kind of the object is no part of it: any report of the alarm may leave the kind out.
    """
    parts = (name, str(report.alarm_type), report.probable_cause, report.specific_problem)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_ID_DIGITS]
