"""The issue application service: the work of the service, without gRPC."""

from gateway.api.region.v1.issue_pb2 import Issue, IssueRequest
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.care.issues import handling, rules
from region_node.care.issues.rows import ISSUE
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, Opener
from region_node.requests.changes import Changes
from region_node.tickets.followed import answered_request


class IssueApplication:
    """Accepts issues and steps of staff, and waits for the owner region on request."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, changes: Changes) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._changes = changes

    async def open(self, opener: Opener, request: IssueRequest) -> Issue:
        """Accepts an issue."""
        rules.require_request(request, self._context.federation.region)
        self._context.border.current.require_trusted_clock()
        if not self._store.accepts_new_work():
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)
        now = self._clock.now()
        opened = await self._store.write(lambda tx: handling.open_issue(tx, self._context, opener, request, now))
        failpoints.reach("issue-opened.after-commit")
        return opened

    async def work(self, caller: Caller, asked: WorkOnIssueRequest, wait: float) -> Issue:
        """Executes a staff member's step; raises Refused where the owner region has refused it."""
        done = await self._changes.answered(caller, self._worked(caller, asked), wait)
        return await self._store.read(lambda tx: answered_request(ISSUE, tx, caller, done))

    async def _worked(self, caller: Caller, asked: WorkOnIssueRequest) -> Issue:
        now = self._clock.now()
        done = await self._store.write(lambda tx: handling.work(tx, self._context, caller, asked, now))
        failpoints.reach("issue-worked.after-commit")
        return done
