"""The board of a coordinator: counts of which there may be more, and questions that do not wait for each other."""

import asyncio
from collections import Counter

from google.protobuf.message import Message

from coordinator.console import board
from gateway.api.coordinator.v1.administration_pb2 import ListOrderSummariesRequest, ListOrderSummariesResponse
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.time.clock import to_timestamp
from gateway.web.console.live import Answers
from gateway.web.console.pages import Calling, Rpc
from tests.simulation.virtual_time import VirtualLoop
from tests.unit.console_pages import NOW, M, visit
from tests.unit.network_answers import problems
from tests.unit.test_complaint_report import read
from tests.unit.test_coordinator_console import ADMIN, outages, regions, written

_RPCS = 6
"""The calls of the board."""


def test_a_pair_of_regions_of_whose_orders_there_may_be_more_says_so_in_the_table_and_on_the_map() -> None:
    newest = ListOrderSummariesResponse(next_page_token="T")
    for _ in range(2):
        order = newest.orders.add(origin_region="guangdong", home_region="sichuan")
        order.create_time.CopyFrom(to_timestamp(NOW))
    page = written("/board", regions(), newest, ListOrderSummariesResponse(), problems(), outages())
    assert Counter(read(page).texts)["2+"] == 3, "both regions, and the pair"
    newest.next_page_token = ""
    whole = written("/board", regions(), newest, ListOrderSummariesResponse(), problems(), outages())
    assert "2+" not in whole
    flows = [each for each in page.splitlines() if 'class="flow' in each and "guangdong" in each and "2+" in each]
    assert len(flows) == 1


def test_a_region_that_never_joined_is_on_the_map_and_in_the_tables_where_a_flow_concerns_it() -> None:
    waiting, none = ListOrderSummariesResponse(), ListOrderSummariesResponse()
    order = waiting.orders.add(origin_region="guangdong", home_region="hunan")
    order.create_time.CopyFrom(to_timestamp(NOW))
    told = regions()
    told.members.extend(Member(region=each, state=MemberState.MEMBER_STATE_ABSENT) for each in ("hubei", "hunan"))
    page = written("/board", told, waiting, none, problems(), outages())
    flows = [each for each in page.splitlines() if 'class="flow' in each and "hunan" in each]
    assert (len(flows), "guangdong · hunan" in page, "regions/hunan" in page) == (1, True, True)
    assert ("regions/hubei" in page, "从未接入的地区：1个" in page) == (False, True)
    assert "regions/hubei" in written("/board", told, waiting, none, problems(), outages(), query="show=all")


class Together(Calling):
    """RPCs that answer once so many of them are asked."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._asked = 0
        self._all = asyncio.Event()

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        self._asked += 1
        if self._asked == self._most:
            self._all.set()
        await self._all.wait()
        return rpc.answer()


def test_the_board_asks_for_all_at_once_and_waits_for_a_region_once() -> None:
    async def read_board() -> None:
        await board.VIEW.read(visit("", ADMIN), Together(_RPCS))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(read_board())


def test_the_board_counts_orders_that_regions_need_not_open() -> None:
    asked: list[ListOrderSummariesRequest] = []

    class Noting(Calling):
        async def ask(self, rpc: Rpc[M], request: Message) -> M:
            if isinstance(request, ListOrderSummariesRequest):
                asked.append(request)
            return rpc.answer()

    async def read_board() -> None:
        await board.VIEW.read(visit("", ADMIN), Noting())

    asyncio.run(read_board())
    assert [each.basic for each in asked] == [True, True]


def test_a_live_board_asks_anew_at_once() -> None:
    async def renew() -> None:
        answers = Answers()
        answers.calling = Together(1)
        await answers.read(board.VIEW.read(visit("", ADMIN), answers))
        await answers.renew(Together(_RPCS), lambda _: True)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(renew())
