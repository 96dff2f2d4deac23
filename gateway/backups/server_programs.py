"""The own programs of servers: those of PostgreSQL are found by its version, and given its connection."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateway.backups.refused import CopyFailed, ProgramMissing
from gateway.store.postgresql_connecting import completed
from gateway.wording.languages import translated

SERVER_USER = "postgres"
"""The user of Debian's package, as whom a server runs that root starts: it takes no orders from root."""
_INSTALLED = Path("/usr/lib/postgresql")  # where Debian puts its versions, each into a directory of its number
APPLICATION = "crossregion-backup"
"""The name of connections for backups, as the server has it."""
_SECRETS = ("password", "sslpassword")
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
"""Variables by which the programs' output can be read."""


def command(program: str, *arguments: str, version: int | None = None) -> Sequence[str]:
    """The command of a program: of this major version where Debian's package is there, else of the path."""
    path = _INSTALLED / str(version) / "bin" / program
    return (str(path) if path.is_file() else program, *arguments)


def newest_version() -> int | None:
    """The newest major version of Debian's packages whose server is there; None without any."""
    found = (path.parent.parent.name for path in _INSTALLED.glob("*/bin/postgres"))
    return max((int(name) for name in found if name.isdigit()), default=None)


def run(
    program: str,
    *arguments: str,
    conninfo: str = "",
    version: int | None = None,
    directory: Path | None = None,
    as_server: bool = False,
) -> str:
    """Runs a program to its end, in a directory if one is given; returns its output. Raises CopyFailed with its errors.

    `as_server`: as the user of the server, where root runs the command. A password is in no list of processes.
    """
    words = [*command(program, *arguments, version=version), *([f"--dbname={_open(conninfo)}"] if conninfo else ())]
    if as_server and os.geteuid() == 0:
        words = ["setpriv", "--reuid", SERVER_USER, "--regid", str(_server_group()), "--clear-groups", "--", *words]
    password = conninfo_to_dict(conninfo).get("password") if conninfo else None
    secret = {} if password is None else {"PGPASSWORD": str(password)}
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **ENVIRONMENT, **secret},
            cwd=directory,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise missing(program, version) from None
    if done.returncode:
        raise CopyFailed(f"{program}: {done.stderr.strip()}")
    return done.stdout


def missing(program: str, version: int | None) -> ProgramMissing:
    """The refusal where a program is not installed."""
    if version is None:
        return ProgramMissing(translated("{program} is not installed", program=program))
    return ProgramMissing(
        translated(
            "{program} is not installed: it comes with the server of PostgreSQL {version} (on Debian: {package})",
            program=program,
            version=version,
            package=f"postgresql-{version}",
        )
    )


def _server_group() -> int:
    try:
        return pwd.getpwnam(SERVER_USER).pw_gid
    except KeyError:
        raise CopyFailed(
            translated("a server takes no orders from root, and there is no user {user}", user=SERVER_USER)
        ) from None


def _open(conninfo: str) -> str:
    told = conninfo_to_dict(completed(conninfo))
    told["application_name"] = APPLICATION  # whatever the operator's is: it tells backups from standbys
    return make_conninfo("", **{key: value for key, value in told.items() if key not in _SECRETS})
