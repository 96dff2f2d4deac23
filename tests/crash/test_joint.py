"""A joint order is done once and everywhere, whoever is killed at its worst steps."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import grpc
import pytest

from deploy.local.federation import OPERATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointItemState, JointOrder, JointOrderState, JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import SubmitJointOrderRequest, WorkOnJointOrderRequest
from gateway.api.region.v1.joint_order_service_pb2_grpc import JointOrderServiceStub
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.errors import from_rpc_error
from region_node.business.joint.rows import ORDER_RECORDS, work_id
from region_node.customers.accounts import ledger
from region_node.customers.rows import find_line
from tests.crash.records import Records
from tests.crash.regions import BROADBAND, CALL_SECONDS, CLERK, HANDLING, HOME, SETTLED_SECONDS, number_of
from tests.crash.scene import JOINT_PROVISIONED, SYSTEM, Scene
from tests.crash.test_provider import effects
from tests.simulation.plans import documents

pytestmark = pytest.mark.slow

STAFF = "li"
SURVEYING = JointItemState.JOINT_ITEM_STATE_SURVEYING
COMPLETED = JointOrderState.JOINT_ORDER_STATE_COMPLETED
ROOM = WorkOnJointOrderRequest(reserve=WorkOnJointOrderRequest.Reserve())
VERIFIED = WorkOnJointOrderRequest(verify=WorkOnJointOrderRequest.Verify())
COUNTED = ("SELECT COUNT(*) FROM joint_orders", "SELECT COUNT(*) FROM joint_items")


def wanted(
    scene: Scene, business: str, papers: Sequence[str], values: Mapping[str, str], number: str = ""
) -> SubmitJointOrderRequest:
    """An order with places in the leading and the home region; the home of a number is the first place."""
    request = OrderRequest(
        business=business,
        number=number,
        applicant=Applicant.APPLICANT_ENTERPRISE,
        documents=documents(papers, scene.now(), ""),
        characteristics=values,
        requester=CLERK,
    )
    places = [
        JointPlace(region=region, address="1 Main Street")
        for region in ((HOME, HANDLING) if number else (HANDLING, HOME))
    ]
    request_id = f"joint-{business}-{scene.engine.value}"
    return SubmitJointOrderRequest(request_id=request_id, order=request, places=places)


async def submitted(scene: Scene, request: SubmitJointOrderRequest) -> JointOrder:
    """The caller repeats its request while a region that was killed has not joined again."""
    async with (
        scene.federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel,
        asyncio.timeout(SETTLED_SECONDS),
    ):
        node = JointOrderServiceStub(channel)
        while True:
            try:
                return (await node.SubmitJointOrder(request, timeout=CALL_SECONDS, wait_for_ready=True)).order
            except grpc.aio.AioRpcError as error:
                refused = from_rpc_error(error)
                if refused is None or refused.reason != Reason.REASON_REGION_NOT_JOINED:
                    raise
            await asyncio.sleep(0.05)


async def worked(scene: Scene, region: str, order_id: str, item_id: str, step: WorkOnJointOrderRequest) -> JointOrder:
    request = WorkOnJointOrderRequest(joint_order_id=order_id, item_id=item_id)
    request.MergeFrom(step)
    request.request_id = f"{item_id}-{step.WhichOneof('step')}-{step.reach}-{scene.engine.value}"
    async with scene.federation.dial_region(region, f"{region}-{STAFF}") as channel:
        node = JointOrderServiceStub(channel)
        return (await node.WorkOnJointOrder(request, timeout=CALL_SECONDS, wait_for_ready=True)).order


def item_at(records: Records, order_id: str, item_id: str) -> JointItem:
    """An item as the order of a region has it; an empty one before the region has the order."""
    with records.database.look() as tx:
        order = ORDER_RECORDS.read(tx, order_id)
    return JointItem() if order is None else next(each for each in order.items if each.id == item_id)


def test_a_joint_order_whose_nodes_die_at_the_worst_steps_is_done_once_and_everywhere(scene: Scene) -> None:
    for region in (HANDLING, HOME):
        scene.federation.issue_staff(region, STAFF)
    number = number_of(BROADBAND)
    request = wanted(scene, "BB_MOVE", ("BIZ_LIC", "ADDR"), {}, number)
    before = [records.count(sql) for records in (scene.handling, scene.home) for sql in COUNTED]

    scene.arm(HANDLING, "joint-submitted.before-commit")
    _is_cut(scene, HANDLING, submitted(scene, request))
    scene.arm(HOME, "joint-commanded.before-commit")  # as the reservation is taken in
    scene.restart(HANDLING)
    order = scene.run(submitted(scene, request))
    scene.require_killed(HOME)
    scene.restart(HOME)
    assert scene.run(submitted(scene, request)).id == order.id
    wait_until(
        lambda: item_at(scene.handling, order.id, "remove").state == SURVEYING, CALL_SECONDS, "the region has it"
    )
    scene.run(worked(scene, HANDLING, order.id, "install", ROOM))

    scene.run(worked(scene, HOME, order.id, "remove", VERIFIED))
    wait_until(
        lambda: not item_at(scene.handling, order.id, "remove").HasField("verify_until_time"),
        CALL_SECONDS,
        "the customer has agreed",
    )
    scene.arm(HANDLING, "joint-reported.before-commit")  # in the very transaction of the decision
    scene.arm(HOME, "joint-worked.after-commit")
    _is_cut(scene, HOME, worked(scene, HOME, order.id, "remove", ROOM))
    assert item_at(scene.handling, order.id, "remove").state == SURVEYING
    scene.restart(HOME)
    scene.require_killed(HANDLING)
    scene.arm(HANDLING, "joint-answered.before-commit")  # as the region has begun what was decided
    scene.require_killed(HANDLING)
    scene.restart(HANDLING)
    scene.run(worked(scene, HOME, order.id, "remove", ROOM))

    for region, item_id in ((HANDLING, "install"), (HOME, "remove")):
        records = {HANDLING: scene.handling, HOME: scene.home}[region]
        wait_until(
            lambda at=records, item=item_id: item_at(at, order.id, item).HasField("begin_time"),  # type: ignore[misc]
            CALL_SECONDS,
            f"{item_id} begins",
        )
        for milestone in item_at(records, order.id, item_id).milestones[1:]:
            if item_id == "remove":  # its only one, which ends the line
                _dies_as_the_line_ends(scene, order.id, WorkOnJointOrderRequest(reach=milestone.kind))
            scene.run(worked(scene, region, order.id, item_id, WorkOnJointOrderRequest(reach=milestone.kind)))
    for records in (scene.handling, scene.home):
        wait_until(lambda at=records: _state(at, order.id) == COMPLETED, CALL_SECONDS, "it is complete")  # type: ignore[misc]
        records.verify_chain()
    assert _ended(scene, number) == (ProductStatus.PRODUCT_STATUS_TERMINATED, 0, 1)
    after = [records.count(sql) for records in (scene.handling, scene.home) for sql in COUNTED]
    assert after == [count + 1 for count in before]


def test_an_item_of_the_regions_own_system_is_done_once_whoever_is_killed(scene: Scene) -> None:
    scene.federation.issue_staff(HANDLING, STAFF)
    request = wanted(scene, JOINT_PROVISIONED, ("CONTRACT", "SEAL_LETTER"), {"bandwidth": "1 Gbit/s"})
    scene.arm(HOME, "F.CHECK.before-commit")
    order = scene.run(submitted(scene, request))
    scene.require_killed(HOME)
    scene.restart(HOME)
    scene.arm(SYSTEM, "provider.provisioned")
    for item_id in ("access-1", "service"):
        scene.run(worked(scene, HANDLING, order.id, item_id, ROOM))
    scene.require_killed(SYSTEM)  # it has the line, and nobody knows
    scene.kill(HOME)
    scene.restart(SYSTEM)
    scene.arm(HOME, "F.TEST.after-commit")
    scene.require_killed(HOME)
    scene.restart(HOME)
    done = JointItemState.JOINT_ITEM_STATE_COMPLETED
    wait_until(lambda: item_at(scene.handling, order.id, "access-2").state == done, CALL_SECONDS, "the system is done")
    assert effects(scene, work_id(order.id, "access-2")) == ["provisioned"]
    assert scene.home.count("SELECT COUNT(*) FROM fulfilment_tasks") == 0


def _dies_as_the_line_ends(scene: Scene, order_id: str, end: WorkOnJointOrderRequest) -> None:
    """The home region is killed before the commit that ends the line, and behind it."""
    for step in ("before", "after"):
        scene.arm(HOME, f"joint-worked.{step}-commit")
        _is_cut(scene, HOME, worked(scene, HOME, order_id, "remove", end))
        scene.restart(HOME)


def _ended(scene: Scene, number: str) -> tuple[ProductStatus.ValueType, int, int]:
    """The status of a line, the balance of its account, and the number of refunds."""
    with scene.home.database.look() as tx:
        line = find_line(tx, number)
        assert line is not None
        balance = ledger.balance(tx, line.account_id)
    sql = "SELECT COUNT(*) FROM ledger_entries WHERE kind = 'refund' AND account = ?"
    return line.status, balance, scene.home.count(sql, line.account_id)


def _is_cut(scene: Scene, region: str, call: Coroutine[Any, Any, object]) -> None:
    """A call ends without an answer, as its node dies."""
    waiting = scene.background.start(call)
    scene.require_killed(region)
    with pytest.raises(grpc.aio.AioRpcError):
        waiting.result()


def _state(records: Records, order_id: str) -> JointOrderState.ValueType:
    with records.database.look() as tx:
        return ORDER_RECORDS.require(tx, order_id).order.state
