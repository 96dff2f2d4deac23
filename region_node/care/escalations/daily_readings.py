"""The alert to this region's person on duty that another region reads many customers in a day."""

from datetime import datetime

from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.store.port import Transaction
from gateway.store.timers import Timer
from gateway.time.clock import to_timestamp
from region_node.care.escalations.body import Escalated, tell_body
from region_node.customers.disclosures.daily_limits import NEAR, DailyLimit
from region_node.node.context import RegionContext
from region_node.tickets.followed import Facts


def readings_are_many(tx: Transaction, context: RegionContext, limit: DailyLimit, timer: Timer, now: datetime) -> None:
    """Calls the lead of the matter where the limit of a day is near, and the next level where a reading was denied.

    The name of the alert ends with `unproven` where a reading of the day had no proofs of its people.
    """
    reader, day, what = timer.subject.split("/")
    name = f"{limit.timer}/{reader}/{day}"
    time = to_timestamp(now)
    escalated = Escalated(
        1 if what == NEAR else 2, EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED, time, due_time=None
    )
    facts = Facts(
        name=f"{name}/unproven" if limit.has_unproven(tx, reader, day) else name,
        origin=reader,
        owner=context.region,
        operator="",
        version=escalated.number,
        state=0,
        created=time,
        number="",
        home="",
    )
    tell_body(tx, context, facts, escalated, limit.alert, limit.name, now)
