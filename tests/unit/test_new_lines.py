"""Businesses that open a line: which number, whose customer, how many lines, what is owed for lateness."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import LineKind
from gateway.api.region.v1.customer_service_pb2 import ProductStatus, RatingType
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import Refused
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.billing.rules import late_compensation
from region_node.business.orders.business import Situation, line_to_open, load_rules, owner_of
from region_node.business.orders.rules import Value
from region_node.customers.rows import CustomerRow
from tests.unit.situations import FEDERATION, NOW, Records, situation

RULES = load_rules()
PAPER = Document(code="ID_ORIG", keyed_hash=b"1" * 32)
LICENCE = Document(code="BIZ_LIC", keyed_hash=b"2" * 32)
DAY = timedelta(days=1)
NEW_LINE: dict[str, Value] = {"region": "sichuan", "plan": "sichuan-59", "name": "赵敏"}
BROADBAND: dict[str, Value] = {
    "region": "sichuan",
    "plan": "sichuan-broadband-300",
    "name": "赵敏",
    "address": "成都市天府大道1号",
}


def asked(
    business: str, values: dict[str, Value], records: Records | None = None, *, request_id: str = "R1"
) -> Situation:
    """An order for a line in Sichuan that does not exist yet."""
    found = situation(business, values, records=records, balance=0)
    found.order.id = f"guangdong/counter/{request_id}"
    found.order.request.number = ""
    found.order.expected_completion_time.CopyFrom(to_timestamp(NOW + DAY))
    found.order.request.applicant = Applicant.APPLICANT_HOLDER
    found.order.request.documents.append(PAPER)
    return replace(found, line=line_to_open(found.order))


def check_refuses(found: Situation, reason: Reason.ValueType) -> None:
    rule = RULES[found.business.rule or found.business.code]
    with pytest.raises(Refused) as raised:
        rule.check(found)
    assert raised.value.reason == reason


def test_the_customer_s_choice_names_the_home_region_and_not_the_number_plan() -> None:
    assert owner_of(FEDERATION, asked("NEW_LINE", NEW_LINE).order.request) == "sichuan"
    assert owner_of(FEDERATION, asked("NEW_LINE", {**NEW_LINE, "region": "henan"}).order.request) == "henan"


def test_a_number_where_the_line_does_not_exist_yet_is_refused() -> None:
    request = asked("NEW_LINE", NEW_LINE).order.request
    request.number = "+8619851000001"
    with pytest.raises(Refused) as raised:
        owner_of(FEDERATION, request)
    assert raised.value.reason == Reason.REASON_REQUEST_INVALID


def test_a_region_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Refused) as raised:
        owner_of(FEDERATION, asked("NEW_LINE", {**NEW_LINE, "region": "atlantis"}).order.request)
    assert raised.value.reason == Reason.REASON_REGION_UNKNOWN


def test_an_opened_line_has_a_number_of_the_region_s_pool_and_a_new_customer() -> None:
    found = asked("NEW_LINE", NEW_LINE)
    RULES["NEW_LINE"].check(found)
    effects = RULES["NEW_LINE"].fulfil(found)
    assert "+8619851900000" <= effects.line.number <= "+8619851999999"
    assert effects.line.status == ProductStatus.PRODUCT_STATUS_ACTIVE
    assert effects.line.plan_id == "sichuan-59"
    assert effects.line.start_time == NOW
    assert effects.line.rating_type == RatingType.RATING_TYPE_POSTPAID
    assert effects.customer == CustomerRow(effects.line.customer_id, "赵敏", "")
    assert effects.identity == PAPER
    assert effects.results["number"] == effects.line.number


@settings(max_examples=50)
@given(st.sets(st.integers(0, 99_999), max_size=50), st.text("0123456789abcdef", min_size=1, max_size=8))
def test_a_number_that_is_taken_is_never_given_out(taken: set[int], request_id: str) -> None:
    first = asked("NEW_LINE", NEW_LINE, request_id=request_id)
    drawn = RULES["NEW_LINE"].fulfil(first).line.number
    held = {drawn, *(f"+86198519{each:05d}" for each in taken)}
    again = asked("NEW_LINE", NEW_LINE, Records(taken=held), request_id=request_id)
    assert RULES["NEW_LINE"].fulfil(again).line.number not in held


def test_a_wished_number_is_given_where_it_is_free_and_of_the_region() -> None:
    wished: dict[str, Value] = {**NEW_LINE, "number": "+8619851888888"}
    assert RULES["NEW_LINE"].fulfil(asked("NEW_LINE", wished)).line.number == "+8619851888888"
    taken = Records(taken={"+8619851888888"})
    check_refuses(asked("NEW_LINE", wished, taken), Reason.REASON_NUMBER_TAKEN)
    foreign: dict[str, Value] = {**NEW_LINE, "number": "+8619844888888"}
    check_refuses(asked("NEW_LINE", foreign), Reason.REASON_NUMBER_TAKEN)


def test_the_number_that_the_regions_own_system_has_chosen_is_given_unless_the_customer_wished_for_one() -> None:
    chosen = {"number": "+8619851888888"}
    asked_for_none = replace(asked("NEW_LINE", NEW_LINE), provided=chosen)
    assert RULES["NEW_LINE"].fulfil(asked_for_none).line.number == chosen["number"]
    wished = replace(asked("NEW_LINE", {**NEW_LINE, "number": "+8619851777777"}), provided=chosen)
    assert RULES["NEW_LINE"].fulfil(wished).line.number == "+8619851777777"
    check_refuses(replace(asked_for_none, records=Records(taken=set(chosen.values()))), Reason.REASON_NUMBER_TAKEN)
    check_refuses(replace(asked_for_none, provided={"number": "a free one"}), Reason.REASON_NUMBER_INVALID)


def test_a_region_without_a_pool_has_no_number_to_give() -> None:
    found = replace(asked("NEW_LINE", NEW_LINE), regions=("guangdong", "beijing"))
    with pytest.raises(Refused) as raised:
        RULES["NEW_LINE"].fulfil(found)
    assert raised.value.reason == Reason.REASON_NUMBERS_EXHAUSTED


@pytest.mark.parametrize("plan", ["guangdong-39", "sichuan-broadband-300", "sichuan-0"])
def test_only_a_mobile_plan_of_the_chosen_region_opens_a_mobile_line(plan: str) -> None:
    check_refuses(asked("NEW_LINE", {**NEW_LINE, "plan": plan}), Reason.REASON_PLAN_UNKNOWN)


@pytest.mark.clause("3.1.2")
def test_a_contract_binds_the_new_line_until_its_last_month() -> None:
    effects = RULES["NEW_LINE"].fulfil(asked("NEW_LINE", {**NEW_LINE, "contract": "sichuan-contract-12"}))
    assert effects.line.contract_end == datetime(2031, 6, 15, 4, 0, tzinfo=UTC)
    assert [each.offering_id for each in effects.subscriptions] == ["sichuan-contract-12"]


@pytest.mark.parametrize("contract", ["guangdong-contract-12", "sichuan-ring-tones", "sichuan-contract-99"])
def test_only_a_contract_of_the_chosen_region_binds(contract: str) -> None:
    check_refuses(asked("NEW_LINE", {**NEW_LINE, "contract": contract}), Reason.REASON_OFFERING_UNKNOWN)


def test_a_person_who_is_known_by_the_same_paper_gets_no_second_customer() -> None:
    known = Records(known={("guangdong", PAPER.keyed_hash): "customer-1"}, held={"customer-1": 4})
    found = asked("NEW_LINE", NEW_LINE, known)
    RULES["NEW_LINE"].check(found)
    effects = RULES["NEW_LINE"].fulfil(found)
    assert effects.customer is None
    assert effects.line.customer_id == "customer-1"


def test_a_person_with_five_lines_gets_no_sixth_but_a_company_does() -> None:
    known = Records(
        known={("guangdong", PAPER.keyed_hash): "customer-1", ("guangdong", LICENCE.keyed_hash): "customer-1"},
        held={"customer-1": 5},
    )
    check_refuses(asked("NEW_LINE", NEW_LINE, known), Reason.REASON_CARD_LIMIT_REACHED)
    company = asked("NEW_LINE", NEW_LINE, known)
    company.order.request.applicant = Applicant.APPLICANT_ENTERPRISE
    company.order.request.documents[0].CopyFrom(LICENCE)
    RULES["NEW_LINE"].check(company)


def test_a_broadband_line_has_an_address_and_an_access_number() -> None:
    effects = RULES["BB_INSTALL"].fulfil(asked("BB_INSTALL", BROADBAND))
    assert effects.line.kind == LineKind.LINE_KIND_BROADBAND
    assert effects.line.address == "成都市天府大道1号"
    assert effects.line.number.startswith("+86287")
    assert effects.postings == ()


def test_a_mobile_plan_opens_no_broadband_line() -> None:
    check_refuses(asked("BB_INSTALL", {**BROADBAND, "plan": "sichuan-59"}), Reason.REASON_PLAN_UNKNOWN)


def test_fact_5_each_day_of_lateness_is_worth_one_per_cent_of_the_installation_fee() -> None:
    found = asked("BB_INSTALL", BROADBAND)
    found.order.expected_completion_time.CopyFrom(to_timestamp(NOW - 3 * DAY))
    (posting,) = RULES["BB_INSTALL"].fulfil(found).postings
    assert {entry.account: entry.amount for entry in posting.entries} == {
        "compensation": -300,
        found.line.account_id: 300,
    }


@given(st.integers(0, 10**9), st.integers(-1000, 1000))
def test_lateness_costs_nothing_in_time_and_never_less_for_a_day_more(amount: int, days: int) -> None:
    paid = late_compensation(amount, days, 10)
    assert paid == (amount * max(days, 0) + 50) // 100
    assert late_compensation(amount, days + 1, 10) >= paid


def test_the_rural_installation_follows_the_same_rule_with_a_later_promise() -> None:
    begun = from_timestamp(asked("BB_INSTALL", BROADBAND).order.create_time)
    regions = ("guangdong", "sichuan")
    urban, rural = (FEDERATION.business(code) for code in ("BB_INSTALL", "BB_INSTALL_RURAL"))
    assert FEDERATION.promised(rural, begun, regions) > FEDERATION.promised(urban, begun, regions)
    assert FEDERATION.rule_of("BB_INSTALL_RURAL") == "BB_INSTALL"
    found = replace(asked("BB_INSTALL", BROADBAND), business=rural)
    assert RULES["BB_INSTALL"].quote(found).amount.minor_units == rural.fee.minor_units
