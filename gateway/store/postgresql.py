"""The PostgreSQL store: one writing connection, a pool of reading ones, any number of processes on one database.

The operations of one database are serial on this engine too. A transaction begins with a lock that all processes share,
and its next statement sees all earlier commits. So an operation means the same here as on SQLite, and its author needs
no locks. A process that freezes while it has the lock loses it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import NoReturn, TypeVar, cast

import psycopg
from psycopg.errors import QueryCanceled
from psycopg_pool import ConnectionPool

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.turns import Places, owner
from gateway.security.region_keys import RegionKeys
from gateway.store.commit_queue import CommitQueue
from gateway.store.group_commit import Outcome, finish_batch, run_together
from gateway.store.port import CommittedElsewhere, Operation, StoreCounts, store_unavailable
from gateway.store.postgresql_connecting import BEGIN_READ, Servers, reading_pool
from gateway.store.postgresql_connection import FAILURES, PostgresqlTransaction, Writer
from gateway.store.postgresql_listening import listen
from gateway.store.postgresql_schema import Connection
from gateway.store.postgresql_scrubbing import Scrubbing
from gateway.store.schema import Migration

READ_WAIT = 5.0  # seconds that a read waits for a connection: then the database is too busy to be waited for
# for the single operations of a batch that could not share a commit; those not begun by then are refused
ALONE_SECONDS = 5.0
# Longer than the server's own statement timeout: a server that has not responded by then is gone, or no standby
# confirms the commit to it.
ANSWER_SECONDS = 35.0
QUERY_SECONDS = 5.0  # for one statement of a read for a caller: it keeps a connection from others
_BEGIN_FOR_CALLER = BEGIN_READ + f"; SET LOCAL statement_timeout = {QUERY_SECONDS * 1000:.0f}".encode()
FULL_REST = 5.0  # seconds without new work after the server has reported a full disk
_log = logging.getLogger(__name__)

T = TypeVar("T")
E = TypeVar("E")


class PostgresqlStore:
    """The store of one process. Made by `open`, on the event loop that will use it."""

    is_shared = True

    def __init__(
        self,
        servers: Servers,
        writer: Writer,
        pool: "ConnectionPool[Connection]",
        readers: int,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._servers = servers
        self._writer = writer
        self._pool = pool
        self._free_readers = Places(readers)
        self._reading = ThreadPoolExecutor(readers, thread_name_prefix="read")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._full_until = 0.0
        self._closing = False
        self._scrubbing = Scrubbing(servers)
        self._queue = CommitQueue(self._commit, psycopg.DatabaseError)
        self._listening = self._listen()

    @classmethod
    async def open(
        cls,
        conninfo: str,
        migrations: Sequence[Migration],
        *,
        number: int = 0,
        readers: int = 4,
        alone: bool = False,
        keys: RegionKeys | None = None,
    ) -> "PostgresqlStore":
        """Opens the database for the process with this number; `readers` connections read at the same time.

        `alone`: no other process may work on it. `keys`: the region's, for personal data.

        Raises DatabaseInUse where another process has the number, or the database. Raises SchemaMismatch where
        `migrate` has to run first, and psycopg.OperationalError where no server can be reached, or has a standby.
        """
        loop = asyncio.get_running_loop()
        servers = Servers(conninfo)
        writer = await loop.run_in_executor(
            None, lambda: Writer.open(servers, migrations, number, alone=alone, keys=keys, seconds=ANSWER_SECONDS)
        )
        async with contextlib.AsyncExitStack() as opened:
            opened.callback(writer.close)
            pool = reading_pool(servers, readers)
            await loop.run_in_executor(None, pool.open)
            opened.pop_all()
        return cls(servers, writer, pool, readers)

    def write(self, operation: Operation[T]) -> "asyncio.Future[T]":
        """See the port."""
        return self._queue.write(operation)

    async def read(self, operation: Operation[T]) -> T:
        """See the port. Raises Refused with TOO_BUSY where no connection is free in time, or with STORE_UNAVAILABLE."""
        try:
            async with asyncio.timeout(READ_WAIT):
                await self._free_readers.acquire()
        except TimeoutError:
            raise Refused(Reason.REASON_TOO_BUSY) from None
        loop = asyncio.get_running_loop()
        if self._closing:
            self._free_readers.release()
            raise store_unavailable()
        reading = self._reading.submit(copy_context().run, self._read, operation)
        # Only at its end: the connection of an abandoned read is busy until then.
        reading.add_done_callback(lambda _: loop.call_soon_threadsafe(self._free_readers.release))
        return cast("T", await asyncio.wrap_future(reading))

    @property
    def counts(self) -> StoreCounts:
        """See the port."""
        return self._queue.counts

    def subscribe(self, event: type[E], listener: Callable[[E], None]) -> None:
        """See the port."""
        self._queue.subscribe(event, listener)

    @property
    def lost_commits(self) -> int:
        """See the port."""
        return self._writer.own_commits.lost

    def forget_lost_commits(self, count: int) -> None:
        """See the port."""
        self._writer.own_commits.lost -= count

    async def scrub(self, tables: Sequence[str], *, since: str, is_quiet: bool) -> str:
        """See the port. Tables are written anew beside the connections of this store."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, partial(self._scrubbing.scrub, tables, since, is_quiet=is_quiet))

    def accepts_new_work(self) -> bool:
        """See the port. The server's disk cannot be queried: once it was full, new work waits for a while."""
        return time.monotonic() >= self._full_until

    async def close(self) -> None:
        """See the port."""
        self._scrubbing.stop()
        await self._queue.close()
        self._closing = True
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._reading.shutdown)
        await loop.run_in_executor(self._writing, self._writer.close)
        self._writing.shutdown()
        await loop.run_in_executor(None, self._pool.close)

    def _read(self, operation: Operation[T]) -> T:
        end = time.monotonic() + READ_WAIT
        while True:
            connection: Connection | None = None
            try:
                with self._pool.connection(max(end - time.monotonic(), 0)) as connection:
                    connection.execute(_BEGIN_FOR_CALLER if owner.get() else BEGIN_READ)
                    return operation(PostgresqlTransaction(connection, self._writer.keys))
            except QueryCanceled:
                raise Refused(Reason.REASON_QUERY_TOO_LONG) from None
            except FAILURES as failure:
                # A connection lost while idle shows the loss only now; the next one may work.
                if connection is None or not connection.closed or time.monotonic() >= end:
                    _log.warning("the store could not be read: %s", failure)
                    raise store_unavailable() from None

    async def _commit(self, operations: Sequence[Operation[object]]) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        watching = loop.create_task(self._hang_up_on_silence())
        try:
            return await loop.run_in_executor(self._writing, self._commit_here, operations)
        finally:
            watching.cancel()

    async def _hang_up_on_silence(self) -> None:
        while True:
            await asyncio.sleep(ANSWER_SECONDS)
            _log.warning("the database does not answer")
            self._writer.hang_up()

    def _commit_here(self, operations: Sequence[Operation[object]]) -> list[Outcome]:
        """In the writing thread: all in one commit, or each alone where they cannot share one."""
        try:
            self._writer.begin()
        except self._writer.errors as failure:
            _log.warning("the store could not begin: %s", failure)
            refused = Refused(Reason.REASON_STORE_UNCONFIRMED) if self._writer.is_unconfirmed else store_unavailable()
            return [Outcome(error=refused) for _ in operations]
        self._follow()
        started = self._run_together(operations)
        outcomes = finish_batch(self._writer, operations, started, seconds=ALONE_SECONDS)
        self._follow()
        if self._writer.found_disk_full():
            self._full_until = time.monotonic() + FULL_REST
        return outcomes

    def _follow(self) -> None:
        """After the writing connection was made anew, so are the others.

        They may lead to a former primary, which does not know that it is one.
        """
        if self._writer.was_reached_anew():
            self._pool.drain()
            self._loop.call_soon_threadsafe(self._listen_anew)

    def _listen(self) -> "asyncio.Task[NoReturn]":
        return self._loop.create_task(listen(self._servers, self._writer.number, self._committed_elsewhere))

    def _listen_anew(self) -> None:
        if not self._closing:
            self._listening.cancel()
            self._listening = self._listen()

    def _run_together(self, operations: Sequence[Operation[object]]) -> list[Outcome] | None:
        try:
            self._writer.read_ahead(operations)
        except self._writer.errors as failure:
            _log.warning("the store could not read ahead: %s", failure)
            self._writer.rollback()
            return None
        return run_together(self._writer, operations)

    def _committed_elsewhere(self, subjects: frozenset[str]) -> None:
        self._queue.tell(CommittedElsewhere(subjects))
