"""A member of a region's staff who works on issues between regions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import grpc

from gateway.api.region.v1 import issue_service_pb2 as api
from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand
from gateway.api.region.v1.issue_pb2 import Issue, IssueLink, IssueLinkKind, IssueRequest, IssueState
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.region.v1.issue_service_pb2_grpc import IssueServiceStub
from gateway.time.clock import to_timestamp
from tests.federation.counter import WAIT, seconds
from tests.federation.refusals import read
from tests.federation.running import CALL_SECONDS, Federation, until

ACKNOWLEDGED = IssueState.ISSUE_STATE_ACKNOWLEDGED
IN_PROGRESS = IssueState.ISSUE_STATE_IN_PROGRESS
DECIDED = IssueState.ISSUE_STATE_DECIDED
CLOSED = IssueState.ISSUE_STATE_CLOSED
WITHDRAWN = IssueState.ISSUE_STATE_WITHDRAWN
LINK = IssueLink(kind=IssueLinkKind.ISSUE_LINK_KIND_COMPLAINT, id="guangdong/20261210-17")


@dataclass(frozen=True)
class IssueStaff:
    """Staff of a region."""

    federation: Federation
    region: str
    name: str = "wang"

    @property
    def service(self) -> IssueServiceStub:
        """The issue service of the region's node."""
        return IssueServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/staff/{self.name}"))

    def request(self, owner: str, *helpers: str, within: timedelta = timedelta(days=3)) -> IssueRequest:
        """A good request, linked to a complaint."""
        return IssueRequest(
            subject="账单不一致",
            description="十一月的截止时间不同",
            owner_region=owner,
            helper_regions=helpers,
            due_time=to_timestamp(self.federation.clock.now() + within),
            links=[LINK],
        )

    async def open(self, owner: str, *helpers: str, within: timedelta = timedelta(days=3)) -> Issue:
        """Opens an issue."""
        return await self.hand_in(self.request(owner, *helpers, within=within))

    async def hand_in(self, request: IssueRequest, request_id: str = "") -> Issue:
        """Opens an issue as it is."""
        message = api.OpenIssueRequest(request_id=request_id or self.federation.next_id(), issue=request)
        return (await self.service.OpenIssue(message, timeout=CALL_SECONDS)).issue

    async def get(self, issue_id: str) -> Issue:
        """The issue as it stands at this region."""
        return (await self.service.GetIssue(api.GetIssueRequest(issue_id=issue_id), timeout=CALL_SECONDS)).issue

    async def lists(self, *states: IssueState.ValueType, overdue: bool = False) -> Sequence[str]:
        """The ids of this region's issues."""
        message = api.ListIssuesRequest(states=states, overdue=overdue, page_size=500)
        return [each.id for each in (await self.service.ListIssues(message, timeout=CALL_SECONDS)).issues]

    async def follows(self, issue_id: str, holds: Callable[[Issue], bool], what: str) -> Issue:
        """The issue once something holds of it at this region."""
        found = Issue()

        async def is_so() -> bool:
            try:
                found.CopyFrom(await self.get(issue_id))
            except grpc.aio.AioRpcError as error:
                if read(error).reason != "ISSUE_NOT_FOUND":  # it may be on its way
                    raise
                return False
            return holds(found)

        await until(is_so, f"{issue_id} in {self.region}: {what}")
        return found

    async def is_taken(self, issue_id: str) -> Issue:
        """The issue once the owner region has it."""
        return await self.follows(issue_id, lambda each: each.version > 0, "taken")

    async def reaches(self, issue_id: str, state: IssueState.ValueType) -> Issue:
        """The issue once it is in a state at this region."""
        return await self.follows(issue_id, lambda each: each.state == state, IssueState.Name(state))

    async def work(self, issue_id: str, step: WorkOnIssueRequest, request_id: str = "") -> Issue:
        """Does a step."""
        message = WorkOnIssueRequest()
        message.CopyFrom(step)
        message.issue_id, message.request_id = issue_id, request_id or self.federation.next_id()
        message.wait.CopyFrom(seconds(WAIT))
        return (await self.service.WorkOnIssue(message, timeout=CALL_SECONDS)).issue

    async def notes(self, issue_id: str, text: str) -> Issue:
        """Writes something down."""
        return await self.work(issue_id, WorkOnIssueRequest(note=text))

    async def decides(self, issue_id: str, *actions: WorkOnIssueRequest.NewAction) -> Issue:
        """Decides, with actions."""
        decided = WorkOnIssueRequest.Decide(text="以回执为准", actions=actions)
        return await self.work(issue_id, WorkOnIssueRequest(decide=decided))

    def action(self, region: str, within: timedelta = timedelta(days=7)) -> WorkOnIssueRequest.NewAction:
        """An action of a region."""
        due = to_timestamp(self.federation.clock.now() + within)
        return WorkOnIssueRequest.NewAction(region=region, staff_id="li", text="核对账单", due_time=due)

    async def reports(self, issue_id: str, action: int, *, finished: bool = True) -> Issue:
        """Reports on an action."""
        told = IssueCommand.Report(action=action, text="已核对", finished=finished)
        return await self.work(issue_id, WorkOnIssueRequest(report=told))

    async def escalates(self, issue_id: str) -> Issue:
        """Calls the coordination body."""
        return await self.work(issue_id, WorkOnIssueRequest(escalate="双方意见不一"))

    async def withdraws(self, issue_id: str) -> Issue:
        """Takes it back."""
        return await self.work(issue_id, WorkOnIssueRequest(withdraw="重复"))

    async def closes(self, issue_id: str) -> Issue:
        """Closes it."""
        return await self.work(issue_id, WorkOnIssueRequest(close=WorkOnIssueRequest.Close()))
