"""`python -m tests.bench.disk`: the rows and bytes that an order adds to the database of each region, by table."""

import contextlib
import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import uvloop
from rich.console import Console
from rich.table import Table

from deploy.local.federation import OPERATOR, LocalFederation
from deploy.local.process import wait_until
from tests.bench.load import OrderWork, run_calls
from tests.bench.orders import HANDLING, HOME
from tests.bench.questions import CALLERS
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.running import running

_WARM_UP = 256  # orders, after which no table is empty
_PATIENCE = 10.0  # seconds until no transaction keeps the log from being emptied
_LEAST = 1.0  # bytes an order, below which a table is not shown
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
_PAGES = """SELECT SUM(d.pgsize), SUM(CASE WHEN s.type = 'index' THEN d.pgsize ELSE 0 END)
    FROM dbstat d JOIN sqlite_schema s ON s.name = d.name WHERE d.aggregate = TRUE AND s.tbl_name = ?"""


@dataclass(frozen=True)
class TableSize:
    """The rows of a table, its bytes with its indexes, and the bytes of its indexes; differences of them an order."""

    rows: float
    size: float
    indexes: float

    def growth(self, later: "TableSize", orders: int) -> "TableSize":
        """The growth by one of so many orders."""
        rows, size, indexes = later.rows - self.rows, later.size - self.size, later.indexes - self.indexes
        return TableSize(rows / orders, size / orders, indexes / orders)


@dataclass(frozen=True)
class Sizes:
    """The size of a database file in bytes, and those of its tables."""

    file: int
    tables: Mapping[str, TableSize]

    def growth(self, later: "Sizes", orders: int) -> dict[str, TableSize]:
        """The part of each table that an order has added, largest first."""
        grown = {name: self.tables[name].growth(size, orders) for name, size in later.tables.items()}
        return dict(sorted(grown.items(), key=lambda each: -each[1].size))


def sizes_of(file: Path) -> Sizes:
    """The sizes of a database whose log is emptied first. Raises ProcessFailed where others never let go of it."""
    with contextlib.closing(sqlite3.connect(file)) as connection:

        def is_emptied() -> bool:
            (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not is_busy

        wait_until(is_emptied, _PATIENCE, f"the log of {file} is emptied")
        names = [name for (name,) in connection.execute(_TABLES)]
        return Sizes(file.stat().st_size, {name: _size_of(connection, name) for name in names})


def _size_of(connection: sqlite3.Connection, table: str) -> TableSize:
    """The size of a table: of its pages and those of its indexes, or of its values where pages are not known."""
    rows = int(connection.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0])
    try:
        size, indexes = connection.execute(_PAGES, (table,)).fetchone()
    except sqlite3.OperationalError:  # SQLite was built without dbstat
        size, indexes = _bytes_of_values(connection, table), 0
    return TableSize(rows, size, indexes)


def _bytes_of_values(connection: sqlite3.Connection, table: str) -> int:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info('{table}')")]
    lengths = " + ".join(f'COALESCE(LENGTH(CAST("{column}" AS BLOB)), 0)' for column in columns)
    return int(connection.execute(f'SELECT COALESCE(SUM({lengths}), 0) FROM "{table}"').fetchone()[0])


async def measure(federation: LocalFederation, orders: int) -> dict[str, tuple[Sizes, Sizes]]:
    """The sizes of each region's database before and after so many orders."""
    files = {region: federation.database(region).file for region in (HANDLING, HOME)}
    async with federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        callers = OrderWork(channel).callers(CALLERS)
        await run_calls(callers, _WARM_UP)
        before = {region: sizes_of(file) for region, file in files.items()}
        await run_calls(callers, orders)
        return {region: (before[region], sizes_of(file)) for region, file in files.items()}


def shown(region: str, before: Sizes, after: Sizes, orders: int) -> Table:
    """A row for each table that grows."""
    found = Table(title=f"{region}: {(after.file - before.file) / orders:,.0f} bytes an order", title_justify="left")
    found.add_column("table")
    for column in ("rows an order", "bytes an order", "of which indexes"):
        found.add_column(column, justify="right")
    for name, grown in before.growth(after, orders).items():
        if grown.size >= _LEAST:
            found.add_row(name, f"{grown.rows:.1f}", f"{grown.size:,.0f}", f"{grown.indexes:,.0f}")
    return found


@click.command()
@click.option("--orders", default=2000, show_default=True, help="between both measurements")
def main(orders: int) -> None:
    """Measures what an order adds to the database of its handling and of its home region, the log emptied."""
    ready(Needs(BUILD, synced=False))
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(BUILD, "disk"))
        found = uvloop.run(measure(stack.enter_context(running(directory)), orders))
    for region, (before, after) in found.items():
        Console().print(shown(region, before, after, orders))


if __name__ == "__main__":
    main()
