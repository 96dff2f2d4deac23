"""The rows of one table in one commit: those that operations have put, and those that they have read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic

from gateway.store.tables import Key, R, Table, Tally, Value

WriteRows = Callable[[str, Sequence[Key], int], None]
"""Runs a statement for rows, and raises RowMissing where fewer rows than the number change."""


class RowPutTwice(Exception):
    """A defect: an operation inserted a second row of a key."""


class RowMissing(Exception):
    """A defect: an operation updated a row that does not exist."""


class Rows(Generic[R]):
    """The rows of a table. A key is in at most one of the groups of removed, changed, kept and new rows."""

    def __init__(self, table: Table[R]) -> None:
        self.table = table
        self.found: dict[Key, R | None] = {}
        """The rows that need no statement to be found, pending ones too; None for a missing one."""
        self.removed: dict[Key, None] = {}
        self.updated: dict[Key, R] = {}
        self.kept: dict[Key, R] = {}
        """Rows that are new or changed."""
        self.inserted: dict[Key, R] = {}
        self.late: dict[Key, Callable[[R], R]] = {}
        """The functions that complete inserted rows; these rows are not among `found`."""
        self._indexes: dict[tuple[str, ...], _Index[R]] = {}

    @property
    def changes(self) -> int:
        """How many stored rows may not be as they will be."""
        return len(self.updated) + len(self.removed) + len(self.kept)

    def is_changed(self, key: Key) -> bool:
        """Whether the stored row of a key is not as it will be."""
        return key in self.updated or key in self.removed or key in self.kept

    def insert(self, key: Key, row: R) -> None:
        """Adds a new row. Raises RowPutTwice for a pending row of its key."""
        if key in self.inserted or key in self.updated or key in self.kept:
            raise RowPutTwice(self.table.name)
        self._add(self.inserted, key, row)

    def insert_late(self, key: Key, row: R, complete: Callable[[R], R]) -> None:
        """Adds a new row that `complete` changes when it is written. Raises RowPutTwice for a pending row."""
        self.insert(key, row)
        self.late[key] = complete
        del self.found[key]

    def update(self, key: Key, row: R) -> None:
        """Adds a changed row. Raises RowMissing for a removed row."""
        if key in self.removed:
            raise RowMissing(self.table.name)
        group = self._group(key)
        self._add(self.updated if group is None else group, key, row)

    def keep(self, key: Key, row: R) -> None:
        """Adds a row that is new or changed."""
        group = self._group(key)
        self._add(self.kept if group is None else group, key, row)

    def remove(self, key: Key) -> bool:
        """Adds a removal. Returns False, without one, for a pending row that is to be written before."""
        self.kept.pop(key, None)
        if self._group(key) is not None:
            return False
        self.removed[key] = self.found[key] = None
        return True

    def matching(self, columns: Mapping[str, Value]) -> dict[Key, R]:
        """The pending rows with these values, by their keys; late rows as they were put."""
        if not (self.inserted or self.updated or self.kept):
            return {}
        names, wanted = tuple(columns), tuple(columns.values())
        index = self._indexes.get(names)
        if index is None:
            index = self._indexes[names] = _Index(self.table.reader(names))
            for group in (self.inserted, self.updated, self.kept):
                for key, row in group.items():
                    index.add(key, row)
        matching = dict[Key, R]()
        for key in index.keys.get(wanted, ()):
            pending = self._group(key)
            if pending is not None and index.values_of(pending[key]) == wanted:
                matching[key] = pending[key]
        return matching

    def write(self, write: WriteRows) -> None:
        """Writes removals first and new rows last, so that unique values of changed rows are free for new ones.

        Afterwards nothing is pending, and each row is found by a statement.
        """
        table = self.table
        if self.removed:
            write(table.remove, list(self.removed), 0)
        if self.updated:
            write(table.update, [table.updated(row) for row in self.updated.values()], len(self.updated))
        if self.kept:
            write(table.keep, list(self.kept.values()), 0)
        for key, complete in self.late.items():
            self.inserted[key] = complete(self.inserted[key])
        if self.inserted:
            write(table.insert, list(self.inserted.values()), 0)
        for rows in (self.found, self.removed, self.updated, self.kept, self.inserted, self.late, self._indexes):
            rows.clear()

    def _group(self, key: Key) -> dict[Key, R] | None:
        """The group with the pending row of a key."""
        if key in self.inserted:
            return self.inserted
        if key in self.updated:
            return self.updated
        return self.kept if key in self.kept else None

    def _add(self, group: dict[Key, R], key: Key, row: R) -> None:
        group[key] = self.found[key] = row
        for index in self._indexes.values():
            index.add(key, row)


class _Index(Generic[R]):
    """The keys of pending rows by the values that the rows have, or had, in some columns."""

    def __init__(self, values_of: Callable[[R], Key]) -> None:
        self.values_of = values_of
        self.keys: dict[Key, dict[Key, None]] = {}

    def add(self, key: Key, row: R) -> None:
        self.keys.setdefault(self.values_of(row), {})[key] = None


class Sums:
    """The pending amounts of a tally."""

    late = ()

    def __init__(self, tally: Tally) -> None:
        self.table = tally
        self._sums: dict[Key, dict[str, int]] = {}

    def add(self, key: Key, amounts: Mapping[str, int]) -> None:
        """Adds amounts to the counters of a key."""
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = dict.fromkeys(self.table.added, 0)
        for name, amount in amounts.items():
            sums[name] += amount

    def write(self, write: WriteRows) -> None:
        """Writes all amounts."""
        write(self.table.add, [(*key, *sums.values()) for key, sums in self._sums.items()], 0)
