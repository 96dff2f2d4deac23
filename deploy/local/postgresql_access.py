"""What clients need of a PostgreSQL server on loopback, or of several that are one: roles, databases, certificates."""

from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from deploy.local.certificates import HOST_NAME, StoreAuthority

APPLICATION = "crossregion"
"""The role that owns the databases of the project's programs."""
ADMINISTRATOR = "postgres"
"""The superuser role, for tests that look from outside and for disturbances."""

_CONNECT_SECONDS = 5


class PostgresqlAccess:
    """The way of clients to the server that takes writes: the one at hand, or the primary among several.

    `authority`: that of another server, whose clients are to be this one's.
    """

    def __init__(self, directory: Path, ports: Sequence[int], authority: StoreAuthority | None = None) -> None:
        self._directory = directory
        self._ports = tuple(ports)
        self.authority = authority or StoreAuthority("PostgreSQL")

    def create_role(self, role: str) -> None:
        """Makes a role that may connect and owns nothing. Raises psycopg.Error."""
        self._administer(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))

    def create_database(self, name: str, owner: str = APPLICATION, template: str = "template0") -> None:
        """Makes a database that only its owner may use: empty, or a copy of an unused one.

        Raises psycopg.Error.
        """
        database = sql.Identifier(name)
        self._administer(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                database, sql.Identifier(owner), sql.Identifier(template)
            ),
            sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database),
        )

    def drop_database(self, name: str) -> None:
        """Removes a database, with its connections; nothing for a missing one. Raises psycopg.Error."""
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def conninfo(self, database: str, role: str = APPLICATION, holder: str = "") -> str:
        """The connection string for a role, with a certificate that is issued at the first call.

        `holder`: one of several who connect as that role, each with a certificate of its own.
        """
        directory = self._directory / "clients" / (holder or role)
        if not directory.exists():
            self.authority.write(self.authority.issue_client(role), directory)
        return make_conninfo(
            host=",".join(HOST_NAME for _ in self._ports),
            hostaddr=",".join("127.0.0.1" for _ in self._ports),
            port=",".join(map(str, self._ports)),
            dbname=database,
            user=role,
            sslmode="verify-full",
            sslrootcert=str(directory / "authority.crt"),
            sslcert=str(directory / "tls.crt"),
            sslkey=str(directory / "tls.key"),
            gssencmode="disable",
            connect_timeout=_CONNECT_SECONDS,
        )

    def _serves(self) -> bool:
        """Whether the server takes connections of the application, whose role is made at the first time."""
        try:
            with psycopg.connect(self._administrating(), autocommit=True) as connection:
                known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [APPLICATION]).rowcount
        except psycopg.OperationalError:
            return False
        if not known:
            self.create_role(APPLICATION)
        return True

    def _administer(self, *statements: sql.Composed) -> None:
        with psycopg.connect(self._administrating(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def _administrating(self) -> str:
        return make_conninfo(self.conninfo("postgres", ADMINISTRATOR), target_session_attrs="read-write")
