"""Money: postings sum to zero, balances are what the payments make them, and regions agree on what they owe."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import Step
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.time.clock import from_microseconds, from_timestamp
from tests.simulation.businesses import LINE_OPENING, described
from tests.simulation.checks.effects import completed
from tests.simulation.checks.moved_rents import owed_rents
from tests.simulation.evidence import Evidence, StoredOrder
from tests.simulation.plans import Errand
from tests.simulation.status import FINAL
from tests.simulation.world import FEBRUARY, REGIONS, subscribers

MONEY = "money"
DEAREST_RENT = 12_900  # of the plans that customers of the simulation have
_DEAREST = {"rent": DEAREST_RENT, "value-added": 1_100, "roaming": 3_000, "discount": 0}
_CHARGES = ", ".join(f"'{kind}'" for kind in _DEAREST)
LATE_FEE = 3  # per mille a day
COMPENSATION = 100  # minor units a day: 1 % of the fee of 100 yuan
_CLAIMS = "SELECT serial, debtor FROM regional_debts WHERE kind = 'waived-rent'"
_CREDITS = """
    SELECT d.region, d.debtor, ABS(e.amount) AS amount FROM regional_debts AS d
    JOIN ledger_entries AS e ON e.posting_id = d.serial || '#owed' AND e.account = 'compensation'
    WHERE d.kind = 'agreement-credit'"""
_COMPLETED = OrderState.ORDER_STATE_COMPLETED


def check(evidence: Evidence) -> None:
    """Checks every book against people's payments and responses."""
    sql = "SELECT posting_id, SUM(amount) AS total FROM ledger_entries GROUP BY posting_id HAVING total != 0"
    for region, row in evidence.rows(sql):
        evidence.broken(MONEY, row["posting_id"], f"in {region} the posting sums to {row['total']}")
    balances: Counter[tuple[str, str]] = Counter()
    for region, row in evidence.rows("SELECT account, SUM(amount) AS total FROM ledger_entries GROUP BY account"):
        balances[region, row["account"]] += row["total"]
    payments = [
        (errand, evidence.handled[order_id])
        for order_id, errand in evidence.errand_of.items()
        if errand.business == "PAY" and order_id in evidence.handled
    ]
    _customers(evidence, balances, payments)
    handed_over = _handed_over(evidence)
    for region in REGIONS:
        mine = [each for each in payments if each[0].region == region]
        _between_regions(evidence, balances, mine, region, handed_over)


Payments = list[tuple[Errand, Order]]


def _customers(evidence: Evidence, balances: Counter[tuple[str, str]], payments: Payments) -> None:
    expected: Counter[str] = Counter()
    account_of = {each.number: each.account_id for each in subscribers()}
    for subscriber in subscribers():
        expected[subscriber.account_id] = subscriber.balance + sum(FEBRUARY.values())
    for errand, order in payments:
        if order.state == _COMPLETED:
            expected[account_of[errand.number]] += errand.amount
    for errand, _ in completed(evidence, "BILL_CORRECTION"):
        if errand.values["settlement"] == "offset":
            expected[account_of[errand.number]] += errand.amount
    expected.subtract(_orders_cost(evidence))
    expected.subtract(_billed(evidence))
    expected.subtract(_late_fees(evidence))
    expected.update(_given_for_the_network(evidence))
    expected.update(_rests_of_moves(evidence))
    # Who leaves is paid out, everything up to then deducted.
    for errand, _ in completed(evidence, "TERMINATE"):
        expected[account_of[errand.number]] = 0
    for account in _paid_out_by_joint_orders(evidence):
        expected[account] = 0
    for account, amount in expected.items():
        found = sum(balances[region, account] for region in REGIONS)
        if found != amount:
            evidence.broken(MONEY, "-", f"{account} has {found} and not {amount}")


def _paid_out_by_joint_orders(evidence: Evidence) -> Iterator[str]:
    """The accounts of the lines that joint orders have ended with a refund. One that owes then still does."""
    sql = "SELECT account FROM ledger_entries WHERE kind = 'refund' AND amount < 0 AND posting_id LIKE '%/J%#%#refund'"
    yield from (row["account"] for _, row in evidence.rows(sql))


def _fulfilled(evidence: Evidence) -> Iterator[tuple[str, StoredOrder]]:
    """The account of each order that was carried out, with the order as its home has it."""
    account_of = {each.number: each.account_id for each in subscribers()}
    for owners in evidence.owned.values():
        for owner in owners:
            if owner.is_fulfilled:
                opened = owner.order.product_id.replace("line-", "account-")
                yield account_of.get(owner.order.request.number, opened), owner


def _orders_cost(evidence: Evidence) -> Counter[str]:
    """The cost of orders, by account: the fee once for each completed one, less the compensation for lateness."""
    expected: dict[tuple[str, str], int] = {}
    for account, owner in _fulfilled(evidence):
        fee, late = described(owner.order.request.business).fee.minor_units, _lateness(owner.order)
        if fee:
            expected[account, f"{owner.order.id}#fee"] = fee
        if fee and late and owner.order.request.business in LINE_OPENING:
            expected[account, f"{owner.order.id}#late"] = -late * COMPENSATION
            evidence.history.count("customers compensated for lateness")
    found = {
        (row["account"], row["posting_id"]): -row["amount"]
        for _, row in evidence.rows(
            "SELECT account, posting_id, amount FROM ledger_entries"
            " WHERE kind IN ('fee', 'compensation') AND account LIKE 'account-%'"
        )
    }
    for account, posting in sorted(expected.keys() | found.keys()):
        told = f"{account} was charged {found.get((account, posting))} and not {expected.get((account, posting))}"
        if found.get((account, posting)) != expected.get((account, posting)):
            evidence.broken(MONEY, posting.partition("#")[0], f"{posting}: {told}")
    cost: Counter[str] = Counter()
    for (account, _), amount in expected.items():
        cost[account] += amount
    return cost


def _lateness(order: Order) -> int:
    """How many days, one that has begun included, an order was carried out after its promised time."""
    if Step.STEP_ACCEPT not in order.steps:
        return 0
    done = next(each.time for each in order.state_changes if each.reason == "to be accepted")
    late = from_timestamp(done) - from_timestamp(order.expected_completion_time)
    return max(0, -(-late // timedelta(days=1)))


def _billed(evidence: Evidence) -> Counter[str]:
    """The cost of months, by account: each kind within its possible range, and together equal to the bill."""
    totals: Counter[tuple[str, str, str]] = Counter()
    for region, row in evidence.rows("SELECT account_id, month, total FROM bills"):
        totals[region, row["account_id"], row["month"]] += row["total"]
    fees = _fees_by_month(evidence)
    billed: Counter[str] = Counter()
    months: Counter[tuple[str, str, str]] = Counter()
    sql = (
        "SELECT account, SUBSTR(posting_id, LENGTH(account) + 2, 7) AS month, kind, -SUM(amount) AS total"
        f" FROM ledger_entries WHERE kind IN ({_CHARGES})"
        " AND SUBSTR(posting_id, 1, LENGTH(account) + 1) = account || '/' GROUP BY 1, 2, 3"
    )
    for region, row in evidence.rows(sql):
        account, kind, total = row["account"], row["kind"], row["total"]
        billed[account] += total
        months[region, account, row["month"]] += total
        if not (0 < total <= _DEAREST[kind] or (kind == "discount" and -1_000 <= total < 0)):
            evidence.broken(MONEY, "-", f"{account} was charged {total} for {kind} in {row['month']}")
    for key, total in totals.items():
        if months[key] + fees[key] != total:
            _, account, month = key
            charged = f"{months[key]} and fees of {fees[key]}"
            evidence.broken(MONEY, "-", f"{account} was charged {charged} in {month}, the bill says {total}")
    return billed


def _given_for_the_network(evidence: Evidence) -> Counter[str]:
    """Rent given back for faults, and credits under agreements, by account. Whether they are right others check."""
    found: Counter[str] = Counter()
    sql = (
        "SELECT account, SUM(amount) AS total FROM ledger_entries WHERE account LIKE 'account-%'"
        " AND kind IN ('rent-waived', 'service-credit', 'service-credit-correction') GROUP BY account"
    )
    for _, row in evidence.rows(sql):
        found[row["account"]] += row["total"]
    return found


def _fees_by_month(evidence: Evidence) -> Counter[tuple[str, str, str]]:
    """The fees of orders by region, account and month (in UTC+8)."""
    found: Counter[tuple[str, str, str]] = Counter()
    for region, row in evidence.rows("SELECT account, amount, time FROM ledger_entries WHERE kind = 'fee'"):
        month = f"{from_microseconds(row['time']) + timedelta(hours=8):%Y-%m}"
        found[region, row["account"], month] -= row["amount"]
    return found


def _late_fees(evidence: Evidence) -> Counter[str]:
    """The late fees, by account: after a due date only, and no more than the rate on the largest debt."""
    due: dict[tuple[str, str], int] = {}
    for region, row in evidence.rows("SELECT account_id, MIN(payment_due) AS due FROM bills GROUP BY 1"):
        if row["due"] is not None:
            key = (region, row["account_id"])
            due[key] = min(due.get(key, row["due"]), row["due"])
    debts, balances = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for region, row in evidence.rows("SELECT account, amount FROM ledger_entries ORDER BY time, posting_id"):
        key = (region, row["account"])
        balances[key] += row["amount"]
        debts[key] = max(debts[key], -balances[key])
    cost: Counter[str] = Counter()
    sql = "SELECT account, amount, time FROM ledger_entries WHERE kind = 'late-fee' AND account LIKE 'account-%'"
    for region, row in evidence.rows(sql):
        key, fee = (region, row["account"]), -row["amount"]
        cost[row["account"]] += fee
        if key not in due or row["time"] < due[key] or not 0 < fee <= debts[key] * LATE_FEE // 1000 + 1:
            at: datetime = from_microseconds(row["time"])
            evidence.broken(MONEY, "-", f"{row['account']} was charged {fee} for being late on {at:%Y-%m-%d}")
    return cost


def _rests_of_moves(evidence: Evidence) -> Counter[str]:
    """What was charged or given while a customer was on the way, and booked out of the former account since."""
    found: Counter[str] = Counter()
    for _, row in evidence.rows(
        "SELECT account, amount FROM ledger_entries WHERE account LIKE 'account-%'"
        " AND (posting_id LIKE '%#rest/%' OR posting_id LIKE '%#given/%')"
    ):
        found[row["account"]] += row["amount"]
    return found


def _handed_over(evidence: Evidence) -> Counter[tuple[str, str]]:
    """The balances of customers who have moved, by former and next home, as the former home has booked them."""
    found: Counter[tuple[str, str]] = Counter()
    sql = "SELECT account, amount FROM ledger_entries WHERE kind = 'moved-balance' AND account LIKE 'payable/%'"
    for region, row in evidence.rows(sql):
        found[region, row["account"].removeprefix("payable/")] += row["amount"]
    return found


def _between_regions(
    evidence: Evidence,
    balances: Counter[tuple[str, str]],
    payments: Payments,
    region: str,
    handed_over: Counter[tuple[str, str]],
) -> None:
    """What one region took or handed over: transferred, reversed, or in transit while an order is not final.

    Beside that it owes the rent and credits that its network made other regions give.
    """
    done = [(errand, order) for errand, order in payments if order.state == _COMPLETED]
    in_transit = sum(errand.amount for errand, order in payments if order.state not in FINAL)
    taken = sum(errand.amount for errand, _ in done)
    _equal(evidence, f"{region}: payments in transit", balances[region, "payments-in-transit"], in_transit)
    _equal(evidence, f"{region}: cash", balances[region, "cash"], -(taken + in_transit))
    rents, credited = _rents(evidence), _credited(evidence)
    for home in REGIONS:
        if home == region:
            continue
        owed = sum(errand.amount for errand, order in done if order.home_region == home)
        owed += rents[region, home] + handed_over[region, home]
        here, there = credited[region, region, home], credited[home, region, home]
        _equal(evidence, f"{region}: owed to {home}", balances[region, f"payable/{home}"], owed + here)
        _equal(evidence, f"{home}: due from {region}", -balances[home, f"receivable/{region}"], owed + there)


def _rents(evidence: Evidence) -> Counter[tuple[str, str]]:
    """Rent given back by a home region that the region of the fault owes it, or the old home of a move."""
    expected: Counter[tuple[str, str]] = Counter()
    claims = {row["serial"]: region for region, row in evidence.rows(_CLAIMS) if row["debtor"] != region}
    for home, row in evidence.rows("SELECT fault_id, outage, amount FROM fault_waivers"):
        owner = evidence.faults[row["fault_id"]][home].owner_region
        if claims.get(f"{row['fault_id']}#waived{row['outage']}") == home:
            expected[owner, home] += row["amount"]
            evidence.history.count("rent owed by the region of a fault")
    for each in owed_rents(evidence):
        expected[each.old, each.new] += each.amount
    return expected


def _credited(evidence: Evidence) -> Counter[tuple[str, str, str]]:
    """Credits of agreements in each region's books, by debtor and creditor: a claim may be refused."""
    found: Counter[tuple[str, str, str]] = Counter()
    for region, row in evidence.rows(_CREDITS):
        other, debtor = row["region"], row["debtor"]
        found[region, debtor, other if debtor == region else region] += row["amount"]
        evidence.history.count("shares of credits owed between regions")
    return found


def _equal(evidence: Evidence, what: str, found: int, expected: int) -> None:
    if found != expected:
        evidence.broken(MONEY, "-", f"{what} is {found} and not {expected}")
