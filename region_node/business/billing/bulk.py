"""Bills in bulk: each request of a stream is answered in the same way as by QueryBill."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from gateway.api.region.v1.billing_service_pb2 import (
    QueryBillRequest,
    QueryBillResponse,
    QueryBillsRequest,
    QueryBillsResponse,
)
from gateway.errors import Refused
from region_node.node.answering import answer_each, at_most
from region_node.requests.checks import error_of

AT_ONCE = 16  # questions of one stream under way: each may be a call to another region, which others ask as well

Query = Callable[[QueryBillRequest], Awaitable[QueryBillResponse]]
"""Queries one bill. Raises Refused."""


def answer_bills(query: Query, requests: AsyncIterator[QueryBillsRequest]) -> AsyncGenerator[QueryBillsResponse, None]:
    """The answer to each question of a stream, in any order. A refusal of one ends nothing."""

    async def answer(request: QueryBillsRequest) -> QueryBillsResponse:
        response = QueryBillsResponse(query_id=request.query_id)
        try:
            response.bill.CopyFrom((await query(request.query)).bill)
        except Refused as refused:
            response.refused.CopyFrom(error_of(refused))
        return response

    return answer_each(requests, answer, at_most(AT_ONCE))
