"""The conditions after a fault: exactly one effect, and the same record everywhere."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future

import grpc
import pytest

from deploy.local.process import wait_until
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2 import CancelOrderRequest, SubmitOrderRequest
from gateway.errors import from_rpc_error, reason_name
from region_node.business.orders.rules import is_final
from tests.crash.regions import (
    AMOUNT,
    CALL_SECONDS,
    HANDLING,
    HOME,
    SETTLED_SECONDS,
    TwoRegions,
    account_of,
    order_id_of,
)

COMPLETED = OrderState.ORDER_STATE_COMPLETED
ATTEMPTS_IN_A_FAULT = 3
# gRPC gives a dropped connection the one that it finds first: a write to a closed socket is UNKNOWN.
_UNKNOWN_OUTCOMES = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)


def is_settled(regions: TwoRegions, order_id: str) -> bool:
    """Whether both regions have the final word on an order and nothing about it is on its way."""
    both = (regions.handling.order(order_id), regions.home.order(order_id))
    if not all(order is not None and is_final(order) for order in both):
        return False
    return not regions.handling.open_envelopes(order_id) and not regions.home.open_envelopes(order_id)


def require_one_effect(regions: TwoRegions, request: SubmitOrderRequest) -> Order:
    """Waits until an order is done everywhere, proves that it had exactly one effect, and returns it."""
    order_id = order_id_of(request)
    wait_until(lambda: is_settled(regions, order_id), SETTLED_SECONDS, f"{order_id} is done in both regions")
    replica, owned = regions.handling.order(order_id), regions.home.order(order_id)
    assert owned is not None
    assert owned.state == COMPLETED, owned
    assert replica == owned
    assert regions.home.states_entered(order_id).count(COMPLETED) == 1
    assert regions.handling.states_entered(order_id).count(COMPLETED) == 1
    require_audited_once(regions, order_id)
    require_receipts_agree(regions, order_id)
    require_effect(regions, request)
    before = (regions.handling.sizes_about(order_id), regions.home.sizes_about(order_id))
    assert [sizes["timers"] for sizes in before] == [0, 0]
    assert regions.submit(request, wait=5.0) == owned
    assert (regions.handling.sizes_about(order_id), regions.home.sizes_about(order_id)) == before
    return owned


def require_effect(regions: TwoRegions, request: SubmitOrderRequest) -> None:
    """The books of both regions, or the line, changed once."""
    order_id, number = order_id_of(request), request.order.number
    if request.order.business == "SUSPEND":
        assert regions.home.line_status(number) == ProductStatus.PRODUCT_STATUS_SUSPENDED
        return
    if request.order.business == "RESUME":
        assert regions.home.line_status(number) == ProductStatus.PRODUCT_STATUS_ACTIVE
        return
    account = account_of(number)
    credited = regions.home.rows("SELECT posting_id, amount FROM ledger_entries WHERE account = ?", account)
    assert [row for row in credited if row[0] != f"{account}#opening"] == [(f"{order_id}#credit", AMOUNT)]
    assert regions.home.entries(f"{order_id}#credit") == [(account, AMOUNT), (f"receivable/{HANDLING}", -AMOUNT)]
    assert regions.handling.entries(f"{order_id}#taken") == [("cash", -AMOUNT), ("payments-in-transit", AMOUNT)]
    assert regions.handling.entries(f"{order_id}#owed") == [
        (f"payable/{HOME}", AMOUNT),
        ("payments-in-transit", -AMOUNT),
    ]
    assert regions.handling.entries(f"{order_id}#back") == []


def require_audited_once(regions: TwoRegions, order_id: str) -> None:
    """Requires a row for the request and for each receipt where they were committed, in whole chains."""
    updates = regions.home.count("SELECT COUNT(*) FROM outbox WHERE subject = ?", order_id)
    submitted, updated = "ENVELOPE_KIND_ORDER_SUBMIT", "ENVELOPE_KIND_ORDER_UPDATE"
    assert sorted(regions.handling.actions(order_id)) == [*[updated] * updates, "Receipt", "SubmitOrder"]
    assert sorted(regions.home.actions(order_id)) == [submitted, *["Receipt"] * updates]
    regions.handling.verify_chain()
    regions.home.verify_chain()


def require_receipts_agree(regions: TwoRegions, order_id: str) -> None:
    """Each region holds the very receipts that the other has given, one for each envelope."""
    assert regions.handling.receipts_kept(order_id) == regions.home.receipts_given(order_id)
    assert regions.home.receipts_kept(order_id) == regions.handling.receipts_given(order_id)
    assert [row[0] for row in regions.home.receipts_given(order_id)] == [f"{order_id}#submit>{HOME}"]


def require_untouched(regions: TwoRegions, request: SubmitOrderRequest) -> None:
    """Neither region has a trace of an order."""
    order_id = order_id_of(request)
    for records in (regions.handling, regions.home):
        assert not any(records.sizes_about(order_id).values()), records.sizes_about(order_id)


def require_unanswered(call: Future[Order]) -> None:
    """Requires an unknown outcome for the caller."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        call.result()
    assert failed.value.code() in _UNKNOWN_OUTCOMES, failed.value
    assert from_rpc_error(failed.value) is None


def require_refused_at_last(submit: Callable[[], Future[Order]], reason: str) -> None:
    """Requires a refusal of a caller who repeats what has no answer: gRPC may still hold a connection that was cut."""

    def is_answered() -> bool:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            submit().result()
        refused = from_rpc_error(failed.value)
        assert refused is not None or failed.value.code() in _UNKNOWN_OUTCOMES, failed.value
        assert refused is None or reason_name(refused.reason) == reason
        return refused is not None

    wait_until(is_answered, CALL_SECONDS, "the refusal comes")


def require_refused(call: Future[Order], reason: str) -> None:
    """Requires a refusal with this reason for the caller."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        call.result()
    refused = from_rpc_error(failed.value)
    assert refused is not None, failed.value
    assert reason_name(refused.reason) == reason


def require_attempts(regions: TwoRegions, requests: Sequence[SubmitOrderRequest]) -> None:
    """No order was sent more often than a fault allows (guarantee G12)."""
    attempts = regions.handling.attempts([order_id_of(request) for request in requests])
    assert max(attempts) <= ATTEMPTS_IN_A_FAULT, attempts


def require_cancelled_once(regions: TwoRegions, cancellation: CancelOrderRequest) -> None:
    """A suspension that was decided on before is cancelled in both regions, once and without effect."""
    order_id = cancellation.order_id
    wait_until(lambda: is_settled(regions, order_id), SETTLED_SECONDS, f"{order_id} is cancelled in both regions")
    owned = regions.home.order(order_id)
    assert owned is not None
    assert (owned.state, owned.version) == (OrderState.ORDER_STATE_CANCELLED, 2)
    assert regions.handling.order(order_id) == owned
    assert regions.home.line_status(owned.request.number) == ProductStatus.PRODUCT_STATUS_ACTIVE
    assert regions.home.actions(order_id) == ["ENVELOPE_KIND_ORDER_SUBMIT", "ENVELOPE_KIND_ORDER_COMMAND"]
    assert sorted(regions.handling.actions(order_id)) == ["Receipt", "Receipt", "SubmitOrder", "cancel"]
    assert regions.home.rows("SELECT 1 FROM timers WHERE subject = ?", order_id) == []
    assert regions.handling.receipts_kept(order_id) == regions.home.receipts_given(order_id)
    assert regions.start_cancel(cancellation).result() == owned
    regions.home.verify_chain()
    regions.handling.verify_chain()
