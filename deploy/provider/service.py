"""The example's FulfilmentService."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import grpc

from deploy.provider.works import Works
from gateway.api.provider.v1.fulfilment_service_pb2 import (
    CheckRequest,
    CheckResponse,
    Outcome,
    ProvisionRequest,
    ProvisionResponse,
    TestRequest,
    TestResponse,
    UndoRequest,
    UndoResponse,
    Work,
)
from gateway.api.provider.v1.fulfilment_service_pb2_grpc import FulfilmentServiceServicer
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.process import failpoints

CHECK, PROVISION, TEST, UNDO = "check", "provision", "test", "undo"
PHASES = (CHECK, PROVISION, TEST, UNDO)
_DONE = Outcome(done=True)
_CANNOT = LocalizedText(zh_cn="资源不足，无法施工", en="no resources to do it with")
_WITHDRAWN = LocalizedText(zh_cn="订单已撤销", en="the order was withdrawn")
_NOT_DONE = LocalizedText(zh_cn="尚未开通", en="it was not provisioned")


@dataclass
class Behaviour:
    """How the example behaves, for demos and tests; may be changed while it runs.

    `refuses`: `BUSINESS` or `BUSINESS:PHASE`, the check where no phase is named. `slow`: seconds before each answer.
    """

    refuses: Collection[str] = ()
    slow: float = 0.0

    def refuse(self, work: Work, phase: str) -> bool:
        """Whether the answer is no."""
        named = f"{work.business}:{phase}"
        return named in self.refuses or (phase == CHECK and work.business in self.refuses)


class FulfilmentService(FulfilmentServiceServicer):
    """See the contract. Provisioning a line gives it a port of this system; a real system would reach its network."""

    def __init__(self, works: Works, behaviour: Behaviour) -> None:
        self._works = works
        self._behaviour = behaviour

    async def Check(
        self, request: CheckRequest, context: grpc.aio.ServicerContext[CheckRequest, CheckResponse]
    ) -> CheckResponse:
        """See the contract."""
        return CheckResponse(outcome=await self._begin(request.work, CHECK) or _DONE)

    async def Provision(
        self, request: ProvisionRequest, context: grpc.aio.ServicerContext[ProvisionRequest, ProvisionResponse]
    ) -> ProvisionResponse:
        """See the contract."""
        refused, order_id = await self._begin(request.work, PROVISION), request.work.order_id
        if self._works.is_undone(order_id):
            return ProvisionResponse(outcome=Outcome(problem=_WITHDRAWN))
        results = self._works.results(order_id)
        if results is None:
            if refused is not None:
                return ProvisionResponse(outcome=refused)
            results = {"port": f"port-{request.work.product_id or order_id.rpartition('/')[2]}"}
            self._works.provision(order_id, results)
            failpoints.reach("provider.provisioned")
        return ProvisionResponse(outcome=_DONE, results=results)

    async def Test(
        self, request: TestRequest, context: grpc.aio.ServicerContext[TestRequest, TestResponse]
    ) -> TestResponse:
        """See the contract."""
        refused = await self._begin(request.work, TEST)
        if refused is None and self._works.results(request.work.order_id) is None:
            refused = Outcome(problem=_NOT_DONE)
        return TestResponse(outcome=refused or _DONE)

    async def Undo(
        self, request: UndoRequest, context: grpc.aio.ServicerContext[UndoRequest, UndoResponse]
    ) -> UndoResponse:
        """See the contract."""
        refused = await self._begin(request.work, UNDO)
        if refused is None:
            self._works.undo(request.work.order_id)
            failpoints.reach("provider.undone")
        return UndoResponse(outcome=refused or _DONE)

    async def _begin(self, work: Work, phase: str) -> Outcome | None:
        """Takes the time that it takes; the refusal where the answer is no."""
        if self._behaviour.slow:
            await asyncio.sleep(self._behaviour.slow)
        return Outcome(problem=_CANNOT) if self._behaviour.refuse(work, phase) else None
