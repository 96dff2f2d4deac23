"""The escalation recipients receive each level once, ascending, in time, from the region that raised it only."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from etcd3.etcdrpc import rpc_pb2

from coordinator.app import start as start_coordinator
from coordinator.registry.etcd.client import DELETE, EtcdClient
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.settings import EtcdSettings
from coordinator.settings import CoordinatorSettings
from deploy.local.etcd import LocalEtcd
from gateway.api.coordinator.v1.issue_service_pb2 import ListIssueHeadersRequest
from gateway.api.coordinator.v1.issue_service_pb2_grpc import IssueServiceStub
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, DeadlineKind
from gateway.federation.body import ISSUE_WITHOUT_OWNER, LOAN_OVERDUE
from gateway.process.running import Running
from gateway.time.clock import SystemClock, from_microseconds, from_timestamp, to_timestamp
from region_node.care.complaints.deadlines import due_of, find
from region_node.care.loans.rules import CANCELLED
from region_node.node.settings import EscalationSettings, RegionSettings, WebhookSettings
from tests.federation.certificates import FEDERATION
from tests.federation.complainant import Complainant
from tests.federation.databases import Databases
from tests.federation.issue_staff import CLOSED, IssueStaff
from tests.federation.loan_staff import LoanStaff
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation, until
from tests.federation.test_complaint_oversight import raised
from tests.webhook import serving

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
RESOLVED = ComplaintState.COMPLAINT_STATE_RESOLVED
IN_TIME = timedelta(seconds=5)  # after it is due


def told_by(federation: Federation, node: str, ticket_id: str) -> list[dict[str, Any]]:
    """A node's file entries about a complaint, oldest first."""
    path = federation.region_settings(node).escalation_file
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [each for each in map(json.loads, lines) if each["ticket_id"] == ticket_id]


async def until_told(federation: Federation, node: str, ticket_id: str, levels: Sequence[int]) -> None:
    """Returns once the file of a node tells of these levels of a complaint and of no others."""

    async def holds() -> bool:
        return [each["level"] for each in told_by(federation, node, ticket_id)] == list(levels)

    await until(holds, f"{node} tells of the levels {levels} of {ticket_id}")


def due_in(federation: Federation, complaint: Complaint, kind: DeadlineKind.ValueType) -> timedelta:
    """How long until a deadline of a complaint."""
    deadline = find(complaint, kind)
    assert deadline is not None
    return due_of(deadline) - federation.clock.now()


async def test_each_region_tells_of_the_levels_that_it_has_raised_and_names_no_customer(federation: Federation) -> None:
    desk, staff = Complainant(federation, "guangdong"), Complainant(federation, "sichuan", "staff/wang")
    number, secret = federation.next_number("sichuan"), "绝密的抱怨"
    ticket_id = (await desk.hand_in(desk.request("BILL_ABNORMAL", number, secret))).ticket_id
    await staff.reaches(ticket_id, IN_PROGRESS)
    await until_told(federation, "guangdong", ticket_id, [1])
    await federation.advance(timedelta(hours=5))
    await until_told(federation, "sichuan", ticket_id, [2])
    await staff.propose(ticket_id)
    await desk.reaches(ticket_id, RESOLVED)
    await desk.refuse(ticket_id, to_regulator=True)
    await until_told(federation, "sichuan", ticket_id, [2, 3, 4, 5])
    await until_told(federation, "guangdong", ticket_id, [1])
    told = [*told_by(federation, "guangdong", ticket_id), *told_by(federation, "sichuan", ticket_id)]
    assert [each["id"] for each in told] == [f"{ticket_id}/L{level}" for level in (1, 2, 3, 4, 5)]
    missed = told[1]
    assert (missed["trigger"], missed["region"]) == ("ESCALATION_TRIGGER_FIRST_RESPONSE_MISSED", "sichuan")
    assert (missed["origin_region"], missed["owner_region"], missed["home_region"]) == (
        "guangdong",
        "sichuan",
        "sichuan",
    )
    assert missed["custody"]["region"] == "sichuan"
    assert missed["custody"]["start_time"] <= missed["due_time"] <= missed["time"]
    written = json.dumps(told, ensure_ascii=False)
    assert not any(each in written for each in (number, number.removeprefix("+86"), secret, "clerk-7"))


async def test_a_level_is_reached_within_five_seconds_of_its_time_and_not_before(federation: Federation) -> None:
    desk, staff = Complainant(federation, "guangdong"), Complainant(federation, "sichuan", "staff/wang")
    ticket_id = (await desk.file("BILL_ABNORMAL", federation.next_number("sichuan"))).ticket_id
    filed = await staff.reaches(ticket_id, IN_PROGRESS)
    soon = due_in(federation, filed, DeadlineKind.DEADLINE_KIND_FIRST_RESPONSE) - timedelta(milliseconds=300)
    federation.clock.advance(soon)
    raised = (await staff.rises(ticket_id, 2)).escalations[-1]
    late = from_timestamp(raised.time) - from_timestamp(raised.due_time)
    assert timedelta() <= late < IN_TIME
    await federation.advance(timedelta())


async def test_a_region_that_cannot_be_reached_is_told_of_by_the_first_contact(federation: Federation) -> None:
    ticket_id = (
        await Complainant(federation, "guangdong").file("BILL_WRONG", federation.next_number(NOT_JOINED))
    ).ticket_id
    await federation.advance(timedelta(hours=4, minutes=1))
    await until_told(federation, "guangdong", ticket_id, [1, 2, 3])
    last = told_by(federation, "guangdong", ticket_id)[-1]
    assert (last["owner_region"], last["trigger"]) == (NOT_JOINED, "ESCALATION_TRIGGER_REGION_UNREACHABLE")
    assert last["custody"]["reason"] == "TIME_REASON_WAITING_FOR_REGION"


@pytest.mark.clause("10.3(4)")
async def test_the_silence_of_an_issues_owner_is_told_by_its_origin_alone_until_the_owner_speaks_again(
    federation: Federation,
) -> None:
    origin, helper, owner = (IssueStaff(federation, each) for each in ("guangdong", "sichuan", "henan"))
    opened = await origin.open("henan", "sichuan", within=timedelta(hours=1))
    for each in (origin, helper):
        await each.is_taken(opened.id)
    case = f"{opened.id}/silence/{opened.request.due_time.seconds}"
    await federation.stop_node("henan")
    try:
        await federation.advance(timedelta(hours=3, minutes=1))
        for each in (origin, helper):
            await each.follows(opened.id, lambda issue: issue.HasField("silence"), "its owner is silent")
        await until_told(federation, "guangdong", case, [3])
        (told,) = told_by(federation, "guangdong", case)
        assert (told["matter"], told["on_duty"]["region"]) == (ISSUE_WITHOUT_OWNER, "beijing")
        assert [(each["region"], each["department"]) for each in told["helpers"]] == [("henan", "SERVICE_QUALITY")]
        service = IssueServiceStub(federation.dial_coordinator("admin/root"))
        listed = await service.ListIssueHeaders(ListIssueHeadersRequest(page_size=500), timeout=CALL_SECONDS)
        assert [(each.id, each.silent_limits) for each in listed.issues if each.silent_limits] == [(opened.id, 1)]
        assert [(each.issue_id, each.on_duty.region) for each in listed.duties] == [(opened.id, "beijing")]
        assert [each.region for each in listed.unanswered] == ["henan"]
    finally:
        await federation.start_node("henan")
        await federation.until_members({"henan": MemberState.MEMBER_STATE_JOINED})
    await owner.decides(opened.id)
    closed = await owner.closes(opened.id)
    for each in (origin, helper):
        assert await each.reaches(opened.id, CLOSED) == closed, "nothing of the silence is left"
    assert len(told_by(federation, "guangdong", case)) == 1
    assert told_by(federation, "sichuan", case) == []


@pytest.mark.slow
@pytest.mark.clause("10.3(3)")
async def test_the_silence_of_a_lender_is_told_by_the_borrower_until_the_lender_ends_the_loan(
    federation: Federation,
) -> None:
    borrower, lender = LoanStaff(federation, "guangdong"), LoanStaff(federation, "sichuan")
    resource_id = federation.next_id()
    await lender.shares(resource_id)
    request = borrower.request("sichuan", resource_id)
    for time, minutes in ((request.start_time, 10), (request.end_time, 60)):
        time.CopyFrom(to_timestamp(federation.clock.now() + timedelta(minutes=minutes)))
    loan = await borrower.asks(request)
    await borrower.follows(loan.id, lambda each: each.version > 0, "taken")
    timer = "SELECT due_time FROM timers WHERE timer_id = ?"
    ((due,),) = federation.database("guangdong").rows(timer, f"loan-due/{loan.id}")
    assert isinstance(due, int)
    case = f"{loan.id}/silence/{loan.end_time.seconds}"
    await federation.stop_node("sichuan")
    try:
        await federation.advance(from_microseconds(due) + timedelta(minutes=1) - federation.clock.now())
        await borrower.follows(loan.id, lambda each: each.HasField("silence"), "its lender is silent")
        await until_told(federation, "guangdong", case, [3])
        (told,) = told_by(federation, "guangdong", case)
        assert (told["matter"], told["region"], told["on_duty"]["region"]) == (LOAN_OVERDUE, "guangdong", "sichuan")
    finally:
        await federation.start_node("sichuan")
        await federation.until_members({"sichuan": MemberState.MEMBER_STATE_JOINED})
    ended = await borrower.follows(loan.id, lambda each: each.state == CANCELLED, "the lender has ended it")
    assert ended == await lender.get(loan.id), "nothing of the silence is left"


def levels_raised(federation: Federation, region: str, ticket_id: str) -> list[object]:
    """The levels to which a region has raised a complaint, as its rows say."""
    query = "SELECT level FROM complaint_escalations WHERE ticket_id = ? ORDER BY level"
    return [row[0] for row in federation.database(region).rows(query, ticket_id)]


async def test_what_was_raised_while_a_region_was_away_it_takes_over_and_raises_and_tells_no_second_time(
    federation: Federation,
) -> None:
    desk, staff = Complainant(federation, "guangdong"), Complainant(federation, "henan", "staff/wang")
    await federation.stop_node("henan")
    try:
        ticket_id = (await desk.file("BILL_ABNORMAL", federation.next_number("henan"))).ticket_id
        await federation.advance(timedelta(hours=1, minutes=1))
        await desk.rises(ticket_id, 3)
    finally:
        await federation.start_node("henan")
        await federation.until_members({"henan": MemberState.MEMBER_STATE_JOINED})
    taken = await staff.reaches(ticket_id, IN_PROGRESS)
    assert [(each.level, each.region) for each in taken.escalations] == [(n, "guangdong") for n in (0, 1, 2, 3)]
    assert (await desk.reaches(ticket_id, IN_PROGRESS)).level == 3
    await federation.advance(timedelta(hours=23))
    await staff.rises(ticket_id, 4)
    await until_told(federation, "henan", ticket_id, [4])
    await until_told(federation, "guangdong", ticket_id, [1, 2, 3])
    assert levels_raised(federation, "guangdong", ticket_id) == [0, 1, 2, 3]
    assert levels_raised(federation, "henan", ticket_id) == [4]


async def test_a_level_that_fell_due_while_both_regions_were_away_is_raised_and_told_by_the_first_contact(
    federation: Federation,
) -> None:
    desk, staff = Complainant(federation, "guangdong"), Complainant(federation, "henan", "staff/wang")
    await federation.stop_node("henan")
    ticket_id = (await desk.file("BILL_ABNORMAL", federation.next_number("henan"))).ticket_id
    await federation.stop_node("guangdong")
    await federation.advance(timedelta(hours=1, minutes=1))
    for region in ("henan", "guangdong"):
        await federation.start_node(region)
        await federation.until_members({region: MemberState.MEMBER_STATE_JOINED})
    await staff.reaches(ticket_id, IN_PROGRESS)
    await desk.reaches(ticket_id, IN_PROGRESS)
    await until_told(federation, "guangdong", ticket_id, [1, 2, 3])
    assert levels_raised(federation, "guangdong", ticket_id) == [0, 1, 2, 3]
    assert levels_raised(federation, "henan", ticket_id) == []


async def a_minute_later(federation: Federation) -> None:
    """Moves the clock past Henan's delay of notices, and has it process the due ones."""
    await federation.advance(timedelta(minutes=2))
    await Complainant(federation, "henan").file("SVC_ATTITUDE", federation.next_number("henan"))


async def third_of_one_number(federation: Federation, desk: Complainant) -> Complaint:
    """The third complaint of a number of Henan, filed while Henan is away."""
    number, staff = federation.next_number("henan"), Complainant(federation, "henan", "staff/wang")
    for _ in range(2):
        await staff.reaches((await desk.file("BILL_ABNORMAL", number)).ticket_id, IN_PROGRESS)
    await federation.stop_node("henan")
    return await desk.file("BILL_ABNORMAL", number)


async def test_what_comes_once_too_often_and_was_raised_by_an_administrator_meanwhile_is_told_by_one_region(
    federation: Federation,
) -> None:
    desk, staff = Complainant(federation, "guangdong"), Complainant(federation, "henan", "staff/wang")
    ticket_id = (await third_of_one_number(federation, desk)).ticket_id
    await raised(federation, ticket_id, 3)
    await federation.start_node("henan")
    theirs = [(level, "guangdong") for level in (0, 1, 2, 3)]

    def is_settled(found: Complaint) -> bool:
        return [(each.level, each.region) for each in found.escalations] == [*theirs, (4, "henan")]

    for somebody in (staff, desk):
        await somebody.follows(ticket_id, is_settled, "each level is one region's")
    await a_minute_later(federation)
    await until_told(federation, "henan", ticket_id, [4])
    await until_told(federation, "guangdong", ticket_id, [1, 2, 3])
    assert levels_raised(federation, "guangdong", ticket_id) == [0, 1, 2, 3]
    assert levels_raised(federation, "henan", ticket_id) == [4]


async def test_what_comes_once_too_often_is_told_by_who_takes_it_up_though_the_first_contact_is_away(
    federation: Federation,
) -> None:
    desk = Complainant(federation, "guangdong")
    ticket_id = (await third_of_one_number(federation, desk)).ticket_id
    await federation.start_node("henan")
    await Complainant(federation, "henan", "staff/wang").reaches(ticket_id, IN_PROGRESS)
    await federation.stop_node("guangdong")
    try:
        await a_minute_later(federation)
        await until_told(federation, "henan", ticket_id, [2, 3, 4])
    finally:
        await federation.start_node("guangdong")
    await until_told(federation, "guangdong", ticket_id, [1])


class TwoCoordinators(Federation):
    """A federation with two coordinators on one etcd. Each node has a file and a webhook as sinks."""

    def __init__(self, directory: Path, databases: Databases, etcd: EtcdSettings, webhook: WebhookSettings) -> None:
        super().__init__(directory, databases)
        self._etcd = etcd
        self._webhook = webhook
        self.second: Running | None = None

    async def start(self, regions: Sequence[str] = ("guangdong", "sichuan")) -> None:
        self.second = await start_coordinator(self._coordinator_settings(1), self.clock)
        await super().start(regions)

    async def stop(self) -> None:
        await super().stop()
        if self.second is not None:
            await self.second.stop()

    def region_settings(self, node: str) -> RegionSettings:
        settings = super().region_settings(node)
        assert self.second is not None
        both = (self.coordinator_endpoint, f"127.0.0.1:{self.second.port}")
        escalations = EscalationSettings(self.directory / f"{settings.region}.jsonl", self._webhook)
        return replace(settings, coordinators=both, escalations=escalations)

    def _coordinator_settings(self, number: int = 0, listen: str = "127.0.0.1:0") -> CoordinatorSettings:
        return replace(
            super()._coordinator_settings(),
            number=number,
            listen=listen,
            data=self.directory / f"coordinator-{number}",
            credentials=self.certificates.credentials(f"coordinator/{number}"),
            postgresql=None,
            etcd=self._etcd,
        )

    async def restart_second(self) -> None:
        """Stops the second coordinator, and starts it again where it was."""
        assert self.second is not None
        second, self.second = self.second, None
        port = second.port
        await second.stop()
        self.second = await start_coordinator(self._coordinator_settings(1, f"127.0.0.1:{port}"), self.clock)


@pytest.mark.several_processes
async def test_with_two_coordinators_and_two_processes_of_a_region_each_level_is_reached_and_told_once(
    tmp_path: Path, databases: Databases, etcd_cluster: LocalEtcd
) -> None:
    etcd = EtcdSettings(etcd_cluster.endpoints, etcd_cluster.credentials())
    with serving(tmp_path) as hook:
        federation = TwoCoordinators(tmp_path, databases, etcd, WebhookSettings(hook.url, authority=hook.authority))
        try:
            await federation.start()
            await federation.start_node("sichuan/1")
            desk, staff = Complainant(federation, "guangdong"), Complainant(federation, "sichuan", "staff/wang")
            ticket_id = (await desk.file("BILL_ABNORMAL", federation.next_number("sichuan"))).ticket_id
            await staff.reaches(ticket_id, IN_PROGRESS)
            await federation.advance(timedelta(hours=5))
            await until_told(federation, "sichuan", ticket_id, [2])
            await federation.stop_node("sichuan/1")  # levels outlive whoever waited for them
            await federation.start_node("sichuan/1")
            await federation.stop_node("sichuan")
            await federation.advance(timedelta(hours=14))
            await until_told(federation, "sichuan", ticket_id, [2, 3])
            await federation.start_node("sichuan")
            await federation.restart_second()
            await federation.advance(timedelta(hours=6))
            await until_told(federation, "sichuan", ticket_id, [2, 3, 4])
            await staff.propose(ticket_id)
            await federation.advance(timedelta(days=16))
            await until_told(federation, "sichuan", ticket_id, [2, 3, 4])
            rows = federation.database("sichuan").rows("SELECT level FROM complaint_escalations ORDER BY level")
            assert rows == [(2,), (3,), (4,)]

            async def all_posted() -> bool:
                return hook.ids() == [f"{ticket_id}/L{level}" for level in (2, 3, 4)]

            await until(all_posted, "the webhook was told of each level once, ascending")
        finally:
            await federation.stop()
            await _empty(etcd)


async def _empty(etcd: EtcdSettings) -> None:
    """Removes what the federation has left in etcd."""
    client = EtcdClient(etcd, SystemClock())
    try:
        whole = Keys(FEDERATION).everything
        await client.call(DELETE, rpc_pb2.DeleteRangeRequest(key=whole.first, range_end=whole.end))
    finally:
        await client.close()
