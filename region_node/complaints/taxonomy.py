"""Who answers for a complaint, by its category. Pure."""

from collections.abc import Mapping

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import ComplaintCategory, ComplaintOwner
from gateway.api.region.v1.complaint_pb2 import ComplaintRequest

_HOME, _LOCATION, _HANDLING = "home", "location", "handling"
# Where several are concerned, one of them leads: the one that received it first, unless only another can answer
# (Measures on complaints to market regulators, art. 13). What is missing here is led by the region of first contact.
_LEADS: Mapping[ComplaintOwner.ValueType, str] = {
    contract.COMPLAINT_OWNER_HANDLING: _HANDLING,
    contract.COMPLAINT_OWNER_BOTH: _HANDLING,
    contract.COMPLAINT_OWNER_COORDINATOR: _HANDLING,
    contract.COMPLAINT_OWNER_HOME: _HOME,
    contract.COMPLAINT_OWNER_HOME_AND_VISITED: _HOME,
    contract.COMPLAINT_OWNER_ORDER: _HOME,
    contract.COMPLAINT_OWNER_LEAD: _HOME,
    contract.COMPLAINT_OWNER_PLACE_OF_LEAK_AND_HOME: _HOME,
    contract.COMPLAINT_OWNER_LOCATION: _LOCATION,
    contract.COMPLAINT_OWNER_PLACE_OF_REPAIR: _LOCATION,
}


def owner_of(category: ComplaintCategory, request: ComplaintRequest, *, handling: str, home: str | None) -> str:
    """The responsible region; that of first contact where the home region, or the place, is not known."""
    leads = _LEADS.get(category.owner, _HANDLING)
    if leads == _HOME:
        return home or handling
    if leads == _LOCATION:
        return request.location_region or handling
    return handling
