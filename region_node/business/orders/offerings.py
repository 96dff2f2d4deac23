"""A line's subscriptions to its home region's offerings, for the rules of several businesses. Pure."""

from gateway.api.federation.v1.configuration_pb2 import Offering
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.orders.business import Situation


def chosen_offering(situation: Situation) -> Offering:
    """The home region's offering that the request names. Raises Refused with OFFERING_UNKNOWN."""
    offering = situation.federation.offering(situation.text("offering"))
    if offering.region != situation.region:
        raise Refused(Reason.REASON_OFFERING_UNKNOWN, offering=offering.id)
    return offering
