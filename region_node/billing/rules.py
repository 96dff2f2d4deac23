"""Double entry. Credits are positive; the entries of a posting sum to zero; a balance is a sum of entries.

Accounts: a customer's own id; `cash`; `payments-in-transit`, the liability for money taken and not yet booked at
its home; `payable/<region>`, owed to a region for payments taken for its customers; `receivable/<region>`, owed by a
region for payments that it took; `rent` and `fees`, earned; `compensation`, spent on customers who had to wait;
`refunds-due`, owed to customers who left; `opening`, the other side of balances taken over.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.money import share_half_up

CASH = "cash"
IN_TRANSIT = "payments-in-transit"
RENT = "rent"
FEES = "fees"
COMPENSATION = "compensation"
REFUNDS_DUE = "refunds-due"
OPENING = "opening"
MONTHS_KEPT = 5  # bills are kept for five months (Telecommunication Service Rules)


@dataclass(frozen=True)
class Entry:
    """A change of one account, in minor units; positive is credit."""

    account: str
    amount: int


@dataclass(frozen=True)
class Posting:
    """Entries that belong together. The id says what for: the same posting is never booked twice."""

    posting_id: str
    kind: str
    entries: tuple[Entry, ...]


def payable(region: str) -> str:
    """The account of what is owed to a region."""
    return f"payable/{region}"


def receivable(region: str) -> str:
    """The account of what a region owes; its balance is negative while money is due."""
    return f"receivable/{region}"


def transfer(posting_id: str, kind: str, amount: int, *, debit: str, credit: str) -> Posting:
    """A posting that takes from one account and gives to another; the amount is positive."""
    return Posting(posting_id, kind, (Entry(debit, -amount), Entry(credit, amount)))


def require_balanced(posting: Posting) -> None:
    """Raises ValueError where the entries do not sum to zero: a defect, never a caller's fault."""
    if sum(entry.amount for entry in posting.entries) != 0:
        raise ValueError(f"posting {posting.posting_id} does not sum to zero")


def balance_of(account: str, postings: Iterable[Posting]) -> int:
    """The balance of an account after postings, in minor units."""
    return sum(entry.amount for posting in postings for entry in posting.entries if entry.account == account)


def late_compensation(amount: int, days_late: int, per_mille: int) -> int:
    """What a customer gets for lateness: thousandths of what was paid for each day; nothing in time (minor units).

    Telecommunications Regulations, art. 31.
    """
    return share_half_up(amount, per_mille * max(days_late, 0), 1000)


def month_bounds(month: str, now: datetime, time_zone: str) -> tuple[datetime, datetime]:
    """The start and end of a month (`YYYY-MM`) in UTC.

    Raises Refused with REQUEST_INVALID for another form, with BILL_OUT_OF_RANGE for a month that has not begun or
    is older than bills are kept.
    """
    zone = ZoneInfo(time_zone)
    try:
        start = datetime.strptime(month, "%Y-%m").replace(tzinfo=zone)
    except ValueError:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="month", problem="not YYYY-MM") from None
    local = now.astimezone(zone)
    age = (local.year - start.year) * 12 + local.month - start.month
    if not 0 <= age <= MONTHS_KEPT:
        raise Refused(Reason.REASON_BILL_OUT_OF_RANGE, month=month)
    return start.astimezone(UTC), next_month(start).astimezone(UTC)


def next_month(instant: datetime) -> datetime:
    """The first moment of the month after, in the instant's own time zone."""
    return instant.replace(
        year=instant.year + instant.month // 12,
        month=instant.month % 12 + 1,
        day=1,
        hour=0,
        minute=0,
        second=0,
        microsecond=0,
    )


def next_cycle(now: datetime, time_zone: str) -> datetime:
    """When the next billing cycle begins: the first of the next month in the region's time zone, in UTC."""
    return next_month(now.astimezone(ZoneInfo(time_zone))).astimezone(UTC)


def describe(kind: str) -> LocalizedText:
    """What a bill says about entries of a kind."""
    match kind:
        case "opening":
            return LocalizedText(zh_cn="期初余额", en="Balance taken over")
        case "payment":
            return LocalizedText(zh_cn="交费", en="Payment")
        case "rent":
            return LocalizedText(zh_cn="月租", en="Monthly rent")
        case "compensation":
            return LocalizedText(zh_cn="逾期违约金", en="Compensation for lateness")
        case "fee":
            return LocalizedText(zh_cn="业务费用", en="Fee")
        case "refund":
            return LocalizedText(zh_cn="余额退还", en="Balance paid out")
        case _:
            raise ValueError(f"no customer's account has entries of the kind {kind}")
