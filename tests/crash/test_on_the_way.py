"""Crash points S5 to S8: an envelope on its way from the origin region over the coordinator to the home region."""

import pytest

from deploy.local.federation import COORDINATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from tests.crash.outcome import require_attempts, require_one_effect
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME, SETTLED_SECONDS, order_id_of
from tests.crash.scene import Scene
from tests.faults.proxy import FaultProxy

REFUSAL_BYTES = 250  # a refusal with its texts is longer; what HTTP/2 says by itself is shorter
COPIES = 4


def submit_lost_on(scene: Scene, link: FaultProxy) -> SubmitOrderRequest:
    """Submits an order and proves that its envelope was lost on a link."""
    request = scene.pay(padded=True)
    scene.submit(request)
    size = len(scene.handling.envelope(order_id_of(request)).content)
    wait_until(lambda: link.most(lambda each: each.requests.lost) >= size, CALL_SECONDS, "the envelope is lost")
    return request


def require_open(scene: Scene, request: SubmitOrderRequest) -> Order:
    """The order is on its way still: not failed, and it says who must act by when."""
    order = scene.get(order_id_of(request))
    assert order.state == OrderState.ORDER_STATE_ACKNOWLEDGED
    assert not order.HasField("error")
    assert order.awaiting.party == Party.PARTY_HOME_REGION
    assert order.awaiting.HasField("due_time")
    assert scene.handling.open_envelopes(order.id) == [f"{order.id}#submit>{HOME}"]
    return order


def test_s5_an_envelope_that_waits_in_a_killed_node_is_sent_by_the_next_process(scene: Scene) -> None:
    link = scene.handling_to_coordinator
    link.cut()
    requests = [scene.request(business) for business in ("PAY", "SUSPEND", "PAY")]
    for request in requests:
        scene.submit(request)
    wait_until(lambda: link.turned_away > 0, CALL_SECONDS, "the node tries in vain")
    scene.kill(HANDLING)
    for request in requests:
        assert scene.handling.open_envelopes(order_id_of(request))
        assert not scene.home.has_received(order_id_of(request))
    link.heal()
    scene.restart(HANDLING)
    for request in requests:
        require_one_effect(scene, request)


@pytest.mark.slow
def test_s6_an_envelope_lost_with_its_killed_node_is_sent_by_the_next_process(scene: Scene) -> None:
    link = scene.handling_to_coordinator
    link.blackhole()
    request = submit_lost_on(scene, link)
    scene.kill(HANDLING)
    assert not scene.home.has_received(order_id_of(request))
    link.heal()
    scene.restart(HANDLING)
    require_one_effect(scene, request)


def test_s7_an_envelope_lost_with_a_killed_coordinator_is_sent_again(scene: Scene) -> None:
    link = scene.coordinator_to_home
    link.blackhole()
    request = submit_lost_on(scene, link)
    scene.kill(COORDINATOR)
    assert not scene.home.has_received(order_id_of(request))
    require_open(scene, request)
    link.heal()
    scene.restart(COORDINATOR)
    require_one_effect(scene, request)
    require_attempts(scene, [request])


@pytest.mark.slow
def test_s6_a_refusal_of_the_coordinator_that_gets_lost_loses_nothing(scene: Scene) -> None:
    link, request = scene.handling_to_coordinator, scene.pay(padded=True)
    scene.kill(HOME)
    link.drop_answers()
    scene.submit(request)
    size = len(scene.handling.envelope(order_id_of(request)).content)
    wait_until(
        lambda: any(each.requests.passed >= size and each.answers.lost >= REFUSAL_BYTES for each in link.connections),
        SETTLED_SECONDS,
        "the coordinator's refusal of this envelope is lost",
    )
    require_open(scene, request)
    link.cut()
    link.heal()
    scene.restart(HOME)
    require_one_effect(scene, request)
    require_attempts(scene, [request])


@pytest.mark.slow
def test_s6_a_node_cut_off_from_the_coordinator_takes_orders_and_never_gives_up(scene: Scene) -> None:
    link, requests = scene.handling_to_coordinator, [scene.pay(), scene.suspend(), scene.pay()]
    link.cut()
    for request in requests:
        scene.submit(request)
    for _ in range(3):
        tried = link.turned_away
        wait_until(lambda: link.turned_away > tried + 2, SETTLED_SECONDS, "the node tries again in vain")  # noqa: B023 - called at once
        for request in requests:
            require_open(scene, request)
    link.heal()
    for request in requests:
        require_one_effect(scene, request)
    require_attempts(scene, requests)


@pytest.mark.slow
def test_s7_an_envelope_that_comes_to_the_coordinator_more_than_once_does_no_harm(scene: Scene) -> None:
    link, request = scene.handling_to_coordinator, scene.pay()
    link.cut()
    order_id = scene.submit(request).id
    envelope = scene.handling.envelope(order_id)
    calls = [scene.start_deliver_as_handling(envelope) for _ in range(COPIES)]
    receipts = [call.result()[0].receipt for call in calls]
    assert receipts == [scene.home.receipt_given(order_id)] * COPIES
    require_open(scene, request)
    link.heal()
    require_one_effect(scene, request)
    before = scene.home.sizes()
    assert scene.start_deliver_as_handling(envelope).result()[0].receipt == receipts[0]
    assert scene.home.sizes() == before


@pytest.mark.slow
def test_s8_an_envelope_lost_with_the_killed_home_region_is_sent_again(scene: Scene) -> None:
    link = scene.coordinator_to_home
    link.blackhole()
    request = submit_lost_on(scene, link)
    scene.kill(HOME)
    require_open(scene, request)
    link.heal()
    scene.restart(HOME)
    require_one_effect(scene, request)
    require_attempts(scene, [request])


@pytest.mark.parametrize("business", ["PAY", pytest.param("SUSPEND", marks=pytest.mark.slow)])
def test_s8_an_order_for_a_home_region_that_is_cut_off_stays_open(scene: Scene, business: str) -> None:
    link, request = scene.coordinator_to_home, scene.request(business)
    link.cut()
    scene.submit(request, wait=0.5)
    wait_until(lambda: link.turned_away > 2, SETTLED_SECONDS, "the coordinator tries in vain")
    require_open(scene, request)
    link.heal()
    require_one_effect(scene, request)
    require_attempts(scene, [request])


@pytest.mark.slow
def test_s8_an_envelope_that_comes_to_the_home_region_more_than_once_does_no_harm(scene: Scene) -> None:
    request = scene.suspend()
    order_id = scene.submit(request, wait=10).id
    require_one_effect(scene, request)
    before, envelope = scene.home.sizes(), scene.handling.envelope(order_id)
    calls = [scene.start_deliver_as_coordinator(envelope) for _ in range(COPIES)]
    receipts = [call.result()[0].receipt for call in calls]
    assert receipts == [scene.home.receipt_given(order_id)] * COPIES
    assert scene.home.sizes() == before
