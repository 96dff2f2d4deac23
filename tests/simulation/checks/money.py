"""Money: postings sum to zero, balances are what the payments make them, and regions agree on what they owe."""

from collections import Counter

from gateway.api.region.v1.order_pb2 import Order, OrderState
from tests.simulation.evidence import Evidence
from tests.simulation.plans import Errand
from tests.simulation.status import FINAL
from tests.simulation.world import REGIONS, subscribers

MONEY = "money"
DEAREST_RENT = 12_900  # of the plans that customers of the simulation have
_COMPLETED = OrderState.ORDER_STATE_COMPLETED


def check(evidence: Evidence) -> None:
    """Every book against what people paid and were told."""
    sql = "SELECT posting_id, SUM(amount) AS total FROM ledger_entries GROUP BY posting_id HAVING total != 0"
    for region, row in evidence.rows(sql):
        evidence.broken(MONEY, row["posting_id"], f"in {region} the posting sums to {row['total']}")
    balances: Counter[tuple[str, str]] = Counter()
    for region, row in evidence.rows("SELECT account, SUM(amount) AS total FROM ledger_entries GROUP BY account"):
        balances[region, row["account"]] = row["total"]
    payments = [
        (errand, evidence.handled[order_id])
        for order_id, errand in evidence.errand_of.items()
        if errand.business == "PAY" and order_id in evidence.handled
    ]
    _customers(evidence, balances, payments)
    for region in REGIONS:
        _between_regions(evidence, balances, [each for each in payments if each[0].region == region], region)


Payments = list[tuple[Errand, Order]]


def _customers(evidence: Evidence, balances: Counter[tuple[str, str]], payments: Payments) -> None:
    terminated = {
        errand.number
        for order_id, errand in evidence.errand_of.items()
        if errand.business == "TERMINATE"
        and order_id in evidence.handled
        and evidence.handled[order_id].state == _COMPLETED
    }
    billed = _billed(evidence)
    for subscriber in subscribers():
        paid = sum(
            errand.amount
            for errand, order in payments
            if errand.number == subscriber.number and order.state == _COMPLETED
        )
        # Who leaves is paid out, rent deducted; from anybody else nothing is taken but what months cost.
        charged = billed[subscriber.account_id]
        expected = 0 if subscriber.number in terminated else subscriber.balance + paid - charged
        found = sum(balances[region, subscriber.account_id] for region in REGIONS)
        if found != expected:
            evidence.broken(MONEY, "-", f"{subscriber.account_id} has {found} and not {expected}")


def _billed(evidence: Evidence) -> Counter[str]:
    """What months have cost, by account: each at most once, no more than the dearest rent, and as the bill says."""
    totals = {
        (region, row["account_id"], row["month"]): row["total"]
        for region, row in evidence.rows("SELECT account_id, month, total FROM bills")
    }
    billed: Counter[str] = Counter()
    sql = (
        "SELECT account, SUBSTR(posting_id, LENGTH(account) + 2, 7) AS month, -SUM(amount) AS total FROM ledger_entries"
        " WHERE kind = 'rent' AND SUBSTR(posting_id, 1, LENGTH(account) + 1) = account || '/' GROUP BY 1, 2"
    )
    for region, row in evidence.rows(sql):
        billed[row["account"]] += row["total"]
        total = totals.pop((region, row["account"], row["month"]), row["total"])
        if not 0 < row["total"] <= DEAREST_RENT or total != row["total"]:
            evidence.broken(MONEY, "-", f"{row['account']} was charged {row['total']} in {row['month']}, not {total}")
    for (_, account, month), total in totals.items():
        if total:
            evidence.broken(MONEY, "-", f"{account} has a bill of {total} for {month} and was charged nothing")
    return billed


def _between_regions(evidence: Evidence, balances: Counter[tuple[str, str]], payments: Payments, region: str) -> None:
    """What one region took: handed on, given back, or still in transit while an order is not final."""
    done = [(errand, order) for errand, order in payments if order.state == _COMPLETED]
    in_transit = sum(errand.amount for errand, order in payments if order.state not in FINAL)
    taken = sum(errand.amount for errand, _ in done)
    _equal(evidence, f"{region}: payments in transit", balances[region, "payments-in-transit"], in_transit)
    _equal(evidence, f"{region}: cash", balances[region, "cash"], -(taken + in_transit))
    for home in REGIONS:
        if home == region:
            continue
        owed = sum(errand.amount for errand, order in done if order.home_region == home)
        _equal(evidence, f"{region}: owed to {home}", balances[region, f"payable/{home}"], owed)
        _equal(evidence, f"{home}: due from {region}", -balances[home, f"receivable/{region}"], owed)


def _equal(evidence: Evidence, what: str, found: int, expected: int) -> None:
    if found != expected:
        evidence.broken(MONEY, "-", f"{what} is {found} and not {expected}")
