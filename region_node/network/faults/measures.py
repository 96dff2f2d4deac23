"""The measures of a review become improvement actions of the owner region (specification 5.4.4)."""

from datetime import datetime

from gateway.api.region.v1.fault_pb2 import Fault, FaultCause
from gateway.api.region.v1.improvement_service_pb2 import ImprovementAction
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.node.context import RegionContext
from region_node.tickets.improvements import insert_action, next_action_number

CATEGORY = "FAULT"
"""In lists of actions, this stands in the place of a complaint category."""


def note_measures(tx: Transaction, context: RegionContext, fault: Fault, staff_id: str, now: datetime) -> None:
    """Opens an action for each measure with which a fault was closed."""
    cause = FaultCause.Name(fault.cause).removeprefix("FAULT_CAUSE_").lower().replace("_", "-")
    for measure in fault.review.measures:
        number = next_action_number(tx)
        action = ImprovementAction(
            id=f"{context.region}/action-{number}",
            ticket_id=fault.id,
            category=CATEGORY,
            cause_code=cause,
            text=measure.what,
            owner=measure.owner,
            due_date=measure.due_date,
            staff_id=staff_id,
            create_time=to_timestamp(now),
        )
        insert_action(tx, action, number)
