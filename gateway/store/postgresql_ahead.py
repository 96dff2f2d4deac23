"""The rows that a commit on PostgreSQL reads before its operations run, with few round trips for all.

They are read under the lock of the commit, and forgotten as soon as their table changes.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar, cast

import psycopg

from gateway.store.port import Transaction
from gateway.store.postgresql_rows import for_all_values, names_in, translated
from gateway.store.postgresql_schema import Connection
from gateway.store.reading_ahead import Reads, Row, Wanted, nothing
from gateway.store.tables import Key, Parameters, values_of
from gateway.store.unit_of_work import words_of

_ROUNDS = 3  # of queries that follow from others: then operations read for themselves
_COMMITS, _TIMES = 4, 2  # a query is usual if so many of the last commits have made it
_NOTED = 64  # queries of a commit that are compared with those of others
_TARGET = re.compile(r"\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(\w+)", re.IGNORECASE)

T = TypeVar("T")


class FoundRows:
    """Rows that were read before, as the result of their statement."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rowcount = len(rows)
        self._rows = iter(rows)

    def fetchone(self) -> Row | None:
        """The next row, or None."""
        return next(self._rows, None)

    def fetchall(self) -> list[Row]:
        """All further rows."""
        return list(self._rows)


class ReadAhead:
    """The rows of one commit after another: of announced queries, and of those that commits usually make."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[Key, list[Row]]] = {}
        self._announced: set[tuple[str, Key]] = set()
        self._made: dict[tuple[str, Key], Parameters] = {}
        self._former: deque[dict[tuple[str, Key], Parameters]] = deque(maxlen=_COMMITS)

    def begin(self) -> None:
        """Forgets all rows, for the next commit."""
        if self._made:
            self._former.append(self._made)
        self._made, self._rows = {}, {}
        self._announced.clear()

    def read(self, connection: Connection, tx: Transaction, announced: Sequence[Reads]) -> None:
        """Reads for operations that share the open transaction. Raises psycopg.Error, ValueError, OverflowError."""
        usual = self._usual()
        wanted = list(chain.from_iterable(_told(reads, tx) for reads in announced))
        for _ in range(_ROUNDS):
            self._announced.update((each.statement, values_of(each.parameters)) for each in wanted)
            self._fetch(connection, [*_together(wanted), *usual])
            usual, wanted = [], list(chain.from_iterable(map(self._following, wanted)))
            if not wanted:
                return

    def forget_usual(self) -> None:
        """Forgets which queries are usual, since one of them may have failed."""
        self._former.clear()

    def find(self, statement: str, parameters: Parameters) -> FoundRows | None:
        """The rows of a query; None where they are not known."""
        values = values_of(parameters)
        if (statement, values) not in self._announced and len(self._made) < _NOTED:
            self._made[statement, values] = parameters
        rows = self._rows.get(statement, {}).get(values)
        return None if rows is None else FoundRows(rows)

    def forget(self, statement: str) -> None:
        """Forgets the rows that a statement may change."""
        target = _TARGET.match(statement)
        if target is None:
            self._rows.clear()
            return
        table = target[1].lower()
        for query in [each for each in self._rows if table in words_of(each)]:
            del self._rows[query]

    def _following(self, wanted: Wanted) -> Iterable[Wanted]:
        if wanted.follows is nothing:
            return ()
        rows = self._rows.get(wanted.statement, {}).get(values_of(wanted.parameters), ())
        return chain.from_iterable(_told(wanted.follows, row) for row in rows)

    def _usual(self) -> list["_Group"]:
        """The queries that several of the last commits have made without announcement: of the heads of tables."""
        times = Counter(chain.from_iterable(self._former))
        parameters = {key: each for made in self._former for key, each in made.items()}
        return [_Group(key[0], {key[1]: parameters[key]}) for key, count in times.items() if count >= _TIMES]

    def _fetch(self, connection: Connection, groups: Sequence["_Group"]) -> None:
        unknown = [each for each in map(self._unknown_of, groups) if each.parameters]
        if not unknown:
            return
        with connection.pipeline():
            sent = [(group, group.send(connection)) for group in unknown]
        for group, cursor in sent:
            self._rows.setdefault(group.statement, {}).update(group.rows_of(cursor.fetchall()))

    def _unknown_of(self, group: "_Group") -> "_Group":
        known = self._rows.get(group.statement, {})
        return _Group(group.statement, {key: each for key, each in group.parameters.items() if key not in known})


@dataclass(frozen=True)
class _Group:
    """One query with parameters, by their values; it is sent once for all of them."""

    statement: str
    parameters: Mapping[Key, Parameters] = field(repr=False)

    def send(self, connection: Connection) -> psycopg.Cursor[tuple[object, ...]]:
        """Sends the query."""
        if len(self.parameters) == 1:
            return connection.execute(translated(self.statement), *self.parameters.values(), binary=True)
        names = names_in(self.statement)
        wanted = [_given(names, parameters) for parameters in self.parameters.values()]
        query, columns = for_all_values(self.statement, names, wanted)
        return connection.execute(query, columns, binary=True)

    def rows_of(self, result: Sequence[Row]) -> dict[Key, list[Row]]:
        """The rows of each parameters, of the result of what was sent."""
        if len(self.parameters) == 1:
            return {key: list(result) for key in self.parameters}
        rows: dict[Key, list[Row]] = {key: [] for key in self.parameters}
        places = list(rows.values())
        for place, *row in cast("Sequence[tuple[int, ...]]", result):
            places[place - 1].append(row)
        return rows


def _together(wanted: Iterable[Wanted]) -> list[_Group]:
    groups: dict[str, dict[Key, Parameters]] = {}
    for each in wanted:
        if None not in _given(names_in(each.statement), each.parameters):
            groups.setdefault(each.statement, {})[values_of(each.parameters)] = each.parameters
    return [_Group(statement, parameters) for statement, parameters in groups.items()]


def _given(names: Sequence[str], parameters: Parameters) -> Key:
    """The parameters that a statement names, in order."""
    return tuple([parameters[name] for name in names]) if isinstance(parameters, Mapping) else parameters


def _told(reads: Callable[[T], Iterable[Wanted]], of: T) -> Iterable[Wanted]:
    try:
        return list(reads(of))
    except Exception:  # noqa: BLE001 - the operation runs without its announcement
        return ()
