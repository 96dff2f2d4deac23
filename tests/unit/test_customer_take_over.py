"""Customers that a region takes over from an older system."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteDatabase
from gateway.store.sqlite_schema import apply
from gateway.timers import due_timers, fire
from region_node.auditing import AuditedCall
from region_node.customers.operations import SUSPENSION_TIMER, create, suspension_has_ended
from region_node.customers.rows import CustomerRow, Line, find_line
from region_node.customers.taking_over import NewCustomer

NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
END = NOW + timedelta(days=30)
NUMBER = "+8619851000001"
ASKED = AuditedCall("operator/counter", "clerk-7", NOW)


@pytest.fixture
def tx() -> Iterator[Transaction]:
    database = SqliteDatabase(":memory:")
    with closing(database):
        apply(database.connection, migrations_of("gateway", "region_node"))
        database.begin()
        yield database.transaction()
        database.rollback()


def suspended(until: datetime | None) -> NewCustomer:
    line = Line(
        product_id="line-1",
        customer_id="customer-1",
        account_id="account-1",
        number=NUMBER,
        status=ProductStatus.PRODUCT_STATUS_SUSPENDED,
        plan_id="sichuan-29",
        start_date=NOW - timedelta(days=400),
        contract_end=None,
        binding="",
        sim_replaced=None,
        suspension_reason="abroad",
        suspension_end=until,
    )
    return NewCustomer(CustomerRow("customer-1", "王芳", ""), line, 0)


def test_a_line_taken_over_suspended_is_active_again_at_the_agreed_end(tx: Transaction) -> None:
    create(tx, [suspended(until=END)], "CNY", ASKED)
    assert not due_timers(tx, END - timedelta(seconds=1))
    (timer,) = due_timers(tx, END)
    assert fire(tx, timer, {SUSPENSION_TIMER: suspension_has_ended}, END)
    line = find_line(tx, NUMBER)
    assert line is not None
    assert line.status == ProductStatus.PRODUCT_STATUS_ACTIVE


def test_a_line_taken_over_suspended_for_an_open_time_stays_so(tx: Transaction) -> None:
    create(tx, [suspended(until=None)], "CNY", ASKED)
    assert not due_timers(tx, NOW + timedelta(days=3650))
