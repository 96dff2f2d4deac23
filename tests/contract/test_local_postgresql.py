"""The PostgreSQL server of the demo, the tests and the bench: who gets in, and what outlives its processes."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy.local.postgresql import LocalPostgresql
from deploy.local.postgresql_access import ADMINISTRATOR, APPLICATION
from deploy.local.process import state_of
from tests.engines import POSTGRESQL, require_engine

ENDED = ("", "Z")  # gone, or not waited for yet

pytestmark = pytest.mark.usefixtures("postgresql_server")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalPostgresql]:
    """A server of the test's own."""
    require_engine(POSTGRESQL)
    server = LocalPostgresql(tmp_path / "own")
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        server.remove()


@contextmanager
def connected(conninfo: str) -> Iterator[Connection]:
    """A connection where every statement is its own transaction."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


def add_note(server: LocalPostgresql, database: str, note: str) -> None:
    with connected(server.conninfo(database)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (note TEXT)")
        connection.execute("INSERT INTO notes VALUES (%s)", [note])


def notes(server: LocalPostgresql, database: str) -> list[str]:
    with connected(server.conninfo(database)) as connection:
        return [note for (note,) in connection.execute("SELECT note FROM notes ORDER BY note")]


def setting(connection: Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def files_of(server: LocalPostgresql, role: str) -> dict[str, str]:
    """The certificate and key of another role, to connect with."""
    parts = conninfo_to_dict(server.conninfo("postgres", role))
    return {name: str(parts[name]) for name in ("sslcert", "sslkey")}


def test_a_commit_is_on_disk_before_it_is_answered(
    postgresql_server: LocalPostgresql, postgresql_database: str
) -> None:
    with connected(postgresql_server.conninfo(postgresql_database)) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert setting(connection, name) == "on"
        assert setting(connection, "server_encoding") == "UTF8"


def test_a_client_is_known_by_its_certificate_over_tls(
    postgresql_server: LocalPostgresql, postgresql_database: str
) -> None:
    with connected(postgresql_server.conninfo(postgresql_database)) as connection:
        row = connection.execute(
            "SELECT current_user, ssl, version, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        ).fetchone()
    assert row == (APPLICATION, True, "TLSv1.3", f"/CN={APPLICATION}")


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"sslcert": "/nonexistent", "sslkey": "/nonexistent"}, "certificate"),
        ({"sslmode": "disable"}, "no encryption"),
        ({"user": ADMINISTRATOR}, "certificate authentication failed"),
    ],
    ids=["without a certificate", "without TLS", "as another role"],
)
def test_nobody_else_gets_in(postgresql_server: LocalPostgresql, changed: dict[str, str], refusal: str) -> None:
    conninfo = make_conninfo(postgresql_server.conninfo("postgres"), **changed)
    with pytest.raises(psycopg.OperationalError, match=refusal):
        psycopg.connect(conninfo)


def test_a_certificate_of_another_authority_is_refused(postgresql_server: LocalPostgresql, tmp_path: Path) -> None:
    other = LocalPostgresql(tmp_path)
    conninfo = make_conninfo(postgresql_server.conninfo("postgres"), **files_of(other, APPLICATION))
    with pytest.raises(psycopg.OperationalError, match="unknown ca"):
        psycopg.connect(conninfo)


def test_keys_are_their_owners_alone(postgresql_server: LocalPostgresql) -> None:
    key = Path(files_of(postgresql_server, APPLICATION)["sslkey"])
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_database_is_its_owners_alone(postgresql_server: LocalPostgresql, postgresql_database: str) -> None:
    stranger = f"stranger_of_{postgresql_database}"
    postgresql_server.create_role(stranger)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(postgresql_server.conninfo(postgresql_database, stranger))


@pytest.mark.slow
def test_a_database_is_made_as_a_copy_of_another(postgresql_server: LocalPostgresql, postgresql_database: str) -> None:
    add_note(postgresql_server, postgresql_database, "copied")
    copy = f"{postgresql_database}_copy"
    postgresql_server.create_database(copy, template=postgresql_database)
    try:
        assert notes(postgresql_server, copy) == ["copied"]
    finally:
        postgresql_server.drop_database(copy)


@pytest.mark.long("a killed server reads its log again")
def test_what_was_committed_is_there_after_a_kill(postgresql_server: LocalPostgresql, postgresql_database: str) -> None:
    add_note(postgresql_server, postgresql_database, "committed")
    port = postgresql_server.port
    with psycopg.connect(postgresql_server.conninfo(postgresql_database)) as cut:
        cut.execute("INSERT INTO notes VALUES ('not committed')")
        postgresql_server.kill()
        with pytest.raises(psycopg.OperationalError):
            cut.execute("SELECT")
    postgresql_server.start()
    assert postgresql_server.port == port
    assert notes(postgresql_server, postgresql_database) == ["committed"]


@pytest.mark.slow
def test_it_starts_again_although_only_its_first_process_was_killed(
    postgresql_server: LocalPostgresql, postgresql_database: str
) -> None:
    add_note(postgresql_server, postgresql_database, "committed")
    with connected(postgresql_server.conninfo(postgresql_database)) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)  # as one that is busy, it does not look whether its postmaster lives
        os.kill(postgresql_server.pid, signal.SIGKILL)
        postgresql_server.start()
        assert state_of(backend) in ENDED
    assert notes(postgresql_server, postgresql_database) == ["committed"]


@pytest.mark.slow
def test_a_frozen_server_answers_nothing_until_it_is_thawed(
    postgresql_server: LocalPostgresql, postgresql_database: str
) -> None:
    conninfo = make_conninfo(postgresql_server.conninfo(postgresql_database), connect_timeout=2)
    with connected(conninfo) as connection:
        postgresql_server.freeze()
        try:
            with pytest.raises(psycopg.OperationalError, match="timeout"):
                psycopg.connect(conninfo)
        finally:
            postgresql_server.thaw()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_nothing_is_left_of_a_server_that_was_removed(own: LocalPostgresql) -> None:
    own.create_database("notes")
    with connected(own.conninfo("notes")) as connection:
        processes = (own.pid, connection.info.backend_pid)
        own.freeze()
        own.remove()
    assert all(state_of(pid) in ENDED for pid in processes)
    assert not own.home.exists()
    assert not list(own.log.parent.rglob("*.key"))


@pytest.mark.slow
def test_a_frozen_server_can_be_stopped_and_started(own: LocalPostgresql) -> None:
    own.create_database("notes")
    add_note(own, "notes", "committed")
    own.freeze()
    own.stop()
    own.start()
    assert notes(own, "notes") == ["committed"]
