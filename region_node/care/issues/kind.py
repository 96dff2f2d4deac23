"""The registration of issues for erasure, legal holds and retention."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from region_node.care.issues import rules
from region_node.care.issues.rows import ISSUE, KIND
from region_node.care.silences.watching import forget
from region_node.tickets.kind import TicketKind

ISSUES = TicketKind(
    KIND,
    ISSUE,
    counter="issue_number",
    purged="purged_issues",
    ended=rules.FINAL,
    changed=("issues", "changed"),
    forget=forget,
).registered(DataClass.DATA_CLASS_ISSUES)
