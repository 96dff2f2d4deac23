"""SIGTERM: what is being served is finished, nothing is lost, and the process ends with 0."""

import socket

import grpc
import pytest

from deploy.local.federation import COORDINATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.order_pb2 import OrderState
from tests.crash.outcome import COMPLETED, require_one_effect
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME, SETTLED_SECONDS, order_id_of
from tests.crash.scene import Scene

ORDERS = 60
# What gRPC says to a call that comes in while the server closes its door.
TURNED_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def refuses(endpoint: str) -> bool:
    """Whether nobody takes connections there."""
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_submit_that_waits_when_the_node_is_told_to_stop_gets_its_answer(scene: Scene) -> None:
    request, link = scene.pay(), scene.coordinator_to_home
    link.hold()
    call = scene.start_submit(request, wait=20)
    wait_until(lambda: link.most(lambda each: each.requests.held) > 0, CALL_SECONDS, "the order is on its way home")
    process = scene.federation.processes[HANDLING]
    process.tell_to_stop()
    wait_until(lambda: refuses(scene.federation.endpoint(HANDLING)), CALL_SECONDS, "the node takes no new calls")
    assert process.runs()
    assert not call.done()
    link.heal()
    assert call.result().state == COMPLETED
    assert process.wait_for_end() == 0
    assert not scene.handling.open_envelopes(order_id_of(request))
    scene.restart(HANDLING)
    require_one_effect(scene, request)


@pytest.mark.slow
def test_a_batch_in_the_hands_of_a_coordinator_that_is_told_to_stop_is_delivered_with_its_receipt(
    scene: Scene,
) -> None:
    request, link = scene.suspend(), scene.coordinator_to_home
    link.hold()
    order_id = scene.submit(request).id
    wait_until(lambda: link.most(lambda each: each.requests.held) > 0, CALL_SECONDS, "the order is on its way home")
    process = scene.federation.processes[COORDINATOR]
    process.tell_to_stop()
    wait_until(
        lambda: refuses(scene.federation.coordinator_endpoint), CALL_SECONDS, "the coordinator takes no new calls"
    )
    assert process.runs()
    link.heal()
    wait_until(lambda: not scene.handling.open_envelopes(order_id), CALL_SECONDS, "the receipt comes through")
    assert process.wait_for_end() == 0
    assert scene.handling.attempts([order_id]) == [1]
    scene.restart(COORDINATOR)
    require_one_effect(scene, request)


@pytest.mark.slow
@pytest.mark.parametrize("name", [HANDLING, COORDINATOR, HOME])
def test_orders_in_full_flow_survive_a_stop_of_any_process(scene: Scene, name: str) -> None:
    requests = [scene.pay() for _ in range(ORDERS)]
    calls = [scene.start_submit(request, wait=5) for request in requests]
    wait_until(lambda: scene.home.has_received(order_id_of(requests[0])), SETTLED_SECONDS, "orders are in full flow")
    assert scene.federation.processes[name].stop() == 0
    kept = set(scene.handling.column("SELECT order_id FROM orders"))
    scene.restart(name)
    for request, call in zip(requests, calls, strict=True):
        failure = call.exception()
        if failure is None:
            assert call.result().state in (OrderState.ORDER_STATE_ACKNOWLEDGED, COMPLETED)
            continue
        assert isinstance(failure, grpc.aio.AioRpcError)
        assert failure.code() in TURNED_AWAY
        assert order_id_of(request) not in kept, f"a call that was being served was not finished: {failure}"
        scene.submit(request)
    for request in requests:
        require_one_effect(scene, request)
