"""The last good backups of a process, in a file beside its data: for metrics, and for the next backup."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from opentelemetry.metrics import Meter

from gateway.backups.encoding import decoded, encoded
from gateway.backups.settings import BackupSettings
from gateway.process.files import replace_file
from gateway.process.metrics import observe
from gateway.store.opening import DatabasePlace
from gateway.store.timeline import Position
from gateway.time.clock import Clock


class Task(StrEnum):
    """A task of backups, by the name of its command."""

    CREATE = "create"
    ARCHIVE = "archive"
    DRILL = "drill"


_FILE = "backups.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class History:
    """The times of the last good runs, aware; None for none so far."""

    begin_time: datetime | None = None
    """When the process began to look at its backups."""
    copy_time: datetime | None = None
    archive_time: datetime | None = None
    changes_time: datetime | None = None
    """The time up to which the repository has the changes of a store that processes share."""
    drill_time: datetime | None = None
    timeline: str = ""
    commits: int = 0
    """The position of the last copy; 0 without one."""
    copy_begin_time: datetime | None = None
    """When the last copy was begun."""
    archive_begin_time: datetime | None = None
    """The time before which nothing was committed of what the archive has; None where nobody knows."""
    kept: Mapping[str, int] = field(default_factory=dict)
    """The same of each backup in the repository, by id, in microseconds since 1970; 0 where nobody knows."""
    create_try_time: datetime | None = None
    archive_try_time: datetime | None = None
    drill_try_time: datetime | None = None
    """When the schedule last began a task that has not ended well since, or when it failed."""

    @property
    def copied(self) -> Position:
        """The position of the last copy."""
        return Position(self.timeline, self.commits)

    @property
    def done(self) -> Mapping[Task, datetime | None]:
        """The time of the last good run of each task."""
        archived = [time for time in (self.archive_time, self.changes_time) if time is not None]
        return {
            Task.CREATE: self.copy_time,
            Task.ARCHIVE: min(archived, default=None),
            Task.DRILL: self.drill_time,
        }

    @property
    def tried(self) -> Mapping[Task, datetime]:
        """The time of the last failure of each task of the schedule, or of its begin where its end is not known."""
        times = {
            Task.CREATE: self.create_try_time,
            Task.ARCHIVE: self.archive_try_time,
            Task.DRILL: self.drill_try_time,
        }
        return {task: time for task, time in times.items() if time is not None}

    def with_tried(self, tried: Mapping[Task, datetime]) -> "History":
        """The same with other failures."""
        return replace(
            self,
            create_try_time=tried.get(Task.CREATE),
            archive_try_time=tried.get(Task.ARCHIVE),
            drill_try_time=tried.get(Task.DRILL),
        )

    @classmethod
    def read(cls, data: Path) -> "History":
        """The history in the directory of a process; an empty one where none can be read."""
        try:
            return decoded(cls, (data / _FILE).read_bytes())
        except (OSError, ValueError, TypeError):
            return cls()

    @classmethod
    def is_begun(cls, data: Path) -> bool:
        """Whether there is a history, also one that cannot be read."""
        return (data / _FILE).exists()

    def write(self, data: Path) -> None:
        """Replaces the history in the directory of a process. Raises OSError."""
        replace_file(data / _FILE, encoded(self))


def observe_backups(
    meter: Meter,
    backup: BackupSettings | None,
    place: DatabasePlace,
    data: Path,
    clock: Clock,
    *,
    has_shared: bool = False,
) -> None:
    """Gauges the age of the last good backup of each kind, where the settings name a repository.

    One that was never made is as old as the first look at it. `has_shared`: the process shares a store with others.
    """
    if backup is None:
        return
    history, start = History.read(data), clock.now()
    if history.begin_time is None:
        try:
            replace(history, begin_time=start).write(data)
        except OSError as error:
            _log.error("the first look at the backups is not kept: %s", error)

    def ages() -> Sequence[tuple[float, dict[str, str]]]:
        found, now = History.read(data), clock.now()
        times = {"copy": found.copy_time, "drill": found.drill_time}
        if place.archive is not None or has_shared:
            times["archive"] = found.done[Task.ARCHIVE]
        begun = found.begin_time or start
        return [((now - (time or begun)).total_seconds(), {"kind": kind}) for kind, time in times.items()]

    observe(meter, "crossregion.backup.age", "s", ages)
