"""`python -m tests.bench.disk`: the bytes that an order adds to the database of each region, table by table."""

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
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
_PAGES = """SELECT s.tbl_name, SUM(d.pgsize) FROM dbstat d JOIN sqlite_schema s ON s.name = d.name
    WHERE d.aggregate = TRUE GROUP BY s.tbl_name"""


@dataclass(frozen=True)
class Sizes:
    """The size of a database file, and of its tables with their indexes, in bytes."""

    file: int
    tables: Mapping[str, int]

    def growth(self, later: "Sizes", orders: int) -> "dict[str, float]":
        """The bytes of each table that an order has added, largest first."""
        grown = {name: (size - self.tables.get(name, 0)) / orders for name, size in later.tables.items()}
        return dict(sorted(grown.items(), key=lambda each: -each[1]))


def sizes_of(file: Path) -> Sizes:
    """The sizes of a database whose log is emptied first. Raises ProcessFailed where others never let go of it."""
    with contextlib.closing(sqlite3.connect(file)) as connection:

        def is_emptied() -> bool:
            (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not is_busy

        wait_until(is_emptied, _PATIENCE, f"the log of {file} is emptied")
        return Sizes(file.stat().st_size, dict(_tables(connection)))


def _tables(connection: sqlite3.Connection) -> Sequence[tuple[str, int]]:
    """The bytes of each table: of its pages and those of its indexes, or of its values where pages are not known."""
    try:
        return connection.execute(_PAGES).fetchall()
    except sqlite3.OperationalError:  # SQLite was built without dbstat
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return [(name, _bytes_of_values(connection, name)) for name in names]


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
    found.add_column("bytes an order", justify="right")
    for name, grown in before.growth(after, orders).items():
        if grown >= _LEAST:
            found.add_row(name, f"{grown:,.0f}")
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
