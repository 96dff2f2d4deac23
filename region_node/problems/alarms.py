"""Alarms of this region as coordinators hear of them."""

from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.region.v1.alarm_pb2 import Alarm
from gateway.store.port import Transaction
from region_node.context import RegionContext
from region_node.problems.telling import tell_event


def tell_alarm(tx: Transaction, context: RegionContext, alarm: Alarm) -> None:
    """Coordinators are to hear how an alarm of this region stands, unless it is known to be of a planned outage."""
    if not alarm.planned_outage:
        tell_event(tx, event_of(context.region, alarm))


def event_of(region: str, alarm: Alarm) -> NetworkEvent:
    """What coordinators hear: what the alarm is about, and not what uses that; the registry tells them so."""
    about = alarm.alarmed_object
    event = NetworkEvent(
        id=f"{region}/alarm/{alarm.id.rpartition('/')[2]}",
        kind=contract.NETWORK_EVENT_KIND_ALARM,
        sites=[about.site] if about.site else [],
        links=[about.link] if about.link else [],
        services=[about.service] if about.service else [],
        severity=alarm.perceived_severity,
        raise_time=alarm.raise_time,
        version=alarm.version,
    )
    if alarm.HasField("clear_time"):
        event.clear_time.CopyFrom(max(alarm.clear_time, alarm.raise_time, key=lambda each: each.ToNanoseconds()))
    return event
