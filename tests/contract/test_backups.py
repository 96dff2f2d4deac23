"""`region-node backups` and `coordinator backups`, with restic itself, on SQLite and on PostgreSQL."""

import asyncio
import json
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local.postgresql import LocalPostgresql
from gateway.auditing import audit
from gateway.backups import room
from gateway.backups.history import History, Task
from gateway.process.files import create_file
from gateway.store.commit_archive import ArchivePlace
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.sqlite import SqliteStore
from tests.contract.programs import COORDINATOR, REGION_NODE, Installation, ended, tables_of

pytestmark = pytest.mark.skipif(shutil.which("restic") is None, reason="not there: run deploy/build/services.sh restic")
OF_PROCESSES = "store_writers"


def with_repository(installed: Installation) -> Installation:
    password = installed.directory / "backup.password"
    create_file(password, b"a password of the test\n")
    installed.settings["backup.repository"] = str(installed.directory / "repository")
    installed.settings["backup.password_file"] = str(password)
    return installed


def put_rows(installed: Installation) -> None:
    """Starts and stops the process, which audits what it does at its start."""
    assert installed.run("migrate").exit_code == 0
    with installed.serving():
        pass


def commit(installed: Installation, subject: str) -> None:
    """A commit of the process, with a row of the audit chain."""

    async def work() -> None:
        archive = ArchivePlace(Path(installed.settings["data"]) / "archive", 1 << 30)
        store = SqliteStore(installed.file, installed.migrations, None, archive)
        await store.write(
            lambda tx: audit.append(tx, now=datetime.now(UTC), actor="test", action="Test", subject=subject)
        )
        await store.close()

    asyncio.run(work())


async def unarchived(installed: Installation) -> None:
    """A process without a repository in its settings."""
    await SqliteStore(installed.file, installed.migrations).close()


@pytest.fixture(params=[REGION_NODE, pytest.param(COORDINATOR, marks=pytest.mark.slow)], name="node")
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    return with_repository(Installation.make(request.param, tmp_path))


def test_a_database_is_copied_while_it_serves_and_made_again_of_the_copy(node: Installation) -> None:
    assert node.run("migrate").exit_code == 0
    with node.serving():
        before = tables_of(node.place)
        done = node.run("backups", "create", "--json")
        assert done.exit_code == 0, done.output
        behind = tables_of(node.place)
        refused = node.run("backups", "restore")
        assert refused.exit_code == 1
        assert "is in use by process" in refused.output
    assert "is there already" in node.run("backups", "restore").output
    node.file.rename(node.file.with_suffix(".away"))
    (told,) = json.loads(node.run("backups", "list", "--json").output)
    assert node.run("backups", "restore", told["id"]).exit_code == 0
    after = tables_of(node.place)
    # What the process writes by itself meanwhile may be in the copy, or not.
    kept = {name for name in before if before[name] == behind[name]} - {OF_PROCESSES, "audit", "database_timeline"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert "schema_migrations" in kept
    with node.serving():
        pass
    assert not (Path(node.settings["data"]) / "backup").exists()


@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_the_log_that_a_killed_process_has_left_is_not_read_into_a_restored_database(
    node: Installation, end: str
) -> None:
    assert node.run("migrate").exit_code == 0
    assert node.run("backups", "create").exit_code == 0
    log = Path(f"{node.file}{end}")
    log.write_bytes(b"the last commits")
    in_the_way = node.run("backups", "restore")
    assert all(f"{each}: is there already" in in_the_way.output for each in (node.file, log))
    node.file.unlink()
    refused = node.run("backups", "restore")
    assert (refused.exit_code, f"{log}: is there already" in refused.output) == (1, True)
    assert (node.file.exists(), log.read_bytes()) == (False, b"the last commits")
    log.unlink()
    assert node.run("backups", "restore").exit_code == 0


@pytest.mark.slow
def test_a_database_comes_back_as_it_was_at_a_moment_between_two_copies(node: Installation) -> None:
    put_rows(node)
    assert node.run("backups", "create").exit_code == 0
    commit(node, "answered before")
    before, moment = tables_of(node.place)["audit"], datetime.now(UTC)
    commit(node, "begun after")
    with node.serving():
        archived = node.run("backups", "archive")
        assert (archived.exit_code, archived.stderr) == (0, ""), archived.output
        drilled = node.run("backups", "drill", "--json")
        assert drilled.exit_code == 0, drilled.output
    assert json.loads(drilled.output)["age_seconds"] > 0
    after = tables_of(node.place)["audit"]
    assert len(after) > len(before)
    assert node.run("backups", "archive").exit_code == 0
    node.file.rename(node.file.with_suffix(".away"))
    late = node.run("backups", "restore", "--time", "2999-01-01T00:00+00:00")
    assert (late.exit_code, "is not all in the repository" in late.output) == (1, True)
    restored = node.run("backups", "restore", "--time", moment.isoformat())
    assert restored.exit_code == 0, restored.output
    assert tables_of(node.place)["audit"] == before
    ((_, timeline, _, _, restore_time),) = tables_of(node.place)["database_timeline"]
    assert restore_time is not None
    node.file.unlink()
    assert node.run("backups", "restore").exit_code == 0
    assert tables_of(node.place)["audit"] == after
    assert tables_of(node.place)["database_timeline"][0][1] != timeline


@pytest.mark.slow
def test_an_archive_that_does_not_continue_the_last_copy_is_named_and_the_database_copied(node: Installation) -> None:
    put_rows(node)
    asyncio.run(unarchived(node))
    refused = node.run("backups", "archive")
    assert (refused.exit_code, "archives no commits" in refused.output) == (1, True)
    commit(node, "first")
    first = node.run("backups", "archive")
    assert (first.exit_code, "does not continue the last copy" in first.stderr) == (0, True), first.output
    commit(node, "lost")
    for path in (Path(node.settings["data"]) / "archive").glob("*.commits"):
        path.unlink()
    commit(node, "kept")
    again = node.run("backups", "archive")
    assert (again.exit_code, "lacks the commits" in again.stderr) == (0, True), again.output
    assert node.run("backups", "archive").stderr == ""
    assert node.run("backups", "drill").exit_code == 0


@pytest.mark.slow
def test_a_copy_without_an_archive_behind_it_ends_the_age_of_the_former_archive(node: Installation) -> None:
    assert node.run("migrate").exit_code == 0
    commit(node, "first")
    assert node.run("backups", "archive").exit_code == 0
    data = Path(node.settings["data"])
    assert History.read(data).done[Task.ARCHIVE] is not None
    node.settings["backup.point_in_time"] = "false"
    assert node.run("backups", "create").exit_code == 0
    assert History.read(data).done[Task.ARCHIVE] is None


@pytest.mark.slow
def test_a_further_copy_adds_what_is_new_alone_and_all_stay_that_the_settings_keep(node: Installation) -> None:
    put_rows(node)
    for _ in range(3):
        assert node.run("backups", "create").exit_code == 0
    told = json.loads(node.run("backups", "list", "--json").output)
    assert told[-1]["bytes"] > 0
    assert len(told) < 3, "of one hour the last copy stays, beside the very first"
    assert told[-1]["added_bytes"] < told[-1]["bytes"] / 20


@pytest.mark.slow
def test_a_copy_is_proven_by_a_database_that_is_made_of_it(node: Installation) -> None:
    put_rows(node)
    assert node.run("backups", "create").exit_code == 0
    done = node.run("backups", "verify", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["rows"] == sum(len(rows) for name, rows in tables_of(node.place).items() if name != OF_PROCESSES)
    assert told["age_seconds"] > told["restored_in_seconds"] > 0


@pytest.mark.slow
def test_a_damaged_repository_and_a_copy_that_differs_are_found(node: Installation) -> None:
    put_rows(node)
    assert node.run("backups", "create").exit_code == 0
    pack = max((node.directory / "repository" / "data").rglob("*"), key=lambda each: each.stat().st_size)
    whole = pack.read_bytes()
    pack.chmod(0o600)
    pack.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    damaged = node.run("backups", "verify")
    assert damaged.exit_code == 1, damaged.output
    pack.write_bytes(whole)
    assert node.run("backups", "verify").exit_code == 0


@pytest.mark.slow
def test_a_disk_without_room_takes_no_copy_and_restores_none(
    node: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_rows(node)
    node.settings["scratch"] = str(node.directory / "scratch")
    assert node.run("backups", "create").exit_code == 0
    assert node.run("backups", "verify").exit_code == 0
    monkeypatch.setattr(room, "LEAST_FREE_BYTES", 1 << 62)
    for verb in ("create", "verify", "restore"):
        if verb == "restore":
            node.file.rename(node.file.with_suffix(".away"))
        done = node.run("backups", verb)
        assert (done.exit_code, f"{node.directory / 'scratch' / 'backup'}: " in done.output) == (1, True), done.output


def test_no_command_uses_a_password_that_others_may_read(node: Installation) -> None:
    Path(node.settings["backup.password_file"]).chmod(0o644)
    done = node.run("backups", "list")
    assert (done.exit_code, "chmod 600" in done.output) == (1, True), done.output


@pytest.mark.slow
def test_a_broken_database_is_not_copied(node: Installation) -> None:
    put_rows(node)
    with closing(sqlite3.connect(node.file)) as file, file:
        file.execute("PRAGMA writable_schema = ON")
        file.execute("UPDATE sqlite_master SET rootpage = 2 WHERE name = 'audit'")
    done = node.run("backups", "create")
    assert done.exit_code == 1
    assert json.loads(node.run("backups", "list", "--json").output) == []


@pytest.mark.slow
def test_what_is_missing_is_named(node: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such database" in node.run("backups", "create").output
    put_rows(node)
    assert "there is no such backup" in node.run("backups", "restore").output
    assert node.run("backups", "create").exit_code == 0
    Path(node.settings["backup.password_file"]).write_text("another\n")
    assert "has another password" in node.run("backups", "list").output
    monkeypatch.setenv("PATH", str(node.directory))
    assert "restic is not installed" in node.run("backups", "list").output
    del node.settings["backup.repository"], node.settings["backup.password_file"]
    done = node.run("backups", "list")
    assert (done.exit_code, "[backup]" in done.output or "backup:" in done.output) == (2, True)


@pytest.mark.slow
def test_a_postgresql_database_is_dumped_in_one_snapshot_and_loaded_into_an_empty_one(
    postgresql_server: LocalPostgresql, postgresql_database: str, tmp_path: Path
) -> None:
    other, third = f"test_{uuid4().hex}", f"test_{uuid4().hex}"
    postgresql_server.create_database(other)
    postgresql_server.create_database(third)
    node = with_repository(Installation.make(REGION_NODE, tmp_path, postgresql_server.conninfo(postgresql_database)))
    node.settings["backup.point_in_time"] = "false"
    assert node.run("migrate").exit_code == 0
    with node.serving():
        done = node.run("backups", "create")
        assert done.exit_code == 0, done.output
    alone = node.run("backups", "verify")
    assert alone.exit_code == 0, alone.output
    verified = node.run("backups", "verify", "--database", postgresql_server.conninfo(other))
    assert verified.exit_code == 0, verified.output
    again = node.run("backups", "verify", "--database", postgresql_server.conninfo(other))
    assert (again.exit_code, "is not empty" in again.output) == (1, True)
    restored = tables_of(DatabasePlace(node.file, PostgresqlSettings(postgresql_server.conninfo(other))))
    assert restored["database_timeline"][0][4] is not None, "a restored database says so"
    drilled = node.run("backups", "drill", "--database", postgresql_server.conninfo(third), "--json")
    assert drilled.exit_code == 0, drilled.output
    assert node.run("backups", "drill").exit_code == 0, "a server of its own is enough"
    archived = node.run("backups", "archive")
    assert (archived.exit_code, "point_in_time is false" in archived.output) == (1, True)


@pytest.mark.slow
def test_a_program_makes_its_backups_by_itself_until_it_is_stopped(node: Installation) -> None:
    put_rows(node)
    with node.serving(), scheduled(node) as process:
        told = [next(told_by(process)) for _ in range(2)]
    assert [line.partition(",")[0] for line in told] == ["backups create: done", "backups drill: done"]
    assert process.returncode == 128 + signal.SIGTERM
    data = Path(node.settings["data"])
    assert not (data / "backup").exists()
    history = History.read(data)
    assert (None in history.done.values(), history.tried) == (False, {})


@pytest.mark.slow
def test_a_schedule_without_a_repository_or_for_another_process_waits_and_one_that_fails_goes_on(
    node: Installation,
) -> None:
    put_rows(node)
    with scheduled(node, "--number", "7") as process:
        assert next(told_by(process)) == "process 7 of this member makes its backups\n"
    node.settings["backup.password_file"] = str(node.directory / "missing")
    with scheduled(node, "--number", node.settings.get("number", "0")) as process:
        told = next(told_by(process))
    assert (told.startswith("backups create: "), "missing" in told) == (True, True)
    assert History.read(Path(node.settings["data"])).tried.keys() == {Task.CREATE}, "the next process rests, too"
    del node.settings["backup.password_file"], node.settings["backup.repository"]
    with scheduled(node) as process:
        assert "name no repository" in next(told_by(process))


@contextmanager
def scheduled(node: Installation, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """`backups run` in a process, which goes on until it is stopped at the end."""
    process = node.start("backups", "run", *words, errors=subprocess.STDOUT)
    try:
        yield process
        assert process.poll() is None
    finally:
        process.terminate()
        ended(process)


def told_by(process: "subprocess.Popen[str]") -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout)
