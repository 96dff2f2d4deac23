"""A case loses no work item and gets none twice, whatever is killed while it is filed, returned and assigned."""

from datetime import UTC, datetime

import grpc
import pytest

from deploy.local.federation import FEDERATION
from deploy.local.process import wait_until
from gateway.api.coordinator.v1.case_service_pb2 import AssignComplaintRequest, ListCasesRequest
from gateway.api.coordinator.v1.case_service_pb2_grpc import CaseServiceStub
from gateway.api.region.v1 import case_service_pb2 as at_node
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import Complaint, ReturnReason
from gateway.api.region.v1.complaint_service_pb2 import ReturnComplaintRequest
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.federation.acts import signed_act
from gateway.security.signing import Signer
from tests.crash.records import Records
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME, number_of
from tests.crash.scene import Scene
from tests.crash.test_complaints import complaint_of, file_complaint, filing, version

pytestmark = pytest.mark.slow

NUMBER = number_of(902)  # of no order in these tests
BOTH, COORDINATED, SINGLE = "PRIV_SHARE", "NET_CROSS_PATH", "BILL_WRONG"
STAFF = "wang"
_AT_NODE = at_node.DESCRIPTOR.services_by_name["CaseService"]


def file(scene: Scene, category: str, request_id: str) -> Complaint:
    request = filing(scene, request_id, NUMBER)
    request.complaint.category = category
    return scene.run(file_complaint(scene, request))


async def give_back(scene: Scene, certificate: str, ticket_id: str) -> Complaint:
    request = ReturnComplaintRequest(
        request_id=f"return-{scene.engine.value}-{ticket_id.replace('/', '-')}",
        ticket_id=ticket_id,
        reason=ReturnReason.RETURN_REASON_NOT_COMPETENT,
        text="not ours",
    )
    async with scene.federation.dial_region(HOME, certificate) as channel:
        node = ComplaintServiceStub(channel)
        return (await node.ReturnComplaint(request, timeout=CALL_SECONDS, wait_for_ready=True)).complaint


async def _assign(scene: Scene, ticket_id: str) -> CaseHeader:
    asked = at_node.AssignComplaintRequest(
        request_id=f"assign-{ticket_id.replace('/', '-')}", ticket_id=ticket_id, region=HOME, department="BACKBONE"
    )
    signer, method = Signer.load(scene.federation.administrator.key), f"/{_AT_NODE.full_name}/AssignComplaint"
    request = AssignComplaintRequest(
        request_id=asked.request_id,
        ticket_id=ticket_id,
        region=asked.region,
        department=asked.department,
        signed=signed_act(signer, FEDERATION, method, HANDLING, asked, datetime.now(UTC)),
    )
    async with scene.federation.dial_coordinator() as channel:
        node = CaseServiceStub(channel)
        return (await node.AssignComplaint(request, timeout=CALL_SECONDS, wait_for_ready=True)).header


async def _held(scene: Scene, ticket_id: str) -> CaseHeader | None:
    """The case as the coordinator has it."""
    async with scene.federation.dial_coordinator() as channel:
        request = ListCasesRequest(page_size=500)
        listed = await CaseServiceStub(channel).ListCases(request, timeout=CALL_SECONDS, wait_for_ready=True)
    return next((each for each in listed.cases if each.ticket_id == ticket_id), None)


def items_of(records: Records, ticket_id: str) -> list[object]:
    return records.column("SELECT ticket_id FROM complaints WHERE case_id = ? ORDER BY ticket_id", ticket_id)


def require_told(scene: Scene, ticket_id: str) -> CaseHeader:
    """Requires the current case at the coordinator, with an empty queue."""
    left = "SELECT COUNT(*) FROM cases_to_tell WHERE ticket_id = ?"
    wait_until(lambda: scene.handling.count(left, ticket_id) == 0, CALL_SECONDS, "a coordinator was told")
    held = scene.run(_held(scene, ticket_id))
    assert held is not None
    assert held.version == version(scene.handling, ticket_id)
    return held


def test_a_case_whose_node_dies_as_it_is_filed_has_each_item_once(scene: Scene) -> None:
    point = "complaint-filed.after-commit"  # before it nothing of it is there, as of any complaint
    known = scene.handling.count("SELECT COUNT(*) FROM complaints WHERE case_id = ''")
    scene.arm(HANDLING, point)
    request = filing(scene, f"case-{point}", NUMBER)
    request.complaint.category = BOTH
    call = scene.background.start(file_complaint(scene, request))
    scene.require_killed(HANDLING)
    with pytest.raises(grpc.aio.AioRpcError):
        call.result()
    scene.restart(HANDLING)
    ticket_id = scene.run(file_complaint(scene, request)).ticket_id
    assert scene.handling.count("SELECT COUNT(*) FROM complaints WHERE case_id = ''") == known + 1
    assert items_of(scene.handling, ticket_id) == [f"{ticket_id}/1", f"{ticket_id}/2"]
    wait_until(lambda: version(scene.handling, f"{ticket_id}/2") == 1, CALL_SECONDS, "the home region has taken it up")
    assert items_of(scene.home, ticket_id) == [f"{ticket_id}/2"]
    assert len(require_told(scene, ticket_id).items) == 2


@pytest.mark.parametrize("point", ["complaint-returned.before-commit", "complaint-returned.after-commit"])
def test_a_complaint_whose_node_dies_as_it_is_returned_becomes_a_case_once(scene: Scene, point: str) -> None:
    certificate = scene.federation.issue_staff(HOME, STAFF).name
    filed = file(scene, SINGLE, f"returned-{point}")
    wait_until(lambda: version(scene.handling, filed.ticket_id) == 1, CALL_SECONDS, "the home region has taken it up")
    scene.arm(HOME, point)
    call = scene.background.start(give_back(scene, certificate, filed.ticket_id))
    scene.require_killed(HOME)
    with pytest.raises(grpc.aio.AioRpcError):
        call.result()
    scene.restart(HOME)
    scene.run(give_back(scene, certificate, filed.ticket_id))
    wait_until(lambda: version(scene.handling, filed.ticket_id) == 3, CALL_SECONDS, "the first contact leads")
    case = scene.run(complaint_of(scene, filed.ticket_id))
    assert ([each.region for each in case.items], case.owner_region) == ([HOME], HANDLING)
    assert [each.text for each in case.notes] == ["not ours"]
    events = "SELECT COUNT(*) FROM complaint_events WHERE ticket_id = ?"
    assert scene.home.count(events, filed.ticket_id) == 2, "taken up, and returned once"
    require_told(scene, filed.ticket_id)


@pytest.mark.parametrize("point", ["complaint-assigned.before-commit", "complaint-assigned.after-commit"])
def test_a_case_whose_node_dies_as_an_item_is_assigned_gets_one_item(scene: Scene, point: str) -> None:
    ticket_id = file(scene, COORDINATED, f"assigned-{point}").ticket_id
    scene.arm(HANDLING, point)
    scene.run(scene.federation.wait_joined((HANDLING, HOME)))
    call = scene.background.start(_assign(scene, ticket_id))
    scene.require_killed(HANDLING)
    with pytest.raises(grpc.aio.AioRpcError):
        call.result()
    scene.restart(HANDLING)
    scene.run(scene.federation.wait_joined((HANDLING, HOME)))
    header = scene.run(_assign(scene, ticket_id))
    assert [each.region for each in header.items] == ["", HOME]
    assert items_of(scene.handling, ticket_id) == [f"{ticket_id}/2"]
    wait_until(lambda: version(scene.handling, f"{ticket_id}/2") == 1, CALL_SECONDS, "the home region has taken it up")
    assert items_of(scene.home, ticket_id) == [f"{ticket_id}/2"]
    assert len(require_told(scene, ticket_id).items) == 2
