"""The issue application service: the work of the service, without gRPC."""

from gateway.api.region.v1.issue_pb2 import Issue, IssueRequest
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from region_node.care.issues import handling, owner, rules
from region_node.care.issues.rows import ISSUE
from region_node.requests.caller import Caller, Opener
from region_node.tickets.application import TicketApplication


class IssueApplication(TicketApplication[Issue]):
    """Accepts issues and steps of staff, and waits for the owner region on request."""

    kind = ISSUE
    is_opened = "issue-opened.after-commit"
    is_worked = "issue-worked.after-commit"

    async def open(self, opener: Opener, request: IssueRequest) -> Issue:
        """Accepts an issue."""
        rules.require_request(request, self._context.federation.region)
        return await self._open(
            opener,
            lambda tx, now: handling.open_issue(tx, self._context, opener, request, now),
            region=request.owner_region,
        )

    async def appoint(self, asked: owner.Appointment) -> Issue:
        """Makes another region the owner by the word of the coordination body. Raises Refused."""
        now = self._clock.now()
        return await self._store.write(lambda tx: owner.appoint(tx, self._context, asked, now))

    async def work(self, caller: Caller, asked: WorkOnIssueRequest, wait: float) -> Issue:
        """Executes a staff member's step; raises Refused where the owner region has refused it."""
        return await self._work(caller, lambda tx, now: handling.work(tx, self._context, caller, asked, now), wait)
