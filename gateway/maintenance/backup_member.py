"""A program's database and its backups, as the commands of backups work with them."""

import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import click

from gateway.backups import copies
from gateway.backups.copies import Manifest
from gateway.backups.history import History
from gateway.backups.refused import ArchiveGap, CopyFailed, LogWithheld, ProgramMissing
from gateway.backups.remains import SCRATCH
from gateway.backups.replaying import Gap, Reach, gap_behind
from gateway.backups.repository import COMMITS, Backup, Repository
from gateway.backups.server_log import ServerLog, remove
from gateway.backups.settings import ARCHIVE
from gateway.backups.shared_store import CHANGES, SharedStore
from gateway.cli.exits import REFUSED
from gateway.maintenance.program import Program, S
from gateway.security.private_files import FileReadableByOthers, require_private
from gateway.settings import Sources
from gateway.store.commit_archive import SEGMENT_SECONDS, ArchivePlace, begun, prune, segments
from gateway.store.opening import DatabasePlace
from gateway.store.port import DatabaseInUse, StoreUnusable
from gateway.store.sqlite import FileLock
from gateway.store.timeline import Position
from gateway.time.clock import to_microseconds
from gateway.wording.languages import translated
from gateway.wording.times import told_time

_ADDED_SECONDS = 5.0
"""Seconds in which a process has added a commit that is in its database, as long as the disk takes it."""
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class BackupMember:
    """A member with its database and its repository, by the settings of its program."""

    uri: str
    place: DatabasePlace
    data: Path
    repository: Repository
    shared: SharedStore | None = None
    scratch_disk: Path | None = None
    """The directory for what copies and drills need meanwhile, on a disk of its own; `data` without it."""

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty directory for one command of the process at a time; it is removed afterwards."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        locked = self.data / SCRATCH
        directory = (self.scratch_disk or self.data) / SCRATCH
        try:
            lock = FileLock(locked)
        except DatabaseInUse:
            raise CopyFailed(translated("{directory}: another backup is under way", directory=locked)) from None
        try:
            for left in (locked, directory):
                shutil.rmtree(left, ignore_errors=True)
            directory.mkdir(mode=0o700, parents=True)
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            lock.release()

    @property
    def archive(self) -> ArchivePlace:
        """The archive of commits. Raises CopyFailed where the settings want none."""
        if self.place.archive is None:
            raise CopyFailed(
                translated("backup.point_in_time is false in the settings: there are copies alone, and no archive")
            )
        return self.place.archive

    @property
    def log(self) -> ServerLog | None:
        """The log of the server of a PostgreSQL database, where commits are archived."""
        if self.place.postgresql is None or self.place.archive is None:
            return None
        return ServerLog(self.place, self.place.archive, self.uri)

    def create(self) -> Backup:
        """Copies everything now. Raises CopyFailed, and OSError."""
        with self.scratch() as directory:
            return self.copy(directory)

    @property
    def archives(self) -> bool:
        """Whether anything is archived behind the copies."""
        return self.place.archive is not None or self.shared is not None

    @property
    def has_changes(self) -> bool:
        """Whether a log of the changes of the shared store has begun, as behind each copy of that."""
        return self.shared is not None and (self.data / CHANGES).is_dir()

    def archive_all(self) -> list[Backup]:
        """Copies what was committed, and what the shared store has changed. A failure of one holds up no other.

        Raises CopyFailed, and OSError.
        """
        works: list[Callable[[], Backup]]
        works = [self.archive_commits] if self.place.archive is not None or self.shared is None else []
        if self.shared is not None:
            works.append(self.archive_changes)
        done: list[Backup] = []
        failures: list[StoreUnusable | OSError] = []
        for work in works:
            try:
                done.append(work())
            except (StoreUnusable, OSError) as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return done

    def archive_changes(self) -> Backup:
        """Copies what the shared store has changed, or everything behind a gap. Raises CopyFailed, and OSError."""
        if self.shared is None:
            raise CopyFailed(translated("there is no store that processes share"))
        with self.scratch() as directory:
            try:
                return self._ship_changes(self.shared)
            except ArchiveGap as error:
                self.shared.require_programs()  # without them a copy would begin no log
                click.echo(translated("{problem}; everything is copied", problem=error), err=True)
                return self.copy(directory)

    def archive_commits(self) -> Backup:
        """Copies what was committed since the last copy, or everything behind a gap. Raises CopyFailed, and OSError."""
        _ = self.archive
        if self.log is None:
            self.position()  # where there is none, a copy would bring none
        with self.scratch() as directory:
            try:
                reach = self.require_whole_archive()
            except ArchiveGap as error:
                click.echo(translated("{problem}; the database is copied", problem=error), err=True)
                return self.copy(directory)
            return self.ship(reach)

    def copy(self, directory: Path) -> Backup:
        """Copies database and shared store into the repository, and forgets what the settings do not keep.

        The archive keeps what came after the copy before, so that each of its own copies reaches over two of them.
        Without the log of a PostgreSQL server pg_dump copies the rows, and a warning follows: better than no copy.
        Raises CopyFailed.
        """
        log, history, archive, goes_on = self.log, History.read(self.data), self.place.archive, False
        begin = copies.agreed_now(self.place)
        try:
            goes_on = log is not None and log.prepare(history.copied)
        except LogWithheld as error:
            click.echo(
                translated("{problem}; copied by pg_dump: no moment behind this copy can be restored", problem=error),
                err=True,
            )
            log, archive = None, None
        missing: ProgramMissing | None = None
        manifest = copies.take(self.place, directory, self.uri, datetime.now(UTC), log)
        if self.shared is not None:
            try:
                self.shared.copy(directory, datetime.now(UTC))
            except ProgramMissing as error:
                missing = error  # at the end: better a copy of the database than none
        added = self.repository.add(directory)
        if self.shared is not None and missing is None:
            self.shared.begin(self.data / CHANGES, directory)
        if archive is not None and manifest.timeline:
            if log is None and history.timeline == manifest.timeline:
                goes_on = True
                self._gap(history.copied, manifest.position)  # waits for what is under way
            self.ship(Reach(manifest.time, manifest.timeline, manifest.commits))
            kept = history.copied if goes_on else manifest.position
            if log is None:
                prune(archive.directory, kept)
            else:
                log.prune(kept)
        told = replace(
            History.read(self.data),
            copy_time=manifest.time,
            copy_begin_time=begin,
            timeline=manifest.timeline,
            commits=manifest.commits,
        )
        if self.place.archive is None:
            told = replace(told, archive_time=None)
        if missing is None:
            told = replace(told, changes_time=None if self.shared is None else manifest.time)
        told.write(self.data)
        self.repository.forget()
        is_known = goes_on or archive is None
        self._note_kept(history, self._archive_begin(history, begin, goes_on=goes_on), is_known=is_known)
        if missing is not None:
            raise CopyFailed(translated("the database was copied, and nothing beside it: {problem}", problem=missing))
        return added

    def _archive_begin(self, history: History, begin: datetime, *, goes_on: bool) -> datetime | None:
        """The time before which nothing was committed of what the archive has; None where nobody knows.

        `history` is that before a copy, and `begin` the time of its begin. `goes_on`: the archive reaches over two.
        """
        directory, own = self.data / ARCHIVE, History.read(self.data).timeline
        if self.place.postgresql is None:
            found = begun(directory) or begin
            # A file that seems to be newer than the copy has its name of a clock that was ahead.
            return found if found <= begin else begin - timedelta(seconds=SEGMENT_SECONDS)
        if segments(directory) or any(each.parent.name != own for each in directory.glob("*/*")):
            return history.archive_begin_time
        # At the end of a copy the server begins another file of its log: no file of the archive begins before.
        return history.copy_begin_time if goes_on else begin

    def _note_kept(self, history: History, archive_begin: datetime | None, *, is_known: bool) -> None:
        """Keeps since when each backup that is left in the repository has commits.

        What came since the copy before, this one too, begins no earlier than the archive did then. `is_known`: the
        archive has not begun anew since, which it does amid a file of PostgreSQL's log.
        """
        begin = history.archive_begin_time if is_known else None
        first = 0 if begin is None else to_microseconds(begin)
        kept = {each.id: history.kept.get(each.id, first) for each in self.repository.everything()}
        replace(History.read(self.data), archive_begin_time=archive_begin, kept=kept).write(self.data)

    def ship(self, reach: Reach) -> Backup:
        """Copies the archive of commits into the repository, with what it has to have. Raises CopyFailed."""
        directory = self.archive.directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        reach.write(directory)
        added = self.repository.add(directory, COMMITS)
        replace(History.read(self.data), archive_time=reach.time).write(self.data)
        return added

    def _ship_changes(self, shared: SharedStore) -> Backup:
        """Copies the changes of the shared store into the repository.

        Raises ArchiveGap where the store has not all of them since the last copy, CopyFailed, and OSError.
        """
        log, now = self.data / CHANGES, datetime.now(UTC)
        shared.extend(log)
        added = self.repository.add(log, CHANGES)
        replace(History.read(self.data), changes_time=now).write(self.data)
        return added

    def extract_changes(self, directory: Path) -> Backup | None:
        """Writes the newest changes of the shared store into the directory of a copy; None without any.

        Raises CopyFailed.
        """
        archives = self.repository.archives(CHANGES)
        if not archives:
            return None
        self.repository.extract(archives[-1], directory / CHANGES)
        return archives[-1]

    def position(self) -> Position:
        """The last commit of a SQLite database. Raises CopyFailed where its process archives none."""
        found = copies.position_of(self.place)
        if found is None:
            raise CopyFailed(
                translated(
                    "{database}: its process archives no commits: start it with [backup] in its settings",
                    database=self.place,
                )
            )
        return found

    def require_whole_archive(self) -> Reach:
        """The reach of the archive behind the last copy of the database.

        Raises ArchiveGap where it does not continue that copy up to the last commit of the database, else CopyFailed.
        """
        history, log = History.read(self.data), self.log
        if log is not None:
            reach = log.reach()
            log.require_whole(history.copied, reach.position)
            return reach
        end = self.position()
        reach = Reach(datetime.now(UTC), end.timeline, end.commits)
        if reach.timeline != history.timeline:
            raise ArchiveGap(translated("the archive does not continue the last copy: the process archives anew since"))
        gap = self._gap(history.copied, reach.position)
        if gap is not None:
            raise ArchiveGap(
                translated("the archive lacks the commits {first} to {last}", first=gap.first, last=gap.last)
            )
        return reach

    def _gap(self, start: Position, end: Position) -> Gap | None:
        """The first gap of the archive between two commits; a commit is in the database before it is in the archive."""
        waits_until = time.monotonic() + _ADDED_SECONDS
        while True:
            gap = gap_behind(self.archive.directory, start, end.commits)
            if gap is None or gap.last != end.commits or time.monotonic() > waits_until:
                return gap
            time.sleep(_LOOK_SECONDS)

    def chosen(self, backup_id: str) -> Backup:
        """The newest copy, or that of an id. Raises CopyFailed."""
        found = [each for each in self.repository.all() if each.id.startswith(backup_id)]
        if not found:
            raise CopyFailed(translated("there is no such backup"))
        return found[-1]

    def _extract_copy(self, directory: Path, until: datetime | None) -> Backup:
        """The newest copy by a moment, by the clock of the repository and by that of the database in it.

        The repository dates a copy once it is complete: no commit in it is later, as one behind its manifest may be.
        """
        for copy in reversed(self.repository.all()):
            if until is not None and copy.time > until:
                continue
            self.repository.extract(copy, directory)
            if until is None or Manifest.read(directory).time <= until:
                return copy
            for path in directory.iterdir():
                remove(path)
        raise CopyFailed(translated("there is no such backup"))

    def extract(self, directory: Path, until: datetime | None = None) -> Backup:
        """Writes the newest copy and the archive of commits behind it into a directory; returns the copy.

        `until`: a moment that both reach together. Raises CopyFailed where they do not.
        """
        copy = self._extract_copy(directory, until)
        if self.place.archive is None:
            return copy
        archives = [each for each in self.repository.archives(COMMITS) if each.time >= (until or copy.time)]
        for archive in archives if until is not None else archives[-1:]:
            self.repository.extract(archive, directory / copies.ARCHIVE)
            reach = Reach.read(directory / copies.ARCHIVE)
            if until is None or reach is None or reach.time >= until:
                return copy
            shutil.rmtree(directory / copies.ARCHIVE)
        if until is not None:
            raise CopyFailed(
                translated(
                    "what was committed by {time} is not all in the repository: leave --time out for all that is there",
                    time=told_time(until, timespec="seconds"),
                )
            )
        return copy


def backup_member(program: Program[S], sources: Sources) -> BackupMember:
    """The member of a program's settings.

    Raises click.UsageError where they name no repository, FileReadableByOthers for its password.
    """
    settings = program.settings(sources)
    if settings.backup is None:
        raise click.UsageError(translated("backup: is needed in the settings: it names the repository"))
    require_private(settings.backup.secrets)
    uri = settings.identity.uri
    repository = Repository(settings.backup, uri, settings.data / "backup-cache")
    shared = program.shared_store(settings)
    return BackupMember(uri, settings.database, settings.data, repository, shared, settings.scratch)


@contextmanager
def ending(program: Program[S]) -> Iterator[None]:
    """Ends a command with the reason why it was not possible, and by SIGTERM with all that it has begun put away."""
    try:
        with _terminable():
            yield
    except (StoreUnusable, FileReadableByOthers, OSError) as error:
        program.end(reason_of(error), REFUSED)


def reason_of(error: StoreUnusable | FileReadableByOthers | OSError) -> str:
    """The reason why a backup was not possible, for people."""
    if isinstance(error, OSError):
        return f"{error.filename or ''}: {error.strerror or error}"
    return str(error)


@contextmanager
def _terminable() -> Iterator[None]:
    def end(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # what is under way ends once
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # which alone takes signals
        yield
        return
    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
