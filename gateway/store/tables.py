"""Tables and counters that operations use by key: names, columns and statements. Pure.

A statement has a `?` for each of its values; queries for rows by other columns have `:name` parameters.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

Value = int | float | str | bytes | None
Key = tuple[Value, ...]
Parameters = Mapping[str, Value] | Key
R = TypeVar("R", bound=NamedTuple)
S = TypeVar("S", bound=NamedTuple)


@dataclass(frozen=True, eq=False)
class Table(Generic[R]):
    """A table whose rows operations find, insert, update and remove by key.

    A commit writes its tables in the order of their first use: referenced rows are put before the rows that refer to
    them. Columns outside of `shape` need a default; an update leaves them unchanged.
    """

    name: str
    shape: type[R]
    """The class of a row: its fields are columns, in order."""
    key: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    """Columns that no update changes: an engine then leaves their indexes alone."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of a row: of its values for `insert` and `keep`."""
        return self.shape._fields

    @cached_property
    def key_of(self) -> Callable[[R], Key]:
        """The key of a row."""
        return self.reader(self.key)

    @cached_property
    def updated(self) -> Callable[[R], Key]:
        """The values of a row for `update`."""
        return self.reader((*self._changing, *self.key))

    def reader(self, names: Sequence[str]) -> Callable[[R], Key]:
        """A function that gives the values of a row in these columns, always as a tuple."""
        places = [self.columns.index(each) for each in names]
        # Of a single value as well, a slice is a tuple.
        return itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))

    @cached_property
    def query(self) -> str:
        """The query for a row by its key; its values are the key."""
        return f"SELECT {', '.join(self.columns)} FROM {self.name} WHERE {_found(self.key)}"  # noqa: S608 - names of modules

    @cached_property
    def insert(self) -> str:
        """The statement for a new row."""
        return _insert(self.name, self.columns)

    @cached_property
    def keep(self) -> str:
        """The statement for a row that is new or changed."""
        changed = ", ".join(f"{each} = excluded.{each}" for each in self._changing)
        return f"{self.insert} ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {changed}"

    @cached_property
    def update(self) -> str:
        """The statement for a changed row."""
        changed = ", ".join(f"{each} = ?" for each in self._changing)
        return f"UPDATE {self.name} SET {changed} WHERE {_found(self.key)}"  # noqa: S608 - names of modules

    @cached_property
    def remove(self) -> str:
        """The statement for a removed row; its values are the key."""
        return f"DELETE FROM {self.name} WHERE {_found(self.key)}"  # noqa: S608 - names of modules

    @property
    def _changing(self) -> tuple[str, ...]:
        return tuple(each for each in self.columns if each not in (*self.key, *self.fixed))


@dataclass(frozen=True, eq=False)
class Tally:
    """Counters by key: the table has the columns of `key` and the integer columns `added`, and no others."""

    name: str
    key: tuple[str, ...]
    added: tuple[str, ...]

    @cached_property
    def add(self) -> str:
        """The statement that adds amounts to the counters of a key, or makes them."""
        sums = ", ".join(f"{each} = {self.name}.{each} + excluded.{each}" for each in self.added)
        return (
            f"{_insert(self.name, (*self.key, *self.added))} ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {sums}"
        )


@cache
def query_of(table: Table[R], wanted: tuple[tuple[str, bool], ...]) -> str:
    """The query for rows by columns, each of which is named and is null where that is True."""
    return _select(table.columns, table, wanted)


@cache
def least_of(
    table: Table[R], shape: type[S], wanted: tuple[tuple[str, bool], ...], *, is_greatest: bool = False
) -> tuple[str, Callable[[R], S], Callable[[S], Key]]:
    """The query for the first `:limit` rows by columns, as `query_of`, in the order of the columns of a narrow shape.

    The greatest row comes first where that is wanted. With the query the functions for the narrow row of a row, and for
    the key of a narrow row.
    """
    columns = ", ".join(f"{each} DESC" if is_greatest else each for each in shape._fields)
    values_of = table.reader(shape._fields)
    return (
        f"{_select(shape._fields, table, wanted)} ORDER BY {columns} LIMIT :limit",
        lambda row: shape._make(values_of(row)),
        Table(table.name, shape, table.key).key_of,
    )


def values_of(parameters: Parameters) -> Key:
    """The values of the parameters of a statement, in order."""
    return tuple(parameters.values()) if isinstance(parameters, Mapping) else parameters


def _select(columns: Sequence[str], table: Table[R], wanted: tuple[tuple[str, bool], ...]) -> str:
    places = " AND ".join(f"{name} IS NULL" if is_null else f"{name} = :{name}" for name, is_null in wanted)
    return f"SELECT {', '.join(columns)} FROM {table.name} WHERE {places}"  # noqa: S608 - names of modules


def _insert(name: str, columns: Sequence[str]) -> str:
    places = ", ".join("?" for _ in columns)
    return f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - names of modules


def _found(key: Sequence[str]) -> str:
    return " AND ".join(f"{each} = ?" for each in key)


def prints_without(*names: str) -> Callable[[type[R]], type[R]]:
    """Makes the rows of a class print without these columns, in logs and tracebacks too."""

    def decorate(kind: type[R]) -> type[R]:
        def told(self: R) -> str:
            shown = [f"{name}={value!r}" for name, value in zip(kind._fields, self, strict=True) if name not in names]
            return f"{kind.__qualname__}({', '.join(shown)})"

        kind.__repr__ = told  # type: ignore[assignment,method-assign]
        return kind

    return decorate
