"""Notices as stored."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.region.v1 import notice_service_pb2 as api
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.clock import from_microseconds, to_microseconds, to_timestamp
from gateway.store.port import Transaction

ABOUT = "notices"  # what other processes are told of


@dataclass(frozen=True)
class Notice:
    """A text to a customer. The id names its cause: the same notice is never told for two, nor twice for one."""

    notice_id: str
    kind: str
    number: str
    text: LocalizedText


@dataclass(frozen=True)
class Claimed:
    """A notice that is to be delivered by who claimed it; how often that was tried before."""

    notice: Notice
    attempts: int


@dataclass(frozen=True)
class NoticeAdded:
    """Published when a notice was added."""


def tell(tx: Transaction, notice: Notice, now: datetime) -> bool:
    """Adds a notice, to be delivered at once; False where it is there already. It holds no secret: it is stored."""
    added = tx.execute(
        "INSERT INTO notices (notice_id, kind, number, zh_cn, en, create_time, delivery_time, attempts, due)"
        " SELECT :notice_id, :kind, :number, :zh_cn, :en, :now, NULL, 0, :now"
        " WHERE NOT EXISTS (SELECT 1 FROM notices WHERE notice_id = :notice_id)",
        notice_id=notice.notice_id,
        kind=notice.kind,
        number=notice.number,
        zh_cn=notice.text.zh_cn,
        en=notice.text.en,
        now=to_microseconds(now),
    )
    if added:
        tx.publish(NoticeAdded(), about=ABOUT)
    return bool(added)


def claim(tx: Transaction, now: datetime, limit: int, again: timedelta) -> list[Claimed]:
    """At most so many notices that are due, oldest first. Until `again` from now nobody else claims them."""
    found = tx.all(
        _claimed,
        "SELECT notice_id, kind, number, zh_cn, en, attempts FROM notices"
        " WHERE delivery_time IS NULL AND due <= :now ORDER BY due, notice_id LIMIT :limit",
        now=to_microseconds(now),
        limit=limit,
    )
    for each in found:
        postpone(tx, each.notice.notice_id, now + again, each.attempts + 1)
    return found


def postpone(tx: Transaction, notice_id: str, due: datetime, attempts: int) -> None:
    """A notice was tried so often, and is tried again then."""
    tx.execute(
        "UPDATE notices SET due = :due, attempts = :attempts WHERE notice_id = :id AND delivery_time IS NULL",
        id=notice_id,
        due=to_microseconds(due),
        attempts=attempts,
    )


def note_delivered(tx: Transaction, notice_id: str, now: datetime) -> None:
    """The region's notification system has taken a notice over."""
    tx.execute(
        "UPDATE notices SET delivery_time = :now WHERE notice_id = :id AND delivery_time IS NULL",
        id=notice_id,
        now=to_microseconds(now),
    )


def next_due(tx: Transaction) -> datetime | None:
    """When the next notice that waits is due."""
    sql = "SELECT due FROM notices WHERE delivery_time IS NULL ORDER BY due LIMIT 1"
    return tx.first(from_microseconds, sql)


def notices_after(tx: Transaction, number: str, after: tuple[int, str], limit: int) -> list[api.Notice]:
    """At most so many notices to a number, or to all where it is empty, oldest first, after a time (in microseconds)
    and an id.
    """
    only = " AND number = :number" if number else ""
    return tx.all(
        _message,
        "SELECT notice_id, kind, number, zh_cn, en, create_time, delivery_time FROM notices"  # noqa: S608 - no values
        " WHERE (create_time > :time OR (create_time = :time AND notice_id > :id))"
        f"{only} ORDER BY create_time, notice_id LIMIT :limit",
        time=after[0],
        id=after[1],
        limit=limit,
        **({"number": number} if number else {}),
    )


def _claimed(notice_id: str, kind: str, number: str, zh_cn: str, en: str, attempts: int) -> Claimed:
    return Claimed(Notice(notice_id, kind, number, LocalizedText(zh_cn=zh_cn, en=en)), attempts)


def _message(
    notice_id: str, kind: str, number: str, zh_cn: str, en: str, create_time: int, delivery_time: int | None
) -> api.Notice:
    return api.Notice(
        id=notice_id,
        kind=kind,
        number=number,
        text=LocalizedText(zh_cn=zh_cn, en=en),
        create_time=to_timestamp(from_microseconds(create_time)),
        delivery_time=None if delivery_time is None else to_timestamp(from_microseconds(delivery_time)),
    )
