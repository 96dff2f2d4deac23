"""Complaints at work in a region whose hours and holidays are known."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from google.protobuf.duration_pb2 import Duration
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Calendar, ComplaintSeverity, OpeningHours, TimeLimit
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintRequest,
    DeadlineKind,
    EscalationTrigger,
)
from gateway.time.calendars import WorkingDays
from gateway.time.clock import to_timestamp
from gateway.time.working_time import WorkingHours
from region_node.care.complaints import escalation, rules
from region_node.care.complaints.deadlines import Limit, due_of, find, starting

CHINA = ZoneInfo("Asia/Shanghai")
DAYS = WorkingDays(
    [
        Calendar(
            year=2026,
            holidays=[f"2026-02-{day}" for day in range(15, 24)],
            makeup_workdays=["2026-02-14", "2026-02-28"],
        )
    ]
)
OFFICE = [OpeningHours(working_days=True, opens="09:00", closes="17:00")]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HALF_USED = EscalationTrigger.ESCALATION_TRIGGER_HALF_USED


def hours(region: str) -> WorkingHours:
    """Departments of `night` never close."""
    return WorkingHours([] if region == "night" else OFFICE, "Asia/Shanghai", DAYS)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA).astimezone(UTC)


def duration(value: float) -> TimeLimit:
    return TimeLimit(duration=Duration(seconds=round(value * 3600)), source="x")


def working(value: float) -> TimeLimit:
    return TimeLimit(working_time=Duration(seconds=round(value * 3600)), source="x")


def complaint(
    start: datetime, *deadlines: tuple[DeadlineKind.ValueType, TimeLimit], region: str = "sichuan", version: int = 1
) -> Complaint:
    """A complaint at work in a region since `start`, with deadlines that run from there."""
    found = Complaint(
        ticket_id="guangdong/1",
        version=version,
        state=rules.IN_PROGRESS if version else rules.ACKNOWLEDGED,
        origin_region="guangdong",
        owner_region=region,
        create_time=to_timestamp(start),
        severity=ComplaintSeverity.COMPLAINT_SEVERITY_S3,
        request=ComplaintRequest(category="BILL_WRONG"),
    )
    found.deadlines.extend(starting(kind, [Limit(region, limit)], start, hours) for kind, limit in deadlines)
    rules.hand_over(found, region, rules.WORKING, start)
    escalation.file(found, start, "guangdong")
    escalation.classified(found, start, "guangdong")
    return found


def due(found: Complaint, kind: DeadlineKind.ValueType = rules.RESOLVE) -> datetime:
    each = find(found, kind)
    assert each is not None
    return due_of(each)


def fired(found: Complaint) -> list[tuple[int, str]]:
    return [
        (each.level, EscalationTrigger.Name(each.trigger).removeprefix("ESCALATION_TRIGGER_"))
        for each in found.escalations
    ]


LIMITS = (
    st.integers(1, 400).map(duration)
    | st.integers(1, 60).map(working)
    | st.integers(1, 20).map(lambda days: TimeLimit(days=days, source="x"))
    | st.integers(1, 20).map(lambda days: TimeLimit(working_days=days, source="x"))
)
MOMENTS = st.integers(0, 60 * 24 * 60).map(lambda minutes: at("2026-01-20 00:00") + timedelta(minutes=minutes))
