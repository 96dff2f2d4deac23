"""The page of a joint order: its items by region, who has them now, milestones, course, and the steps of staff."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import JointAction, JointMilestoneKind
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideRequest, GetBusinessGuideResponse
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder
from gateway.api.region.v1.joint_order_service_pb2 import (
    CancelJointOrderRequest,
    CancelJointOrderResponse,
    GetJointOrderRequest,
    WorkOnJointOrderRequest,
    WorkOnJointOrderResponse,
)
from gateway.errors import Refused
from gateway.web.console.entries import Entry, Field, Group, entry
from gateway.web.console.joint_parts import joint_state_cell, milestones_table, waiting_table
from gateway.web.console.pages import ACT, Calling, Form, Shown, View, Visit, unless_refused
from gateway.web.console.parts import Fact, Option, due_cell
from gateway.web.console.ticket import TicketPage, course, filled, known
from gateway.web.enum_words import number_of, told_word
from gateway.web.tables import Cell, Table
from gateway.wording.joint_orders import item_name, next_limit, told_item_state, told_milestone, told_state
from gateway.wording.languages import translated
from gateway.wording.refusals import told_error
from gateway.wording.terms import business_name, joint_staff_check, region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.business.joint import rules, templates
from region_node.business.joint.course import happened
from region_node.console import order as order_page
from region_node.console import rpcs
from region_node.console.guides import RPCS, Sold, read_named
from region_node.console.steps import Steps, with_sent
from region_node.console.words import CUSTOMERS, applicant_name, number_fact, submitted_by

_TAB = "/joint-orders"
_ID = "id"
_ITEM, _REACH, _CANCEL, _REASON = "item", "reach", "cancel", "reason"
_STEPS = Steps(
    fields=WorkOnJointOrderRequest.DESCRIPTOR.oneofs_by_name["step"].fields,
    titles={
        "verify": lambda: translated("The customer has said that the line is to end"),
        "reserve": lambda: translated("Reserve: the survey was good, or room was made for a held item"),
        "refuse": lambda: translated("Refuse: the survey was bad, or the customer objects"),
        "reach": lambda: translated("Record a milestone"),
        "ask_again": lambda: translated("Ask the region's own system again"),
    },
    labels={"refuse": lambda: translated("Reason"), "reach": lambda: translated("Milestone")},
    lines={},
    longest=rules.REASON_LIMIT,
)


def path_of(joint_order_id: str) -> str:
    """The path of the page of a joint order."""
    return f"{_TAB}/{joint_order_id}"


@dataclass(frozen=True)
class _Found:
    order: JointOrder = field(repr=False)
    guide: GetBusinessGuideResponse | Refused = field(repr=False)
    sold: Sold
    """Where the order opens a line."""


async def _read(visit: Visit, calling: Calling) -> _Found:
    request = GetJointOrderRequest(joint_order_id=visit.names[_ID])
    order = (await calling.ask(rpcs.GET_JOINT_ORDER, request)).order
    asked = GetBusinessGuideRequest(business=order.request.business)
    guide = await unless_refused(calling.ask(rpcs.GET_BUSINESS_GUIDE, asked))
    return _Found(order, guide, await read_named(calling, guide, _region_of_line(order, guide)))


def _region_of_line(order: JointOrder, guide: GetBusinessGuideResponse | Refused) -> str:
    """The region where the order opens a line; empty for none."""
    opened = [] if isinstance(guide, Refused) else templates.opening(guide.business)
    return next((each.region for _, place in opened for each in order.places[place - 1 : place]), "")


def _show(visit: Visit, found: _Found) -> Shown:
    order = found.order
    entries = [*_work(visit, order), *_commands(visit, order)]
    page = TicketPage(
        state=joint_state_cell(order),
        due=due_cell(next_limit(order), visit.now),
        about=f"{business_name(order.request.business)} · {region_name(order.leader_region)}",
        texts=list(_texts(order)),
        facts_heading=translated("Joint order"),
        facts=known([*_facts(visit, order), *_lines(visit, order)]),
        tables=filled(
            [
                _items(order),
                waiting_table(order, visit.now, _since),
                milestones_table(order),
                *order_page.requested(order.request, found.guide, found.sold),
            ]
        ),
        course_heading=translated("Course"),
        course=course(happened(order)),
        groups=[Group(translated("Work on the joint order"), entries)] if entries else (),
    )
    return page.shown(order.id, _TAB)


def _since(start: Timestamp) -> Cell:
    return Cell(told_if_set(start), style="time")


def _texts(order: JointOrder) -> Iterator[Fact]:
    """Why the order was cancelled, and the checks that staff make before they reserve an item."""
    if order.cancellation_reason:
        yield Fact(translated("Reason of the cancellation"), order.cancellation_reason)
    for each in order.items:
        name = item_name(order, each.id)
        if rules.is_to_reserve(each) and (check := joint_staff_check(order.request.business, each.id)):
            yield Fact(translated("Check by staff before the reservation: {item}", item=name), check)


def _facts(visit: Visit, order: JointOrder) -> Sequence[Fact]:
    request = order.request
    return [
        number_fact(visit, request.number),
        Fact(translated("Applicant"), applicant_name(request.applicant)),
        Fact(translated("Home region"), region_name(order.home_region) if order.home_region else ""),
        Fact(translated("Led by"), region_name(order.leader_region)),
        Fact(translated("Accepted"), told_if_set(order.create_time)),
        Fact(translated("Submitted by"), submitted_by(order.operator, request.requester.staff_id)),
        Fact(translated("The survey ends"), told_if_set(order.survey_due_time)),
        Fact(translated("Reservations end"), told_if_set(order.hold_until_time)),
        Fact(translated("Decided"), told_if_set(order.decide_time)),
        Fact(translated("Promised"), told_if_set(order.expected_completion_time)),
        Fact(translated("Ended"), told_if_set(order.end_time)),
        Fact(translated("Items without the others"), translated("possible") if order.partial_allowed else ""),
    ]


def _lines(visit: Visit, order: JointOrder) -> Iterator[Fact]:
    """What items of lines wait for, and the lines that the region has opened."""
    for each in order.items:
        name, until = item_name(order, each.id), told_if_set(each.verify_until_time)
        yield Fact(translated("{item} waits for the customer's own proof until", item=name), until)
        opened = each.opened_number
        yield Fact(translated("Line of {item}", item=name), opened, visit.address(CUSTOMERS, number=opened))


def _items(order: JointOrder) -> Table:
    return Table(
        label=translated("Items"),
        head=[
            Cell(translated("Item"), "col"),
            Cell(translated("Region"), "col"),
            Cell(translated("Action"), "col"),
            Cell(translated("State"), "col"),
            Cell(translated("Reason"), "col"),
        ],
        rows=[
            [
                Cell(item_name(order, each.id), "row"),
                Cell(region_name(each.region), note=_address(order, each)),
                Cell(value_word(JointAction.DESCRIPTOR, each.action)),
                Cell(told_item_state(each.state)),
                Cell(told_error(each.error)),
            ]
            for each in order.items
        ],
    )


def _address(order: JointOrder, item: JointItem) -> str:
    """The address of the place of an item; empty for none."""
    return "".join(each.address for number, each in enumerate(order.places, 1) if number == item.place)


def _work(visit: Visit, order: JointOrder) -> Sequence[Entry]:
    """A form for each step, with the items of the region to which it may be done."""
    own = [each for each in order.items if each.region == visit.person.region]
    offered = [each for each in rules.STEPS if any(each in rules.steps_of(item, visit.now) for item in own)]
    return [_form(visit, order, each, _choices(visit, own, each)) for each in with_sent(visit, offered, rules.STEPS)]


def _choices(visit: Visit, own: Sequence[JointItem], step: str) -> Sequence[JointItem]:
    """The items that allow a step, and the one for which it was sent and refused; without any, all of the region."""
    sent = visit.form.text(_ITEM) if visit.form.text(ACT) == step else ""
    return [each for each in own if each.id == sent or step in rules.steps_of(each, visit.now)] or own


def _form(visit: Visit, order: JointOrder, step: str, items: Sequence[JointItem]) -> Entry:
    names = [Option(each.id, item_name(order, each.id)) for each in items]
    only = items[0].id if len(items) == 1 else ""
    item = Field(_ITEM, "choice", translated("Item"), only, options=names)
    return _STEPS.entry(visit, step, [item], _milestones(visit, items))


def _milestones(visit: Visit, items: Sequence[JointItem]) -> Sequence[Option]:
    """The milestones that come next, and the one that was sent and refused; without any, all."""
    following = [each.kind for item in items if (each := rules.next_milestone(item)) is not None]
    if sent := number_of(JointMilestoneKind.DESCRIPTOR, visit.form.text(_REACH)):
        following.append(JointMilestoneKind.ValueType(sent))
    kinds = dict.fromkeys(following or filter(None, JointMilestoneKind.values()))
    return [Option(told_word(JointMilestoneKind.DESCRIPTOR, each), told_milestone(each)) for each in kinds]


def _commands(visit: Visit, order: JointOrder) -> Sequence[Entry]:
    offered = [_CANCEL] if rules.may_cancel(order, visit.person.region) else []
    fields = [Field(_REASON, "text", translated("Reason in the customer's words"), longest=rules.REASON_LIMIT)]
    return [
        entry(visit, each, translated("Cancel the joint order"), translated("Send"), fields)
        for each in with_sent(visit, offered, (_CANCEL,))
    ]


def _working(visit: Visit) -> WorkOnJointOrderRequest:
    return WorkOnJointOrderRequest(
        request_id=visit.request_id, joint_order_id=visit.names[_ID], item_id=visit.form.text(_ITEM)
    )


def _cancelling(visit: Visit) -> CancelJointOrderRequest:
    return CancelJointOrderRequest(
        request_id=visit.request_id, joint_order_id=visit.names[_ID], reason=visit.form.text(_REASON)
    )


def _worked(visit: Visit, answer: WorkOnJointOrderResponse) -> str:
    """The state of the item: a reservation that its line forbids has become a refusal."""
    order, name = answer.order, visit.form.text(_ITEM)
    state = next((told_item_state(each.state) for each in order.items if each.id == name), told_state(order.state))
    item = item_name(order, name)
    return translated("Done. {item} is now: {state}.", item=item, state=state)


def _cancelled(_: Visit, answer: CancelJointOrderResponse) -> str:
    return translated("Done. The joint order is now: {state}.", state=told_state(answer.order.state))


VIEW = View.of(
    "/joint-orders/{id:.+}",
    (rpcs.GET_JOINT_ORDER, *RPCS),
    _read,
    _show,
    forms=(
        *_STEPS.forms(rpcs.WORK_ON_JOINT_ORDER, _working, _worked, (_ITEM,)),
        Form.of(_CANCEL, rpcs.CANCEL_JOINT_ORDER, _cancelling, _cancelled, (_REASON,)),
    ),
)
