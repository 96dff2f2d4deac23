"""Complaints of a database of the version before stay, and that version still writes after the schema has changed."""

import sqlite3
from contextlib import closing

import pytest

from gateway.store.schema import migrations_of
from gateway.store.sqlite_schema import apply
from region_node.schema import PACKAGES

FILE = "0027_imported_complaints.sql"
AS_BEFORE = (
    "INSERT INTO complaints (docket, docket_number, handling_region, owner_region, operator, category, number_index,"
    " severity, state, level, version, creation_date, due, traceparent, parent, body)"
    " VALUES (?, 1, 'sichuan', 'sichuan', 'counter', 'OTHER', 'n', 3, 5, 1, 1, 0, NULL, '', '', X'00')"
)


def test_complaints_of_the_version_before_were_filed_here_and_it_goes_on_writing() -> None:
    migrations = [each for each in migrations_of(*PACKAGES) if each.package != "region_node" or each.name < "0060"]
    before = [each for each in migrations if each.package != "region_node" or each.name < FILE]
    assert before != migrations
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        apply(connection, before)
        connection.execute(AS_BEFORE, ("sichuan/1",))
        apply(connection, migrations)
        connection.execute(AS_BEFORE, ("sichuan/2",))
        assert connection.execute("SELECT docket, external_index FROM complaints ORDER BY docket").fetchall() == [
            ("sichuan/1", None),
            ("sichuan/2", None),
        ]
        connection.execute("UPDATE complaints SET external_index = 'x' WHERE docket = 'sichuan/1'")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE complaints SET external_index = 'x' WHERE docket = 'sichuan/2'")
        plan = connection.execute("EXPLAIN QUERY PLAN SELECT docket FROM complaints WHERE external_index IN ('x', 'y')")
        assert "complaints_imported" in str(plan.fetchall())
