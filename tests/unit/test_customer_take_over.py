"""Customers that a region takes over from an older system."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.region.v1.customer_service_pb2 import BillingAccount, Customer, Product, ProductStatus
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused, text
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.store.port import Transaction
from gateway.store.sqlite import SqliteTransaction
from gateway.store.timers import due_timers, fire
from region_node.customers.imports import Candidate, importing
from region_node.customers.listed_lines import count_lines
from region_node.customers.operations import (
    SUSPENSION_TIMER,
    change,
    create,
    keep_line,
    number_of,
    read_page,
    suspension_has_ended,
)
from region_node.customers.rows import CustomerRow, Line, find_line, give_up_number
from region_node.customers.taking_over import NewCustomer, new_customer
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from region_node.requests.importing.progress import Taken
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.shipped import shipped_configuration
from tests.simulation.world import keys

NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
END = NOW + timedelta(days=30)
NUMBER = "+8619851000001"
ASKED = AuditedCall("operator/counter", "clerk-7", NOW)


@pytest.fixture
def tx() -> Iterator[Transaction]:
    with closing(empty_database("gateway", "region_node")) as connection:
        yield SqliteTransaction(connection, region_keys())


def suspended(until: datetime | None) -> NewCustomer:
    line = Line(
        product_id="line-1",
        customer_id="customer-1",
        account_id="account-1",
        number=NUMBER,
        status=ProductStatus.PRODUCT_STATUS_SUSPENDED,
        plan_id="sichuan-29",
        start_time=NOW - timedelta(days=400),
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


def test_a_customer_with_several_lines_is_listed_with_each_of_them_once(tx: Transaction) -> None:
    first = suspended(until=None)
    others = [replace(first.line, product_id=f"line-{number}", number=f"+861985100000{number}") for number in (2, 3)]
    create(tx, [first], "CNY", ASKED)
    for line in others:
        keep_line(tx, line, NOW)
    found: list[str] = []
    after = ("", "")
    while page := read_page(tx, *after, 2, ASKED):
        found += [known.line.product_id for known in page]
        after = (page[-1].customer.customer_id, page[-1].line.product_id)
    assert found == ["line-1", "line-2", "line-3"]
    after = ("", "")
    while page := read_page(tx, *after, 2, ASKED, in_reverse=True):
        found += [known.line.product_id for known in page]
        after = (page[-1].customer.customer_id, page[-1].line.product_id)
    assert found[3:] == ["line-3", "line-2", "line-1"]
    assert [known.line.product_id for known in read_page(tx, "", "", 1, ASKED, 2)] == ["line-3"]
    assert (count_lines(tx, 3), count_lines(tx, 2)) == (3, None)


def test_the_id_of_a_line_names_nobody_else_once_its_number_is_anothers(tx: Transaction) -> None:
    def why(product_id: str) -> Reason.ValueType:
        with pytest.raises(Refused) as refused:
            number_of(tx, product_id)
        return refused.value.reason

    create(tx, [suspended(until=None)], "CNY", ASKED)
    assert number_of(tx, "line-1") == NUMBER
    assert why("line-2") == Reason.REASON_CUSTOMER_NOT_FOUND
    line = find_line(tx, NUMBER)
    assert line is not None
    give_up_number(tx, line)
    keep_line(tx, replace(line, product_id="line-2"), NOW)
    assert why("line-1") == Reason.REASON_CUSTOMER_MOVED
    assert number_of(tx, "line-2") == NUMBER


def test_a_customer_is_known_by_what_was_told_and_not_by_what_has_become_of_them(tx: Transaction) -> None:
    told = replace(suspended(until=None), digest=b"1")
    assert create(tx, [told], "CNY", ASKED) == 1
    keep_line(tx, replace(told.line, plan_id="sichuan-59"), NOW)
    change(tx, NUMBER, {"name": "王小芳"}, ASKED)
    assert create(tx, [told], "CNY", ASKED) == 0
    for others in ([replace(told, digest=b"2")], [told, replace(told, digest=b"2")]):
        with pytest.raises(Refused) as raised:
            create(tx, others, "CNY", ASKED)
        assert raised.value.reason == Reason.REASON_CUSTOMER_EXISTS


def test_a_batch_is_known_again_although_no_such_line_would_be_added_any_more(tx: Transaction) -> None:
    def withdrawn(line: Line) -> None:
        raise Refused(Reason.REASON_PLAN_UNKNOWN, plan=line.plan_id)

    told = replace(suspended(until=None), digest=b"1")
    with pytest.raises(Refused):
        create(tx, [told], "CNY", ASKED, withdrawn)
    assert create(tx, [told], "CNY", ASKED) == 1
    assert create(tx, [told], "CNY", ASKED, withdrawn) == 0


def test_a_line_of_another_file_is_known_again_although_its_plan_has_gone(tx: Transaction) -> None:
    current, later = CurrentFederation(), shipped_configuration()
    current.update(Federation(1, shipped_configuration()), [])
    work = importing(RegionContext(Border("sichuan", keys().signers["sichuan"], keys().trusted, current)))
    told = replace(suspended(until=None), digest=b"1")
    assert work.take(tx, [Candidate(2, told)], ASKED) == Taken(1, [])
    left = [plan for plan in later.plans if plan.id != told.line.plan_id]
    del later.plans[:]
    later.plans.extend(left)
    current.update(Federation(2, later), [])
    line = replace(told.line, number="+8619851000002", product_id="p-2", customer_id="c-2", account_id="a-2")
    new = NewCustomer(CustomerRow("c-2", "李伟", ""), line, 0, digest=b"2")
    piece = [Candidate(2, told), Candidate(3, new)]
    for found in (work.check(tx, piece), work.take(tx, piece, ASKED)):
        assert (found.created, [(each.number, each.reason) for each in found.rejections]) == (
            0,
            [(3, Reason.REASON_PLAN_UNKNOWN)],
        )


def test_who_was_taken_over_before_contents_were_remembered_is_known_by_name(tx: Transaction) -> None:
    told = suspended(until=None)
    create(tx, [told], "CNY", ASKED)
    assert create(tx, [replace(told, digest=b"1")], "CNY", ASKED) == 0
    with pytest.raises(Refused):
        create(tx, [replace(told, customer=CustomerRow("customer-1", "李伟", ""), digest=b"1")], "CNY", ASKED)


def test_a_customer_does_not_come_to_an_account_that_is_anothers(tx: Transaction) -> None:
    first = suspended(until=None)
    create(tx, [first], "CNY", ASKED)
    line = replace(first.line, product_id="line-2", customer_id="customer-2", number="+8619851000002")
    with pytest.raises(Refused) as raised:
        create(tx, [NewCustomer(CustomerRow("customer-2", "李伟", ""), line, 0)], "CNY", ASKED)
    assert raised.value.reason == Reason.REASON_CUSTOMER_EXISTS


@pytest.mark.parametrize(
    "account", ["cash", "rent", "late-fee", "opening", "payable/guangdong", "receivable/guangdong"]
)
def test_no_customer_has_one_of_the_region_s_own_accounts(account: str) -> None:
    customer = Customer(id="c", name="王芳", product=Product(id="p", number=NUMBER, plan_id="sichuan-29"))
    customer.product.status = ProductStatus.PRODUCT_STATUS_ACTIVE
    customer.billing_account.id, customer.billing_account.balance.currency = "account-1", "CNY"
    assert new_customer(customer, "CNY").line.account_id == "account-1"
    customer.billing_account.id = account
    with pytest.raises(Refused) as raised:
        new_customer(customer, "CNY")
    assert raised.value.parameters["field"] == "billing_account.id"


def test_what_no_customer_can_be_is_told_in_chinese_without_english() -> None:
    good = Product(id="line-1", number=NUMBER, status=ProductStatus.PRODUCT_STATUS_ACTIVE, plan_id="sichuan-29")
    good.start_time.FromDatetime(NOW)
    account = BillingAccount(id="account-1", balance=Money(currency="CNY"))
    for wrong in ({"status": 0}, {"status": 99}, {"suspension_kind": 1}, {"id": ""}, {"address": "x" * 5000}):
        product = Product()
        product.CopyFrom(good)
        for name, value in wrong.items():
            setattr(product, name, value)
        customer = Customer(id="customer-1", name="Li Wei", product=product, billing_account=account)
        with pytest.raises(Refused) as refused:
            new_customer(customer, "CNY")
        told = text(refused.value.reason, refused.value.parameters)
        assert not re.search("[a-z]{2,} [a-z]{2,}", told.zh_cn), told.zh_cn
