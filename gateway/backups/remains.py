"""The oldest content in the archive and the backups of a process: an erasure is complete once all of it is younger."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from gateway.backups.history import History
from gateway.backups.settings import ARCHIVE
from gateway.store.commit_archive import SEGMENT_SECONDS
from gateway.time.clock import Clock, from_microseconds, to_microseconds
from gateway.time.looks import until_look

SCRATCH = "backup"
"""The directory of a copy, restore or drill under way."""
MOST_AGE = timedelta(hours=72)
"""The age at which a file leaves the archive where no copy was made: a weekend."""
_LOOK_SECONDS = 600.0
_log = logging.getLogger(__name__)


def oldest_content(data: Path, scratch_disks: Sequence[Path], now: datetime) -> datetime:
    """The time before which nothing was committed of what archive and repository have; `now` where there is nothing.

    It is 1970 where nobody knows, as while a copy is under way. Times are aware.
    """
    history, unknown = History.read(data), from_microseconds(0)
    if History.is_damaged(data) or any((each / SCRATCH).exists() for each in (data, *scratch_disks)):
        return unknown
    if history.copy_time is not None:
        begin = history.archive_begin_time or unknown
        return from_microseconds(min([to_microseconds(begin), *history.kept.values()]))
    try:
        written = min((path.stat().st_mtime for path in _files(data / ARCHIVE)), default=None)
    except OSError:
        return unknown
    return now if written is None else from_microseconds(int((written - SEGMENT_SECONDS) * 1_000_000))


def remove_old(archive: Path, now: datetime) -> int:
    """Removes the files that have got no commit for too long; returns their number. Raises OSError."""
    before = (now - MOST_AGE).timestamp()
    old = [path for path in _files(archive) if path.stat().st_mtime < before]
    for each in old:
        each.unlink(missing_ok=True)
    return len(old)


async def keep_bounded(archive: Path, clock: Clock) -> NoReturn:
    """Removes old files again and again, also of an archive that the settings no longer name."""
    while True:
        await asyncio.sleep(until_look(_LOOK_SECONDS))
        try:
            if removed := await asyncio.to_thread(remove_old, archive, clock.now()):
                _log.warning("the archive of commits has lost %d files: no copy was made for days", removed)
        except OSError as error:
            _log.warning("old files stay in the archive of commits: %s", error)


def _files(archive: Path) -> Iterator[Path]:
    return (path for path in archive.rglob("*") if path.is_file())
