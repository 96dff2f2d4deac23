"""The lists of all regions: in which order they come, and whose word counts. Pure."""

from dataclasses import replace
from functools import partial

from coordinator.oversight import complaint_rules, rules
from gateway.api.region.v1.bulletin_oversight_service_pb2 import BulletinHeader
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader
from gateway.api.region.v1.customer_move_oversight_service_pb2 import CustomerMoveHeader
from gateway.api.region.v1.issue_oversight_service_pb2 import IssueHeader
from gateway.api.region.v1.order_oversight_service_pb2 import JointOrderSummary, OrderSummary
from gateway.api.region.v1.resource_oversight_service_pb2 import ResourceStatus
from gateway.rpc.merged_pages import MergedList
from gateway.rpc.pages import dated_key, ticket_key
from gateway.time.clock import from_timestamp

NEWEST_ORDERS = MergedList[OrderSummary](
    "orders", lambda each: dated_key(from_timestamp(each.create_time), each.id), rules.merged, descending=True
)
FOUND_ORDERS = replace(NEWEST_ORDERS, kind="orders of a number")
NEWEST_JOINT_ORDERS = MergedList[JointOrderSummary](
    "joint orders",
    lambda each: dated_key(from_timestamp(each.create_time), each.id),
    rules.merged_joint_orders,
    descending=True,
)
NEWEST_COMPLAINTS = MergedList[ComplaintHeader](
    "complaints", partial(ticket_key, by_due_time=False), complaint_rules.merged, descending=True
)
DUE_COMPLAINTS = MergedList[ComplaintHeader](
    "due complaints", partial(ticket_key, by_due_time=True), complaint_rules.merged
)
"""Those that are due first come first."""
DUE_ISSUES = MergedList[IssueHeader](
    "due issues", lambda each: dated_key(from_timestamp(each.due_time), each.id), rules.merged_issues
)
"""Those that are due first come first."""
OLDEST_MOVES = MergedList[CustomerMoveHeader](
    "open moves", lambda each: dated_key(from_timestamp(each.create_time), each.id), rules.merged_moves
)
NEWEST_BULLETINS = MergedList[BulletinHeader](
    "bulletins",
    lambda each: dated_key(from_timestamp(each.create_time), each.id),
    rules.merged_bulletins,
    descending=True,
)
RESOURCE_STATUS = MergedList[ResourceStatus]("resource status", rules.resource_key, rules.merged_resources)
"""Experts, then spares, then lent resources, each by region and id."""
