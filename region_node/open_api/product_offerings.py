"""Businesses of the catalogue as TMF620 ProductOffering, ProductSpecification and ProductOfferingPrice (v4). Pure.

Each has the code of its business as its id.
"""

from collections.abc import Collection

from gateway.api.federation.v1.configuration_pb2 import Business, CharacteristicSpecification, ValueType
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideResponse
from gateway.web.enum_words import told_word
from gateway.web.json_texts import JsonObject, without_empty
from gateway.web.refusals import text_in
from gateway.wording.terms import localized_name
from region_node.open_api.extension import Extension
from region_node.open_api.resources import Json, href_of, told_amount

OFFERING, SPECIFICATION, PRICE = "productOffering", "productSpecification", "productOfferingPrice"
SPECIFICATION_TYPE, PRICE_TYPE = "ProductSpecification", "ProductOfferingPrice"
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
    listed="business",
)


def told_offering(
    guide: GetBusinessGuideResponse, root: str, language: str, fields: Collection[str] = ()
) -> JsonObject:
    """A business, with as much of its guide as is known, as a ProductOffering.

    `fields` are the attributes that are wanted; all without.
    """
    business = guide.business
    steps = [text_in(each, language) for each in business.guide]
    told: Json = {
        **_told_business(business, OFFERING, root, language),
        "description": "\n".join(steps),
        "productSpecification": _told_reference(business, SPECIFICATION, SPECIFICATION_TYPE, root),
        "productOfferingPrice": [_told_reference(business, PRICE, PRICE_TYPE, root)],
        **PRODUCT_OFFERING.type_at(root),
    }
    return PRODUCT_OFFERING.told(JsonObject.of(told), guide, fields)


def told_specification(
    guide: GetBusinessGuideResponse, root: str, language: str, _: Collection[str] = ()
) -> JsonObject:
    """The characteristics of a request for a business, as a ProductSpecification."""
    business = guide.business
    told: Json = {
        **_told_business(business, SPECIFICATION, root, language),
        "productSpecCharacteristic": [_told_characteristic(each, language) for each in business.characteristics],
        "@type": SPECIFICATION_TYPE,
    }
    return JsonObject.of(told)


def told_price(guide: GetBusinessGuideResponse, root: str, language: str, _: Collection[str] = ()) -> JsonObject:
    """The tariff of a business, with its fee where there is one, as a ProductOfferingPrice."""
    business = guide.business
    told: Json = {**_told_business(business, PRICE, root, language), "description": text_in(business.tariff, language)}
    if business.HasField("fee"):
        told |= {"priceType": "oneTime", "price": told_amount(business.fee)}
    return JsonObject.of({**told, "@type": PRICE_TYPE})


def _told_business(business: Business, resource: str, root: str, language: str) -> Json:
    return {
        "id": business.code,
        "href": href_of(root, resource, business.code),
        "name": text_in(business.name, language),
        "isBundle": business.HasField("joint"),
        "lifecycleStatus": _ACTIVE,
    }


def _told_reference(business: Business, resource: str, kind: str, root: str) -> Json:
    return {"id": business.code, "href": href_of(root, resource, business.code), "@referredType": kind}


def _told_characteristic(each: CharacteristicSpecification, language: str) -> Json:
    told: Json = {
        "name": each.name,
        "description": text_in(each.description, language),
        "valueType": told_word(ValueType.DESCRIPTOR, each.value_type),
        "configurable": True,
        "minCardinality": int(each.required),
        "maxCardinality": 1,
        "productSpecCharacteristicValue": [
            without_empty({"value": choice, "name": text_in(localized_name(choice, each.choice_names), language)})
            for choice in each.choices
        ],
    }
    return without_empty(told)
