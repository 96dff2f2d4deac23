"""What stands in the databases, read beside the running processes."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

Cell = int | str | bytes | None
Row = tuple[Cell, ...]


class Database:
    """One SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, sql: str, *parameters: Cell) -> list[Row]:
        """The rows of a query, with `?` parameters."""
        with self._connected() as connection:
            return connection.execute(sql, parameters).fetchall()

    def contents(self, *, without: tuple[str, ...] = ()) -> Mapping[str, list[Row]]:
        """All rows of all tables, by table."""
        with self._connected() as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {
                name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
                for name in names
                if name not in without
            }

    def raw(self) -> bytes:
        """The bytes of the file and of its write-ahead log."""
        wal = self.path.with_name(f"{self.path.name}-wal")
        return self.path.read_bytes() + (wal.read_bytes() if wal.exists() else b"")

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            yield connection
