"""A caller about joint orders at one region's node: a member of its staff, or an operator system."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import grpc

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind, LineKind
from gateway.api.region.v1 import joint_order_service_pb2 as api
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointOrderState, JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import WorkOnJointOrderRequest
from gateway.api.region.v1.joint_order_service_pb2_grpc import JointOrderServiceStub
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from tests.federation.counter import REQUESTER, Counter
from tests.federation.refusals import read
from tests.federation.running import CALL_SECONDS, Federation, until

ROOM = WorkOnJointOrderRequest(reserve=WorkOnJointOrderRequest.Reserve())
VERIFIED = WorkOnJointOrderRequest(verify=WorkOnJointOrderRequest.Verify())
PAPERS = {
    "LEASED_LINE": ("BIZ_LIC", "SEAL_LETTER", "HANDLER_ID", "CONTRACT", "ADDR"),
    "LEASED_CHANGE": ("CONTRACT", "SEAL_LETTER"),
    "BB_MOVE": ("BIZ_LIC", "ADDR"),
    "TRANSFER": ("BIZ_LIC", "SEAL_LETTER", "NEW_OWNER_ID", "TRANSFER_AGR"),
}
MONTH_BEGINS = 3  # days without a transfer
CHARACTERISTICS = {"BB_MOVE": dict[str, str](), "TRANSFER": {"new_owner": "李四"}}


def item_of(order: JointOrder, item_id: str) -> JointItem:
    """The item of an order."""
    return next(each for each in order.items if each.id == item_id)


async def with_broadband(federation: Federation, region: str) -> str:
    """The number of a new customer of a region who has broadband."""
    return await Counter(federation, region).new_customer(kind=LineKind.LINE_KIND_BROADBAND)


@dataclass(frozen=True)
class JointStaff:
    """Staff of a region, or who else is named, for example `operator/counter`."""

    federation: Federation
    region: str
    name: str = "staff/wang"

    @property
    def service(self) -> JointOrderServiceStub:
        """The service of joint orders of the region's node."""
        return JointOrderServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/{self.name}"))

    @property
    def requester(self) -> Requester:
        """The member of staff of the certificate, or whom an operator system names."""
        role, _, name = self.name.partition("/")
        return Requester(staff_id=name, channel=Channel.CHANNEL_COUNTER) if role == "staff" else REQUESTER

    def request(self, business: str, regions: Sequence[str], number: str = "") -> api.SubmitJointOrderRequest:
        """A good request with a place in each of the regions."""
        counter = Counter(self.federation, self.region)
        order = OrderRequest(
            business=business,
            number=number,
            applicant=Applicant.APPLICANT_ENTERPRISE,
            documents=[counter.document(code, verifier=self.requester.staff_id) for code in PAPERS[business]],
            characteristics=CHARACTERISTICS.get(business, {"bandwidth": "1 Gbit/s"}),
            requester=self.requester,
        )
        places = [JointPlace(region=region, address=f"{region}人民路1号") for region in regions]
        return api.SubmitJointOrderRequest(request_id=self.federation.next_id(), order=order, places=places)

    async def submits(self, request: api.SubmitJointOrderRequest) -> JointOrder:
        """Submits a joint order, a transfer on the next day on which the month permits it."""
        if request.order.business == "TRANSFER":
            today = self.federation.clock.now().astimezone(ZoneInfo("Asia/Shanghai"))
            if today.day <= MONTH_BEGINS:
                await self.federation.advance(timedelta(days=MONTH_BEGINS + 1 - today.day))
        return (await self.service.SubmitJointOrder(request, timeout=CALL_SECONDS)).order

    async def get(self, joint_order_id: str) -> JointOrder:
        """The joint order as it stands at this region."""
        message = api.GetJointOrderRequest(joint_order_id=joint_order_id, requester=self.requester)
        return (await self.service.GetJointOrder(message, timeout=CALL_SECONDS)).order

    async def list(self, number: str) -> Sequence[str]:
        """The ids of the joint orders of a number, newest first."""
        message = api.ListJointOrdersRequest(number=number, requester=self.requester)
        return [each.id for each in (await self.service.ListJointOrders(message, timeout=CALL_SECONDS)).orders]

    async def cancels(self, joint_order_id: str) -> JointOrder:
        """Cancels a joint order for the customer."""
        message = api.CancelJointOrderRequest(
            request_id=self.federation.next_id(),
            joint_order_id=joint_order_id,
            reason="不再需要",
            requester=self.requester,
        )
        return (await self.service.CancelJointOrder(message, timeout=CALL_SECONDS)).order

    async def supplements(self, joint_order_id: str, documents: Sequence[Document]) -> JointOrder:
        """Hands in the customer's own proof."""
        message = api.SupplementJointOrderRequest(
            request_id=self.federation.next_id(),
            joint_order_id=joint_order_id,
            documents=documents,
            requester=self.requester,
        )
        return (await self.service.SupplementJointOrder(message, timeout=CALL_SECONDS)).order

    async def works(
        self, joint_order_id: str, item_id: str, step: WorkOnJointOrderRequest, request_id: str = ""
    ) -> JointOrder:
        """Does a step on an item."""
        message = WorkOnJointOrderRequest()
        message.CopyFrom(step)
        message.request_id = request_id or self.federation.next_id()
        message.joint_order_id, message.item_id = joint_order_id, item_id
        return (await self.service.WorkOnJointOrder(message, timeout=CALL_SECONDS)).order

    async def follows(self, joint_order_id: str, holds: Callable[[JointOrder], bool], what: str) -> JointOrder:
        """The joint order once something holds of it at this region."""
        found = JointOrder()

        async def is_so() -> bool:
            try:
                found.CopyFrom(await self.get(joint_order_id))
            except grpc.aio.AioRpcError as error:
                if read(error).reason != "JOINT_ORDER_NOT_FOUND":  # it may be on its way
                    raise
                return False
            return holds(found)

        await until(is_so, f"{joint_order_id} in {self.region}: {what}")
        return found

    async def reaches(self, joint_order_id: str, state: JointOrderState.ValueType) -> JointOrder:
        """The joint order once it is in a state at this region."""
        return await self.follows(joint_order_id, lambda each: each.state == state, JointOrderState.Name(state))

    async def reserves(self, joint_order_id: str, item_id: str) -> None:
        """Reserves room for an item, once the region has it, and once it has asked the customer where it has to."""
        order = await self.follows(joint_order_id, lambda each: each.version > 0, "taken in")
        if item_of(order, item_id).HasField("verify_until_time"):
            await self.works(joint_order_id, item_id, VERIFIED)
        await self.works(joint_order_id, item_id, ROOM)

    async def finishes(self, joint_order_id: str, item_id: str) -> None:
        """Reaches all milestones of an item behind the survey, once its work has begun."""
        order = await self.follows(
            joint_order_id, lambda each: item_of(each, item_id).HasField("begin_time"), f"{item_id} begins"
        )
        for milestone in item_of(order, item_id).milestones[1:]:
            await self.reach(joint_order_id, item_id, milestone.kind)

    async def reach(self, joint_order_id: str, item_id: str, kind: JointMilestoneKind.ValueType) -> JointOrder:
        """Reaches a milestone of an item."""
        return await self.works(joint_order_id, item_id, WorkOnJointOrderRequest(reach=kind))
