"""The region at fault, and the life cycle of a support request."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.network_pb2 import Link, Network, NetworkService, QualityClass, Site
from gateway.api.region.v1.support_request_pb2 import (
    SupportFigure,
    SupportFinding,
    SupportInquiry,
    SupportMeasurement,
    SupportRequest,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.network import NetworkRegistry
from gateway.time.clock import to_timestamp
from region_node.network.support import rules
from region_node.network.support.course import why

NOW = datetime(2026, 12, 10, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
LINKS = ("a-b-1", "b-c-1", "c-d-1")


def network(*, bounds: QualityClass | None = None) -> NetworkRegistry:
    """Three links in a row, of three regions, and a service of a fourth."""
    regions = {"a": "north", "b": "east", "c": "south", "d": "west"}
    designs = {"a-b-1": (1000, 100, 10_000), "b-c-1": (3000, 100, 10_000), "c-d-1": (6000, 200, 0)}
    return NetworkRegistry(
        Network(
            sites=[Site(id=site, region=region) for site, region in regions.items()],
            links=[
                Link(
                    id=link,
                    site_a=link[0],
                    site_b=link[2],
                    region=regions[link[0]],
                    delay_us=delay,
                    delay_variation_us=variation,
                    loss_ppb=loss,
                )
                for link, (delay, variation, loss) in designs.items()
            ],
            services=[
                NetworkService(
                    id="lines", region="west", sites=["a", "d"], links=LINKS, quality_class="good" if bounds else ""
                ),
                NetworkService(id="other", region="west", sites=["a", "d"], links=["a-b-1"]),
            ],
            quality_classes=[bounds] if bounds else [],
        )
    )


GOOD = QualityClass(name="good", delay_us=100_000, delay_variation_us=40_000, loss_ppb=1_000_000)


def measured(link: str, delay: int = 0, variation: int = 0, loss: int = 0) -> SupportMeasurement:
    return SupportMeasurement(
        link=link,
        delay_us=delay,
        delay_variation_us=variation,
        loss_ppb=loss,
        start_time=to_timestamp(NOW),
        end_time=to_timestamp(NOW + HOUR),
    )


def inquiry(*measurements: SupportMeasurement, service: str = "lines") -> SupportInquiry:
    return SupportInquiry(
        number="+8613912345678", subject="slow", description="since nine", service=service, measurements=measurements
    )


def refused(call: object, *arguments: object) -> Reason.ValueType:
    with pytest.raises(Refused) as told:
        call(*arguments)  # type: ignore[operator]
    return told.value.reason


def test_without_measurements_and_within_all_shares_the_region_that_runs_the_service_is_at_fault() -> None:
    within = inquiry(measured("a-b-1", 10_000), measured("b-c-1", 30_000), measured("c-d-1", 60_000))
    for each in (inquiry(), within):
        assert rules.at_fault(network(bounds=GOOD), each) == SupportFinding(region="west")


def test_the_region_of_the_link_that_breaches_its_share_of_the_bound_the_most_is_at_fault() -> None:
    # Of 100 ms the links have 10, 30 and 60: twice its share is worse than once and a half.
    found = rules.at_fault(
        network(bounds=GOOD), inquiry(measured("a-b-1", 20_000), measured("b-c-1", 45_000), measured("c-d-1", 60_000))
    )
    assert found == SupportFinding(region="north", link="a-b-1", figure=rules.DELAY, measured=20_000, share=10_000)


def test_lost_packets_count_against_their_own_bound() -> None:
    found = rules.at_fault(network(bounds=GOOD), inquiry(measured("a-b-1", 60_000), measured("b-c-1", loss=5_000_000)))
    assert (found.region, found.figure, found.share) == ("east", rules.LOSS, 500_000)


def test_of_equal_breaches_the_first_figure_and_then_the_first_link_counts() -> None:
    for first, second in (("a-b-1", "b-c-1"), ("b-c-1", "a-b-1")):
        twice = inquiry(measured(first, variation=40_000), measured(second, variation=40_000))
        found = rules.at_fault(network(bounds=GOOD), twice)
        assert (found.link, found.figure) == ("a-b-1", rules.DELAY_VARIATION)


def test_a_service_without_a_class_is_held_against_what_its_links_are_designed_for() -> None:
    found = rules.at_fault(network(), inquiry(measured("a-b-1", 1000), measured("b-c-1", 3001)))
    assert (found.region, found.share) == ("east", 3000)
    assert rules.at_fault(network(), inquiry(measured("c-d-1", loss=2))).share == 1


def test_what_is_not_in_the_registry_or_not_of_the_service_blames_nobody() -> None:
    spoiled = {
        "NETWORK_SERVICE_UNKNOWN": inquiry(service="none"),
        "LINK_UNKNOWN": inquiry(measured("x-y-1")),
        "SUPPORT_LINK_NOT_OF_SERVICE": inquiry(measured("b-c-1"), service="other"),
    }
    for reason, each in spoiled.items():
        assert refused(rules.at_fault, network(), each) == Reason.Value(f"REASON_{reason}")


FIGURES = st.tuples(*[st.integers(0, 200_000)] * 2, st.integers(0, 3_000_000))
MEASURED = st.dictionaries(st.sampled_from(LINKS), FIGURES).map(
    lambda found: [measured(link, *figures) for link, figures in found.items()]
)
NETWORKS = st.sampled_from([network(), network(bounds=GOOD)])


@given(NETWORKS, MEASURED, st.randoms())
def test_the_order_of_measurements_changes_nothing(
    registry: NetworkRegistry, measurements: list[SupportMeasurement], random: "object"
) -> None:
    shuffled = list(measurements)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert rules.at_fault(registry, inquiry(*measurements)) == rules.at_fault(registry, inquiry(*shuffled))


@given(NETWORKS, MEASURED)
def test_a_region_is_blamed_for_a_link_of_its_own_that_was_measured_to_be_worse_than_its_share(
    registry: NetworkRegistry, measurements: list[SupportMeasurement]
) -> None:
    found = rules.at_fault(registry, inquiry(*measurements))
    if found.link:
        assert found.region == registry.link(found.link).region
        assert found.measured > found.share
    else:
        assert found.region == "west"


@given(MEASURED)
def test_a_path_of_links_within_their_shares_is_within_the_bounds(measurements: list[SupportMeasurement]) -> None:
    if not rules.at_fault(network(bounds=GOOD), inquiry(*measurements)).link:
        assert sum(each.delay_us for each in measurements) <= GOOD.delay_us
        assert sum(each.loss_ppb for each in measurements) <= GOOD.loss_ppb


@given(MEASURED, st.integers(1, 1_000_000))
def test_a_link_that_gets_worse_does_not_get_out_of_the_blame(
    measurements: list[SupportMeasurement], worse: int
) -> None:
    registry = network(bounds=GOOD)
    found = rules.at_fault(registry, inquiry(*measurements))
    for each in measurements:
        if each.link == found.link:
            each.delay_us += worse
    assert rules.at_fault(registry, inquiry(*measurements)).link == found.link


@pytest.mark.parametrize(
    "spoiled",
    [
        SupportInquiry(description="since nine"),
        SupportInquiry(subject="slow"),
        SupportInquiry(subject="x" * 201, description="since nine"),
        inquiry(measured("a-b-1"), measured("a-b-1")),
        inquiry(measured("a-b-1", delay=-1)),
        inquiry(measured("a-b-1", loss=1_000_000_001)),
        inquiry(SupportMeasurement(link="a-b-1")),
        inquiry(
            SupportMeasurement(link="a-b-1", start_time=to_timestamp(NOW + HOUR), end_time=to_timestamp(NOW)),
        ),
        inquiry(*[measured(f"link-{number}") for number in range(101)]),
    ],
)
def test_an_inquiry_says_what_happens_and_measures_each_link_once_within_a_window(spoiled: SupportInquiry) -> None:
    assert refused(rules.require_inquiry, spoiled) == Reason.REASON_REQUEST_INVALID
    rules.require_inquiry(inquiry(measured("a-b-1", 1)))


def test_a_support_request_goes_from_acknowledged_to_closed_and_back_only_from_resolved() -> None:
    request = SupportRequest()
    course = (rules.ACKNOWLEDGED, rules.IN_PROGRESS, rules.RESOLVED, rules.IN_PROGRESS, rules.RESOLVED, rules.CLOSED)
    for state in course:
        rules.enter(request, state, now=NOW, author="henan/wang", reason="")
    assert [each.state for each in request.state_changes] == list(course)
    for state in course:
        with pytest.raises(ValueError, match="does not go from closed"):
            rules.enter(request, state, now=NOW, author="henan/wang", reason="")
    assert refused(rules.note, request, "henan/wang", "late", NOW) == Reason.REASON_SUPPORT_STATE_FORBIDS


def test_notes_end_before_there_is_no_room_for_the_resolution() -> None:
    request = SupportRequest(state=rules.IN_PROGRESS)
    text = "字" * rules.TEXT_LIMIT
    while request.ByteSize() + 3 * rules.TEXT_LIMIT <= rules.TALK_LIMIT:
        rules.note(request, "henan/wang", text, NOW)
    assert refused(rules.note, request, "henan/wang", text, NOW) == Reason.REASON_MESSAGE_TOO_LARGE
    rules.require_room(request, 3 * rules.TEXT_LIMIT, rules.REQUEST_LIMIT)


@pytest.mark.parametrize(
    ("figure", "values"),
    [
        (SupportFigure.SUPPORT_FIGURE_DELAY, "delay 250,000 µs, share 100,000 µs"),
        (SupportFigure.SUPPORT_FIGURE_LOSS, "loss 250,000 of 1,000,000,000, share 100,000 of 1,000,000,000"),
    ],
)
def test_a_finding_is_told_with_the_units_of_its_values(figure: SupportFigure.ValueType, values: str) -> None:
    request = SupportRequest()
    request.finding.link, request.finding.figure = "a-b-1", figure
    request.finding.measured, request.finding.share = 250_000, 100_000
    assert f": {values};" in why(request)
