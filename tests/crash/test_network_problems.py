"""A cause has one problem, followed and counted once, despite kills during its reports."""

from datetime import UTC, datetime

import grpc
import pytest

from deploy.local.federation import COORDINATOR, OPERATOR
from deploy.local.process import wait_until
from gateway.api.coordinator.v1 import problem_service_pb2 as api
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.region.v1 import followed_problem_service_pb2 as region_api
from gateway.api.region.v1.fault_pb2 import FaultPlace, FaultReport, FaultSeverity
from gateway.api.region.v1.fault_service_pb2 import ReportFaultRequest
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceStub
from gateway.api.region.v1.followed_problem_service_pb2_grpc import FollowedProblemServiceStub as RegionStub
from tests.crash.regions import CALL_SECONDS, CLERK, HOME, number_of
from tests.crash.scene import Scene
from tests.federation.refusals import once_confirmed
from tests.unit.network_events import event

pytestmark = pytest.mark.slow

NUMBER = number_of(903)  # of no order in these tests
SERVICE = "broadband-xichang"  # no other test has faults at its site
STAFF = "wang"


async def tell(scene: Scene, told: NetworkEvent) -> None:
    async with scene.federation.dial_coordinator(HOME) as channel:
        stub, request = ProblemServiceStub(channel), api.ReportEventRequest(event=told)
        await once_confirmed(lambda: stub.ReportEvent(request, timeout=CALL_SECONDS, wait_for_ready=True))


async def _problems(scene: Scene) -> list[Problem]:
    async with scene.federation.dial_coordinator() as channel:
        stub, found = ProblemServiceStub(channel), list[Problem]()
        request = api.ListProblemsRequest(include_ended=True, page_size=500)
        listed = await stub.ListProblems(request, timeout=CALL_SECONDS, wait_for_ready=True)
        for each in listed.problems:
            shown = await stub.GetProblem(api.GetProblemRequest(problem_id=each.header.id), timeout=CALL_SECONDS)
            found.append(shown.problem)
        return found


async def _bind(scene: Scene) -> None:
    async with scene.federation.dial_region(HOME, f"{HOME}-{OPERATOR}") as channel:
        binding = region_api.LineBinding(number=NUMBER, service=SERVICE)
        request = region_api.BindLinesRequest(bindings=[binding], requester=CLERK)
        await RegionStub(channel).BindLines(request, timeout=CALL_SECONDS, wait_for_ready=True)


def problems_of(scene: Scene, child: str) -> list[Problem]:
    return [each for each in scene.run(_problems(scene)) if child in each.header.child_ids]


async def _confirm(scene: Scene, certificate: str, problem: str, version: int) -> None:
    async with scene.federation.dial_region(HOME, certificate) as channel:
        request = region_api.ConfirmFollowedProblemRequest(problem_id=problem, version=version)
        await RegionStub(channel).ConfirmFollowedProblem(request, timeout=CALL_SECONDS, wait_for_ready=True)


def require_one(scene: Scene, child: str) -> Problem:
    """Requires one problem, with one notice to the customer at home once staff confirm it, equal at the home region."""

    def is_counted() -> bool:
        affected = [each for found in problems_of(scene, child) for each in found.affected]
        return [each.customers for each in affected if each.region == HOME] == [1]

    wait_until(is_counted, CALL_SECONDS, "the home region has counted")
    (found,) = problems_of(scene, child)
    name = found.header.id
    versions = "SELECT version FROM followed_problems WHERE problem_id = ?"
    wait_until(lambda: scene.home.column(versions, name) == [found.header.version], CALL_SECONDS, "it is followed")
    left = "SELECT COUNT(*) FROM followed_problems WHERE problem_id = ? AND to_count > 0"
    wait_until(lambda: scene.home.count(left, name) == 0, CALL_SECONDS, "nothing is left to be counted")
    scene.run(_confirm(scene, scene.federation.issue_staff(HOME, STAFF).name, name, found.header.version))
    notices = "SELECT COUNT(*) FROM notices WHERE notice_id LIKE ?"

    def times_told(stage: str) -> int:
        return scene.home.count(notices, f"problem/{name}/{stage}/%")

    # Another test may have been about the same: who was told that it was over is told once that it has come back.
    wait_until(lambda: times_told("begun") == times_told("ended") + 1, CALL_SECONDS, "the customer is told")
    return found


async def _report(scene: Scene, certificate: str, request_id: str) -> str:
    async with scene.federation.dial_region(HOME, certificate) as channel:
        report = FaultReport(
            description="no signal",
            place=FaultPlace(site="songpan"),
            severity=FaultSeverity.FAULT_SEVERITY_CRITICAL,
            requester=CLERK,
        )
        request = ReportFaultRequest(request_id=request_id, report=report)
        answer = await FaultServiceStub(channel).ReportFault(request, timeout=CALL_SECONDS, wait_for_ready=True)
        return answer.fault.id


def test_a_fault_whose_node_dies_as_coordinators_are_told_is_told_and_is_one_problem(scene: Scene) -> None:
    point = "network-events-told.before-noted"
    certificate = scene.federation.issue_staff(HOME, STAFF).name
    scene.arm(HOME, point)
    call = scene.background.start(_report(scene, certificate, point))
    scene.require_killed(HOME)
    call.exception()  # whether it had its answer by then or not
    scene.restart(HOME)
    fault = scene.run(_report(scene, certificate, point))
    child = f"{HOME}/fault/{fault.replace('/', ':')}"
    wait_until(lambda: len(problems_of(scene, child)) == 1, CALL_SECONDS, "there is one problem")
    left = "SELECT COUNT(*) FROM network_events_to_tell"
    wait_until(lambda: scene.home.count(left) == 0, CALL_SECONDS, "nothing is left to be told")
    assert len(problems_of(scene, child)) == 1


@pytest.mark.parametrize(
    ("point", "dies"),
    [
        ("network-event-kept.after-commit", COORDINATOR),
        ("problem-followed.before-noted", COORDINATOR),
        ("problem-followed.after-commit", HOME),
        ("problem-counted.before-noted", HOME),
    ],
)
def test_a_problem_that_is_told_and_followed_while_a_process_dies_is_one_and_told_once(
    scene: Scene, point: str, dies: str
) -> None:
    scene.run(_bind(scene))
    began = datetime.now(UTC)
    told = event(f"{HOME}/fault/{point}-{scene.engine.value}", services=[SERVICE], raised=began)
    scene.arm(dies, point)
    call = scene.background.start(tell(scene, told))
    scene.require_killed(dies)
    if dies == COORDINATOR and "kept" in point:
        with pytest.raises(grpc.aio.AioRpcError):
            call.result()
    scene.restart(dies)
    scene.run(tell(scene, told))
    assert require_one(scene, told.id).header.root_cause.id == SERVICE
    told.version += 1
    told.clear_time.GetCurrentTime()
    scene.run(tell(scene, told))
