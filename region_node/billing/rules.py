"""Double entry. Credits are positive; the entries of a posting sum to zero; a balance is a sum of entries.

Accounts: a customer's own id; `cash`; `payments-in-transit`, the liability for money taken and not yet booked at
its home; `payable/<region>`, owed to a region for payments taken for its customers, and for what they were given for
complaints; `receivable/<region>`, owed by a region for the same; `fees`, and one for each kind of charge (`rent`,
`calls` and so on), earned; `refunds-due`, owed to customers who left or were charged too much; `opening`, the other
side of balances taken over; `compensation`, paid for promises that were not kept, under agreements on service levels,
and for complaints.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.money import share_half_up

_MONTH = re.compile(r"(?!0000)\d{4}-(0[1-9]|1[0-2])", re.ASCII)

CASH = "cash"
IN_TRANSIT = "payments-in-transit"
FEES = "fees"
COMPENSATION = "compensation"
RENT_WAIVED = "rent-waived"
REPAIR_PART = "repair-part"
REFUNDS_DUE = "refunds-due"
OPENING = "opening"

# What a month is charged for. A kind of posting and the account of what it earned have the same name.
RENT = "rent"
DISCOUNT = "discount"
CALLS = "calls"
MESSAGES = "messages"
DATA = "data"
VALUE_ADDED = "value-added"
PACKS = "packs"
ROAMING = "roaming"
CHARGES = (RENT, DISCOUNT, CALLS, MESSAGES, DATA, VALUE_ADDED, PACKS, ROAMING)
LATE_FEE = "late-fee"
CORRECTION = "correction"
SERVICE_CREDIT = "service-credit"
SERVICE_CREDIT_CORRECTION = "service-credit-correction"

_PAYABLE, _RECEIVABLE = "payable/", "receivable/"
_BOOKS = frozenset({CASH, IN_TRANSIT, FEES, COMPENSATION, REPAIR_PART, REFUNDS_DUE, OPENING, LATE_FEE, *CHARGES})


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
    return f"{_PAYABLE}{region}"


def receivable(region: str) -> str:
    """The account of what a region owes; its balance is negative while money is due."""
    return f"{_RECEIVABLE}{region}"


def is_of_the_books(account: str) -> bool:
    """Whether an account is one of the region's own, which no customer may have."""
    return account in _BOOKS or account.startswith((_PAYABLE, _RECEIVABLE))


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


def earned(kind: str) -> str:
    """The account of what a kind of charge earned: a discount is taken off the rent."""
    return RENT if kind == DISCOUNT else kind


def charge(posting_id: str, kind: str, amount: int, account: str) -> Posting:
    """A posting that charges a customer's account; a negative amount gives back."""
    return Posting(posting_id, kind, (Entry(account, -amount), Entry(earned(kind), amount)))


@dataclass(frozen=True)
class Month:
    """A billing cycle of a region: its name (`YYYY-MM`), both ends in UTC, and its days there."""

    name: str
    start: datetime
    end: datetime
    days: int
    time_zone: str

    @classmethod
    def of(cls, name: str, time_zone: str) -> "Month":
        """The month with a name. Raises ValueError for another form than YYYY-MM."""
        first = datetime.strptime(name, "%Y-%m").replace(tzinfo=ZoneInfo(time_zone))
        after = next_month(first)
        days = (after.date() - first.date()).days
        return cls(f"{first:%Y-%m}", first.astimezone(UTC), after.astimezone(UTC), days, time_zone)

    @classmethod
    def at(cls, instant: datetime, time_zone: str) -> "Month":
        """The month of an instant."""
        return cls.of(f"{instant.astimezone(ZoneInfo(time_zone)):%Y-%m}", time_zone)

    @property
    def last_instant(self) -> datetime:
        """The microsecond before the end: what is charged at the end still belongs to the month."""
        return self.end - timedelta(microseconds=1)

    def next(self) -> "Month":
        """The month after."""
        return Month.at(self.end, self.time_zone)

    def before(self, months: int) -> "Month":
        """The month so many months earlier."""
        found = self
        for _ in range(months):
            found = Month.at(found.start - timedelta(microseconds=1), self.time_zone)
        return found

    def __sub__(self, other: "Month") -> int:
        """How many months lie between."""
        return _number(self.name) - _number(other.name)


def _number(month: str) -> int:
    year, _, number = month.partition("-")
    return int(year) * 12 + int(number)


def end_of_day(day: date, time_zone: str) -> datetime:
    """24:00 of a day there, in UTC."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(time_zone)).astimezone(UTC)


def is_month(month: str) -> bool:
    """Whether a text names a month, as YYYY-MM."""
    return _MONTH.fullmatch(month) is not None


def month_bounds(month: str, now: datetime, time_zone: str, kept: int) -> Month:
    """A month whose bill can be shown; `kept` is the policy `bills-kept`.

    Raises Refused with REQUEST_INVALID for another form, with BILL_OUT_OF_RANGE for a month that has not begun or
    is older than bills are kept.
    """
    if not is_month(month):
        raise Refused(Reason.REASON_REQUEST_INVALID, field="month", problem="not YYYY-MM")
    asked = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    local = now.astimezone(ZoneInfo(time_zone))
    if not 0 <= (local.year - asked.year) * 12 + local.month - asked.month <= kept:
        raise Refused(Reason.REASON_BILL_OUT_OF_RANGE, month=month)
    return Month.of(month, time_zone)


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


_DESCRIPTIONS: Mapping[str, tuple[str, str]] = {
    "opening": ("期初余额", "Balance taken over"),
    "payment": ("交费", "Payment"),
    "fee": ("业务费用", "Fee"),
    "refund": ("余额退还", "Balance paid out"),
    RENT: ("月租", "Monthly rent"),
    DISCOUNT: ("合约优惠", "Contract discount"),
    CALLS: ("通话费", "Calls"),
    MESSAGES: ("短信费", "Messages"),
    DATA: ("流量费", "Data"),
    VALUE_ADDED: ("增值业务费", "Value-added services"),
    PACKS: ("加油包", "Packs"),
    ROAMING: ("国际漫游费", "International roaming"),
    LATE_FEE: ("违约金", "Late fee"),
    CORRECTION: ("账单更正", "Correction of a bill"),
    COMPENSATION: ("逾期赔偿", "Compensation for delay"),
    SERVICE_CREDIT: ("服务等级赔付", "Credit under a service level agreement"),
    SERVICE_CREDIT_CORRECTION: ("服务等级赔付更正", "Correction of a service level credit"),
    RENT_WAIVED: ("障碍期间月租减免", "Rent given back for a fault"),
    REPAIR_PART: ("维修配件费", "Part of a repair"),
}


def describe(kind: str) -> LocalizedText:
    """What a bill says about entries of a kind. Raises ValueError for what never stands on a customer's account."""
    if kind not in _DESCRIPTIONS:
        raise ValueError(f"no customer's account has entries of the kind {kind}")
    zh_cn, en = _DESCRIPTIONS[kind]
    return LocalizedText(zh_cn=zh_cn, en=en)


_EVIDENCE: Mapping[str, tuple[str, str]] = {
    RENT: ("{quantity}天", "{quantity} days"),
    CALLS: ("{quantity}分钟，其中免费{allowance}分钟", "{quantity} minutes, {allowance} of them free"),
    MESSAGES: ("{quantity}条，其中免费{allowance}条", "{quantity} messages, {allowance} of them free"),
    DATA: ("{quantity} MiB，其中免费{allowance} MiB", "{quantity} MiB, {allowance} of them free"),
}
_RATE = ("，单价{rate}", ", {rate} each")


def evidence(kind: str, quantity: int, allowance: int, rate: str) -> LocalizedText:
    """Why so much was charged (specification 4.2.1); `rate` is for people. Empty for kinds that say it all."""
    if kind not in _EVIDENCE:
        return LocalizedText()
    price = ("", "") if kind == RENT else _RATE
    zh_cn, en = (
        (told + one).format(quantity=quantity, allowance=min(allowance, quantity), rate=rate)
        for told, one in zip(_EVIDENCE[kind], price, strict=True)
    )
    return LocalizedText(zh_cn=zh_cn, en=en)
