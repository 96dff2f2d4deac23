"""The complaints that may belong to a network problem."""

from collections.abc import Sequence

from gateway.api.federation.v1.configuration_pb2 import ComplaintClass
from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.network.problems import rows
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index


def categories_about_network(context: RegionContext) -> Sequence[str]:
    """The codes of the categories of complaints about the quality of the network.

    Raises Refused with CONFIGURATION_MISSING.
    """
    return [
        each.code
        for each in context.federation.complaint_categories
        if each.complaint_class == ComplaintClass.COMPLAINT_CLASS_NETWORK_QUALITY
    ]


def problems_of(tx: Transaction, context: RegionContext, complaint: Complaint) -> Sequence[ProblemHeader]:
    """The problems of a complaint, newest first, without their children; none of a work item.

    Raises Refused with CONFIGURATION_MISSING.
    """
    if complaint.case_id or complaint.request.category not in categories_about_network(context):
        return ()
    index = number_index(tx, complaint.request.number)
    found = rows.problems_at(tx, index, from_timestamp(complaint.create_time))
    for each in found:
        del each.child_ids[:]
    return found
