"""Customers whose lines a planned outage takes down are told by their home region: each once, page by page."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway import failpoints
from gateway.api.region.v1.agreement_pb2 import Agreement
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.clock import from_microseconds, from_timestamp, to_microseconds
from gateway.store.port import Transaction
from gateway.timers import Timer, set_timer
from region_node.agreements.rows import on_service_after
from region_node.context import RegionContext
from region_node.customers.rows import line_of
from region_node.notices.rows import Notice, tell

PLANNED_TIMER = "planned-outage-told"
_PAGE = 25  # agreements in one transaction
_BREATH = timedelta(milliseconds=20)


@dataclass(frozen=True)
class _Planned:
    end_time: int
    version: int
    withdrawn: int


def tell_planned_soon(tx: Transaction, service: str, source: str, start: int, now: datetime) -> None:
    """Has those told who have an agreement on a service that a planned outage takes down, or does so no more."""
    subject = f"{service} {start} {source} "
    set_timer(tx, f"{PLANNED_TIMER}/{subject}", kind=PLANNED_TIMER, subject=subject, due=now)


def planned_is_told(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Tells the customers of one page and comes back for the next.

    A window that was moved is told of as the new one; of what has begun already nobody is told.
    """
    service, begins, source, after = timer.subject.split(" ", 3)
    start = int(begins)
    planned = tx.first(
        _Planned,
        "SELECT end_time, version, withdrawn FROM service_outages WHERE service = :service AND source = :source"
        " AND agreement_id = '' AND start_time = :start",
        service=service,
        source=source,
        start=start,
    )
    if planned is None or start <= to_microseconds(now) or (planned.withdrawn and _was_moved(tx, service, source)):
        return
    zone = ZoneInfo(context.time_zone)
    page = on_service_after(tx, service, after, _PAGE)
    for each in page:
        line = line_of(tx, each.agreement.product_id) if each.agreement is not None else None
        if each.agreement is None or line is None or _has_ended_by(each.agreement, start):
            continue
        notice_id = f"planned-outage/{source}/{planned.version}/{line.product_id}"
        tell(tx, Notice(notice_id, "planned-outage", line.number, _text(start, planned, zone)), now)
    failpoints.reach("planned-told.before-commit")
    if len(page) == _PAGE:
        subject = f"{service} {start} {source} {page[-1].agreement_id}"
        set_timer(tx, timer.timer_id, kind=PLANNED_TIMER, subject=subject, due=now + _BREATH)


def _has_ended_by(agreement: Agreement, instant: int) -> bool:
    """Whether an agreement does not run any more at an instant, in microseconds."""
    return agreement.HasField("end_time") and to_microseconds(from_timestamp(agreement.end_time)) <= instant


def _was_moved(tx: Transaction, service: str, source: str) -> bool:
    sql = "SELECT 1 FROM service_outages WHERE service = :service AND source = :source AND withdrawn = 0 LIMIT 1"
    return tx.first(int, sql, service=service, source=source) is not None


def _text(start: int, planned: _Planned, zone: ZoneInfo) -> LocalizedText:
    first, last = (f"{from_microseconds(each).astimezone(zone):%Y-%m-%d %H:%M}" for each in (start, planned.end_time))
    if planned.withdrawn:
        return LocalizedText(
            zh_cn=f"原定于{first}至{last}的计划停机已取消。",
            en=f"The planned outage from {first} to {last} is cancelled.",
        )
    return LocalizedText(
        zh_cn=f"因网络施工，您的业务将于{first}至{last}中断，敬请谅解。",
        en=f"Because of works on the network your service will be interrupted from {first} to {last}.",
    )
