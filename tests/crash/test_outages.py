"""Outages and planned outages across regions: reported once, stored once, announced once, despite kills on the way."""

from datetime import timedelta

import grpc
import pytest

from deploy.local.federation import COORDINATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.agreement_pb2 import OutageCause
from gateway.api.region.v1.agreement_service_pb2 import NoteOutageRequest
from gateway.api.region.v1.agreement_service_pb2_grpc import AgreementServiceStub
from gateway.api.region.v1.planned_outage_service_pb2 import (
    AnnouncePlannedOutageRequest,
    PlannedOutage,
    PlannedOutageState,
)
from gateway.api.region.v1.planned_outage_service_pb2_grpc import PlannedOutageServiceStub
from gateway.time.clock import SystemClock, to_timestamp
from tests.crash.records import Records
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME
from tests.crash.scene import Scene
from tests.federation.refusals import once_confirmed

pytestmark = pytest.mark.slow

STAFF = "liu"
LINK, SERVICE = "chengdu-guangzhou-1", "lines-chengdu-guangzhou"
HOUR = timedelta(hours=1)


def noted(records: Records, source: str) -> int:
    return records.count("SELECT COUNT(*) FROM service_outages WHERE source = ?", source)


async def _note(scene: Scene, certificate: str, request_id: str) -> str:
    now = SystemClock().now()
    request = NoteOutageRequest(
        request_id=request_id,
        service=SERVICE,
        start_time=to_timestamp(now - 2 * HOUR),
        end_time=to_timestamp(now - HOUR),
        cause=OutageCause.OUTAGE_CAUSE_OPERATOR,
    )
    async with scene.federation.dial_region(HOME, certificate) as channel:
        node = AgreementServiceStub(channel)
        return (await node.NoteOutage(request, timeout=CALL_SECONDS, wait_for_ready=True)).outage.source


async def _announce(scene: Scene, certificate: str, request: AnnouncePlannedOutageRequest) -> PlannedOutage:
    async with scene.federation.dial_region(HOME, certificate) as channel:
        node = PlannedOutageServiceStub(channel)
        answer = await node.AnnouncePlannedOutage(request, timeout=CALL_SECONDS, wait_for_ready=True)
        return answer.planned_outage


def announcing(request_id: str, days: int) -> AnnouncePlannedOutageRequest:
    begins = SystemClock().now() + timedelta(days=days)
    return AnnouncePlannedOutageRequest(
        request_id=request_id,
        links=[LINK],
        start_time=to_timestamp(begins),
        end_time=to_timestamp(begins + HOUR),
    )


def test_an_outage_that_a_killed_region_was_being_told_of_is_noted_there_once(scene: Scene) -> None:
    certificate = scene.federation.issue_staff(HOME, STAFF).name
    scene.arm(HANDLING, "outage-told.before-commit")
    source = scene.run(_note(scene, certificate, f"told-{scene.engine.value}"))
    scene.require_killed(HANDLING)
    assert (noted(scene.home, source), noted(scene.handling, source)) == (1, 0)
    scene.restart(HANDLING)
    wait_until(lambda: noted(scene.handling, source) == 1, CALL_SECONDS, "the other region knows")
    waiting = "SELECT COUNT(*) FROM outbox WHERE subject = ? AND closed IS NULL"
    wait_until(lambda: scene.home.count(waiting, f"outage/{source}") == 0, CALL_SECONDS, "its receipt is there")
    assert noted(scene.handling, source) == 1


@pytest.mark.parametrize("killed", ["node", "coordinator"])
def test_a_planned_outage_whose_node_or_coordinator_dies_is_announced_once_by_the_same_request(
    scene: Scene, killed: str
) -> None:
    certificate = scene.federation.issue_staff(HOME, STAFF).name
    days = 5 if killed == "node" else 9
    request = announcing(f"planned-{killed}-{scene.engine.value}", days)
    if killed == "node":
        scene.arm(HOME, "planned-announced.before-commit")
        call = scene.background.start(_announce(scene, certificate, request))
        scene.require_killed(HOME)
        with pytest.raises(grpc.aio.AioRpcError):
            call.result()
        scene.restart(HOME)
    else:
        scene.kill(COORDINATOR)
        with pytest.raises(grpc.aio.AioRpcError):
            scene.run(_announce(scene, certificate, request))
        scene.restart(COORDINATOR)
    source = f"{HOME}/planned/{STAFF}/{request.request_id}"
    assert (noted(scene.home, source), noted(scene.handling, source)) == (0, 0)
    planned = scene.run(once_confirmed(lambda: _announce(scene, certificate, request)))
    assert (planned.id, planned.state) == (source, PlannedOutageState.PLANNED_OUTAGE_STATE_ANNOUNCED)
    assert scene.run(_announce(scene, certificate, request)) == planned
    wait_until(lambda: noted(scene.handling, source) == 1, CALL_SECONDS, "the other region knows")
    assert noted(scene.home, source) == 1
