"""The ledger: entries are added and never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.store.port import Transaction
from gateway.store.reading_ahead import Wanted, query_wanted
from gateway.store.tables import Table
from gateway.time.clock import to_microseconds
from region_node.customers.accounts.rules import Entry, EntryKind, Posting, require_balanced


@dataclass(frozen=True)
class LedgerEntry:
    """An entry of an account. The time is in microseconds."""

    posting_id: str
    kind: EntryKind
    amount: int
    time: int


@dataclass(frozen=True)
class Balance:
    """An account and its balance in minor units."""

    account: str
    amount: int


class _EntryAtRest(NamedTuple):
    posting_id: str
    account: str
    amount: int
    currency: str
    kind: str
    time: int


_BALANCE = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries WHERE account = :a"
_ENTRIES = Table("ledger_entries", _EntryAtRest, key=("posting_id", "account"))


def post(tx: Transaction, posting: Posting, currency: str, now: datetime) -> None:
    """Books a posting. Raises ValueError if it does not sum to zero; a second time its id is a defect."""
    post_all(tx, [posting], currency, now)


def post_all(tx: Transaction, postings: Sequence[Posting], currency: str, now: datetime) -> None:
    """Books postings, as `post`."""
    for posting in postings:
        require_balanced(posting)
    time = to_microseconds(now)
    for posting in postings:
        for entry in posting.entries:
            row = _EntryAtRest(posting.posting_id, entry.account, entry.amount, currency, str(posting.kind), time)
            tx.insert(_ENTRIES, row)


def post_once(tx: Transaction, postings: Sequence[Posting], currency: str, now: datetime) -> None:
    """Books those of the postings that are not booked, by their ids; as `post`."""
    post_all(tx, unbooked(tx, postings), currency, now)


def is_any_booked(tx: Transaction, beginning: str) -> bool:
    """Whether there is a posting whose id begins with a text that ends with `#`."""
    found = tx.first(
        int,
        "SELECT 1 FROM ledger_entries WHERE posting_id >= :first AND posting_id < :last LIMIT 1",
        first=beginning,
        last=_behind(beginning),
    )
    return found is not None


def booked(tx: Transaction, posting_id: str, account: str) -> int | None:
    """The amount that a posting has booked to an account, in minor units; None without such an entry."""
    entry = tx.find(_ENTRIES, posting_id, account)
    return None if entry is None else entry.amount


def entries_of(tx: Transaction, beginning: str) -> list[tuple[EntryKind, Entry]]:
    """The entries of all postings whose ids begin with a text that ends with `#`, with their kinds."""
    return tx.all(
        lambda kind, account, amount: (EntryKind.of(kind), Entry(account, amount)),
        "SELECT kind, account, amount FROM ledger_entries WHERE posting_id >= :first AND posting_id < :last",
        first=beginning,
        last=_behind(beginning),
    )


def unbooked(tx: Transaction, postings: Sequence[Posting]) -> tuple[Posting, ...]:
    """The postings that are not booked, by their ids."""
    query = "SELECT 1 FROM ledger_entries WHERE posting_id = :posting_id LIMIT 1"
    return tuple(each for each in postings if tx.first(int, query, posting_id=each.posting_id) is None)


def balance(tx: Transaction, account: str) -> int:
    """The sum of an account's entries, in minor units."""
    return tx.first(int, _BALANCE, a=account) or 0


def balance_wanted(account: str) -> Wanted:
    """The query of `balance`, to be announced."""
    return query_wanted(_BALANCE, a=account)


def balance_before(tx: Transaction, account: str, instant: datetime) -> int:
    """The sum of an account's entries before an instant."""
    return (
        tx.first(
            int,
            "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries"
            " WHERE account = :account AND time < :instant",
            account=account,
            instant=to_microseconds(instant),
        )
        or 0
    )


def given_after(tx: Transaction, account: str, kinds: Sequence[EntryKind], instant: datetime) -> int:
    """The sum of an account's entries of some kinds after an instant."""
    stored = ", ".join(f"'{kind}'" for kind in kinds)
    return (
        tx.first(
            int,
            "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries"  # noqa: S608 - stored names of ours
            f" WHERE account = :account AND time > :instant AND kind IN ({stored})",
            account=account,
            instant=to_microseconds(instant),
        )
        or 0
    )


def entries_between(tx: Transaction, account: str, start: datetime, end: datetime) -> list[LedgerEntry]:
    """An account's entries from `start` up to and without `end`, oldest first.

    Of one instant, money that came in stands before the money that was paid out of it.
    """
    return tx.all(
        _entry,
        "SELECT posting_id, kind, amount, time FROM ledger_entries"
        " WHERE account = :account AND time >= :start AND time < :end ORDER BY time, amount < 0, posting_id",
        account=account,
        start=to_microseconds(start),
        end=to_microseconds(end),
    )


def balances_like(tx: Transaction, prefix: str) -> list[Balance]:
    """The balances of all accounts whose name starts with a prefix, by name."""
    return tx.all(
        Balance,
        "SELECT account, CAST(SUM(amount) AS BIGINT) FROM ledger_entries"
        " WHERE account LIKE :pattern GROUP BY account ORDER BY account",
        pattern=prefix + "%",
    )


def _behind(beginning: str) -> str:
    return beginning.removesuffix("#") + "$"  # the character behind '#'


def _entry(posting_id: str, kind: str, amount: int, time: int) -> LedgerEntry:
    return LedgerEntry(posting_id, EntryKind.of(kind), amount, time)
