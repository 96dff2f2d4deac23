"""What lists, erasure and retention look for among very many rows has its index; on both engines."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.api.region.v1.fault_pb2 import Fault, FaultState
from gateway.api.region.v1.joint_order_pb2 import JointOrder, JointOrderState
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.store.port import Transaction
from gateway.store.postgresql_connection import PostgresqlTransaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteTransaction
from gateway.store.tables import Parameters
from gateway.store.unit_of_work import Cursor, UnitTransaction
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.business.joint.rows import (
    JointOrderFilter,
    JointOrderRow,
    insert_joint_order,
    is_end_noted,
    list_joint_orders,
)
from region_node.business.orders.kind import ORDERS
from region_node.business.orders.rows import OrderFilter, OrderRow, insert_order, list_basic_orders, list_orders
from region_node.care.complaints.rows import ComplaintFilter, ComplaintRow, case_of, insert_complaint, list_complaints
from region_node.customers.documents.files import remove_files_of
from region_node.customers.documents.purging import Documents, Uploads
from region_node.customers.kind import CUSTOMERS
from region_node.network.faults import rules as faults
from region_node.network.faults.rows import FaultFilter, FaultRow, insert_fault, list_faults
from region_node.records.listing import Position
from region_node.records.purging.port import Cut, Held
from region_node.schema import PACKAGES
from tests.contract.stores import Adapter, run
from tests.federation.test_plans import explained, reads_all

NOW = datetime(2030, 6, 15, 4, tzinfo=UTC)
OWN = "sichuan"
TABLES = ("orders", "faults", "complaints", "joint_orders")
_ROWS = 200  # so many that an engine with statistics goes by an index
_EACH = 20  # rows for one that is not in the state of most
BEHIND = (to_microseconds(NOW + timedelta(seconds=_ROWS)), "")
COUNTED = Position(counts=True)

Lists = Mapping[str, Callable[[Transaction], object]]


def orders(wanted: OrderFilter) -> Callable[[Transaction], object]:
    return lambda tx: list_orders(tx, wanted, None, 5, COUNTED)


def fault_list(wanted: FaultFilter) -> Callable[[Transaction], object]:
    return lambda tx: list_faults(tx, wanted, None, 5, COUNTED)


AWAITING = OrderFilter(awaiting=Party.PARTY_CUSTOMER)
HELD, PENDING = OrderState.ORDER_STATE_HELD, OrderState.ORDER_STATE_PENDING
FAILED, CANCELLED = OrderState.ORDER_STATE_FAILED, OrderState.ORDER_STATE_CANCELLED
AT_WORK = (*(faults.UNREPAIRED - {faults.PENDING}), faults.RESOLVED)
LISTS: Mapping[str, Lists] = {
    "orders_awaited": {
        "of a party": orders(AWAITING),
        "oldest first": orders(OrderFilter(awaiting=Party.PARTY_CUSTOMER, in_reverse=True)),
        "in states": orders(OrderFilter(awaiting=Party.PARTY_CUSTOMER, states=[PENDING])),
        "of an operator system": orders(OrderFilter("counter", OWN, awaiting=Party.PARTY_CUSTOMER)),
        "of a business": orders(OrderFilter(awaiting=Party.PARTY_CUSTOMER, business="SUSPEND")),
        "next page": lambda tx: list_orders(tx, AWAITING, BEHIND, 5),
        "basic": lambda tx: list_basic_orders(tx, AWAITING, None, 5),
    },
    "orders_held_since": {"held": orders(OrderFilter(states=[HELD]))},
    "orders_uncompleted": {
        "pending": orders(OrderFilter(states=[PENDING])),
        "pending or held": orders(OrderFilter(states=[PENDING, HELD], in_reverse=True)),
        "of a business": orders(OrderFilter(business="SUSPEND", states=[PENDING])),
        "ended, and not": orders(OrderFilter(states=[CANCELLED, PENDING, FAILED])),
        "of a region": orders(OrderFilter(region=OWN, concerning="henan", states=[PENDING])),
    },
    "orders_for_staff": {"for staff": orders(OrderFilter(region=OWN, staff_of=OWN, due_before=NOW))},
    "orders_business": {"of a business": orders(OrderFilter(business="RESUME"))},
    "faults_unrepaired": {
        "due": fault_list(FaultFilter(OWN, due_before=NOW)),
        "due at work": fault_list(FaultFilter(OWN, states=AT_WORK, due_before=NOW, in_reverse=True)),
    },
    "faults_unclosed": {
        "at work": fault_list(FaultFilter(OWN, states=AT_WORK)),
        "of an operator system": fault_list(FaultFilter(OWN, "counter", states=[faults.RESOLVED])),
        "cancelled": fault_list(FaultFilter(OWN, states=[faults.CANCELLED])),
    },
    "complaints_open": {
        "held": lambda tx: list_complaints(
            tx, ComplaintFilter(OWN, states=[ComplaintState.COMPLAINT_STATE_HELD]), None, 5, COUNTED
        )
    },
    "joint_orders_open": {
        "at work": lambda tx: list_joint_orders(
            tx, JointOrderFilter(states=[JointOrderState.JOINT_ORDER_STATE_IN_PROGRESS]), None, 5
        )
    },
}

NOBODY = frozenset[str]()
CUT = Cut(0, Held(NOBODY, NOBODY, NOBODY, NOBODY, NOBODY), 10, NOW)
LOOKS: Sequence[tuple[str, str, Callable[[Transaction], object]]] = [
    ("order_events", "order_events_of", lambda tx: ORDERS.erasure.forget["envelope"](tx, "x")),
    ("joint_order_ends", "joint_order_ends_of", lambda tx: is_end_noted(tx, "x")),
    ("identities", "identities_customer", lambda tx: CUSTOMERS.erasure.forget["customer"](tx, "x")),
    ("documents", "documents_ended", lambda tx: Documents().page(tx, CUT, "")),
    ("document_files", "document_files_verified", lambda tx: Documents().page(tx, CUT, "files ")),
    ("document_files", "document_files_verified", lambda tx: Documents().oldest(tx)),
    ("document_files", "document_files_receiving", lambda tx: Uploads().oldest(tx)),
    ("document_files", "document_files_docket", lambda tx: remove_files_of(tx, "x")),
    ("complaints", "complaints_items", lambda tx: case_of(tx, "x")),
]
"""Tables, their indexes, and what erasure, retention or the end of a record looks for there."""


def fill(tx: Transaction) -> None:
    """Very many records in the state in which most end, and few in every state."""
    for number in range(_ROWS):
        few, time = number % _EACH == 0, to_timestamp(NOW + timedelta(seconds=number))
        each = number // _EACH
        order = Order(id=f"{OWN}/counter/{number}", origin_region=OWN, home_region=OWN, create_time=time)
        order.state = list(OrderState.values())[each + 1] if few else OrderState.ORDER_STATE_COMPLETED
        order.request.number, order.request.business = f"+86198510{number:05}", "RESUME" if few else "SUSPEND"
        order.awaiting.party = Party.ValueType(each % 5 + 1) if few else Party.PARTY_UNSPECIFIED
        insert_order(tx, OrderRow(order, ""), NOW)
        fault = Fault(id=f"{OWN}/F{number}", owner_region=OWN, create_time=time, version=1)
        fault.state = list(FaultState.values())[each % 8 + 1] if few else FaultState.FAULT_STATE_CLOSED
        fault.report.number = order.request.number
        fault.outages.add(start_time=time, end_time=time)
        insert_fault(tx, FaultRow(fault, ""), number, NOW)
        complaint = Complaint(ticket_id=f"{OWN}/{number}", owner_region=OWN, create_time=time, version=1)
        complaint.state = ComplaintState.COMPLAINT_STATE_HELD if few else ComplaintState.COMPLAINT_STATE_CLOSED
        insert_complaint(tx, ComplaintRow(complaint, ""), number, NOW)
        joint = JointOrder(id=f"{OWN}/J{number}", leader_region=OWN, create_time=time, version=1)
        joint.state = list(JointOrderState.values())[2 if few else 4]
        insert_joint_order(tx, JointOrderRow(joint, ""), number, NOW)
    if isinstance(tx, PostgresqlTransaction):
        for table in TABLES:
            tx.execute(f"ANALYZE {table}")


class Plans:
    """The plans of statements on some tables, on either engine."""

    def __init__(self, patch: pytest.MonkeyPatch, tables: Sequence[str], *, sorting: bool) -> None:
        self._is_sorting = sorting
        self._about = re.compile(rf"\b(FROM|UPDATE) ({'|'.join(tables)}) (WHERE|SET)\b")
        self._found = list[str]()
        for kind in (SqliteTransaction, PostgresqlTransaction):
            of = kind._run
            patch.setattr(kind, "_run", lambda tx, sql, told, of=of: self._ran(tx, sql, told, of))

    def of(self, tx: Transaction, ask: Callable[[Transaction], object]) -> list[str]:
        """Those of what a function asks for."""
        self._found.clear()
        ask(tx)
        return list(self._found)

    def _ran(self, tx: UnitTransaction, sql: str, parameters: Parameters, of: Callable[..., Cursor]) -> Cursor:
        if self._about.search(sql):
            if isinstance(tx, PostgresqlTransaction) and not self._is_sorting:
                of(tx, "SET LOCAL enable_sort = off", {})
            self._found.append("; ".join(map(str, explained(tx, of, sql, parameters))))
        return of(tx, sql, parameters)


def test_each_filter_goes_by_its_index_and_sorts_nothing(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await store.write(fill)
            plans = Plans(monkeypatch, TABLES, sorting=False)
            for index, asked in LISTS.items():
                for name, ask in asked.items():
                    found = await store.read(partial(plans.of, ask=ask))
                    assert len(found) >= 2, name
                    assert not [each for each in found if index not in each or reads_all(each)], (index, name)
                    assert not [each for each in found if re.search(r"TEMP B-TREE|Sort ", each)], (index, name)

    run(scenario())


def test_erasure_and_retention_find_by_an_index_what_goes(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            plans = Plans(monkeypatch, [table for table, _, _ in LOOKS], sorting=True)
            for table, index, ask in LOOKS:
                found = await store.write(partial(plans.of, ask=ask))
                assert [each for each in found if index in each], (table, index, found)
                assert not [each for each in found if reads_all(each)], (table, found)

    run(scenario())
