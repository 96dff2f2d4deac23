"""Quarantined work: timers and envelopes that failed again and again, and runs that are too large, wait for people."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.api.region.v1.quarantine_service_pb2 import QuarantineSource, QuarantineState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_microseconds, to_microseconds
from gateway.values.names import snake_case

TIMER = QuarantineSource.QUARANTINE_SOURCE_TIMER
ENVELOPE = QuarantineSource.QUARANTINE_SOURCE_ENVELOPE
RUN = QuarantineSource.QUARANTINE_SOURCE_RUN
WAITING = QuarantineState.QUARANTINE_STATE_WAITING
ABOUT = "quarantined-work"
"""The subject by which other processes learn of a change."""
ATTEMPTS = 12  # failed attempts before work is quarantined
PATIENCE = timedelta(hours=1)  # from its first failure: a defect may be mended, and a key arrive, in this time
_PREFIXES = {TIMER: "timer/", ENVELOPE: "envelope/", RUN: "run/"}


class QuarantinedWork(NamedTuple):
    """A row. Instants are in microseconds since 1970."""

    work_id: str
    source: QuarantineSource.ValueType
    kind: str
    subject: str
    failure: str
    attempts: int
    fail_time: int
    quarantine_time: int
    destination: str = ""
    due_time: int = 0
    is_answered: int = 0
    state: QuarantineState.ValueType = WAITING
    reference: str = ""
    decider: str = ""
    decide_time: int | None = None

    @property
    def name(self) -> str:
        """The id of the timer or the envelope."""
        return self.work_id.removeprefix(_PREFIXES[self.source])


QUARANTINED = Table("quarantined_work", QuarantinedWork, key=("work_id",))
_COLUMNS = ", ".join(QuarantinedWork._fields)


@dataclass(frozen=True)
class QuarantineChanged:
    """Published when work was left to people, or decided."""


Keep = Callable[[Transaction, QuarantinedWork, datetime], None]
"""Leaves work to people, with a notice."""


def keep(tx: Transaction, work: QuarantinedWork, now: datetime) -> None:
    """Leaves work to people, without a notice."""
    tx.keep(QUARANTINED, work)
    tx.publish(QuarantineChanged(), about=ABOUT)


def work_id(source: QuarantineSource.ValueType, name: str) -> str:
    """The id of the work on a timer or an envelope."""
    return f"{_PREFIXES[source]}{name}"


def is_due_for_quarantine(attempts: int, fail_time: int, now: datetime) -> bool:
    """Whether work that fails by a defect is left to people. `fail_time`, in microseconds, is of its first failure.

    Neither many attempts at once nor a clock that steps ahead suffices alone.
    """
    return attempts >= ATTEMPTS and now - from_microseconds(fail_time) >= PATIENCE


def may_run(tx: Transaction, run: str, extent: str, now: datetime, leave: Keep) -> bool:
    """Whether a run may do more than it does by itself, up to an extent: the last month or day, by its ISO name.

    People decide (`leave`), once for each extent; while they have not, the extent is the present one.
    """
    known = tx.find(QUARANTINED, work_id(RUN, run))
    if known is not None and known.state == WAITING:
        if known.subject != extent:
            tx.keep(QUARANTINED, known._replace(subject=extent))
        return False
    if known is not None and known.state == QuarantineState.QUARANTINE_STATE_REPLAYED and extent <= known.subject:
        return True
    problem, at = reason_name(Reason.REASON_RUN_TOO_LARGE), to_microseconds(now)
    leave(tx, QuarantinedWork(work_id(RUN, run), RUN, run, extent, problem, 0, at, at), now)
    return False


def waits_for_people(tx: Transaction, run: str, extent: str) -> bool:
    """Whether people have been asked about a run up to this very extent, and have not decided."""
    known = tx.find(QUARANTINED, work_id(RUN, run))
    return known is not None and known.state == WAITING and known.subject == extent


def require(tx: Transaction, work: str) -> QuarantinedWork:
    """The work with an id. Raises Refused with QUARANTINED_WORK_NOT_FOUND."""
    found = tx.find(QUARANTINED, work)
    if found is None:
        raise Refused(Reason.REASON_QUARANTINED_WORK_NOT_FOUND, work=work)
    return found


def require_waiting(tx: Transaction, work: str) -> QuarantinedWork:
    """As `require`, of work that waits for people. Raises Refused with QUARANTINED_WORK_DECIDED too."""
    found = require(tx, work)
    if found.state != WAITING:
        state = snake_case(QuarantineState.DESCRIPTOR, found.state).upper()
        raise Refused(Reason.REASON_QUARANTINED_WORK_DECIDED, work=work, state=state)
    return found


def decide(
    tx: Transaction, work: QuarantinedWork, state: QuarantineState.ValueType, decider: str, now: datetime
) -> QuarantinedWork:
    """Ends the waiting of work, and returns its row."""
    decided = work._replace(state=state, decider=decider, decide_time=to_microseconds(now))
    tx.update(QUARANTINED, decided)
    tx.publish(QuarantineChanged(), about=ABOUT)
    return decided


def end_if_waiting(tx: Transaction, work: str, now: datetime) -> bool:
    """Notes that work was done after all; returns whether it waited for people."""
    found = tx.find(QUARANTINED, work)
    if found is None or found.state != WAITING:
        return False
    decide(tx, found, QuarantineState.QUARANTINE_STATE_DONE, "", now)
    return True


def work_after(tx: Transaction, place: tuple[int, str], limit: int, *, is_all: bool) -> list[QuarantinedWork]:
    """Work behind a place, a due time and an id, in that order; only what waits, unless `is_all`."""
    state = "" if is_all else f" AND state = {WAITING}"
    return tx.all(
        QuarantinedWork,
        f"SELECT {_COLUMNS} FROM quarantined_work WHERE (due_time, work_id) > (:due, :work_id){state}"  # noqa: S608
        " ORDER BY due_time, work_id LIMIT :limit",
        due=place[0],
        work_id=place[1],
        limit=limit,
    )


def has_waiting(tx: Transaction, like: QuarantinedWork) -> bool:
    """Whether other work of the same source, kind and destination waits for people."""
    return (
        tx.first(
            int,
            f"SELECT 1 FROM quarantined_work WHERE state = {WAITING} AND source = :source AND kind = :kind"  # noqa: S608
            " AND destination = :destination AND work_id <> :work_id LIMIT 1",
            source=like.source,
            kind=like.kind,
            destination=like.destination,
            work_id=like.work_id,
        )
        is not None
    )


def first_due(tx: Transaction, source: QuarantineSource.ValueType, kind: str, destination: str) -> int | None:
    """The first due time of work of a source, a kind and a destination that waits, in microseconds; None without."""
    return tx.first(
        int,
        f"SELECT due_time FROM quarantined_work WHERE state = {WAITING} AND source = :source AND kind = :kind"  # noqa: S608
        " AND destination = :destination ORDER BY due_time LIMIT 1",
        source=source,
        kind=kind,
        destination=destination,
    )


def waiting_by_source(tx: Transaction) -> dict[QuarantineSource.ValueType, int]:
    """The number of pieces of work that wait for people, by source."""
    found = tx.all(
        _counted,
        f"SELECT source, COUNT(*) FROM quarantined_work WHERE state = {WAITING} GROUP BY source",  # noqa: S608
    )
    return dict.fromkeys(_PREFIXES, 0) | dict(found)


def forget_decided(tx: Transaction, before: int, limit: int) -> int:
    """Removes at most `limit` decided pieces of work from before an instant, in microseconds; returns their number."""
    return tx.execute(
        "DELETE FROM quarantined_work WHERE work_id IN (SELECT work_id FROM quarantined_work"  # noqa: S608
        f" WHERE state <> {WAITING} AND decide_time < :before ORDER BY decide_time, work_id LIMIT :limit)",
        before=before,
        limit=limit,
    )


def _counted(source: int, count: int) -> tuple[QuarantineSource.ValueType, int]:
    return QuarantineSource.ValueType(source), count
