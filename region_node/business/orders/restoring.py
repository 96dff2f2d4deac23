"""An order that one of two regions has lost is stored and booked once more, by what that region itself has signed.

The origin has signed the submission, and follows the home region's version. The home region has signed the version that
completed the order. It credits money once more; any other effect leaves no evidence, and is for people.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission, OrderUpdate
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from gateway.values.choices import UnknownChoice
from region_node.business.orders import rules
from region_node.business.orders.books import book_again
from region_node.business.orders.business import load_rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import ORDER, ORDER_RECORDS, OrderRow, find_order, insert_order
from region_node.business.orders.steps import situation_of, with_fee
from region_node.business.reconciliation.evidence import (
    Word,
    impossible,
    kept_line,
    line_unknown,
    not_proven,
    own_word,
    words_of,
)
from region_node.business.reconciliation.port import Act, Restoring
from region_node.customers.accounts import ledger
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received
from region_node.requests.caller import remember_again
from region_node.tickets import border

_Payload = Callable[[bytes], Order]
_PAYLOADS: Final[Mapping[EnvelopeKind.ValueType, _Payload]] = {
    EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT: lambda payload: parse(OrderSubmission, payload).order,
    EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE: lambda payload: parse(OrderUpdate, payload).order,
}


def require_shared(tx: Transaction, context: RegionContext, act: Act) -> OrderRow:
    """The order, which this region shares with the other one. Raises Refused with REPAIR_IMPOSSIBLE."""
    row = find_order(tx, act.serial)
    if row is None or {row.order.origin_region, row.order.home_region} != {context.region, act.there}:
        raise impossible(context, act)
    return row


def _evidence(tx: Transaction, context: RegionContext, act: Act) -> RepairEvidence:
    order = require_shared(tx, context, act).order
    if order.state != rules.COMPLETED:
        raise impossible(context, act)
    is_home = order.home_region == context.region
    for told, word in words_of(tx, act.there, act.serial):
        if _proven(word, act.serial, by_origin=is_home) is not None:
            told.record = order.SerializeToString() if is_home else b""
            return told
    raise not_proven(act.there, act)


def _restore(tx: Transaction, context: RegionContext, act: Act, told: RepairEvidence, now: datetime) -> None:
    if ORDER_RECORDS.is_known(tx, act.serial):
        raise impossible(context, act)
    word, orders = own_word(context, act, told), OrderContext(context, load_rules())
    taken_in = _proven(word, act.serial, by_origin=True)
    done = _proven(word, act.serial, by_origin=False)
    traceparent = word.traceparent if isinstance(word, EnvelopeContent) else ""
    if taken_in is not None:
        _restore_at_origin(tx, orders, act, taken_in, told.record, traceparent, now)
    elif done is not None and (done.origin_region, done.home_region) == (act.there, context.region):
        _book_at_home(tx, orders, act, done, now)
        insert_order(tx, OrderRow(done, traceparent), from_timestamp(done.completion_time))
    else:
        raise not_proven(context.region, act)


def _proven(word: Word, order_id: str, *, by_origin: bool) -> Order | None:
    """The order in a word: as its origin has submitted it, or as its home region has completed it; None for neither."""
    try:
        order = _order_in(word)
    except (Refused, UnknownChoice):
        return None
    is_submission = isinstance(word, EnvelopeContent) and word.kind == EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT
    if order is None or order.id != order_id or is_submission != by_origin:
        return None
    return order if by_origin or order.state == rules.COMPLETED else None


def _order_in(word: Word) -> Order | None:
    if not isinstance(word, EnvelopeContent):
        return parse(Order, word.result)
    read = _PAYLOADS.get(word.kind)
    return None if read is None else read(word.payload)


def _restore_at_origin(
    tx: Transaction,
    context: OrderContext,
    act: Act,
    taken_in: Order,
    record: bytes,
    traceparent: str,
    now: datetime,
) -> None:
    """Stores the home region's version of what this region has submitted, and books both ends of the payment."""
    told = received(Order, record)
    is_theirs = (told.id, told.home_region, told.state) == (taken_in.id, act.there, rules.COMPLETED)
    has_ended = told.version > 0 and told.HasField("completion_time")
    if taken_in.home_region != act.there or not (is_theirs and rules.wants_same(taken_in, told) and has_ended):
        raise not_proven(context.node.region, act)
    border.require_possible(ORDER, told, now)
    order = ORDER.merged(taken_in, told)
    book_again(tx, context, order, now)
    insert_order(tx, OrderRow(order, traceparent), from_timestamp(order.completion_time))
    remember_again(tx, order.operator, order.id, taken_in.request.SerializeToString(deterministic=True), now)


def _book_at_home(tx: Transaction, context: OrderContext, act: Act, order: Order, now: datetime) -> None:
    """Credits the money of an order that this region has completed, as far as it is not booked any more.

    The effect of an order was one transaction with its postings. So whatever has postings left has all of its effect.
    """
    region, federation = context.node.region, context.node.federation
    rule = context.rules.get(federation.rule_of(order.request.business))
    is_money = rule is not None and rule.credited(order) > 0
    if rule is None or not is_money or order.request.business in context.node.provisioned:
        if ledger.is_any_booked(tx, f"{order.id}#"):
            return
        raise Refused(Reason.REASON_RECORD_EFFECT_NOT_PROVEN, region=region, serial=act.serial)
    line = kept_line(tx, context.node, order.request.number)
    if line is None or line.product_id != order.product_id:
        raise line_unknown(context.node, act)
    situation = situation_of(tx, context, order, now)
    effects = with_fee(situation, rule.fulfil(situation))
    missing = ledger.unbooked(tx, effects.postings)
    if missing:
        context.fulfilment.carry_out(tx, situation, replace(effects, postings=missing))


RESTORING = Restoring(_evidence, _restore)
"""Orders of two regions, those of money for complaints with them."""
