"""Stores complaints one by one, with all that follows from a change of one."""

from datetime import datetime

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.store.port import Transaction
from region_node.care.complaints import rules
from region_node.care.complaints.case_notifier_rows import queue_report
from region_node.care.complaints.figure_rows import keep_figures
from region_node.care.complaints.rows import KIND, ComplaintRow, insert_complaint, update_complaint
from region_node.customers.erased_numbers import look_if_erased
from region_node.network.problems.rows import note_complaint
from region_node.node.subjects import number_index


def add_complaint(tx: Transaction, row: ComplaintRow, ticket_number: int, now: datetime) -> None:
    """Adds a complaint."""
    insert_complaint(tx, row, ticket_number, now)
    _follow(tx, row.complaint, now)


def change_complaint(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """Stores a changed complaint."""
    update_complaint(tx, complaint, now)
    _follow(tx, complaint, now)


def _follow(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """Updates the figures, the counts for network problems, the report of a case to coordinators, and the erasure.

    Only the lead region of a case knows its items.
    """
    keep_figures(tx, complaint)
    note_complaint(tx, number_index(tx, complaint.request.number))
    if complaint.items:
        queue_report(tx, complaint.ticket_id, complaint.version)
    if rules.is_final(complaint):
        look_if_erased(tx, KIND, complaint.ticket_id, complaint.request.number, now)
