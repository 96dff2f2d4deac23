"""Notices as stored: sealed under the key of the number that they are for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.api.region.v1 import notice_service_pb2 as api
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.store import vault
from gateway.store.port import Transaction, Value
from gateway.store.tables import Table, prints_without
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from gateway.wording.masking import masked_number, prints_masked
from region_node.customers.contact_preferences import preferences_of_number
from region_node.customers.notices.rules import TO_EVERYBODY, QuietHours, due_from, is_permitted, purpose_of
from region_node.node.subjects import indexed_number_subject, number_index
from region_node.records.readable import readable_page

ABOUT = "notices"  # the subject of notifications to other processes


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class Notice:
    """A text to a customer. The id names its cause, so that each cause has one notice, and each notice one delivery."""

    notice_id: str
    kind: str
    number: str
    text: LocalizedText = field(repr=False)


@dataclass(frozen=True)
class Claimed:
    """A notice claimed for delivery, with the number of earlier attempts."""

    notice: Notice
    attempts: int


@prints_without("number", "zh_cn", "en")
class _AtRest(NamedTuple):
    """A row; `number` is an index."""

    notice_id: str
    kind: str
    number: str
    create_time: int
    delivery_time: int | None
    attempts: int
    due_time: int
    sealed: bytes
    zh_cn: str = ""
    """Not sealed: of a notice that a version without sealing has stored."""
    en: str = ""
    """As `zh_cn`."""


_NOTICES = Table("notices", _AtRest, key=("notice_id",))
_SELECT = f"SELECT {', '.join(_NOTICES.columns)} FROM notices"  # noqa: S608 - column names only


@dataclass(frozen=True)
class NoticeAdded:
    """Published when a notice was added."""


def is_told(tx: Transaction, notice_id: str) -> bool:
    """Whether a notice was added."""
    return tx.find(_NOTICES, notice_id) is not None


def told_at(tx: Transaction, notice_ids: Sequence[str]) -> Mapping[str, int]:
    """The times at which notices were added, in microseconds; missing ones are left out."""
    names = [f"id{number}" for number in range(len(notice_ids))]
    found = tx.all(
        lambda notice_id, time: (str(notice_id), int(time)),
        "SELECT notice_id, create_time FROM notices"  # noqa: S608 - names of parameters
        f" WHERE notice_id IN ({', '.join(f':{name}' for name in names)})",
        **dict(zip(names, notice_ids, strict=True)),
    )
    return dict(found)


def count_told(tx: Transaction, customer_id: str, kind: str, since: datetime) -> int:
    """How many notices of a kind were added for the lines of a customer since a time."""
    counted = tx.first(
        int,
        "SELECT COUNT(*) FROM products JOIN notices ON notices.number = products.number"
        " WHERE products.customer_id = :customer AND notices.create_time >= :since AND notices.kind = :kind",
        customer=customer_id,
        kind=kind,
        since=to_microseconds(since),
    )
    return counted or 0


def tell(tx: Transaction, notice: Notice, now: datetime) -> bool:
    """Adds a notice for delivery; False for one that exists, or that the customer refuses.

    It is stored, so it may hold no secret. Where it may wait, `claim` keeps it back in the quiet hours.
    """
    index = number_index(tx, notice.number)
    if is_told(tx, notice.notice_id):
        return False
    if _is_refused(tx, notice.kind, index):
        return False
    sealed = _seal_notice(tx, notice.notice_id, index, notice.number, notice.text)
    time = to_microseconds(now)
    row = _AtRest(notice.notice_id, notice.kind, index, time, None, 0, time, sealed)
    tx.insert(_NOTICES, row)
    tx.publish(NoticeAdded(), about=ABOUT)
    return True


def _is_refused(tx: Transaction, kind: str, index: str) -> bool:
    """Whether the customer with a number, by its index, refuses a kind of notice, or nobody here knows."""
    purpose = purpose_of(kind)
    if purpose in TO_EVERYBODY:
        return False
    preferences = preferences_of_number(tx, index)
    return preferences is None or not is_permitted(purpose, preferences)


@dataclass(frozen=True)
class _Clear:
    notice_id: str
    number: str = field(repr=False)
    zh_cn: str = field(repr=False)
    en: str = field(repr=False)


def seal_clear_notices(tx: Transaction, limit: int) -> int:
    """Seals at most so many notices that a version without sealing has written; returns how many."""
    sql = "SELECT notice_id, number, zh_cn, en FROM notices WHERE sealed IS NULL ORDER BY notice_id LIMIT :limit"
    updates: list[dict[str, Value]] = []
    for row in tx.all(_Clear, sql, limit=limit):
        index, text = number_index(tx, row.number), LocalizedText(zh_cn=row.zh_cn, en=row.en)
        sealed = _seal_notice(tx, row.notice_id, index, row.number, text)
        updates.append({"id": row.notice_id, "number": index, "sealed": sealed})
    tx.execute_many(
        "UPDATE notices SET sealed = :sealed, number = :number, zh_cn = '', en = '' WHERE notice_id = :id", updates
    )
    return len(updates)


def _seal_notice(tx: Transaction, notice_id: str, index: str, number: str, text: LocalizedText) -> bytes:
    """A notice for its row, to the number with an index."""
    content = api.Notice(number=number, text=text).SerializeToString()
    return vault.seal(tx, indexed_number_subject(index), _place(notice_id), content)


def claim(tx: Transaction, now: datetime, limit: int, again: timedelta, quiet: QuietHours | None) -> list[Claimed]:
    """Claims at most `limit` due notices, oldest first. No other process claims them until `again` from now.

    Leaves out notices of erased numbers, and removes those that the customer has refused since they were added. In the
    quiet hours a notice that may wait is due at their end, however late it was added or how often it was tried.
    """
    found = tx.all(
        _AtRest,
        f"{_SELECT} WHERE delivery_time IS NULL AND due_time <= :now ORDER BY due_time, notice_id LIMIT :limit",
        now=to_microseconds(now),
        limit=limit,
    )
    claimed: list[Claimed] = []
    for row, content in zip(found, _opened(tx, found), strict=True):
        if content is None:
            note_delivered(tx, row.notice_id, now)
            continue
        if _is_refused(tx, row.kind, row.number):
            tx.execute("DELETE FROM notices WHERE notice_id = :id", id=row.notice_id)
            continue
        if (due := due_from(row.kind, now, quiet)) > now:
            postpone(tx, row.notice_id, due, row.attempts)
            continue
        postpone(tx, row.notice_id, now + again, row.attempts + 1)
        claimed.append(Claimed(Notice(row.notice_id, row.kind, content.number, content.text), row.attempts))
    return claimed


def postpone(tx: Transaction, notice_id: str, due: datetime, attempts: int) -> None:
    """A notice was tried so often, and is tried again then."""
    tx.execute(
        "UPDATE notices SET due_time = :due, attempts = :attempts WHERE notice_id = :id AND delivery_time IS NULL",
        id=notice_id,
        due=to_microseconds(due),
        attempts=attempts,
    )


def note_delivered(tx: Transaction, notice_id: str, now: datetime) -> None:
    """Notes the acceptance of a notice by the region's notification system."""
    tx.execute(
        "UPDATE notices SET delivery_time = :now WHERE notice_id = :id AND delivery_time IS NULL",
        id=notice_id,
        now=to_microseconds(now),
    )


def next_due(tx: Transaction) -> datetime | None:
    """When the next notice that waits is due."""
    sql = "SELECT due_time FROM notices WHERE delivery_time IS NULL ORDER BY due_time LIMIT 1"
    return tx.first(from_microseconds, sql)


_READABLE = (
    " AND NOT EXISTS (SELECT 1 FROM products JOIN customers ON customers.customer_id = products.customer_id"
    " WHERE products.number = notices.number AND customers.status <> 1)"
)


def notices_after(tx: Transaction, number: str, after: tuple[int, str], limit: int) -> list[api.Notice]:
    """At most `limit` notices to a number, or to all where it is empty, oldest first.

    They follow a time (in microseconds) and an id. Notices of restricted and erased customers are left out.
    """
    only = " AND number = :number" if number else ""

    def rows_after(last: _AtRest | None) -> list[_AtRest]:
        time, notice_id = (last.create_time, last.notice_id) if last is not None else after
        return tx.all(
            _AtRest,
            f"{_SELECT} WHERE (create_time > :time OR (create_time = :time AND notice_id > :id))"
            f"{only}{_READABLE} ORDER BY create_time, notice_id LIMIT :limit",
            time=time,
            id=notice_id,
            limit=limit,
            **({"number": number_index(tx, number)} if number else {}),
        )

    return readable_page(rows_after, lambda rows: _messages(tx, rows), limit)


def _place(notice_id: str) -> str:
    return f"notices/{notice_id}"


def _opened(tx: Transaction, rows: Sequence[_AtRest]) -> list[api.Notice | None]:
    """The unsealed content of each: number and texts."""
    sealed = [vault.Sealing(indexed_number_subject(row.number), _place(row.notice_id), row.sealed) for row in rows]
    return [None if each is None else api.Notice.FromString(each) for each in vault.open_many(tx, sealed)]


def _messages(tx: Transaction, rows: Sequence[_AtRest]) -> list[api.Notice | None]:
    contents = _opened(tx, rows)
    return [None if each is None else _message(row, each) for row, each in zip(rows, contents, strict=True)]


def _message(row: _AtRest, content: api.Notice) -> api.Notice:
    return api.Notice(
        id=row.notice_id,
        kind=row.kind,
        number=content.number,
        text=content.text,
        create_time=to_timestamp(from_microseconds(row.create_time)),
        delivery_time=None if row.delivery_time is None else to_timestamp(from_microseconds(row.delivery_time)),
    )
