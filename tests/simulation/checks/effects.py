"""Exactly once (G2): as many effects as completed orders, counted by what happened to lines and accounts."""

from collections import Counter
from collections.abc import Mapping

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import OrderState
from tests.simulation.evidence import Evidence
from tests.simulation.world import subscribers

ONCE = "exactly once"
_COMPLETED = OrderState.ORDER_STATE_COMPLETED
_ACTIVE = ProductStatus.PRODUCT_STATUS_ACTIVE
_SUSPENDED = ProductStatus.PRODUCT_STATUS_SUSPENDED
_TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED


def check(evidence: Evidence) -> None:
    """Each completed order has had one effect, in one region; no other order has had any."""
    _one_owner(evidence)
    _lines(evidence)
    _payments(evidence)


def _one_owner(evidence: Evidence) -> None:
    for order_id, owners in evidence.owned.items():
        if len(owners) > 1:
            evidence.broken(ONCE, order_id, f"decided in {' and in '.join(each.region for each in owners)}")
    for order_id, handled in evidence.handled.items():
        done = [each for each in evidence.owned.get(order_id, ()) if each.order.state == _COMPLETED]
        if len(done) != (handled.state == _COMPLETED):
            shown = OrderState.Name(handled.state)
            evidence.broken(ONCE, order_id, f"{shown} where it was taken in, completed in {len(done)} regions")


def _completed(evidence: Evidence) -> Counter[tuple[str, str]]:
    """How often each business was completed for each number, as its operators were told."""
    return Counter(
        (errand.number, errand.business)
        for order_id, errand in evidence.errand_of.items()
        if order_id in evidence.handled and evidence.handled[order_id].state == _COMPLETED
    )


def _lines(evidence: Evidence) -> None:
    completed, changed = _completed(evidence), _changes(evidence)
    sql = "SELECT subject FROM audit WHERE action = 'SuspensionEnded'"
    ended = Counter(row["subject"] for _, row in evidence.rows(sql))
    for subscriber in subscribers():
        product, number = subscriber.product_id, subscriber.number
        expected: Mapping[str, int] = {
            "SUSPEND": completed[number, "SUSPEND"],
            "RESUME": completed[number, "RESUME"] + ended[product],
            "TERMINATE": completed[number, "TERMINATE"],
            "PLAN_CHANGE": completed[number, "PLAN_CHANGE"],
        }
        for business, times in expected.items():
            if changed[product, business] != times:
                about = _an_order(evidence, number, business)
                text = f"{number} was changed {changed[product, business]} times, {times} orders and timers were done"
                evidence.broken(ONCE, about, f"{business}: {text}")


def _changes(evidence: Evidence) -> Counter[tuple[str, str]]:
    """How often each line was changed in each way, whatever changed it."""
    found: Counter[tuple[str, str]] = Counter()
    for region, row in evidence.rows("SELECT * FROM line_history ORDER BY sequence"):
        way = _way(row["old_status"], row["new_status"], row["old_plan"], row["new_plan"])
        if way:
            found[row["product_id"], way] += 1
        else:
            evidence.broken(ONCE, "-", f"{row['product_id']} was changed in {region} by no business: {tuple(row)}")
    return found


def _way(old_status: int, new_status: int, old_plan: str, new_plan: str) -> str:
    if old_plan != new_plan:
        return "PLAN_CHANGE" if old_status == new_status else ""
    if new_status == _TERMINATED:
        return "TERMINATE"
    if (old_status, new_status) == (_ACTIVE, _SUSPENDED):
        return "SUSPEND"
    return "RESUME" if (old_status, new_status) == (_SUSPENDED, _ACTIVE) else ""


def _payments(evidence: Evidence) -> None:
    """Every account was credited with the very amounts of the completed payments, and no others."""
    credited: dict[str, Counter[int]] = {}
    for _, row in evidence.rows("SELECT account, amount FROM ledger_entries WHERE kind = 'payment' AND amount > 0"):
        credited.setdefault(row["account"], Counter())[row["amount"]] += 1
    wanted: dict[str, Counter[int]] = {}
    account_of = {each.number: each.account_id for each in subscribers()}
    for order_id, errand in evidence.errand_of.items():
        order = evidence.handled.get(order_id)
        if errand.business == "PAY" and order is not None and order.state == _COMPLETED:
            wanted.setdefault(account_of[errand.number], Counter())[errand.amount] += 1
    for account in sorted(credited.keys() | wanted.keys()):
        booked, asked = credited.get(account, Counter()), wanted.get(account, Counter())
        if booked != asked:
            number = next(each for each, of in account_of.items() if of == account)
            about = _an_order(evidence, number, "PAY")
            evidence.broken(ONCE, about, f"{account}: booked beyond {booked - asked}, missing {asked - booked}")


def _an_order(evidence: Evidence, number: str, business: str) -> str:
    """An order that the finding may be about: the last one that an operator was told of."""
    found = [
        order_id
        for order_id, errand in evidence.errand_of.items()
        if (errand.number, errand.business) == (number, business) and errand.accepted
    ]
    return found[-1] if found else "-"
