"""The databases of a federation's members: where they are, and what stands in them beside the running processes."""

import contextlib
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from deploy.local.postgresql_access import ADMINISTRATOR, PostgresqlAccess
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from region_node.node.subjects import number_index
from tests import at_rest
from tests.empty_database import empty_file

Cell = int | str | bytes | None
Row = tuple[Cell, ...]

_LOCK_SECONDS = 40.0  # for a node to end its transaction on a busy machine

# What the processes renew for themselves, whatever anybody asks of them.
_WITNESSING = ("witnesses", "witnessed_heads", "witnessed_chains", "witnessed_erasures", "told_revisions")
_ANOMALIES = ("dealings", "operator_hours", "anomalies")  # what refused calls count, too
_OWN_TABLES = ("processes", "store_writers", "scrubs", "agreed_time", "receipt_questions", *_WITNESSING, *_ANOMALIES)
_LEFT_OUT = {"audit": " WHERE action <> 'ENVELOPE_KIND_CATCH_UP'"}
"""What is left out of a table: processes compare receipts at times of their own."""


class Database:
    """A SQLite file, or a PostgreSQL database if there is one."""

    def __init__(self, path: Path, postgresql: PostgresqlSettings | None, keys: Path | None = None) -> None:
        self.path = path
        self._postgresql = postgresql
        self._keys = keys

    def look(self) -> AbstractContextManager[Transaction]:
        """A transaction that reads, with the keys under which the member stores personal data."""
        keys = RegionKeys(KeySet.load(self._keys)) if self._keys is not None else None
        return DatabasePlace(self.path, self._postgresql).look(keys)

    def index_of(self, number: str) -> str:
        """The index of a number in the columns."""
        with self.look() as tx:
            return number_index(tx, number)

    def rows(self, sql: str, *parameters: Cell) -> list[Row]:
        """The rows of a query, with `?` parameters."""
        with self._looking() as look:
            return look(sql, parameters)

    def change(self, *statements: str) -> None:
        """Changes what is stored, in one transaction, as nobody but a test does."""
        if self._postgresql is None:
            with contextlib.closing(sqlite3.connect(self.path, timeout=_LOCK_SECONDS)) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                for sql in statements:
                    connection.execute(sql)
            return
        with psycopg.connect(self._postgresql.conninfo) as changing:
            for sql in statements:
                changing.execute(sql.encode())

    def blob(self, value: bytes) -> str:
        """Bytes as they are written in a statement of this engine."""
        return f"X'{value.hex()}'" if self._postgresql is None else f"'\\x{value.hex()}'"

    def contents(self, *, without: tuple[str, ...] = ()) -> Mapping[str, list[Row]]:
        """All rows of all tables, by table, but for `_LEFT_OUT`."""
        tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
        if self._postgresql is not None:
            tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        with self._looking() as look:
            names = [name for (name,) in look(tables, ()) if isinstance(name, str)]
            return {
                name: sorted(look(f"SELECT * FROM {name}{_LEFT_OUT.get(name, '')}", ()), key=repr)
                for name in names
                if name not in (*without, *_OWN_TABLES)
            }

    def raw(self) -> bytes:
        """The bytes of the file and of those beside it; of a server's database, those of every cell."""
        if self._postgresql is None:
            beside = (self.path.with_name(f"{self.path.name}{each}") for each in ("", "-wal", "-shm"))
            return b"".join(each.read_bytes() for each in beside if each.exists())
        cells = [cell for rows in self.contents().values() for row in rows for cell in row]
        return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)

    def opened(self) -> bytes:
        """The content of `raw` without any sealing of personal data; and `raw`."""
        with self.look() as tx:
            return self.raw() + at_rest.told(tx)

    @contextlib.contextmanager
    def _looking(self) -> Iterator[Callable[[str, Sequence[Cell]], list[Row]]]:
        """A function that runs queries over one connection."""
        if self._postgresql is None:
            with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
                yield lambda sql, parameters: connection.execute(sql, parameters).fetchall()
            return
        with psycopg.connect(self._postgresql.conninfo) as looking:
            looking.read_only = True
            yield lambda sql, parameters: _as_sqlite(
                looking.execute(sql.replace("%", "%%").replace("?", "%s").encode(), parameters).fetchall()
            )


def _as_sqlite(rows: list[tuple[Cell | Decimal, ...]]) -> list[Row]:
    """Sums are whole numbers there."""
    return [tuple(int(cell) if isinstance(cell, Decimal) else cell for cell in row) for row in rows]


class Databases:
    """Gives each member of federations a database of its own: files, or databases of a server where there is one.

    Files have their schema already, unless members are to make them. Databases of a server are used again, emptied.
    """

    def __init__(self, server: PostgresqlAccess | None, *, made_by_members: bool = False) -> None:
        self._server = server
        self._made_by_members = made_by_members
        self._free: list[PostgresqlSettings] = []
        self._packages: dict[str, str] = {}
        """The package of whose schema a database of the server is, by its connection string."""

    def copy(self, postgresql: PostgresqlSettings) -> PostgresqlSettings:
        """A copy of a database of the server that nobody is connected to."""
        return self._create(self._packages[postgresql.conninfo], template=_name_of(postgresql))

    def make(self, package: str, file: Path) -> PostgresqlSettings | None:
        """An empty database with the schema of `package`: on the server, or in `file`."""
        if self._server is None:
            if not self._made_by_members:
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                file.write_bytes(empty_file("gateway", package))
            return None
        free = next((each for each in self._free if self._packages[each.conninfo] == package), None)
        if free is not None:
            self._free.remove(free)
            self._empty(free)
            return free
        made = self._create(package)
        DatabasePlace(Path("unused"), made).migrate(migrations_of("gateway", package), dry_run=False)
        return made

    def take_back(self, places: Iterable[PostgresqlSettings | None]) -> None:
        """Databases of members that have stopped go to others, and keep their rows until then."""
        self._free += (place for place in places if place is not None)

    def _empty(self, place: PostgresqlSettings) -> None:
        """Deletes all rows but those about the schema, which takes a tenth of the time in which one is made."""
        assert self._server is not None
        conninfo = self._server.conninfo(_name_of(place), ADMINISTRATOR)
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'schema_%'"
        with psycopg.connect(conninfo) as emptying:
            emptying.execute("SET session_replication_role = replica")  # without triggers, which keep ledger and audit
            for (table,) in emptying.execute(tables).fetchall():
                emptying.execute(SQL("DELETE FROM {}").format(Identifier(table)))

    def _create(self, package: str, template: str = "template0") -> PostgresqlSettings:
        assert self._server is not None
        name = f"federation_{uuid.uuid4().hex}"
        self._server.create_database(name, template=template)
        made = PostgresqlSettings(self._server.conninfo(name), readers=2)
        self._packages[made.conninfo] = package
        return made


def _name_of(place: PostgresqlSettings) -> str:
    return str(conninfo_to_dict(place.conninfo)["dbname"])
