"""TMF620 Product Catalog Management v4, to be read: its routes, each an RPC of CatalogueService or ListenerService."""

from collections.abc import Callable, Collection, Sequence

from gateway.api.federation.v1.configuration_pb2 import Business
from gateway.api.region.v1.catalogue_service_pb2 import (
    GetBusinessGuideRequest,
    GetBusinessGuideResponse,
    ListBusinessesRequest,
    ListBusinessesResponse,
)
from gateway.api.region.v1.listener_service_pb2 import EventKind, ListenerResource
from gateway.web.json_texts import JsonObject
from gateway.web.listed import Listed
from gateway.web.refusals import ENGLISH
from gateway.web.routes import Answer, Api, Asked, Resource, Route
from gateway.web.selecting import Selection
from region_node.open_api.events import EventSource
from region_node.open_api.extension import resource_of
from region_node.open_api.hub import hub_routes
from region_node.open_api.left_out import OF_CATALOG
from region_node.open_api.product_offerings import (
    OFFERING,
    PRICE,
    PRICE_TYPE,
    PRODUCT_OFFERING,
    SPECIFICATION,
    SPECIFICATION_TYPE,
    told_offering,
    told_price,
    told_specification,
)
from region_node.open_api.resources import part_of, told_list, told_one, total_of

_ROOT = "/tmf-api/productCatalogManagement/v4"
_SERVICE = "/gateway.api.region.v1.CatalogueService"
_Told = Callable[[GetBusinessGuideResponse, str, str, Collection[str]], JsonObject]


def _routes(name: str, resource: Resource, told: _Told) -> Sequence[Route]:
    """The list of businesses as one resource, and one of them."""

    def list_all(asked: Asked) -> ListBusinessesRequest:
        return ListBusinessesRequest(**part_of(asked))

    def listed(asked: Asked, response: ListBusinessesResponse) -> Listed:
        guides = [GetBusinessGuideResponse(business=each) for each in response.businesses]
        found = [told(each, asked.root, asked.language, asked.fields) for each in guides]
        return told_list(asked, name, found, response.next_page_token, total_of(response))

    def get(asked: Asked) -> GetBusinessGuideRequest:
        return GetBusinessGuideRequest(business=asked.names["id"])

    def got(asked: Asked, response: GetBusinessGuideResponse) -> Answer:
        return told_one(asked, told(response, asked.root, asked.language, asked.fields))

    ordered = Selection("id", is_counted=True)
    return (
        Route.of(
            "GET", f"/{name}", f"{_SERVICE}/ListBusinesses", list_all, listed, resource=resource, selection=ordered
        ),
        Route.of("GET", f"/{name}/{{id}}", f"{_SERVICE}/GetBusinessGuide", get, got, resource=resource),
    )


def _in_english(told: _Told) -> Callable[[GetBusinessGuideResponse], JsonObject]:
    return lambda guide: told(guide, _ROOT, ENGLISH, ())


def _changed(business: Business) -> JsonObject:
    return told_offering(GetBusinessGuideResponse(business=business), _ROOT, ENGLISH)


OFFERING_EVENTS = EventSource.of(
    ListenerResource.LISTENER_RESOURCE_PRODUCT_OFFERING,
    OFFERING,
    _changed,
    kinds=(
        EventKind.EVENT_KIND_CREATE,
        EventKind.EVENT_KIND_ATTRIBUTE_VALUE_CHANGE,
        EventKind.EVENT_KIND_DELETE,
    ),
)
PRODUCT_CATALOG = Api(
    _ROOT,
    (
        *_routes(
            OFFERING,
            PRODUCT_OFFERING.resource(GetBusinessGuideResponse, _in_english(told_offering)),
            told_offering,
        ),
        *_routes(
            SPECIFICATION,
            resource_of(SPECIFICATION_TYPE, GetBusinessGuideResponse, _in_english(told_specification)),
            told_specification,
        ),
        *_routes(PRICE, resource_of(PRICE_TYPE, GetBusinessGuideResponse, _in_english(told_price)), told_price),
        *hub_routes(_ROOT, OFFERING_EVENTS),
    ),
    0,
    (PRODUCT_OFFERING.page(_ROOT, "CatalogueService"),),
    "TMF620 Product Catalog Management",
    OF_CATALOG,
)
