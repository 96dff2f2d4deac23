"""Crash points S1 to S4: a request on its way to the origin region, checked, committed, answered."""

import pytest

from deploy.local.process import wait_until
from gateway.api.region.v1.order_pb2 import OrderState
from tests.crash.outcome import (
    require_one_effect,
    require_refused,
    require_refused_at_last,
    require_unanswered,
    require_untouched,
)
from tests.crash.regions import CALL_SECONDS, HANDLING, order_id_of
from tests.crash.scene import Scene

BUSINESSES = ("PAY", pytest.param("SUSPEND", marks=pytest.mark.slow))
COPIES = 8


@pytest.mark.slow
def test_s1_a_request_whose_node_dies_before_it_arrives_leaves_nothing_and_is_sent_again(scene: Scene) -> None:
    request, link = scene.pay(), scene.counter_to_handling
    link.blackhole()
    call = scene.start_submit(request)
    wait_until(
        lambda: link.most(lambda each: each.requests.lost) > request.ByteSize(), CALL_SECONDS, "the request is lost"
    )
    scene.kill(HANDLING)
    link.cut()
    require_unanswered(call)
    require_untouched(scene, request)
    link.heal()
    scene.restart(HANDLING)
    scene.submit(request)
    require_one_effect(scene, request)


def test_s2_a_refusal_that_gets_lost_is_given_again_and_nothing_is_stored(scene: Scene) -> None:
    request, link = scene.suspend(), scene.counter_to_handling
    del request.order.documents[:]
    require_refused(scene.start_submit(request), "DOCUMENT_MISSING")
    link.drop_answers()
    call = scene.start_submit(request)
    wait_until(lambda: link.most(lambda each: each.answers.lost) > 100, CALL_SECONDS, "the refusal is lost")
    assert not call.done()
    link.cut()
    require_unanswered(call)
    link.heal()
    require_refused_at_last(lambda: scene.start_submit(request), "DOCUMENT_MISSING")
    require_untouched(scene, request)


@pytest.mark.slow
def test_s1_a_request_that_a_cut_link_swallows_leaves_nothing_and_is_sent_again(scene: Scene) -> None:
    request, link = scene.suspend(), scene.counter_to_handling
    link.hold()
    call = scene.start_submit(request)
    wait_until(
        lambda: link.most(lambda each: each.requests.held) > request.ByteSize(), CALL_SECONDS, "the request is held"
    )
    link.cut()
    require_unanswered(call)
    require_untouched(scene, request)
    link.heal()
    scene.submit(request)
    require_one_effect(scene, request)


@pytest.mark.slow
def test_s1_a_copy_that_comes_while_the_first_is_being_worked_on_joins_it(scene: Scene) -> None:
    request, link = scene.pay(), scene.coordinator_to_home
    link.hold()
    first = scene.start_submit(request, wait=20)
    wait_until(lambda: link.most(lambda each: each.requests.held) > 0, CALL_SECONDS, "the order is on its way home")
    copies = [scene.start_submit(request, wait=20) for _ in range(COPIES)]
    joined = scene.submit(request)
    assert joined.state == OrderState.ORDER_STATE_ACKNOWLEDGED
    assert not any(call.done() for call in (first, *copies))
    link.heal()
    answers = [call.result() for call in (first, *copies)]
    assert answers == [require_one_effect(scene, request)] * (1 + COPIES)


@pytest.mark.parametrize("business", BUSINESSES)
def test_s3_a_node_killed_before_its_commit_has_nothing_and_takes_the_order_when_it_is_sent_again(
    scene: Scene, business: str
) -> None:
    request = scene.request(business)
    scene.arm(HANDLING, "S3.before-commit")
    call = scene.start_submit(request)
    scene.require_killed(HANDLING)
    require_unanswered(call)
    require_untouched(scene, request)
    scene.restart(HANDLING)
    scene.submit(request)
    require_one_effect(scene, request)


@pytest.mark.slow
def test_s3_copies_of_a_request_in_one_commit_make_one_order(scene: Scene) -> None:
    request, link = scene.pay(), scene.counter_to_handling
    link.hold()
    calls = [scene.start_submit(request, wait=10) for _ in range(COPIES)]
    wait_until(
        lambda: link.most(lambda each: each.requests.held) > COPIES * request.ByteSize() // 2,
        10,
        "the copies are held together",
    )
    link.heal()
    answers = [call.result() for call in calls]
    assert answers == [require_one_effect(scene, request)] * COPIES


@pytest.mark.parametrize("business", BUSINESSES)
def test_s3_an_order_committed_before_the_node_is_killed_is_done_without_the_caller(
    scene: Scene, business: str
) -> None:
    request = scene.request(business)
    scene.arm(HANDLING, "S3.after-commit")
    call = scene.start_submit(request)
    scene.require_killed(HANDLING)
    require_unanswered(call)
    assert scene.handling.order(order_id_of(request)) is not None
    scene.restart(HANDLING)
    require_one_effect(scene, request)


@pytest.mark.slow
def test_s4_an_answer_that_gets_lost_is_given_again_from_the_row(scene: Scene) -> None:
    request, link = scene.suspend(), scene.counter_to_handling
    scene.submit(scene.pay())
    link.drop_answers()
    call = scene.start_submit(request)
    wait_until(lambda: scene.handling.order(order_id_of(request)) is not None, CALL_SECONDS, "the order is committed")
    wait_until(
        lambda: link.most(lambda each: each.answers.lost) > request.ByteSize(), CALL_SECONDS, "the answer is lost"
    )
    assert not call.done()
    link.cut()
    require_unanswered(call)
    link.heal()
    require_one_effect(scene, request)


def test_s4_a_caller_cut_off_after_the_commit_gets_the_same_order_when_it_asks_again(scene: Scene) -> None:
    request, link = scene.pay(), scene.coordinator_to_home
    link.hold()
    call = scene.start_submit(request, wait=20)
    # What is held may be a ping of the connection: it says nothing of the order.
    wait_until(lambda: scene.handling.order(order_id_of(request)) is not None, CALL_SECONDS, "the order is committed")
    wait_until(lambda: link.most(lambda each: each.requests.held) > 0, CALL_SECONDS, "the order is on its way home")
    assert not call.done()
    scene.counter_to_handling.cut()
    require_unanswered(call)
    scene.counter_to_handling.heal()
    assert scene.submit_again(request).state == OrderState.ORDER_STATE_ACKNOWLEDGED
    link.heal()
    require_one_effect(scene, request)


@pytest.mark.slow
def test_s4_a_request_sent_again_after_it_was_answered_gets_the_same_answer(scene: Scene) -> None:
    request = scene.suspend()
    answered = scene.submit(request, wait=10)
    calls = [scene.start_submit(request, wait=10) for _ in range(COPIES)]
    assert [call.result() for call in calls] == [answered] * COPIES
    assert require_one_effect(scene, request) == answered
