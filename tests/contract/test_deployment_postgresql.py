"""The databases of the PostgreSQL image: each for its own role, with access by a certificate only."""

import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from deploy.local import postgresql
from deploy.local.certificates import StoreAuthority
from deploy.local.ports import HeldPort
from deploy.local.process import START_SECONDS, ChildProcess, wait_until
from gateway.security.tls import Credentials
from tests.engines import POSTGRESQL, require_engine

IMAGE = Path(__file__).parents[2] / "deploy" / "image"
USER = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root


@dataclass
class ImageServer:
    """The image's script with the server that is installed, in a directory that stands for the container."""

    root: Path
    process: ChildProcess
    port: HeldPort
    authority: StoreAuthority

    def start(self) -> None:
        """Starts it, and returns once guangdong gets in."""
        programs = postgresql.programs()
        assert programs is not None
        environment = {
            "PATH": f"{programs}:{os.defpath}",
            "PGDATA": str(self.root / "data"),
            "DATABASES": "coordinator guangdong",
            "SETTINGS_DIRECTORY": str(self.root / "crossregion"),
        }
        # The address and the socket are the container's own, on a machine that others use too.
        flags = ["-p", str(self.port.number), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        script = str(IMAGE / "postgresql.sh")
        self.process.run(["sh", script, *flags], environment, user=USER, directory=self.root)
        wait_until(self._serves, START_SECONDS, "PostgreSQL takes connections")

    def stop(self) -> None:
        """Ends it as the image says that it is ended."""
        if self.process.runs():
            self.process.tell_to_stop(signal.SIGINT)
        self.process.wait_for_end()

    def connect(self, role: str, database: str, certificate_of: str) -> psycopg.Connection:
        """A connection. Raises psycopg.OperationalError."""
        credentials = self._credentials(certificate_of)
        return psycopg.connect(
            host="localhost",
            hostaddr="127.0.0.1",
            port=self.port.number,
            user=role,
            dbname=database,
            sslmode="verify-full",
            sslrootcert=str(credentials.authority),
            sslcert=str(credentials.certificate),
            sslkey=str(credentials.key),
            gssencmode="disable",
        )

    def _credentials(self, owner: str) -> Credentials:
        return self.authority.write(self.authority.issue_client(owner), self.root / "clients" / owner)

    def _serves(self) -> bool:
        self.process.require_running()
        try:
            self.connect("guangdong", "guangdong", "guangdong").close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture
def server() -> Iterator[ImageServer]:
    """A server that was never started."""
    require_engine(POSTGRESQL)
    # Not below pytest's directory, which the server's user may not enter.
    root = Path(tempfile.mkdtemp(prefix="crossregion-image-"))
    made = ImageServer(root, ChildProcess("PostgreSQL", root / "log"), HeldPort(), StoreAuthority("PostgreSQL"))
    try:
        settings = root / "crossregion"
        made.authority.write(made.authority.issue_server("postgresql"), settings / "postgresql")
        for name in ("postgresql.conf", "pg_hba.conf"):
            text = (IMAGE / name).read_text("utf-8")
            (settings / name).write_text(text.replace("/etc/crossregion", str(settings)), "utf-8")
        if USER is not None:
            user = pwd.getpwnam(USER)
            for path in (root, *root.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid)
        yield made
    finally:
        made.stop()
        made.port.release()
        shutil.rmtree(root)


def test_each_role_gets_into_its_own_database_by_its_certificate_and_nowhere_else(server: ImageServer) -> None:
    server.start()
    for role in ("coordinator", "guangdong"):
        with server.connect(role, role, role) as connection:
            connection.execute("CREATE TABLE kept ()")
    for role, database, owner in [
        ("guangdong", "coordinator", "guangdong"),
        ("guangdong", "postgres", "guangdong"),
        ("coordinator", "coordinator", "guangdong"),
        ("postgres", "postgres", "postgres"),
    ]:
        with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf|certificate authentication failed"):
            server.connect(role, database, owner)


@pytest.mark.slow
def test_what_was_written_is_there_when_the_container_is_started_again(server: ImageServer) -> None:
    server.start()
    with server.connect("guangdong", "guangdong", "guangdong") as connection:
        connection.execute("CREATE TABLE kept ()")
    server.stop()
    server.start()
    with server.connect("guangdong", "guangdong", "guangdong") as connection:
        assert connection.execute("TABLE kept").fetchall() == []


def test_data_that_a_kill_left_half_made_are_made_anew(server: ImageServer) -> None:
    half = server.root / "data.making"
    half.mkdir()
    (half / "PG_VERSION").write_text("15\n", "utf-8")
    if USER is not None:
        shutil.chown(half, USER)
    server.start()
    assert not half.exists()
