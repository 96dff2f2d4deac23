"""The ids of customers who have moved here, the mark of their erasure, and the names of staff. Pure."""

import hashlib

MOVED_HERE = "moved-"
"""The beginning of the ids of customers who have moved here from another region."""
OF_STAFF = "staff/"
"""The beginning of the names of callers who have a certificate of staff; no operator system has such a name."""


def erasure_mark(customer_id: str) -> str:
    """The mark of the erasure of a customer who has moved here, in the form of the id of a key; empty for any other.

    A database of before the move has no key whose id would tell of the erasure, and the hand-over gives the same
    customer id again.
    """
    if not customer_id.startswith(MOVED_HERE):
        return ""
    return hashlib.sha256(f"erased {customer_id}".encode()).hexdigest()[:24]
