"""The next task of a program that makes its backups by itself. Pure: time comes in."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from gateway.backups.history import History, Task

_INTERVALS = {Task.CREATE: timedelta(hours=1), Task.ARCHIVE: timedelta(minutes=1), Task.DRILL: timedelta(days=7)}
# A failure may be over soon, and a drill reads everything.
_RESTS = {Task.CREATE: timedelta(minutes=5), Task.ARCHIVE: timedelta(minutes=1), Task.DRILL: timedelta(hours=6)}
_NEVER = float("inf")


def due(
    history: History,
    failures: Mapping[Task, datetime],
    ended: Mapping[Task, timedelta],
    wanted: Collection[Task],
    now: datetime,
) -> Task | None:
    """The wanted task that is most overdue by its interval, and whose last failure is not fresh. Times are aware.

    `ended`: the time since this process last ended each task well, because the clock of a server may be ahead.
    A time in the future is that of a clock that was wrong: it holds nothing up.
    """
    late = {task: _intervals(task, history, ended, now) for task in Task if task in wanted}
    waiting = [
        task
        for task, intervals in late.items()
        if intervals >= 1
        and (task == Task.CREATE or history.copy_time is not None)
        and not _is_within(now, failures.get(task), _RESTS[task])
    ]
    return max(waiting, key=lambda task: late[task], default=None)


def _intervals(task: Task, history: History, ended: Mapping[Task, timedelta], now: datetime) -> float:
    """How often the interval of a task has passed since its last good run."""
    done = history.done[task]
    told = [] if done is None or done > now else [now - done]
    known = [*told, *([ended[task]] if task in ended else [])]
    return min((age / _INTERVALS[task] for age in known), default=_NEVER)


def _is_within(now: datetime, time: datetime | None, interval: timedelta) -> bool:
    return time is not None and timedelta() <= now - time < interval
