"""Items of joint orders that the region's own system carries out. Parts of one transaction.

A task follows the state of its item: the system checks what is surveyed, provisions and tests what is in progress, and
undoes what was released. Between these the task is idle. Staff may do any step themselves.
"""

from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.provider.v1.fulfilment_service_pb2 import JointWork, Work
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, text
from gateway.store.port import Transaction
from region_node.business.joint import lines, rules
from region_node.business.joint.rows import (
    ITEM_RECORDS,
    ORDER_RECORDS,
    JointOrderRow,
    facts,
    item_key,
    joint_subject,
    work_id,
)
from region_node.business.orders.provisioning_answers import FAILURES_TOLD, Answer, Asked, current, shown
from region_node.business.orders.provisioning_rows import (
    Phase,
    Task,
    add_task,
    count_call,
    enter_phase,
    find_task,
    give_to_staff,
    put_off,
    remove_task,
    rest,
)
from region_node.node.context import RegionContext
from region_node.tickets.border import is_caught_up

_CONFIGURE = JointMilestoneKind.JOINT_MILESTONE_KIND_CONFIGURE
_BY_SYSTEM = Reason.REASON_JOINT_SYSTEM_REFUSED
_TEST = JointMilestoneKind.JOINT_MILESTONE_KIND_TEST


def phase_of(item: JointItem) -> Phase:
    """The call that an item needs. The system tests only an item that it provisions.

    An item that staff, or its line, have refused is undone: the system may have reserved it.
    """
    if item.HasField("verify_until_time"):
        return Phase.IDLE
    if item.state in (rules.SURVEYING, rules.HELD):
        return Phase.CHECK
    is_refused_elsewhere = item.state == rules.REFUSED and item.error.reason != _BY_SYSTEM
    if item.state == rules.RELEASED or is_refused_elsewhere:
        return Phase.UNDO
    milestone = rules.next_milestone(item)
    if item.state != rules.IN_PROGRESS or milestone is None:
        return Phase.IDLE
    if milestone.kind == _CONFIGURE:
        return Phase.PROVISION
    is_provisioned = any(each.kind == _CONFIGURE for each in item.milestones)
    return Phase.TEST if milestone.kind == _TEST and is_provisioned else Phase.IDLE


def follow(tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime) -> None:
    """Brings the task of a changed item to what the item needs now; begins one where the settings name its business."""
    name, wanted = work_id(order.id, item.id), phase_of(item)
    task = find_task(tx, name)
    if task is None:
        if wanted == Phase.CHECK and order.request.business in context.provisioned:
            add_task(tx, name, now, joint_subject(order.id))
    elif item.state in (rules.COMPLETED, rules.REFUSED) and wanted == Phase.IDLE:
        remove_task(tx, name)
    elif task.phase != wanted:
        _enter(tx, task, wanted, now)


def ask_again(tx: Transaction, order: JointOrder, item: JointItem, now: datetime) -> None:
    """Repeats the call that the system refused. Raises Refused with JOINT_ITEM_STATE_FORBIDS where it did not."""
    task = find_task(tx, work_id(order.id, item.id))
    if task is None or task.phase == Phase.IDLE or task.due_time is not None:
        state = rules.state_name(item.state)
        raise Refused(Reason.REASON_JOINT_ITEM_STATE_FORBIDS, state=state, action="ask again")
    rules.note_problem(item, rules.cause_of(item), now)
    enter_phase(tx, task, task.phase, now, task.results)


def ask(tx: Transaction, context: RegionContext, task: Task, now: datetime) -> Asked | None:
    """Claims a due call about an item for this process.

    None, and a pause, while the leading region may still report a step that this region has lost.
    """
    row, item = _find(tx, task)
    claimed = count_call(tx, task, context.border.number, now)
    order = row.order
    if not is_caught_up(context, tx, facts(order), now):
        return None
    place = order.places[item.place - 1].address if 0 < item.place <= len(order.places) else ""
    work = Work(
        order_id=task.order_id,
        business=order.request.business,
        number=order.request.number,
        characteristics=order.request.characteristics,
        item=JointWork(item_id=item.id, action=item.action, address=place, hold_until_time=order.hold_until_time),
    )
    return Asked(claimed, work, row.traceparent)


def take_answer(
    tx: Transaction, context: RegionContext, asked: Asked, answer: Answer, now: datetime
) -> tuple[JointOrderRow, JointItem] | None:
    """Brings an item on by an answer; returns what is to be stored and reported.

    None for an answer to an earlier call, and for one that changes no item.
    """
    task = current(tx, asked)
    if task is None:
        return None
    row, item = _find(tx, task)
    refused = _refusal(tx, context, task, answer, row, item, now)
    if refused is not None:
        if item.state == rules.SURVEYING:
            rules.refuse(item, refused, now)
        else:
            told = text(refused.reason, refused.parameters)
            give_to_staff(tx, task, f"{told.zh_cn} {told.en}")
            note = rules.note_undo_refused if item.state == rules.REFUSED else rules.note_problem
            note(item, refused, now)
        return row, item
    match task.phase:
        case Phase.CHECK:
            rules.reserve(item, now)
        case Phase.PROVISION:
            rules.reach(item, _CONFIGURE, now)
        case Phase.TEST:
            rules.reach(item, _TEST, now)
        case _:
            rest(tx, task)
            return None
    return row, item


def take_silence(
    tx: Transaction, asked: Asked, problem: str, wait: timedelta, now: datetime
) -> tuple[JointOrderRow, JointItem] | None:
    """Notes a call without an answer, which is repeated after `wait`; returns what is to be stored and reported."""
    task = current(tx, asked)
    if task is None:
        return None
    put_off(tx, task, now + wait, problem)
    if task.phase == Phase.UNDO or task.failures + 1 != FAILURES_TOLD:
        return None  # what was released has ended for everybody else
    row, item = _find(tx, task)
    rules.note_problem(item, Refused(Reason.REASON_PROVIDER_UNAVAILABLE), now)
    return row, item


def _refusal(
    tx: Transaction,
    context: RegionContext,
    task: Task,
    answer: Answer,
    row: JointOrderRow,
    item: JointItem,
    now: datetime,
) -> Refused | None:
    """The reason why an item does not go on: by the system, or by its line, which the system does not know.

    A line is promised, or found possible, with the check; it is opened with the test.
    """
    if not answer.done:
        told = shown(answer.problem)
        return Refused(_BY_SYSTEM, problem_zh_cn=told.zh_cn, problem_en=told.en)
    has_line = task.phase == Phase.CHECK or (task.phase == Phase.TEST and item.opens_line)
    return lines.problem_of(tx, context, row.order, item, now) if has_line else None


def _find(tx: Transaction, task: Task) -> tuple[JointOrderRow, JointItem]:
    order_id, _, item_id = task.order_id.rpartition("#")
    return ORDER_RECORDS.require(tx, order_id), ITEM_RECORDS.require(tx, item_key(order_id, item_id)).item


def _enter(tx: Transaction, task: Task, phase: Phase, now: datetime) -> None:
    if phase == Phase.IDLE:
        rest(tx, task)
    else:
        enter_phase(tx, task, phase, now, task.results)
