"""Which complaints may belong to a problem of the network."""

from collections.abc import Sequence

from gateway.api.federation.v1.configuration_pb2 import ComplaintClass
from region_node.context import RegionContext


def categories_about_network(context: RegionContext) -> Sequence[str]:
    """The codes of the categories of complaints about the quality of the network.

    Raises Refused with CONFIGURATION_MISSING.
    """
    return [
        each.code
        for each in context.federation.complaint_categories
        if each.complaint_class == ComplaintClass.COMPLAINT_CLASS_NETWORK_QUALITY
    ]
