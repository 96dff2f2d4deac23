"""The registration of joint orders for erasure, legal holds and retention."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from region_node.business.joint import saga
from region_node.business.joint.rows import JOINT, KIND, forget_items
from region_node.tickets.kind import TicketKind

JOINT_ORDERS = TicketKind(
    KIND,
    JOINT,
    counter="joint_number",
    purged="purged_joint_orders",
    ended=saga.FINAL,
    changed=("joint_orders", "changed"),
    forget=forget_items,
).registered(DataClass.DATA_CLASS_JOINT_ORDERS)
