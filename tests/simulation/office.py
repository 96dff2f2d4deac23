"""Staff of a region who file complaints, and open and work on support requests, issues and loans."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import ComplaintChannel, ComplaintRequest, Remedy
from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand
from gateway.api.region.v1.issue_pb2 import IssueRequest
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand
from gateway.api.region.v1.loan_pb2 import LoanRequest
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from gateway.api.region.v1.support_request_pb2 import SupportInquiry
from gateway.api.region.v1.support_resource_service_pb2 import ResourceKind, SharedResource
from gateway.api.region.v1.support_service_pb2 import WorkOnSupportRequestRequest
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.errors import Refused, reason_name
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.network.support.resources import keep_resource
from region_node.requests.caller import Caller
from tests.simulation import world
from tests.simulation.batch import run_batch
from tests.simulation.people import Line
from tests.simulation.region import Node, Region

SHARED = "otdr"  # what each region has to lend
_LENT = 50  # of it
_SITES = {"guangdong": "guangzhou", "sichuan": "chengdu", "henan": "zhengzhou"}
_TABLES = {
    "complaints": "ticket_id",
    "support_requests": "support_request_id",
    "issues": "issue_id",
    "loans": "loan_id",
}
Work = Callable[[Node, Caller], Awaitable[object]]


def share(region: Region) -> None:
    """A region has something to lend."""
    kind, site = ResourceKind.RESOURCE_KIND_TEST_EQUIPMENT, _SITES[region.name]
    resource = SharedResource(id=SHARED, kind=kind, title="OTDR 1550 nm", site=site, quantity=_LENT)
    for outcome in run_batch(region.ports.disk, [lambda tx: keep_resource(tx, resource, world.START)]):
        assert outcome.error is None


class Office:
    """One after another, something new or a step on what is there: what a state forbids is refused."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._source = line.source
        self._region = line.region.name
        self._staff = world.staff(self._region, "wang")
        self._asked = 0

    async def run(self) -> None:
        """Works for ever."""
        while True:
            await asyncio.sleep(self._source.uniform(0.2, 1.5))
            begin, work = self._source.choice(
                (
                    (self._complain, self._respond),
                    (self._ask_for_support, self._support),
                    (self._open_issue, self._work_on_issue),
                    (self._borrow, self._work_on_loan),
                )
            )
            await self._do(begin() if self._source.random() < 0.4 else work())

    async def _do(self, work: Work | None) -> None:
        """Does something once, however often it has to be asked for. Whoever has no answer gives up in the end."""
        if work is None:
            return
        self._asked += 1
        caller = Caller(self._staff, f"office-{self._asked}", "")
        try:
            await self._line.insist(lambda node: work(node, caller))
            self._line.history.count("steps of staff")
        except Refused as refused:
            self._line.history.note(f"{self._region}/office", f"is refused: {reason_name(refused.reason)}")

    def _other(self) -> str:
        return self._source.choice([each for each in world.REGIONS if each != self._region])

    def _number(self, region: str) -> str:
        return self._source.choice([each.number for each in world.subscribers() if each.region == region])

    def _one_of(self, table: str) -> str | None:
        """Some ticket that the region has."""
        key = _TABLES[table]

        def known(tx: Transaction) -> list[str]:
            return tx.all(str, f"SELECT {key} FROM {table} ORDER BY {key}")

        found = self._line.region.ports.disk.read(known)
        return self._source.choice(found) if found else None

    def _due(self, source: random.Random) -> timedelta:
        return timedelta(days=source.randint(2, 9))

    def _complain(self) -> Work:
        request = ComplaintRequest(
            category="BILL_WRONG",
            number=self._number(self._other()),
            description="too much",
            remedy_sought=Remedy.REMEDY_REFUND,
            channel=ComplaintChannel.COMPLAINT_CHANNEL_LETTER,
            requester=Requester(staff_id="clerk-counter", channel=Channel.CHANNEL_COUNTER),
            rural_area=False,
        )
        return lambda node, caller: node.core.complaints.file(caller, request)

    def _respond(self) -> Work | None:
        name = self._one_of("complaints")
        if name is None:
            return None
        if not name.startswith(f"{self._region}/"):
            return lambda node, caller: node.core.complaints.respond(caller, name, "we look at it", asks=False)
        requester = Requester(staff_id="clerk-counter", channel=Channel.CHANNEL_COUNTER)
        asked = ComplaintCommand(ticket_id=name, requester=requester)
        asked.respond.text = "still too much"
        return lambda node, caller: node.core.complaints.command(caller, asked, 1.0)

    def _ask_for_support(self) -> Work:
        inquiry = SupportInquiry(
            number=self._number(self._region),
            subject="slow",
            description="since nine",
            service="lines-chengdu-guangzhou",
            staff_id="wang",
        )
        return lambda node, caller: node.core.support.open(caller, inquiry)

    def _support(self) -> Work | None:
        name = self._one_of("support_requests")
        if name is None:
            return None
        step = self._source.choice(
            (
                WorkOnSupportRequestRequest(note="seen"),
                WorkOnSupportRequestRequest(take_up=WorkOnSupportRequestRequest.TakeUp()),
                WorkOnSupportRequestRequest(resolve="replaced"),
                WorkOnSupportRequestRequest(reopen="not yet"),
                WorkOnSupportRequestRequest(close=WorkOnSupportRequestRequest.Close()),
            )
        )
        step.support_request_id = name
        return lambda node, caller: node.core.support.work(caller, step, 1.0)

    def _open_issue(self) -> Work:
        owner = self._source.choice(world.REGIONS)
        helpers = [each for each in world.REGIONS if each not in (owner, self._region)]
        request = IssueRequest(
            subject="other ends",
            description="of November",
            owner_region=owner,
            helper_regions=helpers if self._source.random() < 0.7 else [],
            due_time=to_timestamp(self._line.region.ports.clock.of_people() + self._due(self._source)),
            staff_id="wang",
        )
        return lambda node, caller: node.core.issues.open(caller, request)

    def _work_on_issue(self) -> Work | None:
        name = self._one_of("issues")
        if name is None:
            return None
        due = to_timestamp(self._line.region.ports.clock.of_people() + self._due(self._source))
        action = WorkOnIssueRequest.NewAction(region=self._other(), staff_id="li", text="look", due_time=due)
        step = self._source.choice(
            (
                WorkOnIssueRequest(note="seen"),
                WorkOnIssueRequest(note="seen again"),
                WorkOnIssueRequest(take_up=WorkOnIssueRequest.TakeUp()),
                WorkOnIssueRequest(decide=WorkOnIssueRequest.Decide(text="so", actions=[action])),
                WorkOnIssueRequest(report=IssueCommand.Report(action=1, text="done", finished=True)),
                WorkOnIssueRequest(add_helper=self._other()),
                WorkOnIssueRequest(escalate="no end"),
                WorkOnIssueRequest(close=WorkOnIssueRequest.Close()),
            )
        )
        step.issue_id = name
        return lambda node, caller: node.core.issues.work(caller, step, 1.0)

    def _borrow(self) -> Work:
        now = self._line.region.ports.clock.of_people()
        request = LoanRequest(
            region=self._other(),
            resource_id=SHARED,
            quantity=self._source.randint(1, 2),
            start_time=to_timestamp(now + timedelta(hours=1)),
            end_time=to_timestamp(now + self._due(self._source)),
            purpose="a cut cable",
            staff_id="wang",
        )
        return lambda node, caller: node.core.loans.request(caller, request)

    def _work_on_loan(self) -> Work | None:
        name = self._one_of("loans")
        if name is None:
            return None
        borrows = name.startswith(f"{self._region}/")
        step = self._source.choice(
            (
                WorkOnLoanRequest(receive=LoanCommand.Receive()),
                WorkOnLoanRequest(give_back=LoanCommand.GiveBack(note="sent")),
                WorkOnLoanRequest(cancel=LoanCommand.Cancel(reason="found one")),
            )
            if borrows
            else (
                WorkOnLoanRequest(lend=WorkOnLoanRequest.Lend()),
                WorkOnLoanRequest(lend=WorkOnLoanRequest.Lend(quantity=1)),
                WorkOnLoanRequest(refuse="none left"),
            )
        )
        step.loan_id = name
        return lambda node, caller: node.core.loans.work(caller, step, 1.0)
