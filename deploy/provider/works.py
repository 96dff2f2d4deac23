"""The finished work of the example, in a SQLite file."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

_SCHEMA = """
-- What stands for an order: its results, and whether it was undone, or must not be done any more.
CREATE TABLE IF NOT EXISTS works (order_id TEXT NOT NULL PRIMARY KEY, results TEXT NOT NULL, undone INTEGER NOT NULL);
-- Every effect, in order: what a real system would have done to its lines.
CREATE TABLE IF NOT EXISTS effects (effect_id INTEGER PRIMARY KEY, order_id TEXT NOT NULL, kind TEXT NOT NULL);
"""
PROVISIONED = "provisioned"
UNDONE = "undone"


class Works:
    """The works of one system. Each change is on the disk before its method returns."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def results(self, order_id: str) -> Mapping[str, str] | None:
        """The results of an order; None for one that was not done, or was undone."""
        found = self._find(order_id)
        return None if found is None or found[1] else found[0]

    def is_undone(self, order_id: str) -> bool:
        """Whether an order was undone, before or after its work."""
        found = self._find(order_id)
        return found is not None and found[1]

    def provision(self, order_id: str, results: Mapping[str, str]) -> None:
        """Does the work of a new order."""
        with self._connection:
            self._connection.execute("INSERT INTO works VALUES (?, ?, 0)", (order_id, json.dumps(dict(results))))
            self._note(order_id, PROVISIONED)

    def undo(self, order_id: str) -> None:
        """Undoes an order's work, once; remembers the undo of an unknown order."""
        found = self._find(order_id)
        with self._connection:
            if found is None:
                self._connection.execute("INSERT INTO works VALUES (?, '{}', 1)", (order_id,))
            elif not found[1]:
                self._connection.execute("UPDATE works SET undone = 1 WHERE order_id = ?", (order_id,))
                self._note(order_id, UNDONE)

    def effects(self, order_id: str) -> list[str]:
        """The effects of an order, oldest first."""
        found = self._connection.execute("SELECT kind FROM effects WHERE order_id = ? ORDER BY effect_id", (order_id,))
        return [kind for (kind,) in found]

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def _find(self, order_id: str) -> tuple[Mapping[str, str], bool] | None:
        found = self._connection.execute("SELECT results, undone FROM works WHERE order_id = ?", (order_id,)).fetchone()
        return None if found is None else (json.loads(found[0]), bool(found[1]))

    def _note(self, order_id: str, kind: str) -> None:
        self._connection.execute("INSERT INTO effects (order_id, kind) VALUES (?, ?)", (order_id, kind))
