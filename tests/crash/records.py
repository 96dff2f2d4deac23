"""What a node has on disk, read beside the process or after its death."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

from gateway import audit
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.relay.v1.relay_pb2 import Envelope, Receipt

Row = tuple[object, ...]


class Records:
    """The database file of one node."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def rows(self, sql: str, *values: object) -> list[Row]:
        """The rows of a query."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()

    def count(self, sql: str, *values: object) -> int:
        """The one number that a query gives."""
        return cast("int", self.rows(sql, *values)[0][0])

    def column(self, sql: str, *values: object) -> list[object]:
        """The only column of a query."""
        return [row[0] for row in self.rows(sql, *values)]

    def sizes(self) -> dict[str, int]:
        """How many rows each table has."""
        names = self.column("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        return {str(name): self.count(f"SELECT COUNT(*) FROM {name}") for name in names}

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
        bodies = self.column("SELECT body FROM orders WHERE order_id = ?", order_id)
        return Order.FromString(cast("bytes", bodies[0])) if bodies else None

    def has_received(self, order_id: str) -> bool:
        """Whether a command about the order was acted on here."""
        return bool(self.rows("SELECT 1 FROM inbox WHERE subject = ?", order_id))

    def open_envelopes(self, order_id: str) -> list[object]:
        """The ids of the envelopes about an order whose receipt is not here."""
        return self.column("SELECT envelope_id FROM outbox WHERE subject = ? AND closed IS NULL", order_id)

    def envelope(self, order_id: str) -> Envelope:
        """The first envelope that was sealed here about an order, as it was signed."""
        rows = self.rows("SELECT content, signature FROM outbox WHERE subject = ? ORDER BY created LIMIT 1", order_id)
        assert rows, f"nothing was sealed about {order_id}"
        return Envelope(content=cast("bytes", rows[0][0]), signature=cast("bytes", rows[0][1]))

    def receipts_kept(self, order_id: str) -> list[Row]:
        """Envelope ids with the receipts of others, as this region closed its envelopes about an order."""
        return self.rows(
            "SELECT envelope_id, receipt_content, receipt_signature FROM outbox WHERE subject = ? ORDER BY envelope_id",
            order_id,
        )

    def receipts_given(self, order_id: str) -> list[Row]:
        """Envelope ids with the receipts that this region gave for commands about an order."""
        return self.rows(
            "SELECT envelope_id, receipt_content, receipt_signature FROM inbox WHERE subject = ? ORDER BY envelope_id",
            order_id,
        )

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
        """What was done about an order by the audit chain, oldest first; that it was read is left out."""
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
        return self.count("SELECT status FROM products WHERE number = ?", number)

    def verify_chain(self) -> None:
        """Raises ChainBroken where the audit chain is not whole."""
        columns = "sequence, time, actor, action, subject, detail, hash"
        rows = self.rows(f"SELECT {columns} FROM audit ORDER BY sequence")
        audit.verify([audit.AuditRow(*row) for row in rows], None)  # type: ignore[arg-type]
