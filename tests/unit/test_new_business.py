"""A business of its own: an entry of the catalogue, and the one module with its rule, which is found by its name."""

import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.federation.v1.configuration_pb2 import Business, Configuration, ValueType
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideResponse, ListBusinessesResponse
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.errors import Refused, reason_name
from gateway.federation.catalogue import Federation
from gateway.federation.rules import problems
from region_node.business.orders import businesses
from region_node.business.orders.business import BusinessRule, load_rules
from tests.unit.console_pages import acts, view_of, written
from tests.unit.situations import FEDERATION, NOW, situation
from tests.unit.test_complaint_report import read

CODE = "HOLIDAY_PAUSE"
RULE = """
from datetime import timedelta

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.orders.businesses import suspend


class Rule(suspend.Rule):
    def check(self, situation):
        super().check(situation)
        if situation.time("end") - situation.now > timedelta(days=30):
            raise Refused(Reason.REASON_CHARACTERISTIC_INVALID, name="end", problem="more than 30 days away")
"""


@pytest.fixture(name="rules")
def rules_with_one_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mapping[str, BusinessRule]]:
    (tmp_path / f"{CODE.lower()}.py").write_text(RULE)
    monkeypatch.setattr(businesses, "__path__", [*businesses.__path__, str(tmp_path)])
    yield load_rules()
    del sys.modules[f"{businesses.__name__}.{CODE.lower()}"]


def entry(rule: str = "") -> Configuration:
    """The shipped configuration with an entry like that of SUSPEND, of another code."""
    configuration, added = Configuration(), Business()
    configuration.CopyFrom(FEDERATION.configuration)
    added.CopyFrom(FEDERATION.business("SUSPEND"))
    added.code, added.rule = CODE, rule
    configuration.businesses.append(added)
    return configuration


def test_an_entry_of_the_catalogue_needs_no_code_where_the_rule_of_another_business_does() -> None:
    for rule in ("", "SUSPEND", "WORK_ORDER"):
        assert problems(entry(rule)) == [], rule


def test_an_entry_of_the_catalogue_is_offered_at_the_console_with_a_field_for_each_of_its_characteristics() -> None:
    configuration = entry("SUSPEND")
    configuration.businesses[-1].characteristics.add(name="resort", value_type=ValueType.VALUE_TYPE_TEXT)
    federation, view = Federation(1, configuration), view_of("/orders/new")
    links = [
        each["href"]
        for businesses in (FEDERATION.businesses, federation.businesses)
        for _, each in read(written(view, ListBusinessesResponse(businesses=businesses))).seen
        if f"business={CODE}" in each.get("href", "")
    ]
    assert links == [f"/console/orders/new?business={CODE}"]
    business = federation.business(CODE)
    guide = GetBusinessGuideResponse(business=business, materials=federation.materials_of(business), offered_here=True)
    page = written(view, guide, query=f"business={CODE}&applicant=holder&number=1")
    assert acts(page) == ["submit"]
    fields = {each["name"].partition(".")[2] for _, each in read(page).seen if "." in each.get("name", "")}
    assert {each.name for each in business.characteristics} <= fields


def test_a_rule_of_its_own_is_found_by_the_name_of_its_module(rules: Mapping[str, BusinessRule]) -> None:
    assert rules.keys() - {CODE} == load_rules().keys() - {CODE}
    rule, ends = rules[CODE], NOW + timedelta(days=29)
    asked = situation("SUSPEND", {"reason": "holidays", "end": ends})
    rule.check(asked)
    line = rule.fulfil(asked).line
    assert (line.status, line.suspension_end) == (ProductStatus.PRODUCT_STATUS_SUSPENDED, ends)
    with pytest.raises(Refused) as refusal:
        rule.check(situation("SUSPEND", {"reason": "holidays", "end": NOW + timedelta(days=31)}))
    assert reason_name(refusal.value.reason) == "CHARACTERISTIC_INVALID"
