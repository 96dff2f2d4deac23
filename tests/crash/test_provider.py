"""Kills of a region's own system between its success and the node's commit, of the node, and of both.

The system's work is in its own file; the node's records follow once.
"""

import sqlite3
from contextlib import closing

import pytest

from deploy.local.process import wait_until
from deploy.provider.server import WORKS
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import OrderState
from region_node.business.orders.provisioning_rows import Phase
from tests.crash.outcome import require_one_effect
from tests.crash.regions import HOME, SETTLED_SECONDS, order_id_of
from tests.crash.scene import SYSTEM, Scene

PHASES = ["CHECK", "PROVISION", "TEST"]
POINTS = [f"F.{phase}.{moment}-commit" for phase in PHASES for moment in ("before", "after")]


def effects(scene: Scene, order_id: str) -> list[str]:
    """The work of the system for an order, oldest first."""
    file = scene.federation.directory / "certificates" / SYSTEM / WORKS
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT kind FROM effects WHERE order_id = ? ORDER BY effect_id", (order_id,))
        return [kind for (kind,) in rows]


def tasks(scene: Scene) -> int:
    """How many orders the system still has to do with."""
    return scene.home.count("SELECT COUNT(*) FROM fulfilment_tasks")


def is_to_be_undone(scene: Scene, order_id: str) -> bool:
    """Whether the home region knows that the system has to undo what it did for an order."""
    query = "SELECT COUNT(*) FROM fulfilment_tasks WHERE order_id = ? AND phase = ?"
    return scene.home.count(query, order_id, Phase.UNDO) == 1


def test_a_system_killed_between_its_success_and_its_answer_does_it_once(scene: Scene) -> None:
    request = scene.resume()
    scene.arm(SYSTEM, "provider.provisioned")
    order = scene.submit(request, wait=5)
    scene.require_killed(SYSTEM)
    assert effects(scene, order.id) == ["provisioned"]
    assert scene.home.line_status(request.order.number) == ProductStatus.PRODUCT_STATUS_SUSPENDED
    scene.restart(SYSTEM)
    require_one_effect(scene, request)
    assert effects(scene, order.id) == ["provisioned"]
    assert tasks(scene) == 0


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_node_killed_around_the_commit_of_an_answer_has_it_done_once(scene: Scene, point: str) -> None:
    request = scene.resume()
    scene.arm(HOME, point)
    scene.submit(request)
    scene.require_killed(HOME)
    scene.restart(HOME)
    require_one_effect(scene, request)
    assert effects(scene, order_id_of(request)) == ["provisioned"]
    assert tasks(scene) == 0


@pytest.mark.slow
def test_a_system_and_its_node_killed_at_the_same_point_do_it_once(scene: Scene) -> None:
    request = scene.resume()
    scene.arm(SYSTEM, "provider.provisioned")
    scene.submit(request, wait=5)
    scene.require_killed(SYSTEM)
    scene.kill(HOME)
    scene.restart(SYSTEM)
    scene.restart(HOME)
    require_one_effect(scene, request)
    assert effects(scene, order_id_of(request)) == ["provisioned"]


@pytest.mark.slow
@pytest.mark.parametrize("point", ["provider.undone", "F.UNDO.before-commit", "F.UNDO.after-commit"])
def test_a_cancellation_is_undone_once_whoever_is_killed(scene: Scene, point: str) -> None:
    request = scene.resume()
    # The system is away after its success, so that the order can be cancelled before the node hears of it.
    scene.arm(SYSTEM, "provider.provisioned")
    order = scene.submit(request, wait=5)
    scene.require_killed(SYSTEM)
    killed = SYSTEM if point.startswith("provider.") else HOME
    if killed == HOME:
        scene.arm(HOME, point)
    scene.start_cancel(scene.cancel_request(order.id)).result()
    # Asked again before its node knows of the cancellation, the system would carry the order out.
    wait_until(lambda: is_to_be_undone(scene, order.id), SETTLED_SECONDS, f"{order.id} is to be undone")
    if killed == HOME:
        scene.restart(SYSTEM)
    else:
        scene.arm(SYSTEM, point)
    scene.require_killed(killed)
    scene.restart(killed)

    def is_cancelled() -> bool:
        found = scene.handling.order(order.id)
        return found is not None and found.state == OrderState.ORDER_STATE_CANCELLED

    wait_until(is_cancelled, SETTLED_SECONDS, f"{order.id} is cancelled")
    assert effects(scene, order.id) == ["provisioned", "undone"]
    assert scene.home.line_status(request.order.number) == ProductStatus.PRODUCT_STATUS_SUSPENDED
    assert tasks(scene) == 0
