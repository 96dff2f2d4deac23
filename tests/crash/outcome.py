"""What must hold once the fault is over: exactly one effect, and the same word on it everywhere."""

from collections.abc import Sequence
from concurrent.futures import Future

import grpc
import pytest

from deploy.local.process import wait_until
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2 import CancelOrderRequest, SubmitOrderRequest
from gateway.errors import from_rpc_error, reason_name
from region_node.orders.rules import is_final
from tests.crash.scene import AMOUNT, HANDLING, HOME, SETTLED_SECONDS, Scene, account_of, order_id_of

COMPLETED = OrderState.ORDER_STATE_COMPLETED
ATTEMPTS_IN_A_FAULT = 3


def is_settled(scene: Scene, order_id: str) -> bool:
    """Whether both regions have the final word on an order and nothing about it is on its way."""
    both = (scene.handling.order(order_id), scene.home.order(order_id))
    if not all(order is not None and is_final(order) for order in both):
        return False
    return not scene.handling.open_envelopes(order_id) and not scene.home.open_envelopes(order_id)


def require_one_effect(scene: Scene, request: SubmitOrderRequest) -> Order:
    """Waits until an order is done everywhere, proves that it had exactly one effect, and returns it."""
    order_id = order_id_of(request)
    wait_until(lambda: is_settled(scene, order_id), SETTLED_SECONDS, f"{order_id} is done in both regions")
    replica, owned = scene.handling.order(order_id), scene.home.order(order_id)
    assert owned is not None
    assert owned.state == COMPLETED, owned
    assert replica == owned
    assert scene.home.states_entered(order_id).count(COMPLETED) == 1
    assert scene.handling.states_entered(order_id).count(COMPLETED) == 1
    require_audited_once(scene, order_id)
    require_receipts_agree(scene, order_id)
    require_effect(scene, request)
    before = (scene.handling.sizes_about(order_id), scene.home.sizes_about(order_id))
    assert [sizes["timers"] for sizes in before] == [0, 0]
    assert scene.submit(request, wait=5.0) == owned
    assert (scene.handling.sizes_about(order_id), scene.home.sizes_about(order_id)) == before
    return owned


def require_effect(scene: Scene, request: SubmitOrderRequest) -> None:
    """The books of both regions, or the line, changed once."""
    order_id, number = order_id_of(request), request.order.number
    if request.order.business == "SUSPEND":
        assert scene.home.line_status(number) == ProductStatus.PRODUCT_STATUS_SUSPENDED
        return
    account = account_of(number)
    credited = scene.home.rows("SELECT posting_id, amount FROM ledger_entries WHERE account = ?", account)
    assert [row for row in credited if row[0] != f"{account}#opening"] == [(f"{order_id}#credit", AMOUNT)]
    assert scene.home.entries(f"{order_id}#credit") == [(account, AMOUNT), (f"receivable/{HANDLING}", -AMOUNT)]
    assert scene.handling.entries(f"{order_id}#taken") == [("cash", -AMOUNT), ("payments-in-transit", AMOUNT)]
    assert scene.handling.entries(f"{order_id}#owed") == [
        (f"payable/{HOME}", AMOUNT),
        ("payments-in-transit", -AMOUNT),
    ]
    assert scene.handling.entries(f"{order_id}#back") == []


def require_audited_once(scene: Scene, order_id: str) -> None:
    """One row for the request and one for each receipt where they were committed, in chains that are whole."""
    updates = scene.home.count("SELECT COUNT(*) FROM outbox WHERE subject = ?", order_id)
    submitted, updated = "ENVELOPE_KIND_ORDER_SUBMIT", "ENVELOPE_KIND_ORDER_UPDATE"
    assert sorted(scene.handling.actions(order_id)) == [*[updated] * updates, "Receipt", "SubmitOrder"]
    assert sorted(scene.home.actions(order_id)) == [submitted, *["Receipt"] * updates]
    scene.handling.verify_chain()
    scene.home.verify_chain()


def require_receipts_agree(scene: Scene, order_id: str) -> None:
    """Each region holds the very receipts that the other has given, one for each envelope."""
    assert scene.handling.receipts_kept(order_id) == scene.home.receipts_given(order_id)
    assert scene.home.receipts_kept(order_id) == scene.handling.receipts_given(order_id)
    assert [row[0] for row in scene.home.receipts_given(order_id)] == [f"{order_id}#submit>{HOME}"]


def require_untouched(scene: Scene, request: SubmitOrderRequest) -> None:
    """Neither region has a trace of an order."""
    order_id = order_id_of(request)
    for records in (scene.handling, scene.home):
        assert not any(records.sizes_about(order_id).values()), records.sizes_about(order_id)


def require_unanswered(call: Future[Order]) -> None:
    """The caller was told that the outcome is not known."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        call.result()
    assert failed.value.code() == grpc.StatusCode.UNAVAILABLE, failed.value
    assert from_rpc_error(failed.value) is None


def require_refused(call: Future[Order], reason: str) -> None:
    """The caller was told why not."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        call.result()
    refused = from_rpc_error(failed.value)
    assert refused is not None, failed.value
    assert reason_name(refused.reason) == reason


def require_attempts(scene: Scene, requests: Sequence[SubmitOrderRequest]) -> None:
    """No order was sent more often than a fault allows (guarantee G12)."""
    attempts = scene.handling.attempts([order_id_of(request) for request in requests])
    assert max(attempts) <= ATTEMPTS_IN_A_FAULT, attempts


def require_cancelled_once(scene: Scene, cancellation: CancelOrderRequest) -> None:
    """A suspension that was decided on before is cancelled in both regions, once and without effect."""
    order_id = cancellation.order_id
    wait_until(lambda: is_settled(scene, order_id), SETTLED_SECONDS, f"{order_id} is cancelled in both regions")
    owned = scene.home.order(order_id)
    assert owned is not None
    assert (owned.state, owned.version) == (OrderState.ORDER_STATE_CANCELLED, 2)
    assert scene.handling.order(order_id) == owned
    assert scene.home.line_status(owned.request.number) == ProductStatus.PRODUCT_STATUS_ACTIVE
    assert scene.home.actions(order_id) == ["ENVELOPE_KIND_ORDER_SUBMIT", "ENVELOPE_KIND_ORDER_COMMAND"]
    assert sorted(scene.handling.actions(order_id)) == ["Receipt", "Receipt", "SubmitOrder", "cancel"]
    assert scene.home.rows("SELECT 1 FROM timers WHERE subject = ?", order_id) == []
    assert scene.handling.receipts_kept(order_id) == scene.home.receipts_given(order_id)
    assert scene.start_cancel(cancellation).result() == owned
    scene.home.verify_chain()
    scene.handling.verify_chain()
