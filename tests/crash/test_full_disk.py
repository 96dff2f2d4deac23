"""A database that cannot be written: the node says so, changes nothing, and goes on when there is room again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.local.process import wait_until
from gateway.api.region.v1.order_pb2 import OrderState
from tests.crash.outcome import require_one_effect, require_refused, require_untouched
from tests.crash.records import PostgresqlDatabase
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME
from tests.crash.scene import Scene
from tests.faults.full_disk import no_room_for, no_room_in

PATIENCE = 60.0
KEPT_LATER = "receipts cannot be kept now"  # in the log of a node
STOPS = "stops sending"  # a lane whose batch has no answer


@contextmanager
def no_room(scene: Scene, name: str) -> Iterator[None]:
    """The process, or the server of its database, can write nothing more, as on a full disk."""
    database = scene.records(name).database
    if isinstance(database, PostgresqlDatabase):
        with no_room_in(database):
            yield
        # A node lets a server that had no room rest before it takes new orders.
        request = scene.pay()
        wait_until(lambda: scene.start_submit(request).exception() is None, PATIENCE, "orders are taken again")
        return
    with no_room_for(scene.federation.processes[name]):
        yield


def test_a_node_without_room_refuses_an_order_changes_nothing_and_takes_it_later(scene: Scene) -> None:
    request, before = scene.pay(), scene.handling.sizes()
    known = scene.handling.column("SELECT order_id FROM orders LIMIT 1")
    with no_room(scene, HANDLING):
        for _ in range(3):
            require_refused(scene.start_submit(request), "STORE_UNAVAILABLE")
        assert scene.handling.sizes() == before
        require_untouched(scene, request)
        # What cannot be recorded is not read either.
        require_refused(scene.start_get(str(known[0])), "STORE_UNAVAILABLE")
    assert scene.get(str(known[0])).id == known[0]
    scene.submit(request)
    require_one_effect(scene, request)


@pytest.mark.slow
def test_orders_that_share_a_commit_are_all_refused_where_there_is_no_room(scene: Scene) -> None:
    requests, before = [scene.pay() for _ in range(20)], scene.handling.sizes()
    with no_room(scene, HANDLING):
        for call in [scene.start_submit(request) for request in requests]:
            require_refused(call, "STORE_UNAVAILABLE")
        assert scene.handling.sizes() == before
    for request in requests:
        scene.submit(request)
    for request in requests:
        require_one_effect(scene, request)


@pytest.mark.slow
def test_an_order_for_a_home_region_without_room_stays_open_and_is_done_once_later(scene: Scene) -> None:
    request, before = scene.suspend(), scene.home.sizes()
    with no_room(scene, HOME):
        order_id = scene.submit(request).id
        told = f"{order_id}#submit>{HOME} was not taken by {HOME}: STORE_UNAVAILABLE"
        wait_until(lambda: told in scene.log_of(HANDLING), CALL_SECONDS, "the home region says that it has no room")
        assert scene.get(order_id).state == OrderState.ORDER_STATE_ACKNOWLEDGED
        assert scene.handling.open_envelopes(order_id)
        assert scene.home.sizes() == before
    require_one_effect(scene, request)


@pytest.mark.slow
def test_s12_a_receipt_that_cannot_be_kept_stays_open_until_there_is_room(scene: Scene) -> None:
    # What is free in the log of the database may be enough for a receipt: then the fault has not happened.
    assert any(a_receipt_found_no_room(scene) for _ in range(5)), "there was room for every receipt"


def a_receipt_found_no_room(scene: Scene) -> bool:
    """Whether the fault happened to an order; that one has its one effect once there is room."""
    request, link = scene.pay(padded=True), scene.handling_to_coordinator
    stops = scene.log_of(HANDLING).count(STOPS)
    scene.coordinator_to_home.hold()
    order_id = scene.submit(request).id
    wait_until(
        lambda: scene.coordinator_to_home.most(lambda each: each.requests.held) > 0, CALL_SECONDS, "it is on its way"
    )
    with no_room(scene, HANDLING):
        told = scene.log_of(HANDLING).count(KEPT_LATER)
        link.heal()  # counts begin anew
        scene.coordinator_to_home.heal()
        wait_until(lambda: scene.home.has_received(order_id), CALL_SECONDS, "the home region has acted")
        size = len(scene.home.receipt_given(order_id).content)
        wait_until(lambda: link.most(lambda each: each.answers.passed) > size, CALL_SECONDS, "the receipt comes back")
        wait_until(
            lambda: scene.log_of(HANDLING).count(KEPT_LATER) > told or not scene.handling.open_envelopes(order_id),
            PATIENCE,
            "the receipt is kept, or cannot be",
        )
        # On a busy machine the hold may have outlasted the first attempt: then it was sent again, as it should be.
        said = scene.log_of(HANDLING)
        is_late = f"{order_id}#submit>{HOME} was not taken" in said or said.count(STOPS) > stops
        if is_late or scene.log_of(HANDLING).count(KEPT_LATER) == told:
            return False
        require_refused(scene.start_submit(scene.pay()), "STORE_UNAVAILABLE")
        assert scene.handling.open_envelopes(order_id)
    require_one_effect(scene, request)
    assert scene.handling.attempts([order_id]) == [1], "it was answered and sent again all the same"
    return True
