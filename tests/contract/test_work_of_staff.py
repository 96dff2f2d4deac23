"""What waits for the staff of a region is listed by its due time, page by page, and counted; on both engines."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

import pytest

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.order_pb2 import Order, Party
from gateway.rpc.pages import dated_place
from gateway.store.port import Transaction
from gateway.store.postgresql_connection import PostgresqlTransaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteTransaction
from gateway.store.tables import Parameters
from gateway.store.unit_of_work import Cursor, UnitTransaction
from gateway.time.clock import to_timestamp
from region_node.business.orders import rules as orders
from region_node.business.orders.kind import ORDERS
from region_node.business.orders.rows import OrderFilter, OrderRow, find_order, insert_order, list_orders, update_order
from region_node.care.complaints import rules as complaints
from region_node.care.complaints.rows import ComplaintFilter, ComplaintRow, insert_complaint, list_complaints
from region_node.records.listing import BY_TOKEN, Page, Position
from region_node.schema import PACKAGES
from tests.contract.stores import Adapter, run
from tests.federation.test_plans import explained, reads_all

NOW = datetime(2030, 6, 15, 4, tzinfo=UTC)
OWN, OTHER = "sichuan", "guangdong"
HOURS = (5, -3, 1, 1, 9)
"""The due times of what waits, from NOW; each has its place in this order as its name."""
_WAITING = 20
NEAREST_FIRST = ["1", "2", "3", "0", "4", "undated"]

Listing = Callable[[Transaction, str, datetime | None], tuple[Sequence[str], str, int | None]]
"""The names on the page behind a key, of what is due before an instant; the next key, and the count of all."""


def add_order(tx: Transaction, name: str, due: datetime | None, home: str = OWN, *, waits: bool = True) -> None:
    order = Order(id=f"{OTHER}/counter/{name}", origin_region=OTHER, home_region=home, state=orders.IN_PROGRESS)
    order.awaiting.party = Party.PARTY_HOME_STAFF if waits else Party.PARTY_CUSTOMER
    if due is not None:
        order.awaiting.due_time.CopyFrom(to_timestamp(due))
    order.create_time.CopyFrom(to_timestamp(NOW))
    insert_order(tx, OrderRow(order, ""), NOW)


def some_orders(tx: Transaction, key: str, until: datetime | None) -> tuple[Sequence[str], str, int | None]:
    wanted = OrderFilter(region=OWN, staff_of=OWN, due_before=until)
    page = list_orders(tx, wanted, dated_place(key), 2, Position(counts=True))
    return told(page, [each.id for each in page.items])


def add_complaint(tx: Transaction, name: str, due: datetime | None, owner: str = OWN, *, waits: bool = True) -> None:
    state = complaints.HELD if waits else complaints.CLOSED
    complaint = Complaint(ticket_id=f"{OWN}/{name}", origin_region=OWN, owner_region=owner, state=state, version=1)
    if due is not None:
        complaint.expected_resolution_time.CopyFrom(to_timestamp(due))
    keep_complaint(tx, complaint)


def keep_complaint(tx: Transaction, complaint: Complaint) -> None:
    complaint.create_time.CopyFrom(to_timestamp(NOW))
    number = tx.first(int, "SELECT COUNT(*) FROM complaints") or 0
    insert_complaint(tx, ComplaintRow(complaint, ""), number, NOW)


def some_complaints(tx: Transaction, key: str, until: datetime | None) -> tuple[Sequence[str], str, int | None]:
    wanted = ComplaintFilter(region=OWN, for_staff=True, due_before=until)
    page = list_complaints(tx, wanted, dated_place(key), 2, Position(counts=True))
    return told(page, [each.ticket_id for each in page.items])


def told(page: "Page[Order] | Page[Complaint]", names: Sequence[str]) -> tuple[Sequence[str], str, int | None]:
    """The last parts of the names on a page, the key of the next one, and the count."""
    return [each.rpartition("/")[2] for each in names], page.following, page.total


def all_of(listed: Listing, tx: Transaction, until: datetime | None = None) -> tuple[list[str], int | None]:
    """The names on all pages, and the count that the first one has."""
    names, key, total = listed(tx, "", until)
    found = list(names)
    while key:
        names, key, _ = listed(tx, key, until)
        found += names
    return found, total


@pytest.mark.parametrize(
    ("add", "listed"), [(add_order, some_orders), (add_complaint, some_complaints)], ids=["orders", "complaints"]
)
def test_what_waits_for_staff_comes_with_the_nearest_due_time_first(
    adapter: Adapter, add: Callable[..., None], listed: Listing
) -> None:
    def fill(tx: Transaction) -> None:
        for name, hours in enumerate(HOURS):
            add(tx, f"{name}", NOW + timedelta(hours=hours))
        add(tx, "undated", None)
        add(tx, "of-others", NOW, OTHER)
        add(tx, "of-nobody", NOW, waits=False)

    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await store.write(fill)
            assert await store.read(partial(all_of, listed)) == (NEAREST_FIRST, len(NEAREST_FIRST))
            due = partial(all_of, listed, until=NOW + timedelta(hours=4))
            assert await store.read(due) == (NEAREST_FIRST[:3], 3)

    run(scenario())


def test_a_complaint_has_the_time_that_was_promised_and_comes_last_while_it_waits_for_the_coordinator(
    adapter: Adapter,
) -> None:
    def fill(tx: Transaction) -> None:
        for name, promised in (("by-law", 1), ("given-back", -5), ("later", 2)):
            complaint = Complaint(ticket_id=f"{OWN}/{name}", owner_region=OWN, state=complaints.IN_PROGRESS, version=1)
            complaint.deadlines.add(kind=complaints.RESOLVE, due_time=to_timestamp(NOW + timedelta(days=3)))
            complaint.expected_resolution_time.CopyFrom(to_timestamp(NOW + timedelta(hours=promised)))
            if name == "given-back":
                complaint.custody.add(reason=complaints.WAITING_FOR_COORDINATOR)
            keep_complaint(tx, complaint)
        tx.execute("UPDATE complaints SET awaited_until = NULL WHERE ticket_id = :id", id=f"{OWN}/later")

    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await store.write(fill)
            assert (await store.read(partial(all_of, some_complaints)))[0] == ["by-law", "later", "given-back"]
            due = partial(all_of, some_complaints, until=NOW + timedelta(hours=4))
            assert await store.read(due) == (["by-law"], 1)

    run(scenario())


def test_an_order_has_the_due_time_of_its_present_step_and_that_of_an_older_version_its_date_at_first(
    adapter: Adapter,
) -> None:
    note_awaited = ORDERS.row_migrations["orders for staff"]
    soon = partial(all_of, some_orders, until=NOW + timedelta(hours=1))

    def fill(tx: Transaction) -> None:
        for name, hours in (("moved", -1), ("older", 2), ("later", 3)):
            add_order(tx, name, NOW + timedelta(hours=hours))
        tx.execute("UPDATE orders SET awaited_until = NULL WHERE order_id = :name", name=f"{OTHER}/counter/older")

    def move(tx: Transaction) -> None:
        row = find_order(tx, f"{OTHER}/counter/moved")
        assert row is not None
        row.order.awaiting.due_time.CopyFrom(to_timestamp(NOW + timedelta(hours=4)))
        update_order(tx, row.order, NOW)

    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await store.write(fill)
            assert (await store.read(partial(all_of, some_orders)))[0] == ["moved", "older", "later"]
            await store.write(move)
            assert (await store.read(partial(all_of, some_orders)))[0] == ["older", "later", "moved"]
            assert await store.read(soon) == (["older"], 1)
            assert [await store.write(lambda tx: note_awaited(tx, 2)) for _ in range(2)] == [1, 0]
            assert await store.read(soon) == ([], 0)

    run(scenario())


@pytest.mark.parametrize("add", [add_order, add_complaint], ids=["orders", "complaints"])
def test_a_page_of_a_list_takes_four_reads_each_by_an_index_and_sorts_nothing(
    adapter: Adapter, add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = list_orders if add is add_order else list_complaints
    of_staff, of_all = (
        (OrderFilter(region=OWN, staff_of=OWN), OrderFilter(region=OWN))
        if add is add_order
        else (ComplaintFilter(region=OWN, for_staff=True), ComplaintFilter(region=OWN))
    )
    reads = list[str]()

    def fill(tx: Transaction) -> None:
        for number in range(_WAITING):
            add(tx, f"{number}", NOW + timedelta(hours=number))

    def noted(tx: UnitTransaction, of: Callable[..., Cursor], sql: str, parameters: Parameters) -> Cursor:
        if isinstance(tx, PostgresqlTransaction):
            of(tx, "SET LOCAL enable_sort = off", {})
        reads.append("; ".join(map(str, explained(tx, of, sql, parameters))))
        return of(tx, sql, parameters)

    def page(tx: Transaction, wanted: object, position: Position) -> int:
        reads.clear()
        found: Page[Order] | Page[Complaint] = cast("Callable[..., Page[Order]]", some)(
            tx, wanted, None, _WAITING // 2, position
        )
        return len(found.items)

    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await store.write(fill)
            for kind in (SqliteTransaction, PostgresqlTransaction):
                of = kind._run
                monkeypatch.setattr(kind, "_run", lambda tx, sql, told, of=of: noted(tx, of, sql, told))
            for wanted, position, most in ((of_staff, Position(counts=True), 4), (of_all, BY_TOKEN, 3)):
                assert await store.read(partial(page, wanted=wanted, position=position)) == _WAITING // 2
                assert len(reads) == most, reads
                assert not [each for each in reads if reads_all(each) or re.search(r"TEMP B-TREE|Sort ", each)]

    run(scenario())
