"""Schema files say of themselves whether the version before still runs on what they leave."""

import pytest

import coordinator.schema
import region_node.schema
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.store.schema import (
    BASE,
    CONTRACTING,
    Applied,
    Migration,
    SchemaMismatch,
    SchemaOutdated,
    migrations_of,
    require_workable,
    state_of,
    unnoted,
)
from tests.unit.schema_steps import contractions

FIRST = Migration("notes", "0001_notes.sql", "CREATE TABLE notes (note TEXT NOT NULL, spare TEXT);")
MORE = Migration("notes", "0070_more.sql", "CREATE TABLE more (id INTEGER);")
LESS = Migration("notes", "0071_less.sql", f"{CONTRACTING}spare.\nALTER TABLE notes DROP COLUMN spare;")
LAST = Migration("notes", "0072_last.sql", "CREATE INDEX notes_by_note ON notes (note);")
ALL = (FIRST, MORE, LESS, LAST)
ENGINE = "sqlite"


def after(*migrations: Migration, marked: bool = True) -> Applied:
    """A database to which some files were applied, by a version with marks or by one before."""
    expanding = [each.key for each in migrations if marked and not each.is_contracting]
    return Applied.of([(*each.key, each.checksum) for each in migrations], expanding)


def test_each_schema_file_since_the_marks_begins_with_one_exactly_if_it_takes_something_away() -> None:
    files = {*migrations_of(*region_node.schema.PACKAGES), *migrations_of(*coordinator.schema.PACKAGES)}
    wrong = {
        str(each): contractions(each.sql)
        for each in files
        if each.number > BASE and each.is_contracting != bool(contractions(each.sql))
    }
    assert wrong == {}, f"a file that takes something away begins with {CONTRACTING!r}, and does nothing else"


def test_no_file_takes_something_away_and_adds_something() -> None:
    files = {*migrations_of(*region_node.schema.PACKAGES), *migrations_of(*coordinator.schema.PACKAGES)}
    for each in files:
        if each.number > BASE and each.is_contracting:
            assert len(contractions(each.sql)) == each.sql.count(";"), f"{each}: what it adds belongs into its own file"


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE notes DROP COLUMN spare;",
        "ALTER TABLE notes RENAME COLUMN note TO text;",
        "ALTER TABLE notes RENAME TO texts;",
        "ALTER TABLE notes ADD COLUMN size INTEGER NOT NULL;",
        "ALTER TABLE notes ADD COLUMN size INTEGER CHECK (size > 0);",
        "ALTER TABLE notes ADD COLUMN code TEXT UNIQUE;",
        "ALTER TABLE notes ALTER COLUMN spare SET NOT NULL;",
        "ALTER TABLE notes ADD CONSTRAINT short CHECK (length(note) < 9);",
        "DROP TABLE notes;",
        "DROP INDEX notes_by_note;",
        "DELETE FROM notes;",
        "UPDATE notes SET note = '';",
        "CREATE UNIQUE INDEX one_note ON notes (note);",
        "CREATE TRIGGER kept BEFORE DELETE ON notes BEGIN SELECT RAISE(ABORT, 'kept'); END;",
        "create table more (id INTEGER); drop table notes;",
    ],
)
def test_what_older_code_may_fail_on_contracts(sql: str) -> None:
    assert len(contractions(sql)) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "-- DROP TABLE notes;\nCREATE TABLE more (id INTEGER NOT NULL UNIQUE CHECK (id > 0));",
        "ALTER TABLE notes ADD COLUMN size INTEGER;",
        "ALTER TABLE notes ADD COLUMN size INTEGER NOT NULL DEFAULT 0;",
        "CREATE INDEX notes_by_note ON notes (note) WHERE note <> '';",
        "INSERT INTO notes (note) SELECT 'one';",
        "CREATE TABLE more (id INTEGER); CREATE UNIQUE INDEX one ON more (id);",
        "CREATE TABLE more (id INTEGER);\n"
        "CREATE TRIGGER kept BEFORE DELETE ON more BEGIN SELECT RAISE(ABORT, 'kept'); END;",
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'kept'; DROP TABLE x; END $$;",
    ],
)
def test_what_older_code_does_not_notice_expands(sql: str) -> None:
    assert contractions(sql) == []


def test_a_version_works_without_the_contracting_files_and_not_without_the_others() -> None:
    state = require_workable(after(FIRST, MORE, LAST), ALL, ENGINE)
    assert (state.missing, state.contracting, state.ahead) == ([], [LESS], [])
    with pytest.raises(SchemaOutdated, match=r"SCHEMA_OUTDATED: .*`migrate` first, which applies notes/0072_last.sql"):
        require_workable(after(FIRST, MORE, LESS), ALL, ENGINE)


def test_contracting_files_are_applied_where_that_is_asked_for_and_to_an_empty_database() -> None:
    state = state_of(after(FIRST), ALL, ENGINE)
    assert state.steps(contract=False) == [MORE, LAST]
    assert state.steps(contract=True) == [MORE, LESS, LAST]
    empty = state_of(Applied(), ALL, ENGINE)
    assert empty.steps(contract=False) == [*ALL]
    assert empty.breaking(empty.absent) == [], "no older version works on it"


def test_no_older_version_may_be_at_work_when_what_it_needs_goes() -> None:
    state = state_of(after(FIRST), ALL, ENGINE)
    assert state.breaking(state.steps(contract=False)) == []
    assert state.breaking(state.steps(contract=True)) == [LESS]
    older = state_of(Applied({("notes", "0000_other.sql"): ""}, frozenset({("notes", "0000_other.sql")})), ALL, ENGINE)
    assert older.breaking(older.steps(contract=False)) == [FIRST], "files without marks may take anything away"


def test_an_older_version_works_on_a_database_that_later_ones_have_only_expanded() -> None:
    assert require_workable(after(FIRST, MORE, LAST), [FIRST], ENGINE).ahead == [
        "notes/0070_more.sql",
        "notes/0072_last.sql",
    ]
    with pytest.raises(
        SchemaMismatch, match=r"SCHEMA_CONTRACTED: notes/0071_less.sql was applied by a newer"
    ) as refused:
        require_workable(after(*ALL), [FIRST, MORE, LAST], ENGINE)
    assert refused.value.reason == Reason.REASON_SCHEMA_CONTRACTED


def test_a_file_of_which_the_database_does_not_say_that_it_expands_counts_as_contracting() -> None:
    with pytest.raises(SchemaMismatch, match=r"notes/0070_more.sql, notes/0072_last.sql was applied by a newer"):
        require_workable(after(FIRST, MORE, LAST, marked=False), [FIRST], ENGINE)
    assert unnoted(after(FIRST, MORE, marked=False), ALL, ENGINE) == [FIRST.key, MORE.key, LAST.key]
    assert unnoted(after(*ALL), ALL, ENGINE) == []


def test_a_changed_file_is_refused() -> None:
    changed = Migration(FIRST.package, FIRST.name, f"{FIRST.sql}\n")
    with pytest.raises(SchemaMismatch, match=r"SCHEMA_ALTERED: notes/0001_notes.sql is not the file") as refused:
        state_of(after(*ALL), [changed, MORE, LESS, LAST], ENGINE)
    assert refused.value.reason == Reason.REASON_SCHEMA_ALTERED
