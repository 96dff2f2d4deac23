"""Stores on one PostgreSQL database, with outside events: looks, locks, a broken connection.

As a program, another process on that database: `python -m tests.contract.postgresql_scene CONNINFO NUMBER`. It freezes
itself in a transaction. After its wake-up it finishes that, and prints the notifications that it received.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from deploy.local.postgresql import LocalPostgresql
from deploy.local.postgresql_access import ADMINISTRATOR
from deploy.local.process import wait_until
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store import postgresql_connecting
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.port import Operation, Store, Transaction
from gateway.store.postgresql import PostgresqlStore
from gateway.store.schema import Migration
from tests.contract.stores import NOTES, PATIENCE_S, insert
from tests.faults.proxy import FaultProxy
from tests.keys import region_keys

COUNTERS = Migration("counters", "0001_counters.sql", "CREATE TABLE counters (value INTEGER NOT NULL);")
MIGRATIONS = (NOTES, COUNTERS)
SERIAL_LOCK = "SELECT pg_advisory_lock(1129467731, 0)"
Session = psycopg.Connection[tuple[object, ...]]


class Database:
    """An empty database of a server with the notes' schema."""

    def __init__(self, server: LocalPostgresql, name: str) -> None:
        self.server = server
        self.name = name
        self.conninfo = server.conninfo(name)

    def migrate(self, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        """Brings the schema up to date."""
        DatabasePlace(Path("unused"), PostgresqlSettings(self.conninfo)).migrate(migrations, dry_run=False)

    @contextlib.contextmanager
    def session(self, role: str = "") -> Iterator[Session]:
        """A look from outside, as the owner where no role is named."""
        conninfo = self.server.conninfo(self.name, role) if role else self.conninfo
        with psycopg.connect(conninfo, autocommit=True) as connection:
            yield connection

    def administrator(self) -> contextlib.AbstractContextManager[Session]:
        """A session that may do everything."""
        return self.session(ADMINISTRATOR)

    def notes(self) -> list[str]:
        """The notes that are committed."""
        with self.session() as session:
            return [str(note) for (note,) in session.execute("SELECT note FROM notes ORDER BY note")]

    def listens(self, number: int) -> bool:
        """Whether the process with a number hears what others commit."""
        with self.session() as session:
            found = session.execute(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN crossregion'"
                " AND state = 'idle' AND application_name = %s",
                (f"crossregion-listener/{number}",),
            )
            return found.rowcount == 1

    def through(self, proxy: FaultProxy) -> str:
        """The connection string that leads through a proxy."""
        return make_conninfo(self.conninfo, port=proxy.endpoint.rpartition(":")[2])


@contextlib.asynccontextmanager
async def opened(
    conninfo: str,
    number: int = 0,
    *,
    readers: int = 4,
    alone: bool = False,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> AsyncIterator[PostgresqlStore]:
    """A store, closed at the end."""
    store = await PostgresqlStore.open(
        conninfo, migrations, number=number, readers=readers, alone=alone, keys=region_keys()
    )
    try:
        yield store
    finally:
        await store.close()


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that is seen from outside."""
    await asyncio.to_thread(wait_until, condition, PATIENCE_S, "it happens")


async def outcomes(store: Store, *operations: Operation[object]) -> list[object]:
    """Submits operations at once; their results and the exceptions that they raised."""
    return list(await asyncio.gather(*(store.write(each) for each in operations), return_exceptions=True))


def reason(outcome: object) -> str:
    """The name of a refusal."""
    assert isinstance(outcome, Refused), outcome
    return Reason.Name(outcome.reason).removeprefix("REASON_")


def count_up(tx: Transaction) -> int:
    """Reads, decides and writes, as operations do."""
    value = tx.first(int, "SELECT value FROM counters")
    if value is None:
        tx.execute("INSERT INTO counters (value) VALUES (1)")
        return 1
    tx.execute("UPDATE counters SET value = :value", value=value + 1)
    return value + 1


async def freeze_in_a_transaction(conninfo: str, number: int) -> None:
    """The program."""
    runs: list[int] = []

    def operation(tx: Transaction) -> str:
        insert(tx, f"frozen {number}")
        runs.append(count_up(tx))
        if len(runs) == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        return f"{count_up(tx)} after {len(runs)} runs"

    async with opened(conninfo, number) as store:
        print(await store.write(operation), flush=True)


async def freeze_while_it_is_answered(conninfo: str, number: int) -> None:
    """The program, with an answer larger than what lies on the way to a process that takes nothing."""

    def operation(tx: Transaction) -> int:
        insert(tx, f"frozen {number}")
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGSTOP)).start()
        return len(tx.all(len, "SELECT repeat('x', 4000) FROM generate_series(1, 200000)"))

    async with opened(conninfo, number) as store:
        await store.write(operation)


if __name__ == "__main__":
    postgresql_connecting.FROZEN_WAIT = "500ms"
    postgresql_connecting.TAKEN_WAIT = "1s"
    freeze = freeze_while_it_is_answered if sys.argv[3:] == ["answered"] else freeze_in_a_transaction
    asyncio.run(freeze(sys.argv[1], int(sys.argv[2])))
