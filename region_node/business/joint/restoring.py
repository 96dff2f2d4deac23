"""A joint order that one of two regions has lost is stored once more, by what that region itself has signed.

The leading region has signed its versions, and takes back the last one of an order that has ended. A follower has
signed the receipts of versions, with their digests, and takes the present one. A line that an item has changed leaves
no evidence, and is for people.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from gateway.api.region.v1.joint_order_envelopes_pb2 import JointCommand, JointUpdate
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.business.joint import rules, saga, working
from region_node.business.joint.rows import (
    ITEM_RECORDS,
    JOINT,
    NUMBERS,
    ORDER_RECORDS,
    JointItemRow,
    JointOrderRow,
    insert_item,
    insert_joint_order,
    is_end_noted,
    item_key,
    note_end,
    order_of,
)
from region_node.business.reconciliation.evidence import (
    Word,
    content_of,
    impossible,
    not_proven,
    own_word,
    words_of,
)
from region_node.business.reconciliation.port import Act, Restoring
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received
from region_node.tickets import border


@dataclass(frozen=True)
class _Signed:
    """A version of a joint order that a region has signed."""

    order: JointOrder = field(repr=False)
    is_led: bool
    """Whether that region has sent it as the leading one, and not taken it as a follower."""
    traceparent: str


def _evidence(of_item: bool, tx: Transaction, context: RegionContext, act: Act) -> RepairEvidence:
    order_id = order_of(act.serial) if of_item else act.serial
    row = ORDER_RECORDS.find(tx, order_id)
    if row is None or not _is_pair(row.order, context.region, act.there):
        raise impossible(context, act)
    is_led = row.order.leader_region == act.there
    found = [each for each in _signed_about(tx, act.there, order_id) if each[1].is_led == is_led]
    if not found:
        raise not_proven(act.there, act)
    told, signed = max(found, key=lambda each: each[1].order.version)
    if not is_led and signed.order.version != row.order.version:
        told.record = row.order.SerializeToString()
    return told


def _restore(
    of_item: bool, tx: Transaction, context: RegionContext, act: Act, told: RepairEvidence, now: datetime
) -> None:
    signed = _signed(own_word(context, act, told), told)
    order_id = order_of(act.serial) if of_item else act.serial
    if signed is None or signed.order.id != order_id or not _is_pair(signed.order, context.region, act.there):
        raise not_proven(context.region, act)
    if signed.is_led != (signed.order.leader_region == context.region):
        raise not_proven(context.region, act)
    if signed.is_led:
        _lead_again(tx, context, act, signed, now)
    else:
        _follow_again(tx, context, act, signed, told.record, now)


def _signed_about(tx: Transaction, region: str, order_id: str) -> Iterator[tuple[RepairEvidence, _Signed]]:
    for told, word in words_of(tx, region, order_id, with_answered=True):
        signed = _signed(word, told)
        if signed is not None and signed.order.id == order_id:
            yield told, signed


def _signed(word: Word, told: RepairEvidence) -> _Signed | None:
    """The order in an envelope that a region has sent, or has taken; None for a word without one."""
    try:
        content = content_of(word, told)
        if content is None:
            return None
        if content.kind == EnvelopeKind.ENVELOPE_KIND_JOINT_UPDATE:
            order = parse(JointUpdate, content.payload).order
        elif content.kind == EnvelopeKind.ENVELOPE_KIND_JOINT_COMMAND:
            order = parse(JointCommand, content.payload).order
        else:
            return None
    except Refused:
        return None
    return _Signed(order, isinstance(word, EnvelopeContent), content.traceparent)


def _lead_again(tx: Transaction, context: RegionContext, act: Act, signed: _Signed, now: datetime) -> None:
    order = signed.order
    if ORDER_RECORDS.is_known(tx, order.id):
        raise impossible(context, act)
    if not saga.is_final(order):
        raise Refused(Reason.REASON_RECORD_NOT_ENDED, region=context.region, serial=act.serial)
    lost = _lost_items(tx, context, act, order)
    NUMBERS.restored(
        tx, order.id, lambda number: insert_joint_order(tx, JointOrderRow(order, signed.traceparent), number, now)
    )
    for item in lost:
        insert_item(tx, order.id, JointItemRow(item, signed.traceparent), now)
    if order.state in saga.DONE and not is_end_noted(tx, order.id):
        note_end(tx, order)


def _follow_again(
    tx: Transaction, context: RegionContext, act: Act, signed: _Signed, record: bytes, now: datetime
) -> None:
    told = received(JointOrder, record) if record else signed.order
    is_same = all(getattr(told, name) == getattr(signed.order, name) for name in JOINT.fixed)
    if not is_same or told.version < signed.order.version:
        raise not_proven(context.region, act)
    border.require_possible(JOINT, told, now)
    known, lost = ORDER_RECORDS.read(tx, told.id), _lost_items(tx, context, act, told)
    is_unreadable = known is None and ORDER_RECORDS.is_known(tx, told.id)
    if is_unreadable or (known is not None and known.version >= told.version and not lost):
        raise impossible(context, act)
    working.adopt(tx, context, told, now, signed.traceparent)


def _lost_items(tx: Transaction, context: RegionContext, act: Act, order: JointOrder) -> list[JointItem]:
    """The items of this region that it does not have any more.

    Raises Refused with RECORD_EFFECT_NOT_PROVEN for one that has ended or opened a line.
    """
    own = [each for each in order.items if each.region == context.region]
    lost = [each for each in own if not ITEM_RECORDS.is_known(tx, item_key(order.id, each.id))]
    if any(rules.has_changed_line(each) for each in lost):
        raise Refused(Reason.REASON_RECORD_EFFECT_NOT_PROVEN, region=context.region, serial=act.serial)
    return lost


def _is_pair(order: JointOrder, here: str, there: str) -> bool:
    """Whether one of two regions leads an order that the other one follows."""
    pair = {here, there}
    return order.leader_region in pair and bool(pair & {*saga.followers(order)})


JOINT_RESTORING = Restoring(partial(_evidence, False), partial(_restore, False))
"""Joint orders, by their ids."""
ITEM_RESTORING = Restoring(partial(_evidence, True), partial(_restore, True), order_of)
"""Items of joint orders: the order comes back with them."""
