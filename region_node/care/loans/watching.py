"""The watch over loans: of a lender over its next due time, of a borrower over the word of the lender on it."""

from gateway.federation.body import LOAN_OVERDUE
from region_node.care.loans import rules
from region_node.care.loans.rows import LOAN_ROWS
from region_node.care.silences.watching import OwnerWatch

LOAN_TIMER = "loan-due"  # when the lender reminds, escalates or ends a loan next, or the limit of its silence
LOAN_WATCH = OwnerWatch(
    LOAN_ROWS,
    silence=lambda loan: loan.silence,
    own_due=rules.next_due,
    limit=rules.next_limit,
    timer=LOAN_TIMER,
    matter=LOAN_OVERDUE,
    calls=1,
)
