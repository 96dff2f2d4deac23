"""The customer's own proof for an item that ends a line, at the home region. Parts of one transaction.

Another region that leads the order attests by papers alone. Until there is a proof, or the wait is over, nobody here
reserves the item, and the region's own system is not asked.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, listed
from gateway.store.port import Transaction
from gateway.store.timers import cancel_timer, set_timer
from gateway.time.clock import from_timestamp, time_in, to_timestamp
from region_node.business.joint import rules, templates
from region_node.business.joint.rows import item_key, joint_orders_of
from region_node.business.orders.rows import ORDER_RECORDS
from region_node.customers.documents.rules import require_fresh
from region_node.customers.proof import ORDER_NOTICE, Asked, ask_customer, must_ask, order_text, wait_until
from region_node.customers.rows import find_line
from region_node.customers.verification.rows import find_key
from region_node.customers.verification.rules import CHECKED_AT_HOME, Shown, proves, require_verified, require_way
from region_node.node.context import RegionContext

VERIFY_TIMER = "joint-verify"  # the customer has not objected in time
_LOOKED_AT = 50  # joint orders of one number, far more than a customer has


def ask(tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime) -> None:
    """Notifies the customer of an item that ends their line, which then waits, where the catalogue here says so.

    A proof that came with the request lets the item go on at once. Of one that does not hold, the item says why.
    """
    if not item.ends_line or not must_ask(context, order.leader_region, (), ()):
        return
    business = context.federation.business(order.request.business)
    found, line = templates.ending(business), find_line(tx, order.request.number)
    if found is None or not found[0].verify or line is None:
        return
    shown = submitted(order)
    is_proof = proves(shown.documents, context.federation.proof_ways(business.policies))
    problem = _problem(tx, context, order, shown, now) if is_proof else None
    if is_proof and problem is None:
        return
    due = min(wait_until(context, order.leader_region, now), from_timestamp(order.hold_until_time))
    item.verify_until_time.CopyFrom(to_timestamp(due))
    if problem is not None:
        rules.note_problem(item, problem, now)
    asked = Asked(item_key(order.id, item.id), order.leader_region, ORDER_NOTICE, order_text(business.name))
    ask_customer(tx, context, line, asked, due, now)


def submitted(order: JointOrder) -> Shown:
    """The codes and passwords of a request; none where nobody says for which request id they were checked."""
    documents = [each for each in order.request.documents if each.code in CHECKED_AT_HOME] if order.request_id else []
    return _shown(order, order.request_id, documents)


def handed_in(order: JointOrder) -> Shown:
    """The codes and passwords that were handed in later: they were checked for the number of the order."""
    return _shown(order, order.id.rpartition("/")[2], order.proofs)


def is_shown(tx: Transaction, subject: str, number: str, but_by: str = "") -> bool:
    """Whether a joint order about a number, but one, was submitted, or may be proven, by documents for a subject.

    True for a number with very many joint orders: the home region then has to ask the customer.
    """
    page = joint_orders_of(tx, number, _LOOKED_AT)
    others = (each for each in page.items if each.id != but_by)
    return bool(page.following) or any(subject in (submitted(each).subject, handed_in(each).subject) for each in others)


def require_proven(context: RegionContext, item: JointItem, now: datetime) -> None:
    """Raises Refused with JOINT_ITEM_UNPROVEN for an item that still waits for the customer's own proof."""
    if rules.is_unproven(item, now):
        until = time_in(ZoneInfo(context.time_zone), from_timestamp(item.verify_until_time))
        raise Refused(Reason.REASON_JOINT_ITEM_UNPROVEN, until=until)


def take_proof(tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime) -> bool:
    """Takes the codes or passwords that the leading region has handed in; returns whether the item has changed.

    Those that this region has not checked for this very order, or that came with another one, change nothing, and the
    item says so.
    """
    if not order.proofs or not item.HasField("verify_until_time"):
        return False
    problem = _problem(tx, context, order, handed_in(order), now)
    if problem is not None:
        if item.error.reason == problem.reason:
            return False
        rules.note_problem(item, problem, now)
        return True
    ways = context.federation.proof_ways(context.federation.business(order.request.business).policies)
    return not must_ask(context, order.leader_region, order.proofs, ways) and rules.prove(item, now)


def follow(tx: Transaction, order: JointOrder, item: JointItem) -> None:
    """Keeps the timer of an item for as long as it waits for a proof."""
    if not item.ends_line:
        return
    key = item_key(order.id, item.id)
    if item.HasField("verify_until_time"):
        due = from_timestamp(item.verify_until_time)
        set_timer(tx, f"{VERIFY_TIMER}/{key}", kind=VERIFY_TIMER, subject=key, due=due)
    else:
        cancel_timer(tx, f"{VERIFY_TIMER}/{key}")


def _shown(order: JointOrder, request_id: str, documents: Sequence[Document]) -> Shown:
    """Documents for an order, of which codes and passwords were checked for a request id of its operator system."""
    return Shown(f"{order.leader_region}/{order.operator}/{request_id}", order.request.number, documents)


def _problem(tx: Transaction, context: RegionContext, order: JointOrder, shown: Shown, now: datetime) -> Refused | None:
    """Why documents do not hold.

    They were not checked by this region for this very order, or too long ago, are no way of its policy, or were shown
    for another order.
    """
    try:
        require_verified(find_key(tx), shown.subject, shown.number, shown.documents)
        business = context.federation.prepared(order.request.business)
        require_fresh(business, shown.documents, now)
        require_way(shown.documents, context.federation.proof_ways(business.business.policies))
        if CHECKED_AT_HOME.intersection(each.code for each in shown.documents):
            _require_not_shown(tx, order, shown)
    except Refused as refused:
        return refused
    return None


def _require_not_shown(tx: Transaction, order: JointOrder, shown: Shown) -> None:
    """Raises Refused with NOT_VERIFIED where another order may rest on the same documents: one code proves one order.

    Which one it was checked for is what the leading region says.
    """
    if is_shown(tx, shown.subject, shown.number, but_by=order.id) or ORDER_RECORDS.is_known(tx, shown.subject):
        told = CHECKED_AT_HOME.intersection(each.code for each in shown.documents)
        raise Refused(Reason.REASON_NOT_VERIFIED, **listed(documents=sorted(told)))
