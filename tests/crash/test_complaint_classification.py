"""A complaint that somebody classifies is routed once, whatever is killed while that is done."""

import grpc
import pytest

from deploy.local.process import wait_until
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.complaint_service_pb2 import ClassifyComplaintRequest
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from tests.crash.regions import CALL_SECONDS, HANDLING, number_of
from tests.crash.scene import Scene
from tests.crash.test_complaint_cases import items_of
from tests.crash.test_complaints import complaint_of, file_complaint, filing, raised, version

pytestmark = pytest.mark.slow

STAFF = "wang"
ONE_DEPARTMENT, TWO_DEPARTMENTS = "BILL_WRONG", "BILL_VAS"  # of the home region


async def _classify(scene: Scene, certificate: str, ticket_id: str, category: str) -> Complaint:
    request = ClassifyComplaintRequest(
        request_id=f"classify-{scene.engine.value}-{ticket_id.replace('/', '-')}",
        ticket_id=ticket_id,
        category=category,
    )
    async with scene.federation.dial_region(HANDLING, certificate) as channel:
        node = ComplaintServiceStub(channel)
        return (await node.ClassifyComplaint(request, timeout=CALL_SECONDS, wait_for_ready=True)).complaint


@pytest.mark.parametrize(
    ("point", "category", "number"),
    [
        ("complaint-classified.before-commit", ONE_DEPARTMENT, 910),
        ("complaint-classified.after-commit", ONE_DEPARTMENT, 911),
        ("complaint-classified.before-commit", TWO_DEPARTMENTS, 912),
        ("complaint-classified.after-commit", TWO_DEPARTMENTS, 913),
    ],
)
def test_a_complaint_whose_node_dies_as_it_is_classified_is_routed_once(
    scene: Scene, point: str, category: str, number: int
) -> None:
    certificate = scene.federation.issue_staff(HANDLING, STAFF).name
    request = filing(scene, f"unclear-{number}", number_of(number), category="")
    request.complaint.description = "please call me"
    filed = scene.run(file_complaint(scene, request))
    assert (filed.request.category, filed.version) == ("", 0)
    scene.arm(HANDLING, point)
    call = scene.background.start(_classify(scene, certificate, filed.ticket_id, category))
    scene.require_killed(HANDLING)
    with pytest.raises(grpc.aio.AioRpcError):
        call.result()
    stored = scene.handling.column("SELECT category FROM complaints WHERE ticket_id = ?", filed.ticket_id)
    assert stored == [category if point.endswith("after-commit") else ""]
    scene.restart(HANDLING)
    scene.run(_classify(scene, certificate, filed.ticket_id, category))
    ticket_ids = items_of(scene.handling, filed.ticket_id) or [filed.ticket_id]
    assert len(ticket_ids) == (1 if category == ONE_DEPARTMENT else 2)
    for item in map(str, ticket_ids):
        wait_until(lambda item=item: version(scene.handling, item) == 1, CALL_SECONDS, "the home region has it")  # type: ignore[misc]
        events = "SELECT COUNT(*) FROM complaint_events WHERE ticket_id = ?"
        assert scene.home.count(events, item) == 1
        assert scene.handling.open_envelopes(item) == []
    assert raised(scene.handling, filed.ticket_id) == [0, 1]
    known = scene.run(complaint_of(scene, filed.ticket_id))
    assert [each.category for each in known.classification.settings] == [category]
    notices = "SELECT COUNT(*) FROM notices WHERE notice_id = ?"
    assert scene.handling.count(notices, f"complaint/{filed.ticket_id}/classified/1") == 1
