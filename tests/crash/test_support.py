"""A support request is taken in once, and what staff say of it is done once, whatever is killed while that is done."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from deploy.local.federation import OPERATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportMeasurement, SupportRequest, SupportState
from gateway.api.region.v1.support_service_pb2 import OpenSupportRequestRequest, WorkOnSupportRequestRequest
from gateway.api.region.v1.support_service_pb2_grpc import SupportServiceStub
from gateway.time.clock import to_timestamp
from region_node.network.support.rows import SUPPORT_ROWS
from tests.crash.records import Records
from tests.crash.regions import CALL_SECONDS, CLERK, HANDLING, number_of
from tests.crash.scene import Scene

pytestmark = pytest.mark.slow

NUMBER = number_of(930)  # of no order in these tests
MEASURED_AT = datetime(2026, 1, 1, tzinfo=UTC)
STAFF = "zhou"
COUNTED = "SELECT COUNT(*) FROM support_requests"
HOLDING = "SELECT COUNT(*) FROM support_requests WHERE support_request_id = ?"


def wanted(scene: Scene, request_id: str) -> OpenSupportRequestRequest:
    """A support request of which the home region is at fault."""
    measurement = SupportMeasurement(
        link="chengdu-guangzhou-1",
        delay_us=250_000,
        start_time=to_timestamp(MEASURED_AT),
        end_time=to_timestamp(MEASURED_AT + timedelta(hours=1)),
    )
    inquiry = SupportInquiry(
        number=NUMBER,
        subject="slow",
        description="since nine",
        service="lines-chengdu-guangzhou",
        measurements=[measurement],
    )
    return OpenSupportRequestRequest(
        request_id=f"support-{request_id}-{scene.engine.value}", inquiry=inquiry, requester=CLERK
    )


async def opened(scene: Scene, request: OpenSupportRequestRequest) -> SupportRequest:
    async with scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        node = SupportServiceStub(channel)
        return (await node.OpenSupportRequest(request, timeout=CALL_SECONDS, wait_for_ready=True)).request


async def noted(scene: Scene, support_id: str) -> SupportRequest:
    request = WorkOnSupportRequestRequest(
        request_id=f"support-note-{scene.engine.value}", support_request_id=support_id, note="try at ten"
    )
    async with scene.federation.dial_region(HANDLING, f"{HANDLING}-{STAFF}") as channel:
        node = SupportServiceStub(channel)
        return (await node.WorkOnSupportRequest(request, timeout=CALL_SECONDS, wait_for_ready=True)).request


def stored(records: Records, support_id: str) -> SupportRequest:
    with records.database.look() as tx:
        return SUPPORT_ROWS.require(tx, support_id).ticket


@pytest.mark.parametrize("point", ["support-opened.before-commit", "support-opened.after-commit"])
def test_a_support_request_whose_node_dies_as_it_is_opened_is_taken_in_once(scene: Scene, point: str) -> None:
    request = wanted(scene, point)
    known = scene.handling.count(COUNTED)
    scene.arm(HANDLING, point)
    call = scene.background.start(opened(scene, request))
    scene.require_killed(HANDLING)
    with pytest.raises(grpc.aio.AioRpcError):
        call.result()
    assert scene.handling.count(COUNTED) == known + point.endswith("after-commit")
    scene.restart(HANDLING)
    filed = scene.run(opened(scene, request))
    wait_until(lambda: stored(scene.handling, filed.id).version == 1, CALL_SECONDS, "the region at fault has it")
    assert scene.handling.count(COUNTED) == known + 1
    assert scene.home.count(HOLDING, filed.id) == 1


def test_what_staff_write_down_stands_once_whoever_is_killed_on_its_way(scene: Scene) -> None:
    scene.federation.issue_staff(HANDLING, STAFF)
    scene.arm(HANDLING, "support-answered.before-commit")
    filed = scene.run(opened(scene, wanted(scene, "noted")))
    scene.require_killed(HANDLING)
    assert (stored(scene.handling, filed.id).version, stored(scene.home, filed.id).version) == (0, 1)
    for point in ("support-worked.before-commit", "support-worked.after-commit"):
        scene.arm(HANDLING, point)
        call = scene.background.start(noted(scene, filed.id))
        scene.require_killed(HANDLING)
        with pytest.raises(grpc.aio.AioRpcError):
            call.result()
    scene.restart(HANDLING)
    scene.run(noted(scene, filed.id))
    wait_until(lambda: stored(scene.handling, filed.id).version == 2, CALL_SECONDS, "the note is known")
    assert [each.text for each in stored(scene.home, filed.id).notes] == ["try at ten"]
    assert stored(scene.handling, filed.id) == stored(scene.home, filed.id)
    assert stored(scene.home, filed.id).state == SupportState.SUPPORT_STATE_ACKNOWLEDGED
    for records in (scene.handling, scene.home):
        records.verify_chain()
