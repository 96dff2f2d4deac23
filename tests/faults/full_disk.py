"""A disk that is full: for a process with files of its own, or for a database of PostgreSQL."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.process import LocalProcess
from tests.crash.records import PostgresqlDatabase

# No file of the process may grow beyond this. Every page that SQLite appends to its log ends beyond it.
_TINY = 4096
_NO_ROOM = """CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END; $$"""


@contextmanager
def no_room_for(process: LocalProcess) -> Iterator[None]:
    """The process can write nothing more into its files."""
    pid = process.pid
    # What the process says is in a file too: emptied, it has room for some lines below the limit.
    os.truncate(process.log, 0)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (_TINY, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def no_room_in(database: PostgresqlDatabase) -> Iterator[None]:
    """Every table answers with the server's own error for a disk that is full."""
    tables = [name for name in database.tables() if name != "schema_migrations"]
    database.execute(_NO_ROOM)
    for table in tables:
        database.execute(f"CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION no_room()")
    try:
        yield
    finally:
        for table in tables:
            database.execute(f"DROP TRIGGER no_room ON {table}")
        database.execute("DROP FUNCTION no_room()")
