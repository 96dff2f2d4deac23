"""Several alarms acknowledged or cleared at once, as TMF642 AckAlarms and ClearAlarms (v4). Pure.

A task is done with its answer. Nobody keeps it, and it has neither an id nor a place.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.alarm_pb2 import Alarm
from gateway.errors import invalid
from gateway.web.json_bodies import Attributes
from gateway.web.json_texts import JsonObject, JsonText, array_of
from region_node.open_api.alarms import ALARM_TYPE, told_alarm
from region_node.open_api.resources import require_type, told_instant

_PATTERN = "alarmPattern"
_DONE = "done"


@dataclass(frozen=True)
class AlarmTask:
    """A task of TM Forum: the names of its attributes, and their values in an alarm."""

    path: str
    type: str
    system: str
    """The attribute with the system of the change; the next ones have its person, its time and its alarms."""
    user: str
    time: str
    done: str
    user_of: Callable[[Alarm], str]
    time_of: Callable[[Alarm], Timestamp]

    @property
    def attributes(self) -> Collection[str]:
        """The attributes of a request. Only the pattern counts: the call says who asks, and when."""
        return self.system, self.user, self.time, _PATTERN


ACKNOWLEDGING = AlarmTask(
    "ackAlarms",
    "AckAlarms",
    "ackSystemId",
    "ackUserId",
    "ackTime",
    "ackedAlarm",
    lambda alarm: alarm.ack_user,
    lambda alarm: alarm.ack_time,
)
CLEARING = AlarmTask(
    "clearAlarms",
    "ClearAlarms",
    "clearSystemId",
    "clearUserId",
    "alarmClearedTime",
    "clearedAlarm",
    lambda alarm: alarm.clear_user,
    lambda alarm: alarm.clear_time,
)


def alarm_ids(body: Attributes, task: AlarmTask) -> Sequence[str]:
    """The alarms that the patterns of a task name, each by its id.

    Raises Refused with ATTRIBUTE_UNSUPPORTED for a pattern with anything else.
    """
    require_type(body, task.type)
    for name in (task.system, task.user, task.time):
        body.text(name)
    return [_id_in(each) for each in body.objects(_PATTERN)]


def told_task(task: AlarmTask, alarms: Sequence[Alarm], root: str) -> JsonObject:
    """A task that was done to one alarm or more. Its person and time are those of the last change."""
    last = max(alarms, key=lambda each: task.time_of(each).ToNanoseconds())
    return JsonObject.of(
        {
            "state": _DONE,
            task.system: last.id.partition("/")[0],
            task.user: task.user_of(last),
            task.time: told_instant(task.time_of(last)),
            _PATTERN: [{"id": each.id} for each in alarms],
            task.done: JsonText(array_of([told_alarm(each, root).text for each in alarms])),
            "@type": task.type,
        }
    )


def _id_in(pattern: Attributes) -> str:
    require_type(pattern, *ALARM_TYPE.types)
    found = pattern.text("id")
    pattern.close()
    if not found:
        raise invalid(pattern.at("id"), "is missing", "缺失")
    return found
