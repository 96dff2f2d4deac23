"""ExpediteOrder (催单): seen by the home region, at most once an hour."""

from datetime import timedelta

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from tests.federation.counter import Counter
from tests.federation.refusals import refusal
from tests.federation.running import NOT_JOINED, Federation


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_a_reminder_reaches_the_home_region_once_an_hour(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    at_home = Counter(federation, home)
    order = await guangdong.order("TERMINATE", await at_home.new_customer())
    reminded = await guangdong.expedite(order.id)
    assert [each.staff_id for each in reminded.expedites] == ["clerk-7"]
    assert await at_home.get(order.id) == reminded
    assert (await refusal(guangdong.expedite(order.id))).reason == "EXPEDITED_RECENTLY"
    assert await at_home.get(order.id) == reminded == await guangdong.get(order.id)
    await federation.advance(timedelta(hours=1))
    again = await guangdong.expedite(order.id)
    assert len(again.expedites) == 2
    assert (again.state, again.awaiting) == (order.state, order.awaiting)


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_what_is_final_needs_no_reminder(federation: Federation, guangdong: Counter, home: str) -> None:
    order = await guangdong.order("SUSPEND", await Counter(federation, home).new_customer())
    assert order.state == OrderState.ORDER_STATE_COMPLETED
    told = await refusal(guangdong.expedite(order.id))
    assert (told.reason, told.parameters) == ("ORDER_STATE_FORBIDS", {"state": "completed", "action": "expedite"})


async def test_what_no_region_has_decided_on_cannot_be_expedited(federation: Federation, guangdong: Counter) -> None:
    order = await guangdong.order("SUSPEND", federation.next_number(NOT_JOINED))
    assert (await refusal(guangdong.expedite(order.id))).reason == "ORDER_STATE_FORBIDS"
