"""Durable (G1) and nothing lost (G4): what was accepted is there, has ended well, or names who must act and by when."""

from collections.abc import Mapping
from datetime import timedelta

from gateway.api.federation.v1.configuration_pb2 import Step
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import reason_name
from gateway.time.clock import from_timestamp
from tests.simulation.businesses import PROVIDER_REGION, PROVISIONED, described, has_step
from tests.simulation.evidence import Evidence, StoredOrder
from tests.simulation.joint_orders import ENDING
from tests.simulation.plans import Errand
from tests.simulation.status import FINAL
from tests.simulation.world import FEBRUARY, NOBODYS, UNPLANNED, subscribers

DURABLE, LOST, AGREE, OUTCOME = "durable", "nothing lost", "home and handling agree", "right outcome"
_WITHOUT_EFFECT = (OrderState.ORDER_STATE_REJECTED, OrderState.ORDER_STATE_FAILED)
_TIMERS = {
    "confirm": "order-answer",
    "accept": "order-answer",
    "supplement": "order-answer",
    "agreed-time": "order-step",
    "next-cycle": "order-step",
    "verify": "order-step",
}


def check(evidence: Evidence) -> None:
    """Checks every order in a response, and every stored one."""
    timers = {row["timer_id"] for _, row in evidence.rows("SELECT timer_id FROM timers")}
    for order_id, errand in evidence.errand_of.items():
        order = evidence.handled.get(order_id)
        if errand.refused is not None and not _may_be_refused(errand):
            evidence.broken(OUTCOME, order_id, f"it was not taken in: {reason_name(errand.refused)}")
        if order is None:
            if errand.accepted:
                evidence.broken(DURABLE, order_id, "it was accepted and is gone")
            continue
        if errand.refused is not None:
            evidence.broken(DURABLE, order_id, f"it was refused ({reason_name(errand.refused)}) and is stored")
        _same_request(evidence, errand, order)
        _ended_or_waits(evidence, order, timers)
        _right_outcome(evidence, errand, order)
    for order_id in sorted(evidence.handled.keys() - evidence.errand_of.keys()):
        evidence.broken(DURABLE, order_id, "nobody asked for it")
    for order_id, owners in evidence.owned.items():
        for owner in owners:
            _agree(evidence, evidence.handled.get(order_id), owner)


def _may_be_refused(errand: Errand) -> bool:
    """Whether an errand may be refused for its operator's reason."""
    match errand.refused:
        case Reason.REASON_DOCUMENT_STALE:  # while a caller gets no answer
            return True
        case Reason.REASON_DOCUMENT_MISSING:  # where papers do not help who cannot be verified
            return bool(errand.want.verified) and not errand.want.instead
        case Reason.REASON_BUSINESS_NOT_OFFERED:
            return errand.business == "MNP_IN"
    return False


def _same_request(evidence: Evidence, errand: Errand, order: Order) -> None:
    asked, stored = errand.request, order.request
    if asked is None or not order.request.business:
        evidence.broken(DURABLE, order.id, "what was asked is not known any more")
        return
    same = (asked.business, asked.number, asked.requester, dict(asked.characteristics))
    if same != (stored.business, stored.number, stored.requester, dict(stored.characteristics)):
        evidence.broken(DURABLE, order.id, "it is not what was asked")


def _ended_or_waits(evidence: Evidence, order: Order, timers: set[str]) -> None:
    if order.state in FINAL:
        return
    awaited = order.awaiting
    if not awaited.party or not awaited.action or not awaited.due_time.seconds:
        evidence.broken(LOST, order.id, "it does not say who must act, and by when")
    if order.state == OrderState.ORDER_STATE_HELD:
        unplanned = order.request.number == UNPLANNED and not evidence.resolves(UNPLANNED)
        if not unplanned and order.request.number not in evidence.moved_back:
            evidence.broken(LOST, order.id, "it is held though its home can be reached")
        return
    if order.version == 0:
        evidence.broken(LOST, order.id, "its home region has never decided")
    timer = _TIMERS.get(awaited.action)
    if timer is not None and f"{timer}/{order.id}" not in timers:
        evidence.broken(LOST, order.id, f"it waits for {awaited.action}, and no timer will ever end that")
    if timer is None and awaited.party != Party.PARTY_HOME_STAFF:
        evidence.broken(LOST, order.id, f"it waits for {awaited.action}")


def _right_outcome(evidence: Evidence, errand: Errand, order: Order) -> None:
    """Orders end as they must, as far as that does not depend on what others did with the same line."""
    if order.state == OrderState.ORDER_STATE_CANCELLED:
        overdue = order.error.reason == Reason.REASON_ANSWER_OVERDUE
        declined = has_step(errand.business, Step.STEP_CONFIRM) and not errand.agrees
        held_too_long = order.error.reason == Reason.REASON_ORDER_EXPIRED and order.version == 0
        if held_too_long and not _was_executable(order):
            return
        if not (errand.cancel_asked or overdue or declined):
            evidence.broken(OUTCOME, order.id, "it was cancelled, and nobody asked for that")
    elif order.state in _WITHOUT_EFFECT and not _is_fair(evidence, errand, order.error.reason):
        reason = Reason.Name(order.error.reason)
        evidence.broken(OUTCOME, order.id, f"it ended {OrderState.Name(order.state)} for {reason}")


def _was_executable(order: Order) -> bool:
    """Whether the order could still have been executed when it was cancelled; clocks differ by less than a minute."""
    age = from_timestamp(order.cancellation_time) - from_timestamp(order.create_time)
    return age < described(order.request.business).executable_within.ToTimedelta() - timedelta(minutes=1)


def _is_fair(evidence: Evidence, errand: Errand, reason: Reason.ValueType) -> bool:
    """Whether an order may have ended without effect for this reason."""
    traits = next((each.traits for each in subscribers() if each.number == errand.number), frozenset())
    if errand.number in evidence.moved:
        traits |= {"moves"}
    same = [each for each in evidence.errands if each is not errand and each.number == errand.number]
    others = {each.business for each in same}
    others |= {each.business for each in evidence.joint if each.number == errand.number}
    by_line = _fair_by_line(errand, traits, others)
    if reason in by_line:
        return by_line[reason]
    business, counts = described(errand.business), evidence.history.counts
    match reason:
        case Reason.REASON_SUBSCRIPTION_NOT_FOUND | Reason.REASON_PROOF_NOT_OF_NUMBER:
            return errand.number == NOBODYS
        case Reason.REASON_ORDER_EXPIRED:
            passed = counts["weeks passed"]
            if business.executable_within.ToTimedelta() < timedelta(days=7):
                passed += counts["days passed"]
            return passed > 0 or _end_may_have_passed(errand)
        case Reason.REASON_REVIEW_REJECTED:
            provided = errand.business in PROVISIONED and (errand.home == PROVIDER_REGION or "moves" in traits)
            return provided or has_step(errand.business, Step.STEP_REVIEW)
        case Reason.REASON_DOCUMENT_STALE:
            return business.document_freshness.ToTimedelta() < timedelta(days=7)
        case Reason.REASON_CHARACTERISTIC_INVALID:
            return _end_may_have_passed(errand)
        case Reason.REASON_ORDER_CANCELLED_BEFORE:
            return errand.cancel_asked
        case Reason.REASON_NUMBER_TAKEN:
            wished = errand.values.get("number")
            return any(wished and each.values.get("number") == wished for each in same)
        case Reason.REASON_BUSINESS_NOT_OFFERED:
            return errand.business == "MNP_IN"
    return False


def _fair_by_line(errand: Errand, traits: frozenset[str], others: set[str]) -> Mapping[Reason.ValueType, bool]:
    """The line's own possible reasons, by its state at the start and others' requests about it.

    Verifications, charges and offers of one home region mean nothing to the next one.
    """
    code, moves = errand.business, "moves" in traits
    is_bound = bool(traits & {"contract"}) or "RENEW" in others
    too_high = errand.amount > FEBRUARY.get(errand.values.get("charge", ""), 0)
    return {
        Reason.REASON_NOT_VERIFIED: moves,
        Reason.REASON_LINE_CLOSED: bool(others & {"TERMINATE", *ENDING}),
        Reason.REASON_LINE_PROMISED: bool(others & {*ENDING}) and code in ("TERMINATE", "RENEW", "MNP_IN"),
        Reason.REASON_LINE_NOT_ACTIVE: "suspended" in traits or bool(others & {"SUSPEND", "TERMINATE", "LOSS_REPORT"}),
        Reason.REASON_LINE_NOT_SUSPENDED: code == "RESUME",
        Reason.REASON_IN_ARREARS: "arrears" in traits and code != "PAY",
        Reason.REASON_CREDIT_TOO_LOW: code == "ROAMING" or (code == "SIM_REPLACE" and "arrears" in traits),
        Reason.REASON_UNDER_CONTRACT: is_bound and code in ("PLAN_CHANGE", "TERMINATE", "MNP_IN"),
        Reason.REASON_CONTRACT_NOT_DUE: is_bound and code == "RENEW",
        Reason.REASON_PLAN_SAME: code == "PLAN_CHANGE",
        Reason.REASON_PLAN_UNKNOWN: code == "PLAN_CHANGE",
        Reason.REASON_OFFERING_UNKNOWN: moves and code in ("RENEW", "ROAMING", "VAS_CANCEL"),
        Reason.REASON_NOT_SUBSCRIBED: code == "VAS_CANCEL"
        and ("roaming" in errand.values["offering"] or bool(others & {"VAS_CANCEL", "BILL_CORRECTION"})),
        Reason.REASON_ALREADY_SUBSCRIBED: code == "ROAMING" and "ROAMING" in others,
        Reason.REASON_DISPUTE_TOO_HIGH: code == "BILL_CORRECTION" and (moves or too_high or code in others),
        Reason.REASON_DOCUMENT_MISSING: code == "RESUME" and "LOSS_REPORT" in others,
    }


def _end_may_have_passed(errand: Errand) -> bool:
    """Whether what has an agreed end may have been taken in, or decided on, only after that."""
    return errand.ends_after is not None


def _agree(evidence: Evidence, handled: Order | None, owner: StoredOrder) -> None:
    if handled is None:
        evidence.broken(AGREE, owner.order.id, f"{owner.region} has it, and the region that took it in does not")
        return
    here, there = (handled.version, handled.state), (owner.order.version, owner.order.state)
    if here != there:
        shown = [f"{OrderState.Name(state)} v{version}" for version, state in (here, there)]
        evidence.broken(AGREE, handled.id, f"{shown[0]} where it was taken in, {shown[1]} at home")
