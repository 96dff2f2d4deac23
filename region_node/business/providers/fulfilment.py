"""The region's own system that carries out orders, as a port and over gRPC."""

from typing import Protocol

from gateway.api.provider.v1.fulfilment_service_pb2 import (
    CheckRequest,
    Outcome,
    ProvisionRequest,
    TestRequest,
    UndoRequest,
    Work,
)
from gateway.api.provider.v1.fulfilment_service_pb2_grpc import FulfilmentServiceStub
from region_node.business.orders.provisioning_answers import Answer
from region_node.business.orders.provisioning_rows import Phase
from region_node.node.provider_client import ProviderClient

CALL_SECONDS = 10.0  # for one call; a slower system answers the repeated call
_SERVICE = "gateway.api.provider.v1.FulfilmentService"


class FulfilmentProvider(Protocol):
    """Carries out orders and items of joint orders; the id is the key, so that no call takes effect twice."""

    async def ask(self, phase: Phase, work: Work) -> Answer:
        """Makes the call for one phase of an order.

        Raises Unreachable without an answer; the work may have been done.
        """
        ...


class GrpcFulfilment:
    """The system that the settings name."""

    def __init__(self, client: ProviderClient) -> None:
        self._client = client

    async def ask(self, phase: Phase, work: Work) -> Answer:
        """See the port."""
        match phase:
            case Phase.CHECK:
                return _answer(await self._check(work))
            case Phase.PROVISION:
                return await self._provision(work)
            case Phase.TEST:
                return _answer(await self._test(work))
            case Phase.UNDO:
                return _answer(await self._undo(work))
            case Phase.IDLE:
                raise ValueError(f"nothing is asked about {work.order_id}")

    async def _check(self, work: Work) -> Outcome:
        response = await self._client.call(
            f"{_SERVICE}/Check",
            lambda channel: FulfilmentServiceStub(channel).Check,
            CheckRequest(work=work),
            CALL_SECONDS,
        )
        return response.outcome

    async def _provision(self, work: Work) -> Answer:
        response = await self._client.call(
            f"{_SERVICE}/Provision",
            lambda channel: FulfilmentServiceStub(channel).Provision,
            ProvisionRequest(work=work),
            CALL_SECONDS,
        )
        return Answer(response.outcome.done, response.outcome.problem, dict(response.results))

    async def _test(self, work: Work) -> Outcome:
        response = await self._client.call(
            f"{_SERVICE}/Test",
            lambda channel: FulfilmentServiceStub(channel).Test,
            TestRequest(work=work),
            CALL_SECONDS,
        )
        return response.outcome

    async def _undo(self, work: Work) -> Outcome:
        response = await self._client.call(
            f"{_SERVICE}/Undo",
            lambda channel: FulfilmentServiceStub(channel).Undo,
            UndoRequest(work=work),
            CALL_SECONDS,
        )
        return response.outcome


def _answer(outcome: Outcome) -> Answer:
    return Answer(outcome.done, outcome.problem)
