"""A region follows a problem: affected customers get a notice at its beginning, and one at its end.

A reopened problem notifies its customers again, a few times: an outage that comes and goes stops being news.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from gateway.api.federation.v1.problem_pb2 import (
    PERCEIVED_SEVERITY_MAJOR,
    PERCEIVED_SEVERITY_UNSPECIFIED,
    PROBLEM_STATE_CANCELLED,
    PROBLEM_STATE_IN_PROGRESS,
    PROBLEM_STATE_RESOLVED,
    ProblemHeader,
)
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.federation.problems import is_cause_known
from gateway.store.port import Transaction
from gateway.store.timers import Timer, set_timer
from region_node.customers.notices.rows import Notice, tell, told_at
from region_node.customers.rows import line_of
from region_node.network.problems import rows
from region_node.network.problems.port import Evidence, record_of
from region_node.network.problems.rows import AffectedCustomer, find_followed
from region_node.node.context import RegionContext

PROBLEM_TIMER = "network-problem-notices"
_BEGUN, _ENDED = "begun", "ended"
_PAGE = 200  # customers in one transaction
_MOST_TIMES = 5  # notices to a customer of the beginning of one problem, and as many of its end
_KEPT_AFTER_END = timedelta(days=92)


def follow(
    tx: Transaction, context: RegionContext, evidence: Mapping[str, Evidence], header: ProblemHeader, now: datetime
) -> bool:
    """Takes over the version of a problem; returns False where it is already followed.

    The region's own records that belong to the problem follow it, by kind; others stop following it.
    """
    before = find_followed(tx, header.id)
    if before is not None and before.header.version >= header.version:
        return False
    rows.keep_followed(tx, header, now)
    rows.forget_followed(tx, now - _KEPT_AFTER_END)
    if _goes_on(header) and _is_felt(header):
        _set_timer(tx, _BEGUN, header.id, "", now)
    elif _is_over(header):
        _set_timer(tx, _ENDED, header.id, "", now)
    if header.state != PROBLEM_STATE_CANCELLED:
        cause = header.root_cause.id if is_cause_known(header) else ""
        for kind, record in map(record_of, header.child_ids):
            if kind in evidence:
                evidence[kind].follow(tx, context, record, header.id, cause, now)
    for kind, record in map(record_of, _left(before.header, header) if before is not None else ()):
        if kind in evidence:
            evidence[kind].leave(tx, context, record, header.id, now)
    return True


def tell_customers(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Notifies one page of affected customers, and returns for the next.

    The subject of the timer is the stage, the problem and the last customer of the previous page.
    """
    stage, problem, after = timer.subject.split(" ")
    followed = find_followed(tx, problem)
    if followed is None or not (_goes_on if stage == _BEGUN else _is_over)(followed.header):
        return
    names = [problem, *rows.merged_problems(tx, problem)]
    page = rows.affected_after(tx, list(followed.header.services), after, _PAGE)
    for each in page:
        told = told_at(tx, [notice for name in names for notice in _notice_ids(name, each)])
        times = _times_told(told, problem, stage, each)
        # A notice of a merged part counts as a notice of the whole.
        if _is_waiting(told) == (stage == _ENDED) and times < _MOST_TIMES:
            _tell(tx, context, followed.header, stage, times, each, now)
    if len(page) == _PAGE:
        _set_timer(tx, stage, problem, page[-1].customer_id, now)


def _tell(
    tx: Transaction,
    context: RegionContext,
    header: ProblemHeader,
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
    used = rows.services_used(tx, each.customer_id, list(header.services))
    named = [known[service].name for service in used if service in known]
    zh_cn, en = "、".join(each.zh_cn for each in named), ", ".join(each.en for each in named)
    if stage == _BEGUN and times:
        text = LocalizedText(
            zh_cn=f"此前告知您已排除的网络故障再次出现（{zh_cn}）。我们正在抢修，恢复后会再告知您。",
            en=f"The problem in the network that we told you was over has come back ({en}). We are repairing it and"
            " tell you when it is over.",
        )
    elif stage == _BEGUN:
        text = LocalizedText(
            zh_cn=f"因网络故障，您使用的业务可能受到影响（{zh_cn}）。我们正在抢修，恢复后会再告知您。",
            en=f"A problem in the network may affect what you use ({en}). We are repairing it and tell you when it is"
            " over.",
        )
    else:
        text = LocalizedText(
            zh_cn=f"此前告知您的网络故障已排除（{zh_cn}）。给您带来不便，深表歉意。",
            en=f"The problem in the network that we told you of is over ({en}). We are sorry for the trouble.",
        )
    notice_id = _notice_id(header.id, stage, each, times)
    tell(tx, Notice(notice_id, f"network-problem-{stage}", line.number, text), now)


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


def _goes_on(header: ProblemHeader) -> bool:
    return header.state == PROBLEM_STATE_IN_PROGRESS


def _is_over(header: ProblemHeader) -> bool:
    """Whether the problem has ended and is not merged into another one; also for a retracted problem."""
    return header.state == PROBLEM_STATE_RESOLVED or (
        header.state == PROBLEM_STATE_CANCELLED and not header.merged_into_id
    )


def _is_felt(header: ProblemHeader) -> bool:
    """Whether customers feel it: major, or critical."""
    return PERCEIVED_SEVERITY_UNSPECIFIED < header.severity <= PERCEIVED_SEVERITY_MAJOR


def _set_timer(tx: Transaction, stage: str, problem: str, after: str, now: datetime) -> None:
    subject = f"{stage} {problem} {after}"
    set_timer(tx, f"{PROBLEM_TIMER}/{problem}/{stage}", kind=PROBLEM_TIMER, subject=subject, due=now)
