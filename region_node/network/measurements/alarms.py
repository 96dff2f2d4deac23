"""The life cycle of alarms (TMF642): raised by a system or by measurements, changed, cleared, acknowledged."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1.alarm_pb2 import (
    Alarm,
    AlarmAckState,
    AlarmState,
    AlarmType,
    QualityFigure,
    ThresholdCrossing,
)
from gateway.api.region.v1.alarm_service_pb2 import AlarmReport
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid, lasting
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.time.clock import MAX_CLOCK_ERROR, from_microseconds, from_timestamp, is_dated, to_timestamp
from region_node.network.measurements.alarm_rows import (
    external_key,
    find_alarm,
    is_cleared,
    keep,
    keep_event_time,
    last_alarm,
    next_number,
    open_alarm,
    require_alarm,
)
from region_node.network.measurements.evidence import tell_alarm
from region_node.network.measurements.measurement_rows import keep_threshold_states, threshold_states_of
from region_node.network.measurements.objects import affected_services, key_of, object_of, require_own
from region_node.network.measurements.streams import Piece, Rejected
from region_node.network.measurements.thresholds import ALL, AVAILABILITY, Bound, Crossing
from region_node.node.context import RegionContext
from region_node.requests.checks import require_name

BEFORE_COMMIT = "alarms.before-commit"
RAISED, UPDATED, CLEARED = AlarmState.ALARM_STATE_RAISED, AlarmState.ALARM_STATE_UPDATED, AlarmState.ALARM_STATE_CLEARED
SEEN, NOT_SEEN = AlarmAckState.ALARM_ACK_STATE_ACKNOWLEDGED, AlarmAckState.ALARM_ACK_STATE_UNACKNOWLEDGED
THRESHOLD = "threshold"
"""The source of alarms that the node raises from measurements; they have no operator."""
_AHEAD_IN_STREAMS = timedelta(hours=1)  # that the clock of a system may be where the stream gives the order
_CAUSES = {  # X.733
    QualityFigure.QUALITY_FIGURE_DELAY: "responseTimeExcessive",
    QualityFigure.QUALITY_FIGURE_DELAY_VARIATION: "thresholdCrossed",
    QualityFigure.QUALITY_FIGURE_LOSS: "degradedSignal",
    QualityFigure.QUALITY_FIGURE_AVAILABILITY: "lossOfSignal",
}


def changed(tx: Transaction, context: RegionContext, alarm: Alarm, now: datetime) -> None:
    """Stores a new or changed alarm: every change of an alarm passes here, in its own transaction.

    Raises Refused with CONFIGURATION_MISSING, before it writes.
    """
    alarm.version += 1
    if alarm.version > 1:
        alarm.change_time.CopyFrom(to_timestamp(now))
    before = find_alarm(tx, alarm.id) or Alarm()
    tell_alarm(tx, context, before, alarm, now)  # comes first, for it may refuse
    keep(tx, alarm)


def take(
    tx: Transaction, context: RegionContext, sender: tuple[str, str], piece: Piece[AlarmReport], now: datetime
) -> Sequence[Rejected]:
    """Processes the reports of a piece; `sender` is the operator and the source. Returns the rejected reports.

    Raises Refused where they may be processed later, as without a configuration.
    """
    rejected = []
    for sequence, report in enumerate(piece.items, piece.first):
        try:
            _report(tx, context, sender, report, now)
        except Refused as refused:
            rejected.append(Rejected(sequence, lasting(refused)))
    failpoints.reach(BEFORE_COMMIT)
    return rejected


def report_one(
    tx: Transaction, context: RegionContext, sender: tuple[str, str], report: AlarmReport, now: datetime
) -> Alarm:
    """Processes a report outside any stream, where its time stands for the order. Returns the alarm after it.

    Raises Refused, before it writes, for an unacceptable report.
    """
    require_name("external_id", report.external_id)
    time = _time(report, now, MAX_CLOCK_ERROR)
    last = last_alarm(tx, external_key(*sender, report.external_id))
    if last is not None and _is_known(last, report.state, time):
        return last
    if last is not None and is_cleared(last) and report.state == CLEARED:
        found = last
    else:
        found = _report(tx, context, sender, report, now, outside_stream=True)
    if time > _last_event(found):
        found.event_time.CopyFrom(report.event_time)
        keep_event_time(tx, found)
    return found


def cross(
    tx: Transaction,
    context: RegionContext,
    about: str,
    figure: QualityFigure.ValueType,
    bound: Bound,
    crossing: Crossing,
    now: datetime,
) -> None:
    """Raises, or clears, the alarm about a figure of an object."""
    external_id = _threshold_id(about, figure)
    there, time = open_alarm(tx, external_key("", THRESHOLD, external_id)), from_microseconds(crossing.start)
    if not crossing.is_raised:
        if there is not None:
            _clear(tx, context, there, time, now)
        return
    if there is not None:
        return
    is_down = figure == AVAILABILITY
    told = Alarm(
        alarmed_object=object_of(about),
        source=THRESHOLD,
        external_id=external_id,
        alarm_type=AlarmType.ALARM_TYPE_COMMUNICATIONS if is_down else AlarmType.ALARM_TYPE_QUALITY_OF_SERVICE,
        perceived_severity=bound.severity,
        probable_cause=_CAUSES[figure],
        service_affecting=is_down,
        crossed_threshold=ThresholdCrossing(
            figure=figure,
            bound=ALL - bound.raises_over if is_down else bound.raises_over,
            value=ALL - crossing.value if is_down else crossing.value,
            quality_class=bound.quality_class,
        ),
    )
    _raise(tx, context, told, time, now)


def no_bound(
    tx: Transaction, context: RegionContext, about: str, figure: QualityFigure.ValueType, now: datetime
) -> None:
    """Clears the alarm about a figure without a bound any more."""
    there = open_alarm(tx, external_key("", THRESHOLD, _threshold_id(about, figure)))
    if there is not None:
        _clear(tx, context, there, now, now)


def acknowledge(
    tx: Transaction, context: RegionContext, alarm_ids: Sequence[str], staff_id: str, now: datetime
) -> list[Alarm]:
    """Acknowledges alarms for a member of staff. Raises Refused with ALARM_NOT_FOUND, and then changes none."""
    found = [require_alarm(tx, each) for each in alarm_ids]
    for alarm in found:
        if alarm.ack_state != SEEN:
            alarm.ack_state, alarm.ack_user = SEEN, staff_id
            alarm.ack_time.CopyFrom(to_timestamp(now))
            changed(tx, context, alarm, now)
    return found


def clear(
    tx: Transaction, context: RegionContext, alarm_ids: Sequence[str], staff_id: str, now: datetime
) -> list[Alarm]:
    """Clears alarms that nobody else clears: their system was removed, or no longer measures.

    A threshold alarm is raised anew after enough consecutive windows over the bound. Raises Refused with
    ALARM_NOT_FOUND, and then changes none.
    """
    found = [require_alarm(tx, each) for each in alarm_ids]
    for alarm in found:
        if is_cleared(alarm):
            continue
        alarm.clear_user = staff_id
        _clear(tx, context, alarm, now, now)
        if alarm.HasField("crossed_threshold"):
            about = key_of(alarm.alarmed_object)
            states = dict(threshold_states_of(tx, [about]).get(about, {}))
            states.pop(alarm.crossed_threshold.figure, None)
            keep_threshold_states(tx, about, states)
    return found


def _report(
    tx: Transaction,
    context: RegionContext,
    sender: tuple[str, str],
    report: AlarmReport,
    now: datetime,
    *,
    outside_stream: bool = False,
) -> Alarm:
    """Processes a report. Returns its alarm. Raises Refused, before it writes, for an unacceptable one."""
    require_name("external_id", report.external_id)
    told_time = _time(report, now, _AHEAD_IN_STREAMS)
    # A time of the future would let reports outside the stream wait until then.
    time = told_time if told_time <= now + MAX_CLOCK_ERROR else now
    there = open_alarm(tx, external_key(*sender, report.external_id))
    if report.state == CLEARED:
        if there is None:
            raise Refused(Reason.REASON_ALARM_NOT_FOUND, alarm=report.external_id)
        _clear(tx, context, there, time, now)
        return there
    if report.state not in (RAISED, UPDATED):
        raise invalid("state", "not set", "未填写")
    told = _told(context, report)
    if there is None:
        told.operator, told.source = sender
        told.outside_stream = outside_stream
        _raise(tx, context, told, time, now)
        return told
    after = Alarm()
    after.CopyFrom(there)
    after.MergeFrom(told)
    after.affected_services[:] = there.affected_services
    after.specific_problem = told.specific_problem
    after.service_affecting, after.planned_outage = told.service_affecting, told.planned_outage
    if after != there:
        after.state = UPDATED
        after.event_time.CopyFrom(to_timestamp(time))
        after.affected_services[:] = affected_services(context.federation.network, key_of(after.alarmed_object))
        changed(tx, context, after, now)
    return after


def _is_known(last: Alarm, state: AlarmState.ValueType, time: datetime) -> bool:
    """Whether the last alarm of a name has this event, or a later one."""
    told = _last_event(last)
    if time != told:
        return time < told
    # Systems with a clock of seconds have several events at one time.
    is_first = time <= from_timestamp(last.raise_time)
    if is_cleared(last):
        return state != RAISED or is_first or bool(last.clear_user)
    return is_first if state == RAISED else state == UPDATED and last.HasField("event_time")


def _last_event(alarm: Alarm) -> datetime:
    """The time of the last known event of an alarm, by its system."""
    told = [alarm.raise_time]
    if alarm.HasField("event_time"):
        told.append(alarm.event_time)
    elif alarm.state == UPDATED:
        told.append(alarm.change_time)  # a process of a version without event times has taken the update
    # The time at which staff cleared it is that of another clock, and no event of its system.
    if is_cleared(alarm) and not alarm.clear_user:
        told.append(alarm.clear_time)
    return max(map(from_timestamp, told))


def _told(context: RegionContext, report: AlarmReport) -> Alarm:
    """The alarm of a report. Raises Refused for a report against the contract."""
    kind = report.alarmed_object.WhichOneof("object") or ""
    name = getattr(report.alarmed_object, kind) if kind else ""
    require_own(context.federation.network, context.region, kind, name)
    for field, value, known in (
        ("alarm_type", report.alarm_type, AlarmType.values()),
        ("perceived_severity", report.perceived_severity, PerceivedSeverity.values()),
    ):
        if not value or value not in known:
            raise invalid(field, "not set", "未填写")
    require_name("probable_cause", report.probable_cause)
    if report.specific_problem:
        require_name("specific_problem", report.specific_problem)
    return Alarm(
        alarmed_object=report.alarmed_object,
        external_id=report.external_id,
        alarm_type=report.alarm_type,
        perceived_severity=report.perceived_severity,
        probable_cause=report.probable_cause,
        specific_problem=report.specific_problem,
        service_affecting=report.service_affecting,
        planned_outage=report.planned_outage,
    )


def _raise(tx: Transaction, context: RegionContext, told: Alarm, time: datetime, now: datetime) -> None:
    told.id = f"{context.region}/alarm-{next_number(tx)}"
    told.state, told.ack_state = RAISED, NOT_SEEN
    told.raise_time.CopyFrom(to_timestamp(time))
    told.affected_services[:] = affected_services(context.federation.network, key_of(told.alarmed_object))
    changed(tx, context, told, now)


def _clear(tx: Transaction, context: RegionContext, alarm: Alarm, time: datetime, now: datetime) -> None:
    """Clears an alarm; an alarm does not end before its start, by any clock."""
    assert not is_cleared(alarm)
    alarm.state = CLEARED
    alarm.clear_time.CopyFrom(to_timestamp(max(time, from_timestamp(alarm.raise_time))))
    changed(tx, context, alarm, now)


def _threshold_id(about: str, figure: QualityFigure.ValueType) -> str:
    name = QualityFigure.Name(figure).removeprefix("QUALITY_FIGURE_").lower()
    return f"{about.replace('/', '.')}.{name}"


def _time(report: AlarmReport, now: datetime, most_ahead: timedelta) -> datetime:
    """The time of the report. Raises Refused for a missing time, or one out of range or too far ahead of the clock."""
    if not report.HasField("event_time"):
        raise invalid("event_time", "not set", "未填写")
    if not is_dated(report.event_time):
        raise invalid("event_time", "out of range", "超出允许范围")
    time = from_timestamp(report.event_time)
    if time > now + most_ahead:
        raise invalid("event_time", "in the future", "晚于当前时间")
    return time
