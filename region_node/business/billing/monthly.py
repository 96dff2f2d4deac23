"""The monthly cycle: every account is billed once for every month, page by page, also after a stop.

The transaction of a page includes its checkpoint. Entries carry the last instant of their month, whenever they are
booked. A node that was off for two months thus books the same as one that was not.
"""

import logging
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1.customer_service_pb2 import ProductStatus, RatingType
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from gateway.values.money import in_major_units
from region_node.business.billing import wording
from region_node.business.billing.bill_events import note_bill
from region_node.business.billing.bills import BillLineRow, BillRow, find_bill, forget_before, insert_bill
from region_node.business.billing.charging import (
    CYCLE,
    Progress,
    Tariffs,
    charged,
    line_month,
    lines_billed,
    progress_of,
)
from region_node.business.billing.cycle import (
    BILLS_COMPARED,
    LineMonth,
    charges_of,
    in_advance,
    is_abnormal,
    postings,
    total_of,
)
from region_node.business.billing.rules import Month, end_of_day
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import EntryKind
from region_node.customers.notices.rows import tell
from region_node.customers.rows import Line
from region_node.node.context import RegionContext
from region_node.records.purging.reports import note_removed
from region_node.records.purging.rules import night_of

SETTLES = timedelta(hours=1)  # after a month's end: orders for the next cycle have been carried out by then
PAGE = 25  # accounts in one transaction, for which everything else of the region waits
FORGOTTEN = 1000  # rows in one transaction
BILLS_KEPT = "bills-kept"  # the policy
BILLING = "billing"
"""The name of the run to people."""
ARREARS = "arrears"  # the run that comes every day
_log = logging.getLogger(__name__)


def begin(tx: Transaction, context: RegionContext, now: datetime) -> bool:
    """Sets the runs up: the current month is the first billed one. Returns False for existing runs."""
    if progress_of(tx, CYCLE) is not None:
        return False
    today = now.astimezone(ZoneInfo(context.time_zone)).date()
    month = Month.at(now, context.time_zone)
    _log.info("the first month that is billed is %s", month.name)
    for run, period in ((CYCLE, month.name), (ARREARS, today.isoformat())):
        tx.execute("INSERT INTO billing_runs (run, period, after) VALUES (:run, :period, '')", run=run, period=period)
    return True


def move_on(tx: Transaction, run: str, before: Progress, *, period: str = "", after: str = "") -> None:
    """Advances a checkpoint. Raises ValueError where it differs from the read one: a defect, operations are serial."""
    moved = tx.execute(
        "UPDATE billing_runs SET period = :period, after = :after"
        " WHERE run = :run AND period = :old_period AND after = :old_after",
        run=run,
        period=period or before.period,
        after=after,
        old_period=before.period,
        old_after=before.after,
    )
    if not moved:
        raise ValueError(f"the run {run} has been moved on by somebody else")


def is_caught_up(tx: Transaction, context: RegionContext, now: datetime) -> bool:
    """Whether every month that has ended is billed."""
    progress = progress_of(tx, CYCLE)
    return progress is not None and now < Month.of(progress.period, context.time_zone).end


def is_due(progress: Progress, context: RegionContext, now: datetime) -> bool:
    """Whether a page is to be billed."""
    return now >= Month.of(progress.period, context.time_zone).end + SETTLES


def last_of_many(progress: Progress, context: RegionContext, now: datetime) -> str | None:
    """The last month that is to be billed, where there are several; None where there is one or none."""
    last = Month.at(now - SETTLES, context.time_zone).before(1).name
    return last if progress.period < last else None


def bill_page(tx: Transaction, context: RegionContext, now: datetime, limit: int = PAGE) -> bool:
    """Bills the next accounts of the ended month, or removes bills older than their retention.

    Returns False where nothing is due.
    """
    progress = progress_of(tx, CYCLE)
    if progress is None or not is_due(progress, context, now):
        return False
    month = Month.of(progress.period, context.time_zone)
    accounts = tx.all(
        str,
        "SELECT DISTINCT account_id FROM products WHERE account_id > :after ORDER BY account_id LIMIT :limit",
        after=progress.after,
        limit=limit,
    )
    for account in accounts:
        bill_account(tx, context, account, month, now)
    if accounts:
        move_on(tx, CYCLE, progress, after=accounts[-1])
    elif not _forget(tx, context, month, now):
        move_on(tx, CYCLE, progress, period=month.next().name)
    return True


def bill_account(tx: Transaction, context: RegionContext, account: str, month: Month, now: datetime) -> None:
    """Books the remaining charges of a month for an account, writes the bill, and charges prepaid lines in advance."""
    tariffs, lines = Tariffs(context.federation), lines_billed(tx, account, month)
    months = [line_month(tx, tariffs, line, month) for line in lines]
    before = charged(tx, account, month)
    if find_bill(tx, account, month.name) is not None or not lines:
        return
    fees = _fees(tx, account, month)
    if not (before or fees or any(each.had_service(month) for each in months)):
        return
    found = [
        BillLineRow(each.product_id, charge)
        for each in months
        for charge in charges_of(each, month, month.end, tariffs.plan)
    ]
    due = total_of([each.charge for each in found])
    if all(_is_closed(each, month.end) for each in months):
        due = before  # all charges were booked at the closure of the last line
    for posting in postings(account, month, due, before):
        ledger.post(tx, posting, context.currency, month.last_instant)
    _write_bill(tx, context, lines, found, sum(due.values()) + fees, month, now)
    _charge_in_advance(tx, context, tariffs, account, months, month.next())


def bill_passed(tx: Transaction, context: RegionContext, account: str, moment: datetime, now: datetime) -> None:
    """Bills an account for the months that the run has passed, from that of a moment on: the run does the later ones.

    The moment is that of a move, of which this region hears later. Months whose bills are not kept any more are none.
    """
    begin(tx, context, now)
    kept = context.federation.figure(BILLS_KEPT, (context.region, context.region))
    oldest = Month.at(now, context.time_zone).before(kept)
    month, run = Month.at(max(moment, oldest.start), context.time_zone), progress_of(tx, CYCLE)
    while run is not None and (month.name, "") < (run.period, run.after):
        bill_account(tx, context, account, month, now)
        month = month.next()


def _is_closed(line: LineMonth, at: datetime) -> bool:
    states = [state for state in line.states if state.time < at]
    return not states or states[-1].status == ProductStatus.PRODUCT_STATUS_TERMINATED


def _charge_in_advance(
    tx: Transaction, context: RegionContext, tariffs: Tariffs, account: str, lines: list[LineMonth], month: Month
) -> None:
    """Books the rent of active prepaid lines, in their state at the beginning of the month."""
    open_lines = [each for each in lines if each.states[-1].status != ProductStatus.PRODUCT_STATUS_TERMINATED]
    at = month.start + SETTLES
    due = total_of([charge for each in open_lines for charge in in_advance(each, month, at, tariffs.plan)])
    if not due:
        return
    for posting in postings(account, month, due, {}, "/advance"):
        ledger.post(tx, posting, context.currency, month.start)


def _write_bill(
    tx: Transaction,
    context: RegionContext,
    lines: list[Line],
    found: list[BillLineRow],
    total: int,
    month: Month,
    now: datetime,
) -> None:
    account, regions = lines[0].account_id, (context.region, context.region)
    earlier = [find_bill(tx, account, month.before(each).name) for each in range(1, BILLS_COMPARED + 1)]
    times = context.federation.figure("abnormal-bill-times", regions)
    edge = bool(context.federation.figure("abnormal-bill-at-the-edge", regions))
    abnormal = is_abnormal(total, [each.total for each in earlier if each is not None], times, at_the_edge=edge)
    day = now.astimezone(ZoneInfo(context.time_zone)).date()
    day += timedelta(days=context.federation.figure("payment-due", regions))
    is_postpaid = any(line.rating_type != RatingType.RATING_TYPE_PREPAID for line in lines)
    is_unpaid = total > 0 and ledger.balance_before(tx, account, month.end) < 0
    due = end_of_day(day, context.time_zone) if is_postpaid and is_unpaid else None
    insert_bill(tx, BillRow(account, month.name, total, due, abnormal), found)
    note_bill(tx, account, month.name, now)
    amount = in_major_units(total, context.currency)
    if total > 0:
        last_day = day.isoformat() if due is not None else ""
        tell(tx, wording.bill_is_out(account, month.name, lines[0].number, amount, last_day), now)
    if abnormal:
        tell(tx, wording.bill_is_abnormal(account, month.name, lines[0].number, amount, times), now)


def _fees(tx: Transaction, account: str, month: Month) -> int:
    """The fees of orders in a month."""
    return (
        tx.first(
            int,
            "SELECT CAST(COALESCE(-SUM(amount), 0) AS BIGINT) FROM ledger_entries"
            " WHERE account = :account AND kind = :fee AND time >= :start AND time < :end",
            account=account,
            fee=str(EntryKind.FEE),
            start=to_microseconds(month.start),
            end=to_microseconds(month.end),
        )
        or 0
    )


def _forget(tx: Transaction, context: RegionContext, month: Month, now: datetime) -> int:
    """Removes usage and bills that are older than they are kept; the month after `month` is running.

    The report of the night's purge counts them.
    """
    kept = context.federation.figure(BILLS_KEPT, (context.region, context.region))
    removed = forget_before(tx, month.next().before(kept).name, FORGOTTEN, now)
    if removed:
        night = night_of(now, ZoneInfo(context.time_zone)).isoformat()
        note_removed(tx, night, DataClass.DATA_CLASS_USAGE_AND_BILLS, removed=removed)
    return removed
