"""The months of regions that have left, as a coordinator takes them from a node."""

import asyncio
from collections.abc import Sequence

import grpc
import pytest

from coordinator.oversight.quality_service import MOST_REPAIR_TIMES, former_months
from coordinator.oversight.region_queries import UnreadableAnswer
from gateway.api.region.v1.quality_service_pb2 import FormerMonth, GetFormerMonthsRequest, GetFormerMonthsResponse
from gateway.federation.former_regions import MOST_FORMER_REGIONS

SECONDS = 30.0
MOST = FormerMonth(region="sichuan", repair_times=[1] * MOST_REPAIR_TIMES)


class Node:
    """A node that gives the same answer to each question."""

    def __init__(self, months: Sequence[FormerMonth]) -> None:
        self.asked: list[Sequence[str]] = []
        self._months = months

    async def answer(
        self,
        request: GetFormerMonthsRequest,
        context: grpc.aio.ServicerContext[GetFormerMonthsRequest, GetFormerMonthsResponse],
    ) -> GetFormerMonthsResponse:
        self.asked.append(list(request.regions))
        return GetFormerMonthsResponse(months=self._months)


async def taken(node: Node, *regions: str) -> Sequence[FormerMonth]:
    """What a coordinator takes from the node."""
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[GetFormerMonthsRequest, GetFormerMonthsResponse] = (
        grpc.unary_unary_rpc_method_handler(
            node.answer, GetFormerMonthsRequest.FromString, GetFormerMonthsResponse.SerializeToString
        )
    )
    service = "gateway.api.region.v1.QualityService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"GetFormerMonths": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            return await former_months("2026-10", regions)(channel, SECONDS)
    finally:
        await server.stop(None)


def test_an_answer_may_have_as_many_repair_times_as_a_month_has() -> None:
    assert asyncio.run(taken(Node([MOST]), "hunan", "sichuan")) == [MOST]


@pytest.mark.parametrize(
    "absurd",
    [
        [MOST, FormerMonth(region="hunan", repair_times=[1])],
        [FormerMonth(region="sichuan")] * 2,
        [FormerMonth(region="henan")],
        [FormerMonth()] * 3,
    ],
    ids=["too many times", "one twice", "another one", "more than asked"],
)
def test_an_absurd_answer_about_regions_that_have_left_counts_as_none(absurd: Sequence[FormerMonth]) -> None:
    with pytest.raises(UnreadableAnswer):
        asyncio.run(taken(Node(absurd), "hunan", "sichuan"))


def test_many_regions_that_have_left_are_asked_about_in_questions_that_a_node_takes() -> None:
    regions, node = [f"region-{number}" for number in range(MOST_FORMER_REGIONS + 1)], Node([])
    assert asyncio.run(taken(node, *regions)) == []
    assert node.asked == [regions[:-1], regions[-1:]]
