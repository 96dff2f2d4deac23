"""A PostgreSQL database that is put back under everybody who uses it, as a standby has it that lags behind."""

import contextlib
from collections.abc import Iterator

import psycopg
from psycopg.sql import SQL, Identifier

from deploy.local.postgresql import LocalPostgresql
from deploy.local.postgresql_access import ADMINISTRATOR
from deploy.local.process import wait_until

_PATIENCE_S = 60.0


class Copy:
    """A copy of a database, which takes its place under everybody who uses it."""

    def __init__(self, server: LocalPostgresql, name: str) -> None:
        self._server = server
        self._name = name

    def take(self) -> None:
        """As a standby has it that lags behind, or a backup."""
        with self._elsewhere() as session:
            self._end_all(session)
            session.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(self._of("copy"), Identifier(self._name)))

    def put_back(self) -> None:
        """From here on all find the copy."""
        with self._elsewhere() as session:
            session.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(self._name)))
            self._end_all(session)
            session.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(self._name), self._of("lost")))
            session.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(self._of("copy"), Identifier(self._name)))

    @contextlib.contextmanager
    def _elsewhere(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        with psycopg.connect(self._server.conninfo("postgres", ADMINISTRATOR), autocommit=True) as session:
            yield session

    def _of(self, kind: str) -> Identifier:
        return Identifier(f"{self._name}_{kind}")

    def _end_all(self, session: psycopg.Connection[tuple[object, ...]]) -> None:
        session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (self._name,))
        used = "SELECT 1 FROM pg_stat_activity WHERE datname = %s"
        wait_until(
            lambda: session.execute(used, (self._name,)).fetchone() is None, _PATIENCE_S, f"{self._name} is left alone"
        )
