"""The money of an accepted resolution: what is ordered for it, and how it stands by what became of the order."""

from datetime import datetime

from gateway.api.region.v1.complaint_pb2 import Complaint, Remedy, RemedyState
from gateway.api.region.v1.order_pb2 import Order, OrderError, OrderRequest, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Requester
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import set_timer
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.values.names import snake_case
from region_node.business.orders.rules import COMPLETED, is_final
from region_node.care.complaints import rules
from region_node.care.complaints.deadlines import due_of, find, is_met, meet
from region_node.care.complaints.limits import refund
from region_node.customers.accounts.remedies import request_id_of
from region_node.node.context import RegionContext
from region_node.requests.checks import TEXT_LIMIT
from region_node.tickets.improvements import count_repeat

BUSINESS = "COMPLAINT_REMEDY"
REMEDY_TIMER = "complaint-remedy"  # the money of a complaint is to be ordered
AGREED = RemedyState.REMEDY_STATE_AGREED
ORDERED = RemedyState.REMEDY_STATE_ORDERED
BOOKED = RemedyState.REMEDY_STATE_BOOKED
REFUSED = RemedyState.REMEDY_STATE_REFUSED
SETTLED = RemedyState.REMEDY_STATE_SETTLED
SETTLE = "settle"
"""The action of the owner region's staff on money that the home region has refused."""
_ORDER = "order the remedy"
# The region of each party of an order: its home region, else the owner region, whose node has placed it.
_AT_HOME = frozenset({Party.PARTY_HOME_STAFF, Party.PARTY_HOME_REGION})


def state_name(state: RemedyState.ValueType) -> str:
    """The printed state, for example `booked`."""
    return snake_case(RemedyState.DESCRIPTOR, state)


def brings_money(complaint: Complaint) -> bool:
    """Whether the last proposal is a refund or a credit."""
    return complaint.resolution.remedy in rules.OF_MONEY


def agree(complaint: Complaint, now: datetime) -> None:
    """Notes the customer's acceptance of a resolution with money, which is to be ordered."""
    money, resolution = complaint.remedy, complaint.resolution
    money.remedy, money.attempt = resolution.remedy, 1
    money.amount.CopyFrom(resolution.amount)
    _stand(complaint, AGREED, now, complaint.owner_region, _ORDER)


def request_id(complaint: Complaint) -> str:
    """The request id of the money's order."""
    return request_id_of(complaint.ticket_id, complaint.remedy.attempt)


def order_for(complaint: Complaint) -> OrderRequest:
    """The order of the money. Its requester is the author of the resolution, so that another person reviews it."""
    money, resolution = complaint.remedy, complaint.resolution
    settlement = "refund" if money.remedy == Remedy.REMEDY_REFUND else "offset"
    return OrderRequest(
        business=BUSINESS,
        number=complaint.request.number,
        applicant=Applicant.APPLICANT_REGION,
        characteristics={
            "ticket_id": complaint.ticket_id,
            "cause": resolution.cause_code,
            "amount": str(money.amount.minor_units),
            "settlement": settlement,
            "reason": resolution.text[:TEXT_LIMIT],
        },
        requester=Requester(staff_id=resolution.author.rpartition("/")[2]),
    )


def follow(complaint: Complaint, order: Order, now: datetime) -> bool:
    """Takes over the state of the money's order. Returns False without news, or for another order."""
    money = complaint.remedy
    is_its = order.id.rpartition("/")[2] == request_id(complaint)
    if money.state not in (AGREED, ORDERED) or not is_its:
        return False
    before = money.SerializeToString(deterministic=True)
    money.order_id = order.id
    if order.state == COMPLETED:
        money.ClearField("error")
        booked = from_timestamp(order.completion_time)
        _stand(complaint, BOOKED, booked)
        meet(complaint, (rules.REFUND,), booked)
    elif is_final(order):
        refuse(complaint, order.error, now)
    else:
        _note_error(complaint, order.error)
        party = order.awaiting.party
        region = order.home_region if party in _AT_HOME else complaint.owner_region
        waits = "" if party == Party.PARTY_FEDERATION else region
        _stand(complaint, ORDERED, now, waits, order.awaiting.action)
    return money.SerializeToString(deterministic=True) != before


def refuse(complaint: Complaint, error: OrderError, now: datetime) -> None:
    """The money was not booked: staff of the owner region have to act, and see why."""
    _note_error(complaint, error)
    _stand(complaint, REFUSED, now, complaint.owner_region, SETTLE)


def order_again(complaint: Complaint, now: datetime) -> None:
    """Orders the money again after an order without effect. Raises Refused as `_require_refused`."""
    _require_refused(complaint)
    money = complaint.remedy
    money.attempt += 1
    money.order_id = ""
    money.ClearField("error")
    _stand(complaint, AGREED, now, complaint.owner_region, _ORDER)


def settle_otherwise(complaint: Complaint, author: str, note: str, now: datetime) -> None:
    """Staff have given it in another way. Raises Refused as `_require_refused`."""
    _require_refused(complaint)
    complaint.remedy.note, complaint.remedy.author = note, author
    meet(complaint, (rules.REFUND,), now)
    _stand(complaint, SETTLED, now)


def due(complaint: Complaint) -> datetime | None:
    """The due time of the next action: refused money is due immediately. None without an action or a limit."""
    money, limit = complaint.remedy, find(complaint, rules.REFUND)
    if money.state == REFUSED:
        return from_timestamp(money.state_time)
    if money.state not in (AGREED, ORDERED) or limit is None or is_met(limit):
        return None
    return due_of(limit)


def _require_refused(complaint: Complaint) -> None:
    """Raises Refused with REMEDY_STATE_FORBIDS unless the home region has refused the money."""
    if complaint.remedy.state != REFUSED:
        raise Refused(Reason.REASON_REMEDY_STATE_FORBIDS, state=state_name(complaint.remedy.state))


def _note_error(complaint: Complaint, error: OrderError) -> None:
    complaint.remedy.ClearField("error")
    if error.reason:
        complaint.remedy.error.CopyFrom(error)


def _stand(
    complaint: Complaint, state: RemedyState.ValueType, now: datetime, region: str = "", action: str = ""
) -> None:
    money = complaint.remedy
    if money.state != state:
        money.state = state
        money.state_time.CopyFrom(to_timestamp(now))
    money.awaiting_region, money.awaiting_action = region, action


def accepted(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Orders the money of the resolution, and notes where an improvement did not prevent the cause.

    A timer places the order in its own transaction, so that no failure of it undoes the acceptance. `complaint` is
    changed in place; the caller stores it.
    """
    if brings_money(complaint):
        agree(complaint, now)
        deadline = refund(context.federation, complaint, now)
        if deadline is not None:
            complaint.deadlines.append(deadline)
        order_soon(tx, complaint, now)
    _note_repeat(tx, context, complaint, now)
    failpoints.reach("complaint-accepted.before-commit")


def order_soon(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """Schedules the order of a complaint's money immediately; after a kill, another process places it."""
    timer_id = f"{REMEDY_TIMER}/{complaint.ticket_id}"
    set_timer(tx, timer_id, kind=REMEDY_TIMER, subject=complaint.ticket_id, due=now)


def _note_repeat(tx: Transaction, context: RegionContext, complaint: Complaint, now: datetime) -> None:
    """Counts the complaint for the older actions against its cause."""
    category, cause = complaint.request.category, complaint.resolution.cause_code
    for action_id in count_repeat(tx, complaint.ticket_id, category, cause, from_timestamp(complaint.create_time)):
        audit.append(
            tx,
            now=now,
            actor=f"region/{context.region}",
            action="FlagImprovementAction",
            subject=action_id,
            detail=f"ineffective: {complaint.ticket_id}",
        )
