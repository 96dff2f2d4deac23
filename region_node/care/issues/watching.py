"""The watch over issues: of an owner over its next due time, of any other region over the word of the owner on it."""

from gateway.federation.body import ISSUE_WITHOUT_OWNER
from region_node.care.issues import rules
from region_node.care.issues.rows import ISSUE_ROWS
from region_node.care.silences.watching import OwnerWatch

ISSUE_TIMER = "issue-due"  # the next due time of an issue, or the next limit of its owner's silence
ISSUE_WATCH = OwnerWatch(
    ISSUE_ROWS,
    silence=lambda issue: issue.silence,
    own_due=rules.next_limit,
    limit=rules.next_limit,
    timer=ISSUE_TIMER,
    matter=ISSUE_WITHOUT_OWNER,
    calls=3,
)
