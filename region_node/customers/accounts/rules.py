"""Double entry. Credits are positive; the entries of a posting sum to zero; a balance is a sum of entries.

Accounts: a customer's own id. `cash`. `payments-in-transit`: the liability for money taken and not yet booked at its
home. `payable/<region>`: the debt to a region for payments of its customers taken here, and for compensations given to
them. `receivable/<region>`: the debt of a region for the same. `fees`, and one account for each kind of charge (`rent`,
`calls` and so on): the revenue. `refunds-due`: the debt to customers who left or were charged too much, less what
corrections took back from those who left. `opening`: the other side of migrated balances. `compensation`: paid for
breached service levels, and for complaints.
`reconciliation`: what no account of an order explains of a correction after a comparison with another region.
`settled/<region>`: what signed statements leave to pay to a region. `handling-fees`: the revenue, and the cost, of
orders handled for other regions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from gateway.api.types.v1.types_pb2 import LocalizedText

_NONE = ("", "")
_PRICE = ("，单价{rate}", ", {rate} each")


@dataclass(frozen=True)
class _Told:
    """The stored name of a kind, and its words on a bill, in Chinese and English."""

    stored: str
    name: tuple[str, str]
    evidence: tuple[str, str] = _NONE
    has_price: bool = False


class EntryKind(Enum):
    """A kind of entry. Databases keep its stored name, which never changes. Every kind needs words."""

    OPENING = _Told("opening", ("期初余额", "Balance taken over"))
    PAYMENT = _Told("payment", ("交费", "Payment"))
    PAYMENT_TAKEN = _Told("payment taken", ("代收交费", "Payment taken for another region"))
    PAYMENT_OWED = _Told("payment owed", ("代收交费应付归属地", "Payment owed to the home region"))
    PAYMENT_RETURNED = _Told("payment returned", ("代收交费退回", "Payment given back"))
    FEE = _Told("fee", ("业务费用", "Fee"))
    REFUND = _Told("refund", ("余额退还", "Balance paid out"))
    RENT = _Told("rent", ("月租", "Monthly rent"), ("{quantity}天", "{quantity} days"))
    DISCOUNT = _Told("discount", ("合约优惠", "Contract discount"))
    CALLS = _Told(
        "calls",
        ("通话费", "Calls"),
        ("{quantity}分钟，其中免费{allowance}分钟", "{quantity} minutes, {allowance} of them free"),
        has_price=True,
    )
    MESSAGES = _Told(
        "messages",
        ("短信费", "Messages"),
        ("{quantity}条，其中免费{allowance}条", "{quantity} messages, {allowance} of them free"),
        has_price=True,
    )
    DATA = _Told(
        "data",
        ("流量费", "Data"),
        ("{quantity} MiB，其中免费{allowance} MiB", "{quantity} MiB, {allowance} of them free"),
        has_price=True,
    )
    VALUE_ADDED = _Told("value-added", ("增值业务费", "Value-added services"))
    PACKS = _Told("packs", ("加油包", "Packs"))
    ROAMING = _Told("roaming", ("国际漫游费", "International roaming"))
    LATE_FEE = _Told("late-fee", ("违约金", "Late fee"))
    CORRECTION = _Told("correction", ("账单更正", "Correction of a bill"))
    COMPENSATION = _Told("compensation", ("逾期赔偿", "Compensation for delay"))
    REMEDY = _Told("remedy", ("投诉退费", "Money for a complaint"))
    REMEDY_OWED = _Told("remedy owed", ("投诉退费应付归属地", "Money for a complaint, owed to the home region"))
    SERVICE_CREDIT = _Told("service-credit", ("服务等级赔付", "Credit under a service level agreement"))
    SERVICE_CREDIT_CORRECTION = _Told(
        "service-credit-correction", ("服务等级赔付更正", "Correction of a service level credit")
    )
    RENT_WAIVED = _Told("rent-waived", ("障碍期间月租减免", "Rent given back for a fault"))
    RENT_OWED = _Told("rent owed", ("障碍减免月租应付归属地", "Rent given back for a fault, owed to the home region"))
    PART_OWED = _Told("part owed", ("保修配件应付维修地", "Part under the warranty, owed to the repairing region"))
    CREDIT_OWED = _Told(
        "credit owed", ("服务等级赔付分摊", "Share of a service level credit, owed by the region of the outage")
    )
    RECONCILED = _Told("reconciled", ("对账更正", "Correction after a reconciliation"))
    MOVED_BALANCE = _Told("moved-balance", ("迁移余额", "Balance moved between regions"))
    SETTLED = _Told("settled", ("地区间结算", "Settled between regions"))
    REPAIR_PART = _Told("repair-part", ("维修配件费", "Part of a repair"))

    @classmethod
    def of(cls, stored: str) -> "EntryKind":
        """The kind of a stored name. Raises ValueError for an unknown one."""
        for kind in cls:
            if str(kind) == stored:
                return kind
        raise ValueError(f"no entry has the kind {stored}")

    def __str__(self) -> str:
        """How the ledger and the ids of postings name it."""
        return self.value.stored

    @property
    def description(self) -> LocalizedText:
        """The words of the kind on a bill."""
        zh_cn, en = self.value.name
        return LocalizedText(zh_cn=zh_cn, en=en)

    def evidence(self, quantity: int, allowance: int, rate: str) -> LocalizedText:
        """The reason for a charge (specification 4.2.1); `rate` is a text for people.

        Empty for kinds without details.
        """
        price = _PRICE if self.value.has_price else _NONE
        zh_cn, en = (
            (told + each).format(quantity=quantity, allowance=min(allowance, quantity), rate=rate)
            for told, each in zip(self.value.evidence, price, strict=True)
        )
        return LocalizedText(zh_cn=zh_cn, en=en)


# The charges of a month.
CHARGES = (
    EntryKind.RENT,
    EntryKind.DISCOUNT,
    EntryKind.CALLS,
    EntryKind.MESSAGES,
    EntryKind.DATA,
    EntryKind.VALUE_ADDED,
    EntryKind.PACKS,
    EntryKind.ROAMING,
)
# A credit to an account after a bill counts towards the unpaid part of the bill.
SETTLING = (
    EntryKind.PAYMENT,
    EntryKind.CORRECTION,
    EntryKind.COMPENSATION,
    EntryKind.REMEDY,
    EntryKind.SERVICE_CREDIT,
    EntryKind.SERVICE_CREDIT_CORRECTION,
    EntryKind.RENT_WAIVED,
    EntryKind.RECONCILED,
)
CASH = "cash"
IN_TRANSIT = "payments-in-transit"
FEES = "fees"
COMPENSATION = "compensation"
REFUNDS_DUE = "refunds-due"
OPENING = "opening"
RECONCILIATION = "reconciliation"
HANDLING_FEES = "handling-fees"
_PAYABLE = "payable/"
_RECEIVABLE = "receivable/"
_SETTLED = "settled/"
_EARNED = frozenset(str(kind) for kind in (EntryKind.REPAIR_PART, EntryKind.LATE_FEE, *CHARGES))
_OWN = frozenset({CASH, IN_TRANSIT, FEES, COMPENSATION, REFUNDS_DUE, OPENING, RECONCILIATION, HANDLING_FEES})
_BOOKS = _OWN | _EARNED


@dataclass(frozen=True)
class Entry:
    """A change of one account, in minor units; positive is credit."""

    account: str
    amount: int


@dataclass(frozen=True)
class Posting:
    """Entries that belong together. The id names their cause: the same posting is never booked twice."""

    posting_id: str
    kind: EntryKind
    entries: tuple[Entry, ...]


def payable(region: str) -> str:
    """The account of the debt to a region."""
    return f"{_PAYABLE}{region}"


def receivable(region: str) -> str:
    """The account of a region's debt; its balance is negative while money is due."""
    return f"{_RECEIVABLE}{region}"


def settled(region: str) -> str:
    """The account of what statements signed by both leave to pay to a region; negative for what it has to pay."""
    return f"{_SETTLED}{region}"


def is_of_the_books(account: str) -> bool:
    """Whether an account is one of the region's own, which no customer may have."""
    return account in _BOOKS or account.startswith((_PAYABLE, _RECEIVABLE, _SETTLED))


def transfer(posting_id: str, kind: EntryKind, amount: int, *, debit: str, credit: str) -> Posting:
    """A posting that takes from one account and gives to another; the amount is positive."""
    return Posting(posting_id, kind, (Entry(debit, -amount), Entry(credit, amount)))


def correction_of(posting_id: str, debt: Entry, booked: Mapping[str, int], wanted: Mapping[str, int]) -> Posting:
    """A posting that changes a debt, and brings accounts from their booked balances to the wanted ones.

    Only the rest, which no record explains, goes to `reconciliation`.
    """
    changes = {account: balance - booked.get(account, 0) for account, balance in sorted(wanted.items())}
    rest = -debt.amount - sum(changes.values())
    entries = [Entry(*each) for each in (*changes.items(), (RECONCILIATION, rest)) if each[1]]
    return Posting(posting_id, EntryKind.RECONCILED, (debt, *entries))


def require_balanced(posting: Posting) -> None:
    """Raises ValueError where the entries do not sum to zero: a defect, never a caller's fault."""
    if sum(entry.amount for entry in posting.entries) != 0:
        raise ValueError(f"posting {posting.posting_id} does not sum to zero")


def balance_of(account: str, postings: Iterable[Posting]) -> int:
    """The balance of an account after postings, in minor units."""
    return sum(entry.amount for posting in postings for entry in posting.entries if entry.account == account)


def earned(kind: EntryKind) -> str:
    """The revenue account of a kind of charge, by the same name: a discount reduces the rent."""
    return str(EntryKind.RENT if kind is EntryKind.DISCOUNT else kind)


def charge(posting_id: str, kind: EntryKind, amount: int, account: str) -> Posting:
    """A posting that charges a customer's account; a negative amount gives back."""
    return Posting(posting_id, kind, (Entry(account, -amount), Entry(earned(kind), amount)))
