"""TMF678 Customer Bill Management v4, to be read: its routes, each the RPC QueryBill, or one of ListenerService."""

from gateway.api.region.v1.billing_service_pb2 import Bill, QueryBillRequest, QueryBillResponse
from gateway.api.region.v1.listener_service_pb2 import EventKind, ListenerResource
from gateway.web.json_texts import JsonObject
from gateway.web.listed import Listed
from gateway.web.routes import Answer, Api, Asked, Route
from gateway.web.selecting import Selection
from region_node.open_api.customer_bills import (
    BILL,
    CUSTOMER_BILL,
    MONTH,
    USAGE,
    month_of,
    require_bill,
    shown_papers,
    told_bill,
)
from region_node.open_api.events import REFERENCE, EventSource
from region_node.open_api.hub import hub_routes
from region_node.open_api.left_out import OF_BILLS
from region_node.open_api.resources import tokens_of, told_list, told_one

_RPC = "/gateway.api.region.v1.BillingService/QueryBill"


def _list(asked: Asked) -> QueryBillRequest:
    # A page has the bill of one month, and the token of the next page is the month before.
    token = tokens_of(asked)["page_token"]
    return _query(asked, asked.query.get(MONTH) or token)


def _listed(asked: Asked, response: QueryBillResponse) -> Listed:
    bill = response.bill
    # An earlier version of the home region tells no number.
    token, total = ("", 1) if MONTH in asked.query else (bill.previous_month, bill.kept_bills or None)
    return told_list(asked, BILL, [told_bill(bill, asked.root, asked.fields)], token, total)


def _get(asked: Asked) -> QueryBillRequest:
    return _query(asked, month_of(asked.names["id"]))


def _got(asked: Asked, response: QueryBillResponse) -> Answer:
    require_bill(response.bill, asked.names["id"])
    return told_one(asked, told_bill(response.bill, asked.root, asked.fields))


def _query(asked: Asked, month: str) -> QueryBillRequest:
    request = shown_papers(asked.papers)
    request.month, request.request_id = month, asked.request_id
    request.requester.CopyFrom(asked.requester)
    request.itemised = USAGE in asked.fields or any(USAGE in path.split(".") for path in asked.within)
    return request


def _named(bill: Bill) -> JsonObject:
    return told_bill(bill, _ROOT, REFERENCE).only(REFERENCE)


_ROOT = "/tmf-api/customerBillManagement/v4"
_RESOURCE = CUSTOMER_BILL.resource(Bill, lambda bill: told_bill(bill, _ROOT))
BILL_EVENTS = EventSource.of(
    ListenerResource.LISTENER_RESOURCE_CUSTOMER_BILL, BILL, _named, kinds=(EventKind.EVENT_KIND_CREATE,)
)
BILL_MANAGEMENT = Api(
    _ROOT,
    (
        Route.of(
            "GET",
            f"/{BILL}",
            _RPC,
            _list,
            _listed,
            resource=_RESOURCE,
            # Each page is a reading by the papers of the customer, and counts as such.
            selection=Selection(f"-{MONTH}", {MONTH: ()}, is_sortable=False, pages=1),
        ),
        Route.of("GET", f"/{BILL}/{{id}}", _RPC, _get, _got, resource=_RESOURCE),
        *hub_routes(_ROOT, BILL_EVENTS),
    ),
    0,
    (CUSTOMER_BILL.page(_ROOT, "BillingService"),),
    "TMF678 Customer Bill Management",
    OF_BILLS,
)
