"""The stored notices about levels: a row for each level and sink, written together with the level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import Department
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.complaint_pb2 import Complaint, Escalation
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, to_microseconds
from region_node.node.context import RegionContext

ABOUT = "notices"  # the subject of notifications to other processes


@dataclass(frozen=True)
class EscalationNotice:
    """A notice to a sink, with its claimant, and the number of earlier attempts."""

    raised: RaisedComplaint = field(repr=False)
    sink: str
    attempts: int
    place: int
    """The level, or a higher number for a further notice at the highest level."""


@dataclass(frozen=True)
class NoticeAdded:
    """Published when there is a new notice."""


def notify_recipients(
    tx: Transaction,
    context: RegionContext,
    complaint: Complaint,
    reached: Sequence[Escalation],
    now: datetime,
    *,
    due: datetime,
) -> None:
    """Adds notices to every sink about levels that this region has just reached: immediate, or for `due`."""
    add_notices(tx, context, [raised(complaint, each) for each in reached], now, due=due)


def add_notices(
    tx: Transaction,
    context: RegionContext,
    reached: Sequence[RaisedComplaint],
    now: datetime,
    *,
    due: datetime,
    again: int = 0,
) -> None:
    """Adds notices to every sink that receives their level.

    A ticket has one notice of each level, and `again` counts further ones at the highest level. A known one stays.
    """
    rows: list[dict[str, Value]] = [
        {
            "ticket_id": each.ticket_id,
            "level": each.level + again,
            "sink": sink,
            "content": each.SerializeToString(),
            "now": to_microseconds(now),
            "due": to_microseconds(due),
        }
        for each in reached
        for sink, lowest in context.sinks.items()
        if each.level >= lowest
    ]
    if not rows:
        return
    tx.execute_many(
        "INSERT INTO escalation_notices (ticket_id, level, sink, content, create_time, due_time, attempts, told_time)"
        " VALUES (:ticket_id, :level, :sink, :content, :now, :due, 0, NULL)"
        " ON CONFLICT (ticket_id, level, sink) DO NOTHING",
        rows,
    )
    tx.publish(NoticeAdded(), about=ABOUT)


def forgo(tx: Transaction, ticket_id: str, highest: int) -> set[int]:
    """Cancels the unsent notices of levels up to `highest`; returns these levels.

    A level that a sink has, or is receiving, stays.
    """
    found = set(
        tx.all(
            int,
            "SELECT level FROM escalation_notices WHERE ticket_id = :ticket_id AND level <= :highest"
            " GROUP BY level HAVING MAX(attempts) = 0",
            ticket_id=ticket_id,
            highest=highest,
        )
    )
    tx.execute_many(
        "DELETE FROM escalation_notices WHERE ticket_id = :ticket_id AND level = :level",
        [{"ticket_id": ticket_id, "level": each} for each in sorted(found)],
    )
    return found


def remove_notices(tx: Transaction, ticket_id: str) -> None:
    """Removes all notices about a ticket."""
    tx.execute("DELETE FROM escalation_notices WHERE ticket_id = :ticket_id", ticket_id=ticket_id)


def remove_notices_below(tx: Transaction, ticket_id: str) -> None:
    """Removes all notices about the parts of a ticket, whose ids begin with its id and a slash."""
    tx.execute("DELETE FROM escalation_notices WHERE ticket_id >= :first AND ticket_id < :last", **_parts(ticket_id))


def forget_delivered_below(tx: Transaction, ticket_id: str, before: datetime) -> None:
    """Removes the notices about the parts of a ticket that a sink accepted before a time."""
    tx.execute(
        "DELETE FROM escalation_notices WHERE ticket_id >= :first AND ticket_id < :last AND told_time < :before",
        **_parts(ticket_id),
        before=to_microseconds(before),
    )


def first_words(tx: Transaction) -> list[str]:
    """The different parts of the ids of all notices before their first slash: a query each, by the key."""
    found, last = list[str](), ""
    sql = "SELECT ticket_id FROM escalation_notices WHERE ticket_id >= :behind ORDER BY ticket_id LIMIT 1"
    while (ticket_id := tx.first(str, sql, behind=last)) is not None:
        word = ticket_id.partition("/")[0]
        found.append(word)
        last = _parts(word)["last"]
    return found


def _parts(ticket_id: str) -> Mapping[str, str]:
    """The range of the ids of a ticket's parts."""
    return {"first": f"{ticket_id}/", "last": f"{ticket_id}0"}  # '0' is the character behind '/'


def raised(complaint: Complaint, reached: Escalation) -> RaisedComplaint:
    """The content of a notice: the state of the complaint, without texts and the number."""
    return RaisedComplaint(
        id=f"{complaint.ticket_id}/L{reached.level}",
        ticket_id=complaint.ticket_id,
        level=reached.level,
        trigger=reached.trigger,
        due_time=reached.due_time,
        time=reached.time,
        region=reached.region,
        category=complaint.request.category,
        severity=complaint.severity,
        state=complaint.state,
        origin_region=complaint.origin_region,
        owner_region=complaint.owner_region,
        home_region=complaint.home_region,
        custody=complaint.custody[-1] if complaint.custody else None,
        expected_resolution_time=complaint.expected_resolution_time,
        department=Department(name=complaint.department),
    )


def claim(tx: Transaction, sink: str, now: datetime, limit: int, again: timedelta) -> list[EscalationNotice]:
    """Claims at most `limit` due notices of a sink, oldest first.

    No other process claims them until `again` from now.
    """

    def notice(content: bytes, attempts: int, place: int) -> EscalationNotice:
        return EscalationNotice(RaisedComplaint.FromString(content), sink, attempts, place)

    found = tx.all(
        notice,
        "SELECT content, attempts, level FROM escalation_notices"
        " WHERE sink = :sink AND told_time IS NULL AND due_time <= :now"
        " ORDER BY due_time, ticket_id, level LIMIT :limit",
        sink=sink,
        now=to_microseconds(now),
        limit=limit,
    )
    for each in found:
        postpone(tx, each, now + again)
    return found


def postpone(tx: Transaction, notice: EscalationNotice, due: datetime) -> None:
    """Counts a failed attempt, and sets the next one."""
    tx.execute(
        "UPDATE escalation_notices SET due_time = :due, attempts = :attempts"
        " WHERE ticket_id = :ticket_id AND level = :level AND sink = :sink AND told_time IS NULL",
        due=to_microseconds(due),
        attempts=notice.attempts + 1,
        ticket_id=notice.raised.ticket_id,
        level=notice.place,
        sink=notice.sink,
    )


def note_delivered(tx: Transaction, notice: EscalationNotice, now: datetime) -> None:
    """Notes the acceptance by the sink."""
    tx.execute(
        "UPDATE escalation_notices SET told_time = :now"
        " WHERE ticket_id = :ticket_id AND level = :level AND sink = :sink AND told_time IS NULL",
        ticket_id=notice.raised.ticket_id,
        level=notice.place,
        sink=notice.sink,
        now=to_microseconds(now),
    )


def next_due(tx: Transaction, sink: str) -> datetime | None:
    """When the next notice of a sink that waits is due."""
    return tx.first(
        from_microseconds,
        "SELECT due_time FROM escalation_notices WHERE sink = :sink AND told_time IS NULL ORDER BY due_time LIMIT 1",
        sink=sink,
    )


def waiting_sinks(tx: Transaction) -> list[str]:
    """The sinks with waiting notices, by name."""
    return tx.all(str, "SELECT DISTINCT sink FROM escalation_notices WHERE told_time IS NULL ORDER BY sink")
