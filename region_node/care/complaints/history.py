"""The history of a complaint, without texts. Pure."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHistory
from gateway.api.region.v1.complaint_pb2 import Complaint, LedgerEntry
from gateway.time.clock import from_timestamp
from region_node.care.complaints import ledger, rules
from region_node.care.complaints.deadlines import Hours, find
from region_node.care.complaints.escalation import ADMINISTRATORS
from region_node.care.complaints.headers import header_of


def history(complaint: Complaint, now: datetime, hours: Hours) -> ComplaintHistory:
    """A complaint as the escalation recipients see it at `now`."""
    told = ComplaintHistory(
        header=header_of(complaint),
        deadlines=complaint.deadlines,
        custody=complaint.custody,
        state_changes=complaint.state_changes,
        escalations=complaint.escalations,
        expedite_times=[each.time for each in complaint.expedites],
        refusals=complaint.refusals,
        repeated_ticket_id=complaint.repeated_ticket_id,
        ledger=ledger.entries(complaint, now, hours),
    )
    for note in complaint.notes:
        told.utterances.add(time=note.time, region=_speaker(note.author), asks_customer=note.asks_customer)
    for each in complaint.classification.settings:
        kept = told.categories.add()
        kept.CopyFrom(each)
        kept.author = _speaker(each.author)
    late = ledger.lateness(complaint, now)
    if late is not None:
        told.lateness.FromTimedelta(late)
        told.why_late.extend(why_late(complaint, now, hours))
    return told


def _speaker(author: str) -> str:
    """The region of an author, without the staff id. Administrators are named."""
    return author if author.startswith(ADMINISTRATORS) else author.partition("/")[0]


def why_late(complaint: Complaint, now: datetime, hours: Hours) -> Sequence[LedgerEntry]:
    """The holders of a complaint until its resolution, or until now. The sum is its allowed time, and its lateness."""
    each = find(complaint, rules.RESOLVE)
    if each is None or not each.HasField("met_time"):
        return ledger.entries(complaint, now, hours)
    until = from_timestamp(each.met_time)
    before = Complaint(
        custody=[part for part in complaint.custody if from_timestamp(part.start_time) < until],
    )
    return ledger.entries(before, until, hours)
