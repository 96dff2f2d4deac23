"""Businesses of the catalogue as TMF620 has them."""

from typing import cast

from gateway.api.federation.v1.configuration_pb2 import ValueType
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideResponse
from gateway.api.types.v1.types_pb2 import LocalizedText
from region_node.open_api.product_offerings import PRODUCT_OFFERING, told_offering, told_price, told_specification
from region_node.open_api.samples import filled
from tests.unit.open_api_schemas import require_own_schema, require_schema

FILE = "TMF620-ProductCatalog-v4.0.0.swagger.json"
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
    require_schema(FILE, "ProductOffering", told, PRODUCT_OFFERING)
    require_schema(FILE, "ProductSpecification", told_specification(guide, ROOT, "en"), None)
    require_schema(FILE, "ProductOfferingPrice", told_price(guide, ROOT, "en"), None)


def test_the_specification_of_a_business_has_its_characteristics_as_orders_give_them() -> None:
    guide = GetBusinessGuideResponse()
    reason = guide.business.characteristics.add(name="reason", value_type=ValueType.VALUE_TYPE_CHOICE, required=True)
    reason.choices.extend(["lost", "stolen"])
    reason.choice_names.add(code="lost", name=LocalizedText(en="Lost card", zh_cn="卡丢失"))
    guide.business.characteristics.add(name="start", value_type=ValueType.VALUE_TYPE_TIME)
    (chinese, _) = cast(
        "list[dict[str, object]]", told_specification(guide, ROOT, "zh-CN")["productSpecCharacteristic"]
    )
    assert chinese["productSpecCharacteristicValue"] == [{"value": "lost", "name": "卡丢失"}, {"value": "stolen"}]
    first, second = cast("list[dict[str, object]]", told_specification(guide, ROOT, "en")["productSpecCharacteristic"])
    assert (first["name"], first["valueType"], first["minCardinality"]) == ("reason", "choice", 1)
    assert first["productSpecCharacteristicValue"] == [{"value": "lost", "name": "Lost card"}, {"value": "stolen"}]
    assert (second["valueType"], second["minCardinality"], second["maxCardinality"]) == ("time", 0, 1)


def test_the_price_of_a_business_is_its_tariff_and_an_amount_where_it_has_a_fee() -> None:
    guide = GetBusinessGuideResponse()
    guide.business.code, guide.business.tariff.en, guide.business.tariff.zh_cn = "SIM", "10 yuan", "10元"
    told = told_price(guide, ROOT, "zh-CN")
    assert (told["href"], told["description"]) == (f"{ROOT}/productOfferingPrice/SIM", "10元")
    assert not told.keys() & {"price", "priceType"}
    guide.business.fee.minor_units, guide.business.fee.currency = 1000, "CNY"
    told = told_price(guide, ROOT, "en")
    assert (told["priceType"], told["price"]) == ("oneTime", {"unit": "CNY", "value": 10})
