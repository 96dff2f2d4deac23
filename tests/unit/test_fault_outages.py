"""Until when a fault is to be repaired, and what of the rent is given back where it is not."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultPlace, FaultReport
from gateway.errors import Refused, reason_name
from gateway.federation.catalogue import Federation
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.network.faults import outages, rules
from tests.shipped import shipped_configuration

SHIPPED = Federation(1, shipped_configuration())
START = datetime(2026, 12, 10, 4, 0, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
ZONE = "Asia/Shanghai"


def reported(*, rural: bool = False, terminal: bool = False, number: str = "+8619851000001") -> Fault:
    """A fault that was reported in Guangdong, is in Henan and of a number of Sichuan; somebody works on it."""
    fault = Fault(
        id="guangdong/F20261210-1",
        report=FaultReport(number=number, place=FaultPlace(region="henan", rural=rural)),
        origin_region="guangdong",
        home_region="sichuan",
        owner_region="henan",
        terminal_caused=terminal,
        create_time=to_timestamp(START),
        state=rules.IN_PROGRESS,
    )
    outages.set_first(SHIPPED, fault)
    return fault


def repaired(fault: Fault, at: datetime, cause: FaultCause.ValueType = FaultCause.FAULT_CAUSE_CABLE) -> Fault:
    fault.cause = cause
    outages.repair(fault, at)
    rules.enter(fault, rules.RESOLVED, now=at, region="henan", reason="repaired")
    return fault


def reopened(fault: Fault, at: datetime) -> Fault:
    fault.cause = FaultCause.FAULT_CAUSE_UNSPECIFIED
    rules.enter(fault, rules.IN_PROGRESS, now=at, region="henan", reason="again")
    outages.reopen(SHIPPED, fault, at)
    return fault


def lengths(fault: Fault) -> list[timedelta]:
    """How long each outage is for which rent is to be given back."""
    spans = [outages.span_of(fault.outages[number]) for number in outages.to_waive(fault)]
    return [end - start for start, end in spans]


@pytest.mark.parametrize(("rural", "hours"), [(False, 48), (True, 72)])
def test_what_is_repaired_as_the_limit_ends_is_in_time_and_a_moment_later_the_whole_time_is_given_back(
    rural: bool, hours: int
) -> None:
    limit = hours * HOUR
    for early in (TICK, limit - TICK, limit):
        assert lengths(repaired(reported(rural=rural), START + early)) == []
    late = repaired(reported(rural=rural), START + limit + TICK)
    assert lengths(late) == [limit + TICK]
    assert from_timestamp(late.outages[0].breach_time) == START + limit


def test_a_passed_limit_is_noted_once_and_not_before_it_has_passed() -> None:
    fault = reported()
    assert not outages.note_breach(fault, START + 48 * HOUR)
    assert outages.note_breach(fault, START + 48 * HOUR + TICK)
    assert not outages.note_breach(fault, START + 49 * HOUR)
    assert outages.to_waive(fault) == [], "nothing is given back before it is repaired"


def test_nothing_is_given_back_for_a_terminal_for_what_the_customer_did_and_without_a_number() -> None:
    late = START + 100 * HOUR
    assert lengths(repaired(reported(terminal=True), late)) == []
    for cause in (FaultCause.FAULT_CAUSE_TERMINAL, FaultCause.FAULT_CAUSE_CUSTOMER):
        assert lengths(repaired(reported(), late, cause)) == []
    assert lengths(repaired(reported(number=""), late)) == []
    assert lengths(repaired(reported(), late, FaultCause.FAULT_CAUSE_FORCE_MAJEURE)) == [100 * HOUR]


def test_what_opens_again_before_its_limit_was_never_repaired() -> None:
    fault = reopened(repaired(reported(), START + 40 * HOUR), START + 41 * HOUR)
    assert len(fault.outages) == 1
    assert outages.due_of(fault) == START + 48 * HOUR
    assert lengths(repaired(fault, START + 50 * HOUR)) == [50 * HOUR]


def test_what_opens_again_after_it_was_repaired_in_time_has_a_new_limit() -> None:
    fault = reopened(repaired(reported(), START + 40 * HOUR), START + 100 * HOUR)
    assert outages.due_of(fault) == START + 148 * HOUR
    assert lengths(repaired(fault, START + 149 * HOUR)) == [49 * HOUR]


def test_what_opens_again_after_it_was_late_gives_back_the_additional_time_however_short() -> None:
    fault = repaired(reported(), START + 50 * HOUR)
    fault.outages[0].waiver.time.CopyFrom(to_timestamp(START + 50 * HOUR))
    again = repaired(reopened(fault, START + 60 * HOUR), START + 62 * HOUR)
    assert lengths(again) == [2 * HOUR]


def test_what_opens_again_by_a_clock_that_stepped_back_begins_where_the_repair_ended() -> None:
    fault = reopened(repaired(reported(), START + 50 * HOUR), START + 49 * HOUR)
    first, second = fault.outages
    assert second.start_time == first.end_time


@given(st.lists(st.integers(1, 200), min_size=1, max_size=12))
def test_outages_never_overlap_and_are_plausible_to_other_regions(steps: list[int]) -> None:
    fault, now = reported(), START
    for number, hours in enumerate(steps):
        now += hours * HOUR
        if number % 2:
            reopened(fault, now)
        else:
            repaired(fault, now)
    outages.require_plausible(fault, now)
    for before, after in pairwise(fault.outages):
        assert from_timestamp(before.end_time) <= from_timestamp(after.start_time)
    assert sum(lengths(fault), timedelta()) <= now - START


def test_outages_that_cannot_have_been_are_refused() -> None:
    now = START + 100 * HOUR
    spoiled: list[Fault] = []
    for _ in range(4):
        each = Fault()
        each.CopyFrom(repaired(reported(), START + 50 * HOUR))
        spoiled.append(each)
    spoiled[0].outages[0].start_time.CopyFrom(to_timestamp(START - HOUR))
    spoiled[1].outages[0].end_time.CopyFrom(to_timestamp(now + HOUR))
    spoiled[2].outages[0].due_time.CopyFrom(to_timestamp(START + 50 * HOUR))
    del spoiled[3].outages[:]
    for each in spoiled:
        with pytest.raises(Refused) as refused:
            outages.require_plausible(each, now)
        assert reason_name(refused.value.reason) == "ENVELOPE_INVALID"


def test_rent_is_given_back_by_the_share_of_each_month_and_rounded_once() -> None:
    whole_month = (datetime(2026, 10, 31, 16, tzinfo=UTC), datetime(2026, 11, 30, 16, tzinfo=UTC))
    assert outages.rent_of(9900, [whole_month], ZONE) == 9900
    assert outages.rent_of(9900, [(whole_month[0], whole_month[0] + timedelta(days=2))], ZONE) == 660
    across = (whole_month[1] - timedelta(days=1), whole_month[1] + timedelta(days=1))
    assert outages.rent_of(9300, [across], ZONE) == 610  # 310 of November's thirty days and 300 of December's
    assert outages.rent_of(9900, [], ZONE) == 0
    assert outages.rent_of(0, [whole_month], ZONE) == 0


_HOURS = st.integers(0, 500)
_SPANS = st.lists(st.tuples(_HOURS, _HOURS).map(lambda each: (min(each), max(each))), max_size=6)


@given(_SPANS, st.tuples(_HOURS, _HOURS).map(lambda each: (min(each), max(each))))
def test_what_was_given_back_before_is_taken_out_hour_by_hour(
    known: list[tuple[int, int]], span: tuple[int, int]
) -> None:
    def at(pair: tuple[int, int]) -> outages.Span:
        return START + pair[0] * HOUR, START + pair[1] * HOUR

    left = outages.without(at(span), [at(each) for each in known])
    hours = {hour for hour in range(*span) if not any(start <= hour < end for start, end in known)}
    assert sum((end - start for start, end in left), timedelta()) == len(hours) * HOUR


@pytest.mark.parametrize("concerned", ["origin_region", "home_region", "owner_region"])
def test_the_strictest_limit_of_the_regions_concerned_holds_and_that_of_another_does_not(concerned: str) -> None:
    configuration = shipped_configuration()
    policy = next(each for each in configuration.policies if each.name == "fault-repair-urban")
    policy.regional.add(region="hunan").limit.duration.FromSeconds(24 * 3600)
    stricter = Federation(1, configuration)
    fault = reported()
    outages.set_first(stricter, fault)
    assert outages.due_of(fault) == START + 48 * HOUR
    setattr(fault, concerned, "hunan")
    outages.set_first(stricter, fault)
    assert outages.due_of(fault) == START + 24 * HOUR
    assert fault.outages[0].limit_region == "hunan"
