"""A fault is taken in once, late once and paid for once, whatever is killed while that is done."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from deploy.local.federation import FEDERATION_FILES, OPERATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultPlace, FaultReport, FaultState
from gateway.api.region.v1.fault_service_pb2 import CancelFaultRequest, ReportFaultRequest, WorkOnFaultRequest
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceStub
from region_node.network.faults.rows import require_fault
from tests.crash.records import Records
from tests.crash.regions import CALL_SECONDS, CLERK, HANDLING, HOME, account_of, number_of
from tests.crash.scene import Scene
from tests.crash.test_complaints import await_revision

pytestmark = pytest.mark.slow

NUMBER, LATE_NUMBER, PAID_NUMBER = number_of(920), number_of(921), number_of(922)  # of no order in these tests
SITES = {HANDLING: "guangzhou", HOME: "chengdu"}
SOON = "4s"  # until it must be repaired, instead of 48 hours
RENT = 2_900_000_000  # fen a month, so that some seconds of it are more than nothing


@pytest.fixture(name="hasty")
def faults_are_late_soon(scene: Scene, tmp_path: Path) -> Iterator[Scene]:
    """A federation in which a fault must be repaired within seconds, and a line has a very high rent."""
    changed = tmp_path / "federation"
    shutil.copytree(FEDERATION_FILES, changed)
    for name, what, before, after, times in (  # the limit is the national one, and that of Henan
        ("policies.yaml", "fault-repair-urban", "duration: 172800s", f"duration: {SOON}", 2),
        ("plans.yaml", "id: sichuan-29", "minor_units: 2900", f"minor_units: {RENT}", 1),
    ):
        file = changed / name
        head, found, tail = file.read_text("utf-8").partition(what)
        assert before in tail
        file.write_text(head + found + tail.replace(before, after, times), "utf-8")
    await_revision(scene, scene.run(scene.federation.apply_configuration(changed)))
    yield scene
    await_revision(scene, scene.run(scene.federation.apply_configuration(FEDERATION_FILES)))


def wanted(scene: Scene, request_id: str, number: str, place: str) -> ReportFaultRequest:
    report = FaultReport(number=number, description="no signal", place=FaultPlace(site=SITES[place]), requester=CLERK)
    return ReportFaultRequest(request_id=f"fault-{request_id}-{scene.engine.value}", report=report)


async def report(scene: Scene, request: ReportFaultRequest) -> Fault:
    async with scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        node = FaultServiceStub(channel)
        return (await node.ReportFault(request, timeout=CALL_SECONDS, wait_for_ready=True)).fault


async def cancel(scene: Scene, request: CancelFaultRequest) -> Fault:
    async with scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        node = FaultServiceStub(channel)
        return (await node.CancelFault(request, timeout=CALL_SECONDS, wait_for_ready=True)).fault


async def work(scene: Scene, certificate: str, fault_id: str, step: WorkOnFaultRequest) -> Fault:
    request = WorkOnFaultRequest()
    request.CopyFrom(step)
    request.fault_id = fault_id
    request.request_id = f"{step.WhichOneof('step')}-{fault_id.replace('/', '-')}"
    async with scene.federation.dial_region(HANDLING, certificate) as channel:
        node = FaultServiceStub(channel)
        return (await node.WorkOnFault(request, timeout=CALL_SECONDS, wait_for_ready=True)).fault


def stored(records: Records, fault_id: str) -> Fault:
    with records.database.look() as tx:
        return require_fault(tx, fault_id).fault


def version(records: Records, fault_id: str) -> int:
    return records.count("SELECT COALESCE(MAX(version), -1) FROM faults WHERE fault_id = ?", fault_id)


def notices(records: Records, fault_id: str, what: str) -> int:
    return records.count("SELECT COUNT(*) FROM notices WHERE notice_id = ?", f"fault/{fault_id}/{what}")


@pytest.mark.parametrize("point", ["fault-reported.before-commit", "fault-reported.after-commit"])
def test_a_fault_whose_node_dies_as_it_is_reported_is_taken_in_once(scene: Scene, point: str) -> None:
    request = wanted(scene, point, NUMBER, HOME)
    known = scene.handling.count("SELECT COUNT(*) FROM faults")
    scene.arm(HANDLING, point)
    call = scene.background.start(report(scene, request))
    scene.require_killed(HANDLING)
    with pytest.raises(grpc.aio.AioRpcError):
        call.result()
    committed = point.endswith("after-commit")
    assert scene.handling.count("SELECT COUNT(*) FROM faults") == known + committed
    scene.restart(HANDLING)
    filed = scene.run(report(scene, request))
    wait_until(lambda: version(scene.handling, filed.id) == 1, CALL_SECONDS, "the region in which it is has it")
    assert scene.handling.count("SELECT COUNT(*) FROM faults") == known + 1
    assert scene.home.count("SELECT COUNT(*) FROM fault_events WHERE fault_id = ?", filed.id) == 1
    assert notices(scene.handling, filed.id, "reported") == 1


def test_a_report_whose_answer_dies_with_the_node_is_taken_up_once(scene: Scene) -> None:
    scene.arm(HANDLING, "fault-answered.before-commit")
    filed = scene.run(report(scene, wanted(scene, "answered", NUMBER, HOME)))
    scene.require_killed(HANDLING)
    assert (version(scene.handling, filed.id), version(scene.home, filed.id)) == (0, 1)
    scene.restart(HANDLING)
    wait_until(lambda: version(scene.handling, filed.id) == 1, CALL_SECONDS, "the reporting region knows")
    assert scene.home.count("SELECT COUNT(*) FROM fault_events WHERE fault_id = ?", filed.id) == 1


def test_what_the_customer_says_is_done_once_whoever_is_killed(scene: Scene) -> None:
    filed = scene.run(report(scene, wanted(scene, "said", NUMBER, HOME)))
    wait_until(lambda: version(scene.handling, filed.id) == 1, CALL_SECONDS, "the region in which it is has it")
    scene.arm(HOME, "fault-commanded.before-commit")
    request = CancelFaultRequest(
        request_id=f"fault-cancel-{scene.engine.value}", fault_id=filed.id, requester=CLERK, reason="it works again"
    )
    scene.run(cancel(scene, request))
    scene.require_killed(HOME)
    assert version(scene.home, filed.id) == 1
    scene.arm(HANDLING, "fault-command-answered.before-commit")
    scene.restart(HOME)
    scene.require_killed(HANDLING)
    assert (version(scene.handling, filed.id), version(scene.home, filed.id)) == (1, 2)
    scene.restart(HANDLING)
    wait_until(lambda: version(scene.handling, filed.id) == 2, CALL_SECONDS, "the reporting region knows")
    assert scene.run(cancel(scene, request)) == stored(scene.handling, filed.id)
    assert stored(scene.home, filed.id).state == FaultState.FAULT_STATE_CANCELLED
    assert scene.home.count("SELECT COUNT(*) FROM fault_events WHERE fault_id = ?", filed.id) == 2
    assert notices(scene.handling, filed.id, "ended") == 1


def test_a_limit_that_passes_while_nodes_are_killed_is_noted_once_and_told_once(hasty: Scene) -> None:
    scene = hasty
    scene.arm(HANDLING, "fault-late.before-commit")
    filed = scene.run(report(scene, wanted(scene, "late", LATE_NUMBER, HANDLING)))
    scene.require_killed(HANDLING)
    assert not stored(scene.handling, filed.id).outages[0].HasField("breach_time")
    scene.arm(HOME, "fault-updated.before-commit")
    scene.restart(HANDLING)
    scene.require_killed(HOME)
    assert stored(scene.handling, filed.id).outages[0].HasField("breach_time")
    scene.restart(HOME)
    wait_until(lambda: notices(scene.home, filed.id, "late/0") == 1, CALL_SECONDS, "the customer is told")
    missed = "SELECT COUNT(*) FROM audit WHERE subject = ? AND action = 'MissRepairLimit'"
    assert scene.handling.count(missed, filed.id) == 1


def test_rent_for_a_late_fault_is_given_back_once_whoever_is_killed_from_the_repair_to_the_end(hasty: Scene) -> None:
    scene, engineer = hasty, f"sun-{hasty.engine.value}"
    scene.federation.issue_staff(HANDLING, engineer)
    certificate = f"{HANDLING}-{engineer}"
    filed = scene.run(report(scene, wanted(scene, "paid", PAID_NUMBER, HANDLING)))
    scene.run(work(scene, certificate, filed.id, WorkOnFaultRequest(take_up=WorkOnFaultRequest.TakeUp())))
    wait_until(lambda: notices(scene.home, filed.id, "late/0") == 1, CALL_SECONDS, "the customer is told")
    cause = FaultCause.FAULT_CAUSE_CABLE
    resolve = WorkOnFaultRequest(resolve=WorkOnFaultRequest.Resolve(cause=cause, text="spliced"))
    scene.arm(HOME, "fault-waived.before-commit")
    for point in ("fault-worked.before-commit", "fault-worked.after-commit"):
        scene.arm(HANDLING, point)
        call = scene.background.start(work(scene, certificate, filed.id, resolve))
        scene.require_killed(HANDLING)
        with pytest.raises(grpc.aio.AioRpcError):
            call.result()
        done = stored(scene.handling, filed.id).outages[0].HasField("end_time")
        assert done is point.endswith("after-commit")
    scene.restart(HANDLING)
    scene.require_killed(HOME)
    assert scene.home.entries(f"{filed.id}#waived0") == []
    scene.restart(HOME)
    wait_until(
        lambda: stored(scene.handling, filed.id).outages[0].HasField("waiver"), CALL_SECONDS, "rent was given back"
    )
    scene.run(work(scene, certificate, filed.id, resolve))
    entries = {str(account): int(str(amount)) for account, amount in scene.home.entries(f"{filed.id}#waived0")}
    given = entries[account_of(PAID_NUMBER)]
    assert given > 0
    assert entries == {account_of(PAID_NUMBER): given, "rent": -given}
    owed = scene.handling.entries(f"{filed.id}#waived0#owed")
    assert owed == [("compensation", -given), (f"payable/{HOME}", given)], "the region of the fault owes it once"
    assert scene.home.count("SELECT COUNT(*) FROM fault_waivers WHERE fault_id = ?", filed.id) == 1
    for what in ("late/0", "waived/0"):
        assert notices(scene.home, filed.id, what) == 1
    waived = "SELECT COUNT(*) FROM audit WHERE subject = ? AND action = 'WaiveRent'"
    assert scene.home.count(waived, filed.id) == 1
    for records in (scene.handling, scene.home):
        records.verify_chain()
