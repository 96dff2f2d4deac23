"""Brings a copy of a SQLite database to a later moment: writes into it what the archive of commits has."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from gateway.backups.encoding import decoded, encoded
from gateway.backups.refused import CopyFailed
from gateway.process.files import change, replace_file
from gateway.store import timeline
from gateway.store.commit_archive import commits, numbers, segments
from gateway.store.sqlite import open_read_only
from gateway.store.timeline import Position
from gateway.time.clock import from_microseconds, microseconds_or_none
from gateway.wording.languages import translated
from gateway.wording.times import told_time


@dataclass(frozen=True)
class Moment:
    """Where to stop: behind the last commit by this time, or behind the commit of this number. All without both."""

    time: datetime | None = None
    commits: int | None = None


EVERYTHING = Moment()
_MARK = "archived"  # so that an archive without a commit is one, too
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reach:
    """The commits that an archive has to have: all of its database up to one, and all that were made by a time."""

    time: datetime
    timeline: str
    commits: int

    @property
    def position(self) -> Position:
        """The last of these commits."""
        return Position(self.timeline, self.commits)

    def write(self, archive: Path) -> None:
        """Puts it into the archive. Raises OSError."""
        replace_file(archive / _MARK, encoded(self))

    @classmethod
    def read(cls, archive: Path) -> "Reach | None":
        """That of an archive; None for one of an older version."""
        try:
            return decoded(cls, (archive / _MARK).read_bytes())
        except (OSError, ValueError, TypeError):
            return None


@dataclass(frozen=True)
class Gap:
    """Commits that an archive lacks, by number."""

    first: int
    last: int
    time: datetime | None
    """When the last commit before them was made; None without any in the archive."""


def gap_behind(directory: Path, start: Position, end: int) -> Gap | None:
    """The first gap of an archive between two commits; `end` is the number of the later. Raises OSError."""
    last, time = start.commits, None
    for first, number, written in _heads(directory, start):
        if first > last + 1:
            return Gap(last + 1, first - 1, time)
        last, time = max(last, number), from_microseconds(written)
    return Gap(last + 1, end, time) if last < end else None


def _heads(directory: Path, start: Position) -> Iterator[tuple[int, int, int]]:
    """First and last number and time of the records behind a commit."""
    for segment in segments(directory):
        if segment.timeline == start.timeline:
            yield from (head for head in numbers(segment) if head[1] > start.commits)


def replay(file: Path, archive: Path, moment: Moment) -> datetime | None:
    """Writes the commits up to a moment into a copy; returns the time of the last one, None for no commit.

    Raises CopyFailed where commits by the moment are missing, or the result is not what the last one says; OSError.
    """
    try:
        return _replayed(file, archive, moment)
    except sqlite3.DatabaseError as error:
        raise CopyFailed(f"{file}: {error}") from error


def _replayed(file: Path, archive: Path, moment: Moment) -> datetime | None:
    with open_read_only(file) as tx:
        start = timeline.position(tx)
    if start is None:
        raise CopyFailed(translated("{file}: was copied before commits were archived", file=file))
    wanted = _wanted(archive, start, moment)
    last, time = _written(file, archive, start, wanted)
    if last < wanted:
        raise _lacking(Gap(last + 1, wanted, time))
    with closing(sqlite3.connect(file)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")  # a file by itself
    with open_read_only(file) as tx:
        if timeline.position(tx) != Position(start.timeline, last):
            raise CopyFailed(translated("the archive does not continue the copy at commit {number}", number=last))
    return time


def _wanted(archive: Path, start: Position, moment: Moment) -> int:
    """The number of the last commit by a moment, also of one that the archive should have and lacks.

    A clock may have been wrong for a while: no commit by the moment is left out for one before it with a later time.
    """
    if moment.commits is not None:
        return moment.commits
    heads = list(_heads(archive, start))
    _, end, end_time = max(heads, key=lambda head: head[1], default=(0, start.commits, 0))
    until = microseconds_or_none(moment.time)
    reach = Reach.read(archive)
    reached = reach.commits if reach is not None and reach.timeline == start.timeline else 0
    if until is None:
        return max(end, reached)
    wanted = max((number for _, number, time in heads if time <= until), default=start.commits)
    later = max((time for _, number, time in heads if number < wanted), default=until)
    if later > until:
        _log.warning(
            "the clock went back: of the commits up to number %d, all restored, some have a later time, up to %s",
            wanted,
            told_time(from_microseconds(later), timespec="microseconds"),
        )
    return max(wanted, reached) if until > end_time else wanted


def _written(file: Path, archive: Path, start: Position, wanted: int) -> tuple[int, datetime | None]:
    last, time, pages, page_bytes = start.commits, None, 0, 0
    with change(file) as copy:
        for segment in segments(archive):
            if segment.timeline != start.timeline:
                continue
            for commit in commits(segment):
                if commit.number <= last:
                    continue
                if commit.number > wanted:
                    return _finished(copy, last, time, pages * page_bytes)
                if commit.first > last + 1:
                    raise _lacking(Gap(last + 1, commit.first - 1, time))
                for page, content in commit.pages:
                    copy.seek((page - 1) * commit.page_bytes)
                    copy.write(content)
                last, time = commit.number, from_microseconds(commit.time)
                pages, page_bytes = commit.database_pages, commit.page_bytes
        return _finished(copy, last, time, pages * page_bytes)


def _finished(copy: BinaryIO, last: int, time: datetime | None, size: int) -> tuple[int, datetime | None]:
    if size:
        copy.truncate(size)
    copy.flush()
    os.fsync(copy.fileno())
    return last, time


def _lacking(gap: Gap) -> CopyFailed:
    if gap.time is None:
        return CopyFailed(
            translated(
                "the archive lacks the commits {first} to {last}, right behind the copy: restore the copy alone, by its"
                " id, or a later moment",
                first=gap.first,
                last=gap.last,
            )
        )
    return CopyFailed(
        translated(
            "the archive lacks the commits {first} to {last}: --time {time} or before can be restored, and what a later"
            " copy begins",
            first=gap.first,
            last=gap.last,
            time=told_time(gap.time, timespec="microseconds"),
        )
    )
