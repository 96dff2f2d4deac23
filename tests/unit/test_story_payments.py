"""The payments of stories: a caller repeats a request whose outcome is not known, and nothing else."""

import asyncio

import grpc
import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest, SubmitOrderResponse
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceServicer, add_OrderServiceServicer_to_server
from tests.stories.payments import COMPLETED, number_of, paid


class Orders(OrderServiceServicer):
    """Fails calls with these statuses, one after the other, and then completes the order."""

    def __init__(self, *failures: grpc.StatusCode) -> None:
        self.failures = list(failures)
        self.request_ids: list[str] = []

    async def SubmitOrder(  # noqa: N802 - named by gRPC
        self,
        request: SubmitOrderRequest,
        context: grpc.aio.ServicerContext[SubmitOrderRequest, SubmitOrderResponse],
    ) -> SubmitOrderResponse:
        self.request_ids.append(request.request_id)
        if self.failures:
            await context.abort(self.failures.pop(0))
        response = SubmitOrderResponse()
        response.order.state = OrderState.ORDER_STATE_COMPLETED
        return response


def outcome(orders: Orders) -> str:
    """How a payment at this service ends."""

    async def scenario() -> str:
        server = grpc.aio.server()
        add_OrderServiceServicer_to_server(orders, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                return await paid(channel, number_of("sichuan"))
        finally:
            await server.stop(None)

    return asyncio.run(scenario())


@pytest.mark.parametrize("failure", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
def test_a_payment_without_an_answer_is_repeated_by_its_request_id(failure: grpc.StatusCode) -> None:
    orders = Orders(failure, failure)  # type: ignore[abstract]  # its other methods are not called
    assert outcome(orders) == COMPLETED
    assert (len(orders.request_ids), len(set(orders.request_ids))) == (3, 1)


def test_a_payment_that_is_refused_is_not_repeated() -> None:
    orders = Orders(grpc.StatusCode.INVALID_ARGUMENT)  # type: ignore[abstract]  # its other methods are not called
    assert outcome(orders) == "INVALID_ARGUMENT"
    assert len(orders.request_ids) == 1
