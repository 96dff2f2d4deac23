"""A node's database, read beside the process or after its death."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol, cast

import psycopg

from deploy.local.federation import LocalFederation
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.relay.v1.relay_pb2 import Envelope, Receipt
from gateway.auditing import audit
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.opening import DatabasePlace
from gateway.store.port import Transaction
from gateway.store.postgresql_connecting import connect
from gateway.store.postgresql_connection import PostgresqlTransaction
from region_node.business.orders.rows import find_order
from region_node.customers.rows import find_line
from tests import at_rest

Row = tuple[object, ...]
# Processes come and go: what they say of themselves tells nothing of orders.
_OF_PROCESSES = frozenset({"processes", "store_writers", "witnesses", "witnessed_heads", "witnessed_erasures"})


class Database(Protocol):
    """A database as one looks at it from outside."""

    def rows(self, sql: str, *values: object) -> list[Row]:
        """The rows of a query with a `?` for each value."""
        ...

    def tables(self) -> list[str]:
        """The names of all tables, in order."""
        ...

    def close(self) -> None:
        """Leaves it."""
        ...

    def look(self) -> AbstractContextManager[Transaction]:
        """A transaction that reads, with the region's keys."""
        ...


class SqliteFile:
    """A file."""

    def __init__(self, path: Path, keys: Path) -> None:
        self._path = path
        self._keys = keys

    def look(self) -> AbstractContextManager[Transaction]:
        """See Database."""
        return DatabasePlace(self._path).look(RegionKeys(KeySet.load(self._keys)))

    def rows(self, sql: str, *values: object) -> list[Row]:
        """See Database."""
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()

    def tables(self) -> list[str]:
        """See Database."""
        return [str(row[0]) for row in self.rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]

    def close(self) -> None:
        """See Database."""


class PostgresqlDatabase:
    """A database of a server, looked at over one connection, which is made anew where the server was away."""

    def __init__(self, conninfo: str, keys: Path) -> None:
        self._conninfo = conninfo
        self._keys = keys
        self._connection: psycopg.Connection[Row] | None = None

    def rows(self, sql: str, *values: object) -> list[Row]:
        """See Database."""
        query = sql.replace("%", "%%").replace("?", "%s").encode()
        try:
            return self._connected().execute(query, values).fetchall()
        except psycopg.OperationalError:
            # The server was killed and started again since the last look.
            return self._connected().execute(query, values).fetchall()

    def tables(self) -> list[str]:
        """See Database."""
        found = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
        return [str(row[0]) for row in self.rows(found)]

    def execute(self, sql: str) -> None:
        """Changes something that only the owner of the database may change."""
        self._connected().execute(sql.encode())

    def close(self) -> None:
        """See Database."""
        if self._connection is not None:
            self._connection.close()

    @contextmanager
    def look(self) -> Iterator[Transaction]:
        """See Database. Over the same connection: conditions are looked at hundreds of times."""
        self.rows("SELECT 1")  # connects anew where it must
        connection = self._connected()
        connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield PostgresqlTransaction(connection, RegionKeys(KeySet.load(self._keys)))
        finally:
            connection.execute(b"ROLLBACK")

    def _connected(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._conninfo, "looks from outside")
        return self._connection


def database_at(place: DatabasePlace, keys: Path) -> Database:
    """The database of a process, with the file of its region's keys."""
    if place.postgresql is None:
        return SqliteFile(place.file, keys)
    return PostgresqlDatabase(place.postgresql.conninfo, keys)


class Records:
    """The database of one region."""

    @classmethod
    def of(cls, federation: LocalFederation, name: str) -> "Records":
        """The database of a process of a federation."""
        return cls(database_at(federation.database(name), federation.keys_file(name)))

    def __init__(self, database: Database) -> None:
        self.database = database
        self._verified = audit.Head(0, audit.GENESIS)

    def rows(self, sql: str, *values: object) -> list[Row]:
        """The rows of a query with a `?` for each value."""
        return self.database.rows(sql, *values)

    def count(self, sql: str, *values: object) -> int:
        """The one number that a query gives."""
        return cast("int", self.rows(sql, *values)[0][0])

    def column(self, sql: str, *values: object) -> list[object]:
        """The only column of a query."""
        return [row[0] for row in self.rows(sql, *values)]

    def sizes(self) -> dict[str, int]:
        """How many rows each table has."""
        names = [name for name in self.database.tables() if name not in _OF_PROCESSES]
        return {name: self.count(f"SELECT COUNT(*) FROM {name}") for name in names}

    def sizes_about(self, order_id: str) -> dict[str, int]:
        """How many rows each table has about an order."""
        columns = {
            "orders": "order_id",
            "order_events": "order_id",
            "requests": "order_id",
            "outbox": "subject",
            "inbox": "subject",
            "audit": "subject",
            "timers": "subject",
        }
        sizes = {
            table: self.count(f"SELECT COUNT(*) FROM {table} WHERE {column} = ?", order_id)
            for table, column in columns.items()
        }
        entries = "SELECT COUNT(*) FROM ledger_entries WHERE posting_id LIKE ?"
        return sizes | {"ledger_entries": self.count(entries, f"{order_id}#%")}

    def order(self, order_id: str) -> Order | None:
        """The order as it is stored; None where it is not."""
        with self.database.look() as tx:
            row = find_order(tx, order_id)
        return row.order if row is not None else None

    def orders(self) -> list[Order]:
        """All orders as they are stored, by id."""
        with self.database.look() as tx:
            return at_rest.orders(tx)

    def sent(self, subject: str = "") -> list[at_rest.Kept]:
        """The sent envelopes of this region, about one subject or all, opened, by id."""
        with self.database.look() as tx:
            return sorted(at_rest.sent(tx, subject), key=lambda row: row.envelope_id)

    def received(self, subject: str = "") -> list[at_rest.Kept]:
        """The executed envelopes of this region, about one subject or all, opened, by id."""
        with self.database.look() as tx:
            return sorted(at_rest.received(tx, subject), key=lambda row: row.envelope_id)

    def has_received(self, order_id: str) -> bool:
        """Whether a command about the order was acted on here."""
        return bool(self.rows("SELECT 1 FROM inbox WHERE subject = ?", order_id))

    def open_envelopes(self, order_id: str) -> list[object]:
        """The ids of the envelopes about an order whose receipt is not here."""
        return self.column("SELECT envelope_id FROM outbox WHERE subject = ? AND closed IS NULL", order_id)

    def envelope(self, order_id: str) -> Envelope:
        """The first envelope that was sealed here about an order, as it was signed."""
        with self.database.look() as tx:
            first = next(at_rest.sent(tx, order_id), None)
        assert first is not None, f"nothing was sealed about {order_id}"
        return Envelope(content=first.content, signature=first.signature)

    def receipts_kept(self, order_id: str) -> list[Row]:
        """Envelope ids with the receipts of others, as this region closed its envelopes about an order."""
        return [_receipt(row) for row in self.sent(order_id)]

    def receipts_given(self, order_id: str) -> list[Row]:
        """Envelope ids with the receipts that this region gave for commands about an order."""
        return [_receipt(row) for row in self.received(order_id)]

    def receipt_given(self, order_id: str) -> Receipt:
        """The receipt that this region gave for the one command about an order."""
        ((_, content, signature),) = self.receipts_given(order_id)
        return Receipt(content=cast("bytes", content), signature=cast("bytes", signature))

    def attempts(self, order_ids: Sequence[str]) -> list[int]:
        """How often the submission of each order was sent, as noted when its receipt came."""
        return [
            self.count("SELECT attempts FROM outbox WHERE subject = ? ORDER BY created LIMIT 1", order_id)
            for order_id in order_ids
        ]

    def actions(self, order_id: str) -> list[str]:
        """The actions about an order in the audit chain, oldest first, without reads."""
        done = "SELECT action FROM audit WHERE subject = ? AND action <> 'GetOrder' ORDER BY sequence"
        return [str(each) for each in self.column(done, order_id)]

    def states_entered(self, order_id: str) -> list[object]:
        """The states of the events about an order, in the order of commits."""
        return self.column("SELECT state FROM order_events WHERE order_id = ? ORDER BY sequence", order_id)

    def entries(self, posting_id: str) -> list[Row]:
        """Account and amount of each ledger entry of a posting, by account."""
        return self.rows("SELECT account, amount FROM ledger_entries WHERE posting_id = ? ORDER BY account", posting_id)

    def line_status(self, number: str) -> int:
        """How the line of a number stands."""
        with self.database.look() as tx:
            line = find_line(tx, number)
        assert line is not None, f"nobody has {number}"
        return line.status

    def verify_chain(self) -> None:
        """Raises ChainBroken where the audit chain does not go on, whole, from where it was whole when last asked."""
        columns = "sequence, time, actor, action, subject, detail, hash, salt"
        found = self.rows(f"SELECT {columns} FROM audit WHERE sequence >= ? ORDER BY sequence", self._verified.sequence)
        rows = [audit.AuditRow(*row) for row in found]  # type: ignore[arg-type]
        if self._verified.sequence:
            assert rows, "the tail of the chain was cut"
            assert rows.pop(0).head == self._verified, "the chain was rewritten"
        self._verified = audit.Walk(after=self._verified).take_all(rows)


def _receipt(row: at_rest.Kept) -> Row:
    return row.envelope_id, row.receipt_content, row.receipt_signature
