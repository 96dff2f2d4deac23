"""The support application service: the work of the service, without gRPC."""

from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportRequest
from gateway.api.region.v1.support_service_pb2 import WorkOnSupportRequestRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.network.support import handling
from region_node.network.support.rows import SUPPORT
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller
from region_node.requests.changes import Changes
from region_node.tickets.followed import answered_request


class SupportApplication:
    """Accepts support requests and staff actions, and waits for the region at fault on request."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, changes: Changes) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._changes = changes

    async def open(
        self, caller: Caller, inquiry: SupportInquiry, unmeasured: SupportInquiry | None = None
    ) -> SupportRequest:
        """Accepts a support request. `unmeasured` is the original inquiry, where measurements were added to it."""
        self._context.border.current.require_trusted_clock()
        if not self._store.accepts_new_work():
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)
        now = self._clock.now()
        opened = await self._store.write(
            lambda tx: handling.open_request(tx, self._context, caller, inquiry, now, unmeasured=unmeasured)
        )
        failpoints.reach("support-opened.after-commit")
        return opened

    async def work(self, caller: Caller, asked: WorkOnSupportRequestRequest, wait: float) -> SupportRequest:
        """Executes a staff member's action; raises Refused where the region at fault has refused it."""
        done = await self._changes.answered(caller, self._worked(caller, asked), wait)
        return await self._store.read(lambda tx: answered_request(SUPPORT, tx, caller, done))

    async def _worked(self, caller: Caller, asked: WorkOnSupportRequestRequest) -> SupportRequest:
        now = self._clock.now()
        done = await self._store.write(lambda tx: handling.work(tx, self._context, caller, asked, now))
        failpoints.reach("support-worked.after-commit")
        return done
