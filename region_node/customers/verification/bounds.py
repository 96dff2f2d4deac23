"""The bound of unknown numbers for callers who name a number of this region. The customer's own proof passes it."""

from datetime import datetime

from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.customers.verification.rows import find_key
from region_node.customers.verification.rules import Shown, require_verified
from region_node.node.context import RegionContext
from region_node.requests import dealings
from region_node.requests.dealings import Dealer


def require_few_unknown(tx: Transaction, context: RegionContext, dealer: Dealer, shown: Shown, now: datetime) -> None:
    """Raises Refused with UNKNOWN_NUMBERS_TOO_MANY, or with NOT_VERIFIED for a proof that would pass the bounds.

    Called before a number, or documents on file of its customer, are looked up: both tell who has a number.
    """
    try:
        dealings.require_few_unknown(context, dealer, now)
    except Refused:
        if not shown.is_proven:
            raise
        require_verified(find_key(tx), shown.subject, shown.number, shown.documents)
