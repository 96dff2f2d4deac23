"""The RPCs of a node of which the pages are made."""

from gateway.api.region.v1 import alarm_service_pb2 as alarm_api
from gateway.api.region.v1 import audit_service_pb2 as audit_api
from gateway.api.region.v1 import billing_service_pb2 as billing_api
from gateway.api.region.v1 import catalogue_service_pb2 as catalogue_api
from gateway.api.region.v1 import complaint_service_pb2 as complaint_api
from gateway.api.region.v1 import customer_service_pb2 as customer_api
from gateway.api.region.v1 import document_service_pb2 as document_api
from gateway.api.region.v1 import fault_service_pb2 as fault_api
from gateway.api.region.v1 import followed_problem_service_pb2 as followed_problem_api
from gateway.api.region.v1 import import_service_pb2 as import_api
from gateway.api.region.v1 import issue_service_pb2 as issue_api
from gateway.api.region.v1 import joint_order_service_pb2 as joint_api
from gateway.api.region.v1 import measurement_service_pb2 as measurement_api
from gateway.api.region.v1 import notice_service_pb2 as notice_api
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1 import planned_outage_service_pb2 as planned_outage_api
from gateway.api.region.v1 import sharing_service_pb2 as sharing_api
from gateway.api.region.v1 import support_service_pb2 as support_api
from gateway.api.region.v1 import verification_service_pb2 as verification_api
from gateway.web.console.pages import Rpc

_SERVICES = "/gateway.api.region.v1"

GET_TERMS = Rpc(f"{_SERVICES}.CatalogueService/GetTerms", catalogue_api.GetTermsResponse)
GET_BUSINESS_GUIDE = Rpc(f"{_SERVICES}.CatalogueService/GetBusinessGuide", catalogue_api.GetBusinessGuideResponse)
LIST_BUSINESSES = Rpc(f"{_SERVICES}.CatalogueService/ListBusinesses", catalogue_api.ListBusinessesResponse)
SEARCH_BUSINESSES = Rpc(f"{_SERVICES}.CatalogueService/SearchBusinesses", catalogue_api.SearchBusinessesResponse)
LIST_PLANS = Rpc(f"{_SERVICES}.CatalogueService/ListPlans", catalogue_api.ListPlansResponse)
LIST_OFFERINGS = Rpc(f"{_SERVICES}.CatalogueService/ListOfferings", catalogue_api.ListOfferingsResponse)
LIST_ORDERS = Rpc(f"{_SERVICES}.OrderService/ListOrders", order_api.ListOrdersResponse)
GET_ORDER = Rpc(f"{_SERVICES}.OrderService/GetOrder", order_api.GetOrderResponse)
GET_ORDER_PROOF = Rpc(f"{_SERVICES}.OrderService/GetOrderProof", order_api.GetOrderProofResponse)
SUBMIT_ORDER = Rpc(f"{_SERVICES}.OrderService/SubmitOrder", order_api.SubmitOrderResponse)
SUPPLEMENT_ORDER = Rpc(f"{_SERVICES}.OrderService/SupplementOrder", order_api.SupplementOrderResponse)
CONFIRM_ORDER = Rpc(f"{_SERVICES}.OrderService/ConfirmOrder", order_api.ConfirmOrderResponse)
EXPEDITE_ORDER = Rpc(f"{_SERVICES}.OrderService/ExpediteOrder", order_api.ExpediteOrderResponse)
CANCEL_ORDER = Rpc(f"{_SERVICES}.OrderService/CancelOrder", order_api.CancelOrderResponse)
REVIEW_ORDER = Rpc(f"{_SERVICES}.OrderService/ReviewOrder", order_api.ReviewOrderResponse)
LIST_JOINT_ORDERS = Rpc(f"{_SERVICES}.JointOrderService/ListJointOrders", joint_api.ListJointOrdersResponse)
GET_JOINT_ORDER = Rpc(f"{_SERVICES}.JointOrderService/GetJointOrder", joint_api.GetJointOrderResponse)
SUBMIT_JOINT_ORDER = Rpc(f"{_SERVICES}.JointOrderService/SubmitJointOrder", joint_api.SubmitJointOrderResponse)
WORK_ON_JOINT_ORDER = Rpc(f"{_SERVICES}.JointOrderService/WorkOnJointOrder", joint_api.WorkOnJointOrderResponse)
CANCEL_JOINT_ORDER = Rpc(f"{_SERVICES}.JointOrderService/CancelJointOrder", joint_api.CancelJointOrderResponse)
LIST_COMPLAINTS = Rpc(f"{_SERVICES}.ComplaintService/ListComplaints", complaint_api.ListComplaintsResponse)
FILE_COMPLAINT = Rpc(f"{_SERVICES}.ComplaintService/FileComplaint", complaint_api.FileComplaintResponse)
GET_COMPLAINT = Rpc(f"{_SERVICES}.ComplaintService/GetComplaint", complaint_api.GetComplaintResponse)
RESPOND_TO_COMPLAINT = Rpc(f"{_SERVICES}.ComplaintService/RespondToComplaint", complaint_api.RespondToComplaintResponse)
ADD_PRIVATE_NOTE = Rpc(f"{_SERVICES}.ComplaintService/AddPrivateNote", complaint_api.AddPrivateNoteResponse)
PROPOSE_RESOLUTION = Rpc(f"{_SERVICES}.ComplaintService/ProposeResolution", complaint_api.ProposeResolutionResponse)
CLASSIFY_COMPLAINT = Rpc(f"{_SERVICES}.ComplaintService/ClassifyComplaint", complaint_api.ClassifyComplaintResponse)
RETURN_COMPLAINT = Rpc(f"{_SERVICES}.ComplaintService/ReturnComplaint", complaint_api.ReturnComplaintResponse)
ACCEPT_RESOLUTION = Rpc(f"{_SERVICES}.ComplaintService/AcceptResolution", complaint_api.AcceptResolutionResponse)
REFUSE_RESOLUTION = Rpc(f"{_SERVICES}.ComplaintService/RefuseResolution", complaint_api.RefuseResolutionResponse)
WITHDRAW_COMPLAINT = Rpc(f"{_SERVICES}.ComplaintService/WithdrawComplaint", complaint_api.WithdrawComplaintResponse)
EXPEDITE_COMPLAINT = Rpc(f"{_SERVICES}.ComplaintService/ExpediteComplaint", complaint_api.ExpediteComplaintResponse)
SETTLE_REMEDY = Rpc(f"{_SERVICES}.ComplaintService/SettleRemedy", complaint_api.SettleRemedyResponse)
LIST_FAULTS = Rpc(f"{_SERVICES}.FaultService/ListFaults", fault_api.ListFaultsResponse)
GET_CUSTOMER = Rpc(f"{_SERVICES}.CustomerService/GetCustomer", customer_api.GetCustomerResponse)
GET_CONTACT_PREFERENCES = Rpc(
    f"{_SERVICES}.CustomerService/GetContactPreferences", customer_api.GetContactPreferencesResponse
)
LIST_DOCUMENTS = Rpc(f"{_SERVICES}.DocumentService/ListDocuments", document_api.ListDocumentsResponse)
SEND_CODE = Rpc(f"{_SERVICES}.VerificationService/SendCode", verification_api.SendCodeResponse)
VERIFY = Rpc(f"{_SERVICES}.VerificationService/Verify", verification_api.VerifyResponse)
QUERY_BILL = Rpc(f"{_SERVICES}.BillingService/QueryBill", billing_api.QueryBillResponse)
LIST_GRANTS = Rpc(f"{_SERVICES}.SharingService/ListGrants", sharing_api.ListGrantsResponse)
LIST_DISCLOSURES = Rpc(f"{_SERVICES}.SharingService/ListDisclosures", sharing_api.ListDisclosuresResponse)
LIST_PURPOSES = Rpc(f"{_SERVICES}.SharingService/ListPurposes", sharing_api.ListPurposesResponse)
READ_SHARED_CUSTOMER = Rpc(f"{_SERVICES}.SharingService/ReadSharedCustomer", sharing_api.ReadSharedCustomerResponse)
REPORT_FAULT = Rpc(f"{_SERVICES}.FaultService/ReportFault", fault_api.ReportFaultResponse)
GET_FAULT = Rpc(f"{_SERVICES}.FaultService/GetFault", fault_api.GetFaultResponse)
WORK_ON_FAULT = Rpc(f"{_SERVICES}.FaultService/WorkOnFault", fault_api.WorkOnFaultResponse)
RESPOND_TO_FAULT = Rpc(f"{_SERVICES}.FaultService/RespondToFault", fault_api.RespondToFaultResponse)
CANCEL_FAULT = Rpc(f"{_SERVICES}.FaultService/CancelFault", fault_api.CancelFaultResponse)
GET_SUPPORT_REQUEST = Rpc(f"{_SERVICES}.SupportService/GetSupportRequest", support_api.GetSupportRequestResponse)
WORK_ON_SUPPORT_REQUEST = Rpc(
    f"{_SERVICES}.SupportService/WorkOnSupportRequest", support_api.WorkOnSupportRequestResponse
)
LIST_SUPPORT_REQUESTS = Rpc(f"{_SERVICES}.SupportService/ListSupportRequests", support_api.ListSupportRequestsResponse)
LIST_ISSUES = Rpc(f"{_SERVICES}.IssueService/ListIssues", issue_api.ListIssuesResponse)
GET_ISSUE = Rpc(f"{_SERVICES}.IssueService/GetIssue", issue_api.GetIssueResponse)
WORK_ON_ISSUE = Rpc(f"{_SERVICES}.IssueService/WorkOnIssue", issue_api.WorkOnIssueResponse)
FIND_PLACES = Rpc(f"{_SERVICES}.FaultService/FindPlaces", fault_api.FindPlacesResponse)
LIST_ALARMS = Rpc(f"{_SERVICES}.AlarmService/ListAlarms", alarm_api.ListAlarmsResponse)
GET_ALARM = Rpc(f"{_SERVICES}.AlarmService/GetAlarm", alarm_api.GetAlarmResponse)
ACKNOWLEDGE_ALARMS = Rpc(f"{_SERVICES}.AlarmService/AcknowledgeAlarms", alarm_api.AcknowledgeAlarmsResponse)
CLEAR_ALARMS = Rpc(f"{_SERVICES}.AlarmService/ClearAlarms", alarm_api.ClearAlarmsResponse)
LIST_QUALITY = Rpc(f"{_SERVICES}.MeasurementService/ListQuality", measurement_api.ListQualityResponse)
LIST_PLANNED_OUTAGES = Rpc(
    f"{_SERVICES}.PlannedOutageService/ListPlannedOutages", planned_outage_api.ListPlannedOutagesResponse
)
LIST_FOLLOWED_PROBLEMS = Rpc(
    f"{_SERVICES}.FollowedProblemService/ListFollowedProblems", followed_problem_api.ListFollowedProblemsResponse
)
LIST_IMPORTS = Rpc(f"{_SERVICES}.ImportService/ListImports", import_api.ListImportsResponse)
LIST_AUDIT_ROWS = Rpc(f"{_SERVICES}.AuditService/ListAuditRows", audit_api.ListAuditRowsResponse)
LIST_NOTICES = Rpc(f"{_SERVICES}.NoticeService/ListNotices", notice_api.ListNoticesResponse)
