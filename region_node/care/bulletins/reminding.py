"""The reminder of a bulletin that this region has not read in time, to its person on duty."""

from datetime import datetime

from gateway.api.region.v1.bulletin_pb2 import Bulletin
from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.federation.body import BULLETIN_UNREAD
from gateway.store.port import Transaction
from gateway.store.timers import Timer, set_timer
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.care.bulletins import rules
from region_node.care.bulletins.rows import BULLETIN, facts, have_read
from region_node.care.escalations.body import Escalated, tell_body
from region_node.node.context import RegionContext

BULLETIN_TIMER = "bulletin-due"  # the time by which this region must have read a bulletin


def watch(tx: Transaction, region: str, bulletin: Bulletin) -> None:
    """Sets the timer of a bulletin that this region must read by a time; of another bulletin none."""
    if bulletin.content.HasField("read_by_time") and region in bulletin.regions:
        due = from_timestamp(bulletin.content.read_by_time)
        set_timer(tx, f"{BULLETIN_TIMER}/{bulletin.id}", kind=BULLETIN_TIMER, subject=bulletin.id, due=due)


def time_has_passed(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Reminds the person on duty once, with an audit row, unless the bulletin is read here, withdrawn, or over."""
    bulletin = BULLETIN.records.read(tx, timer.subject)
    if bulletin is None or bulletin.state != rules.PUBLISHED or now >= from_timestamp(bulletin.content.end_time):
        return
    (own,) = rules.readers(bulletin, {}, have_read(tx, bulletin), [context.region])
    if own.complete:
        return
    passed = EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED
    escalated = Escalated(1, passed, to_timestamp(now), bulletin.content.read_by_time)
    # The duty is that of this region, whoever has published the bulletin.
    about = facts(bulletin)._replace(owner=context.region)
    tell_body(tx, context, about, escalated, "RemindOfBulletin", BULLETIN_UNREAD, now)
