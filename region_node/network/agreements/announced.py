"""Notices of planned outages: the home region notifies each affected customer once, page by page.

Affected are customers with an agreement on a service that goes down, and with a line that uses it (`network/problems`).
A customer who becomes affected after the announcement is notified then.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.region.v1.agreement_pb2 import OutageCause
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import Timer, set_timer
from gateway.time.clock import from_microseconds, time_in, to_microseconds
from region_node.customers.notices.rows import Notice, is_told, tell
from region_node.customers.rows import Line, line_of
from region_node.network.agreements.spans import Span
from region_node.network.problems.rows import AffectedCustomer
from region_node.node.context import RegionContext

PLANNED_TIMER = "planned-outage-told"
_PAGE = 100  # customers in one transaction
_BREATH = timedelta(milliseconds=20)
_LAST_VERSIONS = 20  # a window that is moved more often than that is looked at no further back


@dataclass(frozen=True)
class _Planned:
    source: str
    start_time: int
    end_time: int
    version: int
    withdrawn: int


_COLUMNS = "source, start_time, end_time, version, withdrawn"


def tell_planned_soon(tx: Transaction, service: str, source: str, start: int, now: datetime) -> None:
    """Schedules notices to the customers whom a planned outage of a service affects, or no longer affects."""
    subject = f"{service} {start} {source} "
    set_timer(tx, f"{PLANNED_TIMER}/{subject}", kind=PLANNED_TIMER, subject=subject, due=now)


def planned_is_told(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Notifies the customers of one page and returns for the next.

    The subject of the timer is the service, the beginning, the source, and the last customer of the previous page. A
    moved window has a notice of its own. An outage that has begun has no more notices.
    """
    service, begins, source, after = timer.subject.split(" ", 3)
    start = int(begins)
    planned = tx.first(
        _Planned,
        f"SELECT {_COLUMNS} FROM service_outages WHERE service = :service AND source = :source"  # noqa: S608 - names
        " AND agreement_id = '' AND start_time = :start",
        service=service,
        source=source,
        start=start,
    )
    if planned is None or start <= to_microseconds(now) or (planned.withdrawn and _was_moved(tx, service, source)):
        return
    page = _customers_after(tx, service, Span(start, planned.end_time), after, _PAGE)
    for each in page:
        line = line_of(tx, each.product_id)
        if line is not None:
            _tell(tx, context, line, planned, now)
    failpoints.reach("planned-told.before-commit")
    if len(page) == _PAGE:
        subject = f"{service} {start} {source} {page[-1].customer_id}"
        set_timer(tx, timer.timer_id, kind=PLANNED_TIMER, subject=subject, due=now + _BREATH)


def tell_announced(
    tx: Transaction, context: RegionContext, service: str, line: Line, since: datetime, now: datetime
) -> None:
    """Notifies the customer of a line, which uses a service from `since` on, of earlier announcements."""
    planned = tx.all(
        _Planned,
        f"SELECT {_COLUMNS} FROM service_outages WHERE service = :service AND cause = :cause"  # noqa: S608 - names
        " AND agreement_id = '' AND withdrawn = 0 AND start_time > :now AND end_time > :since ORDER BY start_time",
        service=service,
        cause=OutageCause.OUTAGE_CAUSE_PLANNED,
        now=to_microseconds(now),
        since=to_microseconds(since),
    )
    for each in planned:
        _tell(tx, context, line, each, now)


def _tell(tx: Transaction, context: RegionContext, line: Line, planned: _Planned, now: datetime) -> None:
    """Once for each version, however many lines and services of the customer it takes down."""
    text = _text(planned, ZoneInfo(context.time_zone), is_moved=_was_told(tx, planned, line.customer_id))
    notice_id = _notice_id(planned, planned.version, line.customer_id)
    tell(tx, Notice(notice_id, "planned-outage", line.number, text), now)


def _was_told(tx: Transaction, planned: _Planned, customer_id: str) -> bool:
    """Whether a customer was notified of an earlier version, among the last ones."""
    earlier = range(max(1, planned.version - _LAST_VERSIONS), planned.version)
    return any(is_told(tx, _notice_id(planned, version, customer_id)) for version in earlier)


def _notice_id(planned: _Planned, version: int, customer_id: str) -> str:
    return f"planned-outage/{planned.source}/{version}/{customer_id}"


def _was_moved(tx: Transaction, service: str, source: str) -> bool:
    sql = "SELECT 1 FROM service_outages WHERE service = :service AND source = :source AND withdrawn = 0 LIMIT 1"
    return tx.first(int, sql, service=service, source=source) is not None


def _text(planned: _Planned, zone: ZoneInfo, *, is_moved: bool) -> LocalizedText:
    times = (planned.start_time, planned.end_time)
    first, last = (time_in(zone, from_microseconds(each)) for each in times)
    if planned.withdrawn:
        return LocalizedText(
            zh_cn=f"原定于{first}至{last}的计划停机已取消。",
            en=f"The planned outage from {first} to {last} is cancelled.",
        )
    if is_moved:
        return LocalizedText(
            zh_cn=f"此前通知您的计划停机时间有变：您的业务改为于{first}至{last}中断，敬请谅解。",
            en=f"The planned outage that we told you of was moved: your service will be interrupted from {first} to"
            f" {last} instead.",
        )
    return LocalizedText(
        zh_cn=f"因网络施工，您的业务将于{first}至{last}中断，敬请谅解。",
        en=f"Because of works on the network your service will be interrupted from {first} to {last}.",
    )


def _customers_after(tx: Transaction, service: str, span: Span, after: str, limit: int) -> list[AffectedCustomer]:
    """At most `limit` affected customers whose data may be used, by id, after one.

    Each once: a customer with a running agreement on the service, and with an active line that uses it.
    """
    return tx.all(
        AffectedCustomer,
        "SELECT lines.customer_id, MIN(lines.product_id) FROM"
        " (SELECT customer_id, product_id FROM agreements WHERE service = :service AND start_time < :end"
        " AND (end_time IS NULL OR (end_time > :start AND end_time > start_time))"
        " UNION SELECT products.customer_id, products.product_id FROM line_services"
        " JOIN products ON products.product_id = line_services.product_id"
        " WHERE line_services.service = :service AND products.status = :active) AS lines"
        " JOIN customers ON customers.customer_id = lines.customer_id"
        " WHERE customers.status = 1 AND lines.customer_id > :after"
        " GROUP BY lines.customer_id ORDER BY lines.customer_id LIMIT :limit",
        service=service,
        start=span.start,
        end=span.end,
        active=ProductStatus.PRODUCT_STATUS_ACTIVE,
        after=after,
        limit=limit,
    )
