"""The RPCs of a coordinator of which the pages are made."""

from gateway.api.coordinator.v1 import administration_pb2 as administration_api
from gateway.api.coordinator.v1 import problem_service_pb2 as problem_api
from gateway.web.console.pages import Rpc

_SERVICES = "/gateway.api.coordinator.v1"

LIST_REGIONS = Rpc(f"{_SERVICES}.MembershipService/ListRegions", administration_api.ListRegionsResponse)
SUSPEND_REGION = Rpc(f"{_SERVICES}.MembershipService/SuspendRegion", administration_api.SuspendRegionResponse)
REINSTATE_REGION = Rpc(f"{_SERVICES}.MembershipService/ReinstateRegion", administration_api.ReinstateRegionResponse)
GET_CONFIGURATION = Rpc(
    f"{_SERVICES}.ConfigurationService/GetConfiguration", administration_api.GetConfigurationResponse
)
GET_TERMS = Rpc(f"{_SERVICES}.ConfigurationService/GetTerms", administration_api.GetTermsResponse)
LIST_ORDER_SUMMARIES = Rpc(
    f"{_SERVICES}.OrderOversightService/ListOrderSummaries", administration_api.ListOrderSummariesResponse
)
LIST_PROBLEMS = Rpc(f"{_SERVICES}.ProblemService/ListProblems", problem_api.ListProblemsResponse)
LIST_OUTAGES = Rpc(f"{_SERVICES}.ProblemService/ListOutages", problem_api.ListOutagesResponse)
