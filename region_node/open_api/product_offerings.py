"""Businesses of the catalogue as TMF620 ProductOffering (v4). Pure."""

from collections.abc import Collection

from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideResponse
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.web.refusals import CHINESE
from region_node.open_api.extension import Extension
from region_node.open_api.resources import Json, href_of, without_empty

OFFERING = "productOffering"
_ACTIVE = "Active"
PRODUCT_OFFERING = Extension(
    "CrossregionProductOffering",
    "ProductOffering",
    GetBusinessGuideResponse.DESCRIPTOR,
    {
        "business": "business",
        "material": "materials",
        "homeRegion": "home_region",
        "offeredHere": "offered_here",
        "limit": "limits",
        "policy": "policies",
        "expectedCompletionDate": "expected_completion_time",
        "timeTaken": "time_taken",
        "calendarMissing": "calendar_missing",
    },
)


def told_offering(guide: GetBusinessGuideResponse, root: str, language: str, fields: Collection[str] = ()) -> Json:
    """A business, with as much of its guide as is known, as a ProductOffering.

    `fields` are the attributes that are wanted; all without.
    """
    business = guide.business
    steps = [_in(each, language) for each in business.guide]
    told: Json = {
        "id": business.code,
        "href": href_of(root, OFFERING, business.code),
        "name": _in(business.name, language),
        "description": "\n".join(steps),
        "isBundle": business.HasField("joint"),
        "lifecycleStatus": _ACTIVE,
        **PRODUCT_OFFERING.told(guide, root, fields),
    }
    return without_empty(told)


def _in(text: LocalizedText, language: str) -> str:
    return text.zh_cn if language == CHINESE else text.en
