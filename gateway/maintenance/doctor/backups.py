"""The age of the last backups of a process, where its settings name a repository."""

from datetime import datetime, timedelta
from pathlib import Path

from gateway.backups.history import History, Task
from gateway.backups.refused import ProgramMissing
from gateway.backups.settings import BackupSettings
from gateway.backups.shared_store import SharedStore
from gateway.maintenance.doctor.findings import Finding, bad, good, warning
from gateway.store.opening import DatabasePlace
from gateway.wording.languages import enumerated, translated

OLDEST = {Task.CREATE: timedelta(hours=3), Task.ARCHIVE: timedelta(minutes=15), Task.DRILL: timedelta(days=9)}
"""The greatest age of the last good run of each task, as the alerts BackupOld and DrillOld have it."""


def check_backups(
    backup: BackupSettings | None, place: DatabasePlace, data: Path, now: datetime, shared: SharedStore | None = None
) -> list[Finding]:
    """Checks that each kind of backup was made in time. `now` is aware."""
    if backup is None:
        return []
    name, done = translated("backups"), History.read(data).done
    kinds = [task for task in Task if task != Task.ARCHIVE or place.archive is not None or shared is not None]
    late = [task for task in kinds if (time := done[task]) is None or now - time > OLDEST[task]]
    told = enumerated(f"{task}: {_told(done[task], now)}" for task in kinds)
    if not late:
        return [good(name, told)]
    todo = translated(
        "run `backups {task}`, which says why, and see its timer; where another process of the member makes them,"
        " nothing is to be done here",
        task=late[0],
    )
    return [warning(name, told, todo)]


def check_shared_store(backup: BackupSettings | None, shared: SharedStore | None) -> list[Finding]:
    """Checks that the programs are there which copy the store that processes share."""
    if backup is None or shared is None:
        return []
    name = translated("copies of {store}", store=shared.name)
    try:
        shared.require_programs()
    except ProgramMissing as error:
        return [bad(name, str(error), translated("install it: until then copies have the database alone"))]
    return [good(name, translated("the programs for them are installed"))]


def _told(time: datetime | None, now: datetime) -> str:
    if time is None:
        return translated("never")
    return translated("{minutes} minutes ago", minutes=int((now - time).total_seconds() // 60))
