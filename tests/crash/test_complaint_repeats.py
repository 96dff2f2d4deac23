"""The repeats of a complaint in another region are counted once, despite kills during the report."""

import pytest

from deploy.local.federation import OPERATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.complaint_service_pb2 import FileComplaintRequest
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME, number_of
from tests.crash.scene import Scene
from tests.crash.test_complaints import file_complaint, filing, raised, stored

pytestmark = pytest.mark.slow

CATEGORY = "SVC_ATTITUDE"  # whoever takes it in answers it


async def file_at_home(scene: Scene, request: FileComplaintRequest) -> Complaint:
    async with scene.federation.dial_region(HOME, f"{HOME}-{OPERATOR}") as channel:
        node = ComplaintServiceStub(channel)
        return (await node.FileComplaint(request, timeout=CALL_SECONDS, wait_for_ready=True)).complaint


@pytest.mark.parametrize(
    ("number", "dies", "point", "is_known"),
    [
        (904, HOME, "complaint-noted.before-commit", False),
        (905, HOME, "S9.after-commit", True),
        (906, HANDLING, "complaint-joined.before-commit", True),
    ],
)
def test_a_repeat_is_joined_once_whoever_is_killed_while_it_is_told(
    scene: Scene, number: int, dies: str, point: str, is_known: bool
) -> None:
    about, index = number_of(number), "SELECT COUNT(*) FROM complaint_index WHERE ticket_id = ?"
    earlier = [
        scene.run(file_at_home(scene, filing(scene, f"{number}-{each}", about, CATEGORY))).ticket_id
        for each in range(2)
    ]
    scene.arm(dies, point)
    filed = scene.run(file_complaint(scene, filing(scene, f"joined-{number}", about, CATEGORY)))
    scene.require_killed(dies)
    assert scene.home.count(index, filed.ticket_id) == is_known
    assert (stored(scene.handling, filed.ticket_id).repeats, raised(scene.handling, filed.ticket_id)) == (0, [0, 1])
    scene.restart(dies)
    wait_until(lambda: stored(scene.handling, filed.ticket_id).repeats == 2, CALL_SECONDS, "it is joined")
    found = stored(scene.handling, filed.ticket_id)
    assert (found.repeated_ticket_id, found.version, found.level) == (earlier[1], 2, 4)
    assert raised(scene.handling, filed.ticket_id) == [0, 1, 2, 3, 4]
    assert scene.handling.open_envelopes(filed.ticket_id) == []
    assert scene.home.count(index, filed.ticket_id) == 1
    events = "SELECT COUNT(*) FROM complaint_events WHERE ticket_id = ?"
    assert scene.handling.count(events, filed.ticket_id) == 2
    later = scene.run(file_at_home(scene, filing(scene, f"later-{number}", about, CATEGORY)))
    assert (later.repeated_ticket_id, later.repeats) == (filed.ticket_id, 3)
