"""Rows are found by columns as the operations of a commit have left them, the same on both engines."""

from gateway.store.port import Operation, Store, Transaction
from tests.contract.item_store import (
    ITEMS,
    Item,
    Place,
    all_of,
    inserting,
    items,
    keeping,
    removing,
    signing,
    updating,
    with_box,
    with_store,
)
from tests.contract.stores import Adapter


def test_rows_are_found_by_any_columns_as_they_are_now(adapter: Adapter) -> None:
    def of(box: str, content: bytes) -> Operation[object]:
        return lambda tx: sorted(each.place for each in tx.find_all(ITEMS, box=box, content=content))

    def without_code(tx: Transaction) -> list[int]:
        return sorted(each.place for each in tx.find_all(ITEMS, code=None))

    async def scenario(store: Store) -> None:
        await with_box(store)
        await all_of(store, *(inserting(Item("box", place, None, b"x")) for place in (1, 2, 3)))
        steps: list[tuple[Operation[object], object]] = [
            (of("box", b"x"), [1, 2, 3]),
            (inserting(Item("box", 4, "4", b"x")), None),
            (of("box", b"x"), [1, 2, 3, 4]),
            (without_code, [1, 2, 3]),
            (updating(Item("box", 1, "1", b"y")), None),
            (removing(2), None),
            (updating(Item("box", 4, None, b"y")), None),
            (of("box", b"x"), [3]),
            (of("box", b"y"), [1, 4]),
            (without_code, [3, 4]),
            (of("other", b"x"), []),
        ]
        assert await all_of(store, *(step for step, _ in steps)) == [result for _, result in steps]
        assert [await store.read(look) for look in (of("box", b"y"), without_code)] == [[1, 4], [3, 4]]

    with_store(adapter, scenario)


def test_the_least_row_is_found_by_any_columns_and_completes_no_late_row(adapter: Adapter) -> None:
    def least(code: str | None) -> Operation[object]:
        return lambda tx: tx.find_least(ITEMS, Place, box="box", code=code)

    async def scenario(store: Store) -> None:
        await with_box(store)
        await all_of(store, *(inserting(Item("box", place, None, bytes(9000))) for place in (2, 3, 4, 5)))
        steps: list[tuple[Operation[object], object]] = [
            (least(None), Place(2, "box")),
            (inserting(Item("box", 1, None, b"")), None),
            (least(None), Place(1, "box")),
            (updating(Item("box", 1, "1", b"")), None),
            (updating(Item("box", 2, "2", b"")), None),
            (removing(3), None),
            (least(None), Place(4, "box")),
            (keeping(Item("box", 6, "6", b"")), None),
            (least("6"), Place(6, "box")),
            (signing(7, "a"), None),
            (least("a"), Place(7, "box")),
            (signing(8, "b"), None),
        ]
        assert await all_of(store, *(step for step, _ in steps)) == [result for _, result in steps]
        assert [each.content for each in await store.read(items) if each.place > 6] == [b"a+b", b"a+b"]
        assert [await store.read(least(code)) for code in (None, "2")] == [Place(4, "box"), Place(2, "box")]

    with_store(adapter, scenario)


def test_the_greatest_row_is_found_among_stored_and_changed_ones(adapter: Adapter) -> None:
    def greatest(code: str | None) -> Operation[object]:
        return lambda tx: tx.find_greatest(ITEMS, Place, box="box", code=code)

    async def scenario(store: Store) -> None:
        await with_box(store)
        await all_of(store, *(inserting(Item("box", place, None, b"")) for place in (1, 2, 3, 4)))
        steps: list[tuple[Operation[object], object]] = [
            (greatest(None), Place(4, "box")),
            (inserting(Item("box", 5, None, b"")), None),
            (greatest(None), Place(5, "box")),
            (updating(Item("box", 4, "4", b"")), None),
            (removing(5), None),
            (removing(3), None),
            (greatest(None), Place(2, "box")),
            (greatest("none"), None),
        ]
        assert await all_of(store, *(step for step, _ in steps)) == [result for _, result in steps]
        assert [await store.read(greatest(code)) for code in (None, "4")] == [Place(2, "box"), Place(4, "box")]

    with_store(adapter, scenario)
