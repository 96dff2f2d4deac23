"""The common parts of commands that import a file by a map: options, opening of the file, and exit."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import grpc

from gateway.cli.asking import Option
from gateway.cli.exits import REFUSED
from gateway.wording.languages import translated
from region_node.cli.asking import Asking
from region_node.cli.imports.column_map import MapUnusable
from region_node.cli.imports.import_report import ImportReport, M, R
from region_node.cli.imports.import_stream import FileImport, LinesToImport, Q
from region_node.cli.imports.line_file import LineFile, LineFileUnusable
from region_node.cli.imports.reconnecting import ended
from region_node.cli.outcome import told_by

rejects_option = click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the lines that were not taken here, as CSV: line, reason, its text, and the columns of FILE.",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Change nothing, and say what would become of each line.")


def map_option(help_text: str) -> Option:
    """The option that names the map."""
    kind = click.Path(path_type=Path, dir_okay=False)
    return click.option("--map", "map_file", required=True, type=kind, help=help_text)


@contextmanager
def opening(map_file: Path) -> Iterator[None]:
    """A context for opening a file and its map. Raises UsageError for an unusable one."""
    try:
        yield
    except MapUnusable as error:
        raise click.UsageError(f"{map_file}: {error}") from error
    except LineFileUnusable as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"{map_file}: {error.strerror}") from error


def run_import(
    asking: Asking,
    file: LineFile,
    work: Callable[[grpc.aio.Channel], LinesToImport[M, Q, R]],
    report: ImportReport[M, R],
    patience: float,
    *,
    is_dry: bool,
) -> None:
    """Imports the file and prints the result. Ends the command after rejected lines."""
    again = translated("Run the same command again: it goes on after the last line that is done.")

    def tell_away(error: grpc.aio.AioRpcError) -> None:
        report.progress.interrupted(told_by(error, asking.link.server))

    async def run(channel: grpc.aio.Channel) -> None:
        await FileImport(file, work(channel), report).run(patience, tell_away)

    with report:
        failure, exit_code = ended(asking.link, run, again, LineFileUnusable)
    if asking.as_json:
        click.echo(json.dumps({**report.plain(), "dry_run": is_dry}, ensure_ascii=False))
    else:
        report.show()
    if failure:
        click.echo(failure, err=True)
    if exit_code or report.rejected:
        sys.exit(exit_code or REFUSED)
