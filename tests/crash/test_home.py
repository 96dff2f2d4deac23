"""Crash points S9 to S11: the home region commits the effect, and its receipt goes back."""

import pytest

from deploy.local.federation import COORDINATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from tests.crash.outcome import require_attempts, require_cancelled_once, require_one_effect
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME, SETTLED_SECONDS, order_id_of
from tests.crash.scene import Scene
from tests.faults.proxy import Connection, FaultProxy

BUSINESSES = ("PAY", pytest.param("SUSPEND", marks=pytest.mark.slow))
LINKS = ("coordinator_to_home", pytest.param("handling_to_coordinator", marks=pytest.mark.slow))
BATCH = 10
COPIES = 4


def require_receipt_on(
    scene: Scene, link: FaultProxy, request: SubmitOrderRequest, what: str, *, held: bool = False
) -> None:
    """Waits until the home region has acted and its receipt was caught on the way back."""
    order_id = order_id_of(request)
    wait_until(lambda: scene.home.has_received(order_id), CALL_SECONDS, "the home region has acted")
    sent = len(scene.handling.envelope(order_id).content)
    answered = len(scene.home.receipt_given(order_id).content)

    def caught(connection: Connection) -> bool:
        answers = connection.answers.held if held else connection.answers.lost
        return connection.requests.passed >= sent and answers >= answered

    wait_until(lambda: any(map(caught, link.connections)), CALL_SECONDS, what)
    assert scene.handling.open_envelopes(order_id), "the receipt got through: the fault did not happen"


@pytest.mark.parametrize("business", BUSINESSES)
def test_s9_a_home_region_killed_before_its_commit_has_done_nothing_and_does_it_once_afterwards(
    scene: Scene, business: str
) -> None:
    request = scene.request(business)
    scene.arm(HOME, "S9.before-commit")
    order_id = scene.submit(request).id
    scene.require_killed(HOME)
    assert scene.home.order(order_id) is None
    assert not scene.home.has_received(order_id)
    assert scene.home.actions(order_id) == []
    scene.restart(HOME)
    require_one_effect(scene, request)
    require_attempts(scene, [request])


@pytest.mark.slow
def test_s9_copies_of_an_envelope_in_one_commit_have_one_effect_and_one_receipt(scene: Scene) -> None:
    link, request = scene.handling_to_coordinator, scene.pay()
    link.cut()
    order_id = scene.submit(request).id
    envelope = scene.handling.envelope(order_id)
    calls = [scene.start_deliver_as_coordinator(envelope, envelope) for _ in range(COPIES)]
    receipts = [result.receipt for call in calls for result in call.result()]
    assert receipts == [scene.home.receipt_given(order_id)] * (2 * COPIES)
    link.heal()
    require_one_effect(scene, request)


@pytest.mark.parametrize("business", BUSINESSES)
def test_s9_a_home_region_killed_after_its_commit_answers_from_the_row_and_does_nothing_again(
    scene: Scene, business: str
) -> None:
    request = scene.request(business)
    scene.arm(HOME, "S9.after-commit")
    order_id = scene.submit(request).id
    scene.require_killed(HOME)
    receipt = scene.home.receipt_given(order_id)
    assert scene.home.states_entered(order_id) == [OrderState.ORDER_STATE_COMPLETED]
    assert scene.handling.open_envelopes(order_id)
    scene.restart(HOME)
    require_one_effect(scene, request)
    require_attempts(scene, [request])
    assert scene.home.receipt_given(order_id) == receipt


@pytest.mark.slow
def test_s9_a_whole_batch_in_the_hands_of_a_killed_home_region_is_done_once_each(scene: Scene) -> None:
    requests = [scene.pay() for _ in range(BATCH)]
    scene.arm(HOME, "S9.after-commit")
    scene.handling_to_coordinator.hold()
    for request in requests:
        scene.submit(request)
    scene.handling_to_coordinator.heal()
    scene.require_killed(HOME)
    done = [request for request in requests if scene.home.has_received(order_id_of(request))]
    assert done, "nothing was committed: the fault did not happen where it should"
    scene.restart(HOME)
    for request in requests:
        require_one_effect(scene, request)
    require_attempts(scene, requests)


@pytest.mark.parametrize("name", LINKS)
def test_s10_s11_a_receipt_lost_with_a_killed_coordinator_comes_again(scene: Scene, name: str) -> None:
    link, request = scene.link(name), scene.pay(padded=True)
    link.drop_answers()
    scene.submit(request)
    require_receipt_on(scene, link, request, "the receipt is lost")
    scene.kill(COORDINATOR)
    link.heal()
    scene.restart(COORDINATOR)
    require_one_effect(scene, request)
    require_attempts(scene, [request])


@pytest.mark.slow
@pytest.mark.parametrize("name", LINKS)
def test_s10_s11_a_receipt_that_gets_lost_in_silence_comes_again(scene: Scene, name: str) -> None:
    link, request = scene.link(name), scene.suspend(padded=True)
    stops = scene.log_of(HANDLING).count("stops sending")
    link.drop_answers()
    scene.submit(request)
    require_receipt_on(scene, link, request, "the receipt is lost")
    wait_until(
        lambda: scene.log_of(HANDLING).count("stops sending") > stops, SETTLED_SECONDS, "the origin region notices"
    )
    link.heal()
    require_one_effect(scene, request)
    require_attempts(scene, [request])


@pytest.mark.slow
@pytest.mark.parametrize("name", LINKS)
def test_s10_s11_a_receipt_cut_off_on_its_way_comes_again(scene: Scene, name: str) -> None:
    link, request = scene.link(name), scene.pay(padded=True)
    link.hold_answers()
    scene.submit(request)
    require_receipt_on(scene, link, request, "the receipt is on its way", held=True)
    link.cut()
    link.heal()
    require_one_effect(scene, request)
    require_attempts(scene, [request])


@pytest.mark.slow
@pytest.mark.parametrize("business", BUSINESSES)
def test_s11_an_envelope_replayed_after_its_receipt_came_gets_the_same_receipt(scene: Scene, business: str) -> None:
    request = scene.request(business)
    order_id = scene.submit(request, wait=10).id
    owned = require_one_effect(scene, request)
    before, envelope = scene.home.sizes(), scene.handling.envelope(order_id)
    again = scene.start_deliver_as_handling(envelope, envelope).result()
    assert [result.receipt for result in again] == [scene.home.receipt_given(order_id)] * 2
    assert scene.home.sizes() == before
    assert scene.home.order(order_id) == owned


@pytest.mark.slow
@pytest.mark.parametrize("point", ["S9.before-commit", "S9.after-commit"])
def test_s9_a_cancellation_in_the_hands_of_a_killed_home_region_is_granted_once(scene: Scene, point: str) -> None:
    request = scene.suspend(start=scene.in_a_week())
    order_id = scene.submit(request, wait=10).id
    cancellation = scene.cancel_request(order_id)
    scene.arm(HOME, point)
    scene.start_cancel(cancellation).result()
    scene.require_killed(HOME)
    scene.restart(HOME)
    require_cancelled_once(scene, cancellation)
