"""A resolution is proposed once, with one notice to the customer, despite kills on the way."""

import grpc
import pytest

from deploy.local.process import wait_until
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, Remedy, WorkItemState
from gateway.api.region.v1.complaint_service_pb2 import ProposeResolutionRequest
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from tests.crash.records import Records
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME, number_of
from tests.crash.scene import Scene
from tests.crash.test_complaints import complaint_of, file_complaint, filing, stored, version

pytestmark = pytest.mark.slow

NUMBER = number_of(904)  # of no other complaint
SINGLE, BOTH = "BILL_WRONG", "PRIV_SHARE"
STAFF = "zhou"
TAKEN_UP, RESOLVED = 1, 2
"""Versions of what the home region answers for."""


async def _propose(scene: Scene, certificate: str, ticket_id: str) -> Complaint:
    request = ProposeResolutionRequest(
        request_id=f"propose-{scene.engine.value}-{ticket_id.replace('/', '-')}",
        ticket_id=ticket_id,
        text="put right",
        cause_code="billing-error",
        remedy=Remedy.REMEDY_CORRECTION,
    )
    async with scene.federation.dial_region(HOME, certificate) as channel:
        node = ComplaintServiceStub(channel)
        return (await node.ProposeResolution(request, timeout=CALL_SECONDS, wait_for_ready=True)).complaint


def at_work(scene: Scene, category: str, request_id: str) -> tuple[str, str]:
    """The ticket ids of a complaint, and of the part at the home region: all, or its work item."""
    ticket_id = scene.run(file_complaint(scene, filing(scene, request_id, NUMBER, category))).ticket_id
    own = ticket_id if category == SINGLE else f"{ticket_id}/2"
    wait_until(lambda: version(scene.handling, own) == TAKEN_UP, CALL_SECONDS, "the home region has taken it up")
    return ticket_id, own


def notices(records: Records, ticket_id: str) -> int:
    """The number of notices to the customer about a resolution."""
    return records.count("SELECT COUNT(*) FROM notices WHERE notice_id = ?", f"complaint/{ticket_id}/resolved/0")


def require_resolved_once(scene: Scene, ticket_id: str) -> None:
    wait_until(lambda: version(scene.handling, ticket_id) == RESOLVED, CALL_SECONDS, "the first contact knows")
    found = scene.run(complaint_of(scene, ticket_id))
    changes = [each.state for each in found.state_changes]
    assert changes.count(ComplaintState.COMPLAINT_STATE_RESOLVED) == 1
    assert found.resolution.text == "put right"
    assert notices(scene.handling, ticket_id) == 1
    events = "SELECT COUNT(*) FROM complaint_events WHERE ticket_id = ?"
    assert scene.home.count(events, ticket_id) == 2, "taken up, and resolved once"
    wait_until(lambda: scene.home.open_envelopes(ticket_id) == [], CALL_SECONDS, "nothing is on its way")
    assert scene.handling.open_envelopes(ticket_id) == []


@pytest.mark.parametrize("point", ["complaint-proposed.before-commit", "complaint-proposed.after-commit"])
def test_a_resolution_whose_node_dies_as_it_is_proposed_is_proposed_once(scene: Scene, point: str) -> None:
    certificate = scene.federation.issue_staff(HOME, STAFF).name
    ticket_id, _ = at_work(scene, SINGLE, point)
    scene.arm(HOME, point)
    call = scene.background.start(_propose(scene, certificate, ticket_id))
    scene.require_killed(HOME)
    with pytest.raises(grpc.aio.AioRpcError):
        call.result()
    assert version(scene.home, ticket_id) == (RESOLVED if point.endswith("after-commit") else TAKEN_UP)
    scene.restart(HOME)
    scene.run(_propose(scene, certificate, ticket_id))
    require_resolved_once(scene, ticket_id)


def test_a_resolution_that_arrives_while_the_first_contact_is_killed_is_told_to_the_customer_once(scene: Scene) -> None:
    certificate = scene.federation.issue_staff(HOME, STAFF).name
    ticket_id, _ = at_work(scene, SINGLE, "updated")
    scene.arm(HANDLING, "complaint-updated.before-commit")
    scene.run(_propose(scene, certificate, ticket_id))
    scene.require_killed(HANDLING)
    assert (version(scene.handling, ticket_id), notices(scene.handling, ticket_id)) == (TAKEN_UP, 0)
    scene.restart(HANDLING)
    require_resolved_once(scene, ticket_id)


def test_an_item_that_is_done_while_the_node_that_leads_is_killed_is_done_in_the_case_once(scene: Scene) -> None:
    certificate = scene.federation.issue_staff(HOME, STAFF).name
    ticket_id, item = at_work(scene, BOTH, "item-updated")
    scene.arm(HANDLING, "complaint-updated.before-commit")
    known = version(scene.handling, ticket_id)
    scene.run(_propose(scene, certificate, item))
    scene.require_killed(HANDLING)
    assert stored(scene.handling, ticket_id).items[1].state == WorkItemState.WORK_ITEM_STATE_IN_PROGRESS
    scene.restart(HANDLING)
    wait_until(lambda: version(scene.handling, ticket_id) > known, CALL_SECONDS, "the case knows that it is done")
    case = stored(scene.handling, ticket_id)
    assert [each.state for each in case.items] == [
        WorkItemState.WORK_ITEM_STATE_IN_PROGRESS,
        WorkItemState.WORK_ITEM_STATE_DONE,
    ]
    assert case.version == known + 1
    assert (version(scene.handling, item), notices(scene.handling, item)) == (RESOLVED, 0)
