"""Crash point S13: a status is read, and it never goes back."""

import pytest

from deploy.local.process import wait_until
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.time.clock import from_timestamp
from tests.crash.outcome import require_one_effect, require_unanswered
from tests.crash.regions import CALL_SECONDS, HANDLING, SETTLED_SECONDS
from tests.crash.scene import Scene


@pytest.mark.slow
def test_s13_a_status_asked_of_a_killed_node_is_given_by_the_next_process(scene: Scene) -> None:
    request = scene.pay()
    order = scene.submit(request, wait=10)
    scene.counter_to_handling.hold()
    call = scene.start_get(order.id)
    wait_until(
        lambda: scene.counter_to_handling.most(lambda each: each.requests.held) > len(order.id),
        CALL_SECONDS,
        "it is asked",
    )
    scene.kill(HANDLING)
    scene.counter_to_handling.heal()
    require_unanswered(call)
    scene.restart(HANDLING)
    assert scene.get(order.id) == order
    require_one_effect(scene, request)


@pytest.mark.slow
def test_s13_a_status_whose_answer_gets_lost_is_given_again(scene: Scene) -> None:
    request, link = scene.suspend(), scene.counter_to_handling
    order = scene.submit(request, wait=10)
    link.drop_answers()
    call = scene.start_get(order.id)
    wait_until(
        lambda: link.most(lambda each: each.answers.lost) >= order.ByteSize(), CALL_SECONDS, "the answer is lost"
    )
    assert not call.done()
    link.cut()
    require_unanswered(call)
    link.heal()
    assert scene.get(order.id) == order
    require_one_effect(scene, request)


@pytest.mark.guarantee("G8")
@pytest.mark.long("an agreed time has to come while the node is cut off")
def test_s13_a_node_that_is_cut_off_gives_the_last_known_version_with_its_age_and_never_an_older_one(
    scene: Scene,
) -> None:
    start = scene.soon()
    request = scene.suspend(start=start)
    known = scene.submit(request, wait=10)
    assert (known.version, known.state) == (1, OrderState.ORDER_STATE_IN_PROGRESS)
    for link in (scene.handling_to_coordinator, scene.coordinator_to_handling):
        link.cut()
    assert scene.now() < start, "invalid: the agreed time came before the links were cut"
    wait_until(
        lambda: scene.home.states_entered(known.id)[-1] == OrderState.ORDER_STATE_COMPLETED,
        SETTLED_SECONDS,
        "the time has come",
    )
    seen = [scene.get(known.id)]
    assert seen == [known]
    assert from_timestamp(known.awaiting.since_time) < from_timestamp(known.awaiting.due_time) == start < scene.now()
    assert from_timestamp(known.state_changes[-1].time) < start
    for link in (scene.handling_to_coordinator, scene.coordinator_to_handling):
        link.heal()

    def is_new() -> bool:
        seen.append(scene.get(known.id))
        return seen[-1].version > known.version

    wait_until(is_new, SETTLED_SECONDS, "the new version arrives")
    require_one_effect(scene, request)
    versions = [order.version for order in [*seen, scene.get(known.id)]]
    assert versions == sorted(versions)


@pytest.mark.slow
def test_s13_reading_a_status_twice_gives_the_same_and_leaves_only_its_audit_rows(scene: Scene) -> None:
    request = scene.pay()
    order = scene.submit(request, wait=10)
    require_one_effect(scene, request)
    before = scene.handling.sizes()
    reads = [scene.start_get(order.id) for _ in range(8)]
    assert [read.result() for read in reads] == [order] * 8
    assert scene.handling.sizes() == {**before, "audit": before["audit"] + 8}
