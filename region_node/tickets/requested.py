"""The ticket of a request: one that was made before, or one that another region has answered."""

from gateway.store.port import Transaction
from region_node.requests.caller import Caller, done_before, require_accepted
from region_node.requests.rows import RequestKey
from region_node.tickets.followed import Followed, M, R


def known_request(kind: Followed[M, R], tx: Transaction, key: RequestKey) -> M | None:
    """The ticket of a request that was made before, as it stands. Raises Refused as it was, or for other content."""
    known = done_before(tx, key)
    if known is None:
        return None
    found = kind.records.read(tx, known)
    if found is None:
        raise kind.records.not_found(known)
    return found


def answered_request(kind: Followed[M, R], tx: Transaction, caller: Caller, written: M) -> M:
    """The ticket after a command of a caller: as it was `written` then, where it was made unreadable since.

    Raises Refused where the owner has refused the command.
    """
    require_accepted(tx, caller)
    found = kind.records.read(tx, kind.facts(written).name)
    return written if found is None else found
