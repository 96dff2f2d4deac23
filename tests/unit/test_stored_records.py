"""Records of a kind of its own: what is stored is found, listed and followed until its key is destroyed."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store import vault
from gateway.store.group_commit import start_batch
from gateway.store.port import Operation
from gateway.store.sqlite import SqliteDatabase, SqliteTransaction
from region_node.records.stored import Event, Events, Records
from tests.empty_database import empty_database


@dataclass(frozen=True)
class Row:
    """A message of the kind, and its trace."""

    message: Order = field(repr=False)
    traceparent: str


KIND = Records(
    table="things",
    key="thing_id",
    dated="made",
    fixed=("thing_id", "made"),
    changing=("state",),
    message=Order,
    row=Row,
    subject=lambda name: f"thing/{name}",
    not_found=lambda name: Refused(Reason.REASON_ORDER_NOT_FOUND, order=name),
)
EVENTS = Events("thing_events", "thing_id")
MADE_EVENTS = "CREATE TABLE thing_events (sequence INTEGER PRIMARY KEY, thing_id TEXT, state INTEGER)"


@pytest.fixture
def tx() -> Iterator[SqliteTransaction]:
    with closing(empty_database("gateway", "region_node")) as connection:
        connection.execute(
            "CREATE TABLE things (thing_id TEXT PRIMARY KEY, made INTEGER, state INTEGER, traceparent TEXT, body BLOB)"
        )
        connection.execute(MADE_EVENTS)
        yield SqliteTransaction(connection, RegionKeys(KeySet.new()))


def add(tx: SqliteTransaction, name: str, made: int) -> None:
    KIND.insert(tx, name, Order(id=name), {"made": made, "state": 1, "traceparent": f"trace-{name}"})
    EVENTS.note(tx, name, {"state": 1})


def refusal(refused: pytest.ExceptionInfo[Refused]) -> str:
    return Reason.Name(refused.value.reason)


def test_a_record_is_found_as_it_was_stored_last(tx: SqliteTransaction) -> None:
    add(tx, "one", 1)
    KIND.update(tx, "one", Order(id="one", version=2), {"state": 7})
    row = KIND.require(tx, "one")
    assert (row.message, row.traceparent) == (Order(id="one", version=2), "trace-one")
    assert tx.all(int, "SELECT state FROM things") == [7]
    assert tx.first(bytes, "SELECT body FROM things") != row.message.SerializeToString()


def test_an_update_names_no_column_that_does_not_change(tx: SqliteTransaction) -> None:
    """A database rewrites the indexes of each column that an update names, also with an equal value."""
    add(tx, "one", 1)
    tx.execute(
        "CREATE TRIGGER named BEFORE UPDATE OF thing_id, made, traceparent ON things BEGIN SELECT RAISE(FAIL, ''); END"
    )
    KIND.update(tx, "one", Order(id="one", version=2), {"state": 7})
    with pytest.raises(ValueError, match="things: fixed columns among made"):
        KIND.update(tx, "one", Order(id="one"), {"made": 2})
    assert tx.all(int, "SELECT made + state FROM things") == [8]


def test_what_cannot_be_read_any_more_is_not_there_and_a_page_is_filled_without_it(tx: SqliteTransaction) -> None:
    for made, name in enumerate(("one", "two", "three", "four")):
        add(tx, name, made)
    vault.destroy(tx, ["thing/three"])
    assert KIND.find(tx, "three") is None
    for name in ("three", "nothing"):
        with pytest.raises(Refused) as refused:
            KIND.require(tx, name)
        assert (refusal(refused), refused.value.parameters) == ("REASON_ORDER_NOT_FOUND", {"order": name})
    assert KIND.read_all(tx, ["two", "three", "nothing", "one"]) == {each: Order(id=each) for each in ("one", "two")}
    assert KIND.read_all(tx, []) == {}
    page = KIND.page(tx, KIND.listed(shown="state = 1"), None, 2)
    assert [each.id for each in page.items] == ["four", "two"]
    assert page.following


def test_events_are_followed_in_order_by_a_token_until_what_comes_after_it_is_gone(tx: SqliteTransaction) -> None:
    for name in ("one", "two", "one"):
        EVENTS.note(tx, name, {"state": 1})
    assert EVENTS.after(tx, 1, "", 10) == [Event(2, "two"), Event(3, "one")]
    assert EVENTS.after(tx, 0, "one", 10) == [Event(1, "one"), Event(3, "one")]
    assert (EVENTS.first(tx), EVENTS.last(tx), EVENTS.resumed_after(tx, "0")) == (1, 3, 0)
    tx.execute("DELETE FROM thing_events WHERE sequence < 3")
    assert EVENTS.resumed_after(tx, "2") == 2
    for key, reason in (("1", "REASON_TOKEN_EXPIRED"), ("4", "REASON_TOKEN_INVALID")):
        with pytest.raises(Refused) as refused:
            EVENTS.resumed_after(tx, key)
        assert refusal(refused) == reason


def test_events_of_one_commit_are_numbered_without_gaps_also_after_some_were_removed() -> None:
    def noting(*names: str) -> Operation[object]:
        return lambda tx: EVENTS.note_all(tx, [(name, {"state": 1}) for name in names])

    database = SqliteDatabase(":memory:")
    with closing(database):
        database.connection.execute("CREATE TABLE number_floors (records TEXT, number INTEGER)")
        database.connection.execute(MADE_EVENTS)
        steps = [noting("one"), noting("two", "three"), lambda tx: EVENTS.forget(tx, ["one", "three"]), noting("four")]
        assert start_batch(database, steps) is not None
        database.commit()
        assert start_batch(database, [noting("five"), EVENTS.last]) is not None
        database.commit()
        found = EVENTS.after(database.transaction(), 0, "", 10)
    assert found == [Event(2, "two"), Event(3, "three"), Event(4, "four"), Event(5, "five")]
