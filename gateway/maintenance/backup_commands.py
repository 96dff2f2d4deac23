"""The commands `backups` of each program that has a database."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import click

from gateway.backups import copies
from gateway.backups.replaying import Moment
from gateway.backups.repository import Backup
from gateway.cli.terminal import print_table
from gateway.cli.times import InstantType
from gateway.maintenance.backup_drills import Proof, drill, rows_of, verify
from gateway.maintenance.backup_member import backup_member, ending
from gateway.maintenance.backup_schedule import RUN, run_command
from gateway.maintenance.program import Program, S
from gateway.settings import Sources
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
_ARCHIVE = """Copy into the repository what was committed since the last copy of the database.

The process of a SQLite database keeps the pages of each commit in `archive` of its data. Of PostgreSQL, the command
takes the write-ahead log, which a replication slot keeps for it. Run this each minute by a timer of the machine: a lost
disk costs what came after. Where the archive does not continue the last copy, the database is copied anew. Of etcd, it
takes the changes since the last snapshot.

\b
Example:
  {program} backups archive --settings {program}.toml

\b
Exit codes: 0 copied, 1 not possible, and the text says why, 2 wrong usage or settings.
"""
_VERIFY = """Prove that a copy can be restored: the newest one, or that of an id.

Reads the whole repository, makes a database of the copy in a scratch place, verifies its audit chain, and compares the
rows of all tables with its manifest. Says how old the copy is, and how long the way back took. A copy of PostgreSQL is
served by a server of its own meanwhile, or loaded into an empty database (--database). A snapshot of etcd is served
by an etcd of its own.

\b
Example:
  {program} backups verify --settings {program}.toml

\b
Exit codes: 0 it can be restored, 1 it cannot, and the text says why, 2 wrong usage or settings.
"""
_RESTORE = """Make the database again: with all that the repository has, as it was at a time, or that of a copy's id.

The process must be stopped, and there must be no database in its place; on PostgreSQL an empty one. All that was
committed later is missing then, and other members know it.

\b
Examples:
  {program} backups restore --settings {program}.toml
  {program} backups restore --time 2026-12-24T01:00:30+08:00 --settings {program}.toml
  {program} backups restore 1f6c0a2b --settings {program}.toml

\b
Exit codes: 0 restored, 1 not restored, and the text says why, 2 wrong usage or settings.
"""
_DRILL = """Restore everything into a scratch place, and compare it with the database that serves.

The rows of all tables, the audit chain and the last commit have to be the same. Says what a loss would have cost just
before (RPO), and how long the way back takes (RTO). Run it each week by a timer of the machine. With --database, what a
scratch server of PostgreSQL has is loaded there too, as `restore` does. A copy by pg_dump, and a snapshot of etcd, are
compared with what was read when they were made. The changes of etcd behind it are made again, and compared with etcd.

\b
Example:
  {program} backups drill --settings {program}.toml

\b
Exit codes: 0 everything came back, 1 it did not, and the text says why, 2 wrong usage or settings.
"""
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_id_argument = click.argument("backup_id", metavar="[ID]", default="")


def backups_group(program: Program[S]) -> click.Group:
    """The group `backups` of a program."""

    @click.group("backups", help=_GROUP)
    def backups() -> None:
        pass

    commands = (
        (_create, _CREATE),
        (_archive, _ARCHIVE),
        (_list, _LIST),
        (_verify, _VERIFY),
        (_restore, _RESTORE),
        (_drill, _DRILL),
        (run_command, RUN),
    )
    for make, text in commands:
        command = make(program)
        command.help = text.format(program=program.name)
        backups.add_command(command)
    return backups


def _create(program: Program[S]) -> click.Command:
    @click.command("create")
    @program.settings_options
    @_json_option
    def create(sources: Sources, as_json: bool) -> None:
        with ending(program):
            added = backup_member(program, sources).create()
        _show([added], as_json=as_json)

    return create


def _archive(program: Program[S]) -> click.Command:
    @click.command("archive")
    @program.settings_options
    @_json_option
    def archive(sources: Sources, as_json: bool) -> None:
        with ending(program):
            added = backup_member(program, sources).archive_all()
        _show(added, as_json=as_json)

    return archive


def _list(program: Program[S]) -> click.Command:
    @click.command("list")
    @program.settings_options
    @_json_option
    def list_backups(sources: Sources, as_json: bool) -> None:
        with ending(program):
            found = backup_member(program, sources).repository.all()
        _show(found, as_json=as_json)

    return list_backups


def _verify(program: Program[S]) -> click.Command:
    @click.command("verify")
    @_id_argument
    @program.settings_options
    @click.option("--database", metavar="CONNINFO", default="", help="An empty PostgreSQL database for the copy.")
    @_json_option
    def verify_copy(sources: Sources, backup_id: str, database: str, as_json: bool) -> None:
        with ending(program):
            proof = verify(backup_member(program, sources), backup_id, database)
        if as_json:
            click.echo(_json(proof))
            return
        click.echo(
            translated(
                "{id}: can be restored; rows: {rows}, the same as in its manifest; audit chain: whole",
                id=proof.id,
                rows=proof.rows,
            )
        )
        _tell_objectives(proof)

    return verify_copy


def _restore(program: Program[S]) -> click.Command:
    @click.command("restore")
    @_id_argument
    @program.settings_options
    @click.option("--time", "until", metavar="TIME", type=InstantType(), help="As 2026-12-24T01:00:30+08:00.")
    @_json_option
    def restore(sources: Sources, backup_id: str, until: datetime | None, as_json: bool) -> None:
        if backup_id and until is not None:
            raise click.UsageError(translated("--time: takes the copy that it needs; leave the id out"))
        with ending(program):
            member = backup_member(program, sources)
            if until is not None:
                _ = member.archive
            copies.require_absent(member.place)  # before hours of extraction
            with member.scratch() as directory:
                if backup_id:
                    chosen = member.chosen(backup_id)
                    member.repository.extract(chosen, directory)
                else:
                    chosen = member.extract(directory, until)
                manifest = copies.put_back(directory, member.place, datetime.now(UTC), Moment(until))
        if as_json:
            click.echo(json.dumps({"id": chosen.id, "time": manifest.time.isoformat(), "rows": rows_of(manifest)}))
            return
        click.echo(
            translated(
                "{database}: is as it was at {time}; rows: {rows}",
                database=member.place,
                time=told_time(manifest.time),
                rows=rows_of(manifest),
            )
        )

    return restore


def _drill(program: Program[S]) -> click.Command:
    @click.command("drill")
    @program.settings_options
    @click.option("--database", metavar="CONNINFO", default="", help="An empty PostgreSQL database for the copy.")
    @_json_option
    def drill_all(sources: Sources, database: str, as_json: bool) -> None:
        with ending(program):
            proof = drill(backup_member(program, sources), database)
        if as_json:
            click.echo(_json(proof))
            return
        click.echo(
            translated(
                "everything came back; rows: {rows}, position: {position}, audit rows: {audit_rows}",
                rows=proof.rows,
                position=proof.position,
                audit_rows=proof.audit_rows,
            )
        )
        _tell_objectives(proof)

    return drill_all


def _json(proof: Proof) -> str:
    return json.dumps(asdict(proof), indent=2, default=datetime.isoformat)


def _tell_objectives(proof: Proof) -> None:
    click.echo(
        translated(
            "a loss now would cost {age:.0f} s of work (RPO); the way back took {seconds:.1f} s (RTO)",
            age=proof.age_seconds,
            seconds=proof.restored_in_seconds,
        )
    )
    if proof.shared is not None:
        click.echo(
            translated(
                "{store}: cluster {cluster}, revision {revision}, entries: {entries}; a loss now would cost"
                " {age:.0f} s of changes",
                store=proof.shared.store,
                cluster=proof.shared.cluster,
                revision=proof.shared.revision,
                entries=proof.shared.entries,
                age=proof.shared_age_seconds,
            )
        )


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
