"""A region follows a problem: affected customers get a notice at its beginning, and one at its end.

The word of coordinators alone notifies nobody. The region's own alarms and faults support it, or staff confirm it. A
reopened problem notifies its customers again, a few times: an outage that comes and goes stops being news.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.federation.v1.problem_pb2 import PROBLEM_STATE_CANCELLED, ProblemHeader
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.federation.problems import is_cause_known
from gateway.store.port import Transaction
from gateway.store.timers import Timer, set_timer
from gateway.values.lists import joined
from region_node.customers.notices.rows import Notice, count_told, tell, told_at
from region_node.customers.rows import line_of
from region_node.network.problems import rows
from region_node.network.problems.port import Evidence, record_of
from region_node.network.problems.rows import AffectedCustomer, Followed, find_followed
from region_node.network.problems.rules import has_notices, is_begun, is_over, is_support, supported_services
from region_node.node.context import RegionContext

PROBLEM_TIMER = "network-problem-notices"
DAILY_LIMIT = "problem-notices"
"""The policy with the notices of the beginning of problems that a customer gets in 24 hours."""
DEFAULT_LIMIT = 3
"""The notices in a federation without the policy: an older configuration takes no limit away."""
_BEGUN, _ENDED = "begun", "ended"
_PAGE = 200  # customers in one transaction
_MOST_TIMES = 5  # notices to a customer of the beginning of one problem, and as many of its end
_KEPT_AFTER_END = timedelta(days=92)
_DAY = timedelta(hours=24)


def follow(
    tx: Transaction, context: RegionContext, evidence: Mapping[str, Evidence], header: ProblemHeader, now: datetime
) -> bool:
    """Takes over the version of a problem; returns False where it is already followed.

    The region's own records that belong to the problem follow it, by kind; others stop following it.
    """
    before = find_followed(tx, header.id)
    if before is not None and before.header.version >= header.version:
        return False
    rows.keep_followed(tx, header, _services_to_notify(tx, context, evidence, before, header, now), now)
    rows.forget_followed(tx, now - _KEPT_AFTER_END)
    _notify(tx, header, now)
    if header.state != PROBLEM_STATE_CANCELLED:
        cause = header.root_cause.id if is_cause_known(header) else ""
        for kind, record in map(record_of, header.child_ids):
            if kind in evidence and (follow_record := evidence[kind].follow) is not None:
                follow_record(tx, context, record, header.id, cause, now)
    for kind, record in map(record_of, _left(before.header, header) if before is not None else ()):
        if kind in evidence and (leave_record := evidence[kind].leave) is not None:
            leave_record(tx, context, record, header.id, now)
    return True


def confirm(tx: Transaction, problem: str, version: int, now: datetime) -> None:
    """Notifies the customers of all services of a problem in its present state, on the word of this region's staff.

    Raises Refused with PROBLEM_NOT_FOUND, or with PROBLEM_CHANGED for another version.
    """
    followed = find_followed(tx, problem)
    if followed is None:
        raise Refused(Reason.REASON_PROBLEM_NOT_FOUND, problem=problem)
    if followed.header.version != version:
        raise Refused(Reason.REASON_PROBLEM_CHANGED, problem=problem, version=str(followed.header.version))
    if unconfirmed_services(tx, followed):
        rows.note_confirmed(tx, followed.header)
        _notify(tx, followed.header, now)


def unconfirmed_services(tx: Transaction, followed: Followed) -> Sequence[str]:
    """The affected services whose customers get no notice of the present state of a problem until staff confirm it.

    Services that no line of this region uses are left out: another region's customers are not notified from here.
    """
    if not has_notices(followed.header):
        return ()
    unconfirmed = [each for each in followed.header.services if each not in followed.notified_services]
    return rows.bound_services(tx, unconfirmed)


def _services_to_notify(
    tx: Transaction,
    context: RegionContext,
    evidence: Mapping[str, Evidence],
    before: Followed | None,
    header: ProblemHeader,
    now: datetime,
) -> Sequence[str]:
    """The services of a problem whose customers get notices of its state, by what this region knows itself.

    A beginning needs own alarms or faults that go on, and an end that those are over. Services stay while the state
    does. Staff who have confirmed the beginning confirm the end too.
    """
    supported: frozenset[str] = frozenset()
    if is_begun(header):
        own = _own_events(tx, context, evidence, header.child_ids, now)
        supported = supported_services(context.federation.network, own)
        if not supported.isdisjoint(header.services):
            rows.note_grounds(tx, header.id, [each.id for each in own if is_support(each)])
    elif is_over(header) and _is_over_here(tx, context, evidence, header, now):
        supported = frozenset(header.services)
    if before is not None and before.header.state == header.state and has_notices(before.header):
        supported |= frozenset(before.notified_services)
    return [each for each in header.services if each in supported]


def _is_over_here(
    tx: Transaction, context: RegionContext, evidence: Mapping[str, Evidence], header: ProblemHeader, now: datetime
) -> bool:
    """Whether all is over by which this region has notified customers of a problem; False where staff confirmed it."""
    names = [header.id, *rows.merged_problems(tx, header.id)]
    if any(followed.is_confirmed for name in names if (followed := find_followed(tx, name)) is not None):
        return False
    return not any(map(is_support, _own_events(tx, context, evidence, rows.grounds(tx, names), now)))


def _own_events(
    tx: Transaction, context: RegionContext, evidence: Mapping[str, Evidence], events: Iterable[str], now: datetime
) -> Sequence[NetworkEvent]:
    """This region's alarms and faults as the region itself has them, by the ids of their events."""
    named = [record_of(each) for each in events]
    found = [evidence[kind].event(tx, context, record, now) for kind, record in named if kind in evidence]
    return [each for each in found if each is not None]


def _notify(tx: Transaction, header: ProblemHeader, now: datetime) -> None:
    """Begins with the notices of a problem's present state."""
    if is_begun(header):
        _set_timer(tx, _BEGUN, header.id, "", now)
    elif is_over(header):
        _set_timer(tx, _ENDED, header.id, "", now)


def tell_customers(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Notifies one page of affected customers, and returns for the next.

    The subject of the timer is the stage, the problem and the last customer of the previous page.
    """
    stage, problem, after = timer.subject.split(" ")
    followed = find_followed(tx, problem)
    if followed is None or not (is_begun if stage == _BEGUN else is_over)(followed.header):
        return
    names, most = [problem, *rows.merged_problems(tx, problem)], _most_of_day(context)
    page = rows.affected_after(tx, followed.notified_services, after, _PAGE)
    for each in page:
        told = told_at(tx, [notice for name in names for notice in _notice_ids(name, each)])
        times = _times_told(told, problem, stage, each)
        # A notice of a merged part counts as a notice of the whole.
        if _is_waiting(told) != (stage == _ENDED) or times >= _MOST_TIMES:
            continue
        if stage == _BEGUN and _begun_of_day(tx, each, now) >= most:
            continue  # an end follows a beginning, so the ends need no limit
        _tell(tx, context, followed, stage, times, each, now)
    if len(page) == _PAGE:
        _set_timer(tx, stage, problem, page[-1].customer_id, now)


def _tell(
    tx: Transaction,
    context: RegionContext,
    followed: Followed,
    stage: str,
    times: int,
    each: AffectedCustomer,
    now: datetime,
) -> None:
    """Notifies a customer, who had `times` such notices before."""
    line = line_of(tx, each.product_id)
    if line is None:
        return
    known = context.federation.network.services
    used = rows.services_used(tx, each.customer_id, followed.notified_services)
    named = joined(known[service].name for service in used if service in known)
    if stage == _BEGUN and times:
        text = LocalizedText(
            zh_cn=f"此前告知您已排除的网络故障再次出现（{named.zh_cn}）。我们正在抢修，恢复后会再告知您。",
            en=f"The problem in the network that we told you was over has come back ({named.en}). We are repairing it"
            " and tell you when it is over.",
        )
    elif stage == _BEGUN:
        text = LocalizedText(
            zh_cn=f"因网络故障，您使用的业务可能受到影响（{named.zh_cn}）。我们正在抢修，恢复后会再告知您。",
            en=f"A problem in the network may affect what you use ({named.en}). We are repairing it and tell you"
            " when it is over.",
        )
    else:
        text = LocalizedText(
            zh_cn=f"此前告知您的网络故障已排除（{named.zh_cn}）。给您带来不便，深表歉意。",
            en=f"The problem in the network that we told you of is over ({named.en}). We are sorry for the trouble.",
        )
    notice_id = _notice_id(followed.header.id, stage, each, times)
    tell(tx, Notice(notice_id, f"network-problem-{stage}", line.number, text), now)


def _most_of_day(context: RegionContext) -> int:
    figure = context.figure(DAILY_LIMIT, context.region)
    return DEFAULT_LIMIT if figure is None else figure


def _begun_of_day(tx: Transaction, customer: AffectedCustomer, now: datetime) -> int:
    """The notices of beginnings that a customer got in the last 24 hours, of all problems."""
    return count_told(tx, customer.customer_id, f"network-problem-{_BEGUN}", now - _DAY)


def _is_waiting(told: Mapping[str, int]) -> bool:
    """Whether the customer's last notice is the beginning of a problem."""
    last = max(told, key=lambda notice_id: (told[notice_id], f"/{_ENDED}/" in notice_id), default="")
    return f"/{_BEGUN}/" in last


def _times_told(told: Mapping[str, int], problem: str, stage: str, customer: AffectedCustomer) -> int:
    return sum(_notice_id(problem, stage, customer, times) in told for times in range(_MOST_TIMES))


def _notice_ids(problem: str, customer: AffectedCustomer) -> Iterator[str]:
    for stage in (_BEGUN, _ENDED):
        for times in range(_MOST_TIMES):
            yield _notice_id(problem, stage, customer, times)


def _notice_id(problem: str, stage: str, customer: AffectedCustomer, times: int) -> str:
    again = f"/{times + 1}" if times else ""
    return f"problem/{problem}/{stage}/{customer.customer_id}{again}"


def _left(before: ProblemHeader, header: ProblemHeader) -> Iterator[str]:
    """The children that have left a problem; children of a merged problem belong to the absorbing one."""
    still = frozenset(header.child_ids if header.state != PROBLEM_STATE_CANCELLED else ())
    return (each for each in before.child_ids if each not in still and not header.merged_into_id)


def _set_timer(tx: Transaction, stage: str, problem: str, after: str, now: datetime) -> None:
    subject = f"{stage} {problem} {after}"
    set_timer(tx, f"{PROBLEM_TIMER}/{problem}/{stage}", kind=PROBLEM_TIMER, subject=subject, due=now)
