"""TMF620 Product Catalog Management v4, to be read: its routes, each an RPC of CatalogueService."""

from gateway.api.region.v1 import catalogue_service_pb2 as api
from gateway.web.refusals import ENGLISH
from gateway.web.routes import Answer, Api, Asked, Route
from gateway.web.selecting import Selection
from region_node.open_api.product_offerings import OFFERING, PRODUCT_OFFERING, told_offering
from region_node.open_api.resources import tokens_of, told_list, told_one

_SERVICE = "/gateway.api.region.v1.CatalogueService"


def _list(asked: Asked) -> api.ListBusinessesRequest:
    return api.ListBusinessesRequest(**tokens_of(asked))


def _listed(asked: Asked, response: api.ListBusinessesResponse) -> Answer:
    guides = [api.GetBusinessGuideResponse(business=each) for each in response.businesses]
    told = [told_offering(each, asked.root, asked.language, asked.fields) for each in guides]
    return told_list(asked, OFFERING, told, response.next_page_token, None)


def _get(asked: Asked) -> api.GetBusinessGuideRequest:
    return api.GetBusinessGuideRequest(business=asked.names["id"])


def _got(asked: Asked, response: api.GetBusinessGuideResponse) -> Answer:
    return told_one(asked, told_offering(response, asked.root, asked.language, asked.fields))


_ROOT = "/tmf-api/productCatalogManagement/v4"
_RESOURCE = PRODUCT_OFFERING.resource(api.GetBusinessGuideResponse, lambda guide: told_offering(guide, _ROOT, ENGLISH))
PRODUCT_CATALOG = Api(
    _ROOT,
    (
        Route.of(
            "GET",
            f"/{OFFERING}",
            f"{_SERVICE}/ListBusinesses",
            _list,
            _listed,
            resource=_RESOURCE,
            selection=Selection("id"),
        ),
        Route.of("GET", f"/{OFFERING}/{{id}}", f"{_SERVICE}/GetBusinessGuide", _get, _got, resource=_RESOURCE),
    ),
    0,
    (PRODUCT_OFFERING.page(_ROOT, "CatalogueService"),),
    "TMF620 Product Catalog Management",
)
