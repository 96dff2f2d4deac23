"""A PostgreSQL server of one's own on loopback: TLS only, every client known by its certificate."""

import os
import pwd
import secrets
import shutil
import signal
import tempfile
from pathlib import Path

from deploy.local.certificates import HOST_NAME, StoreAuthority
from deploy.local.ports import HeldPort
from deploy.local.postgresql_access import ADMINISTRATOR, PostgresqlAccess
from deploy.local.process import (
    START_SECONDS,
    STOP_SECONDS,
    ChildProcess,
    ProcessFailed,
    end_all,
    halt_all,
    marked,
    signal_all,
    wait_until,
)

PACKAGE = "postgresql"
"""The Debian package that brings the server."""

_STARTS = 5
_HELD_MEMORY = "pre-existing shared memory block"  # of processes that were killed and have not quite ended
_INSTALLED = Path("/usr/lib/postgresql")  # where Debian puts its versions, each into a directory of its number
_SERVER_USER = "postgres"  # the server's user under root, which it refuses
_OWNERS_ALONE = 0o700

# Connections without TLS and the certificate of the role are refused.
_HOST_BASED_AUTHENTICATION = """hostssl all all 127.0.0.1/32 cert clientcert=verify-full
hostssl replication all 127.0.0.1/32 cert clientcert=verify-full
"""
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_min_protocol_version = 'TLSv1.3'
ssl_ca_file = 'certificates/authority.crt'
ssl_cert_file = 'certificates/tls.crt'
ssl_key_file = 'certificates/tls.key'
password_encryption = 'scram-sha-256'
fsync = on
synchronous_commit = on
full_page_writes = on
# After a kill one call for the file system, and not one for each of the thousand files of each database.
recovery_init_sync_method = syncfs
max_connections = 200
shared_buffers = '64MB'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %d '
# Without the values that broke a rule: they are personal data.
log_error_verbosity = terse
"""


def programs() -> Path | None:
    """The directory of the newest installed server, or of the one on the path; None without any."""
    versions = [path for path in _INSTALLED.glob("*/bin") if (path / "postgres").is_file()]
    if versions:
        return max(versions, key=lambda path: [int(part) for part in path.parent.name.split(".") if part.isdigit()])
    found = shutil.which("initdb")
    return None if found is None or shutil.which("postgres") is None else Path(found).resolve().parent


def require_programs() -> Path:
    """The directory of the server's programs. Raises ProcessFailed where none is installed."""
    found = programs()
    if found is None:
        raise ProcessFailed(f"PostgreSQL's server is not installed (on Debian: the package {PACKAGE})")
    return found


def server_user() -> str | None:
    """The user whom the server runs as: this one, or another under root."""
    return _SERVER_USER if os.geteuid() == 0 else None


def give(path: Path, user: str | None) -> None:
    """Makes the server's user the owner of a file or directory."""
    if user is not None:
        known = pwd.getpwnam(user)
        os.chown(path, known.pw_uid, known.pw_gid)


class LocalPostgresql(PostgresqlAccess):
    """A server: its data, its processes, and the certificates of its clients, made at the first call.

    `directory` holds the clients' files. It also holds the data, except under root. The server then runs as another
    user, with its data in that user's temporary directory. `authority`: that of another server, for the same clients.
    """

    def __init__(self, directory: Path, authority: StoreAuthority | None = None) -> None:
        self._held = HeldPort()
        super().__init__(directory, (self._held.number,), authority)
        self._user = server_user()
        # In the command lines of all its processes, so that they can be found whatever their parent is.
        self._name = f"crossregion-{secrets.token_hex(8)}"
        self._home = directory / "postgresql"
        self._process = ChildProcess("PostgreSQL", directory / "postgresql.log")

    @property
    def port(self) -> int:
        """The port; the same at every start."""
        return self._held.number

    @property
    def pid(self) -> int:
        """The process id of the postmaster. Raises ProcessFailed for one that was not started."""
        return self._process.pid

    def runs(self) -> bool:
        """Whether the postmaster lives."""
        return self._process.runs()

    @property
    def home(self) -> Path:
        """The directory of its data, gone after `remove`. `prepare` makes it, and settles where."""
        return self._home

    @property
    def log(self) -> Path:
        """The log of the server."""
        return self._process.log

    def prepare(self) -> None:
        """Makes the data directory and the certificates. Raises ProcessFailed, also where no server is installed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._user is None:
            self._home.mkdir(mode=_OWNERS_ALONE)
        else:
            self._home = Path(tempfile.mkdtemp(prefix="crossregion-postgresql-"))
            give(self._home, self._user)
        data = self._home / "data"
        self._initialise(data)
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_CONFIGURATION)
        (data / "pg_hba.conf").write_text(_HOST_BASED_AUTHENTICATION, "utf-8")
        certificates = data / "certificates"
        self.authority.write(self.authority.issue_server(HOST_NAME), certificates)
        for path in (certificates, *certificates.iterdir()):
            give(path, self._user)

    def start(self) -> None:
        """Starts it and returns once it accepts connections; also after `stop` or `kill`. Raises ProcessFailed.

        Leftover processes are killed first: its first process may have been killed alone.
        """
        self.kill()
        data = str(self._home / "data")
        command = [str(require_programs() / "postgres"), "-D", data, "-p", str(self.port)]
        for attempt in range(_STARTS):
            self._process.run(
                [*command, "-c", f"cluster_name={self._name}"],
                bare_environment(),
                user=self._user,
                directory=self._home,
            )
            try:
                wait_until(self._serves, START_SECONDS, "PostgreSQL takes connections")
                return
            except ProcessFailed:
                if attempt + 1 == _STARTS or _HELD_MEMORY not in self._process.last_lines():
                    raise

    def stop(self) -> None:
        """Stops it in order, its connections immediately, and returns when none of its processes is left."""
        if self._process.runs():
            self.thaw()
            self._process.tell_to_stop(signal.SIGINT)
        self._process.wait_for_end()
        wait_until(lambda: not self._processes(), STOP_SECONDS, "PostgreSQL's processes end")

    def kill(self) -> None:
        """Ends all its processes as kill -9 does, and returns when none is left."""
        self._process.kill()
        end_all(self._processes)  # after a kill of the postmaster, its backends live on until they notice

    def freeze(self) -> None:
        """Halts all its processes until `thaw`: connections stay open and nothing answers."""
        self._process.freeze()  # first, so that it makes no more of them
        halt_all(self._processes)

    def thaw(self) -> None:
        """Thaws all of its processes."""
        signal_all(self._processes(), signal.SIGCONT)

    def remove(self) -> None:
        """Ends it if it runs, and removes its data and certificates."""
        self.kill()
        self._held.release()
        shutil.rmtree(self._home, ignore_errors=True)
        shutil.rmtree(self._directory / "clients", ignore_errors=True)

    def _initialise(self, data: Path) -> None:
        command = [str(require_programs() / "initdb"), "-D", str(data), "--username", ADMINISTRATOR]
        command += ["--encoding=UTF8", "--locale=C", "--data-checksums", "--auth=reject"]
        initialising = ChildProcess("initdb", self.log)
        initialising.run(command, bare_environment(), user=self._user, directory=self._home)
        initialising.require_done()

    def _serves(self) -> bool:
        self._process.require_running()
        return super()._serves()

    def _processes(self) -> list[int]:
        return marked(self._name)


def bare_environment() -> dict[str, str]:
    """An environment without the caller's variables: PostgreSQL reads settings from them."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
