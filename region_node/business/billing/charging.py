"""The charges of an account for a month, read from its lines, subscriptions, usage and ledger."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import Plan
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.business.billing.bills import find_bill
from region_node.business.billing.cycle import Item, LineMonth, charges_of, postings, total_of
from region_node.business.billing.rating import Charge, Volume
from region_node.business.billing.rules import Month
from region_node.customers.accounts.rules import REFUNDS_DUE, EntryKind, Posting, balance_of, transfer
from region_node.customers.rows import Line, line_of
from region_node.customers.states import states_of
from region_node.customers.status import MOVED
from region_node.customers.subscriptions import subscriptions_of

CYCLE = "cycle"  # the run that bills a month


@dataclass(frozen=True)
class Progress:
    """The progress of a run: the next period, and the last account."""

    period: str
    after: str


def progress_of(tx: Transaction, run: str) -> Progress | None:
    """The progress of a run; None for a run that has never begun."""
    return tx.first(Progress, "SELECT period, after FROM billing_runs WHERE run = :run", run=run)


def lines_of_account(tx: Transaction, account_id: str) -> list[Line]:
    """The lines that an account pays for, by id; most often one."""
    ids = tx.all(
        str, "SELECT product_id FROM products WHERE account_id = :account ORDER BY product_id", account=account_id
    )
    return [line for each in ids if (line := line_of(tx, each)) is not None]


def lines_billed(tx: Transaction, account_id: str, month: Month) -> list[Line]:
    """The lines whose month is billed here, without those that another system billed to its end.

    A line in service of a customer who has moved came back with an older database: the new home bills it.
    """
    ids = tx.all(
        str,
        "SELECT product_id FROM products WHERE account_id = :account AND taken_over < :end"
        " AND (status = :terminated OR NOT EXISTS (SELECT 1 FROM customers"
        " WHERE customers.customer_id = products.customer_id AND customers.status = :moved)) ORDER BY product_id",
        account=account_id,
        end=to_microseconds(month.end),
        terminated=ProductStatus.PRODUCT_STATUS_TERMINATED,
        moved=MOVED,
    )
    return [line for each in ids if (line := line_of(tx, each)) is not None]


class Tariffs:
    """Plans and offerings by id. Offerings missing from the catalogue cost nothing: nobody has agreed to a price."""

    def __init__(self, federation: Federation) -> None:
        self._federation = federation

    def plan(self, plan: str) -> Plan | None:
        """A plan, if it is known."""
        try:
            return self._federation.plan(plan)
        except Refused:
            return None

    def items(self, tx: Transaction, product_id: str) -> Iterator[Item]:
        """The current and former subscriptions of a line besides its plan."""
        for each in subscriptions_of(tx, product_id):
            try:
                offering = self._federation.offering(each.offering_id)
            except Refused:
                continue
            yield Item(offering, each.start_time, each.end_time)


def line_month(tx: Transaction, tariffs: Tariffs, line: Line, month: Month) -> LineMonth:
    """All of a line that its charges for a month depend on."""
    items = tuple(tariffs.items(tx, line.product_id))
    return LineMonth(
        line.product_id, line.rating_type, states_of(tx, line), items, used(tx, line.product_id, month.name)
    )


def used(tx: Transaction, product_id: str, month: str) -> Volume:
    """The usage of a line in a month."""
    found = tx.first(
        Volume,
        "SELECT CAST(COALESCE(SUM(CASE WHEN kind = 1 THEN (quantity + 59) / 60 ELSE 0 END), 0) AS BIGINT),"
        " CAST(COALESCE(SUM(CASE WHEN kind = 2 THEN quantity ELSE 0 END), 0) AS BIGINT),"
        " CAST(COALESCE(SUM(CASE WHEN kind = 3 THEN quantity ELSE 0 END), 0) AS BIGINT)"
        " FROM usage_records WHERE product_id = :product AND month = :month",
        product=product_id,
        month=month,
    )
    return found or Volume()


def charged(tx: Transaction, account_id: str, month: Month) -> dict[EntryKind, int]:
    """The booked charges of a month so far, by kind, in minor units; none before the month began."""
    prefix = f"{account_id}/{month.name}#"
    found = tx.all(
        _amount,
        "SELECT kind, CAST(-SUM(amount) AS BIGINT) FROM ledger_entries WHERE account = :account AND time >= :start"
        " AND SUBSTR(posting_id, 1, LENGTH(CAST(:prefix AS TEXT))) = :prefix AND kind <> :correction GROUP BY kind",
        account=account_id,
        start=to_microseconds(month.start),
        prefix=prefix,
        correction=str(EntryKind.CORRECTION),
    )
    return dict(found)


def given_back(tx: Transaction, account_id: str, month: Month, kind: EntryKind) -> int:
    """The corrections of a month's charges of one kind, in minor units."""
    prefix = correction_id(account_id, month.name, kind, "")
    return (
        tx.first(
            int,
            "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries WHERE account = :account"
            " AND time >= :start AND SUBSTR(posting_id, 1, LENGTH(CAST(:prefix AS TEXT))) = :prefix"
            " AND kind = :correction",
            account=account_id,
            start=to_microseconds(month.start),
            prefix=prefix,
            correction=str(EntryKind.CORRECTION),
        )
        or 0
    )


def correction_id(account_id: str, month: str, kind: EntryKind, order_id: str) -> str:
    """The posting id of an order's correction of a month's charge for one kind."""
    return f"{account_id}/{month}#{kind}/correction/{order_id}"


def final_charges(
    tx: Transaction, federation: Federation, time_zone: str, line: Line, now: datetime
) -> tuple[Posting, ...]:
    """The remaining charges of a line's account up to now, at the closure of the line.

    The running month by days, with today, and ended months that are not billed yet. The cycle finds booked charges by
    account, month and kind, and charges none again.
    """
    tariffs, running, run = Tariffs(federation), Month.at(now, time_zone), progress_of(tx, CYCLE)
    until = now + timedelta(microseconds=1)  # today counts, also at its very beginning
    month = running if run is None else Month.of(run.period, time_zone)
    found: list[Posting] = []
    while running - month >= 0:
        if find_bill(tx, line.account_id, month.name) is None:
            due = total_of(due_of(tx, tariffs, lines_billed(tx, line.account_id, month), month, until))
            part = f"/final/{line.product_id}"
            found += postings(line.account_id, month, due, charged(tx, line.account_id, month), part)
        month = month.next()
    return tuple(found)


def closing(account_id: str, charges: Sequence[Posting], balance: int, cause: str) -> tuple[tuple[Posting, ...], int]:
    """The postings at the closure of a line, and the refund in minor units; a debt stays, and has none.

    `charges` are those of `final_charges`, `balance` is that before them, and `cause` names what closes the line.
    """
    refund = max(balance + balance_of(account_id, charges), 0)
    if not refund:
        return tuple(charges), 0
    paid_out = transfer(f"{cause}#refund", EntryKind.REFUND, refund, debit=account_id, credit=REFUNDS_DUE)
    return (*charges, paid_out), refund


def due_of(tx: Transaction, tariffs: Tariffs, lines: Sequence[Line], month: Month, until: datetime) -> list[Charge]:
    """The charges of lines for a month, up to an instant."""
    return [
        charge
        for line in lines
        for charge in charges_of(line_month(tx, tariffs, line, month), month, until, tariffs.plan)
    ]


def _amount(kind: str, amount: int) -> tuple[EntryKind, int]:
    return EntryKind.of(kind), amount
