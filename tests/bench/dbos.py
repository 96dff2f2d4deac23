"""`python -m tests.bench.dbos`: orders between regions beside a DBOS workflow of two steps, on both engines.

The workflow runs in one process, and in two as an order does: the second step is then a workflow of the home region's
process. DBOS has a database of its own for each process, synced at each commit as that of a node is; SQLite has a
write-ahead log. It has less to do: no TLS, no signature, no sealing, no audit chain, no coordinator on the way, and no
rows but those in which DBOS keeps the workflow. `tests/bench/dbos_process.py` is the program.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import click
from psycopg.conninfo import conninfo_to_dict

from deploy.local.postgresql import LocalPostgresql
from deploy.local.postgresql_access import APPLICATION
from deploy.local.process import START_SECONDS, ChildProcess, wait_until
from deploy.local.profiles import EMBEDDED, Engine, Profile
from tests.bench.comparing import LEVELS, order_client, windows_of
from tests.bench.engines import on_postgresql
from tests.bench.load import LoadClient
from tests.bench.report import Level, Round, report
from tests.bench.requirements import BUILD, ROOT, Needs, ready, working_directory
from tests.bench.results import ORDERS, circumstances, write_report
from tests.bench.running import running
from tests.bench.table import console, table

INTERPRETER = BUILD / "dbos" / "bin" / "python"
"""That of the environment which `make dbos` makes."""
SHAPES = {"DBOS in one process": False, "DBOS in two processes": True}
"""Where the second step is done: whether a second process does it."""
PROFILES: Mapping[Engine, Profile] = {Engine.SQLITE: EMBEDDED, Engine.POSTGRESQL: on_postgresql(1)}
_PROGRAM = ROOT / "tests" / "bench" / "dbos_process.py"

Levels = dict[str, list[Level]]
"""The levels of orders beside each shape of DBOS, by the name of the shape."""


def missing() -> Sequence[str]:
    """The lack of DBOS, as a sentence with the remedy."""
    return [] if INTERPRETER.exists() else ["DBOS is not installed in build/dbos: `make dbos` does it"]


class DbosProcess(ChildProcess):
    """A process of the DBOS application, with a database of its own."""

    def __init__(self, name: str, directory: Path) -> None:
        super().__init__(f"DBOS {name}", directory / f"{name}.log")
        self._port_file = directory / f"{name}.port"

    def start(self, database: str, *options: str) -> int:
        """Starts it on a database, and returns its port once it serves. Raises ProcessFailed."""
        # Safe: the folder of the program has a module that is named as the package of DBOS is.
        command = [str(INTERPRETER), "-P", str(_PROGRAM), f"--database={database}", f"--port-file={self._port_file}"]
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.run([*command, *options], variables)
        wait_until(self._serves, START_SECONDS, f"{self.name} serves")
        return int(self._port_file.read_text("ascii"))

    def _serves(self) -> bool:
        self.require_running()
        return self._port_file.exists()


class Databases:
    """Empty databases of one engine for DBOS, by URL as SQLAlchemy reads it."""

    def __init__(self, directory: Path, server: LocalPostgresql | None) -> None:
        self._directory = directory
        self._server = server

    def make(self, name: str) -> str:
        """A new one. Raises psycopg.Error."""
        if self._server is None:
            file = self._directory / f"{name}.sqlite"
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")  # the file keeps it; DBOS itself leaves the default
            return f"sqlite:///{file}"
        self._server.create_database(name)
        found = conninfo_to_dict(self._server.conninfo(name))
        address = f"{APPLICATION}@{found.pop('host')}:{found.pop('port')}/{found.pop('dbname')}"
        del found["user"]
        return f"postgresql://{address}?{urlencode(found)}"


@contextmanager
def databases(directory: Path, engine: Engine) -> Iterator[Databases]:
    """Databases of an engine; a server for them ends with the context."""
    directory.mkdir(parents=True)
    if engine is Engine.SQLITE:
        yield Databases(directory, None)
        return
    server = LocalPostgresql(directory / "server")
    try:
        server.prepare()
        server.start()
        yield Databases(directory, server)
    finally:
        server.remove()


@contextmanager
def dbos_client(directory: Path, made: Databases, *, is_split: bool) -> Iterator[LoadClient]:
    """A load client of the application in one process, or in two where it is split. All end with the context."""
    label = "split" if is_split else "single"
    with ExitStack() as stack:
        processes: list[DbosProcess] = []

        def started(name: str, *options: str) -> int:
            process = DbosProcess(f"{label}-{name}", directory)
            stack.callback(process.kill)
            processes.append(process)
            return process.start(made.make(f"{label}_{name}"), *options)

        options = [f"--home={started('home', '--is-home')}"] if is_split else []
        arguments = ["lines", f"--port={started('origin', *options)}"]
        client = LoadClient(arguments, [each.pid for each in processes], directory / f"{label}-client.log")
        stack.callback(client.close)
        yield client


def measure(directory: Path, engine: Engine, levels: Sequence[int], rounds: int, seconds: float) -> Levels:
    """Orders beside each shape of DBOS on one engine; all take turns."""
    with ExitStack() as stack:
        federation = stack.enter_context(running(directory / "federation", PROFILES[engine]))
        orders = order_client(federation, directory / "orders.log")
        stack.callback(orders.close)
        made = stack.enter_context(databases(directory / "dbos", engine))
        clients = [
            stack.enter_context(dbos_client(directory / "dbos", made, is_split=is_split))
            for is_split in SHAPES.values()
        ]
        found: Levels = {shape: [] for shape in SHAPES}
        for callers in levels:
            done = windows_of((*clients, orders), callers, rounds, seconds)
            for place, shape in enumerate(SHAPES):
                found[shape].append(Level(callers, [Round(each[place], each[-1]) for each in done]))
        return found


@click.command()
@click.option("--callers", "levels", type=int, multiple=True, default=LEVELS, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="per number of callers")
@click.option("--seconds", default=2.0, show_default=True, help="for one of the three loads in one round")
@click.option(
    "--engine", "engines", type=click.Choice([each.value for each in Engine]), multiple=True, help="all by default"
)
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "dbos.json", show_default=True)
def main(
    levels: Sequence[int], rounds: int, seconds: float, engines: Sequence[str], output: Path, *, unsynced: bool
) -> None:
    """Measures orders beside a durable DBOS workflow of two steps, in one process and in two, on both engines."""
    chosen = [Engine(each) for each in engines] or list(Engine)
    others = ready(
        Needs(
            output.parent,
            engines=Engine.POSTGRESQL in chosen,
            without_engines=f"--engine {Engine.SQLITE.value}",
            synced=not unsynced,
            missing=missing(),
        )
    )
    parts: dict[str, object] = {}
    with working_directory(output.parent, "dbos-run") as directory:
        conditions = circumstances(directory, others, rounds=rounds, seconds_per_round_and_load=seconds)
        for engine in chosen:
            found = measure(directory / engine.value, engine, levels, rounds, seconds)
            for shape, measured in found.items():
                console().print(table(measured, f"orders against {shape}, both on {engine.value}", "DBOS", ORDERS))
            parts[engine.value] = {shape: report(measured, shape, ORDERS) for shape, measured in found.items()}
            write_report(output, {**parts, "conditions": conditions})
    click.echo(f"written to {output}")


if __name__ == "__main__":
    main()
