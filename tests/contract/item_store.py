"""A store of boxes, items and counts, for the contract of put rows."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import NamedTuple

from gateway.store.port import Operation, Store, Transaction
from gateway.store.schema import Migration
from gateway.store.tables import Table, Tally
from tests.contract.stores import NOTES, Adapter, Note, run


class Item(NamedTuple):
    """An item of a box."""

    box: str
    place: int
    code: str | None
    content: bytes


class Place(NamedTuple):
    """The place of an item, without its content."""

    place: int
    box: str


BOXES = Table("boxes", Note, key=("note",))
ITEMS = Table("items", Item, key=("box", "place"))
COUNTS = Tally("counts", key=("box", "place"), added=("seen", "amount"))
SCHEMA = (
    NOTES,
    Migration(
        "items",
        "0002_items.sql",
        "CREATE TABLE boxes (note TEXT NOT NULL PRIMARY KEY);"
        "CREATE TABLE items (box TEXT NOT NULL REFERENCES boxes, place INTEGER NOT NULL, code TEXT UNIQUE,"
        " content BLOB NOT NULL, remark TEXT NOT NULL DEFAULT 'none', PRIMARY KEY (box, place));"
        "CREATE TABLE counts (box TEXT NOT NULL, place INTEGER NOT NULL, seen INTEGER NOT NULL,"
        " amount INTEGER NOT NULL, PRIMARY KEY (box, place));",
    ),
)


def with_store(adapter: Adapter, scenario: Callable[[Store], Coroutine[object, object, None]]) -> None:
    """Runs a scenario on the opened store."""

    async def opened() -> None:
        async with adapter.open(SCHEMA) as store:
            await scenario(store)

    run(opened())


async def all_of(store: Store, *operations: Operation[object]) -> list[object]:
    """Submits operations at the same time; returns their results and the exceptions that they raised."""
    return list(await asyncio.gather(*(store.write(each) for each in operations), return_exceptions=True))


def items(tx: Transaction) -> list[Item]:
    """All items, by SQL."""
    return tx.all(Item, "SELECT box, place, code, content FROM items ORDER BY box, place")


async def with_box(store: Store) -> None:
    """Writes the box of the items."""
    await store.write(lambda tx: tx.insert(BOXES, Note("box")))


def inserting(item: Item) -> Operation[object]:
    return lambda tx: tx.insert(ITEMS, item)


def updating(item: Item) -> Operation[object]:
    return lambda tx: tx.update(ITEMS, item)


def keeping(item: Item) -> Operation[object]:
    return lambda tx: tx.keep(ITEMS, item)


def removing(place: int) -> Operation[object]:
    return lambda tx: tx.remove(ITEMS, "box", place)


def finding(place: int) -> Operation[object]:
    return lambda tx: tx.find(ITEMS, "box", place)


class Signature:
    """A companion: a signature over the items that the operations of a commit have put."""

    def __init__(self) -> None:
        self.signed: list[str] = []
        self.text = ""

    def finish(self) -> None:
        """Signs."""
        assert not self.text, "finished twice"
        self.text = "+".join(self.signed)


def signing(place: int, code: str) -> Operation[object]:
    """An operation that puts an item with the signature of its commit, and another row before it."""

    def operation(tx: Transaction) -> None:
        signature = tx.companion(Signature, Signature)
        signature.signed.append(code)
        tx.add(COUNTS, "box", place, seen=1)
        tx.insert_late(ITEMS, Item("box", place, code, b""), lambda row: row._replace(content=signature.text.encode()))

    return operation
