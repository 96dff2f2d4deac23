"""Joint orders and their items for reconciliation, between the leading region and each region that follows it."""

from collections.abc import Iterator

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.api.region.v1.reconciliation_pb2 import RecordStanding
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.business.joint import rules, saga
from region_node.business.joint.restoring import ITEM_RESTORING, JOINT_RESTORING
from region_node.business.joint.rows import ORDER_RECORDS, item_key, joint_subject, order_of, own_items
from region_node.business.reconciliation.port import SettledKind, Wanted
from region_node.business.reconciliation.rules import ENDED, OPEN, SETTLED, Record

_NOT_DONE = frozenset({rules.REFUSED, rules.RELEASED, rules.EXPIRED})


def _orders(tx: Transaction, wanted: Wanted) -> list[Record]:
    return [Record(each.id, _standing(each), saga.state_name(each.state)) for each in _shared(tx, wanted)]


def _items(tx: Transaction, wanted: Wanted) -> list[Record]:
    """The items of the region that does not lead, as it has them, or as the leading region was told of them."""
    return [
        Record(item_key(order.id, item.id), _item_standing(item), rules.state_name(item.state))
        for order in _shared(tx, wanted)
        for item in _items_of(tx, wanted, order)
    ]


def _items_of(tx: Transaction, wanted: Wanted, order: JointOrder) -> Iterator[JointItem]:
    if order.leader_region == wanted.here:
        yield from (each for each in order.items if each.region == wanted.there)
    else:
        yield from own_items(tx, wanted.here, order)


def _shared(tx: Transaction, wanted: Wanted) -> list[JointOrder]:
    """The joint orders that one of two regions leads and the other follows."""
    pair = {wanted.here, wanted.there}
    found = ORDER_RECORDS.within(
        tx,
        to_microseconds(wanted.start),
        to_microseconds(wanted.end),
        "origin_region IN (:here, :there)",
        here=wanted.here,
        there=wanted.there,
    )
    return [each for each in found if pair & {*saga.followers(each)}]


def _standing(order: JointOrder) -> RecordStanding.ValueType:
    return SETTLED if order.state in saga.DONE else ENDED if saga.is_final(order) else OPEN


def _item_standing(item: JointItem) -> RecordStanding.ValueType:
    return SETTLED if item.state == rules.COMPLETED else ENDED if item.state in _NOT_DONE else OPEN


SETTLED_JOINT = SettledKind(
    "joint", _orders, joint_subject, restoring=JOINT_RESTORING, is_erased=ORDER_RECORDS.is_unreadable
)
"""Joint orders that were done, wholly or in part."""
SETTLED_ITEMS = SettledKind(
    "item",
    _items,
    lambda serial: joint_subject(order_of(serial)),
    restoring=ITEM_RESTORING,
    is_erased=lambda tx, serial: ORDER_RECORDS.is_unreadable(tx, order_of(serial)),
)
"""Items of joint orders that a region has done for the leading one."""
