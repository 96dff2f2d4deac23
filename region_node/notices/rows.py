"""Notices as stored."""

from dataclasses import dataclass
from datetime import datetime

from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.clock import to_microseconds
from gateway.store.port import Transaction


@dataclass(frozen=True)
class Notice:
    """A text to a customer. The id names its cause: the same notice is never told for two, nor twice for one."""

    notice_id: str
    kind: str
    number: str
    text: LocalizedText


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
        tx.publish(NoticeAdded(), about="notices")
    return bool(added)
