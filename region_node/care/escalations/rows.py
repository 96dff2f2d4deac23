"""What is told of levels, as stored: a row for each level and sink, written where the level is reached."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.complaint_pb2 import Complaint, Escalation
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, to_microseconds
from region_node.node.context import RegionContext

ABOUT = "tellings"  # what other processes are told of


@dataclass(frozen=True)
class Telling:
    """What a sink is to be told, by who claimed it, and how often that was tried before."""

    raised: RaisedComplaint = field(repr=False)
    sink: str
    attempts: int


@dataclass(frozen=True)
class TellingAdded:
    """Published when something is to be told."""


def tell_above(
    tx: Transaction,
    context: RegionContext,
    complaint: Complaint,
    reached: Sequence[Escalation],
    now: datetime,
    *,
    due: datetime,
) -> None:
    """Has every sink told of the levels that this region has just raised a complaint to: at once, or when it is due."""
    rows: list[dict[str, Value]] = [
        {
            "docket": complaint.docket,
            "level": each.level,
            "sink": sink,
            "content": content,
            "now": to_microseconds(now),
            "due": to_microseconds(due),
        }
        for each in reached
        for content in [raised(complaint, each).SerializeToString()]
        for sink, lowest in context.sinks.items()
        if each.level >= lowest
    ]
    if not rows:
        return
    tx.execute_many(
        "INSERT INTO complaint_tellings (docket, level, sink, content, create_time, due, attempts, told_time)"
        " VALUES (:docket, :level, :sink, :content, :now, :due, 0, NULL)",
        rows,
    )
    tx.publish(TellingAdded(), about=ABOUT)


def forgo(tx: Transaction, docket: str, highest: int) -> set[int]:
    """Has no sink told any more of the levels up to one that no sink was told of or is being told of; returns them."""
    found = set(
        tx.all(
            int,
            "SELECT level FROM complaint_tellings WHERE docket = :docket AND level <= :highest"
            " GROUP BY level HAVING MAX(attempts) = 0",
            docket=docket,
            highest=highest,
        )
    )
    tx.execute_many(
        "DELETE FROM complaint_tellings WHERE docket = :docket AND level = :level",
        [{"docket": docket, "level": each} for each in sorted(found)],
    )
    return found


def raised(complaint: Complaint, reached: Escalation) -> RaisedComplaint:
    """What is told of a level: how the complaint stands, nothing that anybody wrote, and nobody's number."""
    return RaisedComplaint(
        id=f"{complaint.docket}/L{reached.level}",
        docket=complaint.docket,
        level=reached.level,
        trigger=reached.trigger,
        due=reached.due,
        time=reached.time,
        raised_by=reached.region,
        category=complaint.request.category,
        severity=complaint.severity,
        state=complaint.state,
        handling_region=complaint.handling_region,
        owner_region=complaint.owner_region,
        home_region=complaint.home_region,
        custody=complaint.custody[-1] if complaint.custody else None,
        expected_resolution_date=complaint.expected_resolution_date,
    )


def claim(tx: Transaction, sink: str, now: datetime, limit: int, again: timedelta) -> list[Telling]:
    """At most so many tellings of a sink that are due, oldest first. Until `again` from now nobody else claims them."""

    def telling(content: bytes, attempts: int) -> Telling:
        return Telling(RaisedComplaint.FromString(content), sink, attempts)

    found = tx.all(
        telling,
        "SELECT content, attempts FROM complaint_tellings WHERE sink = :sink AND told_time IS NULL AND due <= :now"
        " ORDER BY due, docket, level LIMIT :limit",
        sink=sink,
        now=to_microseconds(now),
        limit=limit,
    )
    for each in found:
        postpone(tx, each, now + again)
    return found


def postpone(tx: Transaction, telling: Telling, due: datetime) -> None:
    """It was tried once more, and is tried again then."""
    tx.execute(
        "UPDATE complaint_tellings SET due = :due, attempts = :attempts"
        " WHERE docket = :docket AND level = :level AND sink = :sink AND told_time IS NULL",
        due=to_microseconds(due),
        attempts=telling.attempts + 1,
        docket=telling.raised.docket,
        level=telling.raised.level,
        sink=telling.sink,
    )


def note_told(tx: Transaction, telling: Telling, now: datetime) -> None:
    """The sink has taken it over."""
    tx.execute(
        "UPDATE complaint_tellings SET told_time = :now"
        " WHERE docket = :docket AND level = :level AND sink = :sink AND told_time IS NULL",
        docket=telling.raised.docket,
        level=telling.raised.level,
        sink=telling.sink,
        now=to_microseconds(now),
    )


def next_due(tx: Transaction, sink: str) -> datetime | None:
    """When the next telling of a sink that waits is due."""
    return tx.first(
        from_microseconds,
        "SELECT due FROM complaint_tellings WHERE sink = :sink AND told_time IS NULL ORDER BY due LIMIT 1",
        sink=sink,
    )


def waiting_sinks(tx: Transaction) -> list[str]:
    """The sinks that still have to be told something, by name."""
    return tx.all(str, "SELECT DISTINCT sink FROM complaint_tellings WHERE told_time IS NULL ORDER BY sink")
