"""`region-node migrate` and `coordinator migrate`, on SQLite and on PostgreSQL."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from deploy.local.postgresql import LocalPostgresql
from gateway.store.port import StoreUnusable
from gateway.store.schema import Migration
from tests.contract.programs import COORDINATOR, REGION_NODE, Installation, ended, tables_of

# What PostgreSQL calls the types of schema files, which SQLite keeps as they are written.
TYPES = {"bigint": "INTEGER", "bytea": "BLOB", "text": "TEXT"}
OF_ONE_ENGINE = {"store_writers"}


@pytest.fixture(params=[REGION_NODE, pytest.param(COORDINATOR, marks=pytest.mark.slow)], name="name")
def one_program(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(
    params=[
        pytest.param(("postgresql", REGION_NODE), id=f"postgresql-{REGION_NODE}"),
        pytest.param(("sqlite", COORDINATOR), id=f"sqlite-{COORDINATOR}"),
        pytest.param(("postgresql", COORDINATOR), id=f"postgresql-{COORDINATOR}", marks=pytest.mark.slow),
        pytest.param(("sqlite", REGION_NODE), id=f"sqlite-{REGION_NODE}", marks=pytest.mark.slow),
    ],
    name="installed",
)
def one_installation(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    engine, name = request.param
    if engine == "sqlite":
        return Installation.make(name, tmp_path)
    server: LocalPostgresql = request.getfixturevalue("postgresql_server")
    return Installation.make(name, tmp_path, server.conninfo(request.getfixturevalue("postgresql_database")))


def execute(installed: Installation, statement: str) -> None:
    """Changes the database behind the program's back."""
    if installed.conninfo:
        with psycopg.connect(installed.conninfo) as connection:
            connection.execute(statement.encode())
        return
    with closing(sqlite3.connect(installed.file)) as file, file:
        file.execute(statement)


def make_older(installed: Installation) -> Sequence[str]:
    """Makes the database as a version did that lacked the last file of this one; the names that are missing."""
    wanted = [each for each in installed.migrations if each.engine in ("", installed.place.engine)]
    installed.place.make_directory()
    installed.place.migrate(wanted[:-1], dry_run=False)
    return [f"{wanted[-1].package}/{wanted[-1].name}"]


def states(printed: str) -> Mapping[str, str]:
    """The state of each file by `--json`."""
    return {f"{each['package']}/{each['name']}": each["state"] for each in json.loads(printed)["files"]}


def test_an_older_schema_is_not_served_and_the_command_that_helps_is_named(installed: Installation) -> None:
    missing = make_older(installed)
    before = tables_of(installed.place)
    code, said = installed.serve_in_vain()
    assert code == 1
    assert f"run `{installed.name} migrate` first, which applies {missing[0]}" in said
    assert str(installed.place) in said
    assert tables_of(installed.place) == before, "serve never changes a schema"
    assert installed.run("migrate").exit_code == 0
    with installed.serving():
        pass


def test_a_dry_run_says_what_is_missing_and_changes_nothing(installed: Installation) -> None:
    missing = make_older(installed)
    before = tables_of(installed.place)
    told = installed.run("migrate", "--dry-run", "--json")
    assert told.exit_code == 0
    assert [name for name, state in states(told.stdout).items() if state == "would be applied"] == missing
    assert tables_of(installed.place) == before
    printed = installed.run("migrate", "--dry-run").stdout
    assert missing[0] in printed
    assert f"{installed.place}: 1 file would be applied" in printed
    assert tables_of(installed.place) == before


def test_a_dry_run_without_a_database_makes_none(installed: Installation) -> None:
    told = installed.run("migrate", "--dry-run", "--json")
    assert told.exit_code == 0
    assert set(states(told.stdout).values()) == {"would be applied"}
    assert not installed.file.parent.exists()
    if installed.conninfo:
        assert tables_of(installed.place) == {}


def test_an_empty_database_gets_its_schema_and_the_second_time_nothing_is_to_be_done(installed: Installation) -> None:
    first = installed.run("migrate", "--json")
    assert first.exit_code == 0, first.output
    assert set(states(first.stdout).values()) == {"applied"}
    after = tables_of(installed.place)
    second = installed.run("migrate", "--json")
    assert second.exit_code == 0
    assert set(states(second.stdout).values()) == {"applied before"}
    assert f"{installed.place}: the schema is current, nothing is to be done" in installed.run("migrate").stdout
    assert tables_of(installed.place) == after
    with installed.serving():
        pass


def test_two_at_once_apply_each_file_once(
    postgresql_server: LocalPostgresql, postgresql_database: str, name: str, tmp_path: Path
) -> None:
    installed = Installation.make(name, tmp_path, postgresql_server.conninfo(postgresql_database))
    both = [installed.start("migrate", "--json") for _ in range(2)]
    results = [ended(process) for process in both]
    assert [code for code, _, _ in results] == [0, 0], results
    every = {state for _, out, _ in results for state in states(out).values()}
    assert every == {"applied", "applied before"}
    first, second = (states(out) for _, out, _ in results)
    assert all({first[file], second[file]} == every for file in first)


def test_a_file_that_was_changed_is_refused_and_nothing_is_applied(installed: Installation) -> None:
    make_older(installed)
    execute(installed, "UPDATE schema_migrations SET checksum = 'other' WHERE name = '0001_fabric.sql'")
    before = tables_of(installed.place)
    for words in (("migrate",), ("migrate", "--dry-run")):
        refused = installed.run(*words)
        assert refused.exit_code == 1
        assert "gateway/0001_fabric.sql is not the file that was applied" in refused.stderr
        assert "Traceback" not in refused.output
    assert tables_of(installed.place) == before
    assert installed.serve_in_vain()[0] == 1


def test_a_newer_schema_is_refused(installed: Installation) -> None:
    assert installed.run("migrate").exit_code == 0
    execute(installed, "INSERT INTO schema_migrations VALUES ('gateway', '0999_later.sql', 'checksum')")
    refused = installed.run("migrate")
    assert refused.exit_code == 1
    assert "gateway/0999_later.sql was applied by a newer version" in refused.stderr


def test_an_expanded_schema_of_a_newer_version_is_served_and_told(installed: Installation) -> None:
    assert installed.run("migrate").exit_code == 0
    execute(installed, "INSERT INTO schema_migrations VALUES ('gateway', '0999_later.sql', 'checksum')")
    execute(installed, "INSERT INTO schema_expansions VALUES ('gateway', '0999_later.sql')")
    told = installed.run("migrate", "--json")
    assert told.exit_code == 0
    assert states(told.stdout)["gateway/0999_later.sql"] == "of a newer version"
    with installed.serving():
        pass


def test_a_file_that_the_engine_refuses_is_named_and_leaves_nothing_behind(installed: Installation) -> None:
    assert installed.run("migrate").exit_code == 0
    before = tables_of(installed.place)
    half = Migration("gateway", "0999_half.sql", "CREATE TABLE half (id INTEGER); CREATE TABLE audit (id INTEGER);")
    with pytest.raises(StoreUnusable, match=r"gateway/0999_half.sql cannot be applied: .*already exists"):
        installed.place.migrate([*installed.migrations, half], dry_run=False)
    assert tables_of(installed.place) == before
    with installed.serving():
        pass


def test_a_table_in_the_way_is_told_in_one_line(installed: Installation) -> None:
    make_older(installed)
    execute(installed, "DELETE FROM schema_migrations WHERE name = '0001_fabric.sql'")
    refused = installed.run("migrate")
    assert refused.exit_code == 1
    assert "gateway/0001_fabric.sql cannot be applied" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_file_whose_process_runs_is_refused(name: str, tmp_path: Path) -> None:
    installed = Installation.make(name, tmp_path)
    with installed.serving() as process:
        refused = installed.run("migrate")
        assert refused.exit_code == 1
        assert f"is in use by process {process.pid}" in refused.stderr


def test_a_database_that_cannot_be_reached_is_told_without_its_password(name: str, tmp_path: Path) -> None:
    installed = Installation.make(name, tmp_path, "host=127.0.0.1 port=1 dbname=region user=me password=secret-word")
    refused = installed.run("migrate")
    assert refused.exit_code == 1
    assert "PostgreSQL database region at 127.0.0.1:1" in refused.stderr
    assert "secret-word" not in refused.output


def test_settings_that_cannot_be_used_end_it_with_2(name: str, tmp_path: Path) -> None:
    installed = Installation.make(name, tmp_path)
    installed.settings["postgresql.conninfo"] = "password=secret-word host"
    refused = installed.run("migrate")
    assert refused.exit_code == 2
    assert "postgresql.conninfo: is neither" in refused.stderr
    assert "secret-word" not in refused.output


def test_both_engines_get_the_same_tables_and_columns(
    postgresql_server: LocalPostgresql, postgresql_database: str, name: str, tmp_path: Path
) -> None:
    embedded = Installation.make(name, tmp_path / "embedded")
    served = Installation.make(name, tmp_path / "served", postgresql_server.conninfo(postgresql_database))
    for installed in (embedded, served):
        assert installed.run("migrate").exit_code == 0
    with embedded.place.look() as tx:
        in_file = {
            table: tx.all(_column, f"SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}')")
            for table in tables_of(embedded.place)
        }
    with served.place.look() as tx:
        on_server = {
            table: tx.all(
                _served_column,
                "SELECT c.column_name, c.data_type, c.is_nullable, COALESCE(k.ordinal_position, 0)"
                " FROM information_schema.columns c"
                " LEFT JOIN information_schema.table_constraints t"
                "   ON t.table_schema = c.table_schema AND t.table_name = c.table_name"
                "   AND t.constraint_type = 'PRIMARY KEY'"
                " LEFT JOIN information_schema.key_column_usage k"
                "   ON k.constraint_name = t.constraint_name AND k.table_schema = t.table_schema"
                "   AND k.table_name = c.table_name AND k.column_name = c.column_name"
                " WHERE c.table_schema = current_schema() AND c.table_name = :name ORDER BY c.ordinal_position",
                name=table,
            )
            for table in tables_of(served.place).keys() - OF_ONE_ENGINE
        }
    assert in_file
    assert in_file == on_server


def _column(name: str, kind: str, not_null: int, key: int) -> tuple[str, str, bool, int]:
    return name, kind, bool(not_null), key


def _served_column(name: str, kind: str, nullable: str, key: int) -> tuple[str, str, bool, int]:
    return name, TYPES[kind], nullable == "NO", key
