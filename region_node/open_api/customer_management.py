"""TMF629 Customer Management v4 and v5: its routes, each an RPC of CustomerService."""

from collections.abc import Sequence

from google.protobuf.message import Message

from gateway.api.region.v1 import customer_service_pb2 as api
from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.api.region.v1.listener_service_pb2 import EventKind, ListenerResource
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.web.json_texts import JsonObject
from gateway.web.listed import Listed
from gateway.web.routes import Answer, Api, Asked, Route
from gateway.web.selecting import FIELDS, LIMIT, SORT, Selection, require_known
from region_node.open_api.customers import (
    BILLING_ACCOUNT,
    CREATED,
    CUSTOMER,
    CUSTOMER_TYPE,
    PRODUCT,
    changed_customer,
    created_customer,
    created_places,
    told_customer,
)
from region_node.open_api.events import OF_A_RECORD, REFERENCE, EventSource
from region_node.open_api.hub import hub_routes
from region_node.open_api.left_out import OF_CUSTOMERS
from region_node.open_api.resources import part_of, tokens_of, told_created, told_list, told_one, total_of
from region_node.open_api.versions import PHONE, version_of

_SERVICE = "/gateway.api.region.v1.CustomerService"


def _list(asked: Asked) -> Message:
    by_line = version_of(asked.root).address(PHONE)
    number = asked.query.get(by_line, "")
    if number:  # of one line at most
        require_known(asked.query, (FIELDS, SORT, LIMIT, by_line, *asked.within))
        tokens_of(asked)  # refuses a limit that is none
        return api.GetCustomerRequest(number=number, requester=asked.requester)
    return api.ListCustomersRequest(requester=asked.requester, **part_of(asked))


def _listed(asked: Asked, response: api.ListCustomersResponse | api.GetCustomerResponse) -> Listed:
    if isinstance(response, api.GetCustomerResponse):
        return told_list(asked, CUSTOMER, [told_customer(response.customer, asked.root, asked.fields)], "", 1)
    told = [told_customer(each, asked.root, asked.fields) for each in response.customers]
    return told_list(asked, CUSTOMER, told, response.next_page_token, total_of(response))


def _get(asked: Asked) -> api.GetCustomerRequest:
    return api.GetCustomerRequest(product_id=asked.names["id"], requester=asked.requester)


def _got(asked: Asked, response: api.GetCustomerResponse) -> Answer:
    return told_one(asked, told_customer(response.customer, asked.root, asked.fields))


def _post(asked: Asked) -> api.BatchCreateCustomersRequest:
    customer = created_customer(asked.body, version_of(asked.root))
    return api.BatchCreateCustomersRequest(customers=[customer], requester=asked.requester, show_customer=True)


def _posted(asked: Asked, response: api.BatchCreateCustomersResponse) -> Answer:
    return told_created(asked, told_customer(response.customer, asked.root, asked.fields))


def _patch(asked: Asked) -> api.UpdateCustomerRequest:
    customer, mask = changed_customer(asked.body, asked.names["id"], version_of(asked.root))
    return api.UpdateCustomerRequest(customer=customer, update_mask=mask, requester=asked.requester)


def _patched(asked: Asked, response: api.UpdateCustomerResponse) -> Answer:
    return told_one(asked, told_customer(response.customer, asked.root, asked.fields))


def _events(root: str, resource: ListenerResource.ValueType) -> EventSource:
    def named(customer: Customer) -> JsonObject:
        return told_customer(customer, root, REFERENCE).only(REFERENCE)

    kinds = (*OF_A_RECORD, EventKind.EVENT_KIND_DELETE)
    return EventSource.of(resource, CUSTOMER, named, version=version_of(root), kinds=kinds)


def _api(root: str, hub: Sequence[Route]) -> Api:
    version = version_of(root)
    customer = CUSTOMER_TYPE.resource(api.Customer, lambda customer: told_customer(customer, root))
    return Api(
        root,
        (
            Route.of(
                "GET",
                f"/{CUSTOMER}",
                f"{_SERVICE}/GetCustomer",
                _list,
                _listed,
                [f"{_SERVICE}/ListCustomers"],
                resource=customer,
                selection=Selection("engagedParty.id,id", {version.address(PHONE): ()}, is_counted=True),
                nothing=(Reason.REASON_CUSTOMER_NOT_FOUND,),
            ),
            Route.of(
                "POST",
                f"/{CUSTOMER}",
                f"{_SERVICE}/BatchCreateCustomers",
                _post,
                _posted,
                resource=customer,
                attributes=version.attributes(*CREATED),
                places=created_places(version),
                required=("engagedParty", PRODUCT, BILLING_ACCOUNT),
            ),
            Route.of("GET", f"/{CUSTOMER}/{{id}}", f"{_SERVICE}/GetCustomer", _get, _got, resource=customer),
            Route.of(
                "PATCH",
                f"/{CUSTOMER}/{{id}}",
                f"{_SERVICE}/UpdateCustomer",
                _patch,
                _patched,
                resource=customer,
                attributes=version.attributes("name", "contactMedium"),
            ),
            *hub,
        ),
        0,
        (CUSTOMER_TYPE.page(root, "CustomerService"),),
        "TMF629 Customer Management",
        OF_CUSTOMERS,
    )


_V4, _V5 = "/tmf-api/customerManagement/v4", "/tmf-api/customerManagement/v5"
CUSTOMER_EVENTS = _events(_V4, ListenerResource.LISTENER_RESOURCE_CUSTOMER)
CUSTOMER_EVENTS_V5 = _events(_V5, ListenerResource.LISTENER_RESOURCE_CUSTOMER_V5)
CUSTOMER_MANAGEMENT = _api(_V4, hub_routes(_V4, CUSTOMER_EVENTS))
CUSTOMER_MANAGEMENT_V5 = _api(_V5, hub_routes(_V5, CUSTOMER_EVENTS_V5))
