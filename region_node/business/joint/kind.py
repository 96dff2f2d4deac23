"""Joint orders as a kind of ticket. It is registered with the notices about them, which a higher floor has."""

from collections.abc import Sequence

from gateway.store.port import Transaction
from region_node.business.joint import saga
from region_node.business.joint.rows import ENDS, JOINT, KIND, ORDER_RECORDS, forget_items, note_regions
from region_node.tickets.kind import TicketKind


def _followers(tx: Transaction, joint_order_id: str) -> Sequence[str]:
    order = ORDER_RECORDS.read(tx, joint_order_id)
    return () if order is None else saga.followers(order)


JOINT_TICKETS = TicketKind(
    KIND,
    JOINT,
    counter="joint_number",
    purged="purged_joint_orders",
    ended=saga.FINAL,
    changed=("joint_orders", "changed"),
    events=ENDS,
    forget=forget_items,
    kept_in=_followers,
    row_migrations={"joint_orders": note_regions},
)
