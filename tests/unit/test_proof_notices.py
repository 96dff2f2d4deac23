"""Who is told of an order that waits for the customer's proof, and of which instant."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.sqlite import SqliteTransaction
from region_node.customers.notices.rows import claim
from region_node.customers.operations import keep_customer
from region_node.customers.proof import ORDER_NOTICE, Asked, ask_customer, order_text
from region_node.customers.rows import CustomerRow, Line, insert_lines
from region_node.node.context import RegionContext
from tests.empty_database import empty_database
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, LINE, NOW

DUE = datetime(2030, 6, 15, 4, 0, 1, tzinfo=UTC)
DUE = datetime(2030, 6, 15, 4, 0, 1, tzinfo=UTC)


def other(number: int, customer_id: str = LINE.customer_id) -> Line:
    """Another line."""
    return replace(
        LINE, product_id=f"{customer_id}-other-{number}", number=f"+861980000{number:04d}", customer_id=customer_id
    )


def home() -> RegionContext:
    """The home region of the line."""
    current, shared = CurrentFederation(), keys()
    current.update(FEDERATION, ())
    return RegionContext(Border("sichuan", shared.signers["sichuan"], shared.trusted, current))


def test_the_line_and_some_more_of_the_customer_that_are_in_service_are_told() -> None:
    suspended = replace(other(1), status=ProductStatus.PRODUCT_STATUS_SUSPENDED)
    lines = [LINE, suspended, other(2), other(3, "somebody-else")]
    name = LocalizedText(zh_cn="{业务}", en="{name}")  # a business may be called anything
    asked = Asked("guangdong/counter/1", "guangdong", ORDER_NOTICE, order_text(name))
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        tx = SqliteTransaction(connection, RegionKeys(KeySet.new()))
        for customer in {line.customer_id for line in lines}:
            keep_customer(tx, CustomerRow(customer, "王芳", "wang@example.com"))
        insert_lines(tx, lines, NOW, [b""] * len(lines))
        for _ in range(2):
            ask_customer(tx, home(), LINE, asked, DUE, NOW)
        notices = [each.notice for each in claim(tx, NOW, 10, timedelta(minutes=1), None)]
    assert [notice.number for notice in notices] == [LINE.number, other(2).number]
    assert {notice.text.en for notice in notices} == {notices[0].text.en}
    assert "2030-06-15 12:01" in notices[0].text.en, "the next full minute in the home region"
    assert "2030-06-15 12:01" in notices[0].text.zh_cn
