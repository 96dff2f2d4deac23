"""`move-to-postgresql`: a database with rows of every kind is moved whole, or not at all."""

import json
import os
import pty
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from deploy.local.postgresql import LocalPostgresql
from gateway.auditing import audit
from gateway.process.failpoints import VARIABLE
from gateway.store.opening import DatabasePlace, moved_file
from gateway.store.sqlite import SqliteTransaction
from tests.contract.programs import COORDINATOR, REGION_NODE, Installation, ended, tables_of
from tests.contract.small_federation import CLOCK
from tests.empty_database import empty_file

ROWS = 2500  # more than one chunk
NOT_DATA = ("schema_migrations", "schema_expansions", "store_writers")
TEXTS = ("", "a", "B", "b", "Ä", "四川", "z'quoted\\", "😀", "e\u0301", "line\nbreak\ttab", "\\N")
BYTES = (b"", b"\0", b"\xff\xfe", bytes(range(256)), b"\\x00")
FAR = 2**55  # microseconds: in the year 3111
LARGEST, SMALLEST = 2**63 - 1, -(2**63)


@pytest.fixture(params=[REGION_NODE, COORDINATOR], name="installed")
def one_installation(
    request: pytest.FixtureRequest, tmp_path: Path, postgresql_server: LocalPostgresql, postgresql_database: str
) -> Installation:
    name: str = request.param
    installed = Installation.make(name, tmp_path, postgresql_server.conninfo(postgresql_database))
    fill(installed)
    return installed


@pytest.fixture(name="node")
def one_node(tmp_path: Path, postgresql_server: LocalPostgresql, postgresql_database: str) -> Installation:
    installed = Installation.make(REGION_NODE, tmp_path, postgresql_server.conninfo(postgresql_database))
    fill(installed)
    return installed


def embedded(installed: Installation) -> DatabasePlace:
    return DatabasePlace(installed.file)


def fill(installed: Installation) -> None:
    """Makes the SQLite file, with rows that engines could take for something else."""
    embedded(installed).make_directory()
    installed.file.write_bytes(empty_file(*installed.packages))
    with closing(sqlite3.connect(installed.file)) as file, file:
        tx = SqliteTransaction(file)
        for number in range(5):
            audit.append(tx, now=CLOCK.now(), actor="admin/root", action="Apply", subject=str(number), detail="四川")
        for number, text in enumerate(TEXTS):
            file.execute("INSERT INTO timers VALUES (?, ?, ?, ?)", (text, text, text, FAR + number))
        for number in range(ROWS):
            content = BYTES[number % len(BYTES)]
            row = (
                "sichuan",
                f"{number}#Ä",
                "subject",
                content,
                content,
                content,
                content,
                (SMALLEST, LARGEST, number)[number % 3],
            )
            file.execute("INSERT INTO inbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)", row)
        if installed.name == REGION_NODE:
            file.execute("INSERT INTO customers (customer_id, name, email) VALUES ('c1', '李', 'li@example.org')")
            file.execute(
                "INSERT INTO products (product_id, customer_id, account_id, number, status, plan_id, start_time,"
                " binding, suspension_reason, suspension_end, kind, rating_type)"
                " VALUES ('p1', 'c1', 'a1', '+8619851000001', 1, 'plan', 0, '', '', 7, 1, 2)"
            )
            file.execute(
                "INSERT INTO ledger_entries VALUES ('x', 'cash', -5, 'CNY', 'PAY', 1), ('x', 'b', 5, 'CNY', '', 1)"
            )
        else:
            file.execute("INSERT INTO suspensions VALUES ('henan', 1, 'note', 'admin/root')")


def data_of(place: DatabasePlace) -> dict[str, list[str]]:
    """All rows of all tables that hold data, in an order of their own."""
    return {name: sorted(map(repr, rows)) for name, rows in tables_of(place).items() if name not in NOT_DATA}


def change_target(installed: Installation, statement: str) -> None:
    with psycopg.connect(installed.conninfo) as connection:
        connection.execute(statement.encode())


@pytest.fixture(name="held_reader")
def connection_that_reads(node: Installation) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(node.file, isolation_level=None)) as reader:
        yield reader


def test_everything_is_moved_and_the_program_serves_on(installed: Installation) -> None:
    before = data_of(embedded(installed))
    told = installed.run("move-to-postgresql", "--json")
    assert told.exit_code == 0, told.output
    assert data_of(installed.place) == before
    report = json.loads(told.stdout)
    assert {each["table"]: each["rows"] for each in report["tables"]} == {
        name: len(rows) for name, rows in before.items()
    }
    assert report["audit"]["rows"] == 5
    assert not installed.file.exists()
    assert report["file"] == str(moved_file(installed.file))
    assert data_of(DatabasePlace(moved_file(installed.file))) == before, "it is kept, whole and in one file"
    with installed.serving():
        pass


def test_a_table_says_what_was_compared(node: Installation) -> None:
    told = node.run("move-to-postgresql")
    assert told.exit_code == 0, told.output
    (inbox,) = (line for line in told.stdout.splitlines() if line.startswith("inbox "))
    assert inbox.split() == ["inbox", str(ROWS), "the", "same"]
    assert "audit chain: the same on both sides; rows: 5" in told.stdout


@pytest.mark.slow
def test_on_a_terminal_it_shows_how_far_it_is(node: Installation) -> None:
    terminal, other_end = pty.openpty()
    process = node.start("move-to-postgresql", errors=other_end)
    os.close(other_end)
    shown = b"".join(iter(lambda: read_terminal(terminal), b"")).decode()
    os.close(terminal)
    code, out, _ = ended(process)
    assert code == 0
    assert "comparing" in shown, shown
    assert "100%" in shown
    assert "100%" not in out


def read_terminal(terminal: int) -> bytes:
    """The text written to a terminal; empty once nobody holds it."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_nobody_serves_the_old_state_by_mistake(installed: Installation) -> None:
    assert installed.run("move-to-postgresql").exit_code == 0
    del installed.settings["postgresql.conninfo"]
    code, said = installed.serve_in_vain()
    assert code == 1
    assert f"{installed.file} was moved to PostgreSQL" in said
    assert not installed.file.exists(), "no empty database is made in its place"
    refused = installed.run("migrate")
    assert refused.exit_code == 1
    assert "was moved to PostgreSQL" in refused.stderr


@pytest.mark.slow
def test_a_second_move_says_that_it_was_moved_before(node: Installation) -> None:
    assert node.run("move-to-postgresql").exit_code == 0
    before = data_of(node.place)
    again = node.run("move-to-postgresql")
    assert again.exit_code == 1
    assert f"{moved_file(node.file)}: was moved before" in again.stderr
    assert data_of(node.place) == before


@pytest.mark.parametrize(
    "point",
    ["move.copying", *(pytest.param(f"move.{each}", marks=pytest.mark.slow) for each in ("compared", "committed"))],
)
def test_a_move_that_was_killed_has_lost_nothing_and_can_be_run_again(node: Installation, point: str) -> None:
    before = data_of(embedded(node))
    code, out, _ = ended(node.start("move-to-postgresql", environment={VARIABLE: point}))
    assert code == -signal.SIGKILL
    assert not out
    assert data_of(embedded(node)) == before
    again = node.run("move-to-postgresql")
    assert again.exit_code == 0, again.output
    assert data_of(node.place) == before
    assert not node.file.exists()


def test_a_process_that_runs_on_the_file_keeps_it(node: Installation) -> None:
    conninfo = node.settings.pop("postgresql.conninfo")
    with node.serving() as process:
        node.settings["postgresql.conninfo"] = conninfo
        refused = node.run("move-to-postgresql")
        assert refused.exit_code == 1
        assert f"is in use by process {process.pid}" in refused.stderr
        assert tables_of(node.place) == {}


def test_a_process_that_runs_on_the_server_keeps_its_database(node: Installation) -> None:
    assert node.run("migrate").exit_code == 0
    with node.serving():
        refused = node.run("move-to-postgresql")
        assert refused.exit_code == 1
        assert "processes are at work on the database" in refused.stderr
    assert node.file.exists()


def test_a_database_with_other_rows_is_left_alone(node: Installation) -> None:
    assert node.run("migrate").exit_code == 0
    change_target(node, "INSERT INTO timers VALUES ('other', '', '', 1)")
    before = data_of(node.place)
    refused = node.run("move-to-postgresql")
    assert refused.exit_code == 1
    assert "is not empty and holds something else" in refused.stderr
    assert "make the PostgreSQL database anew" in refused.stderr
    assert data_of(node.place) == before
    assert node.file.exists()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE customers SET name = '李 '",
        pytest.param("DELETE FROM timers WHERE timer_id = 'z''quoted\\'", marks=pytest.mark.slow),
        pytest.param("INSERT INTO timers VALUES ('one more', '', '', 1)", marks=pytest.mark.slow),
        "UPDATE inbox SET content = content || '\\x00' WHERE envelope_id = '2499#Ä'",
        pytest.param("UPDATE products SET suspension_end = NULL", marks=pytest.mark.slow),
    ],
)
def test_a_single_difference_is_found_wherever_it_is(node: Installation, change: str) -> None:
    """Between a killed move and the next run somebody changed the copy."""
    ended(node.start("move-to-postgresql", environment={VARIABLE: "move.committed"}))
    change_target(node, change)
    refused = node.run("move-to-postgresql")
    assert refused.exit_code == 1
    assert "is not the same in" in refused.stderr
    assert "李" not in refused.output, "what is in the row is nobody's business"
    assert node.file.exists()


def test_schemas_that_differ_are_not_moved_between(node: Installation) -> None:
    assert node.run("migrate").exit_code == 0
    change_target(node, "ALTER TABLE timers ADD COLUMN more TEXT")
    refused = node.run("move-to-postgresql")
    assert refused.exit_code == 1
    assert "the schemas differ in timers" in refused.stderr
    assert node.file.exists()


def test_a_file_of_an_older_version_is_not_moved(node: Installation) -> None:
    with closing(sqlite3.connect(node.file)) as file, file:
        file.execute("DELETE FROM schema_migrations WHERE name LIKE '0002_%'")
    refused = node.run("move-to-postgresql")
    assert refused.exit_code == 1
    assert f"{node.file}: SCHEMA_OUTDATED: The schema is older than this version" in refused.stderr
    assert tables_of(node.place) == {}


def test_a_file_that_a_newer_version_has_expanded_is_not_moved_without_its_tables(node: Installation) -> None:
    with closing(sqlite3.connect(node.file)) as file, file:
        file.execute("INSERT INTO schema_migrations VALUES ('gateway', '0999_later.sql', 'checksum')")
        file.execute("INSERT INTO schema_expansions VALUES ('gateway', '0999_later.sql')")
    refused = node.run("move-to-postgresql")
    assert refused.exit_code == 1
    assert "gateway/0999_later.sql was applied by a newer version" in refused.stderr
    assert node.file.exists()


def test_a_row_that_postgresql_does_not_take_stops_the_move_and_is_not_shown(node: Installation) -> None:
    with closing(sqlite3.connect(node.file)) as file, file:
        file.execute(
            "INSERT INTO customers (customer_id, name, email) VALUES ('c2', 'secret' || char(0) || 'name', '')"
        )
    refused = node.run("move-to-postgresql")
    assert refused.exit_code == 1
    assert "a row of customers is not taken" in refused.stderr
    assert "secret" not in refused.output
    assert tables_of(node.place) == {}
    assert node.file.exists()


def test_bytes_where_a_text_belongs_stop_the_move(node: Installation) -> None:
    with closing(sqlite3.connect(node.file)) as file, file:
        file.execute("UPDATE timers SET subject = CAST('x' AS BLOB) WHERE timer_id = 'a'")
    refused = node.run("move-to-postgresql")
    assert refused.exit_code == 1, refused.output
    assert "a row of timers has something else than TEXT in subject" in refused.stderr
    assert tables_of(node.place) == {}


def test_a_broken_audit_chain_is_not_moved(node: Installation) -> None:
    with closing(sqlite3.connect(node.file)) as file, file:
        file.execute("UPDATE audit SET actor = 'nobody' WHERE sequence = 3")
    refused = node.run("move-to-postgresql")
    assert refused.exit_code == 1
    assert f"{node.file}: the audit chain is broken: row 3 of " in refused.stderr
    assert tables_of(node.place) == {}


def test_a_file_that_somebody_reads_is_not_moved_yet(node: Installation, held_reader: sqlite3.Connection) -> None:
    held_reader.execute("BEGIN")
    held_reader.execute("SELECT COUNT(*) FROM audit").fetchall()
    refused = node.run("move-to-postgresql")
    assert refused.exit_code == 1
    assert f"{node.file}: cannot be read: database is locked" in refused.stderr
    held_reader.execute("COMMIT")
    held_reader.close()
    assert node.run("move-to-postgresql").exit_code == 0


def test_without_a_postgresql_database_in_the_settings_it_is_a_mistake_of_usage(node: Installation) -> None:
    del node.settings["postgresql.conninfo"]
    refused = node.run("move-to-postgresql")
    assert refused.exit_code == 2
    assert "postgresql: is needed in the settings" in refused.stderr
    assert node.file.exists()


def test_a_server_that_is_away_is_told_and_nothing_has_changed(node: Installation) -> None:
    node.settings["postgresql.conninfo"] = "host=127.0.0.1 port=1 dbname=region user=me password=secret-word"
    refused = node.run("move-to-postgresql")
    assert refused.exit_code == 1
    assert "PostgreSQL database region at 127.0.0.1:1" in refused.stderr
    assert "secret-word" not in refused.output
    assert node.file.exists()
