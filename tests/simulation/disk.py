"""The store port: SQLite in memory behind the shipped commit queue, on a disk that outlives the process."""

import asyncio
import contextvars
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.region_keys import RegionKeys
from gateway.store.commit_queue import CommitQueue
from gateway.store.group_commit import Outcome
from gateway.store.losses import OwnCommits
from gateway.store.port import CommittedElsewhere, Operation, StoreCounts
from gateway.store.sqlite import SqliteDatabase, SqliteTransaction
from gateway.store.unit_of_work import UnitOfWork
from tests.simulation.batch import run_batch
from tests.simulation.virtual_time import Process

T = TypeVar("T")
E = TypeVar("E")

BEFORE, AFTER = "before a commit", "after a commit"
_LONGEST_WAIT = 0.004  # seconds before a commit begins, and after it until anybody is told


class Disk(SqliteDatabase):
    """A database that keeps what was committed when its process is killed, and may fail to commit."""

    def __init__(self, content: bytes, fails: Callable[[], bool], keys: RegionKeys) -> None:
        super().__init__(":memory:", keys)
        self.connection.deserialize(content)
        self._fails = fails
        self.crash_at = ""  # `BEFORE` or `AFTER`: the process is killed there
        self.commits_left = 0  # before that one
        self.crash: Callable[[Process], None] = lambda process: None
        self.loses_answer: Callable[[], str] = lambda: ""
        """Where the connection is lost in this commit: `BEFORE` or `AFTER` it; nowhere if empty."""
        self.commits = Counter[int]()  # that have written something, by the number of their process
        self.writer = 0
        """The number of the process that commits."""
        self.fail_overs = 0
        self.late = 0.0  # seconds by which a commit begins later
        self.is_shared = False  # as that of a server is, even by one process
        self.stores: list[SimulatedStore] = []
        """Those of all processes since the start of the run."""
        self.subjects: set[str] = set()
        """The subjects of the commit under way of which other processes are told."""

    def crashes(self, point: str, process: Process) -> bool:
        """Kills the process that commits here, if one is to be killed here."""
        if self.crash_at != point:
            return False
        if self.commits_left > 0:
            self.commits_left -= 1
            return False
        self.crash_at = ""
        self.crash(process)
        return True

    def transaction(self, unit: UnitOfWork | None = None) -> SqliteTransaction:
        """See the port."""
        if self.is_shared:
            return _SharedTransaction(self.connection, self.keys, unit, self.subjects)
        return super().transaction(unit)

    def commit(self) -> None:
        """See the port."""
        if self._fails():
            raise sqlite3.OperationalError("disk I/O error")
        lost = self.loses_answer()
        if lost == BEFORE:
            self.rollback()
        else:
            has_written = self.connection.total_changes != self._changes_before
            super().commit()
            self.commits[self.writer] += has_written
        if lost:
            raise Refused(Reason.REASON_OUTCOME_UNKNOWN)

    def put_back(self, copy: bytes, commits: Mapping[int, int]) -> None:
        """An older state takes the place of this one, of so many commits of each process."""
        self.connection.deserialize(copy)
        self.commits = Counter(commits)

    def fail_over(self, copy: bytes, commits: Mapping[int, int]) -> None:
        """A standby that lags behind takes over, while processes go on."""
        self.put_back(copy, commits)
        self.fail_overs += 1

    def lose_uncommitted(self) -> None:
        """The process was killed."""
        self.rollback()

    def read(self, operation: Operation[T]) -> T:
        """Runs an operation that only reads what was committed."""
        return operation(SqliteTransaction(self.connection, self.keys))


class _SharedTransaction(SqliteTransaction):
    """As that of SQLite, on a database of several processes."""

    def __init__(
        self, connection: sqlite3.Connection, keys: RegionKeys | None, unit: UnitOfWork | None, subjects: set[str]
    ) -> None:
        super().__init__(connection, keys, unit)
        self._subjects = subjects

    def publish(self, event: object, *, about: str = "") -> None:
        """See the port. The subject of what is undone is told, too: it is a hint."""
        super().publish(event)
        if about:
            self._subjects.add(about)


class SimulatedStore:
    """The store of one process, made in it. A crash may fall before the commit, or between the commit and its report.

    Only its thread is simulated: the operations wait, commit and are told as in the shipped stores. As there, the
    database counts the commits of each number: those of another process hide no lost one.
    """

    def __init__(self, disk: Disk, process: Process, number: int, source: random.Random) -> None:
        self.is_shared = disk.is_shared
        disk.stores.append(self)
        self._disk = disk
        self._process = process
        self._number = number
        self._source = source
        self._loop = asyncio.get_running_loop()
        self.context = contextvars.copy_context()
        self._is_committing = False
        self._own_commits = OwnCommits(disk.commits[number])
        self._fail_overs = disk.fail_overs
        self._queue = CommitQueue(self._commit, sqlite3.DatabaseError)

    @property
    def counts(self) -> StoreCounts:
        """See the port."""
        return self._queue.counts

    @property
    def lost_commits(self) -> int:
        """See the port."""
        return self._own_commits.lost

    def forget_lost_commits(self, count: int) -> None:
        """See the port."""
        self._own_commits.lost -= count

    def write(self, operation: Operation[T]) -> "asyncio.Future[T]":
        """See the port."""
        return self._queue.write(operation) if self._process.alive else self._loop.create_future()

    async def read(self, operation: Operation[T]) -> T:
        """See the port."""
        if not self._process.alive:
            await self._loop.create_future()
        return self._disk.read(operation)

    def subscribe(self, event: type[E], listener: Callable[[E], None]) -> None:
        """See the port."""
        self._queue.subscribe(event, listener)

    async def scrub(self, tables: Sequence[str], *, since: str, is_quiet: bool) -> str:
        """See the port. A simulated disk has no files."""
        return ""

    def accepts_new_work(self) -> bool:
        """See the port."""
        return True

    async def close(self) -> None:
        """See the port. Processes of a simulation are killed, never closed."""

    def is_idle(self) -> bool:
        """Whether no commit or report is waiting."""
        return not self._is_committing and not self._queue.counts.waiting

    async def _commit(self, operations: Sequence[Operation[object]]) -> list[Outcome]:
        """Commits in one instant, a while after the start and a while before anybody is told.

        Raises CancelledError where the process is killed.
        """
        self._is_committing = True
        await asyncio.sleep(self._source.uniform(0.0, _LONGEST_WAIT) + self._disk.late)
        self._crash(BEFORE)
        if self._fail_overs != self._disk.fail_overs:  # its connection was lost, and it has made another
            self._fail_overs = self._disk.fail_overs
            self._own_commits.reached(self._disk.commits[self._number])
        self._disk.writer = self._number
        outcomes = run_batch(self._disk, operations)
        self._own_commits.made = self._disk.commits[self._number]
        self._tell_others()
        self._crash(AFTER)
        await asyncio.sleep(self._source.uniform(0.0, _LONGEST_WAIT))
        self._is_committing = False
        return outcomes

    def _crash(self, point: str) -> None:
        if self._disk.crashes(point, self._process):
            raise asyncio.CancelledError

    def _tell_others(self) -> None:
        """The other processes hear of the subjects of a commit, as by a notification of the database."""
        subjects = frozenset(self._disk.subjects)
        self._disk.subjects.clear()
        for each in self._disk.stores if subjects else ():
            if each is not self:
                self._loop.call_later(
                    self._source.uniform(0.0, _LONGEST_WAIT), each.hear, subjects, context=each.context
                )

    def hear(self, subjects: frozenset[str]) -> None:
        """Another process has committed changes about these subjects."""
        if self._process.alive:
            self._queue.tell(CommittedElsewhere(subjects))
