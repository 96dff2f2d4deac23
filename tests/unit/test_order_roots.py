"""Orders under one root end each at its own time: none keeps another readable, and none takes another with it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.federation.v1.federation_pb2 import Feature, Member
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, Receipt
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay import outbox
from gateway.relay.border import Border, Command
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.store import vault
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import to_timestamp
from region_node.app.registered import registry
from region_node.business.orders.erasing import orders_about
from region_node.business.orders.purging import Orders
from region_node.business.orders.roots import root_of
from region_node.business.orders.rows import OrderRow, find_erased, find_order, insert_order, update_order
from region_node.lifecycle.erasure.destroying import destroy
from region_node.lifecycle.erasure.operations import apply_erased
from region_node.lifecycle.erasure.relayed import ErasureEnvelopes
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index, orders_subject
from region_node.records.purging.port import Cut, Held
from tests.at_rest import sent
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, LINE

NOW = datetime(2031, 11, 24, 12, tzinfo=UTC)
YEARS = timedelta(days=366 * 6)
COMPLETED, ACKNOWLEDGED = OrderState.ORDER_STATE_COMPLETED, OrderState.ORDER_STATE_ACKNOWLEDGED
KEYS = "SELECT subject FROM data_keys ORDER BY subject"
BODY = "SELECT body FROM orders WHERE order_id = :id"


class Handling:
    """The rows of Guangdong, which hands in orders at other regions."""

    def __init__(self, tx: SqliteTransaction, *features: Feature.ValueType) -> None:
        current, shared = CurrentFederation(), keys()
        current.update(FEDERATION, [Member(region="guangdong", features=features)])
        self.border = Border("guangdong", shared.signers["guangdong"], shared.trusted, current)
        self.registry = registry(RegionContext(self.border))
        self.tx = tx

    def order(
        self, name: str, state: OrderState.ValueType = COMPLETED, *, home: str = "sichuan", when: datetime = NOW
    ) -> str:
        """An order about a number, and the envelope that submits it; a final one has its receipt."""
        order = Order(id=f"guangdong/counter/{name}", origin_region="guangdong", home_region=home, state=state)
        order.request.number = LINE.number
        order.create_time.CopyFrom(to_timestamp(when))
        order.state_changes.add(state=state, time=to_timestamp(when))
        root = root_of(self.tx, self.border, order)
        outgoing = OutgoingEnvelope(
            envelope_id=f"{order.id}#submit>{home}",
            destination=home,
            kind=EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT,
            payload=order.id.encode(),
            subject=order.id,
            operator="counter",
            lifetime=YEARS,
            root=root,
        )
        outbox.send(self.tx, self.border, outgoing, now=when, traceparent="")
        insert_order(self.tx, OrderRow(order, ""), when, root=root)
        if state == COMPLETED:
            receipt = Receipt(content=b"answer", signature=b"x")
            outbox.close_answered(self.tx, outgoing.envelope_id, receipt, journey=b"", attempts=1, now=when)
        return order.id

    def keys(self) -> list[str]:
        """The subjects with stored keys."""
        return self.tx.all(str, KEYS)

    def reads(self, order_id: str) -> bool:
        """Whether an order is read with all its envelopes, receipts included."""
        row, envelopes = find_order(self.tx, order_id), list(sent(self.tx, order_id))
        if row is None:
            assert all(each.receipt_content is None for each in envelopes)
            return False
        receipt = b"answer" if row.order.state == COMPLETED else None
        assert [(order_id.encode() in each.content, each.receipt_content) for each in envelopes] == [(True, receipt)]
        return True

    def told_erased(self, order_id: str, home: str = "sichuan") -> None:
        """The home region has erased the customer of an order."""
        kind = ErasureEnvelopes(self.registry).kinds()[EnvelopeKind.ENVELOPE_KIND_ERASURE]
        assert isinstance(kind, Command)
        answer = kind.act(self.tx, EnvelopeContent(origin=home, subject=order_id), NOW)
        assert answer.outcome == Outcome.OUTCOME_ACCEPTED

    def purge(self, before: datetime) -> int:
        """Purges final orders without envelopes, as the night does; returns how many."""
        self.tx.execute("DELETE FROM outbox WHERE created < :before", before=int(before.timestamp() * 1_000_000))
        nobody = Held(*[frozenset[str]()] * 5)
        cut = Cut(int(before.timestamp() * 1_000_000), nobody, 100, NOW)
        return Orders().page(self.tx, cut, "").removed


@pytest.fixture(name="tx")
def a_transaction() -> Iterator[SqliteTransaction]:
    with closing(empty_database("gateway", "region_node")) as connection:
        yield SqliteTransaction(connection, region_keys())


@pytest.fixture(name="handling")
def rows_of_guangdong(tx: SqliteTransaction) -> Handling:
    return Handling(tx, Feature.FEATURE_DERIVED_KEYS)


def root(tx: SqliteTransaction, home: str = "sichuan") -> str:
    return orders_subject(number_index(tx, LINE.number), home)


def test_orders_about_a_number_share_one_stored_key_for_each_home_region(handling: Handling) -> None:
    orders = [handling.order(name) for name in "abc"]
    orders += [handling.order(name, ACKNOWLEDGED, home="henan") for name in "de"]
    assert handling.keys() == sorted([root(handling.tx), root(handling.tx, "henan")])
    handling.tx.subject_keys.clear()
    assert all(handling.reads(each) for each in orders)


def test_beside_a_process_that_cannot_open_them_no_keys_are_derived(tx: SqliteTransaction) -> None:
    handling = Handling(tx)
    order_id = handling.order("a")
    assert handling.keys() == [f"envelope/{order_id}"]
    assert handling.reads(order_id)
    assert Handling(tx, Feature.FEATURE_DERIVED_KEYS).reads(order_id)


def test_an_erasure_takes_the_told_order_alone_and_leaves_nothing_of_it(handling: Handling) -> None:
    erased, final, under_way = handling.order("a"), handling.order("b"), handling.order("c", ACKNOWLEDGED)
    elsewhere = handling.order("d", home="henan")
    before = handling.tx.first(bytes, BODY, id=erased)
    assert before is not None
    handling.told_erased(erased)
    assert [handling.reads(each) for each in (erased, final, under_way, elsewhere)] == [False, True, True, True]
    assert find_erased(handling.tx, erased) is not None
    assert find_erased(handling.tx, final) is None
    assert root(handling.tx) not in handling.keys()
    assert vault.open_if_kept(handling.tx, f"envelope/{erased}", "orders", before) is None
    handling.told_erased(final)
    assert not handling.reads(final)
    with pytest.raises(Refused):
        handling.told_erased(under_way)
    assert handling.reads(under_way)
    later = handling.order("e")
    assert handling.reads(later), "orders after the erasure have another root"


def test_a_purged_order_opens_from_no_backup_and_the_younger_ones_stay(handling: Handling) -> None:
    old, young = handling.order("a", when=NOW - YEARS), handling.order("b")
    backup = handling.tx.first(bytes, BODY, id=old)
    assert backup is not None
    assert handling.purge(NOW - YEARS / 2) == 1
    assert handling.keys() == [f"envelope/{young}"]
    assert vault.open_if_kept(handling.tx, f"envelope/{old}", "orders", backup) is None
    assert handling.reads(young)
    assert handling.purge(NOW + YEARS) == 1
    assert handling.keys() == []


def test_an_order_that_moves_to_another_home_region_leaves_the_root_of_the_former_one(handling: Handling) -> None:
    moved, stays = handling.order("a", ACKNOWLEDGED), handling.order("b")
    row = find_order(handling.tx, moved)
    assert row is not None
    row.order.home_region = "henan"
    update_order(handling.tx, row.order, NOW)
    assert handling.keys() == sorted([f"envelope/{moved}", root(handling.tx)])
    handling.told_erased(stays)
    assert [handling.reads(each) for each in (moved, stays)] == [True, False]


def test_a_root_that_came_back_with_an_older_database_ends_with_all_its_orders(handling: Handling) -> None:
    orders = [handling.order(name) for name in "ab"]
    elsewhere = handling.order("c", home="henan")
    (key_id,) = vault.key_ids_of(handling.tx, [root(handling.tx)])
    assert apply_erased(handling.tx, handling.registry, [key_id], NOW) == 1
    assert [handling.reads(each) for each in (*orders, elsewhere)] == [False, False, True]
    assert all(find_erased(handling.tx, each) is not None for each in orders)


def test_the_erasure_of_a_customer_ends_the_roots_of_all_its_orders(handling: Handling) -> None:
    orders = [handling.order("a"), handling.order("b"), handling.order("c", home="guangdong")]
    about = orders_about(handling.tx, [LINE.number], [])
    assert {each.order_id for each in about} == set(orders)
    assert destroy(handling.tx, handling.registry, [s for each in about for s in each.subjects], NOW) == 2
    assert not any(handling.reads(each) for each in orders)
    assert handling.keys() == []
