"""The escalations of a ticket between regions to the coordination body."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.federation.body import HIGHEST_LEVEL, escalation_level
from gateway.store.port import Transaction
from gateway.time.working_time import NeverOpen, deadline
from region_node.care.escalations.rows import add_notices
from region_node.node.context import RegionContext
from region_node.tickets.followed import Facts

WARNING = 0  # the number of a warning, which reaches the level below that of the first escalation


@dataclass(frozen=True)
class Escalated:
    """An escalation: its number among those of the ticket, from 1, or WARNING; and why it came."""

    number: int
    trigger: EscalationTrigger.ValueType
    time: Timestamp
    due_time: Timestamp | None
    """The due time that has passed; None for a request."""


def due_by(context: RegionContext, matter: str, since: datetime, usual: timedelta) -> datetime:
    """When the lead of a matter must have acted, from an instant on.

    `usual` is the time without a row in the matrix of responsibility, or without a configuration.
    """
    try:
        federation = context.federation
    except Refused:
        return since + usual
    found = federation.body.responsible(matter, context.region)
    if found is None:
        return since + usual
    try:
        return deadline(found.limit, since, federation.working_hours(context.region))
    except NeverOpen:
        return since + usual


def tell_body(
    tx: Transaction,
    context: RegionContext,
    about: Facts,
    escalated: Escalated,
    action: str,
    matter: str,
    now: datetime,
    *,
    part: str = "",
) -> None:
    """Notifies the recipients of the level that an escalation reaches, with an audit row of the `action`.

    A warning and the first one call the lead of a matter, each further one that of its level; the first one, too, where
    the matter is empty. `part` is the id of the part of the ticket that is escalated, empty for the whole.
    """
    ticket_id = part or about.name
    number, level = escalated.number, escalation_level(escalated.number)
    trigger, actor = EscalationTrigger.Name(escalated.trigger), f"region/{context.region}"
    audit.append(tx, now=now, actor=actor, action=action, subject=about.name, detail=trigger)
    again = number - HIGHEST_LEVEL + escalation_level(1)  # from 1 at the first that reaches the highest level
    raised = RaisedComplaint(
        id=f"{ticket_id}/L{level}" if again <= 1 else f"{ticket_id}/L{level}-{again}",
        ticket_id=ticket_id,
        level=level,
        matter=matter if number <= 1 else "",
        trigger=escalated.trigger,
        due_time=escalated.due_time,
        time=escalated.time,
        region=context.region,
        origin_region=about.origin,
        owner_region=about.owner,
        home_region=about.home,
    )
    add_notices(tx, context, [raised], now, due=now, again=max(again - 1, 0))
