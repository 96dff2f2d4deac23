"""The occasions of surveys: orders and joint orders that are done, closed complaints and faults of this origin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.api.region.v1.complaint_pb2 import ComplaintChannel
from gateway.api.region.v1.survey_envelopes_pb2 import SurveyRequested
from gateway.api.region.v1.survey_pb2 import SurveyOccasion
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.store.tables import prints_without
from gateway.wording.words import english
from region_node.business.joint import rows as joint
from region_node.business.joint import rules as joint_rules
from region_node.business.joint import saga
from region_node.business.orders import rows as orders
from region_node.care.complaints import rows as complaints
from region_node.care.complaints import rules as complaint_rules
from region_node.network.faults import rows as faults
from region_node.network.faults import rules as fault_rules
from region_node.records.stored import Events
from region_node.requests.checks import NODE_OPERATOR

REPAIR = "REPAIR"
"""In the place of a business."""


@prints_without("asked")
class Finished(NamedTuple):
    """A finished record of a customer: the request of its region about it, and the trace that it began in."""

    asked: SurveyRequested
    traceparent: str


@dataclass(frozen=True)
class Occasion:
    """A kind of record after which a region requests invitations."""

    name: str
    events: Events
    finished: Callable[[Transaction, str, str], Finished | None]
    """The finished record of a region, by its id; None for an open one, or one without a customer."""


def require_occasion(tx: Transaction, region: str, record_id: str) -> SurveyRequested:
    """The request about a record of this region. Raises Refused with SURVEY_OCCASION_MISSING."""
    found = (occasion.finished(tx, region, record_id) for occasion in OCCASIONS)
    finished = next((each for each in found if each is not None), None)
    if finished is None:
        raise Refused(Reason.REASON_SURVEY_OCCASION_MISSING, id=record_id)
    return finished.asked


def _order(tx: Transaction, region: str, order_id: str) -> Finished | None:
    row = orders.find_order(tx, order_id)
    if row is None or row.order.state != orders.COMPLETED:
        return None
    order = row.order
    if order.origin_region != region or order.operator == NODE_OPERATOR or order.request.bulk:
        return None
    asked = SurveyRequested(
        id=order.id,
        occasion=SurveyOccasion.SURVEY_OCCASION_ORDER,
        number=order.request.number or order.results.get("number", ""),
        business=order.request.business,
        channel=_channel(order.request.requester.channel),
    )
    return Finished(asked, row.traceparent)


def _joint_order(tx: Transaction, region: str, joint_order_id: str) -> Finished | None:
    """The leading region took the order in, and requests for all.

    Where an item ended the line of the number, the customer of the line that another item opened is asked instead.
    """
    row = joint.ORDER_RECORDS.find(tx, joint_order_id)
    if row is None or row.order.state not in saga.DONE or row.order.leader_region != region:
        return None
    order = row.order
    done = [each for each in order.items if each.state == joint_rules.COMPLETED]
    number = "" if any(each.ends_line for each in done) else order.request.number
    opening = next((each.id for each in done if each.opens_line), "")
    if not number and not opening:
        return None
    asked = SurveyRequested(
        id=order.id,
        occasion=SurveyOccasion.SURVEY_OCCASION_ORDER,
        number=number,
        business=order.request.business,
        channel=_channel(order.request.requester.channel),
        item_id="" if number else opening,
    )
    return Finished(asked, row.traceparent)


def _complaint(tx: Transaction, region: str, ticket_id: str) -> Finished | None:
    row = complaints.find_complaint(tx, ticket_id)
    if row is None or row.complaint.state != complaint_rules.CLOSED:
        return None
    complaint = row.complaint
    if complaint.origin_region != region or complaint.case_id or complaint.external_id:
        return None
    asked = SurveyRequested(
        id=complaint.ticket_id,
        occasion=SurveyOccasion.SURVEY_OCCASION_COMPLAINT,
        number=complaint.request.number,
        business=complaint.request.category,
        channel=english(ComplaintChannel.Name(complaint.request.channel), "COMPLAINT_CHANNEL_"),
    )
    return Finished(asked, row.traceparent)


def _repair(tx: Transaction, region: str, fault_id: str) -> Finished | None:
    row = faults.find_fault(tx, fault_id)
    if row is None or row.fault.state != fault_rules.CLOSED:
        return None
    fault = row.fault
    if fault.origin_region != region or not fault.report.number:
        return None
    asked = SurveyRequested(
        id=fault.id,
        occasion=SurveyOccasion.SURVEY_OCCASION_REPAIR,
        number=fault.report.number,
        business=REPAIR,
        channel=_channel(fault.report.requester.channel),
    )
    return Finished(asked, row.traceparent)


def _channel(channel: Channel.ValueType) -> str:
    return english(Channel.Name(channel), "CHANNEL_")


OCCASIONS: Sequence[Occasion] = (
    Occasion("order", orders.EVENTS, _order),
    Occasion("joint", joint.ENDS, _joint_order),
    Occasion("complaint", complaints.EVENTS, _complaint),
    Occasion("fault", faults.EVENTS, _repair),
)
