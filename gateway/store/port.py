"""What an operation sees of the store, and what the edges do with it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.region_keys import RegionKeys, SubjectKey

Value = int | float | str | bytes | None
T = TypeVar("T")
E = TypeVar("E")


class Transaction(Protocol):
    """One unit of work. SQL is the common part of SQLite and PostgreSQL, with `:name` parameters."""

    @property
    def keys(self) -> RegionKeys | None:
        """By which personal data is sealed (`gateway.store.vault`); None in a store that holds none."""
        ...

    @property
    def subject_keys(self) -> dict[str, SubjectKey | None]:
        """The keys of subjects that this transaction has looked for, None for one that is not there."""
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

    def has_written(self) -> bool:
        """Whether this operation has changed a row."""
        ...

    def publish(self, event: object, *, about: str = "") -> None:
        """Tells subscribers of the event's type once the transaction has committed, and only then.

        `about`: what other processes on the same database are told, as CommittedElsewhere; nothing where it is empty.
        No personal data.
        """
        ...


Operation = Callable[[Transaction], T]


@dataclass(frozen=True)
class OutcomeLost:
    """Published when somebody was told OUTCOME_UNKNOWN: what that write published, if it was committed, is not told.

    Whoever acts on such events looks in the database for what it has missed, as soon as that can be reached.
    """


@dataclass(frozen=True)
class CommittedElsewhere:
    """Published when another process on the same database has committed something that was told `about` subjects.

    It is a hint: one may be missed while the database is out of reach, and `subjects` is empty once it is back.
    """

    subjects: frozenset[str]


@dataclass(frozen=True)
class Destroyed:
    """Published by an operation that has deleted what nobody may find any more: a key by which something is sealed.

    The engine leaves it in no log of its own either, as far as it has the means.
    """


class Store(Protocol):
    """Runs operations. An operation is synchronous: nothing can come between its reading, deciding and writing.

    Operations of one database are serial, whichever of its processes runs them.
    """

    def write(self, operation: Operation[T]) -> Awaitable[T]:
        """Runs an operation and returns its result once the commit is on disk.

        Raises whatever the operation raises; then nothing of it was written.
        Raises Refused with STORE_UNAVAILABLE where the store could not commit, and with OUTCOME_UNKNOWN where it
        could not find out in time whether it has.
        """
        ...

    def read(self, operation: Operation[T]) -> Awaitable[T]:
        """Runs an operation that only reads, on one snapshot that includes every finished write."""
        ...

    def subscribe(self, event: type[E], listener: Callable[[E], None]) -> None:
        """Calls the listener on the event loop for every published event of that type, after its commit."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether other processes may work on the same database."""
        ...

    def accepts_new_work(self) -> bool:
        """False once the disk is so full that only what was already accepted may still be finished."""
        ...

    async def close(self) -> None:
        """Finishes what was submitted and lets go of the database."""
        ...


class StoreUnusable(Exception):
    """The database cannot be opened; the text says which, why, and what to do about it."""


class DatabaseInUse(StoreUnusable):
    """Another process has the place in the database that this one is to have."""


class WriteAfterRefusal(Exception):
    """A defect: an operation wrote something and refused afterwards. Its writes are rolled back."""


def store_unavailable() -> Refused:
    """The refusal for everything that a store can fail with: nothing was written."""
    return Refused(Reason.REASON_STORE_UNAVAILABLE)


class Database(Protocol):
    """One writing connection, as the group commit drives it."""

    def begin(self) -> None:
        """Starts a transaction."""
        ...

    def commit(self) -> None:
        """Makes it durable.

        Raises an error of `errors` where it certainly is not, and Refused with OUTCOME_UNKNOWN where an engine that
        is reached over a network could not find out.
        """
        ...

    def rollback(self) -> None:
        """Undoes it; reopens the connection where that is needed."""
        ...

    def transaction(self) -> "RunningTransaction":
        """The open transaction, for one operation."""
        ...

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """The exceptions by which the engine says that it failed, as against an operation that failed."""
        ...

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """All its exceptions: outside of an operation each says that the engine failed."""
        ...


class RunningTransaction(Transaction, Protocol):
    """A transaction as the group commit sees it."""

    events: list[object]
    """What was published."""
