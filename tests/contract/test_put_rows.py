"""The contract of put rows, the same on both engines: each commit writes them, and errors stay with their operation."""

from collections.abc import Callable

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.commit_queue import BATCH_LIMIT
from gateway.store.pending_rows import RowMissing
from gateway.store.port import Operation, Store, Transaction, WriteAfterRefusal
from gateway.store.tables import Table
from tests.contract.item_store import (
    BOXES,
    COUNTS,
    ITEMS,
    Item,
    all_of,
    finding,
    inserting,
    items,
    keeping,
    removing,
    signing,
    updating,
    with_box,
    with_store,
)
from tests.contract.stores import (
    PUT_NOTES,
    Adapter,
    Note,
    notes,
    putting,
    writing,
)


def refusing(tx: Transaction) -> None:
    """An operation that reads and refuses."""
    notes(tx)
    raise Refused(Reason.REASON_LINE_CLOSED)


def test_a_put_row_is_found_by_later_operations_and_by_sql_but_not_from_outside(adapter: Adapter) -> None:
    seen: list[object] = []

    def find(tx: Transaction) -> None:
        seen.append((tx.find(PUT_NOTES, "a"), tx.find(PUT_NOTES, "b"), tx.has_written(), adapter.notes()))

    def look(tx: Transaction) -> None:
        seen.append((notes(tx), tx.has_written(), adapter.notes()))

    async def scenario(store: Store) -> None:
        await all_of(store, putting("a"), find, look, find, putting("b"), look)

    with_store(adapter, scenario)
    found: tuple[object, ...] = (Note("a"), None, False, [])
    assert seen == [found, (["a"], False, []), found, (["a", "b"], False, [])]
    assert adapter.notes() == ["a", "b"]


def test_a_refusal_between_put_rows_leaves_its_batch_alone(adapter: Adapter) -> None:
    """The refused operation reads by SQL and thereby writes the row of another, which is no write of its own."""
    runs: list[str] = []

    def counted(tx: Transaction) -> None:
        runs.append("run")
        tx.insert(PUT_NOTES, Note("counted"))

    async def scenario(store: Store) -> None:
        _, refused, _ = await all_of(store, counted, refusing, putting("after"))
        assert isinstance(refused, Refused)

    with_store(adapter, scenario)
    assert runs == ["run"], "the batch has run once"
    assert adapter.notes() == ["after", "counted"]


def test_an_operation_that_breaks_or_refuses_after_a_put_leaves_none_of_its_rows(adapter: Adapter) -> None:
    def breaking(tx: Transaction) -> None:
        tx.insert(PUT_NOTES, Note("broken"))
        raise ZeroDivisionError

    def refusing_too_late(tx: Transaction) -> None:
        tx.insert(PUT_NOTES, Note("too late"))
        raise Refused(Reason.REASON_LINE_CLOSED)

    async def scenario(store: Store) -> None:
        outcomes = await all_of(store, putting("a"), breaking, putting("b"), refusing_too_late, putting("c"))
        kinds = [str, ZeroDivisionError, str, WriteAfterRefusal, str]
        assert [type(each) for each in outcomes] == kinds

    with_store(adapter, scenario)
    assert adapter.notes() == ["a", "b", "c"]


@pytest.mark.parametrize("second", [putting, writing])
@pytest.mark.parametrize("stored", [True, False])
def test_a_second_row_of_a_key_fails_its_operation_alone(
    adapter: Adapter, stored: bool, second: Callable[[str], Operation[object]]
) -> None:
    name, other = "Zhang San", "b" if stored else "Zhang San"

    async def scenario(store: Store) -> None:
        if stored:
            await store.write(putting(name))
        outcomes = await all_of(store, putting("a"), putting(other), second(name), putting("c"))
        failed = outcomes.pop(2)
        assert [type(each) for each in outcomes] == [str] * 3
        assert isinstance(failed, Exception)
        assert not isinstance(failed, Refused)
        assert name not in str(failed), "the value may be personal data"

    with_store(adapter, scenario)
    assert adapter.notes() == sorted({"a", "c", name, other})


def test_rows_are_written_in_the_order_of_references_whichever_operation_was_first(adapter: Adapter) -> None:
    def boxing(box: str) -> Operation[object]:
        def operation(tx: Transaction) -> None:
            tx.insert(BOXES, Note(box))
            tx.insert(ITEMS, Item(box, 1, None, b""))

        return operation

    def adding(tx: Transaction) -> None:
        tx.insert(ITEMS, Item("old", 2, None, b""))

    def dangling(tx: Transaction) -> None:
        tx.insert(ITEMS, Item("nowhere", 1, None, b""))

    async def scenario(store: Store) -> None:
        await store.write(boxing("old"))
        assert await all_of(store, boxing("new"), boxing("newer")) == [None] * 2
        assert await all_of(store, adding, boxing("newest")) == [None] * 2
        before, failed, after = await all_of(store, putting("a"), dangling, putting("b"))
        assert (before, after) == ("a", "b")
        assert not isinstance(failed, Refused | None)
        assert [(each.box, each.place) for each in await store.read(items)] == [
            ("new", 1),
            ("newer", 1),
            ("newest", 1),
            ("old", 1),
            ("old", 2),
        ]

    with_store(adapter, scenario)
    assert adapter.notes() == ["a", "b"]


def remarks(tx: Transaction) -> list[str]:
    """The remarks of all items; their column is outside of the shape."""
    return tx.all(str, "SELECT remark FROM items ORDER BY place")


def test_a_row_goes_through_its_states_in_one_commit_as_over_many(adapter: Adapter) -> None:
    first, changed = Item("box", 1, "x", b"\x00\xff"), Item("box", 1, None, b"changed")
    again, last = Item("box", 2, "x", b""), Item("box", 2, "x", b"last")
    steps: list[tuple[Operation[object], object]] = [
        (lambda tx: tx.insert(BOXES, Note("box")), None),
        (inserting(first), None),
        (finding(1), first),
        (inserting(Item("box", 2, None, b"")), None),
        (lambda tx: tx.execute("UPDATE items SET remark = 'seen' WHERE place = 1"), 1),
        (updating(changed), None),
        (finding(1), changed),
        (items, [changed, Item("box", 2, None, b"")]),
        (remarks, ["seen", "none"]),
        (removing(2), None),
        (removing(3), None),
        (finding(2), None),
        (inserting(again), None),
        (updating(last), None),
        (finding(2), last),
        (removing(1), None),
        (inserting(Item("box", 1, "z", b"")), None),
        (removing(1), None),
        (items, [last]),
        (inserting(Item("box", 1, "y", b"")), None),
        (remarks, ["none", "none"]),
        (finding(1), Item("box", 1, "y", b"")),
        (lambda tx: tx.execute("UPDATE items SET code = 'w', remark = 'kept' WHERE place = 1"), 1),
        (finding(1), Item("box", 1, "w", b"")),
        (keeping(changed), None),
        (keeping(Item("box", 3, None, b"")), None),
        (updating(Item("box", 3, "w", b"")), None),
        (finding(3), Item("box", 3, "w", b"")),
        (removing(3), None),
        (finding(3), None),
        (keeping(again), None),
        (items, [changed, again]),
        (remarks, ["kept", "none"]),
    ]
    expected = [result for _, result in steps]

    async def scenario(store: Store) -> None:
        assert await all_of(store, *(step for step, _ in steps)) == expected
        await store.write(lambda tx: (tx.execute("DELETE FROM items"), tx.execute("DELETE FROM boxes")))
        assert [await store.write(step) for step, _ in steps] == expected

    with_store(adapter, scenario)


def test_a_unique_value_that_one_row_gives_up_is_free_for_another_in_the_same_commit(adapter: Adapter) -> None:
    runs: list[str] = []

    async def scenario(store: Store) -> None:
        await with_box(store)
        await all_of(store, inserting(Item("box", 1, "x", b"")), inserting(Item("box", 2, "y", b"")))
        taking = [removing(1), updating(Item("box", 2, "x", b"")), inserting(Item("box", 3, "y", b""))]
        assert await all_of(store, lambda tx: runs.append("run"), *taking) == [None] * 4
        assert [each.code for each in await store.read(items)] == ["x", "y"]

    with_store(adapter, scenario)
    assert runs == ["run"]


def test_a_changed_row_that_does_not_exist_fails_its_operation_alone(adapter: Adapter) -> None:
    async def scenario(store: Store) -> None:
        missing = updating(Item("box", 1, None, b""))
        outcomes = await all_of(store, putting("a"), missing, putting("b"))
        assert [type(each) for each in outcomes] == [str, RowMissing, str]
        await with_box(store)
        await store.write(inserting(Item("box", 1, None, b"")))
        outcomes = await all_of(store, removing(1), missing, putting("c"))
        assert [type(each) for each in outcomes] == [type(None), RowMissing, str]

    with_store(adapter, scenario)
    assert adapter.notes() == ["a", "b", "c"]


def test_an_update_leaves_fixed_columns_as_they_were_inserted(adapter: Adapter) -> None:
    fixing = Table("items", Item, key=("box", "place"), fixed=("content",))
    changed = Item("box", 1, "b", b"changed")

    async def scenario(store: Store) -> None:
        await with_box(store)
        await store.write(lambda tx: tx.insert(fixing, Item("box", 1, "a", b"inserted")))
        await store.write(lambda tx: tx.update(fixing, changed))
        assert await store.read(items) == [changed._replace(content=b"inserted")]

    with_store(adapter, scenario)


def test_rows_of_many_operations_are_all_written(adapter: Adapter) -> None:
    names = [f"{number:04}" for number in range(2 * BATCH_LIMIT + 1)]

    async def scenario(store: Store) -> None:
        assert await all_of(store, *(putting(each, f"{each}+") for each in names)) == names

    with_store(adapter, scenario)
    assert adapter.notes() == sorted([*names, *(f"{each}+" for each in names)])


def test_amounts_of_many_operations_are_summed_by_key_over_commits(adapter: Adapter) -> None:
    def counting(box: str, **amounts: int) -> Operation[object]:
        return lambda tx: tx.add(COUNTS, box, 1, **amounts)

    def counts(tx: Transaction) -> list[tuple[object, ...]]:
        return tx.all(lambda *row: row, "SELECT box, place, seen, amount FROM counts ORDER BY box")

    async def scenario(store: Store) -> None:
        for times in (1, 2):
            await all_of(store, *(counting("a", seen=1, amount=5) for _ in range(20)), counting("b", amount=-3))
            assert await store.read(counts) == [("a", 1, 20 * times, 100 * times), ("b", 1, 0, -3 * times)]
        looking = await all_of(store, counting("b", seen=1), counts, counting("b", seen=1))
        assert looking[1] == [("a", 1, 40, 200), ("b", 1, 1, -6)]

    with_store(adapter, scenario)


def test_a_value_is_read_once_per_commit_and_again_after_a_change_of_its_table(adapter: Adapter) -> None:
    reads: list[int] = []

    def count(tx: Transaction) -> int:
        def read() -> int:
            reads.append(tx.first(int, "SELECT COUNT(*) FROM notes") or 0)
            return reads[-1]

        return tx.once("notes", "count", read)

    def counted(tx: Transaction) -> None:
        tx.insert(PUT_NOTES, Note("c"))
        tx.know("notes", "count", 3)

    def breaking(tx: Transaction) -> None:
        tx.know("notes", "count", 1000)
        raise ZeroDivisionError

    async def scenario(store: Store) -> None:
        assert await all_of(store, count, count, putting("a"), count, writing("b"), count, counted, count) == [
            *(0, 0, "a", 1, "b", 2, None, 3)
        ]
        assert reads == [0, 1, 2]
        broken = await all_of(store, count, breaking, count)
        assert (broken[0], broken[2]) == (3, 3)
        assert await store.read(count) == 3

    with_store(adapter, scenario)


def signatures(tx: Transaction) -> str:
    """The contents of all items, by SQL."""
    return " ".join(each.content.decode() for each in items(tx))


def test_a_late_row_is_completed_once_its_companion_has_finished_with_all_operations(adapter: Adapter) -> None:
    def of_code(code: str) -> Operation[object]:
        return lambda tx: [each.content for each in tx.find_all(ITEMS, code=code)]

    async def scenario(store: Store) -> None:
        await with_box(store)
        await all_of(store, *(signing(place, code) for place, code in enumerate("abc")))
        assert await store.read(signatures) == "a+b+c a+b+c a+b+c"
        for look, found in ((signatures, "d"), (finding(1), Item("box", 1, "d", b"d")), (of_code("d"), [b"d"])):
            await store.write(lambda tx: tx.execute("DELETE FROM items"))
            looking = await all_of(store, signing(1, "d"), look, signing(2, "e"), signing(3, "f"))
            assert looking[1] == found
            assert await store.read(signatures) == "d e+f e+f"
        await store.write(lambda tx: tx.execute("DELETE FROM items"))
        others = finding(4), of_code("x")
        await all_of(store, signing(1, "d"), *others, signing(2, "e"))
        assert await store.read(signatures) == "d+e d+e", "who looks for another row does not complete it"

    with_store(adapter, scenario)


def test_a_late_row_has_its_key_before_it_is_completed_and_a_failure_is_its_operations_alone(adapter: Adapter) -> None:
    def failing(row: Item) -> Item:
        raise ZeroDivisionError

    async def scenario(store: Store) -> None:
        await with_box(store)
        outcomes = await all_of(store, signing(1, "a"), signing(1, "b"), inserting(Item("box", 1, "c", b"")))
        assert [each is None for each in outcomes] == [True, False, False]
        outcomes = await all_of(
            store,
            putting("a"),
            lambda tx: tx.insert_late(ITEMS, Item("box", 2, None, b""), failing),
            putting("b"),
        )
        assert [type(each) for each in outcomes] == [str, ZeroDivisionError, str]
        assert await store.read(signatures) == "a"

    with_store(adapter, scenario)
    assert adapter.notes() == ["a", "b"]


def test_a_removal_counts_as_a_write_also_without_the_row(adapter: Adapter) -> None:
    def removing_and_refusing(tx: Transaction) -> None:
        tx.remove(PUT_NOTES, "nothing")
        raise Refused(Reason.REASON_LINE_CLOSED)

    async def scenario(store: Store) -> None:
        [refused, kept] = await all_of(store, removing_and_refusing, putting("kept"))
        assert (type(refused), kept) == (WriteAfterRefusal, "kept")

    with_store(adapter, scenario)


def test_when_a_commit_fails_each_operation_writes_its_rows_once_alone(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(store: Store) -> None:
        await with_box(store)
        adapter.fail_commits(monkeypatch, adapter.commit_failures()[0], 1)
        operations = [putting("a"), signing(1, "b"), signing(2, "c"), putting("d"), signatures]
        assert await all_of(store, *operations) == ["a", None, None, "d", "b c"]
        assert await store.read(signatures) == "b c"

    with_store(adapter, scenario)
    assert adapter.notes() == ["a", "d"]


def test_without_room_for_put_rows_nothing_is_written_and_work_goes_on_when_there_is_room(adapter: Adapter) -> None:
    large = "x" * 100_000

    async def scenario(store: Store) -> None:
        await store.write(putting("before"))
        await store.write(adapter.fill_disk)
        for refused in await all_of(store, putting(large), putting(f"{large}+")):
            assert isinstance(refused, Refused)
            assert refused.reason == Reason.REASON_STORE_UNAVAILABLE
        assert await store.read(notes) == ["before"]
        await store.write(adapter.make_room)
        await store.write(putting(large))

    with_store(adapter, scenario)
    assert adapter.notes() == ["before", large]


def test_a_read_cannot_put(adapter: Adapter) -> None:
    async def scenario(store: Store) -> None:
        with pytest.raises(Exception, match=r"readonly|read-only"):
            await store.read(putting("one"))
        assert await store.write(putting("two")) == "two"

    with_store(adapter, scenario)
    assert adapter.notes() == ["two"]
