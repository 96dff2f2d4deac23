"""Planned outages of this region's network, as stored."""

from datetime import datetime

from gateway.api.region.v1.planned_outage_service_pb2 import PlannedOutage, PlannedOutageState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds

CANCELLED = PlannedOutageState.PLANNED_OUTAGE_STATE_CANCELLED


def keep_planned(tx: Transaction, planned: PlannedOutage) -> None:
    """Adds a planned outage, or stores its current version."""
    tx.execute(
        "INSERT INTO planned_outages (planned_outage_id, start_time, end_time, state, body)"
        " VALUES (:id, :start, :end, :state, :body) ON CONFLICT (planned_outage_id) DO UPDATE SET"
        " start_time = excluded.start_time, end_time = excluded.end_time, state = excluded.state,"
        " body = excluded.body",
        id=planned.id,
        start=to_microseconds(from_timestamp(planned.start_time)),
        end=to_microseconds(from_timestamp(planned.end_time)),
        state=planned.state,
        body=planned.SerializeToString(),
    )


def require_planned(tx: Transaction, outage_id: str) -> PlannedOutage:
    """A planned outage of this region. Raises Refused with PLANNED_OUTAGE_NOT_FOUND."""
    found = tx.first(
        PlannedOutage.FromString, "SELECT body FROM planned_outages WHERE planned_outage_id = :id", id=outage_id
    )
    if found is None:
        raise Refused(Reason.REASON_PLANNED_OUTAGE_NOT_FOUND, outage=outage_id)
    return found


def list_planned(
    tx: Transaction, since: datetime | None, before: tuple[int, str] | None, limit: int
) -> list[PlannedOutage]:
    """At most `limit` planned outages, latest beginning first, before a beginning (in microseconds) and id.

    With `since` only those that are not cancelled and end later.
    """
    time, outage_id = before if before is not None else (2**62, "")
    only = "" if since is None else f" AND end_time > :since AND state <> {CANCELLED}"
    return tx.all(
        PlannedOutage.FromString,
        f"SELECT body FROM planned_outages WHERE (start_time < :time OR (start_time = :time AND"  # noqa: S608
        f" planned_outage_id < :id)){only}"
        " ORDER BY start_time DESC, planned_outage_id DESC LIMIT :limit",
        time=time,
        id=outage_id,
        limit=limit,
        **({} if since is None else {"since": to_microseconds(since)}),
    )
