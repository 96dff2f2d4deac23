"""A customer's message during the transit of a return is processed once in the case, despite kills."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from deploy.local.federation import OPERATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.api.region.v1.complaint_service_pb2 import (
    ExpediteComplaintRequest,
    RespondToComplaintRequest,
    WithdrawComplaintRequest,
)
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from tests.crash.regions import CALL_SECONDS, CLERK, HANDLING, HOME
from tests.crash.scene import Scene
from tests.crash.test_complaint_cases import file, give_back
from tests.crash.test_complaints import complaint_of, version

pytestmark = pytest.mark.slow

Say = Callable[[Scene, str, str], Coroutine[Any, Any, Complaint]]
CANCELLED = ComplaintState.COMPLAINT_STATE_CANCELLED
POINTS = [
    (HOME, "S9.after-commit"),  # it has answered that it is not responsible any more
    (HANDLING, "complaint-redone.before-commit"),  # done in the case, and nothing of that is kept
    (HANDLING, "S12.after-commit"),  # all is kept, and nobody has heard of it
]


async def _respond(scene: Scene, ticket_id: str, request_id: str) -> Complaint:
    request = RespondToComplaintRequest(request_id=request_id, ticket_id=ticket_id, requester=CLERK, text="the receipt")
    async with scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        node = ComplaintServiceStub(channel)
        return (await node.RespondToComplaint(request, timeout=CALL_SECONDS, wait_for_ready=True)).complaint


async def _expedite(scene: Scene, ticket_id: str, request_id: str) -> Complaint:
    request = ExpediteComplaintRequest(request_id=request_id, ticket_id=ticket_id, requester=CLERK)
    async with scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        node = ComplaintServiceStub(channel)
        return (await node.ExpediteComplaint(request, timeout=CALL_SECONDS, wait_for_ready=True)).complaint


async def _withdraw(scene: Scene, ticket_id: str, request_id: str) -> Complaint:
    request = WithdrawComplaintRequest(request_id=request_id, ticket_id=ticket_id, requester=CLERK, reason="settled")
    async with scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        node = ComplaintServiceStub(channel)
        return (await node.WithdrawComplaint(request, timeout=CALL_SECONDS, wait_for_ready=True)).complaint


def returned_unheard(scene: Scene, name: str) -> str:
    """The ticket id of a complaint that the home region has returned, of which the first contact does not know yet."""
    certificate = scene.federation.issue_staff(HOME, "wang").name
    ticket_id = file(scene, "BILL_WRONG", f"redone-{name}").ticket_id
    wait_until(lambda: version(scene.handling, ticket_id) == 1, CALL_SECONDS, "the home region has taken it up")
    scene.coordinator_to_handling.cut()
    scene.run(give_back(scene, certificate, ticket_id))
    return ticket_id


@pytest.mark.parametrize(("region", "point"), POINTS)
@pytest.mark.parametrize("say", [_respond, _expedite, _withdraw], ids=["responds", "expedites", "withdraws"])
def test_what_the_customer_says_while_a_return_is_on_its_way_is_done_once_whoever_is_killed(
    scene: Scene, region: str, point: str, say: Say
) -> None:
    ticket_id = returned_unheard(scene, f"{say.__name__}-{point}")
    request_id = f"said-{ticket_id.replace('/', '-')}"
    scene.arm(region, point)
    call = scene.background.start(say(scene, ticket_id, request_id))
    scene.require_killed(region)
    call.exception()  # the node may have answered before it died
    scene.restart(region)
    wait_until(lambda: scene.handling.open_envelopes(ticket_id) == [], CALL_SECONDS, "it is answered")
    scene.coordinator_to_handling.heal()
    wait_until(lambda: scene.home.open_envelopes(ticket_id) == [], CALL_SECONDS, "the first contact has heard all")
    scene.run(say(scene, ticket_id, request_id))
    case = scene.run(complaint_of(scene, ticket_id))
    assert ([each.region for each in case.items], case.owner_region) == ([HOME], HANDLING)
    said = "the receipt" if say is _respond else "settled" if say is _withdraw else ""
    assert [each.text for each in case.notes] == ["not ours", *filter(None, [said])]
    assert len(case.expedites) == (say is _expedite)
    assert (case.state == CANCELLED) == (say is _withdraw)
    asked = "SELECT COUNT(*) FROM audit WHERE subject = ? AND action IN ('respond', 'expedite', 'withdraw')"
    assert scene.handling.count(asked, ticket_id) == 1
