"""A region whose database lost its newest part: what other regions have exchanged with it since is done again."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from google.protobuf.message import Message

from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.region.v1.loan_pb2 import LoanState, ReturnCondition
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from gateway.api.region.v1.order_pb2 import OrderState
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.issue_staff import WITHDRAWN, IssueStaff
from tests.federation.loan_staff import GIVE_BACK, RECEIVE, LoanStaff
from tests.federation.losses import Recovery, until_head_is_kept
from tests.federation.running import Federation, running, until
from tests.federation.support_staff import RESOLVED, SupportStaff

LENT = LoanState.LOAN_STATE_LENT
COMPLETED = OrderState.ORDER_STATE_COMPLETED
LOST = "SELECT envelope_id, failure FROM lost_commands ORDER BY envelope_id"
NOT_TAKEN = "SELECT envelope_id, not_taken FROM outbox WHERE closed IS NULL AND not_taken <> 0"


async def back_up(federation: Federation, region: str) -> Callable[[], None]:
    """Copies the database of a region; what is returned puts the copy back in its place."""
    await federation.stop_node(region)
    restore = federation.back_up(region)
    await federation.start_node(region)
    return restore


async def put_back(federation: Federation, region: str, restore: Callable[[], None], others: int = 1) -> None:
    """An older database of a region takes the place of its own, people accept that, and the others tell the rest."""
    await until_head_is_kept(federation, region)
    await federation.stop_node(region)
    restore()
    await federation.start_node(region)
    await Recovery(federation, region).accept()

    async def is_caught_up() -> bool:
        loss = "SELECT 1 FROM catch_ups WHERE finish_time IS NOT NULL AND loss = (SELECT MAX(number) FROM losses)"
        return len(federation.database(region).rows(loss)) == others

    await until(is_caught_up, "the other regions have told everything")


@pytest.mark.long("it has a federation of its own, whose databases are put back")
async def test_a_region_does_again_what_another_one_had_exchanged_with_it_since_its_older_database(
    tmp_path: Path, databases: Databases
) -> None:
    async with running(tmp_path, databases, ("guangdong", "sichuan")) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        restore = await back_up(federation, "sichuan")
        for business in ("PAY", "SUSPEND"):
            await guangdong.reaches((await guangdong.order(business, number)).id, COMPLETED)
        customer = await sichuan.read(number)
        await put_back(federation, "sichuan", restore)
        assert await sichuan.read(number) == customer, "the home region has taken both once more"
        assert federation.database("sichuan").rows(LOST) == []

        restore = await back_up(federation, "guangdong")
        request, request_id = guangdong.request("PAY", number), federation.next_id()
        paid = await guangdong.submit(request, request_id=request_id)
        await guangdong.reaches(paid.id, COMPLETED)
        complainant = Complainant(federation, "guangdong")
        ticket = await complainant.file("BILL_WRONG", number)
        balance = await sichuan.balance(number)
        await put_back(federation, "guangdong", restore)
        await guangdong.reaches(paid.id, COMPLETED)
        again = await guangdong.submit(request, request_id=request_id)
        assert again.id == paid.id, "the operator repeats its request"
        assert await sichuan.balance(number) == balance
        assert (await complainant.get(ticket.ticket_id)).owner_region == ticket.owner_region
        assert federation.database("guangdong").rows(LOST) == []
        later = await guangdong.order("RESUME", number)
        await guangdong.reaches(later.id, COMPLETED)

        async def is_all_taken() -> bool:
            return not any(federation.database(each).rows(NOT_TAKEN) for each in ("guangdong", "sichuan"))

        await until(is_all_taken, "no command waits that a region has not taken")


class Tickets:
    """Staff of Guangdong who open a ticket of each kind, which Sichuan decides on and Henan helps with."""

    def __init__(self, federation: Federation) -> None:
        regions = ("guangdong", "sichuan", "henan")
        self._support = {each: SupportStaff(federation, each) for each in regions}
        self._issues = {each: IssueStaff(federation, each) for each in regions}
        self._loans = {each: LoanStaff(federation, each) for each in regions}
        self._numbers = federation.next_number("guangdong"), federation.next_id()

    async def share(self) -> None:
        """Sichuan has something to lend."""
        await self._loans["sichuan"].shares(self._numbers[1])

    async def work(self) -> list[str]:
        """Opens a ticket of each kind, and has each region do something about it; returns the ids."""
        south, west, north = self._issues.values()
        issue = await south.is_taken((await south.open("sichuan", "henan")).id)
        await north.is_taken(issue.id)
        await west.work(issue.id, WorkOnIssueRequest(take_up=WorkOnIssueRequest.TakeUp()))
        for staff in (north, south, west):
            await staff.notes(issue.id, f"a note of {staff.region}")
        await north.follows(issue.id, lambda each: len(each.notes) == len(self._issues), "all notes")
        opened = await self._support["guangdong"].open(self._numbers[0])
        await self._support["guangdong"].is_taken(opened.id)
        await self._support["sichuan"].takes_up(opened.id)
        await self._support["guangdong"].notes(opened.id, "客户在十点再试")
        loan = await self._loans["guangdong"].asks(self._loans["guangdong"].request("sichuan", self._numbers[1]))
        await self._loans["guangdong"].follows(loan.id, lambda each: each.version > 0, "taken")
        await self._loans["sichuan"].work(loan.id, WorkOnLoanRequest(lend=WorkOnLoanRequest.Lend()))
        await self._loans["guangdong"].follows(loan.id, lambda each: each.state == LENT, "lent")
        received = await self._loans["guangdong"].work(loan.id, RECEIVE)
        await self._loans["sichuan"].follows(loan.id, lambda each: each == received, "received")
        return [issue.id, opened.id, loan.id]

    async def end(self, names: Sequence[str]) -> None:
        """Works on, and ends each ticket."""
        issue, opened, loan = names
        await self._issues["guangdong"].withdraws(issue)
        await self._issues["henan"].reaches(issue, WITHDRAWN)
        await self._support["sichuan"].resolves(opened)
        await self._support["guangdong"].reaches(opened, RESOLVED)
        await self._loans["guangdong"].work(loan, GIVE_BACK)
        complete = WorkOnLoanRequest.ConfirmReturn(condition=ReturnCondition.RETURN_CONDITION_COMPLETE)
        await self._loans["sichuan"].work(loan, WorkOnLoanRequest(confirm_return=complete))

    async def seen(self, names: Sequence[str]) -> list[tuple[Message, ...]]:
        """Each ticket, at each region that has it."""
        issue, opened, loan = names
        return [
            tuple([await each.get(issue) for each in self._issues.values()]),
            tuple([await self._support[each].get(opened) for each in ("guangdong", "sichuan")]),
            tuple([await self._loans[each].get(loan) for each in ("guangdong", "sichuan")]),
        ]


@pytest.mark.slow
async def test_tickets_that_regions_decide_on_together_are_the_same_everywhere_whoever_has_lost_them(
    tmp_path: Path, databases: Databases
) -> None:
    async with running(tmp_path, databases, ("guangdong", "sichuan", "henan")) as federation:
        tickets = Tickets(federation)
        await tickets.share()
        for region in ("sichuan", "guangdong", "henan"):
            restore = await back_up(federation, region)
            names = await tickets.work()
            before = await tickets.seen(names)
            assert all(len({each.SerializeToString(deterministic=True) for each in one}) == 1 for one in before)
            await put_back(federation, region, restore, others=2)
            assert await tickets.seen(names) == before, region
            assert federation.database(region).rows(LOST) == [], region
            await tickets.end(names)
