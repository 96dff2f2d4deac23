"""A complaint is taken in once, raised once and paid for once, whatever is killed while that is done."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from deploy.local.federation import FEDERATION_FILES, OPERATOR
from deploy.local.process import wait_until
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintChannel, ComplaintRequest, ComplaintState, Remedy
from gateway.api.region.v1.complaint_service_pb2 import (
    AcceptResolutionRequest,
    FileComplaintRequest,
    GetComplaintRequest,
    ProposeResolutionRequest,
)
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.region.v1.order_service_pb2 import ReviewDecision, ReviewOrderRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.types_pb2 import Money
from gateway.settings import load
from region_node.care.complaints.remedy import BOOKED
from region_node.care.complaints.rows import require_complaint
from region_node.node.settings import RegionSettings
from tests.crash.records import Records
from tests.crash.regions import CALL_SECONDS, CLERK, HANDLING, HOME, account_of, number_of
from tests.crash.scene import Scene

NUMBER, OTHER_NUMBER, PAID_NUMBER = number_of(900), number_of(901), number_of(903)  # of no order in these tests
MONEY = 1_200  # fen
SOON = "6s"  # until somebody must have answered, instead of the 24 hours of an ordinary complaint


@pytest.fixture(name="hasty")
def complaints_are_raised_soon(scene: Scene, tmp_path: Path) -> Iterator[Scene]:
    """A federation in which an ordinary complaint must be answered within seconds."""
    changed = tmp_path / "federation"
    shutil.copytree(FEDERATION_FILES, changed)
    policies = changed / "complaints.yaml"
    written = policies.read_text("utf-8")
    before, name, after = written.partition("complaint-s3-first-response")
    assert "duration: 86400s" in after
    policies.write_text(before + name + after.replace("duration: 86400s", f"duration: {SOON}", 1), "utf-8")
    await_revision(scene, scene.run(scene.federation.apply_configuration(changed)))
    yield scene
    await_revision(scene, scene.run(scene.federation.apply_configuration(FEDERATION_FILES)))


def await_revision(scene: Scene, revision: int) -> None:
    """Returns when both regions work by a revision of the configuration."""

    async def works_by() -> list[int]:
        async with scene.federation.dial_coordinator() as channel:
            service = MembershipServiceStub(channel)
            listed = await service.ListRegions(ListRegionsRequest(), timeout=CALL_SECONDS, wait_for_ready=True)
        return [each.federation_revision for each in listed.members if each.region in (HANDLING, HOME)]

    wait_until(lambda: min(scene.run(works_by())) >= revision, CALL_SECONDS, f"both work by revision {revision}")


def filing(scene: Scene, request_id: str, number: str = NUMBER, category: str = "BILL_WRONG") -> FileComplaintRequest:
    complaint = ComplaintRequest(
        category=category,
        number=number,
        description="charged twice",
        remedy_sought=Remedy.REMEDY_REFUND,
        channel=ComplaintChannel.COMPLAINT_CHANNEL_HOTLINE,
        requester=CLERK,
    )
    return FileComplaintRequest(request_id=f"{request_id}-{scene.engine.value}", complaint=complaint)


async def file_complaint(scene: Scene, request: FileComplaintRequest) -> Complaint:
    async with scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        node = ComplaintServiceStub(channel)
        return (await node.FileComplaint(request, timeout=CALL_SECONDS, wait_for_ready=True)).complaint


async def complaint_of(scene: Scene, ticket_id: str) -> Complaint:
    async with scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        request = GetComplaintRequest(ticket_id=ticket_id, requester=CLERK)
        answer = await ComplaintServiceStub(channel).GetComplaint(request, timeout=CALL_SECONDS, wait_for_ready=True)
        return answer.complaint


def version(records: Records, ticket_id: str) -> int:
    return records.count("SELECT COALESCE(MAX(version), -1) FROM complaints WHERE ticket_id = ?", ticket_id)


def raised(records: Records, ticket_id: str) -> list[object]:
    return records.column("SELECT level FROM complaint_escalations WHERE ticket_id = ? ORDER BY level", ticket_id)


@pytest.mark.parametrize(
    "point",
    [pytest.param("complaint-filed.before-commit", marks=pytest.mark.slow), "complaint-filed.after-commit"],
)
def test_a_complaint_whose_node_dies_as_it_is_filed_is_taken_in_once(scene: Scene, point: str) -> None:
    request = filing(scene, point)
    known = scene.handling.count("SELECT COUNT(*) FROM complaints")
    scene.arm(HANDLING, point)
    call = scene.background.start(file_complaint(scene, request))
    scene.require_killed(HANDLING)
    with pytest.raises(grpc.aio.AioRpcError):
        call.result()
    committed = point.endswith("after-commit")
    assert scene.handling.count("SELECT COUNT(*) FROM complaints") == known + committed
    scene.restart(HANDLING)
    filed = scene.run(file_complaint(scene, request))
    wait_until(lambda: version(scene.handling, filed.ticket_id) == 1, CALL_SECONDS, "the home region has taken it up")
    assert scene.handling.count("SELECT COUNT(*) FROM complaints") == known + 1
    assert scene.handling.open_envelopes(filed.ticket_id) == []
    notices = "SELECT COUNT(*) FROM notices WHERE notice_id = ?"
    assert scene.handling.count(notices, f"complaint/{filed.ticket_id}/filed") == 1
    assert raised(scene.handling, filed.ticket_id) == [0, 1]


@pytest.mark.slow
def test_a_filing_whose_answer_dies_with_the_node_is_taken_up_once(scene: Scene) -> None:
    scene.arm(HANDLING, "complaint-answered.before-commit")
    filed = scene.run(file_complaint(scene, filing(scene, "answered")))
    scene.require_killed(HANDLING)
    assert (version(scene.handling, filed.ticket_id), version(scene.home, filed.ticket_id)) == (0, 1)
    scene.restart(HANDLING)
    wait_until(lambda: version(scene.handling, filed.ticket_id) == 1, CALL_SECONDS, "the first contact knows")
    events = "SELECT COUNT(*) FROM complaint_events WHERE ticket_id = ?"
    assert scene.home.count(events, filed.ticket_id) == 1


@pytest.mark.slow
def test_a_level_that_comes_while_its_node_is_killed_is_reached_once(hasty: Scene) -> None:
    hasty.arm(HOME, "complaint-raised.before-commit")
    hasty.run(hasty.federation.wait_joined((HANDLING, HOME)))
    hasty.require_well()  # so that the complaint is there before it is due to be raised
    # Of a number without other complaints: the third of one is raised further as it is filed.
    filed = hasty.run(file_complaint(hasty, filing(hasty, "raised", OTHER_NUMBER)))
    hasty.require_killed(HOME)
    assert raised(hasty.home, filed.ticket_id) == []
    hasty.restart(HOME)
    wait_until(lambda: raised(hasty.home, filed.ticket_id) == [2], CALL_SECONDS, "it is raised")
    wait_until(lambda: version(hasty.handling, filed.ticket_id) == 2, CALL_SECONDS, "the first contact knows")
    hasty.kill(HOME)
    hasty.restart(HOME)
    hasty.require_well()
    assert raised(hasty.home, filed.ticket_id) == [2]
    assert [each.level for each in hasty.run(complaint_of(hasty, filed.ticket_id)).escalations] == [0, 1, 2]


@pytest.mark.slow
def test_a_level_whose_node_dies_once_it_was_told_is_told_again_under_the_same_id(scene: Scene) -> None:
    request = filing(scene, "told", number_of(902))
    scene.arm(HANDLING, "complaint-told.before-commit")
    call = scene.background.start(file_complaint(scene, request))
    scene.require_killed(HANDLING)
    call.exception()  # the node may have answered before it died
    scene.restart(HANDLING)
    ticket_id = scene.run(file_complaint(scene, request)).ticket_id
    waiting = "SELECT COUNT(*) FROM escalation_notices WHERE ticket_id = ? AND told_time IS NULL"
    wait_until(lambda: not scene.handling.count(waiting, ticket_id), CALL_SECONDS, "it was told, and that is noted")
    told = load(RegionSettings, scene.federation.settings_file(HANDLING)).escalation_file
    lines = [json.loads(line) for line in told.read_text("utf-8").splitlines()]
    assert [each["id"] for each in lines if each["ticket_id"] == ticket_id] == [f"{ticket_id}/L1"] * 2
    assert raised(scene.handling, ticket_id) == [0, 1]


async def _propose(scene: Scene, ticket_id: str, certificate: str) -> None:
    async with scene.federation.dial_region(HANDLING, certificate) as channel:
        request = ProposeResolutionRequest(
            request_id=f"propose-{scene.engine.value}",
            ticket_id=ticket_id,
            text="sorry",
            cause_code="manners",
            remedy=Remedy.REMEDY_CREDIT,
            amount=Money(minor_units=MONEY, currency="CNY"),
        )
        await ComplaintServiceStub(channel).ProposeResolution(request, timeout=CALL_SECONDS, wait_for_ready=True)


async def _accept(scene: Scene, ticket_id: str) -> None:
    async with scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        request = AcceptResolutionRequest(
            request_id=f"accept-{scene.engine.value}", ticket_id=ticket_id, requester=CLERK
        )
        await ComplaintServiceStub(channel).AcceptResolution(request, timeout=CALL_SECONDS, wait_for_ready=True)


async def _approve(scene: Scene, order_id: str, certificate: str) -> None:
    async with scene.federation.dial_region(HOME, certificate) as channel:
        approves = ReviewDecision.REVIEW_DECISION_APPROVE
        request = ReviewOrderRequest(request_id=f"approve-{scene.engine.value}", order_id=order_id, decision=approves)
        await OrderServiceStub(channel).ReviewOrder(request, timeout=CALL_SECONDS, wait_for_ready=True)


def stored(records: Records, ticket_id: str) -> Complaint:
    with records.database.look() as tx:
        return require_complaint(tx, ticket_id).complaint


@pytest.mark.slow
def test_money_for_a_complaint_is_booked_once_whoever_is_killed_from_the_acceptance_to_the_end(scene: Scene) -> None:
    federation, engine = scene.federation, scene.engine.value
    clerk, reviewer = f"zhao-{engine}", f"qian-{engine}"
    federation.issue_staff(HANDLING, clerk)
    federation.issue_staff(HOME, reviewer)
    ticket_id = scene.run(file_complaint(scene, filing(scene, "paid", PAID_NUMBER, "SVC_ATTITUDE"))).ticket_id
    scene.run(_propose(scene, ticket_id, f"{HANDLING}-{clerk}"))

    scene.arm(HANDLING, "complaint-accepted.before-commit")
    scene.background.start(_accept(scene, ticket_id))
    scene.require_killed(HANDLING)
    assert stored(scene.handling, ticket_id).state == ComplaintState.COMPLAINT_STATE_RESOLVED
    scene.arm(HANDLING, "remedy-ordered.before-commit")
    scene.background.start(_accept(scene, ticket_id))  # whose answer may come before the node dies, or not
    scene.require_killed(HANDLING)
    order_id = f"{HANDLING}/node/complaints/{ticket_id.replace('/', '.')}.1"
    assert stored(scene.handling, ticket_id).state == ComplaintState.COMPLAINT_STATE_CLOSED
    assert scene.handling.order(order_id) is None

    # How the order goes home and its receipt comes back is proven of all orders (S9, S12).
    scene.arm(HANDLING, "remedy-followed.before-commit")
    scene.require_killed(HANDLING)
    scene.restart(HANDLING)
    wait_until(
        lambda: stored(scene.handling, ticket_id).remedy.awaiting_action == "review", CALL_SECONDS, "it is reviewed"
    )

    for point, booked in (("order-reviewed.before-commit", 0), ("order-reviewed.after-commit", 2)):
        scene.arm(HOME, point)
        scene.background.start(_approve(scene, order_id, f"{HOME}-{reviewer}"))
        scene.require_killed(HOME)
        assert len(scene.home.entries(f"{order_id}#remedy")) == booked
    scene.restart(HOME)
    wait_until(lambda: stored(scene.handling, ticket_id).remedy.state == BOOKED, CALL_SECONDS, "it is booked")
    assert scene.home.entries(f"{order_id}#remedy") == [
        (account_of(PAID_NUMBER), MONEY),
        (f"receivable/{HANDLING}", -MONEY),
    ]
    assert scene.handling.entries(f"{order_id}#owed") == [("compensation", -MONEY), (f"payable/{HOME}", MONEY)]
    sums = "SELECT SUM(amount) FROM ledger_entries WHERE account = ?"
    assert scene.home.count(sums, account_of(PAID_NUMBER)) == 10_000 + MONEY
    notices = "SELECT COUNT(*) FROM notices WHERE notice_id = ?"
    assert scene.handling.count(notices, f"complaint/{ticket_id}/money/1/booked") == 1
    followed = "SELECT COUNT(*) FROM audit WHERE subject = ? AND action = 'FollowRemedy'"
    assert scene.handling.count(followed, ticket_id) == 1
    left = "SELECT COUNT(*) FROM timers WHERE subject IN (?, ?)"
    wait_until(lambda: scene.handling.count(left, ticket_id, order_id) == 0, CALL_SECONDS, "nothing is left to be done")
    for records in (scene.handling, scene.home):
        records.verify_chain()
