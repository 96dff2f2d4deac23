"""The line that an item of a joint order opens, at the region of the item. Parts of one transaction.

The rules are those of the businesses that open a line. The line is in service with the test of the item, in the
transaction that stores it. Its id belongs to order and item, so that a repeated test opens no second one.
"""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind, JointNewLine, LineKind
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointPlace
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, LocalizedText
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.business.joint import saga, templates
from region_node.business.joint.rows import work_id
from region_node.business.orders.business import Situation, line_to_open
from region_node.business.orders.context import OrderContext
from region_node.business.orders.new_lines import (
    PERSONS_DOCUMENT,
    holder_document,
    number_for,
    opened,
    require_openable,
    require_plan,
)
from region_node.business.orders.rules import read_characteristics
from region_node.customers.documents.register import require_on_file
from region_node.customers.documents.rules import require_documents
from region_node.customers.notices.rows import Notice, tell
from region_node.customers.rows import line_at_rest, line_of
from region_node.customers.status import ACTIVE, status_of
from region_node.node.context import RegionContext

PLAN = "plan"
"""The characteristic with which the customer chooses the plan of the new line."""
_TEST = JointMilestoneKind.JOINT_MILESTONE_KIND_TEST


def require_plan_sold(context: RegionContext, request: OrderRequest, places: Sequence[JointPlace]) -> None:
    """Checks at the leading region the plan that a request names for a new line, where it names one.

    Raises Refused with PLAN_UNKNOWN for one that the region of the line does not sell, and with CHARACTERISTIC_MISSING
    where the holder has no name.
    """
    if not _has_plan(request):
        return
    for template, place in templates.opening(context.federation.business(request.business)):
        name = template.opens_line.name_characteristic
        if not request.characteristics.get(name, ""):
            raise Refused(Reason.REASON_CHARACTERISTIC_MISSING, business=request.business, name=name)
        region = places[place - 1].region
        require_plan(context.federation, region, request.characteristics[PLAN], template.opens_line.kind)


def is_opening(context: RegionContext, order: JointOrder, item: JointItem) -> bool:
    """Whether the node opens the line of an item: by this region's own catalogue, with a plan of the customer."""
    return _has_plan(order.request) and _template(context, order, item) is not None


def problem_of(
    tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime
) -> Refused | None:
    """The reason why the line of an item cannot be opened now; None where it can, or is open."""
    try:
        if not _is_open(tx, order, item):
            _require_possible(tx, context, order, item, now)
    except Refused as refused:
        return refused
    return None


def follow(tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime) -> None:
    """Opens the line of an item that is tested, once. Raises Refused before the first write, as `problem_of`."""
    is_tested = any(each.kind == _TEST and each.HasField("reach_time") for each in item.milestones)
    if not is_tested or _is_open(tx, order, item):
        return
    situation, kind = _require_possible(tx, context, order, item, now)
    number = number_for(situation, kind)
    effects = opened(situation, kind, number)
    OrderContext(context, {}).fulfilment.carry_out(tx, situation, effects)
    audit.append(tx, now=now, actor=order.id, action="OpenedByJointOrder", subject=effects.line.product_id)
    text = LocalizedText(
        zh_cn=f"您的新线路已开通，号码为{number}，联办订单编号{order.id}。",
        en=f"Your new line is in service under {number}, by the order {order.id}.",
    )
    tell(tx, Notice(f"joint/{order.id}/{item.id}/opened", "joint-opened", number, text), now)


def number_of(tx: Transaction, order: JointOrder, item: JointItem) -> str:
    """The number of the line that an item of this region has opened; empty unless its customer is active here."""
    product_id = _future_line(order, item)
    known = line_at_rest(tx, product_id) if item.opens_line else None
    if known is None or status_of(tx, known.customer_id) != ACTIVE:
        return ""
    line = line_of(tx, product_id)
    return "" if line is None else line.number


def _has_plan(request: OrderRequest) -> bool:
    return bool(request.characteristics.get(PLAN, ""))


def _future_line(order: JointOrder, item: JointItem) -> str:
    return line_to_open(Order(id=work_id(order.id, item.id))).product_id


def _is_open(tx: Transaction, order: JointOrder, item: JointItem) -> bool:
    return line_at_rest(tx, _future_line(order, item)) is not None


def _template(context: RegionContext, order: JointOrder, item: JointItem) -> JointNewLine | None:
    try:
        business = context.federation.business(order.request.business)
    except Refused:
        return None  # the catalogue has no such business
    return next((each.opens_line for each, _ in templates.opening(business) if each.id == item.id), None)


def _require_possible(
    tx: Transaction, context: RegionContext, order: JointOrder, item: JointItem, now: datetime
) -> tuple[Situation, LineKind.ValueType]:
    """The decision on the new line and its kind, once it is possible. Raises Refused, as an order that opens a line.

    The papers have to be fresh at the acceptance of the order, since its survey takes days.
    """
    new_line = _template(context, order, item)
    if new_line is None:
        raise Refused(Reason.REASON_BUSINESS_UNSUPPORTED, business=order.request.business)
    prepared = context.federation.prepared(order.request.business)
    require_documents(prepared, order.request, from_timestamp(order.create_time))
    values = read_characteristics(prepared, order.request)
    values["name"] = values.get(new_line.name_characteristic, "")
    if new_line.kind == LineKind.LINE_KIND_BROADBAND and 0 < item.place <= len(order.places):
        values["address"] = order.places[item.place - 1].address
    # The leading region has seen the papers, and knows the holder by them.
    opening = Order(
        id=work_id(order.id, item.id),
        request=_request_of_holder(order.request, new_line),
        origin_region=order.leader_region,
        create_time=order.create_time,
    )
    paper = holder_document(opening.request)
    if not _is_checked_by_home(context, order, item, new_line):
        require_on_file(tx, context, [paper], None, now)
    situation = OrderContext(context, {}).situation(tx, opening, values, line_to_open(opening), now)
    require_openable(situation, new_line.kind)
    return situation, new_line.kind


def _is_checked_by_home(context: RegionContext, order: JointOrder, item: JointItem, new_line: JointNewLine) -> bool:
    """Whether the home of the line that the order ends says that it has checked the papers of its holder.

    The leading region passes this on. A false word gains it nothing: it attests papers that are on no file, too. The
    number plan says who the home is until this region has checked its own item, and never again: numbers move later,
    too, and the plan of another process of this region may be behind.
    """
    found = templates.ending(context.federation.business(order.request.business))
    ended = None if found is None or new_line.holder_document else saga.item_of(order, found[0].id)
    if ended is None or not ended.papers_checked:
        return False
    is_checked_here = item.papers_checked or order.leader_region == context.region
    return is_checked_here or ended.region == context.federation.number_plan.home_of(order.request.number)


def _request_of_holder(request: OrderRequest, new_line: JointNewLine) -> OrderRequest:
    """The request as the holder of the new line would make it. Raises Refused with DOCUMENT_MISSING."""
    found = OrderRequest()
    found.CopyFrom(request)
    if new_line.holder_document:
        found.applicant = Applicant.APPLICANT_HOLDER
        identifying = [each for each in request.documents if each.code == new_line.holder_document]
        del found.documents[:]
        for each in identifying:
            found.documents.add().CopyFrom(each)
            found.documents[-1].code = PERSONS_DOCUMENT
    return found
