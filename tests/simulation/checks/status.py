"""Monotonic status (G7), by what every region noted of every change."""

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import text
from tests.simulation.evidence import Evidence
from tests.simulation.status import Observer, may_follow


def check(evidence: Evidence) -> None:
    """The events of every order in every region, and the state changes that the orders tell."""
    last: dict[tuple[str, str], tuple[int, OrderState.ValueType]] = {}
    for region, row in evidence.rows("SELECT order_id, version, state FROM order_events ORDER BY sequence"):
        key, now = (region, row["order_id"]), (row["version"], row["state"])
        before = last.get(key, now)
        last[key] = now
        if now[0] < before[0] or not may_follow(before[1], now[1]):
            shown = [f"{OrderState.Name(state)} v{version}" for version, state in (before, now)]
            evidence.broken("monotonic status", row["order_id"], f"in {region} it went from {shown[0]} to {shown[1]}")
    for stored in evidence.orders:
        Observer(stored.region, evidence.history).see(stored.order)
        # A region's own system may be away in each phase of an order; that is told each time.
        away = text(Reason.REASON_PROVIDER_UNAVAILABLE, {}).en
        alerted = [alert.region for alert in stored.order.jeopardy_alerts if away not in alert.message]
        alerted += [f"{alert.alert_time}" for alert in stored.order.jeopardy_alerts if away in alert.message]
        if len(alerted) != len(set(alerted)):
            evidence.broken("fires once", stored.order.id, f"{stored.region} shows a jeopardy alert twice")
