"""The audit chain: what is done to it afterwards is found."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auditing import audit
from gateway.auditing.audit import GENESIS, AuditRow, ChainBroken, Head, Seen
from gateway.store.port import Operation, Transaction
from gateway.store.sqlite import SqliteDatabase, SqliteTransaction
from tests.empty_database import empty_database, empty_image
from tests.simulation.batch import run_batch

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TEXTS = ("actor", "action", "subject", "detail")


@pytest.fixture(name="tx")
def a_transaction() -> Iterator[SqliteTransaction]:
    with closing(empty_database("gateway")) as connection:
        yield SqliteTransaction(connection)


def chain(count: int) -> list[AuditRow]:
    """A chain as `append` makes it."""
    made: list[AuditRow] = []
    for sequence in range(1, count + 1):
        row = AuditRow(sequence, sequence * 1000, "region/sichuan", "Receipt", f"order {sequence}", "ACCEPTED", b"")
        made.append(row._replace(hash=row.expected_hash(made[-1].hash if made else GENESIS)))
    return made


def rehashed(rows: list[AuditRow]) -> list[AuditRow]:
    """The chain as somebody makes it who can write the whole table: every hash fits again."""
    made: list[AuditRow] = []
    for sequence, row in enumerate(rows, 1):
        renumbered = row._replace(sequence=sequence)
        made.append(renumbered._replace(hash=renumbered.expected_hash(made[-1].hash if made else GENESIS)))
    return made


def changed(row: AuditRow, field: str, value: object) -> AuditRow:
    """The row with another value, its hash left as it was."""
    return row._replace(**{field: value})  # type: ignore[arg-type]  # of the field's type


def append_some(tx: SqliteTransaction, count: int) -> None:
    for number in range(count):
        now = NOW + timedelta(seconds=number)
        audit.append(tx, now=now, actor="region/sichuan", action="Receipt", subject=f"order {number}")


def test_many_rows_that_are_appended_at_once_are_rows_as_others(tx: SqliteTransaction) -> None:
    append_some(tx, 2)
    audit.append_each(tx, now=NOW, actor="a", action="b", subjects=["one", "two"], detail="c")
    audit.append_each(tx, now=NOW, actor="a", action="b", subjects=[], detail="c")
    append_some(tx, 1)
    rows = list(audit.rows(tx))
    audit.verify(rows)
    assert [(row.sequence, row.subject) for row in rows[2:]] == [(3, "one"), (4, "two"), (5, "order 0")]


def test_operations_of_one_commit_append_to_one_chain_also_after_one_of_them_broke() -> None:
    def appending(number: int) -> Operation[object]:
        def operation(tx: Transaction) -> Head:
            audit.append(tx, now=NOW, actor="a", action="b", subject=f"order {number}")
            if number == 3:
                raise ZeroDivisionError
            return audit.head(tx)

        return operation

    database = SqliteDatabase(":memory:")
    with closing(database):
        database.connection.deserialize(empty_image("gateway"))
        for numbers in ((0, 1, 2), (3, 4), (5, 6)):
            run_batch(database, [appending(number) for number in numbers])
        rows = list(audit.rows(database.transaction()))
    audit.verify(rows)
    assert [row.subject for row in rows] == [f"order {number}" for number in (0, 1, 2, 4, 5, 6)]


def test_what_was_appended_verifies_up_to_its_end(tx: SqliteTransaction) -> None:
    append_some(tx, 5)
    rows = list(audit.rows(tx))
    assert [row.sequence for row in rows] == [1, 2, 3, 4, 5]
    assert audit.verify(rows) == audit.head(tx) == Head(5, rows[-1].hash)


def test_an_empty_chain_ends_at_its_beginning(tx: SqliteTransaction) -> None:
    assert audit.head(tx) == audit.verify(audit.rows(tx)) == Head(0, GENESIS)


def test_a_stored_row_that_was_altered_is_found(tx: SqliteTransaction) -> None:
    append_some(tx, 5)
    tx.execute("UPDATE audit SET actor = 'region/henan' WHERE sequence = 3")
    with pytest.raises(ChainBroken, match=r"row 3 of .* was altered"):
        audit.verify(audit.rows(tx))


@pytest.mark.guarantee("G10")
@given(
    st.integers(1, 12).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 1))),
    st.sampled_from([*TEXTS, "time", "hash"]),
)
def test_any_altered_field_of_any_row_is_found(place: tuple[int, int], field: str) -> None:
    count, index = place
    rows = chain(count)
    row = rows[index]
    values: dict[str, object] = {"time": row.time + 1, "hash": bytes(32)}
    rows[index] = changed(row, field, values.get(field, "x"))
    with pytest.raises(ChainBroken):
        audit.verify(rows)


@pytest.mark.parametrize(("one", "other"), list(itertools.pairwise(TEXTS)))
def test_text_moved_from_one_field_to_the_next_is_found(one: str, other: str) -> None:
    """Fields are hashed with their lengths: `ab` and `c` are not `a` and `bc`."""
    row = chain(1)[0]
    value = str(getattr(row, one))
    moved = changed(changed(row, one, value[:-1]), other, value[-1] + str(getattr(row, other)))
    with pytest.raises(ChainBroken):
        audit.verify([moved])


@given(st.integers(3, 12).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 2))))
def test_a_row_taken_out_of_the_chain_is_found(place: tuple[int, int]) -> None:
    count, index = place
    rows = chain(count)
    del rows[index]
    with pytest.raises(ChainBroken, match="missing"):
        audit.verify(rows)


@given(st.integers(2, 12).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 2))))
def test_rows_that_changed_places_are_found(place: tuple[int, int]) -> None:
    count, index = place
    rows = chain(count)
    swapped = [*rows]
    swapped[index] = rows[index + 1]._replace(sequence=rows[index].sequence)
    swapped[index + 1] = rows[index]._replace(sequence=rows[index + 1].sequence)
    with pytest.raises(ChainBroken):
        audit.verify(swapped)


def test_an_inserted_row_is_found() -> None:
    rows = chain(4)
    inserted = [*rows[:2], rows[1], *rows[2:]]
    with pytest.raises(ChainBroken):
        audit.verify(inserted)


@given(st.integers(2, 12).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 1))))
def test_a_cut_tail_is_found_by_the_head_that_a_peer_keeps(place: tuple[int, int]) -> None:
    count, left = place
    rows = chain(count)
    witnessed = Seen("region/henan", Head(count, rows[-1].hash))
    assert audit.verify(rows[:left]).sequence == left, "the chain alone does not show it"
    gone = r"the tail was cut: row \d+ and all after it are gone, which were seen by region/henan"
    with pytest.raises(ChainBroken, match=gone):
        audit.verify(rows[:left], [witnessed])


@pytest.mark.guarantee("G10")
def test_a_chain_rewritten_from_its_beginning_is_found_by_the_head_that_a_peer_keeps() -> None:
    rows = chain(6)
    witnessed = Seen("region/henan", Head(4, rows[3].hash))
    rewritten = rehashed([*rows[:1], rows[1]._replace(actor="region/henan"), *rows[2:]])
    audit.verify(rewritten)
    with pytest.raises(ChainBroken, match="rewritten: row 4"):
        audit.verify(rewritten, [witnessed])


def test_a_chain_that_grew_since_a_peer_saw_it_is_whole() -> None:
    rows = chain(6)
    assert audit.verify(rows, [Seen("coordinator", Head(4, rows[3].hash))]) == Head(6, rows[-1].hash)


def test_a_peer_that_saw_an_empty_chain_proves_nothing_and_breaks_nothing() -> None:
    rows = chain(2)
    assert audit.verify(rows, [Seen("coordinator", Head(0, GENESIS))]).sequence == 2


def test_what_a_region_signs_tells_sequence_and_hash_apart() -> None:
    assert Head(1, b"\x02" * 32).signed_bytes() == b"\0\0\0\0\0\0\0\x01" + b"\x02" * 32


@given(before=st.integers(0, 4), beyond=st.integers(1, 20), behind=st.integers(0, 3))
def test_a_chain_with_a_row_that_names_all_missing_rows_is_whole(before: int, beyond: int, behind: int) -> None:
    with closing(empty_database("gateway")) as connection:
        tx = SqliteTransaction(connection)
        append_some(tx, before)
        begin = audit.append_after_loss(
            tx, beyond=beyond, now=NOW, actor="region/sichuan", subject="region/sichuan", detail="coordinator"
        )
        append_some(tx, behind)
        assert begin == before + beyond + 1
        seen = Seen("region/henan", Head(before + beyond, bytes(32)))
        assert audit.verify(audit.rows(tx), [seen]).sequence == begin + behind
        (told,) = audit.losses_told(tx)
        assert told.detail == f"rows {before + 1} to {before + beyond} do not exist: coordinator"


@pytest.mark.parametrize("missing", [1, 2])
def test_a_row_that_names_other_missing_rows_than_there_are_proves_nothing(tx: SqliteTransaction, missing: int) -> None:
    append_some(tx, 2)
    audit.append_after_loss(tx, beyond=3, now=NOW, actor="a", subject="b", detail="coordinator")
    rows = [row for row in audit.rows(tx) if row.sequence != missing]
    with pytest.raises(ChainBroken, match=f"row {missing} is missing"):
        audit.verify(rows)


def test_a_chain_lacks_what_others_saw_of_its_incarnation_alone(tx: SqliteTransaction) -> None:
    append_some(tx, 2)
    own, other = audit.head(tx), Head(2, bytes(32))
    assert not audit.lacks(tx, own, 0)
    assert not audit.lacks(tx, Head(0, GENESIS), 0)
    assert audit.lacks(tx, other, 0), "another row"
    assert audit.lacks(tx, Head(3, bytes(32)), 0), "a further row"
    assert not audit.lacks(tx, Head(3, bytes(32)), 4), "what was lost is known"
    assert audit.lacks(tx, Head(4, bytes(32)), 4)
