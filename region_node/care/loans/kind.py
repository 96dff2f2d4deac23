"""The registration of loans for erasure, legal holds and retention."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from region_node.care.loans import rules
from region_node.care.loans.rows import KIND, LOAN
from region_node.care.silences.watching import forget
from region_node.tickets.kind import TicketKind

LOANS = TicketKind(
    KIND,
    LOAN,
    counter="loan_number",
    purged="purged_loans",
    ended=rules.FINAL,
    changed=("loans", "changed"),
    forget=forget,
).registered(DataClass.DATA_CLASS_LOANS)
