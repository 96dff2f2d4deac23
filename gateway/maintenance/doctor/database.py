"""The database of a process: there, safe, of this version, and its audit chain whole at its end."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from gateway.auditing import audit
from gateway.backups.server_programs import APPLICATION
from gateway.maintenance.doctor.findings import Finding, bad, good, not_checked, warning
from gateway.maintenance.doctor.peers import clock_finding
from gateway.store.opening import DatabaseMoved, DatabasePlace
from gateway.store.port import StoreUnusable, Transaction
from gateway.store.schema import Migration, SchemaMismatch, SchemaOutdated, require_workable
from gateway.store.schema_rows import applied_to, has_table
from gateway.time.clock import Clock
from gateway.wording.languages import enumerated, translated

LEAST_VERSION = 15
_CHAIN_ROWS = 1000  # at the end of the chain; `audit verify` goes through all
_OF_VERSION = 10_000  # 150004 is 15.4
# What takes a copy or the log for a backup takes over from nobody.
_STANDBYS = """SELECT count(*) FROM pg_stat_replication
WHERE application_name NOT IN (:backups, 'pg_basebackup', 'pg_receivewal')"""


def check_database(place: DatabasePlace, migrations: Sequence[Migration], program: str, clock: Clock) -> list[Finding]:
    """Checks the database beside its processes, and changes nothing."""
    names = (
        [translated("schema"), translated("audit chain")]
        if place.postgresql is None
        else [
            translated("durability"),
            translated("standbys"),
            _clock_name(),
            translated("schema"),
            translated("audit chain"),
        ]
    )
    try:
        if place.postgresql is None and not _is_there(place.file):
            place.migrate(migrations, dry_run=True)
            return [
                good(
                    translated("database"),
                    translated("{place}: there is none yet; `{program} serve` makes it", place=place, program=program),
                )
            ]
    except DatabaseMoved as error:
        return [bad(translated("database"), str(error), translated("add [postgresql] to the settings"))]
    except OSError as error:
        return [
            bad(
                translated("database"),
                f"{place}: {error.strerror}",
                translated("let the user that the process runs as own the directory"),
            )
        ]
    try:
        with place.look() as tx:
            if place.postgresql is None:
                findings = [good(translated("database"), f"{place}: SQLite {tx.first(str, 'SELECT sqlite_version()')}")]
            else:
                findings = _server(tx, place, clock)
            return [*findings, *_contents(tx, place, migrations, program)]
    except (StoreUnusable, psycopg.Error) as error:
        told = str(error).strip().replace("\n", "; ")
        todo = (
            translated("see that the file is a database of this program") if place.postgresql is None else _advice(told)
        )
        return [
            bad(translated("database"), told, todo),
            *(not_checked(name, translated("the database cannot be read")) for name in names),
        ]


def _clock_name() -> str:
    return translated("clock against {name}", name="PostgreSQL")


def _is_there(file: Path) -> bool:
    """Raises OSError where that cannot be found out."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _advice(told: str) -> str:
    if any(word in told for word in ("authentication", "certificate", "pg_hba", "role")):
        return translated(
            "correct user, password or certificate in postgresql.conninfo, or let the user in (pg_hba.conf)"
        )
    if "does not exist" in told:
        return translated("make the database, owned by the user in postgresql.conninfo")
    if "read-only" in told:
        return _name_the_primary()
    return translated("start PostgreSQL, or correct postgresql.conninfo")


def _server(tx: Transaction, place: DatabasePlace, clock: Clock) -> list[Finding]:
    number = tx.first(int, "SELECT current_setting('server_version_num')") or 0
    version = tx.first(str, "SELECT current_setting('server_version')")
    is_encrypted = tx.first(bool, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    is_remote = tx.first(bool, "SELECT inet_server_addr() IS NOT NULL")
    found = translated("{place}: version {version}", place=place, version=version)
    database = good(translated("database"), f"{found}, {'TLS' if is_encrypted else translated('a local socket')}")
    if number < LEAST_VERSION * _OF_VERSION:
        database = bad(
            translated("database"), found, translated("PostgreSQL {least} or newer is needed", least=LEAST_VERSION)
        )
    elif is_remote and not is_encrypted:
        database = warning(
            translated("database"),
            translated("{found}, not encrypted", found=found),
            translated("add sslmode=verify-full to postgresql.conninfo"),
        )
    elif _takes_no_writes(tx):
        database = bad(translated("database"), translated("{found}, read-only", found=found), _name_the_primary())
    before = clock.now()
    server = tx.first(_instant, "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)")
    after = clock.now()
    assert server is not None
    error = before + (after - before) / 2 - server
    return [database, _durability(tx), _standbys(tx, place), clock_finding(_clock_name(), error, "PostgreSQL")]


def _name_the_primary() -> str:
    return translated("name the server that takes writes in postgresql.conninfo: this one is a standby")


def _takes_no_writes(tx: Transaction) -> bool:
    read_only = tx.first(str, "SELECT current_setting('default_transaction_read_only')")
    return tx.first(bool, "SELECT pg_is_in_recovery()") is True or read_only == "on"


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)


def _durability(tx: Transaction) -> Finding:
    settings = {
        name: tx.first(str, "SELECT current_setting(:name)", name=name)
        for name in ("fsync", "full_page_writes", "synchronous_commit")
    }
    found = enumerated(f"{name} = {value}" for name, value in settings.items())
    if settings["fsync"] != "on" or settings["full_page_writes"] != "on":
        return bad(
            translated("durability"),
            found,
            translated("turn fsync and full_page_writes on: else a loss of power loses what was said"),
        )
    if settings["synchronous_commit"] in ("off", "local", "remote_write"):
        todo = translated(
            "turn synchronous_commit on; processes of this program do so for themselves, other tools do not"
        )
        return warning(translated("durability"), found, todo)
    return good(translated("durability"), found)


def _standbys(tx: Transaction, place: DatabasePlace) -> Finding:
    """Whether a server that takes over has every commit. Its rights may be too few to see which standby is which."""
    name = translated("standbys")
    names = tx.first(str, "SELECT current_setting('synchronous_standby_names')") or ""
    attached = tx.first(int, _STANDBYS, backups=APPLICATION) or 0
    found = translated("{count} attached, synchronous_standby_names = '{names}'", count=attached, names=names)
    if names and not attached:
        todo = translated("start a standby: until one confirms them, no commits are done (STORE_UNCONFIRMED)")
        return bad(name, found, todo)
    if not names and (attached or place.servers > 1):
        todo = translated(
            "turn on synchronous_mode and synchronous_mode_strict of Patroni, or set synchronous_standby_names: else a"
            " fail-over loses the last commits"
        )
        return warning(name, found, todo)
    if not names:
        return good(name, translated("none: the database is on one server"))
    return good(name, found)


def _contents(tx: Transaction, place: DatabasePlace, migrations: Sequence[Migration], program: str) -> list[Finding]:
    finding = _schema(tx, place, migrations, program)
    if not has_table(tx, place.engine, "audit"):
        return [finding, not_checked(translated("audit chain"), translated("there is none yet"))]
    return [finding, _chain(tx, program)]


def _schema(tx: Transaction, place: DatabasePlace, migrations: Sequence[Migration], program: str) -> Finding:
    applied = applied_to(tx, place.engine)
    try:
        state = require_workable(applied, migrations, place.engine)
    except SchemaOutdated as error:
        return bad(
            translated("schema"),
            error.advice(f"{program} migrate"),
            translated("run `{program} migrate`", program=program),
        )
    except SchemaMismatch as error:
        return bad(
            translated("schema"),
            str(error),
            translated("use the version of the program that made this database, or a newer one"),
        )
    found = translated("{count} files are applied, as this version has them", count=len(applied.checksums))
    if state.ahead:
        found = translated(
            "files of a newer version are applied, and all of them only add: {files}", files=enumerated(state.ahead)
        )
    if state.contracting:
        waiting = enumerated(map(str, state.contracting))
        found = translated(
            "{found}; once no older version is to come back, `{program} migrate --contract` applies {files}",
            found=found,
            program=program,
            files=waiting,
        )
    return good(translated("schema"), found)


def _chain(tx: Transaction, program: str) -> Finding:
    """The rows at the end of the chain: each follows from the one before it."""
    rows = audit.last_rows(tx, _CHAIN_ROWS + 1)
    todo = translated(
        "keep a copy of the database, and see `{program} audit verify`: somebody changed it behind the program",
        program=program,
    )
    if not rows:
        return good(translated("audit chain"), translated("no row yet"))
    if len(rows) <= _CHAIN_ROWS:
        previous, checked = audit.Head(0, audit.GENESIS), rows
    else:
        previous, checked = audit.Head(rows[0].sequence, rows[0].hash), rows[1:]
    for row in checked:
        if row.sequence != previous.sequence + 1:
            return bad(translated("audit chain"), translated("row {row} is missing", row=previous.sequence + 1), todo)
        if row.hash != row.expected_hash(previous.hash):
            return bad(
                translated("audit chain"),
                translated("row {row} was altered, or the row before it", row=row.sequence),
                todo,
            )
        previous = audit.Head(row.sequence, row.hash)
    return good(
        translated("audit chain"),
        translated("the last {count} of {row} rows follow from each other", count=len(checked), row=previous.sequence),
    )
