"""The contract of every store about its disk: durable commits, one process at a time, no file of another version."""

import asyncio
import itertools
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.store.port import DatabaseInUse, Destroyed, Transaction, Value
from gateway.store.schema import CONTRACTING, Migration, SchemaMismatch, SchemaOutdated
from gateway.store.sqlite import SqliteDatabase, SqliteStore
from tests.contract.stores import ADAPTERS, NOTES, PATIENCE_S, Adapter, SqliteAdapter, notes, run, writing

ROOT = Path(__file__).parents[2]
STRACE = shutil.which("strace")


def test_a_commit_is_on_disk_when_it_returns(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            assert await store.write(adapter.is_durable_on_commit)

    run(scenario())


def test_a_second_process_is_refused_and_told_who_holds_the_database(adapter: Adapter, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with adapter.open() as store:
            await store.write(writing("mine"))
            second = await asyncio.to_thread(finished, adapter, tmp_path)
            assert second.returncode != 0
            assert DatabaseInUse.__name__ in second.stderr
            assert str(os.getpid()) in second.stderr
            await store.write(writing("mine still"))

    run(scenario())
    assert adapter.notes() == ["mine", "mine still"]


def test_a_second_store_in_the_same_process_is_refused_too(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open():
            with pytest.raises(DatabaseInUse):
                await adapter.open().__aenter__()
        async with adapter.open() as store:
            await store.write(writing("next"))

    run(scenario())


@pytest.mark.guarantee("G1")
def test_what_was_acknowledged_survives_a_kill(adapter: Adapter, tmp_path: Path) -> None:
    with subprocess.Popen(writer(adapter, tmp_path, 1_000_000), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        # Everything that it said before it died counts.
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL

    async def scenario() -> None:
        async with adapter.open() as store:
            kept = await store.read(notes)
            assert set(acknowledged) <= set(kept)
            assert len(kept) <= len(acknowledged) + 1, "at most the one that was under way"

    run(scenario())


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_every_acknowledged_commit_of_the_embedded_store_was_flushed(tmp_path: Path) -> None:
    """A kill cannot show a missing flush; the system calls can."""
    adapter = SqliteAdapter(tmp_path)
    log = tmp_path / "calls"
    traced = [str(STRACE), "-f", "-e", "trace=fsync,fdatasync,write", "-o", str(log)]
    ended = finished(adapter, tmp_path, traced)
    if "ptrace" in ended.stderr:
        pytest.skip("processes may not be traced here")
    assert ended.returncode == 0, ended.stderr
    calls = log.read_text("utf-8", "replace").splitlines()
    told = [index for index, call in enumerate(calls) if re.search(r'write\(1, "\d{6}', call)]
    assert len(told) == len(ended.stdout.split()) > 0
    for previous, this in itertools.pairwise([0, *told]):
        assert any("sync(" in call for call in calls[previous:this]), "told before it was flushed"


def test_a_database_of_another_version_is_not_touched_and_can_be_opened_by_that_version(adapter: Adapter) -> None:
    changed = Migration(NOTES.package, NOTES.name, NOTES.sql + "\n-- changed later")
    newer = Migration(NOTES.package, "0002_more.sql", "CREATE TABLE more (id INTEGER);")

    async def scenario() -> None:
        async with adapter.open() as store:
            await store.write(writing("one"))
        with pytest.raises(SchemaMismatch, match="not the file that was applied"):
            await adapter.open([changed]).__aenter__()
        with pytest.raises(SchemaOutdated, match=r"run `migrate` first, which applies notes/0002_more.sql"):
            await adapter.open([NOTES, newer]).__aenter__()
        assert adapter.migrate([NOTES, newer], dry_run=True) == ["0002_more.sql"]
        assert adapter.migrate([NOTES, newer]) == ["0002_more.sql"]
        assert adapter.migrate([NOTES, newer]) == []
        async with adapter.open([NOTES, newer]) as store:
            assert await store.read(notes) == ["one"]

    run(scenario())


def test_the_version_before_works_on_an_expanded_schema_and_not_on_a_contracted_one(adapter: Adapter) -> None:
    spare = Migration(NOTES.package, "0002_spare.sql", "CREATE TABLE spare (id INTEGER);")
    more = Migration(NOTES.package, "0072_more.sql", "CREATE TABLE more (id INTEGER);")
    less = Migration(NOTES.package, "0073_less.sql", f"{CONTRACTING}no code reads it.\nDROP TABLE spare;")
    before, now = [NOTES, spare], [NOTES, spare, more, less]

    async def scenario() -> None:
        async with adapter.open(before) as store:
            await store.write(writing("by the version before"))
        assert adapter.migrate(now) == ["0072_more.sql"], "what contracts waits"
        async with adapter.open(now) as store:
            await store.write(writing("by this version"))
        async with adapter.open(before) as store:
            await store.write(writing("by the version before, again"))
        assert adapter.migrate(before) == [], "an image of the version before runs its migrate, too"
        assert adapter.migrate(now, contract=True) == ["0073_less.sql"]
        with pytest.raises(SchemaMismatch, match=r"SCHEMA_CONTRACTED: notes/0073_less.sql was applied by a newer"):
            await adapter.open(before).__aenter__()
        with pytest.raises(SchemaMismatch, match="SCHEMA_CONTRACTED"):
            adapter.migrate(before)
        async with adapter.open(now) as store:
            assert await store.read(notes) == sorted(
                ["by the version before", "by this version", "by the version before, again"]
            )

    run(scenario())


def test_a_database_of_a_version_without_marks_gets_them_with_the_next_migration(adapter: Adapter) -> None:
    more = Migration(NOTES.package, "0072_more.sql", "CREATE TABLE more (id INTEGER);")

    async def scenario() -> None:
        async with adapter.open([NOTES, more]) as store:
            await store.write(forgetting_marks)
        with pytest.raises(SchemaMismatch, match="SCHEMA_CONTRACTED"):
            await adapter.open([NOTES]).__aenter__()
        assert adapter.migrate([NOTES, more]) == []
        async with adapter.open([NOTES]) as store:
            assert await store.read(notes) == []

    run(scenario())


def forgetting_marks(tx: Transaction) -> None:
    """Makes the database as a version left it that knew no marks."""
    tx.execute("DROP TABLE schema_expansions")


def test_a_migration_that_fails_changes_nothing(adapter: Adapter) -> None:
    half = Migration(NOTES.package, "0002_half.sql", "CREATE TABLE half (id INTEGER); CREATE TABLE notes (id INTEGER);")
    whole = Migration(NOTES.package, "0002_half.sql", "CREATE TABLE half (id INTEGER);")

    async def scenario() -> None:
        async with adapter.open() as store:
            await store.write(writing("one"))
        with pytest.raises(Exception, match="already exists"):
            adapter.migrate([NOTES, half])
        assert adapter.migrate([NOTES, whole]) == ["0002_half.sql"]
        async with adapter.open([NOTES, whole]) as store:
            assert await store.read(notes) == ["one"]

    run(scenario())


def test_an_embedded_store_with_little_room_left_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def accepts() -> None:
        async with SqliteAdapter(tmp_path).open() as store:
            answers.append(store.accepts_new_work())

    answers: list[bool] = []
    run(accepts())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    run(accepts())
    assert answers == [True, False]


def test_a_transaction_that_a_damaged_file_does_not_roll_back_ends_with_its_connection(tmp_path: Path) -> None:
    adapter = SqliteAdapter(tmp_path)

    class Damaged:
        """A connection to a file of which a page is damaged."""

        def __init__(self, connection: sqlite3.Connection) -> None:
            self._connection = connection

        def __getattr__(self, name: str) -> object:
            return getattr(self._connection, name)

        def execute(self, sql: str, parameters: Mapping[str, Value] | None = None) -> sqlite3.Cursor:
            if sql == "ROLLBACK":
                raise sqlite3.DatabaseError("database disk image is malformed")
            return self._connection.execute(sql, parameters or {})

    async def scenario() -> None:
        async with adapter.open() as store:
            assert isinstance(store, SqliteStore)
            store._database.__dict__["_connection"] = Damaged(store._database.connection)
            told = await asyncio.gather(
                *map(store.write, (writing("a"), breaking, writing("b"))), return_exceptions=True
            )
            assert [told[0], type(told[1]), told[2]] == ["a", ZeroDivisionError, "b"]

    run(scenario())
    assert adapter.notes() == ["a", "b"]


def test_a_commit_is_told_as_done_where_a_damaged_file_does_not_take_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = SqliteAdapter(tmp_path)

    def damaged(_: SqliteDatabase) -> bool:
        raise sqlite3.DatabaseError("database disk image is malformed")

    def destroying(tx: Transaction) -> str:
        tx.publish(Destroyed())
        return writing("in place of a key")(tx)

    async def scenario() -> None:
        async with adapter.open() as store:
            told: list[object] = []
            store.subscribe(Destroyed, told.append)
            with monkeypatch.context() as patch:
                patch.setattr(SqliteDatabase, "empty_log", damaged)
                assert await store.write(destroying) == "in place of a key"
            assert told == [Destroyed()]

    run(scenario())
    assert adapter.notes() == ["in place of a key"]
    assert "the database is broken" in caplog.text


def breaking(_: Transaction) -> str:
    """An operation with a defect."""
    raise ZeroDivisionError


def writer(adapter: Adapter, directory: Path, count: int) -> list[str]:
    """The command of a process that writes notes into the same durable state."""
    name = next(name for name, made in ADAPTERS.items() if isinstance(adapter, made))
    return [sys.executable, "-m", "tests.contract.stores", name, str(directory), str(count)]


def finished(adapter: Adapter, directory: Path, under: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Lets a process write twenty notes and waits for its end."""
    command = [*under, *writer(adapter, directory, 20)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
