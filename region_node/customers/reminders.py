"""Reminders before a contract ends (specification 3.4.1): one timer goes through all lines once a day, page by page."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.relay.border import Border
from gateway.store.port import Transaction
from gateway.store.timers import Timer, is_set, set_timer
from gateway.time.clock import to_microseconds
from region_node.customers.listed_lines import lines_ending
from region_node.customers.notices.rows import Notice, tell
from region_node.customers.rows import Line

REMINDER_TIMER = "contract-reminders"
REMINDERS = ("renewal-reminder-first", "renewal-reminder-second", "renewal-reminder-last")
"""The policies with the number of days of each reminder before the end, earliest first."""
_PAGE = 200  # lines in one transaction
_HOUR = time(9)  # of the region's day, so that nobody is woken
_RETRY = timedelta(minutes=1)


def ensure_reminders(tx: Transaction, now: datetime) -> None:
    """Sets a timer if there is none, due immediately."""
    if not is_set(tx, REMINDER_TIMER):
        set_timer(tx, REMINDER_TIMER, kind=REMINDER_TIMER, subject="", due=now)


def remind(tx: Transaction, border: Border, timer: Timer, now: datetime) -> None:
    """Looks at one page of lines whose contract ends soon, notifies their customers, and returns for the next page.

    The subject of the timer is the last line of the previous page. A line gets each reminder once; of those missed
    during downtime only the latest.
    """
    try:
        federation = border.current.federation
        zone = ZoneInfo(federation.region(border.region).time_zone)
        days = [federation.figure(name, (border.region,)) for name in REMINDERS]
    except Refused:  # no configuration yet
        set_timer(tx, REMINDER_TIMER, kind=REMINDER_TIMER, subject="", due=now + _RETRY)
        return
    lines = lines_ending(tx, now, now + timedelta(days=max(days) + 1), timer.subject, _PAGE)
    for line in lines:
        _remind_of(tx, line, days, zone, now)
    if len(lines) == _PAGE:
        set_timer(tx, REMINDER_TIMER, kind=REMINDER_TIMER, subject=_place(lines[-1]), due=now)
    else:
        set_timer(tx, REMINDER_TIMER, kind=REMINDER_TIMER, subject="", due=next_look(now, zone))


def next_look(now: datetime, zone: ZoneInfo) -> datetime:
    """When lines are looked at again: tomorrow morning in the region."""
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, _HOUR, zone)


def reminder_due(end: datetime, now: datetime, days: Sequence[int], zone: ZoneInfo) -> int | None:
    """The due reminder before a contract's end, as its number of days; None where all are too early.

    `days` are those of all reminders. Counted in days of the region's calendar.
    """
    left = (end.astimezone(zone).date() - now.astimezone(zone).date()).days
    return min((each for each in days if left <= each), default=None)


def _remind_of(tx: Transaction, line: Line, days: Sequence[int], zone: ZoneInfo, now: datetime) -> None:
    if line.contract_end is None or line.status != ProductStatus.PRODUCT_STATUS_ACTIVE:
        return
    due = reminder_due(line.contract_end, now, days, zone)
    if due is None:
        return
    end = line.contract_end.astimezone(zone).date()
    text = LocalizedText(
        zh_cn=f"您的合约将于{end:%Y年%m月%d日}到期，可在任一地区的营业厅、热线或线上办理续约。",
        en=f"Your contract ends on {end}. You can renew it in any region, at a counter, by telephone or online.",
    )
    tell(tx, Notice(f"contract-reminder/{line.product_id}/{end}/{due}", "contract-reminder", line.number, text), now)


def _place(line: Line) -> str:
    """The place behind this line, where the next page begins."""
    assert line.contract_end is not None, "only lines with a contract are looked at"
    return f"{to_microseconds(line.contract_end)} {line.product_id}"
