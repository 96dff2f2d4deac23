"""Announced reads: an engine over a network reads for all operations of a commit at once.

An announcement only saves time. An operation sees the same rows with a wrong one, or without any.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.store.port import Operation, Transaction, Value
from gateway.store.tables import Parameters, R, S, Table, least_of, query_of

T = TypeVar("T")
Row = Sequence[object]


@dataclass(frozen=True)
class Wanted:
    """A query that an operation will make, and the queries that follow from each of its rows."""

    statement: str
    parameters: Parameters = field(repr=False)
    """In the order in which the operation gives them."""
    follows: Callable[[Row], Iterable["Wanted"]]


Reads = Callable[[Transaction], Iterable[Wanted]]
"""The queries of an operation. The transaction is for its keys alone: the commit has not begun."""


@dataclass(frozen=True, slots=True)
class Announced(Generic[T]):
    """An operation with the queries that it will make, as far as they are known before."""

    operation: Operation[T]
    reads: Reads

    def __call__(self, tx: Transaction) -> T:
        """Runs the operation."""
        return self.operation(tx)


def nothing(_: object) -> Iterable[Wanted]:
    """No queries."""
    return ()


def row_wanted(table: Table[R], *key: Value, follows: Callable[[R], Iterable[Wanted]] = nothing) -> Wanted:
    """The query of `Transaction.find`."""
    return Wanted(table.query, key, _of_shape(table, follows))


def rows_wanted(
    table: Table[R], columns: Mapping[str, Value], follows: Callable[[R], Iterable[Wanted]] = nothing
) -> Wanted:
    """The query of `Transaction.find_all` for values of columns."""
    query = query_of(table, tuple((name, value is None) for name, value in columns.items()))
    return Wanted(query, columns, _of_shape(table, follows))


def least_wanted(table: Table[R], shape: type[S], columns: Mapping[str, Value]) -> Wanted:
    """The query of `Transaction.find_least` where no stored row is about to change."""
    return _first_wanted(table, shape, columns, is_greatest=False)


def greatest_wanted(table: Table[R], shape: type[S], columns: Mapping[str, Value]) -> Wanted:
    """The query of `Transaction.find_greatest` where no stored row is about to change."""
    return _first_wanted(table, shape, columns, is_greatest=True)


def query_wanted(statement: str, **parameters: Value) -> Wanted:
    """The query of `Transaction.first` and `all`."""
    return Wanted(statement, parameters, nothing)


def _first_wanted(table: Table[R], shape: type[S], columns: Mapping[str, Value], *, is_greatest: bool) -> Wanted:
    wanted = tuple((name, value is None) for name, value in columns.items())
    query, _, _ = least_of(table, shape, wanted, is_greatest=is_greatest)
    return Wanted(query, {**columns, "limit": 1}, nothing)


def _of_shape(table: Table[R], follows: Callable[[R], Iterable[Wanted]]) -> Callable[[Row], Iterable[Wanted]]:
    if follows is nothing:
        return nothing
    return lambda row: follows(table.shape._make(row))
