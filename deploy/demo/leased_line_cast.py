"""Installers: staff of a region who survey and build its part of a line, with certificates of their own."""

import asyncio
from collections.abc import Callable, Mapping

from deploy.demo.cast import Attester
from deploy.demo.client import Client
from gateway.api.region.v1 import joint_order_service_pb2 as api
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointPlace
from gateway.api.region.v1.joint_order_service_pb2_grpc import JointOrderServiceStub
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Requester
from gateway.errors import Refused

_PAPERS = ("BIZ_LIC", "SEAL_LETTER", "HANDLER_ID", "CONTRACT", "ADDR")
_PATIENCE = 40.0  # seconds until a state that must come is missed
_LOOK_AGAIN = 0.1  # seconds between two looks


class Installer:
    """A member of a region's staff."""

    def __init__(self, name: str, client: Client) -> None:
        self._requester = Requester(staff_id=name, channel=Channel.CHANNEL_COUNTER)
        self._client = client

    async def submit(self, request_id: str, places: Mapping[str, str]) -> JointOrder:
        """Submits a company's leased line between addresses, by region. Raises Refused or Unreachable, as all here."""
        order = OrderRequest(
            business="LEASED_LINE",
            applicant=Applicant.APPLICANT_ENTERPRISE,
            documents=Attester().attest(_PAPERS, self._requester.staff_id),
            characteristics={"bandwidth": "1 Gbit/s"},
            requester=self._requester,
        )
        request = api.SubmitJointOrderRequest(
            request_id=request_id,
            order=order,
            places=[JointPlace(region=region, address=address) for region, address in places.items()],
        )
        rpc = JointOrderServiceStub
        return (await self._client.ask(lambda channel: rpc(channel).SubmitJointOrder, request)).order

    async def order(self, order_id: str) -> JointOrder | None:
        """The order's current version in this region; None while it is on its way."""
        request = api.GetJointOrderRequest(joint_order_id=order_id, requester=self._requester)
        try:
            answer = await self._client.ask(lambda channel: JointOrderServiceStub(channel).GetJointOrder, request)
        except Refused as refused:
            if refused.reason != Reason.REASON_JOINT_ORDER_NOT_FOUND:
                raise
            return None
        return answer.order

    async def reserve(self, order_id: str, item_id: str) -> None:
        """Finds room for an item."""
        step = api.WorkOnJointOrderRequest(reserve=api.WorkOnJointOrderRequest.Reserve())
        await self._work(order_id, item_id, step, "reserve")

    async def refuse(self, order_id: str, item_id: str, reason: str) -> None:
        """Finds no room for an item."""
        await self._work(order_id, item_id, api.WorkOnJointOrderRequest(refuse=reason), "refuse")

    async def build(self, order_id: str, item_id: str) -> None:
        """Reaches one milestone of an item after the other, once the leading region says that its work may begin."""
        begun = await self.until(order_id, lambda each: item_of(each, item_id).HasField("begin_time"))
        for milestone in item_of(begun, item_id).milestones:
            if not milestone.HasField("reach_time"):
                step = api.WorkOnJointOrderRequest(reach=milestone.kind)
                await self._work(order_id, item_id, step, f"reach-{milestone.kind}")

    async def until(self, order_id: str, holds: Callable[[JointOrder], bool]) -> JointOrder:
        """The order as soon as a condition holds in this region. Raises TimeoutError."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    found = await self.order(order_id)
                    if found is not None and holds(found):
                        return found
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise TimeoutError(f"{order_id}: nothing came of it within {_PATIENCE:.0f} s") from None

    async def _work(self, order_id: str, item_id: str, step: api.WorkOnJointOrderRequest, name: str) -> None:
        await self.until(order_id, lambda each: any(item.id == item_id and item.version for item in each.items))
        step.request_id, step.joint_order_id, step.item_id = (
            f"{order_id.rpartition('/')[2]}-{item_id}-{name}",
            order_id,
            item_id,
        )
        await self._client.ask(lambda channel: JointOrderServiceStub(channel).WorkOnJointOrder, step)


def item_of(order: JointOrder, item_id: str) -> JointItem:
    """The item of an order."""
    return next(each for each in order.items if each.id == item_id)
