"""The parts of the lists of a region: the filters by a number, and the pages of an RPC."""

from collections.abc import Sequence
from typing import TypeVar

from gateway.api.region.v1.alarm_service_pb2 import ListAlarmsRequest, ListAlarmsResponse
from gateway.api.region.v1.catalogue_service_pb2 import GetTermsRequest
from gateway.api.region.v1.complaint_service_pb2 import ListComplaintsRequest, ListComplaintsResponse
from gateway.api.region.v1.fault_service_pb2 import ListFaultsRequest, ListFaultsResponse
from gateway.api.region.v1.issue_service_pb2 import ListIssuesRequest, ListIssuesResponse
from gateway.api.region.v1.joint_order_service_pb2 import ListJointOrdersRequest, ListJointOrdersResponse
from gateway.api.region.v1.order_service_pb2 import (
    GetOrderProofRequest,
    GetOrderProofResponse,
    ListOrdersRequest,
    ListOrdersResponse,
)
from gateway.api.region.v1.support_service_pb2 import ListSupportRequestsRequest, ListSupportRequestsResponse
from gateway.errors import Refused
from gateway.web.console.lists import TextFilter, text_filter
from gateway.web.console.pages import Calling, Rpc, Visit, unless_refused
from gateway.wording.languages import translated
from region_node.console import rpcs

NUMBER = "number"
"""The field with the number of a customer."""
CONTACT = "contact"
"""The field with the number of a contact."""
P = TypeVar(
    "P",
    ListOrdersResponse,
    ListComplaintsResponse,
    ListFaultsResponse,
    ListSupportRequestsResponse,
    ListIssuesResponse,
    GetOrderProofResponse,
    ListAlarmsResponse,
    ListJointOrdersResponse,
)
_Asking = (
    ListAlarmsRequest
    | ListOrdersRequest
    | ListComplaintsRequest
    | ListFaultsRequest
    | ListSupportRequestsRequest
    | ListIssuesRequest
    | GetOrderProofRequest
    | ListJointOrdersRequest
)


async def pages_of(calling: Calling, rpc: Rpc[P], request: _Asking, most: int) -> Sequence[P]:
    """The pages of a list from its beginning, at most so many. The last one has a token where there is more.

    Raises Refused where the first one is; where a later one is, there is more.
    """
    found = [await calling.ask(rpc, request)]
    while found[-1].next_page_token and len(found) < most:
        request.page_token = found[-1].next_page_token
        following = await unless_refused(calling.ask(rpc, request))
        if isinstance(following, Refused):
            break
        found.append(following)
    return found


async def zone_of(visit: Visit, calling: Calling) -> str:
    """The zone of the person's region, in which times are entered and months begin. A page names GET_TERMS for it."""
    terms = (await calling.ask(rpcs.GET_TERMS, GetTermsRequest())).terms
    return next((each.time_zone for each in terms.regions if each.region == visit.person.region), "UTC")


def number_of(visit: Visit) -> TextFilter:
    """The filter by the number of a customer."""
    return text_filter(visit, NUMBER, translated("Number"), "tel")


def contact_of(visit: Visit) -> TextFilter:
    """The filter by the number of a contact."""
    return text_filter(visit, CONTACT, translated("Contact"), "tel")
