"""The policy between regions: the strictest of the national one and of theirs (facts 1 and 2)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import (
    Configuration,
    Figure,
    Policy,
    RegionalPolicy,
    Stricter,
    TimeLimit,
    Unit,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.policies import (
    CONSENT_COOLING_OFF,
    LIMITING,
    UNREVIEWED,
    Promise,
    missing_limits,
    promises,
    strictest_figure,
)
from gateway.federation.policy_rules import limit_warnings, policies_problems
from gateway.time.calendars import WorkingDays, due_time
from tests.shipped import shipped_configuration

FEDERATION = Federation(1, shipped_configuration())
CHINA = "Asia/Shanghai"
RECEIVED = datetime(2026, 2, 10, 3, 0, tzinfo=UTC)
START = datetime(2026, 1, 20, 3, 0, tzinfo=UTC)


def last_day(due: datetime) -> str:
    """The day at whose end a limit is over, in China."""
    return (due + timedelta(hours=8) - timedelta(days=1)).date().isoformat()


@pytest.mark.parametrize(
    ("region", "limit", "last"),
    [
        ("", "days", "2026-02-25"),
        ("henan", "working_days", "2026-02-24"),
        ("chongqing", "working_days", "2026-03-09"),
    ],
)
def test_fact_1_a_complaint_is_answered_in_15_days_or_5_or_15_working_days(region: str, limit: str, last: str) -> None:
    policy = FEDERATION.policy("complaint-answer")
    held = next((each.limit for each in policy.regional if each.region == region), policy.limit)
    due = due_time(held, RECEIVED, CHINA, FEDERATION.working_days)
    assert (held.WhichOneof("limit"), last_day(due)) == (limit, last)
    assert due.astimezone(UTC).hour == 16, "the end of the day in China"


@pytest.mark.parametrize(
    ("handling", "home", "last"),
    [
        ("guangdong", "sichuan", "2026-02-25"),
        ("guangdong", "henan", "2026-02-24"),
        ("henan", "guangdong", "2026-02-24"),
        # Chongqing's fifteen working days end later than the national fifteen days: they never count.
        ("guangdong", "chongqing", "2026-02-25"),
        ("chongqing", "henan", "2026-02-24"),
    ],
)
@pytest.mark.clause("F2.1")
def test_fact_2_the_strictest_of_the_handling_and_the_home_region_holds(handling: str, home: str, last: str) -> None:
    assert last_day(FEDERATION.policy_due("complaint-answer", RECEIVED, (handling, home))) == last


@pytest.mark.clause("F2.3")
def test_fact_2_henan_resumes_within_24_hours_after_arrears_and_others_within_48() -> None:
    def hours(*regions: str) -> float:
        return (FEDERATION.policy_due("resume-after-payment", RECEIVED, regions) - RECEIVED) / timedelta(hours=1)

    assert hours("guangdong", "sichuan") == 48
    assert hours("guangdong", "henan") == 24
    assert hours("henan", "sichuan") == 24


def test_a_business_tells_the_promise_of_a_region_beside_the_national_one() -> None:
    business = FEDERATION.business("RESUME")
    told = FEDERATION.promises(business, RECEIVED, ("guangdong", "henan"))
    assert {promise.region for promise in told} == {"", "henan"}
    assert [promise.region for promise in FEDERATION.promises(business, RECEIVED, ("guangdong", "sichuan"))] == [""]


def test_a_policy_that_is_missing_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(Refused) as refused:
        FEDERATION.figure("no-such", ("guangdong", "henan"))
    assert refused.value.reason == Reason.REASON_CONFIGURATION_INVALID


LIMITS = st.builds(TimeLimit, working_days=st.integers(1, 30)) | st.builds(TimeLimit, days=st.integers(1, 40))
REGIONS = ("a", "b", "c")
OVERRIDES = st.dictionaries(st.sampled_from(REGIONS), LIMITS)
PAIRS = st.tuples(st.sampled_from(REGIONS), st.sampled_from(REGIONS))
WORKED = WorkingDays(FEDERATION.configuration.calendars)


def due(limit: TimeLimit, region: str) -> datetime:
    return due_time(limit, START, CHINA, WORKED)


def told(national: TimeLimit, overrides: dict[str, TimeLimit], regions: tuple[str, str]) -> list[Promise]:
    regional = [RegionalPolicy(region=region, limit=limit) for region, limit in overrides.items()]
    return promises(national, regional, regions, due)


@given(LIMITS, OVERRIDES, PAIRS, st.sampled_from(REGIONS), LIMITS)
def test_an_override_never_makes_a_due_date_later(
    national: TimeLimit, overrides: dict[str, TimeLimit], regions: tuple[str, str], region: str, limit: TimeLimit
) -> None:
    before = told(national, {name: each for name, each in overrides.items() if name != region}, regions)
    after = told(national, {**overrides, region: limit}, regions)
    assert after[0].due_time <= before[0].due_time <= due(national, regions[1])


@given(LIMITS, OVERRIDES, PAIRS)
def test_the_first_promise_is_the_earliest_of_those_that_count(
    national: TimeLimit, overrides: dict[str, TimeLimit], regions: tuple[str, str]
) -> None:
    ends = [due(national, ""), *(due(limit, "") for region, limit in overrides.items() if region in regions)]
    found = told(national, overrides, regions)
    assert [promise.due_time for promise in found] == sorted(ends)
    assert found[0].due_time == told(national, overrides, (regions[1], regions[0]))[0].due_time


@given(
    st.integers(0, 20),
    st.dictionaries(st.sampled_from(REGIONS), st.integers(0, 20)),
    PAIRS,
    st.sampled_from([Stricter.STRICTER_LOWER, Stricter.STRICTER_HIGHER]),
)
def test_of_figures_the_strictest_holds_whoever_handles_and_whoever_owns(
    national: int, overrides: dict[str, int], regions: tuple[str, str], stricter: Stricter.ValueType
) -> None:
    regional = [RegionalPolicy(region=region, figure=Figure(value=value)) for region, value in overrides.items()]
    policy = Policy(figure=Figure(value=national), stricter=stricter, regional=regional)
    strictest = max if stricter == Stricter.STRICTER_HIGHER else min
    counted = [national, *(value for region, value in overrides.items() if region in regions)]
    found = strictest_figure(policy, regions).value
    assert found == strictest(counted)
    assert found == strictest_figure(policy, (regions[1], regions[0])).value


@pytest.mark.clause("F3.1")
def test_fact_3_a_fault_is_repaired_within_48_hours_in_towns_and_72_in_the_country() -> None:
    start = datetime(2026, 2, 10, 1, 0, tzinfo=UTC)
    for name, hours in (("fault-repair-urban", 48), ("fault-repair-rural", 72)):
        for regions in (("guangdong", "sichuan"), ("sichuan", "henan")):
            assert FEDERATION.policy_due(name, start, regions) - start == timedelta(hours=hours)


NOT_OFF_WITHOUT = {
    "largest-payment",
    "largest-remedy",
    "problem-notices",
    "card-limit",
    "roaming-credit",
    "verification-failures",
    "verification-failures-of-a-region",
    "codes-of-a-region",
    "codes-of-an-operator",
    "complaint-group-size",
    "settlement-handling-fee",
    "accident-special-users",
    "accident-major-users",
    "accident-larger-users",
}
"""Counts and amounts of the shipped file that bound nobody, have a default, or whose lack refuses the work."""


def test_each_shipped_bound_of_a_count_or_an_amount_is_told_where_a_configuration_lacks_it() -> None:
    bounds = {
        each.name
        for each in shipped_configuration().policies
        if each.figure.unit in (Unit.UNIT_COUNT, Unit.UNIT_MINOR_UNITS) and each.stricter == Stricter.STRICTER_LOWER
    }
    assert bounds - NOT_OFF_WITHOUT | {CONSENT_COOLING_OFF} == set(LIMITING)


def test_a_configuration_without_a_limiting_policy_is_valid_and_warned_of_by_its_name() -> None:
    assert limit_warnings(shipped_configuration()) == []
    assert missing_limits(Configuration()) == list(LIMITING)
    for name in set(LIMITING) - set(UNREVIEWED):
        lacking = without_policy(name)
        (warning,) = limit_warnings(lacking)
        assert f"policies: {name} " in warning
        assert "deploy/federation/policies.yaml" in warning
        assert list(policies_problems(lacking.policies, [each.id for each in lacking.regions])) == []


def test_a_limit_of_money_that_no_business_names_is_off_and_told() -> None:
    configuration = shipped_configuration()
    for business in configuration.businesses:
        kept = [name for name in business.policies if name not in UNREVIEWED]
        business.policies[:] = kept
    assert missing_limits(configuration) == list(UNREVIEWED)
    assert all("deploy/federation/catalogue.yaml" in each for each in limit_warnings(configuration))


def without_policy(name: str) -> Configuration:
    """The shipped configuration without one of its policies."""
    configuration = shipped_configuration()
    kept = [each for each in configuration.policies if each.name != name]
    del configuration.policies[:]
    configuration.policies.extend(kept)
    return configuration
