"""Brings a copy of a SQLite database to a later moment: writes into it what the archive of commits has."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from gateway.backups.refused import CopyFailed
from gateway.process.files import change
from gateway.store import timeline
from gateway.store.commit_archive import Commit, commits, numbers, segments
from gateway.store.sqlite import open_read_only
from gateway.store.timeline import Position
from gateway.time.clock import from_microseconds, to_microseconds
from gateway.wording.languages import translated
from gateway.wording.times import told_time


@dataclass(frozen=True)
class Moment:
    """Where to stop: behind the last commit by this time, or behind the commit of this number. All without both."""

    time: datetime | None = None
    commits: int | None = None

    def is_before(self, commit: Commit) -> bool:
        """Whether a commit came later."""
        if self.time is not None and commit.time > to_microseconds(self.time):
            return True
        return self.commits is not None and commit.number > self.commits


EVERYTHING = Moment()


@dataclass(frozen=True)
class Gap:
    """Commits that an archive lacks, by number."""

    first: int
    last: int
    time: datetime | None
    """When the last commit before them was made; None without any in the archive."""


def gap_behind(directory: Path, start: Position) -> Gap | None:
    """The first gap of an archive behind a commit, up to its own end. Raises OSError."""
    last, time = start.commits, None
    for segment in segments(directory):
        if segment.timeline != start.timeline:
            continue
        for first, number, written in numbers(segment):
            if first > last + 1:
                return Gap(last + 1, first - 1, time)
            last, time = max(last, number), from_microseconds(written)
    return None


def replay(file: Path, archive: Path, moment: Moment) -> datetime | None:
    """Writes the commits up to a moment into a copy; returns the time of the last one, None for no commit.

    Raises CopyFailed where commits are missing in between, or the result is not what the last one says; OSError.
    """
    with open_read_only(file) as tx:
        start = timeline.position(tx)
    if start is None:
        raise CopyFailed(translated("{file}: was copied before commits were archived", file=file))
    last, time = _written(file, archive, start, moment)
    if moment.commits is not None and last < moment.commits:
        raise CopyFailed(
            translated("the archive lacks the commits {first} to {last}", first=last + 1, last=moment.commits)
        )
    with closing(sqlite3.connect(file)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")  # a file by itself
    with open_read_only(file) as tx:
        if timeline.position(tx) != Position(start.timeline, last):
            raise CopyFailed(translated("the archive does not continue the copy at commit {number}", number=last))
    return time


def _written(file: Path, archive: Path, start: Position, moment: Moment) -> tuple[int, datetime | None]:
    last, time, pages, page_bytes = start.commits, None, 0, 0
    with change(file) as copy:
        for segment in segments(archive):
            if segment.timeline != start.timeline:
                continue
            for commit in commits(segment):
                if commit.number <= last:
                    continue
                if moment.is_before(commit):
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
