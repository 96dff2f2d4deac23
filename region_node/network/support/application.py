"""The support application service: the work of the service, without gRPC."""

from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportRequest
from gateway.api.region.v1.support_service_pb2 import WorkOnSupportRequestRequest
from region_node.network.support import handling
from region_node.network.support.rows import SUPPORT
from region_node.requests.caller import Caller
from region_node.tickets.application import TicketApplication


class SupportApplication(TicketApplication[SupportRequest]):
    """Accepts support requests and staff actions, and waits for the region at fault on request."""

    kind = SUPPORT
    is_opened = "support-opened.after-commit"
    is_worked = "support-worked.after-commit"

    async def open(
        self, caller: Caller, inquiry: SupportInquiry, unmeasured: SupportInquiry | None = None
    ) -> SupportRequest:
        """Accepts a support request. `unmeasured` is the original inquiry, where measurements were added to it."""
        return await self._open(
            caller,
            lambda tx, now: handling.open_request(tx, self._context, caller, inquiry, now, unmeasured=unmeasured),
            number=inquiry.number,
        )

    async def work(self, caller: Caller, asked: WorkOnSupportRequestRequest, wait: float) -> SupportRequest:
        """Executes a staff member's action; raises Refused where the region at fault has refused it."""
        return await self._work(caller, lambda tx, now: handling.work(tx, self._context, caller, asked, now), wait)
