"""Copies of the files of a whole PostgreSQL server, and a server for a moment that brings one to a place in its log.

A copy has the log from its begin to a mark behind it, so that it can be restored without any archive.
"""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from gateway.backups.refused import CopyFailed
from gateway.backups.replaying import Moment, Reach
from gateway.backups.server_log import LoggedCommit, ServerLog, commits_of, lay_out, place_of
from gateway.backups.server_programs import SERVER_USER, newest_version, run
from gateway.process.files import replace_file
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.timeline import Position
from gateway.wording.languages import translated
from gateway.wording.times import told_time

FILES = "server"
_NEW, _NEW_DATABASE = "new-server", "postgres"
_LOG = "pg_wal"
_OUTPUT = "scratch.log"
_PROCESS = "postmaster.pid"
_PREFIX = "crossregion-"
_START_SECONDS = 24 * 3600
_LOOK_SECONDS = 0.05
_STATUS, _READY = 7, "ready"  # the line of that file, and what stands there of a server that takes connections
_PORT = 5432  # the name of a socket in a directory of its own: nothing listens on the network
# The server writes nothing that has to stay. Values in its log would be personal data.
_SETTINGS = f"""listen_addresses = ''
port = {_PORT}
unix_socket_permissions = 0700
hot_standby = off
restore_command = 'false'
recovery_target_inclusive = on
recovery_target_action = 'promote'
recovery_target_timeline = 'current'
max_prepared_transactions = 100
archive_mode = off
autovacuum = off
fsync = off
jit = off
log_error_verbosity = terse
timezone = 'UTC'
"""


@dataclass(frozen=True)
class CopiedServer:
    """A copy of the files of a server, in a directory."""

    files: Path

    @property
    def log(self) -> Path:
        """The directory of its log."""
        return self.files / _LOG

    @property
    def version(self) -> int:
        """The major version of the server. Raises CopyFailed for no copy."""
        try:
            return int((self.files / "PG_VERSION").read_text("ascii"))
        except (OSError, ValueError) as error:
            raise CopyFailed(translated("{path}: is no copy of a server", path=self.files)) from error

    @property
    def begin(self) -> int:
        """The place in the log from which it has to be read. Raises CopyFailed for no copy."""
        try:
            label = (self.files / "backup_label").read_text("utf-8")
            return place_of(label.partition("START WAL LOCATION: ")[2].split()[0])
        except (OSError, ValueError, IndexError) as error:
            raise CopyFailed(translated("{path}: is no copy of a server", path=self.files)) from error

    def verify(self) -> None:
        """Compares all files with the hashes that the server gave. Raises CopyFailed."""
        run("pg_verifybackup", "--no-parse-wal", str(self.files), version=self.version)

    def commit_at(self, copied: Position, reach: Reach | None, moment: Moment) -> LoggedCommit:
        """The commit behind which the log is read no further. Raises CopyFailed, as `last_commit` does."""
        found = commits_of(self.log, copied.timeline, self.begin, self.version)
        return last_commit(found, copied, reach, moment)


def copy_files(conninfo: str, target: Path, version: int) -> CopiedServer:
    """Copies the files of a server that serves into a new directory. Raises CopyFailed."""
    # The log of the time of the copy is still there, because the slot keeps it.
    words = ("--no-password", "--wal-method=fetch", "--checkpoint=fast", "--manifest-checksums=SHA256")
    run("pg_basebackup", *words, f"--pgdata={target}", conninfo=conninfo, version=version)
    return CopiedServer(target)


def complete(copy: CopiedServer, log: ServerLog, position: Position) -> None:
    """Gives a copy the log up to a position, and verifies it. Raises CopyFailed, DatabaseUnreachable or OSError."""
    log.receive(position)
    lay_out(log.directory(position.timeline), copy.log, copy.begin)
    copy.commit_at(position, None, Moment(commits=position.commits))
    copy.verify()


def last_commit(commits: Iterable[LoggedCommit], copied: Position, reach: Reach | None, moment: Moment) -> LoggedCommit:
    """The last commit by a moment. `copied` is the position of the copy, `reach` what its archive has to have.

    A clock may have been wrong for a while: no commit by the moment is left out for one before it with a later time.
    Raises CopyFailed where commits by the moment are missing.
    """
    wanted: LoggedCommit | None = None
    last: LoggedCommit | None = None
    for each in commits:
        last = each
        if (
            each.place < copied.commits
            or (moment.commits is not None and each.place < moment.commits)
            or (moment.commits is None and (moment.time is None or each.time <= moment.time))
        ):
            wanted = each
    has_to = copied.commits if moment.commits is None else max(copied.commits, moment.commits)
    is_behind = moment.commits is None and (moment.time is None or last is None or moment.time > last.time)
    if is_behind and reach is not None and reach.timeline == copied.timeline:
        has_to = max(has_to, reach.commits)
    elif is_behind and reach is not None and moment.time is not None and last is not None:
        has_to = last.place + 1  # another history followed, and had commits by the moment perhaps
    if last is None or wanted is None:
        raise CopyFailed(translated("the copy lacks the log of its own time"))
    if last.place < has_to:
        raise CopyFailed(
            translated(
                "the archive lacks what came behind {time}: that or a moment before can be restored, and what a later"
                " copy begins",
                time=told_time(last.time, timespec="microseconds"),
            )
        )
    return wanted


@contextmanager
def served(copy: CopiedServer, commit: LoggedCommit, database: str, role: str) -> Iterator[DatabasePlace]:
    """A server of the copy that stands behind a commit: its database of this name, for as long as the context is.

    Only the user of this process reaches it. Raises CopyFailed or OSError.
    """
    version = copy.version
    with _home(copy.files.parent) as home:
        files = home / FILES
        if home != copy.files.parent:
            shutil.move(copy.files, files)
        target = f"recovery_target_lsn = '{commit.place >> 32:X}/{commit.place & 0xFFFFFFFF:X}'\n"
        replace_file(files / "recovery.signal", b"")
        with _running(files, version, target) as directory:
            yield _place(directory, database, role)


@contextmanager
def empty(directory: Path) -> Iterator[DatabasePlace]:
    """An empty database of a new server, whose files go into a directory, for as long as the context is.

    Only the user of this process reaches it. Raises CopyFailed or OSError.
    """
    version = newest_version()
    with _home(directory) as home:
        files = home / _NEW
        if os.geteuid() == 0:
            _give(home)
        words = (f"--pgdata={files}", f"--username={SERVER_USER}", "--encoding=UTF8", "--no-locale", "--no-sync")
        run("initdb", *words, "--auth=trust", version=version, directory=home, as_server=True)
        with _running(files, version, "") as sockets:
            yield _place(sockets, _NEW_DATABASE, SERVER_USER)


def _place(sockets: Path, database: str, role: str) -> DatabasePlace:
    told = make_conninfo("", host=str(sockets), port=_PORT, dbname=database, user=role)
    return DatabasePlace(sockets, PostgresqlSettings(told))


@contextmanager
def _running(files: Path, version: int | None, settings: str) -> Iterator[Path]:
    """A server of these files; the context is the directory of its socket, whose path may not be long."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        directory = Path(name)
        content = {
            "postgresql.conf": f"{_SETTINGS}{settings}unix_socket_directories = '{directory}'\n",
            "postgresql.auto.conf": "",  # what an administrator of the copied server has set
            "pg_hba.conf": "local all all trust\n",
            "pg_ident.conf": "",
        }
        for path, text in content.items():
            replace_file(files / path, text.encode())
        if os.geteuid() == 0:
            _give(directory)
            _give(files.parent)
        try:
            _start(files, directory, version)
            _await_end_of_log(files)
            yield directory
        finally:  # also where the start was broken off: the server goes on by itself
            if (files / _PROCESS).exists():
                _control(files, directory, version, "stop", "-m", "immediate")


@contextmanager
def _home(directory: Path) -> Iterator[Path]:
    """A directory where a server can use files. Under root another user runs it, who gets into no directory of root.

    Files are large: they go beside the data of the process, and to memory only where nothing else can be reached.
    """
    if os.geteuid() != 0:
        yield directory
        return
    beside = directory.resolve().parents[1]
    is_open = all(each.stat().st_mode & stat.S_IXOTH for each in (beside, *beside.parents))
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=beside if is_open else None) as name:
        yield Path(name)


def _start(files: Path, directory: Path, version: int | None) -> None:
    try:
        _control(files, directory, version, "start", "-l", str(files / _OUTPUT), "-t", str(_START_SECONDS))
    except CopyFailed as error:
        raise CopyFailed(_last_words(files / _OUTPUT) or str(error)) from error


def _give(directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        shutil.chown(path, SERVER_USER, SERVER_USER)


def _control(files: Path, directory: Path, version: int | None, *words: str) -> None:
    run("pg_ctl", "--wait", f"--pgdata={files}", *words, version=version, directory=directory, as_server=True)


def _await_end_of_log(files: Path) -> None:
    """Returns once the server has read its log and takes connections. Raises CopyFailed where it has ended."""
    while True:
        try:
            told = (files / _PROCESS).read_text("utf-8").splitlines()
        except FileNotFoundError:
            raise CopyFailed(_last_words(files / _OUTPUT)) from None
        if told[_STATUS:] and told[_STATUS].strip() == _READY:
            return
        time.sleep(_LOOK_SECONDS)


def _last_words(output: Path) -> str:
    try:
        lines = output.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    told = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
    return f"PostgreSQL: {told[-1]}" if told else ""
