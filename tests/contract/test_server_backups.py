"""Backups of PostgreSQL to a moment: the files of a server, its log by a slot, and a server for a moment of them."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from deploy.local.postgresql import LocalPostgresql
from deploy.local.postgresql_access import ADMINISTRATOR
from deploy.local.process import wait_until
from gateway.auditing import audit
from gateway.backups import copies, server_copies
from gateway.backups.refused import CopyFailed
from gateway.backups.remains import oldest_content
from gateway.backups.server_copies import FILES
from gateway.backups.server_log import ServerLog, segments
from gateway.maintenance.doctor.archive import check_archive
from gateway.maintenance.doctor.findings import State
from gateway.store.commit_archive import ArchivePlace
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.port import Operation, Transaction
from gateway.store.postgresql_connection import SERIAL_LOCK
from gateway.store.timeline import Position
from gateway.time.clock import BETWEEN_TRUSTED
from tests.contract.postgresql_scene import opened
from tests.contract.programs import COORDINATOR, REGION_NODE, Installation, tables_of
from tests.contract.repository_content import content_of, make_readable
from tests.contract.small_federation import FEDERATION
from tests.contract.test_backups import with_repository
from tests.engines import POSTGRESQL, require_engine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("restic") is None, reason="not there: run deploy/build/services.sh restic"),
]
_WAITING = """SELECT query FROM pg_stat_activity
WHERE application_name = 'crossregion-backup' AND wait_event_type = 'Lock'"""
MEMBER = f"spiffe://{FEDERATION}/region/sichuan"
_SLOTS = "SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE 'crossregion%'"
of_a_node = pytest.mark.parametrize("archived", [REGION_NODE], indirect=True)


def oldest(data: Path) -> datetime:
    """Since when archive and repository have commits, by the one clock of this machine."""
    return oldest_content(data, (), datetime.now(UTC), is_backed_up=True) + BETWEEN_TRUSTED


class Archived:
    """A program with a repository, whose role may take the log of its server."""

    def __init__(self, name: str, directory: Path, server: LocalPostgresql) -> None:
        self.server = server
        self.role = f"archived_{uuid4().hex}"
        server.create_role(self.role)
        self.program = with_repository(Installation.make(name, directory, self.database()))

    def database(self) -> str:
        """The connection to another, empty database."""
        name = f"test_{uuid4().hex}"
        self.server.create_database(name, self.role)
        return self.server.conninfo(name, self.role)

    def permit(self) -> None:
        """Gives the role what the refusal asks for."""
        self.administer(sql.SQL("ALTER ROLE {} REPLICATION").format(sql.Identifier(self.role)))

    def administer(self, *statements: sql.Composed | str) -> list[tuple[object, ...]]:
        """Statements of an administrator; the rows of the last one."""
        rows: list[tuple[object, ...]] = []
        with psycopg.connect(self.server.conninfo("postgres", ADMINISTRATOR), autocommit=True) as connection:
            for each in statements:
                cursor = connection.execute(each.encode() if isinstance(each, str) else each)
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def commit(self, *subjects: str) -> None:
        """Commits of a process, each with a row of the audit chain."""

        def noted(subject: str) -> Operation[None]:
            def operation(tx: Transaction) -> None:
                audit.append(tx, now=datetime.now(UTC), actor="test", action="Test", subject=subject)

            return operation

        async def work() -> None:
            migrations = self.program.migrations
            async with opened(self.program.conninfo, 1, migrations=migrations) as store:
                for subject in subjects:
                    await store.write(noted(subject))

        asyncio.run(work())

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Another process that commits all the time meanwhile."""
        ended, begun = Event(), Event()

        def work() -> None:
            while not ended.is_set():
                self.commit("busy", "busier")
                begun.set()

        thread = Thread(target=work)
        thread.start()
        try:
            assert begun.wait(60)
            yield
        finally:
            ended.set()
            thread.join()

    def place(self, conninfo: str = "") -> DatabasePlace:
        """A database: that of the program, or another one."""
        return DatabasePlace(self.program.file, PostgresqlSettings(conninfo or self.program.conninfo))

    def audited(self, conninfo: str = "") -> list[tuple[object, ...]]:
        """The audit rows of a database."""
        return list(tables_of(self.place(conninfo))["audit"])

    def doctor(self) -> State:
        """What the doctor says of the archive."""
        archive = ArchivePlace(self.program.file.parent, 1 << 30)
        (finding,) = check_archive(replace(self.place(), archive=archive), MEMBER)
        return finding.state

    def restore(self, *words: str) -> str:
        """Restores into an empty database, and returns the connection to it."""
        conninfo = self.database()
        self.program.settings["postgresql.conninfo"] = conninfo
        try:
            done = self.program.run("backups", "restore", *words)
            assert done.exit_code == 0, done.output
        finally:
            self.program.settings["postgresql.conninfo"] = self.program.conninfo
        return conninfo


@pytest.fixture(scope="module", name="server")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgresql]:
    """A server of these tests alone: each copy is one of all its databases."""
    require_engine(POSTGRESQL)
    server = LocalPostgresql(tmp_path_factory.mktemp("own"))
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(name="archived")
def an_archived_program(request: pytest.FixtureRequest, tmp_path: Path, server: LocalPostgresql) -> Iterator[Archived]:
    archived = Archived(request.param, tmp_path, server)
    archived.permit()
    done = archived.program.run("migrate")
    assert done.exit_code == 0, done.output
    yield archived
    for (slot,) in archived.administer(_SLOTS):
        archived.administer(sql.SQL("SELECT pg_drop_replication_slot({})").format(sql.Literal(slot)))


@of_a_node
def test_a_database_comes_back_as_it_was_at_a_moment_between_two_copies(archived: Archived) -> None:
    program = archived.program
    archived.commit("before the copy")
    created = program.run("backups", "create", "--json")
    assert created.exit_code == 0, created.output
    archived.commit("answered before")
    before, moment = archived.audited(), datetime.now(UTC)
    archived.commit("begun after")
    with archived.busy():
        done = program.run("backups", "archive")
        assert (done.exit_code, done.stderr) == (0, ""), done.output
        drilled = program.run("backups", "drill", "--json")
        assert drilled.exit_code == 0, drilled.output
    told = json.loads(drilled.output)
    assert told["restored_in_seconds"] > 0
    assert told["age_seconds"] > 0
    assert program.run("backups", "archive").exit_code == 0
    after = archived.audited()
    assert len(after) > len(before)
    late = program.run("backups", "restore", "--time", "2999-01-01T00:00+00:00")
    assert (late.exit_code, "is not all in the repository" in late.output) == (1, True)
    taken = program.run("backups", "restore", "--time", moment.isoformat())
    assert (taken.exit_code, "is not empty" in taken.output) == (1, True), taken.output
    at_moment = archived.restore("--time", moment.isoformat())
    assert archived.audited(at_moment) == before
    restored = tables_of(archived.place(at_moment))["database_timeline"]
    assert restored[0][4] is not None, "a restored database says so"
    assert archived.audited(archived.restore()) == after
    (told,) = json.loads(program.run("backups", "list", "--json").output)
    first = archived.audited(archived.restore(told["id"]))
    assert before[: len(first)] == first
    assert not (Path(program.settings["data"]) / "backup").exists()


@pytest.mark.parametrize("archived", [COORDINATOR], indirect=True)
def test_a_copy_is_proven_by_a_server_of_it_and_a_drill_by_a_database_too(archived: Archived) -> None:
    program = archived.program
    archived.commit("before the copy")
    assert program.run("backups", "create").exit_code == 0
    verified = program.run("backups", "verify")
    assert verified.exit_code == 0, verified.output
    archived.commit("behind the copy")
    into = archived.database()
    drilled = program.run("backups", "drill", "--database", into)
    assert drilled.exit_code == 0, drilled.output
    assert archived.audited(into) == archived.audited()


@of_a_node
def test_what_the_server_has_no_more_is_named_and_the_database_copied(archived: Archived) -> None:
    program = archived.program
    refused = program.run("backups", "drill")
    assert (refused.exit_code, "does not continue the last copy" in refused.output) == (1, True), refused.output
    first = program.run("backups", "archive")
    assert (first.exit_code, "does not continue the last copy" in first.stderr) == (0, True), first.output
    archived.commit("on another machine")
    directory = Path(program.settings["data"]) / "archive"
    shutil.rmtree(directory)
    again = program.run("backups", "archive")
    assert (again.exit_code, again.stderr) == (0, ""), "the slot has kept it"
    ((slot,),) = archived.administer(_SLOTS)
    shutil.rmtree(directory)
    archived.administer(sql.SQL("SELECT pg_drop_replication_slot({})").format(sql.Literal(slot)))
    for _ in range(2):
        archived.commit("lost for the archive")
        archived.administer("SELECT pg_switch_wal()")
    archived.administer("CHECKPOINT")
    lacking = program.run("backups", "archive")
    assert (lacking.exit_code, "lacks a part of the log" in lacking.stderr) == (0, True), lacking.output
    assert program.run("backups", "archive").stderr == ""
    assert program.run("backups", "drill").exit_code == 0


@of_a_node
def test_an_archive_without_room_begins_anew_behind_a_copy(archived: Archived) -> None:
    program = archived.program
    program.settings["backup.archive_mebibytes"] = "32"
    assert program.run("backups", "create").exit_code == 0
    for _ in range(2):
        archived.commit("more")
        archived.administer("SELECT pg_switch_wal()")
    archived.commit("and more")
    full = program.run("backups", "archive")
    assert (full.exit_code, "bytes that it may take" in full.stderr) == (0, True), full.output
    (history,) = (path for path in (Path(program.settings["data"]) / "archive").iterdir() if path.is_dir())
    assert len(segments(history)) <= 2
    assert program.run("backups", "drill").exit_code == 0


@of_a_node
def test_archive_and_repository_lose_the_log_of_before_an_erasure(archived: Archived) -> None:
    program, text = archived.program, uuid4().hex
    repository, password = program.directory / "repository", Path(program.settings["backup.password_file"])
    make_readable(repository, password)
    program.settings.update({f"backup.keep_{each}": "1" for each in ("hourly", "daily", "monthly")})
    data = Path(program.settings["data"])

    def created() -> datetime:
        done = program.run("backups", "create")
        assert done.exit_code == 0, done.output
        return oldest(data)

    def is_found() -> bool:
        files = (path.read_bytes() for path in (data / "archive").rglob("*") if path.is_file())
        return text.encode() in b"".join((*files, content_of(repository, password)))

    created()
    with psycopg.connect(program.conninfo, autocommit=True) as connection:
        connection.execute("CREATE TABLE erased (text TEXT)")
        connection.execute("INSERT INTO erased VALUES (%s)", [text])
        connection.execute("DROP TABLE erased")
    erased, copies = datetime.now(UTC), 1
    while created() < erased:
        assert is_found() or copies > 1, "the search finds what is there"
        copies += 1
    assert not is_found()
    assert copies <= 4, "of an hour each"


@of_a_node
def test_a_copy_that_differs_from_what_the_server_gave_is_not_restored(archived: Archived, tmp_path: Path) -> None:
    program = archived.program
    assert program.run("backups", "create").exit_code == 0
    log = ServerLog(archived.place(), ArchivePlace(tmp_path / "archive", 1 << 30), "test")
    whole, now = tmp_path / "whole", datetime.now(UTC)
    whole.mkdir()
    log.prepare(Position("", 0))
    manifest = copies.take(archived.place(), whole, "test", now, log)
    changed = max((whole / FILES / "base").rglob("*"), key=lambda path: path.stat().st_size)
    content = changed.read_bytes()
    changed.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CopyFailed, match="checksum mismatch"), copies.recovered(whole):
        pass
    changed.write_bytes(content)
    (whole / copies.MANIFEST).unlink()
    replace(manifest, audit_rows=manifest.audit_rows + 1).write(whole)
    with pytest.raises(CopyFailed, match="differs from its manifest"), copies.recovered(whole):
        pass


@of_a_node
def test_a_failure_that_passes_leaves_the_archive_and_its_slot(archived: Archived) -> None:
    program, role = archived.program, sql.Identifier(archived.role)
    assert program.run("backups", "create").exit_code == 0
    ((slot,),), archive = archived.administer(_SLOTS), Path(program.settings["data"]) / "archive"
    kept = sorted(path.name for path in archive.rglob("*"))
    archived.administer(sql.SQL("ALTER ROLE {} NOREPLICATION").format(role))
    for verb in ("archive", "create"):
        failed = program.run("backups", verb)
        assert (failed.exit_code, "Give the role REPLICATION" in failed.output) == (1, True), failed.output
    assert sorted(path.name for path in archive.rglob("*")) == kept
    assert archived.administer(_SLOTS) == [(slot,)]
    archived.permit()
    archived.commit("behind the failure")
    done = program.run("backups", "archive")
    assert (done.exit_code, done.stderr) == (0, ""), "it goes on"
    assert check_archive(archived.place(), MEMBER)[0].state == State.WARNING, "nobody archives by these settings"


@of_a_node
def test_the_server_itself_releases_the_lock_of_commits_behind_a_mark(archived: Archived, tmp_path: Path) -> None:
    log = ServerLog(archived.place(), ArchivePlace(tmp_path / "archive", 1 << 30), "test")

    def mark() -> None:
        with log.marked():
            pass

    thread = Thread(target=mark)
    with psycopg.connect(archived.program.conninfo, autocommit=True) as other:
        other.execute(f"SELECT pg_advisory_lock({SERIAL_LOCK})".encode())
        thread.start()
        wait_until(lambda: bool(archived.administer(_WAITING)), 60, "the mark waits for its turn")
        ((query,),) = archived.administer(_WAITING)
    thread.join()
    assert "pg_advisory_unlock" in str(query), "a process that freezes meanwhile holds up no commit"


def has_ended(process: int) -> bool:
    """Whether a process has ended, also where init has not collected it yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@of_a_node
def test_a_server_whose_start_is_broken_off_goes_with_the_command(
    archived: Archived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, whole = archived.program, tmp_path / "whole"
    assert program.run("backups", "create").exit_code == 0
    whole.mkdir()
    log = ServerLog(archived.place(), ArchivePlace(tmp_path / "archive", 1 << 30), "test")
    log.prepare(Position("", 0))
    copies.take(archived.place(), whole, "test", datetime.now(UTC), log)
    started: list[int] = []

    def ended(files: Path) -> None:
        started.append(int((files / "postmaster.pid").read_text("utf-8").splitlines()[0]))
        raise SystemExit(143)

    monkeypatch.setattr(server_copies, "_await_end_of_log", ended)
    with pytest.raises(SystemExit), copies.recovered(whole):
        pass
    wait_until(lambda: has_ended(started[0]), 60, "the server has ended")


@of_a_node
def test_dumps_of_a_server_that_gives_its_log_to_nobody_replace_those_of_before_an_erasure(archived: Archived) -> None:
    program = archived.program
    archived.administer(sql.SQL("ALTER ROLE {} NOREPLICATION").format(sql.Identifier(archived.role)))
    program.settings.update({f"backup.keep_{each}": "1" for each in ("hourly", "daily", "monthly")})
    assert program.run("backups", "create").exit_code == 0
    erased = datetime.now(UTC)
    for _ in range(2):
        assert program.run("backups", "create").exit_code == 0
    assert oldest(Path(program.settings["data"])) >= erased


@of_a_node
def test_a_server_that_gives_its_log_to_nobody_is_named_with_what_to_do(archived: Archived) -> None:
    program = archived.program
    archived.administer(sql.SQL("ALTER ROLE {} NOREPLICATION").format(sql.Identifier(archived.role)))
    refused = program.run("backups", "archive")
    assert (refused.exit_code, "Give the role REPLICATION" in refused.output) == (1, True), refused.output
    dumped = program.run("backups", "create")
    assert (dumped.exit_code, "copied by pg_dump" in dumped.stderr) == (0, True), "an upgrade stops no copies"
    assert archived.audited(archived.restore()) == archived.audited()
    assert archived.doctor() == State.BAD
    program.settings["backup.point_in_time"] = "false"
    assert program.run("backups", "create").exit_code == 0
    refused = program.run("backups", "archive")
    assert (refused.exit_code, "point_in_time is false" in refused.output) == (1, True), refused.output
    assert program.run("backups", "drill", "--database", archived.database()).exit_code == 0
    archived.permit()
    assert archived.doctor() == State.GOOD
    program.settings["backup.point_in_time"] = "true"
    assert "does not continue the last copy" in program.run("backups", "archive").stderr
    assert program.run("backups", "drill").exit_code == 0
    assert archived.doctor() == State.WARNING, "nothing bounds what the slot keeps"
