"""Statements of PostgreSQL about many rows at once: the values of a column are one array. Pure."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from gateway.store.tables import Key, Value

_STATEMENTS = 1024  # kept in memory: more than all statements about rows that a process has
_TYPES: Mapping[type, str] = {int: "bigint", float: "float8", str: "text", bytes: "bytea"}
_PARAMETER = re.compile(r"'[^']*'|:([a-z_][a-z0-9_]*)|[?%]")
_VALUES = re.compile(r"VALUES \((\?(?:, \?)*)\)")


def for_all_rows(statement: str, rows: Sequence[Key]) -> tuple[bytes, list[list[Value]]]:
    """A statement of `gateway.store.tables`, with a `?` for each value of a row, for all rows; and its parameters."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    types = tuple([_type_of(column) for column in columns])
    given = [column for column, kind in zip(columns, types, strict=True) if kind]
    return _for_all(statement, types), given


def for_all_values(statement: str, names: Sequence[str], wanted: Sequence[Key]) -> tuple[bytes, list[list[Value]]]:
    """A query with parameters of these names for many values, none of them null; and all its parameters.

    Before the columns of a row stands the place of its values in `wanted`, from 1 on.
    """
    columns = [list(column) for column in zip(*wanted, strict=True)]
    return _for_each(statement, tuple(names), tuple([_type_of(column) for column in columns])), columns


@lru_cache(maxsize=_STATEMENTS)
def names_in(statement: str) -> tuple[str, ...]:
    """The names of a statement's `:name` parameters, each once; numbers for `?` parameters."""
    found = [each for each in _PARAMETER.finditer(statement) if each[1] or each[0] == "?"]
    return tuple(dict.fromkeys(each[1] or str(place) for place, each in enumerate(found)))


@lru_cache(maxsize=_STATEMENTS)
def translated(statement: str) -> bytes:
    """A statement with `:name` or `?` parameters as psycopg takes it."""
    return _PARAMETER.sub(_placeholder, statement).encode()


def _placeholder(found: re.Match[str]) -> str:
    if found[0] == "?":
        return "%s"
    return f"%({found[1]})s" if found[1] else found[0].replace("%", "%%")


def _type_of(column: Sequence[Value]) -> str:
    """The type of a column's values; empty where all are null. Raises ValueError for values of another type."""
    kind = next((type(value) for value in column if value is not None), None)
    if kind is not None and kind not in _TYPES:
        raise ValueError(f"no column holds a {kind.__name__}")
    return "" if kind is None else _TYPES[kind]


@lru_cache(maxsize=_STATEMENTS)
def _for_all(statement: str, types: Sequence[str]) -> bytes:
    names = [f"given.c{place}" if kind else "NULL" for place, kind in enumerate(types)]
    arrays = ", ".join(f"%b::{kind}[]" for kind in types if kind)
    given = f"unnest({arrays}) AS given ({', '.join(f'c{place}' for place, kind in enumerate(types) if kind)})"
    if _VALUES.search(statement):
        return _VALUES.sub(f"SELECT {', '.join(names)} FROM {given}", statement).encode()  # noqa: S608 - texts of modules
    places = iter(names)
    named = re.sub(r"\?", lambda _: next(places), statement)
    before, where, condition = named.partition(" WHERE ")
    joined = "USING" if before.startswith("DELETE") else "FROM"
    return f"{before} {joined} {given}{where}{condition}".encode()


@lru_cache(maxsize=_STATEMENTS)
def _for_each(statement: str, names: Sequence[str], types: Sequence[str]) -> bytes:
    places = iter(names)

    def column(found: re.Match[str]) -> str:
        if found[0] == "?":
            return f'wanted."{next(places)}"'
        return f'wanted."{found[1]}"' if found[1] else found[0].replace("%", "%%")

    arrays = ", ".join(f"%b::{kind}[]" for kind in types)
    columns = ", ".join(f'"{name}"' for name in names)
    return (
        f"SELECT wanted.in_place, found.* FROM unnest({arrays}) WITH ORDINALITY AS wanted ({columns}, in_place),"  # noqa: S608 - texts of modules
        f" LATERAL ({_PARAMETER.sub(column, statement)}) AS found"
    ).encode()
