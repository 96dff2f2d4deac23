"""The ticket of a request: an earlier one, or one that another region has answered."""

from gateway.store.port import Transaction
from region_node.requests.caller import Caller, done_before, require_accepted
from region_node.requests.rows import RequestKey
from region_node.tickets.followed import Followed, M, R


def known_request(kind: Followed[M, R], tx: Transaction, key: RequestKey) -> M | None:
    """The ticket of an earlier request, in its current state.

    Raises the earlier refusal again, and Refused for other content.
    """
    known = done_before(tx, key)
    if known is None:
        return None
    found = kind.records.read(tx, known)
    if found is None:
        raise kind.records.not_found(known)
    return found


def answered_request(kind: Followed[M, R], tx: Transaction, caller: Caller, written: M) -> M:
    """The ticket after a caller's command, or as `written` then if it is unreadable since.

    Raises Refused where the owner has refused the command.
    """
    require_accepted(tx, caller)
    found = kind.records.read(tx, kind.facts(written).name)
    return written if found is None else found
