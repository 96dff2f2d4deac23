"""The calls to the region's own system, and the handling of its answers. One transaction each.

A call is counted before it is made, and an answer counts for the last call only. So no answer is handled twice,
whichever process made the call. A lost answer comes again with the repeated call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.api.provider.v1.fulfilment_service_pb2 import Work
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, lasting, text
from gateway.store.port import Transaction
from gateway.time.clock import to_timestamp
from gateway.values.plain_text import acting_character, visible
from region_node.business.orders import provisioning, rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.home import keep_and_tell
from region_node.business.orders.provisioning_rows import (
    Phase,
    Task,
    count_call,
    enter_phase,
    find_task,
    give_to_staff,
    put_off,
    remove_task,
)
from region_node.business.orders.rows import OrderRow, facts, require_order
from region_node.business.orders.steps import advance, carry_out, require_possible, situation_of
from region_node.customers.rows import line_of
from region_node.requests.checks import TEXT_LIMIT
from region_node.tickets.border import is_caught_up

FAILURES_TOLD = 2  # calls without an answer before the order shows it: one may be a restart of the system
RESULTS_LIMIT = 32  # results of one order
_NAME_LIMIT = 64
_NEXT: Mapping[Phase, Phase] = {Phase.CHECK: Phase.PROVISION, Phase.PROVISION: Phase.TEST}


@dataclass(frozen=True)
class Asked:
    """A call: the task at that time, the work, and the order's trace."""

    task: Task
    work: Work = field(repr=False)
    traceparent: str


@dataclass(frozen=True)
class Answer:
    """The system's answer. `problem` for unfinished work; `results` of the provisioning."""

    done: bool
    problem: LocalizedText = field(default_factory=LocalizedText, repr=False)
    results: Mapping[str, str] = field(default_factory=dict, repr=False)


def answered(tx: Transaction, context: OrderContext, asked: Asked, answer: Answer, now: datetime) -> Asked | None:
    """Handles an answer; returns the next call for the same order, if there is one.

    An answer to an earlier call of the order changes nothing.
    """
    task = current(tx, asked)
    if task is None:
        return None
    if answer.done and not _are_of_the_contract(answer.results):
        answer = Answer(
            False, LocalizedText(zh_cn="系统返回的结果不符合接口规范", en="its results are not of the contract")
        )
    following = _NEXT.get(task.phase)
    if answer.done and following is not None:
        return ask(tx, context, enter_phase(tx, task, following, now, {**task.results, **answer.results}), now)
    row = require_order(tx, task.order_id)
    if not answer.done:
        _refused(tx, context, row.order, task, answer.problem, now)
    elif task.phase == Phase.UNDO:
        provisioning.end(tx, context, row.order, now)
    else:
        _finish(tx, context, row.order, task, now)
    keep_and_tell(tx, context, row, now)
    return None


def unanswered(
    tx: Transaction, context: OrderContext, asked: Asked, problem: str, wait: timedelta, now: datetime
) -> None:
    """Notes a call without an answer: it is repeated after `wait`, without limit, and the order shows the problem."""
    task = current(tx, asked)
    if task is None:
        return
    put_off(tx, task, now + wait, problem)
    if task.failures + 1 == FAILURES_TOLD:
        row = require_order(tx, task.order_id)
        told = text(Reason.REASON_PROVIDER_UNAVAILABLE, {})
        row.order.jeopardy_alerts.add(
            alert_time=to_timestamp(now), region=context.node.region, message=f"{told.zh_cn} {told.en}"
        )
        keep_and_tell(tx, context, row, now)


def ask(tx: Transaction, context: OrderContext, task: Task, now: datetime) -> Asked | None:
    """Claims a due call about an order for this process.

    None, and a pause, while the origin may still report a cancellation that this region has lost.
    """
    row, claimed = require_order(tx, task.order_id), count_call(tx, task, context.node.border.number, now)
    if not is_caught_up(context.node, tx, facts(row.order), now):
        return None
    return Asked(claimed, _work(tx, row), row.traceparent)


def _work(tx: Transaction, row: OrderRow) -> Work:
    order = row.order
    line = line_of(tx, order.product_id)
    return Work(
        order_id=order.id,
        business=order.request.business,
        number=line.number if line is not None else "",
        product_id=order.product_id,
        characteristics=order.request.characteristics,
    )


def current(tx: Transaction, asked: Asked) -> Task | None:
    """The task, if this is still the last call of its work."""
    task = find_task(tx, asked.task.order_id)
    return task if task is not None and task.attempts == asked.task.attempts else None


def _are_of_the_contract(results: Mapping[str, str]) -> bool:
    return len(results) <= RESULTS_LIMIT and all(
        0 < len(name) <= _NAME_LIMIT
        and len(value) <= TEXT_LIMIT
        and acting_character(name + value, lines=False) is None
        for name, value in results.items()
    )


def _refused(
    tx: Transaction, context: OrderContext, order: Order, task: Task, problem: LocalizedText, now: datetime
) -> None:
    """Hands a rejected order to the region's staff. The cause of an undo stays its error."""
    told = shown(problem)
    give_to_staff(tx, task, f"{told.zh_cn} {told.en}")
    if task.phase != Phase.UNDO:
        rules.note_error(order, Refused(Reason.REASON_FULFILMENT_FAILED, problem_zh_cn=told.zh_cn, problem_en=told.en))
        provisioning.give_to_staff(order, rules.FULFIL, now)
        return
    note = f"{told.zh_cn} {told.en}"
    if not order.notes or order.notes[-1].text != note:
        order.notes.add(author=context.node.region, time=to_timestamp(now), text=note)
    provisioning.give_to_staff(order, rules.UNDO, now)


def shown(problem: LocalizedText) -> LocalizedText:
    """The beginning of a foreign system's message, without characters that act on a terminal."""
    return LocalizedText(zh_cn=visible(problem.zh_cn)[:TEXT_LIMIT], en=visible(problem.en)[:TEXT_LIMIT])


def _finish(tx: Transaction, context: OrderContext, order: Order, task: Task, now: datetime) -> None:
    """Completes the finished work in the node's own records, unless the order can no longer be carried out."""
    try:
        situation = replace(situation_of(tx, context, order, now), provided=task.results)
        require_possible(context, situation)
        effects = context.rule(situation.business).fulfil(situation)
    except Refused as refused:
        rules.note_error(order, lasting(refused))  # for a temporary reason the answer is asked for again
        provisioning.withdraw(tx, context, order, task, now)
        return
    remove_task(tx, order.id)
    order.results.update(task.results)
    carry_out(tx, context, situation, effects)
    advance(tx, context, situation)
