"""The oldest content in the archive and the backups of a process: an erasure is complete once all of it is younger."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from gateway.backups.history import History
from gateway.backups.settings import ARCHIVE
from gateway.store.commit_archive import SEGMENT_SECONDS, newest
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import BETWEEN_TRUSTED, from_microseconds, to_microseconds
from gateway.time.looks import until_look

SCRATCH = "backup"
"""The directory of a copy, restore or drill under way."""
MOST_AGE = timedelta(hours=72)
"""The age at which a file leaves the archive where no copy was made: a weekend."""
_LOOK_SECONDS = 600.0
_log = logging.getLogger(__name__)


def oldest_content(data: Path, scratch_disks: Sequence[Path], now: datetime, *, is_backed_up: bool) -> datetime:
    """The time before which nothing was committed of what archive and repository have; `now` where there is nothing.

    It is 1970 where nobody knows, as while a copy is under way. Times are aware. `is_backed_up`: the settings name a
    repository. That has backups of before where a new machine, or a torn file, has no history of a copy.
    """
    history, unknown = History.read(data), from_microseconds(0)
    if any((each / SCRATCH).exists() for each in (data, *scratch_disks)):
        return unknown
    if history.copy_time is not None:
        begin = history.archive_begin_time or unknown
        return _agreed(min([to_microseconds(begin), *history.kept.values()]))
    if is_backed_up or History.is_begun(data):
        return unknown
    try:
        written = [path.stat().st_mtime for path in _files(data / ARCHIVE)]
    except OSError:
        return unknown
    is_ahead = max(written, default=0.0) > (now + BETWEEN_TRUSTED).timestamp()
    first = 0.0 if is_ahead else min(written, default=0.0) - SEGMENT_SECONDS
    return _agreed(int(first * 1_000_000)) if written else now


def _agreed(begin: int) -> datetime:
    """The least agreed time at a time of the machine's clock, in microseconds since 1970."""
    return max(from_microseconds(begin) - BETWEEN_TRUSTED, from_microseconds(0))


def remove_old(archive: Path, now: datetime, *, is_written: bool) -> int:
    """Removes the files that have got no commit for too long; returns their number. Raises OSError.

    `is_written`: a process adds commits to the newest file, which stays, as does that of each former timeline.
    """
    before, kept = (now - MOST_AGE).timestamp(), newest(archive) if is_written else frozenset()
    old = [path for path in _files(archive) if path not in kept and path.stat().st_mtime < before]
    for each in old:
        each.unlink(missing_ok=True)
    return len(old)


async def keep_bounded(archive: Path, clock: AgreedClock, *, is_written: bool) -> NoReturn:
    """Removes old files again and again, also of an archive that the settings no longer name.

    The machine's clock dates files. One that is ahead of the agreed time makes none old.
    """
    while True:
        await asyncio.sleep(until_look(_LOOK_SECONDS))
        try:
            now = min(clock.wall(), clock.now())
            if removed := await asyncio.to_thread(remove_old, archive, now, is_written=is_written):
                _log.warning("the archive of commits has lost %d files: no copy was made for days", removed)
        except OSError as error:
            _log.warning("old files stay in the archive of commits: %s", error)


def _files(archive: Path) -> Iterator[Path]:
    return (path for path in archive.rglob("*") if path.is_file())
