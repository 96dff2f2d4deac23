"""Calls the lead of a matter where another region's configuration contradicts this region's, or is withheld from it."""

from datetime import datetime

from gateway.api.federation.v1.federation_pb2 import DisputedRevision
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.federation.body import CONFIGURATION_DISPUTED, escalation_level
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from region_node.care.escalations.rows import add_notices
from region_node.node.context import RegionContext

ALERTS = "configuration"
"""The first word in the ids of these notices."""


def raise_dispute(tx: Transaction, context: RegionContext, dispute: DisputedRevision, now: datetime) -> None:
    """Adds notices to every sink of its level. A dispute with one region about one revision has one notice."""
    ticket_id, level = f"{ALERTS}/{dispute.revision}/{dispute.region}", escalation_level(1)
    told = RaisedComplaint(
        id=f"{ticket_id}/L{level}",
        ticket_id=ticket_id,
        level=level,
        matter=CONFIGURATION_DISPUTED,
        trigger=EscalationTrigger.ESCALATION_TRIGGER_CONFIGURATION_DISPUTED,
        time=to_timestamp(now),
        region=context.region,
        origin_region=dispute.region,
        owner_region=context.region,
    )
    add_notices(tx, context, [told], now, due=now)
