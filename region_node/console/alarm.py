"""The page of an alarm: what it is about, its course, and the forms by which staff acknowledge or clear it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState
from gateway.api.region.v1.alarm_service_pb2 import (
    AcknowledgeAlarmsRequest,
    AcknowledgeAlarmsResponse,
    ClearAlarmsRequest,
    ClearAlarmsResponse,
    GetAlarmRequest,
)
from gateway.api.region.v1.fault_service_pb2 import FoundPlace
from gateway.time.clock import from_timestamp
from gateway.web.console.entries import Entry, entry
from gateway.web.console.pages import Calling, Form, Shown, View, Visit
from gateway.web.console.parts import Fact, severity_cell
from gateway.web.console.ticket import TicketPage, course, known
from gateway.web.tables import Cell
from gateway.wording.languages import enumerated, translated
from gateway.wording.times import Happening
from region_node.console import fault, rpcs
from region_node.console.places import names_of, read_places, told_object
from region_node.console.words import NETWORK, alarm_path, alarm_state
from region_node.network.measurements.causes import cause_of_alarm
from region_node.network.measurements.objects import name_of
from region_node.network.measurements.steps import ACKNOWLEDGE, CLEAR, steps_of

_ID = "id"


@dataclass(frozen=True)
class _Found:
    alarm: Alarm = field(repr=False)
    places: Sequence[FoundPlace] = field(repr=False)
    """The object of the alarm, with others whose words have its id."""


async def _read(visit: Visit, calling: Calling) -> _Found:
    alarm = (await calling.ask(rpcs.GET_ALARM, GetAlarmRequest(alarm_id=visit.names[_ID]))).alarm
    return _Found(alarm, await read_places(calling, name_of(alarm.alarmed_object)))


def _show(visit: Visit, found: _Found) -> Shown:
    alarm, about = found.alarm, told_object(found.alarm.alarmed_object, names_of(found.places))
    page = TicketPage(
        state=severity_cell(alarm.perceived_severity),
        due=Cell(alarm_state(alarm.state), badge="calm"),
        about=f"{about} · {cause_of_alarm(alarm.probable_cause)}",
        texts=(),
        facts_heading=translated("Alarm"),
        facts=known(_facts(visit, alarm, about)),
        tables=(),
        course_heading=translated("Course"),
        course=course(_happened(alarm)),
        entries=list(_entries(visit, alarm)),
    )
    return page.shown(alarm.id, NETWORK)


def _facts(visit: Visit, alarm: Alarm, about: str) -> Sequence[Fact]:
    crossed = alarm.crossed_threshold
    path = visit.address(fault.path_of(alarm.fault_id))
    return [
        Fact(translated("Object"), about),
        Fact(translated("Cause"), cause_of_alarm(alarm.probable_cause)),
        Fact(translated("Specific problem"), alarm.specific_problem),
        Fact(
            translated("System"), " ".join(each for each in (alarm.operator, alarm.source, alarm.external_id) if each)
        ),
        Fact(translated("Affects customers"), translated("yes") if alarm.service_affecting else ""),
        Fact(translated("Planned outage"), translated("yes") if alarm.planned_outage else ""),
        Fact(translated("Services"), enumerated(alarm.affected_services)),
        Fact(
            translated("Threshold"),
            translated("{value} measured, the bound is {bound}", value=f"{crossed.value:,}", bound=f"{crossed.bound:,}")
            if alarm.HasField("crossed_threshold")
            else "",
        ),
        Fact(translated("Fault"), alarm.fault_id, path),
    ]


def _happened(alarm: Alarm) -> Iterator[Happening]:
    system = alarm.operator or translated("the node, by measurements")
    yield from_timestamp(alarm.raise_time), system, alarm_state(AlarmState.ALARM_STATE_RAISED)
    if alarm.HasField("ack_time"):
        yield from_timestamp(alarm.ack_time), alarm.ack_user, translated("the alarm was acknowledged")
    if alarm.HasField("clear_time"):
        who = alarm.clear_user or system
        yield from_timestamp(alarm.clear_time), who, alarm_state(AlarmState.ALARM_STATE_CLEARED)


def _entries(visit: Visit, alarm: Alarm) -> Iterator[Entry]:
    """The forms of the steps that the alarm allows."""
    words = {
        ACKNOWLEDGE: (translated("Somebody looks after it"), translated("Acknowledge")),
        CLEAR: (translated("The trouble is over, and no system says so"), translated("Clear")),
    }
    for step in steps_of(alarm):
        heading, send = words[step]
        yield entry(visit, step, heading, send, ())


def _acknowledge(visit: Visit) -> AcknowledgeAlarmsRequest:
    return AcknowledgeAlarmsRequest(alarm_ids=[visit.names[_ID]])


def _clear(visit: Visit) -> ClearAlarmsRequest:
    return ClearAlarmsRequest(alarm_ids=[visit.names[_ID]])


def _acknowledged(_: Visit, __: AcknowledgeAlarmsResponse) -> str:
    return translated("The alarm is acknowledged.")


def _cleared(_: Visit, __: ClearAlarmsResponse) -> str:
    return translated("The alarm is cleared.")


VIEW = View.of(
    alarm_path("{id:.+}"),
    (rpcs.GET_ALARM, rpcs.FIND_PLACES),
    _read,
    _show,
    forms=(
        Form.of(ACKNOWLEDGE, rpcs.ACKNOWLEDGE_ALARMS, _acknowledge, _acknowledged, ()),
        Form.of(CLEAR, rpcs.CLEAR_ALARMS, _clear, _cleared, ()),
    ),
)
