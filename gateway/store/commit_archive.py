"""The archive of commits of a SQLite database: the pages that each commit wrote, in files beside it.

The only writer of the database adds each commit once it is on disk, before its callers hear of it. SQLite overwrites
its write-ahead log at a later commit only, so no commit is missed. The log still has at the next start the commits that
a killed process had not added. A failure never fails a commit: the archive then lacks commits, counts and
reports them, and is whole again from the next copy of the database on.
"""

import logging
import os
import shutil
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import FileIO
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from gateway.process.files import start_private
from gateway.store.timeline import Position
from gateway.time.clock import BETWEEN_TRUSTED, EPOCH, from_microseconds

LEAST_FREE_BYTES = 1024 * 1024 * 1024
"""Free bytes of the disk below which nothing is archived: accepted work needs what is left."""
SEGMENT_BYTES = 16 * 1024 * 1024
SEGMENT_SECONDS = 3600.0
"""Seconds after which a file takes no further commit, so that `prune` removes also those of a quiet database."""
FOREIGN_SECONDS = 2 * 3600.0
"""Seconds for which files of former timelines stay, so that the archive of each hour has their end."""
REST_SECONDS = 5.0
"""Seconds after a failure in which no further attempt is made."""
_SUFFIX = ".commits"
_RECORD = struct.Struct(">4sQQqIII")
_MAGIC = b"XRC1"
_LOG_HEADER = struct.Struct(">IIIIIIII")  # of SQLite's write-ahead log
_FRAMES_IN_INDEX = struct.Struct("=16xI")  # the number of valid frames in the log, by SQLite's index of it
_FRAME = struct.Struct(">IIIIII")
_NUMBER = struct.Struct(">I")
_LOG_MAGIC = 0x377F0682
_LOOKED_AT = 3  # of the newest files for the last commit: those of processes that were killed may be empty
_MOST_BYTES = 256 * 1024 * 1024  # of the log in memory
_log = logging.getLogger(__name__)


class ArchiveFull(OSError):
    """The archive has no room left: what it may take, or what the disk has."""


@dataclass(frozen=True)
class ArchivePlace:
    """The place of an archive."""

    directory: Path
    most_bytes: int
    """The room that its files may take."""


@dataclass(frozen=True)
class Commit:
    """A commit in the archive, or several that were added together."""

    first: int
    number: int
    """The numbers of the first and the last in the timeline."""
    time: int
    """When it was on disk, in microseconds since 1970 by the clock of its process."""
    page_bytes: int
    database_pages: int
    """The size of the database after it."""
    pages: Sequence[tuple[int, bytes]]
    """Each page that it wrote, by its number from 1 on; the last one of a number counts."""


@dataclass(frozen=True)
class Segment:
    """A file of the archive."""

    path: Path
    timeline: str
    first: int
    """The number of its first commit."""

    @property
    def begin_time(self) -> datetime:
        """When it was begun, by the machine's clock."""
        return from_microseconds(int(self.path.stem.rpartition("-")[2], 16) // 1000)


def segments(directory: Path) -> list[Segment]:
    """The files of an archive, those of a timeline in their order. Raises OSError."""
    found = [_segment(path) for path in directory.glob(f"*{_SUFFIX}")]
    return sorted(filter(None, found), key=lambda each: (each.timeline, each.first, each.path.name))


def begun(directory: Path) -> datetime | None:
    """When the oldest file of an archive was begun, by the machine's clock; None without any. Raises OSError.

    It is 1970 where nobody knows, because the clock was set back between two files.
    """
    found = segments(directory)
    for each, following in pairwise(found):
        if each.timeline == following.timeline and following.begin_time + BETWEEN_TRUSTED < each.begin_time:
            return EPOCH
    return min((each.begin_time for each in found), default=None)


def newest(directory: Path) -> frozenset[Path]:
    """The newest file of each timeline, with others that begin by the same commit. Raises OSError."""
    found = segments(directory)
    last = {each.timeline: each.first for each in found}
    return frozenset(each.path for each in found if each.first == last[each.timeline])


def commits(segment: Segment) -> Iterator[Commit]:
    """The commits of a file, up to the first that is torn or damaged. Raises OSError."""
    with segment.path.open("rb") as file:
        while (found := _read(file)) is not None:
            yield found


def numbers(segment: Segment) -> Iterator[tuple[int, int, int]]:
    """First and last number and time of the records of a file, by their heads alone. Raises OSError."""
    with segment.path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while len(head := file.read(_RECORD.size)) == _RECORD.size:
            magic, first, number, written, page_bytes, _, count = _RECORD.unpack(head)
            end = file.tell() + count * (_NUMBER.size + page_bytes) + _NUMBER.size
            if magic != _MAGIC or end > size:
                return
            yield first, number, written
            file.seek(end)


def prune(directory: Path, position: Position) -> None:
    """Removes the files that hold nothing after a commit, and those of other timelines that are old. Raises OSError."""
    found = segments(directory)
    own = [each for each in found if each.timeline == position.timeline]
    for each in found:
        if each.timeline != position.timeline and each.path.stat().st_mtime < time.time() - FOREIGN_SECONDS:
            each.path.unlink()
    for each, following in pairwise(own):
        if following.first <= position.commits + 1:
            each.path.unlink()


@dataclass(frozen=True)
class _Logged:
    """The content of the write-ahead log behind the commits that were taken."""

    pages: Sequence[tuple[int, bytes]]
    commits: int
    database_pages: int
    page_bytes: int
    is_first: bool
    """Whether SQLite has begun the log anew since then."""
    salts: tuple[int, ...]
    """The mark of this beginning of the log."""
    end: int
    """The offset behind it."""


class CommitArchive:
    """The archive of the process that writes the database. Used by one thread at a time; it raises no OSError."""

    def __init__(self, directory: Path, database: Path, most_bytes: int) -> None:
        """`database` is the SQLite file; `most_bytes` is the room that the files may take."""
        self._directory = directory
        self._most_bytes = most_bytes
        self._log = _LogReader(database)
        self._position = Position("", 0)
        self._written = 0  # the number of the last commit that needs no room any more
        self._file: FileIO | None = None
        self._ends_at = 0.0
        self._rests_until = 0.0

    @property
    def waiting(self) -> int:
        """The commits that are in no file, because there is no room or the disk fails."""
        return self._position.commits - self._written

    def is_ahead_of(self, position: Position) -> bool:
        """Whether the files have commits of the timeline that the database lacks: an older one was put in its place."""
        try:
            return self._last_written(position) > position.commits
        except OSError:
            return False  # `resume` tells it

    def resume(self, position: Position) -> None:
        """Begins behind the last commit of the database: adds those that the log still has and the files lack.

        SQLite has the log open, and nothing is written meanwhile.
        """
        self._position = position
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._log.begin()
            self._written = self._last_written(position)
            found = self._log.read()
            if found is not None and self.waiting > found.commits:
                self._give_up()
            elif found is not None and self.waiting:
                # What was archived before is in it again, and changes nothing: the last content of a page counts.
                self._write(found, self._log.time())
            if found is not None:
                self._log.take(found)
            elif self.waiting:
                self._give_up()
        except OSError as error:
            self._fail(error)

    def add(self) -> None:
        """Adds the commit that was just made, with those that wait."""
        self._position = Position(self._position.timeline, self._position.commits + 1)
        if time.monotonic() < self._rests_until:
            return
        try:
            found = self._log.read()
            if found is None:
                raise OSError("the commit is not in the write-ahead log")
            if found.is_first and self.waiting > found.commits:
                self._give_up()
                self._written -= found.commits
            self._write(found, time.time_ns() // 1000)
            self._log.take(found)
            if found.is_first and self._file is not None:
                os.fsync(self._file.fileno())  # what came before stands nowhere else any more
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Ends the archive, after the last connection of this process to the database is closed."""
        self._end_file()
        self._log.close()

    def _end_file(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            os.fsync(file.fileno())
        except OSError as error:
            _log.warning("the archive of commits: %s", error)
        file.close()

    def _last_written(self, position: Position) -> int:
        """The number of the last whole commit of the timeline; that of the database where there is no file."""
        own = [each for each in segments(self._directory) if each.timeline == position.timeline]
        return max((number for each in own[-_LOOKED_AT:] for _, number, _ in numbers(each)), default=position.commits)

    def _write(self, found: _Logged, written: int) -> None:
        if self._file is not None and (self._file.tell() >= SEGMENT_BYTES or time.monotonic() >= self._ends_at):
            self._end_file()
        first, last = self._written + 1, self._position.commits
        if self._file is None:
            self._file, self._ends_at = self._new_segment(first), time.monotonic() + SEGMENT_SECONDS
        head = _RECORD.pack(_MAGIC, first, last, written, found.page_bytes, found.database_pages, len(found.pages))
        body = b"".join([part for page, content in found.pages for part in (_NUMBER.pack(page), content)])
        record = b"".join((head, body, _NUMBER.pack(zlib.crc32(body, zlib.crc32(head)))))
        if self._file.write(record) != len(record):
            raise ArchiveFull(f"{self._file.name}: has no room")
        self._written = last

    def _new_segment(self, number: int) -> FileIO:
        taken = sum(each.path.stat().st_size for each in segments(self._directory))
        if taken + SEGMENT_BYTES > self._most_bytes:
            raise ArchiveFull(f"{self._directory}: has the {self._most_bytes:,} bytes that it may take")
        if shutil.disk_usage(self._directory).free < LEAST_FREE_BYTES:
            raise ArchiveFull(f"{self._directory}: the disk has less than {LEAST_FREE_BYTES:,} bytes left")
        path = self._directory / f"{self._position.timeline}-{number:016d}-{time.time_ns():x}{_SUFFIX}"
        return start_private(path)

    def _give_up(self) -> None:
        """Commits are in the log no more. What follows is of use from the next copy of the database on."""
        _log.error(
            "the archive of commits lacks some up to number %d for good: copy the database (`backups create`)",
            self._position.commits,
        )
        self._written = self._position.commits

    def _fail(self, error: OSError) -> None:
        """The next commit begins a file of its own, because the end of this one may be torn."""
        _log.error("the archive of commits lacks %d at present, and tries again: %s", self.waiting, error)
        self._rests_until = time.monotonic() + REST_SECONDS
        self._end_file()


class _LogReader:
    """Reads the write-ahead log, which SQLite has open. Raises OSError, also for a log that is none.

    Its index stays open: a process that closes any descriptor of a file loses all its POSIX locks of that file, and
    SQLite has locks of the index. Without them the next process truncates it under this one's feet. SQLite locks
    nothing in the log itself.
    """

    def __init__(self, database: Path) -> None:
        self._path = Path(f"{database}-wal")
        self._index_path = Path(f"{database}-shm")
        self._index: FileIO | None = None
        self._salts: tuple[int, ...] | None = None
        self._offset = _LOG_HEADER.size

    def begin(self) -> None:
        """Begins at the start of the log."""
        self._salts, self._offset = None, _LOG_HEADER.size

    def time(self) -> int:
        """When the log was written last, in microseconds since 1970."""
        return self._path.stat().st_mtime_ns // 1000

    def take(self, found: _Logged) -> None:
        """The next reading begins behind this one."""
        self._salts, self._offset = found.salts, found.end

    def close(self) -> None:
        """Closes the index, after the last connection of this process to the database is closed."""
        if self._index is not None:
            self._index.close()
            self._index = None

    def read(self) -> _Logged | None:
        """The content behind the commits that were taken; None without any."""
        (frames,) = _FRAMES_IN_INDEX.unpack(_exactly(self._opened_index(), _FRAMES_IN_INDEX.size, 0))
        if not frames:
            return None
        with self._path.open("rb", buffering=0) as log:
            magic, _, page_bytes, _, *salts, _, _ = _LOG_HEADER.unpack(_exactly(log, _LOG_HEADER.size, 0))
            if magic & ~1 != _LOG_MAGIC:
                raise OSError(f"{self._path}: is no write-ahead log")
            offset = self._offset if self._salts == tuple(salts) else _LOG_HEADER.size
            size = _FRAME.size + page_bytes
            end = _LOG_HEADER.size + frames * size
            if end - offset > _MOST_BYTES:
                raise OSError(f"{self._path}: has more than {_MOST_BYTES:,} bytes that are not archived")
            if end <= offset:
                return None
            content = _exactly(log, end - offset, offset)
        pages: list[tuple[int, bytes]] = []
        commits_found, database_pages = 0, 0
        for start in range(0, len(content), size):
            page, ended, *of_frame, _, _ = _FRAME.unpack_from(content, start)
            if of_frame != salts:
                raise OSError(f"{self._path}: has another content than SQLite's index says")
            pages.append((page, content[start + _FRAME.size : start + size]))
            if ended:
                commits_found, database_pages = commits_found + 1, ended
        is_first = self._salts != tuple(salts)
        return _Logged(pages, commits_found, database_pages, page_bytes, is_first, tuple(salts), end)

    def _opened_index(self) -> FileIO:
        """The index. One that was removed is in no use by SQLite any more, and has another one in its place."""
        if self._index is not None and not os.path.samestat(os.fstat(self._index.fileno()), self._index_path.stat()):
            self.close()
        if self._index is None:
            self._index = self._index_path.open("rb", buffering=0)
        return self._index


def _exactly(file: FileIO, size: int, offset: int) -> bytes:
    content = os.pread(file.fileno(), size, offset)
    if len(content) != size:
        raise OSError(f"{file.name!r}: is too short")
    return content


def _segment(path: Path) -> Segment | None:
    timeline, _, rest = path.name.partition("-")
    first = rest.partition("-")[0]
    return Segment(path, timeline, int(first)) if first.isdigit() else None


def _read(file: BinaryIO) -> Commit | None:
    head = file.read(_RECORD.size)
    if len(head) < _RECORD.size:
        return None
    magic, first, number, written, page_bytes, database_pages, count = _RECORD.unpack(head)
    if magic != _MAGIC:
        return None
    size = count * (_NUMBER.size + page_bytes)
    body = file.read(size + _NUMBER.size)
    if len(body) < size + _NUMBER.size:
        return None
    content, checksum = body[:size], _NUMBER.unpack(body[size:])[0]
    if zlib.crc32(content, zlib.crc32(head)) != checksum:
        return None
    step = _NUMBER.size + page_bytes
    pages = [
        (_NUMBER.unpack_from(content, start)[0], content[start + _NUMBER.size : start + step])
        for start in range(0, size, step)
    ]
    return Commit(first, number, written, page_bytes, database_pages, pages)
