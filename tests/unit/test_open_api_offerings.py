"""Businesses of the catalogue as TMF620 has them."""

from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideResponse
from region_node.open_api.product_offerings import PRODUCT_OFFERING, told_offering
from region_node.open_api.samples import filled
from tests.unit.open_api_schemas import require_own_schema, require_schema

ROOT = "/tmf-api/productCatalogManagement/v4"


def test_a_business_is_told_in_the_language_of_the_caller_and_under_the_id_that_orders_name() -> None:
    guide = GetBusinessGuideResponse()
    guide.business.code = "SUSPEND"
    guide.business.name.en, guide.business.name.zh_cn = "Suspension", "停机"
    for step in ("apply", "confirm"):
        guide.business.guide.add(en=step)
    told = told_offering(guide, ROOT, "en")
    assert (told["id"], told["href"]) == ("SUSPEND", f"{ROOT}/productOffering/SUSPEND")
    assert (told["name"], told["description"]) == ("Suspension", "apply\nconfirm")
    assert told_offering(guide, ROOT, "zh-CN")["name"] == "停机"


def test_what_is_told_has_the_schemas_that_it_names() -> None:
    guide = filled(GetBusinessGuideResponse())
    assert isinstance(guide, GetBusinessGuideResponse)
    told = told_offering(guide, ROOT, "en")
    require_own_schema(told, PRODUCT_OFFERING)
    require_schema("TMF620-ProductCatalog-v4.0.0.swagger.json", "ProductOffering", told, PRODUCT_OFFERING)
