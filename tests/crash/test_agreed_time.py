"""An order with an agreed time fires once, whatever was killed before, at and after that time."""

import pytest

from deploy.local.process import wait_until
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import OrderState
from tests.crash.outcome import require_cancelled_once, require_one_effect
from tests.crash.regions import HANDLING, HOME, SETTLED_SECONDS
from tests.crash.scene import Scene

pytestmark = pytest.mark.slow

COMPLETED = OrderState.ORDER_STATE_COMPLETED


def test_a_node_killed_before_the_agreed_time_and_started_after_it_fires_the_order_once(scene: Scene) -> None:
    start = scene.soon()
    request = scene.suspend(start=start)
    order = scene.submit(request, wait=10)
    assert order.awaiting.action == "agreed-time"
    scene.kill(HOME)
    assert scene.now() < start, "invalid: the agreed time came before the node was killed"
    assert scene.home.line_status(request.order.number) == ProductStatus.PRODUCT_STATUS_ACTIVE
    wait_until(lambda: scene.now() > start, SETTLED_SECONDS, "the agreed time is over")
    scene.restart(HOME)
    done = require_one_effect(scene, request)
    assert done.version == 2
    before = scene.home.sizes()
    scene.kill(HOME)
    scene.restart(HOME)
    scene.require_well()
    assert scene.home.states_entered(order.id).count(COMPLETED) == 1
    assert scene.home.sizes()["timers"] == before["timers"]
    assert require_one_effect(scene, request) == done


@pytest.mark.parametrize("point", ["S9.before-commit", "S9.after-commit"])
def test_the_word_that_an_agreed_order_is_done_survives_a_kill_of_the_node_that_takes_it(
    scene: Scene, point: str
) -> None:
    scene.arm(HANDLING, point)
    request = scene.suspend(start=scene.soon())
    order = scene.submit(request, wait=10)
    scene.require_killed(HANDLING)
    assert scene.home.states_entered(order.id)[-1] == COMPLETED
    assert scene.home.open_envelopes(order.id) == [f"{order.id}@2>{HANDLING}"]
    assert scene.handling.has_received(order.id) == (point == "S9.after-commit")
    scene.restart(HANDLING)
    assert require_one_effect(scene, request).version == 2


def test_an_agreed_order_cancelled_before_a_kill_never_fires(scene: Scene) -> None:
    start = scene.soon()
    request = scene.suspend(start=start)
    order_id = scene.submit(request, wait=10).id
    cancellation = scene.cancel_request(order_id)
    scene.start_cancel(cancellation).result()
    require_cancelled_once(scene, cancellation)
    scene.kill(HOME)
    assert scene.now() < start, "invalid: the agreed time came before the node was killed"
    wait_until(lambda: scene.now() > start, SETTLED_SECONDS, "the agreed time is over")
    scene.restart(HOME)
    scene.require_well()
    require_cancelled_once(scene, cancellation)
