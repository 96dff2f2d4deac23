"""Held orders are looked at one by one, and none stands in the way of another."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Operation
from region_node.business.orders.application import OrderApplication, OrderApplicationPorts


class Held:
    """The store of a region that holds three orders, of which one cannot go home for a reason."""

    def __init__(self, reason: Reason.ValueType) -> None:
        self._reason = reason
        self.looked_at: list[str] = []

    async def read(self, _: Operation[list[str]]) -> list[str]:
        """The held orders."""
        return ["first", "second", "third"]

    async def write(self, operation: Operation[None]) -> None:
        """The release of one."""
        held = operation.keywords["held"]  # type: ignore[attr-defined]
        self.looked_at.append(held)
        if held == "first":
            raise Refused(self._reason)


def released(store: Held) -> Reason.ValueType | None:
    """The refusal that the region repeats later; None without one."""
    application = OrderApplication.__new__(OrderApplication)
    application._ports = cast(
        OrderApplicationPorts, SimpleNamespace(store=store, clock=SimpleNamespace(now=lambda: None))
    )
    try:
        asyncio.run(application.release_held())
    except Refused as refused:
        return refused.reason
    return None


@pytest.mark.parametrize(
    ("reason", "looked_at", "is_repeated"),
    [
        (Reason.REASON_HAND_OVER_AWAITED, 3, True),
        (Reason.REASON_BUSINESS_UNKNOWN, 3, False),
        (Reason.REASON_STORE_UNAVAILABLE, 1, True),
    ],
)
def test_an_order_that_cannot_go_home_yet_holds_no_other_up(
    reason: Reason.ValueType, looked_at: int, is_repeated: bool
) -> None:
    store = Held(reason)
    assert released(store) == (reason if is_repeated else None)
    assert len(store.looked_at) == looked_at
