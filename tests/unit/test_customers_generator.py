"""The invented customers of the demo and the tests."""

from datetime import UTC, datetime

import pytest

from deploy.customers import generate
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.customer_service_pb2 import Customer, ProductStatus
from gateway.federation.numberplan import NumberPlan, normalize
from gateway.time.clock import from_timestamp
from tests.shipped import shipped_configuration

CONFIGURATION = shipped_configuration()
AS_OF = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
SEED = 7


def sample(region: str = "sichuan", count: int = 1000, seed: int = SEED) -> list[Customer]:
    return generate(CONFIGURATION, region, count, seed, AS_OF)


def test_the_same_seed_gives_the_same_people_and_another_seed_others() -> None:
    assert sample() == sample()
    assert sample(seed=SEED + 1) != sample()


@pytest.mark.parametrize("region", ["guangdong", "sichuan", "henan"])
def test_numbers_differ_are_well_formed_and_belong_to_the_region(region: str) -> None:
    numbers = [customer.product.number for customer in sample(region)]
    plan = NumberPlan(CONFIGURATION.number_plan)
    assert len(set(numbers)) == len(numbers) == 1000
    assert all(normalize(number) == number and plan.home_of(number) == region for number in numbers)


def test_an_exception_of_the_number_plan_is_given_to_nobody() -> None:
    narrow = Configuration()
    narrow.CopyFrom(CONFIGURATION)
    del narrow.number_plan.prefixes[:]
    narrow.number_plan.prefixes.add(region="sichuan", prefixes=["+861985199999"])
    narrow.number_plan.exceptions.add(number="+8619851999990", region="henan")
    numbers = {customer.product.number for customer in generate(narrow, "sichuan", 9, SEED, AS_OF)}
    assert numbers == {f"+861985199999{digit}" for digit in range(1, 10)}
    with pytest.raises(ValueError, match="fewer than 10"):
        generate(narrow, "sichuan", 10, SEED, AS_OF)


def test_ids_differ_between_people_and_regions() -> None:
    everybody = sample("sichuan") + sample("henan")
    for ids in (
        {customer.id for customer in everybody},
        {customer.product.id for customer in everybody},
        {customer.billing_account.id for customer in everybody},
    ):
        assert len(ids) == len(everybody)


def test_plans_and_currency_are_those_of_the_region() -> None:
    own = {plan.id for plan in CONFIGURATION.plans if plan.region == "henan"}
    people = sample("henan")
    assert {customer.product.plan_id for customer in people} == own
    assert {customer.billing_account.balance.currency for customer in people} == {"CNY"}


def test_every_rule_meets_somebody_and_most_people_meet_none() -> None:
    people = sample()
    arrears = [each for each in people if each.billing_account.balance.minor_units < 0]
    contract = [
        each
        for each in people
        if each.product.HasField("contract_end_time") and from_timestamp(each.product.contract_end_time) > AS_OF
    ]
    suspended = [each for each in people if each.product.status == ProductStatus.PRODUCT_STATUS_SUSPENDED]
    bound = [each for each in people if each.product.binding]
    new_sim = [each for each in people if each.product.HasField("sim_replace_time")]
    for some in (arrears, contract, suspended, bound, new_sim):
        assert 0 < len(some) < len(people) / 2
    assert all(each.product.suspension_reason for each in suspended)


def test_lines_began_before_and_suspensions_end_after_the_reference_time() -> None:
    for product in (customer.product for customer in sample()):
        assert from_timestamp(product.start_time) < AS_OF
        if product.HasField("suspension_end_time"):
            assert from_timestamp(product.suspension_end_time) > AS_OF


def test_mail_addresses_are_reserved_ones_and_differ() -> None:
    mails = {customer.email for customer in sample()}
    assert len(mails) == 1000
    assert all(mail.endswith("@example.com") and mail.isascii() for mail in mails)


def test_a_region_without_plans_is_told() -> None:
    with pytest.raises(ValueError, match="no plans"):
        sample("yunnan", 1)
