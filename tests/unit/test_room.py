"""Room for new work: whatever its kind, an operator has a part of each lane."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.lanes import Lanes
from gateway.store.port import Store
from region_node.business.joint.application import JointApplication
from region_node.business.orders.application import OrderApplication
from region_node.business.orders.bulk import _NO_ROOM, _once_there_is_room
from region_node.care.complaints.application import ComplaintApplication
from region_node.network.faults.application import FaultApplication
from region_node.node.context import RegionContext
from region_node.node.day_work import DayWork
from region_node.node.open_work import OpenWork
from region_node.requests.room import LONGEST_LANE, LONGEST_OF_OPERATOR, Room
from region_node.tickets.application import TicketApplication

NUMBER = "+8619851000001"


class Lane:
    """A lane of so many envelopes, most of one operator."""

    def __init__(self, count: int, of: int) -> None:
        self._count = count
        self._of = of

    def __len__(self) -> int:
        return self._count

    def waiting_of(self, operator: str) -> int:
        return self._of if operator == "counter" else 0


def room(
    lanes: dict[str, Lane], *, has_disk: bool = True, work: OpenWork | None = None, day: DayWork | None = None
) -> Room:
    """The room of Guangdong; the number is of Sichuan."""
    federation = SimpleNamespace(number_plan=SimpleNamespace(home_of={NUMBER: "sichuan"}.get))
    border = SimpleNamespace(clock=SimpleNamespace(require_trusted=lambda: None))
    context = SimpleNamespace(
        region="guangdong",
        federation=federation,
        border=border,
        open_work=work or OpenWork(),
        day_work=day or DayWork(),
    )
    return Room(
        cast("RegionContext", context),
        cast("Store", SimpleNamespace(accepts_new_work=lambda: has_disk)),
        cast("Lanes", SimpleNamespace(known=lanes.get)),
    )


def test_an_operator_has_a_part_of_each_lane_and_the_others_have_the_rest() -> None:
    full = room({"sichuan": Lane(LONGEST_OF_OPERATOR + 1, LONGEST_OF_OPERATOR + 1), "guangdong": Lane(99_999, 0)})
    for asked in ({"number": NUMBER}, {"regions": ["henan", "sichuan"]}):
        with pytest.raises(Refused) as refused:
            full.require("counter", **asked)
        assert refused.value.reason == Reason.REASON_ORDERS_WAITING_TOO_MANY
        assert refused.value.parameters == {"operator": "counter", "waiting": "10001", "region": "sichuan"}
        full.require("kiosk", **asked)
    full.require("counter", regions=["henan", "guangdong", "", "nowhere"])
    full.require("counter", number="+8610000000000")


def test_a_lane_that_is_full_takes_nobodys_work_and_a_full_disk_none_at_all() -> None:
    full = room({"sichuan": Lane(LONGEST_LANE + 1, 0)})
    with pytest.raises(Refused) as refused:
        full.require("kiosk", number=NUMBER)
    assert refused.value.reason == Reason.REASON_TOO_BUSY
    with pytest.raises(Refused) as refused:
        room({}, has_disk=False).require("kiosk")
    assert refused.value.reason == Reason.REASON_STORE_UNAVAILABLE


def test_an_operator_has_a_share_of_the_database_whatever_its_work_is_for() -> None:
    work = OpenWork()
    work.by_operator, work.most = {"counter": 8, "kiosk": 7}, 7
    full = room({}, work=work)
    for asked in ({"number": NUMBER}, {"regions": ["guangdong"]}, {}):
        with pytest.raises(Refused) as refused:
            full.require("counter", **asked)
        assert refused.value.reason == Reason.REASON_OPEN_WORK_TOO_MUCH
        full.require("kiosk", **asked)


def test_an_operator_has_a_share_of_each_day_whatever_it_does() -> None:
    day = DayWork()
    day.by_operator, day.most = {"counter": 8, "kiosk": 7}, 7
    full = room({}, day=day)
    with pytest.raises(Refused) as refused:
        full.require("counter")
    assert refused.value.reason == Reason.REASON_DAY_WORK_TOO_MUCH
    assert refused.value.parameters == {"operator": "counter", "count": "8", "most": "7"}
    full.require("kiosk")


def test_a_bulk_order_waits_for_room_that_its_operator_has_not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("region_node.business.orders.bulk._LOOK_AGAIN", 0)
    accepted = Order(id="sichuan/counter/1")
    answers = [Refused(reason) for reason in _NO_ROOM]

    async def take_in(request_id: str, order: OrderRequest, wait: Duration) -> Order:
        if answers:
            raise answers.pop()
        return accepted

    async def scenario() -> None:
        assert await _once_there_is_room(take_in, "1", OrderRequest(), Duration()) == accepted

    asyncio.run(scenario())
    assert not answers


def test_a_bulk_order_beyond_the_share_of_its_operator_is_refused_at_once_and_holds_no_place() -> None:
    tries = []

    async def take_in(request_id: str, order: OrderRequest, wait: Duration) -> Order:
        tries.append(request_id)
        raise Refused(Reason.REASON_OPEN_WORK_TOO_MUCH)

    with pytest.raises(Refused) as refused:
        asyncio.run(_once_there_is_room(take_in, "1", OrderRequest(), Duration()))
    assert (refused.value.reason, tries) == (Reason.REASON_OPEN_WORK_TOO_MUCH, ["1"])


def test_each_kind_of_work_asks_for_room() -> None:
    for takes_in in (
        OrderApplication.submit,
        JointApplication.submit,
        ComplaintApplication.file,
        FaultApplication.report,
        TicketApplication._open,
    ):
        names = takes_in.__code__.co_names
        assert {"room", "_room"} & set(names), takes_in
        assert "require" in names, takes_in
