"""The store as a port: the view of operations, and the view of services."""

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.region_keys import RegionKeys, SubjectKey
from gateway.store import tables
from gateway.store.tables import R, S, Table, Tally
from gateway.store.unit_of_work import Companion, UnitOfWork

Value = tables.Value
T = TypeVar("T")
C = TypeVar("C", bound=Companion)
E = TypeVar("E")


class Transaction(Protocol):
    """An operation's view of the open transaction.

    SQL is the common part of SQLite and PostgreSQL, with `:name` parameters. A put row (`insert`, `update`, `keep`,
    `remove`, `add`) is written together with those of other operations, at the commit at the latest. `find` and every
    statement see the rows that were put before. An error of a put row reaches its operation alone.
    """

    @property
    def keys(self) -> RegionKeys | None:
        """The keys that seal personal data (`gateway.store.vault`); None in a store without personal data."""
        ...

    @property
    def subject_keys(self) -> dict[str, SubjectKey | None]:
        """The keys of subjects that the operations of this commit have read or made; None for a missing key."""
        ...

    def execute(self, sql: str, **parameters: Value) -> int:
        """Runs a statement and returns the number of rows it changed."""
        ...

    def execute_many(self, sql: str, rows: Sequence[Mapping[str, Value]]) -> int:
        """Runs a statement once for each of the parameters `rows`, in order; returns how many rows all changed.

        An engine over a network sends them together: many rows cost about one way there and back.
        """
        ...

    def all(self, shape: Callable[..., T], sql: str, **parameters: Value) -> list[T]:
        """Runs a query; each row becomes `shape(*columns)`."""
        ...

    def first(self, shape: Callable[..., T], sql: str, **parameters: Value) -> T | None:
        """The first row of a query as `shape(*columns)`, or None."""
        ...

    def find(self, table: Table[R], *key: Value) -> R | None:
        """The row of a key, or None. The row is read once per commit, and again after SQL has changed its table."""
        ...

    def find_all(self, table: Table[R], **columns: Value) -> list[R]:
        """The rows with these values in columns, in any order. A value of None finds rows with NULL."""
        ...

    def find_least(self, table: Table[R], shape: type[S], **columns: Value) -> S | None:
        """The least row with these values in columns, as `find_all` finds them; None without one.

        `shape` has some of the columns, which hold no NULL, with the key among them. Rows are compared by these
        columns, in order. No put row is written for it: a late row counts as it was put.
        """
        ...

    def find_greatest(self, table: Table[R], shape: type[S], **columns: Value) -> S | None:
        """As `find_least`, the greatest row."""
        ...

    def insert(self, table: Table[R], row: R) -> None:
        """Puts a new row. A row of its key must not exist: a second one is a defect and fails its operation."""
        ...

    def insert_late(self, table: Table[R], row: R, complete: Callable[[R], R]) -> None:
        """Puts a new row that `complete` changes when it is written: once, after the companions have finished.

        `complete` changes no column by which the row is found.
        """
        ...

    def update(self, table: Table[R], row: R) -> None:
        """Puts a changed row, with all columns that are not fixed. Without a row of its key, the operation fails."""
        ...

    def keep(self, table: Table[R], row: R) -> None:
        """Puts a row with all columns of the shape, whether or not a row of its key exists."""
        ...

    def remove(self, table: Table[R], *key: Value) -> None:
        """Puts the removal of the row of a key, if it exists. Also without that row, it counts as a write."""
        ...

    def add(self, tally: Tally, *key: Value, **amounts: int) -> None:
        """Adds amounts to the counters of a key, which begin at 0."""
        ...

    def once(self, table: str, what: Hashable, read: Callable[[], T]) -> T:
        """A value that `read` derives from a table; read once per commit, and again after a change of that table."""
        ...

    def know(self, table: str, what: Hashable, value: object) -> None:
        """Gives `once` the value that it would read now, after a change by this operation."""
        ...

    def companion(self, kind: type[C], make: Callable[[], C]) -> C:
        """The object of a kind that the operations of this commit share, made at the first call.

        Its `finish` runs before any late row is made and before the commit; later calls give another object. So each
        late row needs a call of its own.
        """
        ...

    def has_written(self) -> bool:
        """Whether this operation has changed or put a row."""
        ...

    def publish(self, event: object, *, about: str = "") -> None:
        """Notifies subscribers of the event's type after the commit of the transaction.

        `about` is sent to other processes on the database, as CommittedElsewhere; nothing if it is empty. It holds no
        personal data.
        """
        ...


Operation = Callable[[Transaction], T]


def nothing(_: Transaction) -> None:
    """The operation that changes nothing: a store shows by it that it answers. Counts of commits leave it out."""


@dataclass(frozen=True)
class OutcomeLost:
    """Published when a caller receives OUTCOME_UNKNOWN: the events of that write are lost, even if it was committed.

    A subscriber to such events reads the database for missed changes as soon as it can be reached.
    """


@dataclass(frozen=True)
class CommittedElsewhere:
    """Published when another process on the same database has committed changes `about` subjects.

    The event is a hint: it may be lost while the database is away. `subjects` is empty once the database is back.
    """

    subjects: frozenset[str]


@dataclass(frozen=True)
class Destroyed:
    """Published by an operation that has deleted a sealing key, which must not be recoverable.

    The engine also removes the key from its own log, as far as it can.
    """


@dataclass
class StoreCounts:
    """The commits of a store since its start."""

    commits: int = 0
    operations: int = 0
    seconds: float = 0.0
    """Time that all commits took together."""
    failed: Counter[str] = field(default_factory=Counter)
    """Commits that the store could not make, or of which it does not know, by the name of the reason."""
    waiting: int = 0
    """Operations that wait at present."""
    not_archived: int = 0
    """Commits that wait for room in the archive, where there is one."""


class Store(Protocol):
    """Runs operations. An operation is synchronous: no other one runs between its reads, decisions and writes.

    Operations of one database are serial, whichever of its processes runs them.
    """

    def write(self, operation: Operation[T]) -> Awaitable[T]:
        """Runs an operation and returns its result once the commit is on disk.

        Raises the exception of the operation; then nothing was written. Raises Refused with STORE_UNAVAILABLE where the
        store could not commit. Raises Refused with OUTCOME_UNKNOWN where it could not find the outcome in time.
        """
        ...

    def read(self, operation: Operation[T]) -> Awaitable[T]:
        """Runs an operation that only reads, on one snapshot that includes every finished write.

        Raises Refused with QUERY_TOO_LONG where an operation for a caller takes more than a caller may take of the
        engine; the process's own reads have no such limit (`gateway.process.turns`).
        """
        ...

    def subscribe(self, event: type[E], listener: Callable[[E], None]) -> None:
        """Calls the listener on the event loop for every published event of that type, after its commit."""
        ...

    @property
    def counts(self) -> StoreCounts:
        """Its commits so far, for metrics."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether other processes may work on the same database."""
        ...

    @property
    def lost_commits(self) -> int:
        """The commits of this process that the database lacks since it was reached again; 0 where it lacks none.

        As after a fail-over to a standby that lags behind. Nothing is written for it: see `gateway.store.fenced`.
        """
        ...

    def forget_lost_commits(self, count: int) -> None:
        """Called once the loss of so many is stored: they count no more."""
        ...

    async def scrub(self, tables: Sequence[str], *, since: str, is_quiet: bool) -> str:
        """Overwrites in the files what rows deleted before this call have left of tables, above all of sealing keys.

        Returns an empty text once nothing is left. Otherwise returns the text to give as `since` at the next attempt,
        whose first value is empty. `is_quiet`: the writes of the region may wait for minutes.
        """
        ...

    def accepts_new_work(self) -> bool:
        """Whether the disk has room for new work. On a full disk only accepted work may be finished."""
        ...

    async def close(self) -> None:
        """Finishes the submitted operations and closes the database."""
        ...


class StoreUnusable(Exception):
    """The database cannot be opened; the text has the database, the reason and the remedy."""


class DatabaseInUse(StoreUnusable):
    """Another process has this one's place in the database."""


class WriteAfterRefusal(Exception):
    """A defect: an operation wrote something and refused afterwards. Its writes are rolled back."""


def store_unavailable() -> Refused:
    """The refusal for everything that a store can fail with: nothing was written."""
    return Refused(Reason.REASON_STORE_UNAVAILABLE)


class Database(Protocol):
    """One writing connection, used by the group commit."""

    def begin(self) -> None:
        """Starts a transaction."""
        ...

    def commit(self) -> None:
        """Makes the transaction durable.

        Raises an error of `errors` where it certainly failed. Raises Refused with OUTCOME_UNKNOWN where a networked
        engine could not find the outcome.
        """
        ...

    def rollback(self) -> None:
        """Undoes it; reopens the connection where that is needed."""
        ...

    def transaction(self, unit: UnitOfWork | None = None) -> "RunningTransaction":
        """The open transaction, for one operation of a unit of work; without a unit, put rows are written at once."""
        ...

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """The exceptions by which the engine reports its own failure, as opposed to a failed operation."""
        ...

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """All exceptions of the engine: outside of an operation each means a failure of the engine."""
        ...


class RunningTransaction(Transaction, Protocol):
    """A transaction as the group commit sees it."""

    events: list[object]
    """The published events."""

    def flush(self) -> None:
        """Finishes the companions and writes the put rows of all operations."""
        ...
