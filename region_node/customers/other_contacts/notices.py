"""Notices about other contacts, to the lines of the customer and to the contacts themselves."""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.store.port import Transaction
from gateway.time.clock import time_in, to_microseconds
from gateway.values.lists import joined_clauses
from gateway.wording.masking import masked_number
from region_node.customers.notices.rows import Notice, tell
from region_node.customers.notified_lines import notified_lines
from region_node.customers.other_contacts.rules import Change, is_in_force
from region_node.customers.rows import Line

_CHANGED = "other-contact-changed"
_CODE = "other-contact-code"


def notify_of_change(tx: Transaction, line: Line, change: Change, zone: ZoneInfo, now: datetime) -> None:
    """Adds a notice to the lines, and to contacts that got codes before: each can object while a new one waits.

    A change of the sequence alone adds none.
    """
    if not change.added and not change.removed:
        return
    told = joined_clauses(
        [
            *(_added(masked_number(each.number), time_in(zone, each.effective)) for each in change.added),
            *(_removed(masked_number(each.number)) for each in change.removed),
        ]
    )
    text = LocalizedText(
        zh_cn=f"您预留的其他联系号码有变更：{told.zh_cn}。如非本人要求，请立即联系归属地客服。",
        en=f"Your other contacts change: {told.en}. If you did not ask for it, call your home region at once.",
    )
    lines = [each.number for each in notified_lines(tx, line)]
    in_force = [each.number for each in (*change.contacts, *change.removed) if is_in_force(each, now)]
    for index, number in enumerate(dict.fromkeys((*lines, *in_force))):
        notice_id = f"other-contacts/{line.customer_id}/{to_microseconds(now)}/{index}"
        tell(tx, Notice(notice_id, _CHANGED, number, text), now)


def notify_of_code(tx: Transaction, number: str, contact: str, subject: str, now: datetime) -> None:
    """Adds a notice to the line of a code to another contact, by the mask of that."""
    text = LocalizedText(
        zh_cn=f"应办理人要求，您号码的验证码已发送至预留联系号码{contact}。如非本人操作，请立即联系归属地客服。",
        en=f"A code for your number was sent to your other contact {contact}, as asked."
        " If this was not you, call your home region at once.",
    )
    tell(tx, Notice(f"{subject}#contact@{to_microseconds(now)}", _CODE, number, text), now)


def _added(mask: str, time: str) -> LocalizedText:
    return LocalizedText(zh_cn=f"新增{mask}，{time}起可接收验证码", en=f"{mask} is new, and gets codes from {time} on")


def _removed(mask: str) -> LocalizedText:
    return LocalizedText(zh_cn=f"删除{mask}", en=f"{mask} is removed")
