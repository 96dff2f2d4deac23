"""TMF642 Alarm Management v4: its routes, each an RPC of AlarmService."""

from collections.abc import Callable, Sequence

from google.protobuf.message import Message

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmAckState, AlarmState
from gateway.api.region.v1.listener_service_pb2 import ListenerResource
from gateway.web.json_texts import JsonObject
from gateway.web.listed import Listed
from gateway.web.routes import Answer, Api, Asked, Route
from gateway.web.selecting import Selection, words_of
from region_node.open_api.alarm_reports import ATTRIBUTES, PLACES, report_in
from region_node.open_api.alarm_tasks import ACKNOWLEDGING, CLEARING, AlarmTask, alarm_ids, told_task
from region_node.open_api.alarms import (
    ACK_STATE,
    ALARM,
    ALARM_TYPE,
    OBJECT,
    OBJECT_TYPE,
    OBJECT_TYPES,
    SEVERITY,
    STATE,
    change,
    list_request,
    told_alarm,
)
from region_node.open_api.events import EventSource
from region_node.open_api.extension import resource_of
from region_node.open_api.hub import hub_routes
from region_node.open_api.left_out import OF_ALARMS
from region_node.open_api.resources import part_of, told_created, told_list, told_one, total_of

_SERVICE = "/gateway.api.region.v1.AlarmService"
_Changed = api.AcknowledgeAlarmsResponse | api.ClearAlarmsResponse


def _list(asked: Asked) -> api.ListAlarmsRequest:
    request = list_request(asked.query)
    request.MergeFrom(api.ListAlarmsRequest(**part_of(asked)))
    return request


def _listed(asked: Asked, response: api.ListAlarmsResponse) -> Listed:
    told = [told_alarm(each, asked.root, asked.fields) for each in response.alarms]
    return told_list(asked, ALARM, told, response.next_page_token, total_of(response))


def _report(asked: Asked) -> api.ReportAlarmRequest:
    return report_in(asked.body, asked.request_id)


def _reported(asked: Asked, response: api.ReportAlarmResponse) -> Answer:
    return told_created(asked, told_alarm(response.alarm, asked.root, asked.fields))


def _get(asked: Asked) -> api.GetAlarmRequest:
    return api.GetAlarmRequest(alarm_id=asked.names["id"])


def _got(asked: Asked, response: api.GetAlarmResponse) -> Answer:
    return told_one(asked, told_alarm(response.alarm, asked.root, asked.fields))


def _patch(asked: Asked) -> Message:
    return change(asked.body, asked.names["id"])


def _patched(asked: Asked, response: _Changed) -> Answer:
    return told_one(asked, told_alarm(response.alarms[0], asked.root, asked.fields))


def _task(task: AlarmTask, rpc: str, ask: Callable[[Sequence[str]], Message]) -> Route:
    def asks(asked: Asked) -> Message:
        return ask(alarm_ids(asked.body, task))

    def answers(asked: Asked, response: _Changed) -> Answer:
        return told_created(asked, told_task(task, response.alarms, asked.root))

    return Route.of(
        "POST",
        f"/{task.path}",
        f"{_SERVICE}/{rpc}",
        asks,
        answers,
        resource=resource_of(task.type, Alarm, lambda alarm: told_task(task, [alarm], _ROOT)),
        attributes=task.attributes,
        places={"alarm_ids": "alarmPattern"},
        required=("alarmPattern",),
    )


def _whole(alarm: Alarm) -> JsonObject:
    return told_alarm(alarm, _ROOT)


_ROOT = "/tmf-api/alarm/v4"
_RESOURCE = ALARM_TYPE.resource(Alarm, _whole)
ALARM_EVENTS = EventSource.of(ListenerResource.LISTENER_RESOURCE_ALARM, ALARM, _whole)
ALARM_MANAGEMENT = Api(
    _ROOT,
    (
        Route.of(
            "GET",
            f"/{ALARM}",
            f"{_SERVICE}/ListAlarms",
            _list,
            _listed,
            resource=_RESOURCE,
            selection=Selection(
                "-alarmChangedTime",
                {
                    STATE: words_of(AlarmState.DESCRIPTOR),
                    ACK_STATE: words_of(AlarmAckState.DESCRIPTOR),
                    SEVERITY: words_of(PerceivedSeverity.DESCRIPTOR),
                    OBJECT: (),
                    OBJECT_TYPE: OBJECT_TYPES,
                },
                single=(OBJECT_TYPE,),
                rough=(STATE, ACK_STATE, SEVERITY, OBJECT, OBJECT_TYPE),
                is_counted=True,
            ),
        ),
        Route.of(
            "POST",
            f"/{ALARM}",
            f"{_SERVICE}/ReportAlarm",
            _report,
            _reported,
            resource=_RESOURCE,
            attributes=ATTRIBUTES,
            places=PLACES,
            required=("sourceSystemId", "alarmType", SEVERITY, STATE, "alarmRaisedTime", "alarmedObject"),
        ),
        Route.of("GET", f"/{ALARM}/{{id}}", f"{_SERVICE}/GetAlarm", _get, _got, resource=_RESOURCE),
        Route.of(
            "PATCH",
            f"/{ALARM}/{{id}}",
            f"{_SERVICE}/AcknowledgeAlarms",
            _patch,
            _patched,
            [f"{_SERVICE}/ClearAlarms"],
            resource=_RESOURCE,
            attributes=("state", "ackState"),
        ),
        _task(ACKNOWLEDGING, "AcknowledgeAlarms", lambda ids: api.AcknowledgeAlarmsRequest(alarm_ids=ids)),
        _task(CLEARING, "ClearAlarms", lambda ids: api.ClearAlarmsRequest(alarm_ids=ids)),
        *hub_routes(_ROOT, ALARM_EVENTS),
    ),
    0,
    (ALARM_TYPE.page(_ROOT, "AlarmService"),),
    "TMF642 Alarm Management",
    OF_ALARMS,
)
