"""Alarms and faults in the shipped network, as regions tell of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.federation.v1 import problem_pb2
from gateway.time.clock import to_timestamp

NOON = datetime(2026, 12, 10, 4, tzinfo=UTC)
CRITICAL = problem_pb2.PERCEIVED_SEVERITY_CRITICAL
MINOR = problem_pb2.PERCEIVED_SEVERITY_MINOR
ALARM = contract.NETWORK_EVENT_KIND_ALARM
FAULT = contract.NETWORK_EVENT_KIND_FAULT


def event(
    name: str,
    *,
    sites: Sequence[str] = (),
    links: Sequence[str] = (),
    services: Sequence[str] = (),
    raised: datetime = NOON,
    cleared: datetime | None = None,
    version: int = 1,
    severity: problem_pb2.PerceivedSeverity.ValueType = CRITICAL,
    told_at: datetime | None = None,
    of_one_line: bool = False,
) -> NetworkEvent:
    """An event; an id with `/fault/` in it is a fault, any other an alarm."""
    told = NetworkEvent(
        id=name,
        kind=FAULT if "/fault/" in name else ALARM,
        sites=sites,
        links=links,
        services=services,
        severity=severity,
        raise_time=to_timestamp(raised),
        version=version,
        of_one_line=of_one_line,
    )
    if cleared is not None:
        told.clear_time.CopyFrom(to_timestamp(cleared))
    if told_at is not None:
        told.tell_time.CopyFrom(to_timestamp(told_at))
    return told


def cut(raised: datetime = NOON, prefix: str = "") -> list[NetworkEvent]:
    """The events of two regions about a cut of the link between Chengdu and Guangzhou."""
    link, minute = "chengdu-guangzhou-1", timedelta(minutes=1)
    return [
        event(f"sichuan/alarm/{prefix}1", sites=["chengdu"], links=[link], raised=raised),
        event(f"guangdong/alarm/{prefix}2", sites=["guangzhou"], links=[link], raised=raised + minute),
        event(f"sichuan/fault/{prefix}3", services=["lines-chengdu-guangzhou"], raised=raised + 3 * minute),
    ]
