"""A page of a list looks at a limited number of rows, whatever the filter, and no row is lost by that."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast

import pytest

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1.alarm_pb2 import Alarm
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.api.region.v1.fault_pb2 import Fault, FaultState
from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.support_request_pb2 import SupportRequest, SupportState
from gateway.errors import Refused
from gateway.rpc.pages import dated_place
from gateway.time.clock import from_microseconds, from_timestamp, to_timestamp
from region_node.business.joint import saga
from region_node.business.joint.rows import JointOrderFilter, JointOrderRow, insert_joint_order, list_joint_orders
from region_node.business.orders import rules as order_rules
from region_node.business.orders.rows import OrderFilter, list_basic_orders, list_orders
from region_node.care.complaints import rules as complaint_rules
from region_node.care.complaints.rows import ComplaintFilter, ComplaintRow, insert_complaint, list_complaints
from region_node.network.faults import rules as fault_rules
from region_node.network.faults.rows import FaultFilter, FaultRow, insert_fault, list_faults
from region_node.network.measurements import alarm_rows
from region_node.network.measurements.alarm_rows import AlarmFilter, list_alarms
from region_node.network.support.rows import SUPPORT_ROWS, SupportRow
from region_node.records import listing
from region_node.records.listing import Page, Position
from region_node.tickets.rows import TicketFilter
from tests.unit.purging import NOW, Archive, archive

BUDGET = 20
PAGE = 3
CRITICAL = PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL


@pytest.fixture(name="kept")
def an_archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(listing, "SCANNED", BUDGET)
    with archive() as found:
        yield found


@dataclass(frozen=True)
class Listed:
    """A list: how to add a row that matches the filter or not, and how to read a page.

    A page has the names of its rows, and the key of the next page.
    """

    add: Callable[[Archive, int, bool], None]
    page: Callable[[Archive, str], tuple[list[str], str]]


def add_order(kept: Archive, number: int, is_wanted: bool) -> None:
    state = OrderState.ORDER_STATE_COMPLETED if is_wanted else OrderState.ORDER_STATE_REJECTED
    kept.order(f"{number:04}", NOW + timedelta(seconds=number // 2), state)


def orders(kept: Archive, key: str, in_reverse: bool = False) -> tuple[list[str], str]:
    wanted = OrderFilter(states=[OrderState.ORDER_STATE_COMPLETED], in_reverse=in_reverse)
    page = list_orders(kept.tx, wanted, dated_place(key), PAGE)
    return [each.id for each in page.items], page.following


def basic_orders(kept: Archive, key: str) -> tuple[list[str], str]:
    wanted = OrderFilter(states=[OrderState.ORDER_STATE_COMPLETED])
    page = list_basic_orders(kept.tx, wanted, dated_place(key), PAGE)
    return [each.name for each in page.items], page.following


def add_complaint(kept: Archive, number: int, is_wanted: bool) -> None:
    state = ComplaintState.COMPLAINT_STATE_CLOSED if is_wanted else ComplaintState.COMPLAINT_STATE_HELD
    complaint = Complaint(ticket_id=f"sichuan/{number:04}", state=state, version=1)
    complaint.create_time.CopyFrom(to_timestamp(NOW + timedelta(seconds=number // 2)))
    insert_complaint(kept.tx, ComplaintRow(complaint, ""), number, NOW)


def complaints(kept: Archive, key: str, in_reverse: bool = False) -> tuple[list[str], str]:
    wanted = ComplaintFilter(region="sichuan", states=[ComplaintState.COMPLAINT_STATE_CLOSED], in_reverse=in_reverse)
    page = list_complaints(kept.tx, wanted, dated_place(key), PAGE)
    return [each.ticket_id for each in page.items], page.following


def add_fault(kept: Archive, number: int, is_wanted: bool) -> None:
    state = FaultState.FAULT_STATE_CLOSED if is_wanted else FaultState.FAULT_STATE_PENDING
    fault = Fault(id=f"sichuan/F{number:04}", state=state, version=1)
    fault.create_time.CopyFrom(to_timestamp(NOW + timedelta(seconds=number // 2)))
    fault.outages.add(start_time=fault.create_time, end_time=fault.create_time)
    insert_fault(kept.tx, FaultRow(fault, ""), number, NOW)


def faults(kept: Archive, key: str, in_reverse: bool = False) -> tuple[list[str], str]:
    wanted = FaultFilter(region="sichuan", states=[FaultState.FAULT_STATE_CLOSED], in_reverse=in_reverse)
    page = list_faults(kept.tx, wanted, dated_place(key), PAGE)
    return [each.id for each in page.items], page.following


def add_support(kept: Archive, number: int, is_wanted: bool) -> None:
    state = SupportState.SUPPORT_STATE_RESOLVED if is_wanted else SupportState.SUPPORT_STATE_CLOSED
    asked = SupportRequest(id=f"sichuan/S{number:04}", state=state, version=1)
    asked.create_time.CopyFrom(to_timestamp(NOW + timedelta(seconds=number // 2)))
    SUPPORT_ROWS.insert(kept.tx, SupportRow(asked, ""), number, NOW)


def support(kept: Archive, key: str) -> tuple[list[str], str]:
    wanted = TicketFilter(states=[SupportState.SUPPORT_STATE_RESOLVED])
    page = SUPPORT_ROWS.page(kept.tx, wanted, dated_place(key), PAGE)
    return [each.id for each in page.items], page.following


def add_joint(kept: Archive, number: int, is_wanted: bool) -> None:
    order = JointOrder(id=f"sichuan/J{number:04}", state=saga.FAILED if is_wanted else saga.SURVEYING, version=1)
    order.create_time.CopyFrom(to_timestamp(NOW + timedelta(seconds=number // 2)))
    insert_joint_order(kept.tx, JointOrderRow(order, ""), number, NOW)


def joint(kept: Archive, key: str) -> tuple[list[str], str]:
    page = list_joint_orders(kept.tx, JointOrderFilter(states=[saga.FAILED]), dated_place(key), PAGE)
    return [each.id for each in page.items], page.following


def add_alarm(kept: Archive, number: int, is_wanted: bool) -> None:
    columns = kept.tx.all(lambda *row: str(row[1]), "PRAGMA table_info(alarms)")
    values = dict.fromkeys(columns, "0") | {
        "alarm_id": f"'{number}'",
        "external": f"'{number}'",
        "change": str(number + 1),
        "severity": str(CRITICAL if is_wanted else CRITICAL + 1),
        "clear_time": "NULL",
        "body": ":body",
    }
    sql = f"INSERT INTO alarms ({', '.join(values)}) VALUES ({', '.join(values.values())})"
    kept.tx.execute(sql, body=Alarm(id=f"{number:04}").SerializeToString())


def alarms(kept: Archive, key: str, in_reverse: bool = False) -> tuple[list[str], str]:
    wanted = AlarmFilter(least_severity=CRITICAL, in_reverse=in_reverse)
    page = list_alarms(kept.tx, wanted, int(key) if key else None, PAGE)
    return [each.id for each in page.items], page.following


LISTS = {
    "orders": Listed(add_order, orders),
    "basic orders": Listed(add_order, basic_orders),
    "complaints": Listed(add_complaint, complaints),
    "faults": Listed(add_fault, faults),
    "support requests": Listed(add_support, support),
    "joint orders": Listed(add_joint, joint),
    "alarms": Listed(add_alarm, alarms),
}

IN_REVERSE: Mapping[str, Callable[[Archive, str, bool], tuple[list[str], str]]] = {
    "orders": orders,
    "complaints": complaints,
    "faults": faults,
    "alarms": alarms,
}

FEW = [
    ("orders", "orders", "awaiting = 1", OrderFilter(awaiting=Party.PARTY_CUSTOMER)),
    ("orders", "orders", "awaiting = 1, business = 'X'", OrderFilter(awaiting=Party.PARTY_CUSTOMER, business="X")),
    ("orders", "orders", "state = 4", OrderFilter(states=[order_rules.HELD])),
    ("orders", "orders", "state = 3", OrderFilter(states=[order_rules.PENDING, order_rules.IN_PROGRESS])),
    ("orders", "orders", "state = 8", OrderFilter(states=[order_rules.FAILED, order_rules.PENDING])),
    ("faults", "faults", "state = 3, due_time = 1", FaultFilter("sichuan", due_before=NOW)),
    ("faults", "faults", "state = 6", FaultFilter("sichuan", states=[fault_rules.RESOLVED, fault_rules.HELD])),
    ("faults", "faults", "state = 7", FaultFilter("sichuan", states=[fault_rules.CANCELLED])),
    ("complaints", "complaints", "state = 4", ComplaintFilter("sichuan", states=[complaint_rules.HELD])),
    ("joint orders", "joint_orders", "state = 1", JointOrderFilter(states=[saga.SURVEYING])),
]
"""Lists, tables, columns of two rows that a filter selects, and the filter: all others are in the state of most."""


def work_of(kept: Archive, read: Callable[[], object]) -> int:
    """How many steps SQLite's machine takes."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    kept.connection.set_progress_handler(step, 1)
    read()
    kept.connection.set_progress_handler(None, 0)
    return steps


@pytest.mark.parametrize("name", LISTS)
def test_what_nobody_has_is_looked_for_in_so_many_rows_at_once(kept: Archive, name: str) -> None:
    listed = LISTS[name]
    for number in range(2 * BUDGET):
        listed.add(kept, number, False)
    few = work_of(kept, lambda: listed.page(kept, ""))
    for number in range(2 * BUDGET, 10 * BUDGET):
        listed.add(kept, number, False)
    for key in ("", listed.page(kept, "")[1]):
        assert work_of(kept, lambda key=key: listed.page(kept, key)) < 2 * few  # type: ignore[misc]


@pytest.mark.parametrize("name", LISTS)
def test_the_pages_of_a_list_have_every_row_that_is_wanted_once(kept: Archive, name: str) -> None:
    listed, wanted = LISTS[name], {0, 1, 25, 26, 27, 28, 29, 59, 60, 139}
    for number in range(140):
        listed.add(kept, number, number in wanted)
    found, key, sizes = list[str](), "", list[int]()
    while True:
        names, key = listed.page(kept, key)
        found += names
        sizes.append(len(names))
        if not key:
            break
    assert [int(each[-4:]) for each in found] == sorted(wanted, reverse=True)
    assert max(sizes) == PAGE
    assert 0 in sizes, "where nothing was found in so many rows, the page says where to go on"


@pytest.mark.parametrize("name", IN_REVERSE)
def test_a_list_in_reverse_has_every_row_that_is_wanted_once_and_looks_at_as_few(kept: Archive, name: str) -> None:
    page, wanted = IN_REVERSE[name], {0, 1, 25, 26, 27, 28, 29, 59, 60, 139}
    for number in range(2 * BUDGET):
        LISTS[name].add(kept, number, number in wanted)
    few = work_of(kept, lambda: page(kept, "", True))
    for number in range(2 * BUDGET, 140):
        LISTS[name].add(kept, number, number in wanted)
    assert work_of(kept, lambda: page(kept, "", True)) < 2 * few
    found, key = page(kept, "", True)
    while key:
        names, key = page(kept, key, True)
        found += names
    assert [int(each[-4:]) for each in found] == sorted(wanted)


def listed_by(name: str, kept: Archive, wanted: object) -> Page[object]:
    """The first page of a list by a filter of it."""
    lists = {
        "orders": list_orders,
        "faults": list_faults,
        "complaints": list_complaints,
        "joint orders": list_joint_orders,
    }
    return cast("Callable[..., Page[object]]", lists[name])(kept.tx, wanted, None, PAGE)


@pytest.mark.parametrize(("name", "table", "stored", "wanted"), FEW)
def test_few_of_very_many_are_on_one_page(kept: Archive, name: str, table: str, stored: str, wanted: object) -> None:
    for number in range(3 * BUDGET):
        LISTS[name].add(kept, number, True)
    kept.tx.execute(f"UPDATE {table} SET {stored} WHERE create_time = (SELECT MIN(create_time) FROM {table})")
    page = listed_by(name, kept, wanted)
    assert (len(page.items), page.following) == (2, ""), "the oldest ones, and nothing is left to look at"


@pytest.mark.parametrize("name", ["orders", "complaints"])
def test_the_nearest_work_of_staff_is_found_at_once_among_very_much(kept: Archive, name: str) -> None:
    def read() -> object:
        if name == "orders":
            return list_orders(kept.tx, OrderFilter(staff_of="sichuan"), None, PAGE)
        return list_complaints(kept.tx, ComplaintFilter(region="sichuan", for_staff=True), None, PAGE)

    def add(numbers: range) -> None:
        for number in numbers:
            LISTS[name].add(kept, number, True)
        kept.tx.execute("UPDATE orders SET awaiting = 3, state = 5")
        kept.tx.execute("UPDATE complaints SET owner_region = 'sichuan'")

    add(range(2 * BUDGET))
    few = work_of(kept, read)
    add(range(2 * BUDGET, 10 * BUDGET))
    assert work_of(kept, read) < 2 * few


def test_the_farthest_work_of_staff_comes_first_in_reverse_and_a_bound_of_due_times_holds(kept: Archive) -> None:
    for number in range(4):
        add_order(kept, number, True)
    kept.tx.execute("UPDATE orders SET awaiting = 3, state = 5")
    for wanted in (
        OrderFilter(staff_of="sichuan"),
        OrderFilter(staff_of="sichuan", due_before=NOW + timedelta(seconds=1)),
    ):
        nearest = [each.id for each in list_orders(kept.tx, wanted, None, 9).items]
        farthest = list_orders(kept.tx, replace(wanted, in_reverse=True), None, 9).items
        assert [each.id for each in farthest] == nearest[::-1]
        assert nearest


def test_orders_of_a_business_that_nobody_has_are_none_at_once(kept: Archive) -> None:
    for number in range(3 * BUDGET):
        add_order(kept, number, False)
    page = list_orders(kept.tx, OrderFilter(business="NOBODYS"), None, PAGE)
    assert (page.items, page.following) == ([], "")
    assert work_of(kept, lambda: list_orders(kept.tx, OrderFilter(business="NOBODYS"), None, PAGE)) < 10 * BUDGET


def test_a_page_by_the_number_of_its_first_place_is_full_and_counts_the_whole_list(kept: Archive) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "FAR", 3 * BUDGET)
        wanted = OrderFilter(states=[OrderState.ORDER_STATE_COMPLETED])
        for number in range(3 * BUDGET - 1):
            add_order(kept, number, is_wanted=number % 10 == 0)

        def page(skip: int) -> Page[Order]:
            return list_orders(kept.tx, wanted, None, PAGE, Position(skip, counts=True))

        whole = [each.id for skip in range(0, 9, PAGE) for each in page(skip).items]
        assert len(whole) == len(set(whole)) == page(0).total == 6
        assert whole == [each.id for each in list_orders(kept.tx, wanted, None, 9, Position(counts=True)).items]
        assert (page(6).items, page(6).following) == ([], "")
        following = list_orders(kept.tx, wanted, dated_place(page(0).following), PAGE, Position(1))
        assert [each.id for each in following.items] == whole[4:]
        assert following.total is None
        add_order(kept, 3 * BUDGET, is_wanted=True)
        assert page(0).total is None, "more entries than a page looks at are not counted"
        with pytest.raises(Refused, match="fewer than 10 of the first 60 entries"):
            page(9)


def test_alarms_are_counted_and_found_by_the_number_of_their_place(
    kept: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (listing, alarm_rows):
        monkeypatch.setattr(module, "FAR", 3 * BUDGET)
    for number in range(3 * BUDGET - 1):
        add_alarm(kept, number, number % 10 == 0)

    def page(skip: int, before: int | None = None) -> Page[Alarm]:
        wanted = AlarmFilter(least_severity=CRITICAL)
        return list_alarms(kept.tx, wanted, before, PAGE, Position(skip, counts=True))

    whole = [each.id for skip in (0, 3) for each in page(skip).items]
    assert len(whole) == len(set(whole)) == page(0).total == 6
    following = page(1, int(page(0).following))
    assert ([each.id for each in following.items], following.total) == (whole[4:], 6)
    assert (page(6).items, page(6).following) == ([], "")
    add_alarm(kept, 3 * BUDGET, True)
    assert page(0).total is None, "more entries than a page looks at are not counted"
    with pytest.raises(Refused, match="fewer than 10 of the first 60 entries"):
        page(9)


def test_a_basic_order_is_listed_as_it_is_and_opened_by_nobody(kept: Archive) -> None:
    add_order(kept, 1, True)
    (order,) = list_orders(kept.tx, OrderFilter(), None, PAGE).items
    kept.tx.execute("UPDATE orders SET body = :none", none=b"")
    (found,) = list_basic_orders(kept.tx, OrderFilter(), None, PAGE).items
    assert (found.name, found.business, found.state, found.version, found.origin_region, found.home_region) == (
        order.id,
        order.request.business,
        order.state,
        order.version,
        order.origin_region,
        order.home_region,
    )
    assert from_microseconds(found.date) == from_timestamp(order.create_time)


@pytest.mark.parametrize("skip", [-1, listing.FAR + 1])
def test_no_page_begins_outside_of_the_entries_that_it_looks_at(skip: int) -> None:
    with pytest.raises(Refused, match="skip"):
        Position(skip)
