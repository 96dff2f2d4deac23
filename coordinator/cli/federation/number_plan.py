"""`coordinator federation import-number-plan`: a number plan from a CSV file."""

import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import NoReturn, TextIO

import click
from rich.progress import Progress

from coordinator.cli.asking import json_option
from coordinator.cli.connection import Connection, connected
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.in_force import in_force, put_in_force
from coordinator.cli.federation.number_plan_file import (
    Columns,
    FileUnusable,
    Found,
    Problem,
    plan_of,
    read_number_plan,
    regions_by_name,
    rejected_rows,
)
from coordinator.cli.federation.proposals import keys_option
from coordinator.cli.federation.written import writing
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.cli.exits import NotDone
from gateway.cli.terminal import error_output
from gateway.federation.numberplan import owners_of
from gateway.federation.rules import problems
from gateway.process.files import replace_file
from gateway.values.plain_text import spreadsheet_row
from gateway.wording.languages import translated

_file = click.Path(path_type=Path, dir_okay=False)


class _Columns(click.ParamType[Columns]):
    """The headers of the columns, as `prefix=HEADER,region=HEADER`."""

    name = "columns"

    def convert(self, value: str | Columns, param: click.Parameter | None, ctx: click.Context | None) -> Columns:
        """See click."""
        if isinstance(value, Columns):
            return value
        told = dict(each.partition("=")[::2] for each in value.split(","))
        known = {each.name for each in fields(Columns)}
        if not told.keys() <= known or not all(told.values()):
            self.fail(translated("write it as prefix=HEADER,region=HEADER"), param, ctx)
        return Columns(**told)


def _known_encoding(ctx: click.Context, param: click.Parameter, value: str) -> str:
    try:
        return codecs.lookup(value).name
    except LookupError:
        raise click.BadParameter(translated("{value!r} is not known", value=value), ctx, param) from None


@click.command("import-number-plan", epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--map",
    "columns",
    type=_Columns(),
    default=Columns(),
    metavar="prefix=HEADER,region=HEADER",
    help="The headers of the columns to read, where they are not `prefix` and `region`.",
)
@click.option(
    "--encoding",
    default="utf-8-sig",
    callback=_known_encoding,
    metavar="NAME",
    help="UTF-8 if not given; gb18030 is another.",
)
@click.option("--merge", is_flag=True, help="Keep the prefixes in force that FILE does not name.")
@click.option("--rejects", type=_file, help="Write lines that cannot be used here, with the reason, and go on without.")
@click.option("--dry-run", is_flag=True, help="Only let the coordinator check.")
@keys_option
@connected
@json_option
def import_number_plan(
    connection: Connection,
    file: Path,
    columns: Columns,
    encoding: str,
    merge: bool,
    rejects: Path | None,
    dry_run: bool,
    keys: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Replace the number plan in force by that in FILE, a CSV file with a header.

    Each line names a prefix and the region that owns it. A prefix may be written as 1381234, 0755, 755 or +86755; a
    region by its id or one of its names. Other columns are passed over. A file with a line that cannot be used is
    refused as a whole, with every problem by its line; so are two lines that give a prefix to different regions.
    --rejects leaves such lines out. Single numbers that belong elsewhere than their prefix says stay as they are.

    Refused, too, if the plan does not fit the rest of the configuration, or if somebody else applied one meanwhile.

    The plan then is part of the configuration in force and no file: take number-plan.yaml out of your directory, and
    `apply` of that directory keeps the plan in force. `show` prints it with all the rest.

    \b
    Examples:
      coordinator federation import-number-plan segments.csv --dry-run
      coordinator federation import-number-plan segments.csv --map prefix=号段,region=省份 --rejects rejected.csv
      coordinator federation import-number-plan area-codes.csv --merge
    """
    if rejects is not None and rejects.resolve() == file.resolve():
        raise click.UsageError(translated("--rejects: is FILE itself"))
    before = in_force(connection)
    if not before.federation_revision:
        missing = translated(
            "no configuration is in force; `federation apply` one first, which says what regions there are"
        )
        raise NotDone([missing])
    found = _read(file, encoding, columns, regions_by_name(before.configuration.regions))
    if rejects is not None:
        _write_rejects(rejects, file, encoding, found.problems)
    elif found.problems:
        _refuse(file, found.problems, as_json=as_json)
    if not found.owners:
        raise NotDone([translated("{file}: holds no line that can be used", file=file)])
    wanted = Configuration()
    wanted.CopyFrom(before.configuration)
    wanted.number_plan.CopyFrom(plan_of(found.owners, before.configuration.number_plan, merges=merge))
    if wrong := problems(wanted):
        raise NotDone(wrong)
    response = put_in_force(connection, wanted, before, dry_run=dry_run, keys=keys)
    told = _changes(owners_of(before.configuration.number_plan), owners_of(wanted.number_plan))
    told |= {"rejected": len(found.problems)}
    if as_json:
        applied = {"federation_revision": response.federation_revision, "applied": not dry_run}
        click.echo(json.dumps(applied | told, indent=2))
        return
    counts = translated(
        "{prefixes} prefixes, {added} added, {moved} moved, {removed} removed, {rejected} rejected",
        **{name: f"{count:,}" for name, count in told.items()},
    )
    if dry_run:
        revision = before.federation_revision
        click.echo(translated("valid, not applied to revision {revision}: {counts}", revision=revision, counts=counts))
    else:
        revision = response.federation_revision
        click.echo(translated("revision {revision} is in force: {counts}", revision=revision, counts=counts))


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, int]:
    """The number of prefixes, and of new, moved and removed ones."""
    return {
        "prefixes": len(after),
        "added": len(after.keys() - before.keys()),
        "moved": sum(1 for prefix in after.keys() & before.keys() if before[prefix] != after[prefix]),
        "removed": len(before.keys() - after.keys()),
    }


def _refuse(file: Path, found: list[Problem], *, as_json: bool) -> NoReturn:
    lines = translated("1 line") if len(found) == 1 else translated("{count} lines", count=len(found))
    refusal = translated("{lines} cannot be used; nothing was applied. --rejects FILE leaves them out", lines=lines)
    if as_json:
        told = {"applied": False, "problems": [asdict(each) for each in found]}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        raise NotDone([refusal])
    raise NotDone([*(f"{file}:{each.line}: {each.reason}" for each in found), refusal])


def _read(file: Path, encoding: str, columns: Columns, regions: Mapping[str, str]) -> Found:
    with _lines(file, encoding, translated("reading")) as lines:
        return read_number_plan(lines, columns, regions)


def _write_rejects(path: Path, file: Path, encoding: str, found: list[Problem]) -> None:
    text = io.StringIO(newline="")
    with _lines(file, encoding, translated("rejecting")) as lines:
        csv.writer(text).writerows(map(spreadsheet_row, rejected_rows(lines, found)))
    with writing(path):
        replace_file(path, text.getvalue().encode("utf-8-sig"))


@contextmanager
def _lines(file: Path, encoding: str, doing: str) -> Iterator[TextIO]:
    """The lines of a file, with a progress bar on standard error if that is a terminal.

    Raises NotDone for an unusable file.
    """
    console = error_output()
    try:
        with (
            Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
            progress.open(file, "rt", encoding=encoding, newline="", description=doing) as lines,
        ):
            yield lines
    except FileUnusable as error:
        raise NotDone([f"{file}: {error}"]) from None
    except OSError as error:
        raise NotDone([translated("{path}: cannot be read: {problem}", path=file, problem=error.strerror)]) from None
