"""The feed of order events where erasure has left of an event what its row has."""

import sqlite3
from contextlib import closing

from gateway.store.sqlite import SqliteTransaction
from region_node.business.orders.events import order_events
from region_node.requests.checks import NODE_OPERATOR


def test_an_event_without_its_body_names_the_caller_of_its_order_also_one_with_a_slash() -> None:
    callers = ["counter", "staff/wang", NODE_OPERATOR]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE order_events (sequence, order_id, version, state, time, body)")
        connection.execute("CREATE TABLE orders (order_id, business, create_time)")
        rows = [(number, f"henan/{each}/R1", 1, 1, 0, None) for number, each in enumerate(callers, 1)]
        connection.executemany("INSERT INTO order_events VALUES (?, ?, ?, ?, ?, ?)", rows)
        found = order_events(SqliteTransaction(connection, None), 0)
    assert [(each.origin_region, each.operator) for each in found] == [("henan", each) for each in callers]
