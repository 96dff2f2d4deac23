"""Alarms of this region as coordinators see them."""

from datetime import datetime

from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.federation.v1 import problem_pb2
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmType
from gateway.federation.network import NetworkRegistry
from gateway.store.port import Transaction
from region_node.network.measurements.alarm_rows import find_alarm
from region_node.network.problems.notifier import retract, tell_event, without_others
from region_node.network.problems.port import event_id
from region_node.node.context import RegionContext

KIND = "alarm"
_GRAVE = (problem_pb2.PERCEIVED_SEVERITY_CRITICAL, problem_pb2.PERCEIVED_SEVERITY_MAJOR)


def tell_alarm(tx: Transaction, context: RegionContext, before: Alarm, alarm: Alarm, now: datetime) -> None:
    """Reports the state of this region's alarm to coordinators, unless it was always of a planned outage.

    `before` is the former version; empty for a new alarm.
    """
    event = event_of(context.region, context.federation.network, alarm, now)
    if not event.retracted or (before.version and not before.planned_outage):
        tell_event(tx, event)


def find_event(tx: Transaction, context: RegionContext, key: str, now: datetime) -> NetworkEvent | None:
    """The coordinators' view of an alarm of this region, by the last part of its id; None for an unknown alarm."""
    alarm = find_alarm(tx, f"{context.region}/{key}")
    return None if alarm is None else event_of(context.region, context.federation.network, alarm, now)


def event_of(region: str, network: NetworkRegistry, alarm: Alarm, now: datetime) -> NetworkEvent:
    """The coordinators' view of an alarm: its element, whose users the registry names.

    The event is retracted for a planned outage, and for an element on which the region may no longer report.
    """
    about = alarm.alarmed_object
    event = NetworkEvent(
        id=event_id(region, KIND, alarm.id.rpartition("/")[2]),
        kind=contract.NETWORK_EVENT_KIND_ALARM,
        sites=[about.site] if about.site else [],
        links=[about.link] if about.link else [],
        services=[about.service] if about.service else [],
        severity=alarm.perceived_severity,
        raise_time=alarm.raise_time,
        version=alarm.version,
        condition=_condition_of(alarm),
    )
    if alarm.HasField("clear_time"):
        event.clear_time.CopyFrom(max(alarm.clear_time, alarm.raise_time, key=lambda each: each.ToNanoseconds()))
    without_others(event, network, region)
    is_named = event.sites or event.links or event.services
    return event if is_named and not alarm.planned_outage else retract(event, now)


def _condition_of(alarm: Alarm) -> problem_pb2.NetworkCondition.ValueType:
    """The condition: down for an alarm of a failed element; a loss of quality without effect on customers is less."""
    if alarm.perceived_severity not in _GRAVE:
        return problem_pb2.NETWORK_CONDITION_UNSPECIFIED
    is_down = (
        alarm.perceived_severity == problem_pb2.PERCEIVED_SEVERITY_CRITICAL
        and alarm.service_affecting
        and alarm.alarm_type != AlarmType.ALARM_TYPE_QUALITY_OF_SERVICE
    )
    return problem_pb2.NETWORK_CONDITION_DOWN if is_down else problem_pb2.NETWORK_CONDITION_DEGRADED
