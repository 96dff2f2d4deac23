"""The commands `backups` of each program that has a database."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.backups import copies
from gateway.backups.copies import CopyFailed, Manifest
from gateway.backups.repository import Backup, Repository
from gateway.cli.exits import REFUSED
from gateway.cli.terminal import print_table
from gateway.maintenance.program import Program, S
from gateway.settings import Sources
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.port import DatabaseInUse, StoreUnusable
from gateway.store.sqlite import FileLock
from gateway.wording.languages import translated
from gateway.wording.times import told_time

_GROUP = """Copy the database into an encrypted repository, and make a database of a copy.

The settings name the repository in [backup]. A copy is consistent and made while the process serves. The keys of the
region are in no copy: keep `region.keys` and `erased-keys` apart.
"""
_CREATE = """Copy the database now, and forget the copies that the settings do not keep.

Run it each hour by a timer of the machine: what was committed after the last copy is what a lost disk costs.

\b
Example:
  {program} backups create --settings {program}.toml

\b
Exit codes: 0 copied, 1 not possible, and the text says why, 2 wrong usage or settings.
"""
_LIST = """List the copies of this member, the newest last.

\b
Example:
  {program} backups list --settings {program}.toml --json

\b
Exit codes: 0 listed, 1 not possible, and the text says why, 2 wrong usage or settings.
"""
_VERIFY = """Prove that a copy can be restored: the newest one, or that of an id.

Reads the whole repository, makes a database of the copy in a scratch place, verifies its audit chain, and compares the
rows of all tables with its manifest. Says how old the copy is, and how long the way back took. A copy of PostgreSQL
needs an empty database for it.

\b
Example:
  {program} backups verify --settings {program}.toml

\b
Exit codes: 0 it can be restored, 1 it cannot, and the text says why, 2 wrong usage or settings.
"""
_RESTORE = """Make the database of a copy: of the newest one, or that of an id.

The process must be stopped, and there must be no database in its place. All that was committed after the copy is
missing then, and other members know it.

\b
Example:
  {program} backups restore 1f6c0a2b --settings {program}.toml

\b
Exit codes: 0 restored, 1 not restored, and the text says why, 2 wrong usage or settings.
"""
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_id_argument = click.argument("backup_id", metavar="[ID]", default="")


@dataclass(frozen=True)
class _Member:
    """What the commands need of a program's settings."""

    uri: str
    place: DatabasePlace
    data: Path
    repository: Repository

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty directory in the data of the process, for one command at a time; it is removed afterwards."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = self.data / "backup"
        try:
            lock = FileLock(directory)
        except DatabaseInUse:
            raise CopyFailed(translated("{directory}: another backup is under way", directory=directory)) from None
        try:
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(mode=0o700)
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            lock.release()

    def chosen(self, backup_id: str) -> Backup:
        """The newest backup, or that of an id. Raises CopyFailed."""
        found = [each for each in self.repository.all() if each.id.startswith(backup_id)]
        if not found:
            raise CopyFailed(translated("there is no such backup"))
        return found[-1]


def backups_group(program: Program[S]) -> click.Group:
    """The group `backups` of a program."""

    @click.group("backups", help=_GROUP)
    def backups() -> None:
        pass

    for make, text in ((_create, _CREATE), (_list, _LIST), (_verify, _VERIFY), (_restore, _RESTORE)):
        command = make(program)
        command.help = text.format(program=program.name)
        backups.add_command(command)
    return backups


def _create(program: Program[S]) -> click.Command:
    @click.command("create")
    @program.settings_options
    @_json_option
    def create(sources: Sources, as_json: bool) -> None:
        with _ending(program):
            member = _member(program, sources)
            with member.scratch() as directory:
                copies.take(member.place, directory, member.uri, datetime.now(UTC))
                added = member.repository.add(directory)
            member.repository.forget()
        _show([added], as_json=as_json)

    return create


def _list(program: Program[S]) -> click.Command:
    @click.command("list")
    @program.settings_options
    @_json_option
    def list_backups(sources: Sources, as_json: bool) -> None:
        with _ending(program):
            found = _member(program, sources).repository.all()
        _show(found, as_json=as_json)

    return list_backups


def _verify(program: Program[S]) -> click.Command:
    @click.command("verify")
    @_id_argument
    @program.settings_options
    @click.option("--database", metavar="CONNINFO", default="", help="An empty PostgreSQL database for the copy.")
    @_json_option
    def verify(sources: Sources, backup_id: str, database: str, as_json: bool) -> None:
        with _ending(program):
            member = _member(program, sources)
            if member.place.postgresql is not None and not database:
                raise click.UsageError(translated("--database: name an empty PostgreSQL database for the copy"))
            member.repository.verify()
            chosen, started = member.chosen(backup_id), time.monotonic()
            with member.scratch() as directory:
                member.repository.extract(chosen.id, directory)
                scratch = PostgresqlSettings(database) if database else None
                manifest = copies.put_back(directory, DatabasePlace(directory / "scratch.sqlite", scratch))
            seconds = time.monotonic() - started
        age = (datetime.now(UTC) - manifest.time).total_seconds()
        if as_json:
            told = {"id": chosen.id, "rows": _rows(manifest), "age_seconds": age, "restored_in_seconds": seconds}
            click.echo(json.dumps(told, indent=2))
            return
        click.echo(
            translated(
                "{id}: can be restored; rows: {rows}, the same as in its manifest; audit chain: whole",
                id=chosen.id,
                rows=_rows(manifest),
            )
        )
        click.echo(
            translated(
                "a loss now would cost {age:.0f} s of work (RPO); the way back took {seconds:.1f} s (RTO)",
                age=age,
                seconds=seconds,
            )
        )

    return verify


def _restore(program: Program[S]) -> click.Command:
    @click.command("restore")
    @_id_argument
    @program.settings_options
    @_json_option
    def restore(sources: Sources, backup_id: str, as_json: bool) -> None:
        with _ending(program):
            member = _member(program, sources)
            chosen = member.chosen(backup_id)
            with member.scratch() as directory:
                member.repository.extract(chosen.id, directory)
                manifest = copies.put_back(directory, member.place)
        if as_json:
            click.echo(json.dumps({"id": chosen.id, "time": manifest.time.isoformat(), "rows": _rows(manifest)}))
            return
        click.echo(
            translated(
                "{database}: is as it was at {time}; rows: {rows}",
                database=member.place,
                time=told_time(manifest.time),
                rows=_rows(manifest),
            )
        )

    return restore


def _member(program: Program[S], sources: Sources) -> _Member:
    settings = program.settings(sources)
    if settings.backup is None:
        raise click.UsageError(translated("backup: is needed in the settings: it names the repository"))
    uri = settings.identity.uri
    repository = Repository(settings.backup, uri, settings.data / "backup-cache")
    return _Member(uri, settings.database, settings.data, repository)


@contextmanager
def _ending(program: Program[S]) -> Iterator[None]:
    try:
        yield
    except StoreUnusable as error:
        program.end(str(error), REFUSED)
    except OSError as error:
        program.end(f"{error.filename or ''}: {error.strerror or error}", REFUSED)


def _rows(manifest: Manifest) -> int:
    return sum(manifest.tables.values())


def _show(backups: list[Backup], *, as_json: bool) -> None:
    if as_json:
        told = [
            {"id": each.id, "time": each.time.isoformat(), "bytes": each.size, "added_bytes": each.added}
            for each in backups
        ]
        click.echo(json.dumps(told, indent=2))
        return
    print_table(
        (translated("id"), translated("time"), translated("bytes"), translated("added")),
        [(each.id, told_time(each.time), f"{each.size:,}", f"{each.added:,}") for each in backups],
    )
