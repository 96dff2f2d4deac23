"""The RPCs of a node of which the pages are made."""

from gateway.api.region.v1 import catalogue_service_pb2 as catalogue_api
from gateway.api.region.v1 import complaint_service_pb2 as complaint_api
from gateway.api.region.v1 import fault_service_pb2 as fault_api
from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1 import support_service_pb2 as support_api
from gateway.web.console.pages import Rpc

_SERVICES = "/gateway.api.region.v1"

GET_TERMS = Rpc(f"{_SERVICES}.CatalogueService/GetTerms", catalogue_api.GetTermsResponse)
GET_BUSINESS_GUIDE = Rpc(f"{_SERVICES}.CatalogueService/GetBusinessGuide", catalogue_api.GetBusinessGuideResponse)
LIST_ORDERS = Rpc(f"{_SERVICES}.OrderService/ListOrders", order_api.ListOrdersResponse)
GET_ORDER = Rpc(f"{_SERVICES}.OrderService/GetOrder", order_api.GetOrderResponse)
GET_ORDER_PROOF = Rpc(f"{_SERVICES}.OrderService/GetOrderProof", order_api.GetOrderProofResponse)
REVIEW_ORDER = Rpc(f"{_SERVICES}.OrderService/ReviewOrder", order_api.ReviewOrderResponse)
LIST_COMPLAINTS = Rpc(f"{_SERVICES}.ComplaintService/ListComplaints", complaint_api.ListComplaintsResponse)
GET_COMPLAINT = Rpc(f"{_SERVICES}.ComplaintService/GetComplaint", complaint_api.GetComplaintResponse)
RESPOND_TO_COMPLAINT = Rpc(f"{_SERVICES}.ComplaintService/RespondToComplaint", complaint_api.RespondToComplaintResponse)
ADD_PRIVATE_NOTE = Rpc(f"{_SERVICES}.ComplaintService/AddPrivateNote", complaint_api.AddPrivateNoteResponse)
PROPOSE_RESOLUTION = Rpc(f"{_SERVICES}.ComplaintService/ProposeResolution", complaint_api.ProposeResolutionResponse)
LIST_FAULTS = Rpc(f"{_SERVICES}.FaultService/ListFaults", fault_api.ListFaultsResponse)
LIST_SUPPORT_REQUESTS = Rpc(f"{_SERVICES}.SupportService/ListSupportRequests", support_api.ListSupportRequestsResponse)
