"""The RPCs of a coordinator of which the pages are made."""

from gateway.api.coordinator.v1 import administration_pb2 as administration_api
from gateway.api.coordinator.v1 import complaint_oversight_service_pb2 as complaint_api
from gateway.api.coordinator.v1 import issue_service_pb2 as issue_api
from gateway.api.coordinator.v1 import path_service_pb2 as path_api
from gateway.api.coordinator.v1 import problem_service_pb2 as problem_api
from gateway.api.coordinator.v1 import quality_oversight_service_pb2 as quality_api
from gateway.api.coordinator.v1 import reconciliation_oversight_service_pb2 as reconciliation_api
from gateway.api.coordinator.v1 import risk_service_pb2 as risk_api
from gateway.api.coordinator.v1 import settlement_oversight_service_pb2 as settlement_api
from gateway.web.console.pages import Rpc

_SERVICES = "/gateway.api.coordinator.v1"

LIST_REGIONS = Rpc(f"{_SERVICES}.MembershipService/ListRegions", administration_api.ListRegionsResponse)
SUSPEND_REGION = Rpc(f"{_SERVICES}.MembershipService/SuspendRegion", administration_api.SuspendRegionResponse)
REINSTATE_REGION = Rpc(f"{_SERVICES}.MembershipService/ReinstateRegion", administration_api.ReinstateRegionResponse)
GET_CONFIGURATION = Rpc(
    f"{_SERVICES}.ConfigurationService/GetConfiguration", administration_api.GetConfigurationResponse
)
COMPARE_REVISIONS = Rpc(
    f"{_SERVICES}.ConfigurationService/CompareRevisions", administration_api.CompareRevisionsResponse
)
APPLY_CONFIGURATION = Rpc(
    f"{_SERVICES}.ConfigurationService/ApplyConfiguration",
    administration_api.ApplyConfigurationResponse,
    seconds=60.0,  # for a large number plan on a busy machine
)
GET_TERMS = Rpc(f"{_SERVICES}.ConfigurationService/GetTerms", administration_api.GetTermsResponse)
LIST_ORDER_SUMMARIES = Rpc(
    f"{_SERVICES}.OrderOversightService/ListOrderSummaries", administration_api.ListOrderSummariesResponse
)
SEARCH_ORDER_SUMMARIES = Rpc(
    f"{_SERVICES}.OrderOversightService/SearchOrderSummaries", administration_api.SearchOrderSummariesResponse
)
LIST_JOINT_ORDER_SUMMARIES = Rpc(
    f"{_SERVICES}.OrderOversightService/ListJointOrderSummaries", administration_api.ListJointOrderSummariesResponse
)
GET_ORDER_TRACE = Rpc(f"{_SERVICES}.OrderOversightService/GetOrderTrace", administration_api.GetOrderTraceResponse)
LIST_PROBLEMS = Rpc(f"{_SERVICES}.ProblemService/ListProblems", problem_api.ListProblemsResponse)
GET_PROBLEM = Rpc(f"{_SERVICES}.ProblemService/GetProblem", problem_api.GetProblemResponse)
RECORD_REPORT = Rpc(f"{_SERVICES}.ProblemService/RecordReport", problem_api.RecordReportResponse)
GET_PATH_MATRIX = Rpc(f"{_SERVICES}.PathService/GetPathMatrix", path_api.GetPathMatrixResponse)
FIND_PATHS = Rpc(f"{_SERVICES}.PathService/FindPaths", path_api.FindPathsResponse)
LIST_OUTAGES = Rpc(f"{_SERVICES}.ProblemService/ListOutages", problem_api.ListOutagesResponse)
LIST_COMPLAINT_HEADERS = Rpc(
    f"{_SERVICES}.ComplaintOversightService/ListComplaintHeaders", complaint_api.ListComplaintHeadersResponse
)
GET_COMPLAINT_HISTORY = Rpc(
    f"{_SERVICES}.ComplaintOversightService/GetComplaintHistory", complaint_api.GetComplaintHistoryResponse
)
REPORT_COMPLAINTS = Rpc(
    f"{_SERVICES}.ComplaintOversightService/ReportComplaints",
    complaint_api.ReportComplaintsResponse,
    seconds=40.0,  # regions are given thirty of them to count
)
GET_BODY = Rpc(f"{_SERVICES}.ConfigurationService/GetBody", administration_api.GetBodyResponse)
LIST_ISSUE_HEADERS = Rpc(f"{_SERVICES}.IssueService/ListIssueHeaders", issue_api.ListIssueHeadersResponse)
COUNT_ISSUES = Rpc(f"{_SERVICES}.IssueService/CountIssues", issue_api.CountIssuesResponse)
LIST_RISKS = Rpc(f"{_SERVICES}.RiskService/ListRisks", risk_api.ListRisksResponse)
REPORT_QUALITY = Rpc(f"{_SERVICES}.QualityOversightService/ReportQuality", quality_api.ReportQualityResponse)
REPORT_RECONCILIATION = Rpc(
    f"{_SERVICES}.ReconciliationOversightService/ReportReconciliation",
    reconciliation_api.ReportReconciliationResponse,
)
REPORT_SETTLEMENT = Rpc(
    f"{_SERVICES}.SettlementOversightService/ReportSettlement", settlement_api.ReportSettlementResponse
)
