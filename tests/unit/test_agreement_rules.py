"""The credit of an agreement for a month: bands to their very edges, exclusions, and no time compensated twice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.agreement_pb2 import AgreementTemplate
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.agreement_pb2 import OutageCause, StatementLineKind
from gateway.federation.agreement_rules import template_problems
from gateway.time.clock import to_microseconds
from region_node.business.billing.rules import Month
from region_node.network.agreements import rules
from region_node.network.agreements.rules import Line, Measured, Outage, Result, Situation
from region_node.network.agreements.spans import Span, length, union, without
from tests.shipped import shipped_configuration
from tests.unit.situations import FEDERATION

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
NOTICE = timedelta(hours=72)
CHARGE = 100_000  # minor units
OPERATOR = OutageCause.OUTAGE_CAUSE_OPERATOR
PLANNED = OutageCause.OUTAGE_CAUSE_PLANNED
EXCLUDED = (
    OutageCause.OUTAGE_CAUSE_CUSTOMER,
    OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE,
    OutageCause.OUTAGE_CAUSE_WAIVED,
)
TERMS = FEDERATION.agreement_template("leased-line")


def month(name: str, time_zone: str = "Asia/Shanghai") -> Span:
    found = Month.of(name, time_zone)
    return Span(to_microseconds(found.start), to_microseconds(found.end))


def situation(outages: Sequence[Outage], name: str = "2026-06", time_zone: str = "Asia/Shanghai") -> Situation:
    whole = month(name, time_zone)
    return Situation(TERMS, whole, whole, CHARGE, NOTICE, outages)


def down(start: int, lasts: int, name: str = "2026-06", cause: OutageCause.ValueType = OPERATOR) -> Outage:
    begins = month(name).start + start
    return Outage(f"sichuan/fault/{start}", Span(begins, begins + lasts), cause)


def lines_of(result: Result, kind: StatementLineKind.ValueType) -> list[Line]:
    return [each for each in result.lines if each.kind == kind]


@pytest.mark.parametrize(("name", "days"), [("2026-02", 28), ("2026-06", 30), ("2026-07", 31), ("2028-02", 29)])
@pytest.mark.parametrize(("ppm", "at_edge", "below"), [(999_900, 0, 5), (995_000, 5, 10), (990_000, 10, 20)])
@pytest.mark.clause("F14.1")
def test_a_band_begins_a_microsecond_below_its_edge_in_months_of_every_length(
    name: str, days: int, ppm: int, at_edge: int, below: int
) -> None:
    period = days * DAY
    edge = period * (1_000_000 - ppm) // 1_000_000
    assert edge * 1_000_000 == period * (1_000_000 - ppm), "the edge is a whole number of microseconds"
    result = rules.compute(situation([down(DAY, edge, name)], name))
    assert (result.period, result.downtime, result.credit) == (period, edge, CHARGE * at_edge // 100)
    result = rules.compute(situation([down(DAY, edge + 1, name)], name))
    assert result.credit == CHARGE * below // 100


@pytest.mark.parametrize(("downtime", "credit"), [(259, 0), (260, 5000), (12_960, 5000), (12_961, 10_000)])
def test_seconds_of_june_are_compared_exactly(downtime: int, credit: int) -> None:
    # 99.99 % of 30 days leaves 259.2 s, 99.5 % 12,960 s.
    assert rules.compute(situation([down(0, downtime * SECOND)])).credit == credit


@pytest.mark.parametrize(
    ("name", "time_zone", "hours"),
    [
        ("2026-03", "Europe/Paris", 31 * 24 - 1),
        ("2026-10", "Europe/Paris", 31 * 24 + 1),
        ("2026-03", "Asia/Shanghai", 31 * 24),
        ("2026-11", "America/New_York", 30 * 24 + 1),
    ],
)
def test_a_month_is_as_long_as_it_is_where_clocks_are_changed(name: str, time_zone: str, hours: int) -> None:
    result = rules.compute(situation([], name, time_zone))
    assert (result.period, result.credit) == (hours * HOUR, 0)
    whole = month(name, time_zone)
    edge = hours * HOUR // 100
    at = Outage("a/b/c", Span(whole.start, whole.start + edge), OPERATOR)
    assert rules.compute(situation([at], name, time_zone)).credit == CHARGE // 10
    longer = replace(at, span=Span(at.span.start, at.span.end + 1))
    assert rules.compute(situation([longer], name, time_zone)).credit == CHARGE // 5


def test_overlapping_outages_of_several_regions_count_once() -> None:
    begins = month("2026-06").start
    cut = [
        Outage("sichuan/fault/1", Span(begins, begins + 3 * HOUR), OPERATOR),
        Outage("guangdong/fault/7", Span(begins + 2 * HOUR, begins + 4 * HOUR), OPERATOR),
    ]
    result = rules.compute(situation(cut))
    assert result.downtime == 4 * HOUR
    assert [each.time for each in lines_of(result, StatementLineKind.STATEMENT_LINE_KIND_OVERLAP)] == [-HOUR]
    outages = lines_of(result, StatementLineKind.STATEMENT_LINE_KIND_OUTAGE)
    assert {each.source: each.time for each in outages} == {"sichuan/fault/1": 3 * HOUR, "guangdong/fault/7": 2 * HOUR}


@pytest.mark.clause("F14.3")
def test_a_planned_outage_counts_unless_it_was_announced_72_hours_before() -> None:
    begins = month("2026-06").start + 10 * DAY
    planned = Outage("sichuan/planned/1", Span(begins, begins + 9 * HOUR), PLANNED, begins - 72 * HOUR)
    fault = Outage("sichuan/fault/1", Span(begins + HOUR, begins + 10 * HOUR), OPERATOR)
    assert rules.compute(situation([planned])).credit == 0
    assert rules.compute(situation([planned, fault])).downtime == HOUR, "what lasts beyond the window counts"
    late = replace(planned, announced=begins - 72 * HOUR + 1)
    assert rules.compute(situation([late])).credit == CHARGE // 5
    assert rules.compute(situation([late, fault])).downtime == 10 * HOUR
    assert rules.compute(situation([replace(planned, announced=None)])).credit == CHARGE // 5, "an emergency"


@pytest.mark.parametrize("cause", EXCLUDED)
def test_what_is_not_the_operators_or_was_waived_already_is_not_compensated(cause: OutageCause.ValueType) -> None:
    fault, other = down(DAY, 10 * HOUR), down(DAY + 2 * HOUR, 10 * HOUR, cause=cause)
    result = rules.compute(situation([fault, other]))
    assert (result.downtime, result.credit) == (2 * HOUR, 5000)
    assert rules.compute(situation([other])).credit == 0


def test_what_reaches_beyond_the_month_counts_there_and_not_here() -> None:
    begins = month("2026-06").start
    across = Outage("a/fault/1", Span(begins - 5 * HOUR, begins + HOUR), OPERATOR)
    assert rules.compute(situation([across])).downtime == HOUR
    assert rules.compute(situation([across], "2026-05")).downtime == 5 * HOUR


def test_an_agreement_of_half_a_month_is_measured_by_that_half_and_charged_for_it() -> None:
    whole = month("2026-06")
    half = replace(situation([down(0, 20 * DAY)]), term=Span(whole.start + 15 * DAY, whole.end))
    result = rules.compute(half)
    assert (result.period, result.downtime, result.credit) == (15 * DAY, 5 * DAY, CHARGE // 2 // 5)
    (charge,) = lines_of(result, StatementLineKind.STATEMENT_LINE_KIND_CHARGE)
    assert charge.amount == CHARGE // 2


def test_quality_is_kept_at_its_target_and_not_below_and_nothing_is_given_unmeasured() -> None:
    for measured, percent in ((Measured(1000, 990), 0), (Measured(1000, 989), 5), (Measured(), 0)):
        result = rules.compute(replace(situation([]), measured=measured))
        assert result.credit == CHARGE * percent // 100


@pytest.mark.clause("F14.2")
def test_no_more_than_the_cap_is_given() -> None:
    low = AgreementTemplate()
    low.CopyFrom(TERMS)
    low.cap_percent = 12
    result = rules.compute(replace(situation([down(0, 10 * DAY)]), terms=low, measured=Measured(10, 0)))
    assert result.credit == 12_000
    (cap,) = lines_of(result, StatementLineKind.STATEMENT_LINE_KIND_CAP)
    assert (cap.amount, cap.percent) == (-13_000, 12)


# Property tests

_WHOLE = month("2026-06")
_spans = st.builds(
    lambda start, lasts: Span(_WHOLE.start + start * HOUR, _WHOLE.start + (start + lasts) * HOUR),
    st.integers(-48, 31 * 24),
    st.integers(0, 200),
)
_outages = st.builds(
    Outage,
    st.sampled_from(["sichuan/fault/1", "henan/fault/2", "henan/planned/3"]),
    _spans,
    st.sampled_from([OPERATOR, PLANNED, *EXCLUDED]),
    st.none() | st.integers(_WHOLE.start - 10 * DAY, _WHOLE.end),
)
_many = st.lists(_outages, max_size=12)


@given(_many, _spans)
def test_more_downtime_never_lowers_the_credit(outages: list[Outage], span: Span) -> None:
    more = [*outages, Outage("guangdong/fault/9", span, OPERATOR)]
    assert rules.compute(situation(more)).credit >= rules.compute(situation(outages)).credit


@given(_many, _spans, st.sampled_from([PLANNED, *EXCLUDED]))
def test_what_is_excluded_never_raises_the_credit(
    outages: list[Outage], span: Span, cause: OutageCause.ValueType
) -> None:
    more = [*outages, Outage("guangdong/planned/9", span, cause, span.start - 4 * DAY)]
    assert rules.compute(situation(more)).credit <= rules.compute(situation(outages)).credit


@given(_many.flatmap(lambda outages: st.tuples(st.just(outages), st.permutations(outages))))
def test_the_order_of_outages_makes_no_difference(both: tuple[list[Outage], list[Outage]]) -> None:
    outages, mixed = both
    assert rules.compute(situation(outages)) == rules.compute(situation(mixed))


@given(_many, st.integers(0, 10**9), st.builds(Measured, st.just(100), st.integers(0, 100)))
def test_the_lines_sum_to_the_result(outages: list[Outage], charge: int, measured: Measured) -> None:
    result = rules.compute(replace(situation(outages), charge=charge, measured=measured))
    kinds = StatementLineKind
    times = [each.time for each in result.lines if each.kind != kinds.STATEMENT_LINE_KIND_PERIOD]
    assert sum(times) == 2 * result.downtime
    amounts = [each.amount for each in result.lines if each.kind != kinds.STATEMENT_LINE_KIND_CHARGE]
    assert sum(amounts) == 2 * result.credit
    assert 0 <= result.downtime <= result.period
    assert 0 <= result.credit <= charge


@given(st.lists(_spans, max_size=10), _spans)
def test_a_union_holds_each_moment_once(spans: list[Span], taken: Span) -> None:
    hours = {hour for each in spans for hour in range(each.start // HOUR, each.end // HOUR)}
    joined = union(spans)
    assert length(joined) == len(hours) * HOUR
    assert list(joined) == sorted(joined)
    assert all(earlier.end < later.start for earlier, later in pairwise(joined))
    left = hours - set(range(taken.start // HOUR, taken.end // HOUR))
    assert length(without(joined, taken)) == len(left) * HOUR


def shipped() -> Configuration:
    return shipped_configuration()


def test_the_shipped_terms_are_valid_and_say_that_nobody_has_read_their_sources() -> None:
    configuration = shipped()
    classes = {each.name for each in configuration.network.quality_classes}
    assert list(template_problems(configuration.agreement_templates, classes)) == []
    assert not any(each.verified for each in configuration.agreement_templates)


def test_terms_that_make_no_sense_are_told_with_their_place() -> None:
    wrong = AgreementTemplate(id="Wrong", cap_percent=0)
    wrong.bands.add(below_ppm=990_000, credit_percent=20)
    wrong.bands.add(below_ppm=990_000, credit_percent=20)
    wrong.quality.quality_class = "none"
    found = "\n".join(template_problems([wrong, wrong], {"y1541-0"}))
    for told in (
        "agreement_templates[Wrong]: stands here twice",
        ".id: use lower-case",
        ".title.en: the text is missing",
        ".bands[1].below_ppm: must be less",
        ".bands[1].credit_percent: must be more",
        ".quality.quality_class: unknown class 'none'",
        ".quality.target_ppm: must be 1 to 1000000",
        ".cap_percent: must be 1 to 100",
        ".source: is missing",
    ):
        assert told in found
