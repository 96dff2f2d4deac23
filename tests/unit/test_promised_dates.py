"""Promised dates: an order is watched until it is final, and bears one alert where its date has passed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.store.timers import Timer, fire
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.business.orders import rules
from region_node.business.orders.promises import promise_is_due, promised_date
from region_node.business.orders.rows import PROMISES, OrderRow, insert_order, require_order, update_order
from tests.unit.billing_scene import Books, books

NOW = datetime(2030, 6, 1, 2, tzinfo=UTC)
PROMISED = NOW + timedelta(hours=1)
ORDER_ID = "sichuan/counter/R1"


@pytest.fixture(name="found")
def _found() -> Iterator[Books]:
    """A region that has promised an order to be done in an hour."""
    order = Order(
        id=ORDER_ID,
        request=OrderRequest(business="SUSPEND", number="+8619851000001"),
        state=OrderState.ORDER_STATE_IN_PROGRESS,
        version=1,
        origin_region="sichuan",
        home_region="guangdong",
        expected_completion_time=to_timestamp(PROMISED),
    )
    with books(NOW) as found:
        insert_order(found.tx, OrderRow(order, ""), NOW, promised=promised_date(order))
        yield found


def sweep(found: Books, now: datetime) -> int:
    """Fires what is due at an instant; returns how many alerts the order bears then."""
    handlers = {PROMISES.kind: lambda tx, timer, now: promise_is_due(tx, found.orders, timer, now)}
    for timer in PROMISES.due(found.tx, now, 10):
        assert fire(found.tx, timer, handlers, now, PROMISES)
    return len(require_order(found.tx, ORDER_ID).order.jeopardy_alerts)


def finish(found: Books) -> None:
    """The order is cancelled."""
    order = require_order(found.tx, ORDER_ID).order
    rules.cancel(order, reason="changed my mind", now=NOW, region="sichuan")
    update_order(found.tx, order, NOW)


def test_a_passed_date_is_alerted_once(found: Books) -> None:
    assert sweep(found, PROMISED - timedelta(microseconds=1)) == 0
    assert PROMISES.first(found.tx) == to_microseconds(PROMISED)
    assert sweep(found, PROMISED) == 1
    assert PROMISES.first(found.tx) is None
    assert sweep(found, PROMISED + timedelta(days=1)) == 1


def test_an_order_that_ends_is_watched_no_more(found: Books) -> None:
    finish(found)
    assert PROMISES.first(found.tx) is None
    assert sweep(found, PROMISED) == 0


def test_another_version_of_an_open_order_keeps_the_date(found: Books) -> None:
    order = require_order(found.tx, ORDER_ID).order
    order.version += 1
    update_order(found.tx, order, NOW)
    assert PROMISES.first(found.tx) == to_microseconds(PROMISED)


def test_a_final_order_has_no_date_to_be_watched(found: Books) -> None:
    finish(found)
    assert promised_date(require_order(found.tx, ORDER_ID).order) is None


def test_a_timer_that_outlasts_its_order_does_nothing(found: Books) -> None:
    finish(found)
    for subject in (ORDER_ID, "sichuan/counter/purged"):
        promise_is_due(found.tx, found.orders, Timer("t", PROMISES.kind, subject, 0), PROMISED)
    assert sweep(found, PROMISED) == 0
