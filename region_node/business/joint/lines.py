"""The line that an item of a joint order ends, at its home region, or opens. Parts of one transaction.

A reserved item promises the end of its line: until the item has ended, no other order ends or binds the line, and its
customer does not move. The last milestone ends the line with its last charges, in the transaction that stores the item.
"""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointPlace
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.relay.border import Moved
from gateway.store.port import Transaction
from region_node.business.billing.charging import closing, final_charges
from region_node.business.joint import openings, rules, templates
from region_node.customers.accounts import ledger
from region_node.customers.documents.register import proven_line
from region_node.customers.documents.rules import identifying
from region_node.customers.known_statuses import require_unrestricted
from region_node.customers.operations import keep_line
from region_node.customers.preconditions import line_situation, require_preconditions
from region_node.customers.rows import Line, find_line
from region_node.customers.verification.bounds import require_few_unknown
from region_node.customers.verification.rows import find_key
from region_node.customers.verification.rules import Shown, require_verified
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller
from region_node.requests.dealings import Dealer

_PROMISED = frozenset({rules.RESERVED, rules.COMMITTED, rules.IN_PROGRESS})
_GONE = frozenset(
    {
        Reason.REASON_CUSTOMER_ERASED,
        Reason.REASON_CUSTOMER_MOVED,
        Reason.REASON_JOINT_LINE_ELSEWHERE,
        Reason.REASON_LINE_CLOSED,
        Reason.REASON_SUBSCRIPTION_NOT_FOUND,
    }
)
"""The reasons for which this region has nothing left to end."""


def require_place(
    tx: Transaction,
    context: RegionContext,
    caller: Caller,
    request: OrderRequest,
    places: Sequence[JointPlace],
    now: datetime,
) -> None:
    """Checks at the leading region that the item which ends a line is at the home of the number.

    Where this region is the home, it checks the proof before the status of the customer. Elsewhere, nothing proves the
    customer here. Raises Refused with NUMBER_INVALID, NUMBER_UNRESOLVED, JOINT_LINE_ELSEWHERE, CUSTOMER_RESTRICTED, and
    where this region is the home with UNKNOWN_NUMBERS_TOO_MANY, NOT_VERIFIED, PROOF_NOT_OF_NUMBER, and as that says of
    the line.
    """
    found = templates.ending(context.federation.business(request.business))
    if found is None:
        require_unrestricted(tx, request.number)
        return
    _, place = found
    if not request.number:
        raise Refused(Reason.REASON_NUMBER_INVALID, number="")
    home = context.federation.number_plan.home_of(request.number)
    if home is None:
        raise Refused(Reason.REASON_NUMBER_UNRESOLVED, number=request.number)
    if places[place - 1].region != home:
        raise Refused(Reason.REASON_JOINT_LINE_ELSEWHERE, region=home, place=str(place))
    if home != context.region:
        require_unrestricted(tx, request.number)
        return
    dealer = Dealer(context.region, caller.operator, request.requester.staff_id)
    shown = Shown(caller.subject(context.region), request.number, request.documents)
    require_few_unknown(tx, context, dealer, shown, now)
    require_verified(find_key(tx), shown.subject, shown.number, shown.documents)
    _require_possible(tx, context, request, identifying(request.documents), context.region, place, now)


def is_ending(context: RegionContext, order: JointOrder, item: JointItem) -> bool:
    """Whether an item ends a line, by this region's own catalogue: no other region decides that a line ends."""
    try:
        found = templates.ending(context.federation.business(order.request.business))
    except Refused:
        return False  # the catalogue has no such business
    return found is not None and found[0].id == item.id


def problem_of(
    tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime
) -> Refused | None:
    """The reason why the line cannot be opened, or its end promised, now; None where it can, or the item has no line.

    Papers that identify the holder of the ended line have to be good as the item is taken in, or later where that is
    not known: the word of another region about them does not count. The others are of the new place. A held item is
    committed: nobody can refuse it for a paper any more, and where nothing is left to end, it goes on.
    """
    if item.opens_line:
        return openings.problem_of(tx, context, order, item, now)
    if not item.ends_line:
        return None
    is_checked = item.papers_checked or item.state == rules.HELD
    proofs = () if is_checked else identifying(order.request.documents)
    try:
        _require_possible(tx, context, order.request, proofs, order.leader_region, item.place, now)
    except Refused as refused:
        is_idle = item.state == rules.HELD and refused.reason in _GONE
        return None if is_idle else refused
    return None


def follow(tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime) -> None:
    """Brings the line to what the state of its item says: promised, free again, or ended; or open, once it is tested.

    Raises Refused before the first write where an item is done whose customer's data may not be used now, and as
    `openings.follow`.
    """
    if item.opens_line:
        openings.follow(tx, context, order, item, now)
    if not item.ends_line:
        return
    if item.state == rules.COMPLETED:
        _end(tx, context, order, item, now)
        return
    line = find_line(tx, order.request.number)
    if line is None or line.promised_to not in ("", order.id):
        return
    promised_to = order.id if item.state in _PROMISED else ""
    if line.promised_to != promised_to:
        keep_line(tx, line.promised(promised_to), now)


def _require_possible(
    tx: Transaction,
    context: RegionContext,
    request: OrderRequest,
    proofs: Sequence[Document],
    asking: str,
    place: int,
    now: datetime,
) -> None:
    line = _require_line(tx, context, request.number, proofs, asking, place, now)
    business = context.federation.business(request.business)
    require_preconditions(business.preconditions, line_situation(tx, context, line, asking, now))


def _require_line(
    tx: Transaction,
    context: RegionContext,
    number: str,
    proofs: Sequence[Document],
    asking: str,
    place: int,
    now: datetime,
) -> Line:
    try:
        return proven_line(tx, context, number, proofs, now, asking=asking)
    except Moved as moved:
        raise Refused(Reason.REASON_JOINT_LINE_ELSEWHERE, region=moved.region, place=str(place)) from moved


def _end(tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime) -> None:
    """Ends the line of an item that is done. One that has ended otherwise is left as it is."""
    try:
        line = _require_line(tx, context, order.request.number, (), context.region, item.place, now)
    except Refused as refused:
        if refused.reason in _GONE:
            return
        raise
    ended = line.terminated().promised("")
    if not line.is_closed:
        charges = final_charges(tx, context.federation, context.time_zone, line, now)
        balance = ledger.balance(tx, line.account_id)
        postings, _ = closing(line.account_id, charges, balance, f"{order.id}#{item.id}")
        ledger.post_all(tx, postings, context.currency, now)
        audit.append(tx, now=now, actor=order.id, action="EndedByJointOrder", subject=line.product_id)
    keep_line(tx, ended, now)
