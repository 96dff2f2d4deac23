"""A region follows a problem: affected customers are told once when it begins, and once when it is over."""

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
from gateway.timers import Timer, set_timer
from region_node.context import RegionContext
from region_node.customers.rows import line_of
from region_node.faults.owner import follow_problem
from region_node.notices.rows import Notice, is_told, tell
from region_node.problems import rows
from region_node.problems.faults import fault_of
from region_node.problems.rows import AffectedCustomer, find_followed

PROBLEM_TIMER = "network-problem-notices"
_BEGUN, _ENDED = "begun", "ended"
_PAGE = 200  # customers in one transaction
_KEPT_AFTER_END = timedelta(days=92)


def follow(tx: Transaction, context: RegionContext, header: ProblemHeader, now: datetime) -> bool:
    """Takes over how a problem stands; False where a version as high is followed already.

    The region's own faults that belong to it follow it.
    """
    before = find_followed(tx, header.id)
    if before is not None and before.header.version >= header.version:
        return False
    rows.keep_followed(tx, header, now)
    rows.forget_followed(tx, now - _KEPT_AFTER_END)
    if header.state == PROBLEM_STATE_IN_PROGRESS and _is_felt(header):
        _set_timer(tx, _BEGUN, header.id, "", now)
    elif header.state == PROBLEM_STATE_RESOLVED:
        _set_timer(tx, _ENDED, header.id, "", now)
    if header.state != PROBLEM_STATE_CANCELLED:
        for fault in filter(None, map(fault_of, header.children)):
            cause = header.root_cause.id if is_cause_known(header) else ""
            follow_problem(tx, context, fault, header.id, cause, now)
    return True


def tell_customers(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Tells one page of affected customers, and comes back for the next.

    The subject of the timer is the stage, the problem and the last customer of the page before.
    """
    stage, problem, after = timer.subject.split(" ")
    followed = find_followed(tx, problem)
    wanted = PROBLEM_STATE_IN_PROGRESS if stage == _BEGUN else PROBLEM_STATE_RESOLVED
    if followed is None or followed.header.state != wanted:
        return
    names = [problem, *rows.merged_problems(tx, problem)]
    page = rows.affected_after(tx, list(followed.header.services), after, _PAGE)
    for each in page:
        # Who was told of a part of it before has been told of it.
        was_told = any(is_told(tx, _notice_id(name, _BEGUN, each)) for name in names)
        if was_told == (stage == _ENDED):
            _tell(tx, context, followed.header, stage, each, now)
    if len(page) == _PAGE:
        _set_timer(tx, stage, problem, page[-1].customer_id, now)


def _tell(
    tx: Transaction,
    context: RegionContext,
    header: ProblemHeader,
    stage: str,
    each: AffectedCustomer,
    now: datetime,
) -> None:
    line = line_of(tx, each.product_id)
    if line is None:
        return
    known = context.federation.network.services
    named = [known[service].name for service in header.services if service in known]
    zh_cn, en = "、".join(each.zh_cn for each in named), ", ".join(each.en for each in named)
    if stage == _BEGUN:
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
    tell(tx, Notice(_notice_id(header.id, stage, each), f"network-problem-{stage}", line.number, text), now)


def _notice_id(problem: str, stage: str, customer: AffectedCustomer) -> str:
    return f"problem/{problem}/{stage}/{customer.customer_id}"


def _is_felt(header: ProblemHeader) -> bool:
    """Whether customers feel it: major, or critical."""
    return PERCEIVED_SEVERITY_UNSPECIFIED < header.severity <= PERCEIVED_SEVERITY_MAJOR


def _set_timer(tx: Transaction, stage: str, problem: str, after: str, now: datetime) -> None:
    subject = f"{stage} {problem} {after}"
    set_timer(tx, f"{PROBLEM_TIMER}/{problem}/{stage}", kind=PROBLEM_TIMER, subject=subject, due=now)
