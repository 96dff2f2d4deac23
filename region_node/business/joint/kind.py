"""The registration of joint orders for erasure, legal holds and retention."""

from collections.abc import Sequence

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.store.port import Transaction
from region_node.business.joint import saga
from region_node.business.joint.rows import JOINT, KIND, ORDER_RECORDS, forget_items
from region_node.tickets.kind import TicketKind


def _followers(tx: Transaction, joint_order_id: str) -> Sequence[str]:
    order = ORDER_RECORDS.read(tx, joint_order_id)
    return () if order is None else saga.followers(order)


JOINT_ORDERS = TicketKind(
    KIND,
    JOINT,
    counter="joint_number",
    purged="purged_joint_orders",
    ended=saga.FINAL,
    changed=("joint_orders", "changed"),
    forget=forget_items,
    kept_in=_followers,
).registered(DataClass.DATA_CLASS_JOINT_ORDERS)
