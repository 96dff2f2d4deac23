"""The archive of commits: what a process adds, what it adds after a kill, and what a copy becomes by it."""

import asyncio
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backups.refused import CopyFailed
from gateway.backups.replaying import EVERYTHING, Moment, Reach, gap_behind, replay
from gateway.store import commit_archive, sqlite_schema
from gateway.store.commit_archive import ArchivePlace, CommitArchive, commits, prune, segments
from gateway.store.opening import DatabasePlace
from gateway.store.port import Operation
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteDatabase, SqliteStore
from gateway.store.timeline import Position

ROOM = 1 << 30
MIGRATIONS = migrations_of("gateway")


class Kept:
    """A database with an archive, and copies of it."""

    def __init__(self, directory: Path, most_bytes: int = ROOM) -> None:
        self.directory = directory
        self.file = directory / "database.sqlite"
        self.archive = directory / "archive"
        self.place = ArchivePlace(self.archive, most_bytes)

    def open(self, *, archives: bool = True) -> SqliteStore:
        """The store of a process; on the event loop."""
        return SqliteStore(self.file, MIGRATIONS, None, self.place if archives else None)

    def run(self, *bodies: str, archives: bool = True) -> None:
        """A process that makes a commit for each text, and stops in order."""

        async def work() -> None:
            store = self.open(archives=archives)
            for body in bodies:
                await store.write(noting(body))
            await store.close()

        asyncio.run(work())

    def copied(self) -> Path:
        """A copy of the database at this moment."""
        copy = self.directory / f"copy-{len(list(self.directory.glob('copy-*')))}"
        DatabasePlace(self.file).copy_file(copy)
        return copy

    def killed(self, name: str) -> "Kept":
        """The files as a kill at this moment leaves them."""
        there = self.directory / name
        there.mkdir()
        for path in self.directory.glob("database.sqlite*"):
            if not path.name.endswith(("-shm", ".lock")):
                shutil.copyfile(path, there / path.name)
        shutil.copytree(self.archive, there / "archive")
        return Kept(there)


def noting(body: str) -> Operation[int]:
    """An operation that leaves a text in the database."""
    return lambda tx: tx.execute(
        "INSERT INTO audit (sequence, time, actor, action, subject, detail, hash)"
        " SELECT COALESCE(MAX(sequence), 0) + 1, 0, '', '', :body, '', x'' FROM audit",
        body=body,
    )


def bodies_of(file: Path) -> list[str]:
    """The texts that a database holds."""
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [body for (body,) in database.execute("SELECT subject FROM audit ORDER BY sequence")]


READER = """import sqlite3, sys
found = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
print(found.execute("SELECT COUNT(*) FROM audit").fetchone()[0])"""


def write_and_be_read(directory: Path, times: int) -> None:
    """A process whose database another one reads in the middle of each transaction; fails where that one sees it."""
    kept = Kept(directory)
    with closing(SqliteDatabase(str(kept.file), None, CommitArchive(kept.archive, kept.file, ROOM))) as database:
        database.resume_archive()
        for number in range(times):
            database.begin()
            noting("x" * 100_000)(database.transaction())
            command = [sys.executable, "-I", "-S", "-c", READER, str(kept.file)]
            assert int(subprocess.run(command, capture_output=True, check=True).stdout) == number + 1
            database.commit()


@pytest.fixture(name="kept")
def database(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_a_copy_becomes_what_the_database_was_at_each_of_its_later_commits(kept: Kept) -> None:
    kept.run("first")
    copy = kept.copied()
    kept.run("second", "third")
    kept.run("fourth")
    everything = ["first", "second", "third", "fourth"]
    for number in range(1, len(everything) + 1):
        there = shutil.copyfile(copy, kept.directory / f"restored-{number}")
        replay(there, kept.archive, Moment(commits=number))
        assert bodies_of(there) == everything[:number]


def test_a_process_that_reads_beside_the_writer_leaves_its_index_of_the_log_alone(kept: Kept) -> None:
    kept.run("first")
    copy = kept.copied()
    writer = multiprocessing.get_context("spawn").Process(target=write_and_be_read, args=(kept.directory, 5))
    writer.start()
    writer.join()
    assert writer.exitcode == 0
    replay(copy, kept.archive, EVERYTHING)
    assert bodies_of(copy) == bodies_of(kept.file)


def test_a_moment_is_before_what_was_begun_after_it_and_behind_what_was_answered_before_it(kept: Kept) -> None:
    kept.run("first")
    copy = kept.copied()
    kept.run("answered before")
    moment = datetime.now(UTC)
    kept.run("begun after")
    replay(copy, kept.archive, Moment(moment))
    assert bodies_of(copy) == ["first", "answered before"]


@given(sizes=st.lists(st.integers(0, 200_000), min_size=1, max_size=8), segment=st.sampled_from((1, 1 << 20)))
@settings(max_examples=4, deadline=None)
def test_commits_of_any_size_come_back_whatever_the_log_and_the_files_do(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], segment: int
) -> None:
    kept = Kept(tmp_path_factory.mktemp("kept"))
    kept.run("first")
    copy = kept.copied()
    bodies = [f"{number}{'x' * size}" for number, size in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commit_archive, "SEGMENT_BYTES", segment)
        kept.run(*bodies)
    replay(copy, kept.archive, EVERYTHING)
    assert bodies_of(copy) == ["first", *bodies]


def test_a_process_adds_at_its_start_what_a_killed_one_had_not(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        store = kept.open()
        await store.write(noting("first"))
        copy = kept.copied()
        await store.write(noting("second"))
        monkeypatch.setattr(commit_archive.CommitArchive, "add", lambda _: None)
        await store.write(noting("committed, and killed before it was archived"))
        await store.write(noting("so was this"))
        killed = kept.killed("killed")
        await store.close()
        monkeypatch.undo()
        assert DatabasePlace(killed.file).migrate(MIGRATIONS, dry_run=False) == []
        again = killed.open()
        await again.write(noting("after the start"))
        await again.close()
        replay(copy, killed.archive, EVERYTHING)
        assert bodies_of(copy) == [*bodies_of(kept.file), "after the start"]

    asyncio.run(work())


def test_a_disk_without_room_stops_the_archive_and_not_the_service_and_nothing_is_missing_later(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        monkeypatch.setattr(commit_archive, "REST_SECONDS", 0.0)
        store = kept.open()
        await store.write(noting("first"))
        copy = kept.copied()
        monkeypatch.setattr(commit_archive, "SEGMENT_BYTES", 1)
        monkeypatch.setattr(commit_archive, "LEAST_FREE_BYTES", 1 << 62)
        await store.write(noting("without room"))
        await store.write(noting("without room again"))
        assert store.counts.not_archived == 2
        assert "bytes left" in caplog.text
        monkeypatch.setattr(commit_archive, "LEAST_FREE_BYTES", 0)
        await store.write(noting("with room"))
        assert store.counts.not_archived == 0
        await store.close()
        replay(copy, kept.archive, EVERYTHING)
        assert bodies_of(copy) == ["first", "without room", "without room again", "with room"]

    asyncio.run(work())


def test_an_archive_has_the_room_of_the_settings_alone(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        small = Kept(kept.directory, most_bytes=1)
        store = small.open()
        await store.write(noting("first"))
        await store.close()
        assert "that it may take" in caplog.text
        assert segments(kept.archive) == []

    asyncio.run(work())


def test_commits_that_are_in_the_log_no_more_are_a_gap_which_is_named(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        monkeypatch.setattr(commit_archive, "REST_SECONDS", 0.0)
        store = kept.open()
        await store.write(noting("first"))
        copy = kept.copied()
        monkeypatch.setattr(commit_archive, "SEGMENT_BYTES", 1)
        monkeypatch.setattr(commit_archive, "LEAST_FREE_BYTES", 1 << 62)
        await store.write(noting("lost to the archive"))
        await store.scrub((), since="", is_quiet=True)  # empties the log
        monkeypatch.setattr(commit_archive, "LEAST_FREE_BYTES", 0)
        await store.write(noting("archived"))
        later = kept.copied()
        await store.write(noting("archived, too"))
        await store.close()
        assert "for good" in caplog.text
        gap = gap_behind(kept.archive, Position(segments(kept.archive)[0].timeline, 1), 4)
        assert gap is not None
        assert gap.first == 2
        with pytest.raises(CopyFailed, match="lacks the commits 2 to"):
            replay(copy, kept.archive, EVERYTHING)
        replay(later, kept.archive, EVERYTHING)
        assert bodies_of(later) == bodies_of(kept.file)

    asyncio.run(work())


def test_a_copy_that_is_no_database_is_refused_as_a_copy(kept: Kept) -> None:
    kept.run("first")
    copy = kept.copied()
    copy.write_bytes(b"no database" * 1000)
    with pytest.raises(CopyFailed, match="not a database"):
        replay(copy, kept.archive, EVERYTHING)


def test_a_torn_end_is_left_out_and_a_torn_middle_is_a_gap(kept: Kept) -> None:
    kept.run("first")
    copy = kept.copied()
    kept.run("second")
    kept.run("third")
    last = max(segments(kept.archive), key=lambda each: each.first).path
    os.truncate(last, last.stat().st_size - 1)
    torn = shutil.copyfile(copy, kept.directory / "torn")
    replay(torn, kept.archive, EVERYTHING)
    assert bodies_of(torn) == ["first", "second"]
    kept.run("fourth")
    with pytest.raises(CopyFailed, match="lacks the commits 3 to 3"):
        replay(copy, kept.archive, EVERYTHING)


def test_a_damaged_commit_is_never_replayed(kept: Kept) -> None:
    kept.run("first")
    copy = kept.copied()
    kept.run("second")
    last = max(segments(kept.archive), key=lambda each: each.first).path
    whole = bytearray(last.read_bytes())
    whole[len(whole) // 2] ^= 1
    last.write_bytes(whole)
    with pytest.raises(CopyFailed, match="lacks the commits 2 to 2, right behind the copy"):
        replay(copy, kept.archive, EVERYTHING)


def test_a_database_is_not_made_of_an_archive_that_lacks_the_end_it_has_to_have(kept: Kept) -> None:
    kept.run("first")
    copy = kept.copied()
    kept.run("second")
    second = datetime.now(UTC)
    kept.run("third")
    found = segments(kept.archive)
    start = Position(found[0].timeline, 1)
    Reach(datetime.now(UTC), start.timeline, 3).write(kept.archive)
    assert gap_behind(kept.archive, start, 3) is None
    found[-1].path.unlink()
    gap = gap_behind(kept.archive, start, 3)
    assert gap is not None
    assert gap.time is not None
    assert (gap.first, gap.last) == (3, 3)
    for moment in (EVERYTHING, Moment(second)):
        with pytest.raises(CopyFailed, match="lacks the commits 3 to 3: --time"):
            replay(shutil.copyfile(copy, kept.directory / "late"), kept.archive, moment)
    replay(copy, kept.archive, Moment(gap.time))
    assert bodies_of(copy) == ["first", "second"]


def test_a_commit_of_a_wrong_clock_hides_no_later_one(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept.run("first")
    copy = kept.copied()
    now = time.time_ns()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: now + 10**15)
        kept.run("of a wrong clock")
    kept.run("of a right clock")
    moment = datetime.now(UTC)
    kept.run("begun after")
    replay(copy, kept.archive, Moment(moment))
    assert bodies_of(copy) == ["first", "of a wrong clock", "of a right clock"]
    assert "the clock went back" in caplog.text


@pytest.mark.parametrize("change", ["without an archive", "migrated", "restored", "put back by hand"])
def test_a_database_that_changed_beside_its_archive_goes_on_in_another_timeline(kept: Kept, change: str) -> None:
    kept.run("first")
    copy = kept.copied()
    kept.run("second")
    if change == "restored":
        DatabasePlace(kept.file).begin_timeline(datetime.now(UTC))
    elif change == "put back by hand":
        shutil.copyfile(copy, kept.file)
    elif change == "migrated":
        with closing(sqlite3.connect(kept.file)) as file, file:
            file.execute("DELETE FROM schema_migrations WHERE name = '0165_timeline.sql'")
            file.execute("ALTER TABLE database_timeline RENAME TO away")
        assert DatabasePlace(kept.file).migrate(MIGRATIONS, dry_run=False)
    else:
        kept.run("beside the archive", archives=False)
    kept.run("third")
    assert len({each.timeline for each in segments(kept.archive)}) == 2
    replay(copy, kept.archive, EVERYTHING)
    assert bodies_of(copy) == ["first", "second"]


def test_a_migration_that_was_killed_behind_a_file_is_a_change_beside_the_archive(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.run("first")
    with closing(sqlite3.connect(kept.file)) as file, file:
        rows = file.execute("SELECT * FROM schema_migrations WHERE name = '0165_timeline.sql'").fetchall()
        file.execute("DELETE FROM schema_migrations WHERE name = '0165_timeline.sql'")

    def killed(connection: sqlite3.Connection, *_: object, **__: object) -> None:
        connection.execute(f"INSERT INTO schema_migrations VALUES ({', '.join('?' * len(rows[0]))})", rows[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(sqlite_schema, "apply", killed)
    with pytest.raises(KeyboardInterrupt):
        DatabasePlace(kept.file).migrate(MIGRATIONS, dry_run=False)
    monkeypatch.undo()
    kept.run("second")
    assert len({each.timeline for each in segments(kept.archive)}) == 2


def test_what_two_copies_do_not_need_is_removed_and_the_rest_still_serves(kept: Kept) -> None:
    kept.run("first")
    kept.run("second")
    copy = kept.copied()
    kept.run("third")
    timeline = segments(kept.archive)[0].timeline
    prune(kept.archive, Position(timeline, 2))
    assert [commit.number for each in segments(kept.archive) for commit in commits(each)] == [3]
    replay(copy, kept.archive, EVERYTHING)
    assert bodies_of(copy) == ["first", "second", "third"]


def test_a_file_of_a_quiet_database_ends_with_its_time_and_goes_with_the_next_copies(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_archive, "SEGMENT_SECONDS", 0.0)
    kept.run("a key that is erased next", "second", "third")
    timeline = segments(kept.archive)[0].timeline
    prune(kept.archive, Position(timeline, 2))
    assert [commit.number for each in segments(kept.archive) for commit in commits(each)] == [3]


def test_a_failed_commit_that_the_file_has_after_all_is_archived_with_the_next_one(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> Path:
        store = kept.open()
        await store.write(noting("first"))
        copy = kept.copied()
        real = store._database.connection

        class Failing:
            def __getattr__(self, name: str) -> Callable[..., object]:
                found: Callable[..., object] = getattr(real, name)
                return found

            def execute(self, sql: str, parameters: Mapping[str, str] | None = None) -> sqlite3.Cursor:
                done = real.execute(sql, parameters or {})
                if sql == "COMMIT":
                    monkeypatch.setattr(store._database, "_connection", real)
                    raise sqlite3.OperationalError("disk I/O error")
                return done

        monkeypatch.setattr(store._database, "_connection", Failing())
        await store.write(noting("told as failed at first"))
        await store.write(noting("after it"))
        await store.close()
        return copy

    copy = asyncio.run(work())
    replay(copy, kept.archive, EVERYTHING)
    assert bodies_of(copy) == bodies_of(kept.file)
