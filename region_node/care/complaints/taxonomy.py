"""The responsible departments of a complaint, by its category. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import ComplaintCategory, ComplaintOwner, Department
from gateway.api.region.v1.complaint_pb2 import ComplaintRequest

_HOME, _LOCATION, _HANDLING = "home", "location", "handling"
# A missing entry means the origin region.
_CONCERNED: Mapping[ComplaintOwner.ValueType, Sequence[str]] = {
    contract.COMPLAINT_OWNER_HANDLING: (_HANDLING,),
    contract.COMPLAINT_OWNER_BOTH: (_HANDLING, _HOME),
    contract.COMPLAINT_OWNER_COORDINATOR: (),
    contract.COMPLAINT_OWNER_HOME: (_HOME,),
    contract.COMPLAINT_OWNER_HOME_AND_VISITED: (_HOME, _LOCATION),
    contract.COMPLAINT_OWNER_ORDER: (_HOME,),
    contract.COMPLAINT_OWNER_LEAD: (_HOME,),
    contract.COMPLAINT_OWNER_PLACE_OF_LEAK_AND_HOME: (_LOCATION, _HOME),
    contract.COMPLAINT_OWNER_LOCATION: (_LOCATION,),
    contract.COMPLAINT_OWNER_PLACE_OF_REPAIR: (_LOCATION,),
}


@dataclass(frozen=True)
class Concerned:
    """A department of a region that has to answer."""

    region: str
    department: Department


def concerned(
    category: ComplaintCategory, request: ComplaintRequest, *, handling: str, home: str | None
) -> Sequence[Concerned]:
    """The responsible departments, each once; empty where the coordinator decides.

    An unknown place counts as that of the origin region. A required but unknown home region leaves it to the
    coordinator.
    """
    needed = _CONCERNED.get(category.owner, (_HANDLING,))
    if home is None and _HOME in needed:
        return []
    known = {_HOME: home or "", _LOCATION: request.location_region or handling, _HANDLING: handling}
    regions = dict.fromkeys(known[each] for each in needed)
    return [Concerned(region, department) for region in regions for department in category.departments]


def owner_of(category: ComplaintCategory, request: ComplaintRequest, *, handling: str, home: str | None) -> str:
    """The responsible region, if it is the only one concerned, with one department.

    Otherwise the complaint is a case, led by the origin region (Measures on complaints to market regulators, art. 13).
    """
    found = concerned(category, request, handling=handling, home=home)
    return found[0].region if len(found) == 1 else handling
