"""Exactly once (G2): as many effects as completed orders, counted by what happened to lines, customers and accounts."""

from collections import Counter
from collections.abc import Iterator, Mapping

from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.api.region.v1.order_pb2 import Order, OrderState
from tests import at_rest
from tests.simulation.evidence import Evidence
from tests.simulation.plans import Errand
from tests.simulation.world import subscribers

ONCE = "exactly once"
_COMPLETED = OrderState.ORDER_STATE_COMPLETED
_ACTIVE = ProductStatus.PRODUCT_STATUS_ACTIVE
_SUSPENDED = ProductStatus.PRODUCT_STATUS_SUSPENDED
_TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED
_SUSPENDED_BY = {
    SuspensionKind.SUSPENSION_KIND_REQUESTED: "SUSPEND",
    SuspensionKind.SUSPENSION_KIND_LOST: "LOSS_REPORT",
    SuspensionKind.SUSPENSION_KIND_ARREARS: "SuspendedForArrears",
}
# What regions do to lines by themselves, as their audit calls it, and what it looks like.
_BY_ITSELF = {
    "SuspensionEnded": "RESUME",
    "ArrearsPaid": "RESUME",
    "SuspendedForArrears": "SuspendedForArrears",
    "TerminatedForArrears": "TERMINATE",
    "EndedByJointOrder": "TERMINATE",
}
_GIVEN_UP = "number given up"
_PROMISED = "promised, or free again"
_LINE_CHANGES = ("SUSPEND", "RESUME", "TERMINATE", "PLAN_CHANGE", "LOSS_REPORT", "SIM_REPLACE", "RENEW")


def check(evidence: Evidence) -> None:
    """Each completed order has had one effect, in one region; no other order has had any."""
    _one_owner(evidence)
    _lines(evidence)
    _payments(evidence)
    _profiles(evidence)
    _passwords(evidence)
    _subscriptions(evidence)
    _ended_subscriptions(evidence)


def _one_owner(evidence: Evidence) -> None:
    for order_id, owners in evidence.owned.items():
        if len(owners) > 1:
            evidence.broken(ONCE, order_id, f"decided in {' and in '.join(each.region for each in owners)}")
    for order_id, handled in evidence.handled.items():
        done = [each for each in evidence.owned.get(order_id, ()) if each.order.state == _COMPLETED]
        if len(done) != (handled.state == _COMPLETED):
            shown = OrderState.Name(handled.state)
            evidence.broken(ONCE, order_id, f"{shown} where it was taken in, completed in {len(done)} regions")


def completed(evidence: Evidence, *businesses: str) -> Iterator[tuple[Errand, Order]]:
    """The orders of businesses that were completed by their operators' responses."""
    for order_id, errand in evidence.errand_of.items():
        order = evidence.handled.get(order_id)
        if order is not None and order.state == _COMPLETED and errand.business in businesses:
            yield errand, order


def _lines(evidence: Evidence) -> None:
    changed = _changes(evidence)
    changes = {_change_by(errand, order) for errand, order in completed(evidence, *_LINE_CHANGES)}
    done = Counter((number, business) for number, business, _ in changes)
    by_itself: Counter[tuple[str, str]] = Counter()
    for _, row in evidence.rows("SELECT subject, action FROM audit"):
        if row["action"] in _BY_ITSELF:
            by_itself[row["subject"], _BY_ITSELF[row["action"]]] += 1
    for subscriber in subscribers():
        product, number = subscriber.product_id, subscriber.number
        left = changed.pop((product, _GIVEN_UP), 0)  # by moves, each of which has closed the line at a former home
        for way in (*_LINE_CHANGES, "SuspendedForArrears"):
            times = done[number, way] + by_itself[product, way] + (left if way == "TERMINATE" else 0)
            if changed.pop((product, way), 0) != times:
                text = f"{number} was not changed as often as {times} orders and timers were done"
                evidence.broken(ONCE, _an_order(evidence, number, way), f"{way}: {text}")
    for (product, way), times in changed.items():
        if times != by_itself[product, way]:
            evidence.broken(ONCE, "-", f"{product}, which nobody has asked about, was changed: {way}")


def _change_by(errand: Errand, order: Order) -> tuple[str, str, str]:
    """The change of a line by an order. Of a card only the instant is kept: two of one instant are one change."""
    is_card = errand.business == "SIM_REPLACE"
    return errand.number, errand.business, f"{order.completion_time}" if is_card else order.id


def _changes(evidence: Evidence) -> Counter[tuple[str, str]]:
    """How often each line was changed in each way, whatever changed it."""
    found: Counter[tuple[str, str]] = Counter()
    for region, row in evidence.rows("SELECT * FROM line_history ORDER BY sequence"):
        way = _way(dict(row))
        if way == _PROMISED:
            continue  # `checks/joint.py`
        if way:
            found[row["product_id"], way] += 1
        else:
            change = tuple(row.values())
            evidence.broken(ONCE, "-", f"{row['product_id']} was changed in {region} by no business: {change}")
    return found


def _way(row: Mapping[str, int]) -> str:
    statuses = (row["old_status"], row["new_status"])
    stays, resumed = statuses[0] == statuses[1], statuses == (_SUSPENDED, _ACTIVE)
    if row["old_plan"] != row["new_plan"]:
        return "PLAN_CHANGE" if stays else ""
    if row["contract_changed"]:
        return "RENEW" if stays else ""
    if row["promise_changed"] and stays:
        return _PROMISED
    if row["card_changed"]:
        return "SIM_REPLACE" if stays or resumed else ""
    if row["new_status"] == _TERMINATED:
        return _GIVEN_UP if stays else "TERMINATE"
    if statuses == (_ACTIVE, _SUSPENDED):
        return _SUSPENDED_BY.get(SuspensionKind.ValueType(row["new_kind"]), "")
    return "RESUME" if resumed else ""


def _payments(evidence: Evidence) -> None:
    """Every account was credited with the very amounts of the completed payments, and no others."""
    credited: dict[str, Counter[int]] = {}
    for _, row in evidence.rows("SELECT account, amount FROM ledger_entries WHERE kind = 'payment' AND amount > 0"):
        credited.setdefault(row["account"], Counter())[row["amount"]] += 1
    wanted: dict[str, Counter[int]] = {}
    account_of = {each.number: each.account_id for each in subscribers()}
    for errand, _ in completed(evidence, "PAY"):
        wanted.setdefault(account_of[errand.number], Counter())[errand.amount] += 1
    for account in sorted(credited.keys() | wanted.keys()):
        booked, asked = credited.get(account, Counter()), wanted.get(account, Counter())
        if booked != asked:
            number = next(each for each, of in account_of.items() if of == account)
            about = _an_order(evidence, number, "PAY")
            evidence.broken(ONCE, about, f"{account}: booked beyond {booked - asked}, missing {asked - booked}")


def _profiles(evidence: Evidence) -> None:
    """Every customer got the very names of the completed corrections."""
    customer_of = {each.number: each.customer_id for each in subscribers()}
    wanted = Counter(
        (customer_of[errand.number], errand.values["name"]) for errand, _ in completed(evidence, "PROFILE_UPD")
    )
    found = Counter(
        (evidence.known(customer_id), name)
        for region in evidence.regions
        for customer_id, name in region.ports.disk.read(
            lambda tx: at_rest.customer_names(tx, "SELECT customer_id, sealed FROM customer_history")
        )
    )
    if found != wanted:
        evidence.broken(ONCE, "-", f"customers changed beyond {found - wanted}, not changed {wanted - found}")


def _passwords(evidence: Evidence) -> None:
    """A customer with a reset password has one notice, and no password."""
    told = Counter(
        row["notice_id"].partition("#")[0]
        for _, row in evidence.rows("SELECT notice_id FROM notices WHERE kind = 'password-reset'")
    )
    wanted = {order.id: order for _, order in completed(evidence, "PWD_RESET")}
    if told != Counter(wanted):
        for order_id in sorted((told - Counter(wanted.keys())) | (Counter(wanted.keys()) - told)):
            evidence.broken(ONCE, order_id, f"the customer was told {told[order_id]} times of a reset")
    kept = {(region, row["line"]) for region, row in evidence.rows("SELECT product_id AS line FROM passwords")}
    for order_id, order in wanted.items():
        if (order.home_region, order.product_id) in kept:
            evidence.broken(ONCE, order_id, "the password was not removed")


def _subscriptions(evidence: Evidence) -> None:
    """Each order that subscribes a line to something has done so once, wherever the line is."""
    found = Counter(
        row["subscription_id"]
        for _, row in evidence.rows("SELECT subscription_id FROM subscriptions")
        if "#" in row["subscription_id"]
    )
    wanted: Counter[str] = Counter()
    for owners in evidence.owned.values():
        for each in owners:
            order, kind = each.order, "roaming" if each.order.request.business == "ROAMING" else "contract"
            if each.is_fulfilled and (kind == "roaming" or order.request.characteristics.get("contract")):
                wanted[f"{order.product_id}/{order.id}#{kind}"] += 1
    for subscription in sorted((found - wanted) | (wanted - found)):
        about = subscription.partition("/")[2].partition("#")[0]
        evidence.broken(ONCE, about, f"{subscription} is there {found[subscription]} times")


def _ended_subscriptions(evidence: Evidence) -> None:
    """Every cancelled service ended once; one that was never ordered may have ended with the correction of its bill."""
    product_of = {each.number: each.product_id for each in subscribers()}
    ended = Counter(
        (row["product_id"], row["offering_id"])
        for _, row in evidence.rows("SELECT product_id, offering_id FROM subscription_history")
    )
    cancelled = Counter(
        (product_of[errand.number], errand.values["offering"]) for errand, _ in completed(evidence, "VAS_CANCEL")
    )
    disputed = Counter(
        (product_of[errand.number], errand.values["offering"])
        for errand, _ in completed(evidence, "BILL_CORRECTION")
        if "offering" in errand.values
    )
    for key in sorted(ended.keys() | cancelled.keys()):
        if not cancelled[key] <= ended[key] <= cancelled[key] + disputed[key]:
            evidence.broken(ONCE, "-", f"{key[1]} of {key[0]} ended {ended[key]} times, for {cancelled[key]} orders")


def _an_order(evidence: Evidence, number: str, business: str) -> str:
    """A possible order of the finding: the last one in an operator's response."""
    found = [
        order_id
        for order_id, errand in evidence.errand_of.items()
        if (errand.number, errand.business) == (number, business) and errand.accepted
    ]
    return found[-1] if found else "-"
