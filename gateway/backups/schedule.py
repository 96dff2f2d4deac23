"""The next task of a program that makes its backups by itself. Pure: time comes in."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from gateway.backups.history import History, Task

_INTERVALS = {Task.CREATE: timedelta(hours=1), Task.ARCHIVE: timedelta(minutes=1), Task.DRILL: timedelta(days=7)}
# A failure may be over soon, and a drill reads everything.
_RESTS = {Task.CREATE: timedelta(minutes=5), Task.ARCHIVE: timedelta(minutes=1), Task.DRILL: timedelta(hours=6)}


def due(history: History, failures: Mapping[Task, datetime], wanted: Collection[Task], now: datetime) -> Task | None:
    """The first of the wanted tasks whose interval is over, and whose last failure is not fresh. Times are aware.

    A time in the future is that of a clock that was wrong: it holds nothing up.
    """
    for task in Task:
        if task not in wanted or (task != Task.CREATE and history.copy_time is None):
            continue
        is_fresh = _within(history.done[task], now, _INTERVALS[task])
        if not is_fresh and not _within(failures.get(task), now, _RESTS[task]):
            return task
    return None


def _within(time: datetime | None, now: datetime, interval: timedelta) -> bool:
    return time is not None and timedelta() <= now - time < interval
