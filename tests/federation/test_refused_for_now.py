"""A command that the owner's region refuses for a temporary reason: under way for its caller, and done once later."""

from collections.abc import Callable

import pytest

from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.orders import home
from region_node.network.support import owner
from tests.federation.counter import REQUESTER, Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.support_staff import LINK, SupportStaff


def refuse(*_: object) -> None:
    raise Refused(Reason.REASON_TOO_BUSY)


def not_taken(federation: Federation, subject: str) -> Callable[[], list[object]]:
    """Why the envelopes about a subject that are open in Guangdong were not taken."""
    sql = "SELECT not_taken FROM outbox WHERE subject = ? AND closed IS NULL"
    return lambda: [each for (each,) in federation.database("guangdong").rows(sql, subject)]


async def is_kept(federation: Federation, subject: str) -> None:
    waiting = not_taken(federation, subject)

    async def holds() -> bool:
        return waiting() == [Reason.REASON_TOO_BUSY]

    await until(holds, f"the command about {subject} is kept")


async def test_an_order_command_refused_for_now_is_under_way_and_done_once_after(
    federation: Federation, guangdong: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await guangdong.order("TERMINATE", await Counter(federation, "sichuan").new_customer())
    asked = order_api.ExpediteOrderRequest(request_id=federation.next_id(), order_id=order.id, requester=REQUESTER)

    async def expedite() -> Order:
        return (await guangdong.orders.ExpediteOrder(asked, timeout=CALL_SECONDS)).order

    with monkeypatch.context() as patch:
        patch.setattr(home, "apply_command", refuse)
        assert await expedite() == order, "under way"
        await is_kept(federation, order.id)
        assert await expedite() == order, "also the same request again"

    async def is_done() -> bool:
        return len((await guangdong.get(order.id)).expedites) == 1

    await until(is_done, "the reminder arrives")
    assert not not_taken(federation, order.id)()
    assert len((await expedite()).expedites) == 1


async def test_an_order_of_an_own_customer_refused_for_now_is_not_rejected(
    federation: Federation, guangdong: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, request_id = guangdong.request("SUSPEND", await guangdong.new_customer()), federation.next_id()
    with monkeypatch.context() as patch:
        patch.setattr(home, "decide", refuse)
        assert (await refusal(guangdong.submit(request, request_id=request_id))).reason == "TOO_BUSY"
    done = await guangdong.submit(request, request_id=request_id)
    assert done.state == OrderState.ORDER_STATE_COMPLETED


async def test_a_note_for_the_region_at_fault_that_is_refused_for_now_is_written_once_after(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    south = SupportStaff(federation, "guangdong")
    opened = await south.is_taken((await south.open(federation.next_number("guangdong"), link=LINK)).id)
    with monkeypatch.context() as patch:
        patch.setattr(owner, "apply_command", refuse)
        assert (await south.work_without_waiting(opened.id, "客户在十点再试")).notes == opened.notes
        await is_kept(federation, opened.id)
    told = await south.follows(opened.id, lambda each: len(each.notes) == 1, "the note")
    assert told == await SupportStaff(federation, "sichuan").get(opened.id)
