"""Rows of one table that are written together, the same on both engines: null and other values, found anew."""

import pytest

from gateway.store.port import Operation, Store, Transaction
from tests.contract.item_store import BOXES, ITEMS, Item, all_of, items, with_store
from tests.contract.stores import Adapter, Note

COLUMNS: dict[str, list[str | None]] = {
    "no value at all": [None, None, None],
    "no value at first": [None, "x", 'a "quoted" \\ {comma, brace} %s :name ?'],
    "a value in each row": ["x", "", "套餐"],
}
"""By what they hold: the codes of the rows."""


def removing(place: int) -> Operation[None]:
    """An operation that removes an item."""
    return lambda tx: tx.remove(ITEMS, "box", place)


@pytest.mark.parametrize("held", COLUMNS)
def test_rows_put_and_changed_together_are_stored_value_by_value(adapter: Adapter, held: str) -> None:
    put = [Item("box", place, code, bytes([place, 0, 255])) for place, code in enumerate(COLUMNS[held])]
    changed = [item._replace(code=None if item.code else "was null", content=b"") for item in put[1:2]]

    async def scenario(store: Store) -> None:
        def insert(tx: Transaction) -> None:
            tx.insert(BOXES, Note("box"))
            for item in put:
                tx.insert(ITEMS, item)

        await store.write(insert)
        assert await store.read(items) == put
        await all_of(store, lambda tx: tx.update(ITEMS, changed[0]), *(removing(place) for place in (0, 2)))
        assert await store.read(items) == changed

    with_store(adapter, scenario)
