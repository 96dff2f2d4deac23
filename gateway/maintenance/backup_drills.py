"""Proofs that what the repository has can be restored: into a scratch place, compared, and timed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.backups import copies
from gateway.backups.copies import Manifest
from gateway.backups.history import History
from gateway.backups.replaying import EVERYTHING, Moment
from gateway.backups.room import require_free
from gateway.backups.server_copies import FILES, empty
from gateway.backups.shared_store import SharedCopy
from gateway.maintenance.backup_member import BackupMember
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.wording.languages import translated

_SIZE_OF_DUMP = 2


@dataclass(frozen=True)
class Proof:
    """The content that came back of a copy, its age, and the time of the way back."""

    id: str
    rows: int
    position: int
    """The number of the last commit; of PostgreSQL the place of its record in the log."""
    audit_rows: int
    age_seconds: float
    """The time whose work a loss now would cost (RPO)."""
    restored_in_seconds: float
    """The time that the way back took (RTO)."""
    shared: SharedCopy | None
    """The store that processes share; None where they share none."""
    shared_age_seconds: float | None


def verify(member: BackupMember, backup_id: str, database: str) -> Proof:
    """Restores a copy alone, and compares it with its manifest. Raises CopyFailed where it cannot be restored."""
    member.repository.verify()
    chosen, started = member.chosen(backup_id), time.monotonic()
    with member.scratch() as directory:
        member.repository.extract(chosen, directory)
        with _restored(member, directory, database) as (manifest, _):
            shared = _shared(member, directory)
            seconds = time.monotonic() - started
    return _proof(chosen.id, manifest, manifest.time, seconds, shared, datetime.now(UTC))


def drill(member: BackupMember, database: str) -> Proof:
    """Restores all that is there, compares it with the database that serves, and notes the time of the drill.

    Behind a gap in the changes of the shared store everything is copied first. Raises CopyFailed where something did
    not come back.
    """
    before = History.read(member.data)
    if member.has_changes:
        member.archive_changes()
    with member.scratch() as directory:
        now = datetime.now(UTC)
        moment, live = EVERYTHING, None
        if member.place.archive is not None:
            live = copies.described(member.place, member.uri, now, member.log)
            moment = Moment(commits=live.commits)
            member.ship(member.require_whole_archive())
        started = time.monotonic()
        copy = member.extract(directory)
        if member.has_changes:
            member.extract_changes(directory)
        with _restored(member, directory, database, moment) as (manifest, scratch):
            shared = _shared(member, directory)
            seconds = time.monotonic() - started
        if live is not None:
            copies.require_same(live, manifest, scratch)  # which was compared with the manifest before
    replace(History.read(member.data), drill_time=now).write(member.data)
    if shared is not None and before.changes_time is not None:
        shared = replace(shared, time=max(shared.time, before.changes_time))
    saved = max(before.archive_time or copy.time, before.copy_time or copy.time) if live is not None else manifest.time
    return _proof(copy.id, manifest, saved, seconds, shared, now)


def rows_of(manifest: Manifest) -> int:
    """The rows of all tables."""
    return sum(manifest.tables.values())


def _proof(
    backup_id: str, manifest: Manifest, saved: datetime, seconds: float, shared: SharedCopy | None, now: datetime
) -> Proof:
    return Proof(
        backup_id,
        rows_of(manifest),
        manifest.commits,
        manifest.audit_rows,
        (now - saved).total_seconds(),
        seconds,
        shared,
        None if shared is None else (now - shared.time).total_seconds(),
    )


def _shared(member: BackupMember, directory: Path) -> SharedCopy | None:
    """The proof of the store that processes share; None without a store, and for a copy without one, which is told."""
    if member.shared is None:
        return None
    found = member.shared.prove(directory)
    if found is None:
        told = translated(
            "the copy has no snapshot of {store}: the database alone was proven", store=member.shared.name
        )
        click.echo(told, err=True)
    return found


@contextmanager
def _restored(
    member: BackupMember, directory: Path, database: str, moment: Moment = EVERYTHING
) -> Iterator[tuple[Manifest, DatabasePlace]]:
    """The database of what was extracted, in a scratch place for as long as the context is."""
    now = datetime.now(UTC)
    if member.place.postgresql is not None and not database:
        if (directory / FILES).is_dir():
            with copies.recovered(directory, moment) as found:
                yield found
        else:
            # The server stores what the dump has as tables with indexes.
            require_free(directory, _SIZE_OF_DUMP * (directory / copies.POSTGRESQL_DUMP).stat().st_size)
            with empty(directory) as scratch:
                yield copies.put_back(directory, scratch, now), scratch
        return
    if member.place.postgresql is not None:
        scratch = DatabasePlace(directory, PostgresqlSettings(database))
    else:
        scratch = DatabasePlace(directory / "scratch.sqlite")
    yield copies.put_back(directory, scratch, now, moment), scratch
