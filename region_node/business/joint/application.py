"""The application service of joint orders: the work of the service, without gRPC."""

from collections.abc import Sequence

from gateway.api.region.v1.joint_order_pb2 import JointOrder, JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import (
    CancelJointOrderRequest,
    SupplementJointOrderRequest,
    WorkOnJointOrderRequest,
)
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import CommittedElsewhere, Store
from gateway.time.clock import Clock
from region_node.business.joint import leading, working
from region_node.business.joint.rows import JOINT_SUBJECTS, JointOrderChanged
from region_node.customers.own_readings import count_apart
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller
from region_node.requests.changes import Changes
from region_node.requests.dealings import OF_NOBODY, Dealer
from region_node.requests.room import Room


class JointApplication:
    """Accepts joint orders, cancellations and the work of staff."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, changes: Changes, room: Room) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._changes = changes
        self._room = room
        store.subscribe(JointOrderChanged, lambda _: changes.wake_watchers())
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)

    async def submit(self, caller: Caller, request: OrderRequest, places: Sequence[JointPlace]) -> JointOrder:
        """Accepts a joint order. A refusal that may name a number of this region which nobody has is counted."""
        self._context.scopes.require_business(caller.operator, request.business)
        self._room.require(caller.operator, number=request.number, regions=[each.region for each in places])
        now = self._clock.now()
        try:
            order = await self._store.write(lambda tx: leading.submit(tx, self._context, caller, request, places, now))
        except Refused as refused:
            if refused.reason in OF_NOBODY:
                dealer = Dealer(self._context.region, caller.operator, request.requester.staff_id)
                await count_apart(self._store, dealer, now, refused.reason)
            raise
        failpoints.reach("joint-submitted.after-commit")
        return order

    async def cancel(self, caller: Caller, asked: CancelJointOrderRequest) -> JointOrder:
        """Cancels a joint order before its decision."""
        now = self._clock.now()
        return await self._store.write(lambda tx: leading.cancel(tx, self._context, caller, asked, now))

    async def supplement(self, caller: Caller, asked: SupplementJointOrderRequest) -> JointOrder:
        """Passes the customer's own proof on to the home region."""
        now = self._clock.now()
        return await self._store.write(lambda tx: leading.supplement(tx, self._context, caller, asked, now))

    async def work(self, caller: Caller, asked: WorkOnJointOrderRequest) -> JointOrder:
        """Executes a step of staff on an item of this region."""
        now = self._clock.now()
        order = await self._store.write(lambda tx: working.work(tx, self._context, caller, asked, now))
        failpoints.reach("joint-worked.after-commit")
        return order

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        """Another process may have changed a joint order that somebody watches here."""
        if any(subject.startswith(JOINT_SUBJECTS) for subject in committed.subjects):
            self._changes.wake_watchers()
