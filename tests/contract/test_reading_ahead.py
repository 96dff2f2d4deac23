"""The contract of announced reads: an operation finds the same rows with any announcement, and without one."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import psycopg
import pytest

from gateway.store.port import Operation, Store, Transaction
from gateway.store.postgresql_ahead import ReadAhead
from gateway.store.reading_ahead import Announced, Reads, Wanted, query_wanted, row_wanted, rows_wanted
from tests.contract.item_store import BOXES, ITEMS, Item, all_of, with_store
from tests.contract.stores import Adapter, Note, adapter_for, notes

CODES = "SELECT code FROM items WHERE box = :box ORDER BY place"
COUNT = "SELECT COUNT(*) FROM items"
PLACES = range(6)


@pytest.fixture(name="postgresql")
def postgresql_adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Adapter:
    return adapter_for("postgresql", request, tmp_path)


def item(place: int, code: str | None = None) -> Item:
    """An item of the only box."""
    return Item("box", place, code, b"")


async def fill(store: Store) -> None:
    """Puts the box with its items, of which every second has a code."""

    def put(tx: Transaction) -> None:
        tx.insert(BOXES, Note("box"))
        for place in PLACES:
            tx.insert(ITEMS, item(place, f"code {place}" if place % 2 else None))

    await store.write(put)


def look(tx: Transaction) -> object:
    """Everything that an operation can find of the items."""
    rows = [tx.find(ITEMS, "box", place) for place in (*PLACES, 99)]
    return rows, tx.find_all(ITEMS, box="box", code=None), tx.all(str, CODES, box="box"), tx.first(int, COUNT)


def all_reads(_: Transaction) -> Iterable[Wanted]:
    """What `look` reads."""
    yield from (row_wanted(ITEMS, "box", place) for place in (*PLACES, 99))
    yield from (rows_wanted(ITEMS, {"box": "box", "code": None}), query_wanted(CODES, box="box"), query_wanted(COUNT))


def other_reads(_: Transaction) -> Iterable[Wanted]:
    """Rows that nobody looks for, one of them by a column that is null."""
    return row_wanted(ITEMS, "box", 7), row_wanted(BOXES, "other"), query_wanted(CODES, box=None)


def reads_of_a_missing_table(_: Transaction) -> Iterable[Wanted]:
    """A query that the engine refuses."""
    return [query_wanted("SELECT 1 FROM missing")]


def reads_with_a_defect(_: Transaction) -> Iterable[Wanted]:
    """An announcement that fails."""
    raise ZeroDivisionError


def reads_of(box: str, place: int) -> Reads:
    """Announces a row by a key, and another row so that both are sent together."""
    return lambda tx: [row_wanted(ITEMS, box, place), row_wanted(ITEMS, "box", 1)]


CHANGES: dict[str, Operation[object]] = {
    "no change": lambda tx: None,
    "a new row": lambda tx: tx.insert(ITEMS, item(99)),
    "a changed row": lambda tx: tx.update(ITEMS, item(1, "changed")),
    "a row kept": lambda tx: tx.keep(ITEMS, item(2, "kept")),
    "a removed row": lambda tx: tx.remove(ITEMS, "box", 3),
    "a statement": lambda tx: tx.execute("UPDATE items SET code = 'by SQL' WHERE place = 1"),
    "many statements": lambda tx: tx.execute_many("DELETE FROM items WHERE place = :p", [{"p": 1}, {"p": 2}]),
    "a statement about other rows": lambda tx: tx.execute("DELETE FROM notes"),
}
ANNOUNCED: dict[str, Reads] = {
    "all": all_reads,
    "others": other_reads,
    "a missing table": reads_of_a_missing_table,
    "a defect": reads_with_a_defect,
    "a NUL character": reads_of("nul\0", 1),
    "a surrogate": reads_of("surrogate\ud800", 1),
    "a large number": reads_of("box", 2**70),
}


async def found(store: Store, change: Operation[object], reads: Reads | None) -> Sequence[object]:
    """What is found before and after a change in one commit; the commit is undone."""
    seen: list[object] = []

    def looking(tx: Transaction) -> None:
        seen.append(look(tx))

    def undo(tx: Transaction) -> None:
        tx.execute("DELETE FROM items")
        for place in PLACES:
            tx.insert(ITEMS, item(place, f"code {place}" if place % 2 else None))

    operations = [looking, change, looking]
    await all_of(store, *(each if reads is None else Announced(each, reads) for each in operations))
    await store.write(undo)
    return seen[-2:]


async def compare(store: Store) -> list[str]:
    """The changes and announcements with which an operation finds other rows than without announcement."""
    await fill(store)
    different: list[str] = []
    for change, operation in CHANGES.items():
        expected = await found(store, operation, None)
        for announced, reads in ANNOUNCED.items():
            if await found(store, operation, reads) != expected:
                different.append(f"{change}, announced: {announced}")
    return different


def test_an_operation_finds_the_rows_of_its_moment_whatever_was_announced(adapter: Adapter) -> None:
    different: list[str] = []

    async def scenario(store: Store) -> None:
        different.extend(await compare(store))

    with_store(adapter, scenario)
    assert different == []


def test_rows_that_were_read_ahead_and_not_forgotten_would_be_noticed(
    postgresql: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deliberate defect: read-ahead stale."""
    monkeypatch.setattr(ReadAhead, "forget", lambda self, statement: None)
    different: list[str] = []

    async def scenario(store: Store) -> None:
        different.extend(await compare(store))

    with_store(postgresql, scenario)
    changed = ["a new row", "a changed row", "a row kept", "a removed row", "a statement", "many statements"]
    assert [each for each in changed if f"{each}, announced: all" not in different] == []


def test_rows_are_read_anew_for_each_commit(adapter: Adapter) -> None:
    """A query that commits make again and again is read ahead, too."""

    async def scenario(store: Store) -> None:
        for count in range(8):
            assert len(await store.write(Announced(notes, other_reads))) == count
            adapter.add_note(f"note {count}")

    with_store(adapter, scenario)


@pytest.fixture(name="statements")
def statements_sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fills with the statements that are sent to PostgreSQL."""
    sent: list[str] = []
    execute = psycopg.Connection.execute

    def noting(self: psycopg.Connection[object], query: bytes, *args: object, **options: object) -> object:
        sent.append(str(query))
        return execute(self, query, *args, **options)  # type: ignore[call-overload]  # as it was called

    monkeypatch.setattr(psycopg.Connection, "execute", noting)
    return sent


def test_a_commit_sends_an_announced_query_once_for_all_its_operations(
    postgresql: Adapter, statements: list[str]
) -> None:
    def finding(place: int) -> Operation[object]:
        def wanted(_: Transaction) -> list[Wanted]:
            return [row_wanted(ITEMS, "box", place, follows=lambda row: [row_wanted(BOXES, row.box)])]

        return Announced(lambda tx: (tx.find(ITEMS, "box", place), tx.find(BOXES, "box")), wanted)

    async def scenario(store: Store) -> None:
        await fill(store)
        statements.clear()
        rows = await all_of(store, *(finding(place) for place in PLACES))
        assert rows == [(item(place, f"code {place}" if place % 2 else None), Note("box")) for place in PLACES]

    with_store(postgresql, scenario)
    assert [sum(name in each for each in statements) for name in ("FROM items", "FROM boxes")] == [1, 1]
