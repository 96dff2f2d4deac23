"""Crash point S12: the origin region commits the receipt."""

import logging

import pytest
from opentelemetry.trace import NoOpTracer

from deploy.local.federation import FEDERATION
from deploy.local.process import wait_until
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.relay.v1.relay_pb2 import DeliverResult, Outcome, Receipt
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.federation.current import CurrentFederation
from gateway.process.tracing import Tracing
from gateway.relay.border import Border
from gateway.relay.envelopes import Answer, Sealed, read_content, seal_receipt
from gateway.relay.fair_queue import QueuedEnvelope
from gateway.relay.lanes import Delivered
from gateway.relay.ports import RelayPorts
from gateway.relay.settling import Settler
from gateway.relay.workers import InlineWorkers
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.security.signing import Signer, TrustedKeys
from gateway.store.schema import migrations_of
from gateway.time.clock import SystemClock
from region_node.business.orders.business import load_rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.relayed import OrderEnvelopes
from region_node.node.context import RegionContext
from tests.crash.outcome import require_cancelled_once, require_one_effect, require_unanswered
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME, SETTLED_SECONDS, order_id_of
from tests.crash.scene import Scene

BUSINESSES = ("PAY", pytest.param("SUSPEND", marks=pytest.mark.slow))
COMPLETED = OrderState.ORDER_STATE_COMPLETED


@pytest.mark.parametrize("business", BUSINESSES)
def test_s12_a_node_killed_before_it_commits_a_receipt_gets_it_again(scene: Scene, business: str) -> None:
    request = scene.request(business)
    scene.arm(HANDLING, "S12.before-commit")
    call = scene.start_submit(request, wait=20)
    scene.require_killed(HANDLING)
    require_unanswered(call)
    order_id = order_id_of(request)
    replica = scene.handling.order(order_id)
    assert replica is not None
    assert (replica.version, replica.state) == (0, OrderState.ORDER_STATE_ACKNOWLEDGED)
    assert scene.handling.open_envelopes(order_id)
    assert scene.home.states_entered(order_id) == [COMPLETED]
    scene.restart(HANDLING)
    require_one_effect(scene, request)


@pytest.mark.parametrize("business", BUSINESSES)
def test_s12_a_node_killed_after_it_committed_a_receipt_has_it_and_asks_for_nothing(
    scene: Scene, business: str
) -> None:
    request = scene.request(business)
    scene.arm(HANDLING, "S12.after-commit")
    scene.start_submit(request)
    scene.require_killed(HANDLING)
    order_id = order_id_of(request)
    replica = scene.handling.order(order_id)
    assert replica is not None
    assert replica.state == COMPLETED
    assert not scene.handling.open_envelopes(order_id)
    scene.restart(HANDLING)
    require_one_effect(scene, request)


@pytest.mark.slow
def test_s12_an_answer_that_gets_lost_after_the_receipt_was_committed_is_given_again(scene: Scene) -> None:
    request, order_id = scene.pay(), ""
    scene.coordinator_to_home.hold()
    call = scene.start_submit(request, wait=20)
    order_id = order_id_of(request)
    wait_until(lambda: scene.handling.order(order_id) is not None, CALL_SECONDS, "the order is committed")
    scene.counter_to_handling.drop_answers()
    scene.coordinator_to_home.heal()
    wait_until(lambda: not scene.handling.open_envelopes(order_id), CALL_SECONDS, "the receipt is committed")
    size = request.ByteSize()
    lost = scene.counter_to_handling
    wait_until(lambda: lost.most(lambda each: each.answers.lost) > size, CALL_SECONDS, "the answer is lost")
    lost.cut()
    require_unanswered(call)
    lost.heal()
    assert scene.submit(request).state == COMPLETED
    require_one_effect(scene, request)


@pytest.mark.slow
def test_s12_a_receipt_is_committed_though_the_caller_was_cut_off(scene: Scene) -> None:
    request, link = scene.suspend(), scene.counter_to_handling
    scene.coordinator_to_home.hold()
    call = scene.start_submit(request, wait=20)
    wait_until(lambda: scene.handling.order(order_id_of(request)) is not None, CALL_SECONDS, "the order is committed")
    link.cut()
    require_unanswered(call)
    scene.coordinator_to_home.heal()
    wait_until(
        lambda: not scene.handling.open_envelopes(order_id_of(request)), SETTLED_SECONDS, "the receipt is committed"
    )
    link.heal()
    assert scene.submit(request).state == COMPLETED
    require_one_effect(scene, request)


def test_s12_an_equal_receipt_changes_nothing_and_a_different_one_is_an_alarm_and_never_kept(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    request = scene.pay()
    order_id = scene.submit(request, wait=10).id
    require_one_effect(scene, request)
    kept = scene.home.receipt_given(order_id)
    before = scene.handling.sizes()
    assert scene.federation.processes[HANDLING].stop() == 0
    settling = _Settling(scene, order_id)
    assert settling.settle(kept)
    assert caplog.records == []
    with caplog.at_level(logging.ERROR):
        settling.settle(settling.another_receipt())
    assert [record.message for record in caplog.records] == [
        f"a second, different receipt for {order_id}#submit>{HOME}: the first stands"
    ]
    assert scene.handling.sizes() == before
    scene.restart(HANDLING)
    require_one_effect(scene, request)


@pytest.mark.slow
@pytest.mark.parametrize("point", ["S12.before-commit", "S12.after-commit"])
def test_s12_the_receipt_of_a_cancellation_survives_a_kill(scene: Scene, point: str) -> None:
    request = scene.suspend(start=scene.in_a_week())
    order_id = scene.submit(request, wait=10).id
    cancellation = scene.cancel_request(order_id)
    scene.arm(HANDLING, point)
    scene.start_cancel(cancellation)
    scene.require_killed(HANDLING)
    scene.restart(HANDLING)
    require_cancelled_once(scene, cancellation)


class _Settling:
    """The relay's own settling of receipts, on the database of the origin region while its process is stopped.

    Over the wire a receipt comes twice only if its first copy was not committed, so the second copy is handed in here.
    """

    def __init__(self, scene: Scene, order_id: str) -> None:
        certificates = scene.federation.directory / "certificates"
        self._scene = scene
        self._clock = SystemClock()
        self._home = Signer.load(certificates / HOME / "signing.key")
        keys = TrustedKeys((certificates / HANDLING / "authority.crt").read_bytes(), FEDERATION)
        keys.accept(HOME, (certificates / HOME / "signing.crt").read_bytes(), self._clock.now())
        signer = Signer.load(certificates / HANDLING / "signing.key")
        self._border = Border(HANDLING, signer, keys, CurrentFederation())
        envelope = scene.handling.envelope(order_id)
        self._sealed = Sealed(envelope, read_content(envelope))

    def another_receipt(self) -> Receipt:
        """An impossible receipt of the home region: another answer to the same envelope."""
        answer = Answer(Outcome.OUTCOME_REFUSED, reason=Reason.REASON_LINE_CLOSED)
        return seal_receipt(self._sealed, answer, self._home, now=self._clock.now(), revision=1)

    def settle(self, receipt: Receipt) -> bool:
        """Hands in a receipt; whether it counts as settled."""
        return self._scene.run(self._settle(receipt))

    async def _settle(self, receipt: Receipt) -> bool:
        federation = self._scene.federation
        keys = RegionKeys(KeySet.load(federation.keys_file(HANDLING)))
        store = await federation.database(HANDLING).open(migrations_of("gateway", "region_node"), keys=keys)
        kinds = OrderEnvelopes(OrderContext(RegionContext(self._border), load_rules())).kinds()
        settler = Settler(RelayPorts(self._border, kinds, store, self._clock, Tracing(NoOpTracer()), InlineWorkers()))
        try:
            (kept,) = await settler.settle(
                [Delivered(QueuedEnvelope(self._sealed, 1), DeliverResult(receipt=receipt), b"")]
            )
            return kept
        finally:
            await store.close()
