"""Each fail point in process: after a kill there, everything is done once after the next start.

The same stories run without a kill and with one at each point that they reach. The number of rows in every table of
every region must be the same. The other tests here kill real processes at the points.
"""

import re
from collections.abc import Sequence
from copy import copy
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.api.region.v1.bulletin_pb2 import BulletinContent, BulletinSeverity
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    Remedy,
    Resolution,
    ReturnReason,
)
from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand
from gateway.api.region.v1.fault_pb2 import FaultCause, FaultPlace, FaultReport, FaultSeverity
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.region.v1.issue_envelopes_pb2 import IssueCommand
from gateway.api.region.v1.issue_pb2 import IssueRequest
from gateway.api.region.v1.issue_service_pb2 import WorkOnIssueRequest
from gateway.api.region.v1.joint_order_pb2 import JointOrder, JointOrderState, JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import WorkOnJointOrderRequest
from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand
from gateway.api.region.v1.loan_pb2 import LoanRequest
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand
from gateway.api.region.v1.order_pb2 import OrderRequest, OrderState
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportMeasurement
from gateway.api.region.v1.support_resource_service_pb2 import ResourceKind, SharedResource
from gateway.api.region.v1.support_service_pb2 import WorkOnSupportRequestRequest
from gateway.api.types.v1.types_pb2 import Applicant, LocalizedText, Money
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.business.joint import rules
from region_node.business.joint.rows import ORDER_RECORDS
from region_node.network.support.resources import keep_resource
from tests.crash.callers import CLERK, HANDLING, HOME, complaint, counter, number, ordered, review_all, worker
from tests.crash.moving import LostNewHome, moves
from tests.simulation.kills import Calm, Story, play
from tests.simulation.mutants import receiving
from tests.simulation.region import Node

ROOT = Path(__file__).parents[2]


async def orders(calm: Calm) -> None:
    """A payment, a suspension, and one that is agreed for later and cancelled before."""
    line = calm.line(HANDLING)
    pay = ordered(calm, "PAY", 0, (), amount="1000")
    await line.insist(lambda node: node.core.application.submit(counter("pay"), pay, 5.0))
    suspend = ordered(calm, "SUSPEND", 1, ("ID_ORIG",), reason="travels")
    await line.insist(lambda node: node.core.application.submit(counter("suspend"), suspend, 0.0))
    later = (calm.wall.now() + timedelta(days=7)).isoformat()
    agreed = ordered(calm, "SUSPEND", 2, ("ID_ORIG",), reason="travels", start=later)
    order = await line.insist(lambda node: node.core.application.submit(counter("later"), agreed, 5.0))
    cancel = OrderCommand(order_id=order.id, requester=CLERK, cancel=OrderCommand.Cancel(reason="changed plans"))
    cancelled = await line.insist(lambda node: node.core.application.command(counter("cancel"), cancel, 5.0))
    assert cancelled.state == OrderState.ORDER_STATE_CANCELLED


async def provided(calm: Calm) -> None:
    """Orders that the home region's own system carries out."""
    line = calm.line(HANDLING)
    lost = ordered(calm, "LOSS_REPORT", 0, ("ID_ORIG",))
    await line.insist(lambda node: node.core.application.submit(counter("lost"), lost, 5.0))


async def complaints(calm: Calm) -> None:
    """A complaint that the home region answers, and one that the origin region pays for."""
    line, home = calm.line(HANDLING), calm.line(HOME)
    filed: Complaint = await line.insist(
        lambda node: node.core.complaints.file(counter("late"), complaint("BILL_WRONG", 0), 5.0)
    )
    expedite = ComplaintCommand(ticket_id=filed.ticket_id, requester=CLERK, expedite=ComplaintCommand.Expedite())
    await line.insist(lambda node: node.core.complaints.command(counter("hurry"), expedite, 5.0))
    await calm.pass_time(timedelta(days=2))
    answer = Resolution(text="sorry", cause_code="manners", remedy=Remedy.REMEDY_APOLOGY)
    await home.insist(lambda node: node.core.complaints.propose(worker(HOME, "say"), filed.ticket_id, copy(answer)))

    rude = complaint("SVC_ATTITUDE", 1)
    paid = await line.insist(lambda node: node.core.complaints.file(counter("rude"), rude, 5.0))
    money = Resolution(
        text="sorry",
        cause_code="manners",
        remedy=Remedy.REMEDY_CREDIT,
        amount=Money(minor_units=1_200, currency="CNY"),
    )
    await line.insist(lambda node: node.core.complaints.propose(worker(HANDLING, "pay"), paid.ticket_id, copy(money)))
    accept = ComplaintCommand(ticket_id=paid.ticket_id, requester=CLERK, accept=ComplaintCommand.Accept())
    await line.insist(lambda node: node.core.complaints.command(counter("accept"), accept, 5.0))
    await calm.become_quiet()
    await review_all(calm)


async def cases(calm: Calm) -> None:
    """A case that staff classify for two departments, and one that the home region returns."""
    line, home = calm.line(HANDLING), calm.line(HOME)
    vague = complaint("", 2, "please call me")
    unclear = await line.insist(lambda node: node.core.complaints.file(counter("unclear"), vague, 5.0))
    classifier = worker(HANDLING, "classify")
    await line.insist(lambda node: node.core.complaints.classify(classifier, unclear.ticket_id, "BILL_VAS", ""))
    filed = await line.insist(lambda node: node.core.complaints.file(counter("alien"), complaint("BILL_WRONG", 3), 5.0))
    await calm.become_quiet()
    alien, returner = ReturnReason.RETURN_REASON_NOT_COMPETENT, worker(HOME, "return")
    await home.insist(lambda node: node.core.complaints.give_back(returner, filed.ticket_id, alien, "not ours"))
    await calm.become_quiet()
    answer = ComplaintCommand(
        ticket_id=filed.ticket_id, requester=CLERK, respond=ComplaintCommand.Respond(text="well?")
    )
    await line.insist(lambda node: node.core.complaints.command(counter("well"), answer, 5.0))


async def faults(calm: Calm) -> None:
    """A fault of the home region's network, late, repaired and closed."""
    line, home = calm.line(HANDLING), calm.line(HOME)
    report = FaultReport(
        number=number(7),
        description="no signal",
        place=FaultPlace(site="songpan"),
        severity=FaultSeverity.FAULT_SEVERITY_CRITICAL,
        requester=CLERK,
    )
    fault = await line.insist(lambda node: node.core.faults.report(counter("fault"), report))
    await calm.become_quiet()
    said = FaultCommand(fault_id=fault.id, requester=CLERK, respond=FaultCommand.Respond(text="still dead"))
    await line.insist(lambda node: node.core.faults.command(counter("said"), said, 5.0))
    begun = WorkOnFaultRequest(request_id="begin", fault_id=fault.id)
    begun.take_up.SetInParent()
    await home.insist(lambda node: node.core.faults.work(worker(HOME, "begin"), begun))
    await calm.pass_time(timedelta(days=4))
    done = WorkOnFaultRequest(request_id="done", fault_id=fault.id)
    done.resolve.cause, done.resolve.text = FaultCause.FAULT_CAUSE_CABLE, "spliced"
    await home.insist(lambda node: node.core.faults.work(worker(HOME, "done"), done))


async def support(calm: Calm) -> None:
    """A question to the region that is at fault, and a note of staff."""
    line = calm.line(HANDLING)
    measured = SupportMeasurement(
        link="chengdu-guangzhou-1",
        delay_us=250_000,
        start_time=to_timestamp(calm.wall.now() - timedelta(hours=2)),
        end_time=to_timestamp(calm.wall.now() - timedelta(hours=1)),
    )
    inquiry = SupportInquiry(
        number=number(7),
        subject="slow",
        description="since nine",
        service="lines-chengdu-guangzhou",
        measurements=[measured],
    )
    asked = await line.insist(lambda node: node.core.support.open(counter("support"), inquiry))
    await calm.become_quiet()
    note = WorkOnSupportRequestRequest(request_id="note", support_request_id=asked.id, note="try at ten")
    await line.insist(lambda node: node.core.support.work(worker(HANDLING, "note"), note, 5.0))


async def issues(calm: Calm) -> None:
    """An issue that another region decides late, with an action of the region that opened it."""
    line, home = calm.line(HANDLING), calm.line(HOME)
    due = to_timestamp(calm.wall.now() + timedelta(hours=1))
    request = IssueRequest(subject="bills", description="differ", owner_region=HOME, due_time=due, staff_id="lin")
    opened = await line.insist(lambda node: node.core.issues.open(worker(HANDLING, "issue"), request))
    await calm.pass_time(timedelta(hours=2))
    later = to_timestamp(calm.wall.now() + timedelta(days=1))
    action = WorkOnIssueRequest.NewAction(region=HANDLING, staff_id="lin", text="compare", due_time=later)
    decided = WorkOnIssueRequest(request_id="decide", issue_id=opened.id)
    decided.decide.CopyFrom(WorkOnIssueRequest.Decide(text="by the receipt", actions=[action]))
    await home.insist(lambda node: node.core.issues.work(worker(HOME, "decide"), decided, 0.0))
    await calm.become_quiet()
    done = WorkOnIssueRequest(request_id="report", issue_id=opened.id)
    done.report.CopyFrom(IssueCommand.Report(action=1, text="compared", finished=True))
    await line.insist(lambda node: node.core.issues.work(worker(HANDLING, "report"), done, 5.0))


async def loans(calm: Calm) -> None:
    """A loan of another region that is not returned in time."""
    line, home = calm.line(HANDLING), calm.line(HOME)
    kind = ResourceKind.RESOURCE_KIND_TEST_EQUIPMENT
    shared = SharedResource(id="otdr-1", kind=kind, title="OTDR", site="chengdu", quantity=1)
    now = calm.wall.now()
    await home.insist(lambda node: node.store.write(lambda tx: keep_resource(tx, shared, now)))
    start, end = (to_timestamp(now + timedelta(hours=each)) for each in (1, 2))
    request = LoanRequest(
        region=HOME, resource_id="otdr-1", quantity=1, start_time=start, end_time=end, purpose="a break", staff_id="lin"
    )
    loan = await line.insist(lambda node: node.core.loans.request(worker(HANDLING, "loan"), request))
    await calm.become_quiet()
    lend = WorkOnLoanRequest(request_id="lend", loan_id=loan.id, lend=WorkOnLoanRequest.Lend())
    await home.insist(lambda node: node.core.loans.work(worker(HOME, "lend"), lend, 0.0))
    await calm.become_quiet()
    receive = WorkOnLoanRequest(request_id="receive", loan_id=loan.id, receive=LoanCommand.Receive())
    await line.insist(lambda node: node.core.loans.work(worker(HANDLING, "receive"), receive, 5.0))
    await calm.pass_time(timedelta(hours=3))


async def bulletins(calm: Calm) -> None:
    """A bulletin to another region, which its staff reads."""
    line, home = calm.line(HANDLING), calm.line(HOME)
    text = LocalizedText(zh_cn="割接", en="cut-over")
    content = BulletinContent(severity=BulletinSeverity.BULLETIN_SEVERITY_URGENT, title=text, text=text)
    content.end_time.CopyFrom(to_timestamp(calm.wall.now() + timedelta(days=1)))
    published = await line.insist(lambda node: node.core.bulletins.publish(worker(HANDLING, "publish"), content))
    await calm.become_quiet()
    await home.insist(lambda node: node.core.bulletins.read(worker(HOME, "read"), published.id))


async def worked(calm: Calm, region: str, order_id: str, item_id: str, step: WorkOnJointOrderRequest) -> JointOrder:
    """A member of a region's staff does a step on an item."""
    request, name = WorkOnJointOrderRequest(), step.WhichOneof("step")
    request.CopyFrom(step)
    request.request_id = f"{order_id.rpartition('-')[2]}-{item_id}-{name}-{step.reach}"
    request.joint_order_id, request.item_id = order_id, item_id
    caller = worker(region, request.request_id)
    done: JointOrder = await calm.line(region).insist(lambda node: node.core.joint.work(caller, request))
    await calm.become_quiet()
    return done


async def joint(calm: Calm) -> None:
    """A line through three regions: refused by one at first, and done by all at the second try."""
    line, room = calm.line(HANDLING), WorkOnJointOrderRequest(reserve=WorkOnJointOrderRequest.Reserve())
    regions = {"access-1": HOME, "access-2": "henan", "backbone": HANDLING, "service": HANDLING}
    places = [JointPlace(region=region, address="1 Main Street") for region in (HOME, "henan")]
    papers = ("BIZ_LIC", "SEAL_LETTER", "HANDLER_ID", "CONTRACT", "ADDR")
    states = []
    for name, last in (("first", WorkOnJointOrderRequest(refuse="no duct")), ("second", room)):
        leased = ordered(calm, "LEASED_LINE", 8, papers, bandwidth="1 Gbit/s")
        leased.applicant = Applicant.APPLICANT_ENTERPRISE
        asked = await line.insist(partial(submitted, request_id=name, request=leased, places=places))
        await calm.become_quiet()
        for item_id, step in (("access-1", room), ("backbone", room), ("service", room), ("access-2", last)):
            await worked(calm, regions[item_id], asked.id, item_id, step)
        for item_id in regions if last == room else ():
            await worked_to_its_end(calm, regions[item_id], asked.id, item_id)
        states.append([await joint_states(calm, region, asked.id) for region in regions.values()])
    failed, done = JointOrderState.JOINT_ORDER_STATE_FAILED, JointOrderState.JOINT_ORDER_STATE_COMPLETED
    assert states == [[failed] * len(regions), [done] * len(regions)]
    for region in regions.values():
        held = await calm.line(region).insist(lambda node: node.store.read(reservations))
        assert held == 0, f"a reservation is left in {region}"


async def submitted(node: Node, request_id: str, request: OrderRequest, places: Sequence[JointPlace]) -> JointOrder:
    return await node.core.joint.submit(counter(request_id), request, places)


async def worked_to_its_end(calm: Calm, region: str, order_id: str, item_id: str) -> None:
    """All milestones behind the survey are reached."""
    order = await calm.line(region).insist(lambda node: node.store.read(partial(ORDER_RECORDS.read, name=order_id)))
    assert order is not None
    (item,) = (each for each in order.items if each.id == item_id)
    for milestone in item.milestones[1:]:
        await worked(calm, region, order_id, item_id, WorkOnJointOrderRequest(reach=milestone.kind))


async def joint_states(calm: Calm, region: str, order_id: str) -> JointOrderState.ValueType:
    order = await calm.line(region).insist(lambda node: node.store.read(partial(ORDER_RECORDS.read, name=order_id)))
    assert order is not None
    return order.state


def reservations(tx: Transaction) -> int:
    states = ", ".join(str(each) for each in rules.RESERVING)
    return tx.first(int, f"SELECT COUNT(*) FROM joint_items WHERE state IN ({states})") or 0


STORIES: Sequence[Story] = (
    orders,
    provided,
    complaints,
    cases,
    faults,
    support,
    issues,
    loans,
    bulletins,
    joint,
    moves,
)


MOST_TIMES = 5  # that one point is killed at in one story
# Reached by real processes alone; the network's by the simulation too, and a listener's by its contract test.
ELSEWHERE = """
    D0.after-commit D1.after-commit
    complaint-assigned.after-commit complaint-assigned.before-commit complaint-attachment-shared.before-commit
    complaint-attachment-taken.before-commit complaint-told.before-commit complaints-imported.before-commit
    complaint-redone.before-commit keys.after-page keys.before-commit alarms.before-commit measurements.before-commit
    correction.before-commit outage-told.before-commit planned-announced.before-commit planned-moved.before-commit
    planned-told.before-commit problem-counted.before-noted problem-followed.after-commit problem-followed.before-noted
    number-assigned.after-commit credit-owed.before-commit purge.before-commit listener-told.before-commit
"""


def differences(story: Story) -> list[str]:
    """The differences after a kill: the point, its count, and the table with other rows in the end."""
    unbroken, wrong = play(story), []
    for point, times in sorted(unbroken.reached.items()):
        for time in range(1, min(times, MOST_TIMES) + 1):
            broken = play(story, point, time)
            assert broken.has_killed, f"invalid: nothing was killed at {point} for time {time}"
            wrong += [
                f"{point} for time {time}, {region}: {rows} rows in {table} instead of {whole}"
                for region, left in broken.left.items()
                for table, rows in left.items()
                if rows != (whole := unbroken.left[region][table])
            ]
    return wrong


@pytest.mark.guarantee("G2", "G4")
@pytest.mark.long("a story is played once for each time that each point is reached")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_whoever_is_killed_wherever_everything_is_done_once(story: Story) -> None:
    wrong = differences(story)
    assert not wrong, "\n".join(wrong)


def test_a_new_home_that_has_lost_a_customer_has_it_again_once_whoever_is_killed_meanwhile() -> None:
    story = LostNewHome()
    reached = play(story).reached - story.before
    assert reached["customer-taken-over.before-commit"] == 1
    for point in sorted(reached):
        assert play(story, point, story.before[point] + 1).has_killed, point


def test_a_defect_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    receiving.effect_and_inbox_in_two_transactions(monkeypatch)
    assert differences(support)


def test_every_fail_point_is_reached_by_a_story_or_by_real_processes() -> None:
    named = re.compile(r'"([\w.{}-]+\.(?:before|after)-(?:commit|noted|page))"')
    files = [path for package in ("gateway", "region_node", "coordinator") for path in (ROOT / package).rglob("*.py")]
    known = {name for path in files for name in named.findall(path.read_text("utf-8"))}
    phases = {each.replace("{phase.name}", "CHECK") for each in known}
    reached = {point for story in STORIES for point in play(story).reached}
    assert phases - reached == set(ELSEWHERE.split())
