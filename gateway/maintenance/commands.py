"""The commands that upgrade and move the database of each program that has one."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import click
from rich.progress import Progress as Bar

from gateway.cli.exits import REFUSED
from gateway.cli.terminal import error_output, print_table
from gateway.maintenance.moving import Moved, move
from gateway.maintenance.program import Program, S
from gateway.settings import Sources
from gateway.store.opening import DatabasePlace
from gateway.store.port import StoreUnusable
from gateway.store.schema import Migration, SchemaState
from gateway.wording.languages import translated

_WAITS = "waits for --contract"
_SHOWN_OF_CHECKSUM = 12  # characters in a table

_MIGRATE = """Bring the database up to the schema of this version.

The schema is a row of numbered SQL files; each is applied once and noted with its checksum. `{program} serve` refuses
a database that lacks one, and never changes a schema itself, except that it makes a SQLite file that is not there.
Where the database is PostgreSQL, processes of the former version may go on meanwhile, from 0.2.0 on; a SQLite file is
refused while its process runs. Running it twice, or in two places at once, does no harm.

Files that expand the schema are applied, and the version before still runs on it. Files that contract it take away what
only older versions need: they wait for --contract, which is refused while a process of an older version is at work.
After that there is no way back to such a version.

\b
Examples:
  {program} migrate --settings {program}.toml --dry-run
  {program} migrate --settings {program}.toml --contract

\b
Exit codes: 0 the schema is current, or a dry run said what is missing; 1 not possible, and the text says why;
2 wrong usage or settings.
"""
_MOVE = """Move the database from SQLite to PostgreSQL.

The settings name the PostgreSQL database, empty or with the schema of this version and no rows; what is moved is the
SQLite file in `data`. Stop the process first. All rows are copied in one transaction and compared one by one, the audit
chain is verified on both sides, and only then the file is renamed to end in .moved, so that nobody serves the old state
by mistake. Interrupted at any point nothing is lost: run it again.

\b
Example:
  {program} move-to-postgresql --settings {program}.toml --set postgresql.conninfo='host=127.0.0.1 dbname=sichuan'

\b
Exit codes: 0 moved, 1 not moved, and the text says why, 2 wrong usage or settings.
"""


@dataclass(frozen=True)
class _File:
    """A schema file, and its state."""

    package: str
    name: str
    checksum: str
    state: str


def migrate_command(program: Program[S]) -> click.Command:
    """The command `migrate` of a program."""

    @click.command("migrate")
    @program.settings_options
    @click.option("--dry-run", is_flag=True, help="Change nothing, and say what would be applied.")
    @click.option("--contract", is_flag=True, help="Apply the contracting files, too: no older version comes back.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    def migrate(sources: Sources, dry_run: bool, contract: bool, as_json: bool) -> None:
        place, migrations = program.settings(sources).database, program.migrations()
        try:
            if not dry_run:
                place.make_directory()
            applied = place.migrate(migrations, dry_run=dry_run, contract=contract)
            state = place.schema(migrations)
        except StoreUnusable as error:
            program.end(str(error), REFUSED)
        except OSError as error:
            program.end(f"{error.filename or place}: {error.strerror or error}", REFUSED)
        files = _files(place, migrations, applied, state, dry_run=dry_run)
        if as_json:
            told = {"database": str(place), "dry_run": dry_run, "files": [asdict(each) for each in files]}
            click.echo(json.dumps(told, indent=2, ensure_ascii=False))
            return
        print_table(
            (translated("file"), translated("checksum"), translated("state")),
            [
                (f"{each.package}/{each.name}", each.checksum[:_SHOWN_OF_CHECKSUM], translated(each.state))
                for each in files
            ],
        )
        click.echo(_summary(place, len(applied), dry_run=dry_run))
        if any(each.state == _WAITS for each in files):
            click.echo(
                translated(
                    "once no older version is to come back, `{program} migrate --contract` applies what waits",
                    program=program.name,
                )
            )

    migrate.help = _MIGRATE.format(program=program.name)
    return migrate


def _files(
    place: DatabasePlace,
    migrations: Sequence[Migration],
    applied: Sequence[Migration],
    state: SchemaState,
    *,
    dry_run: bool,
) -> list[_File]:
    fresh = "would be applied" if dry_run else "applied"
    files = [
        _File(
            each.package,
            each.name,
            each.checksum,
            fresh if each in applied else _WAITS if each in state.contracting else "applied before",
        )
        for each in migrations
        if each.engine in ("", place.engine)
    ]
    newer = (each.partition("/") for each in state.ahead)
    return files + [_File(package, name, "", "of a newer version") for package, _, name in newer]


def _summary(place: DatabasePlace, count: int, *, dry_run: bool) -> str:
    if not count:
        return translated("{database}: the schema is current, nothing is to be done", database=place)
    files = translated("1 file") if count == 1 else translated("{count} files", count=count)
    if dry_run:
        return translated("{database}: {files} would be applied", database=place, files=files)
    return translated("{database}: {files} applied", database=place, files=files)


def move_command(program: Program[S]) -> click.Command:
    """The command `move-to-postgresql` of a program."""

    @click.command("move-to-postgresql")
    @program.settings_options
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    def move_to_postgresql(sources: Sources, as_json: bool) -> None:
        place = program.settings(sources).database
        if place.postgresql is None:
            raise click.UsageError(
                translated("postgresql: is needed in the settings: it says where to move the database")
            )
        try:
            with _ProgressBar() as progress:
                moved = move(place, program.migrations(), progress)
        except StoreUnusable as error:
            program.end(str(error), REFUSED)
        except OSError as error:
            program.end(f"{error.filename or place}: {error.strerror or error}", REFUSED)
        if as_json:
            click.echo(json.dumps(_told_of_move(place, moved), indent=2, ensure_ascii=False))
            return
        _print_move(place, moved)

    move_to_postgresql.help = _MOVE.format(program=program.name)
    return move_to_postgresql


def _print_move(place: DatabasePlace, moved: Moved) -> None:
    same = translated("the same")
    print_table(
        (translated("table"), translated("rows"), translated("compared")),
        [(each.name, str(each.rows), same) for each in moved.tables],
    )
    rows, head = moved.head.sequence, moved.head.hash.hex()
    click.echo(translated("audit chain: the same on both sides; rows: {rows}, head: {head}", rows=rows, head=head))
    click.echo(
        translated("{database}: has everything now; the file is kept as {file}", database=place, file=moved.file)
    )


def _told_of_move(place: DatabasePlace, moved: Moved) -> dict[str, object]:
    return {
        "database": str(place),
        "tables": [{"table": each.name, "rows": each.rows, "same": True} for each in moved.tables],
        "audit": {"rows": moved.head.sequence, "hash": moved.head.hash.hex()},
        "file": str(moved.file),
    }


class _ProgressBar:
    """A bar on standard error, if that is a terminal."""

    def __init__(self) -> None:
        console = error_output()
        self._bar = Bar(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> "_ProgressBar":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def start(self, rows: int) -> None:
        """See Progress."""
        self._bar.update(self._task, total=rows)

    def advance(self, doing: str, rows: int) -> None:
        """See Progress."""
        self._bar.update(self._task, description=doing, advance=rows)
