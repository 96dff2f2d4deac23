"""Correlation: which alarms and faults have one cause, and which, whatever order they come in."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.problems.correlation import Cluster, Observed, correlate
from coordinator.problems.topology import Element, Kind, Topology, services_down
from gateway.api.federation.v1.network_pb2 import Link, Network, NetworkService, Site
from gateway.federation.network import NetworkRegistry
from tests.bench.correlation import WINDOW, correlated, quality, shipped_network
from tests.bench.storms import CRITICAL, MAJOR, MINOR, MINUTE, SECOND, Weather, random_network, storm

NETWORK = NetworkRegistry(
    Network(
        sites=[Site(id=each, region=each) for each in "abcdefg"],
        links=[
            Link(id=f"{one}{other}", site_a=one, site_b=other, region=one)
            for one, other in ("ab", "bc", "bd", "be", "ac", "fg")
        ],
        services=[
            NetworkService(id="v-ab", region="a", sites=["a", "b"], links=["ab"]),
            NetworkService(id="v-abe", region="a", sites=["a", "e"], links=["ab", "be"]),
            NetworkService(id="v-round", region="a", sites=["a", "b"], links=["ab", "bc", "ac"]),
            NetworkService(id="v-f", region="f", sites=["f"]),
            NetworkService(id="v-up", region="f", sites=["g"], links=["fg"]),
        ],
    )
)
TOPOLOGY = Topology(NETWORK)
HOUR = 60 * MINUTE


def element(name: str) -> Element:
    if name in NETWORK.links:
        return Element(Kind.LINK, name)
    return Element(Kind.SITE if name in NETWORK.sites else Kind.SERVICE, name)


def event(name: str, *names: str, at: int = 0, cleared: int | None = None, severity: int = CRITICAL) -> Observed:
    return Observed(name, frozenset(map(element, names)), at, cleared, severity)


def clusters(*events: Observed) -> list[tuple[str, set[str]]]:
    return [(each.cause.id, set(each.events)) for each in correlate(events, TOPOLOGY, WINDOW)]


def test_a_cut_that_both_ends_and_a_service_tell_of_is_one_problem_of_the_link() -> None:
    told = (
        event("1", "ab", "a"),
        event("2", "ab", "b", at=20 * SECOND),
        event("3", "v-ab", at=5 * MINUTE, severity=MAJOR),
        event("4", "v-abe", at=6 * MINUTE, severity=MAJOR),
    )
    assert clusters(*told) == [("ab", {"1", "2", "3", "4"})]


def test_what_happens_at_the_same_time_in_another_part_of_the_network_is_another_problem() -> None:
    told = (event("1", "ab"), event("2", "v-ab"), event("3", "fg"), event("4", "v-f"))
    assert clusters(*told) == [("ab", {"1", "2"}), ("fg", {"3"}), ("v-f", {"4"})]


def test_a_site_of_which_every_link_fails_is_the_cause_and_two_of_four_are_two_cuts() -> None:
    outage = [event(name, name, ends) for name, ends in (("ab", "a"), ("bc", "c"), ("bd", "d"), ("be", "e"))]
    assert clusters(event("b", "b"), *outage) == [("b", {"b", "ab", "bc", "bd", "be"})]
    assert clusters(*outage[:2]) == [("ab", {"ab"}), ("bc", {"bc"})]


def test_a_cut_is_found_by_its_two_ends_where_the_alarm_of_the_link_is_missing() -> None:
    told = (event("1", "a"), event("2", "b", at=MINUTE), event("3", "v-ab", at=MINUTE))
    assert clusters(*told) == [("ab", {"1", "2", "3"})]


def test_services_that_share_one_link_alone_speak_for_it_and_one_service_speaks_for_itself() -> None:
    assert clusters(event("1", "v-ab")) == [("v-ab", {"1"})]
    assert clusters(event("1", "v-ab"), event("2", "v-abe"))[0][1] == {"1", "2"}


def test_the_same_link_on_another_day_is_another_problem_and_what_customers_report_meanwhile_is_not() -> None:
    first = event("1", "ab", cleared=HOUR)
    assert clusters(first, event("2", "ab", at=24 * HOUR)) == [("ab", {"1"}), ("ab", {"2"})]
    assert clusters(replace(first, cleared=None), event("2", "v-ab", at=5 * HOUR)) == [("ab", {"1", "2"})]
    assert clusters(first, event("2", "v-ab", at=5 * HOUR)) == [("ab", {"1"}), ("v-ab", {"2"})]


def test_two_small_alarms_at_neighbouring_sites_are_no_cut() -> None:
    told = (event("1", "a", severity=MINOR), event("2", "b", severity=MINOR))
    assert clusters(*told) == [("a", {"1"}), ("b", {"2"})]


def claimed(*events: Observed) -> list[str]:
    return [each.cause.id for each in correlate(events, TOPOLOGY, WINDOW) if each.confidence]


def test_what_is_near_each_other_by_chance_is_together_and_nothing_is_claimed_to_be_its_cause() -> None:
    told = (event("1", "ab", severity=MAJOR), event("2", "a", severity=MINOR))
    assert clusters(*told) == [("ab", {"1", "2"})]
    assert claimed(*told) == []
    assert claimed(*told, event("3", "v-ab", severity=MAJOR)) == []


def test_a_critical_alarm_or_a_fault_or_two_major_alarms_of_one_window_claim_what_they_name() -> None:
    major = event("1", "ab", severity=MAJOR)
    assert claimed(event("1", "ab")) == ["ab"]
    assert claimed(major) == []
    assert claimed(replace(major, is_fault=True)) == ["ab"]
    assert claimed(major, event("2", "ab", at=WINDOW, severity=MAJOR)) == ["ab"]
    assert claimed(major, event("2", "ab", at=WINDOW + 1, severity=MAJOR)) == []


def test_what_is_hardly_told_of_itself_needs_as_much_around_it_as_two_critical_alarms() -> None:
    assert claimed(event("1", "a"), event("2", "b"), event("3", "v-ab", severity=MAJOR)) == ["ab"]
    around = [event(each, each, severity=MAJOR) for each in ("a", "b", "v-ab")]
    assert claimed(*around) == []
    assert claimed(*around, event("again", "a", at=MINUTE, severity=MAJOR)) == [], "the same again says no more"
    assert claimed(*around, event("own", "ab", severity=MAJOR)) == ["ab"]


def test_a_major_alarm_by_chance_takes_no_symptoms_from_a_cut_that_is_claimed() -> None:
    cut = [event("cut", "ab"), event("v", "v-abe", at=5 * MINUTE, severity=MAJOR)]
    chance = event("chance", "be", at=4 * MINUTE, severity=MAJOR)
    assert clusters(*cut, chance) == [("ab", {"cut", "v"}), ("be", {"chance"})]
    assert claimed(*cut, chance) == ["ab"]


def test_of_what_the_registry_does_not_know_each_is_its_own_cause() -> None:
    unknown = Element(Kind.LINK, "gone")
    told = Observed("1", frozenset({unknown}), 0)
    assert correlate([told], TOPOLOGY, WINDOW) == [Cluster(unknown, 0, ("1",), 0)]


def test_a_service_is_down_once_no_way_is_left_between_its_sites() -> None:
    def down(*names: str) -> frozenset[str]:
        return services_down(NETWORK, frozenset(map(element, names)))

    assert down() == frozenset()
    assert down("ab") == {"v-ab", "v-abe"}
    assert down("ab", "bc") == {"v-ab", "v-abe", "v-round"}
    assert down("c") == frozenset(), "the other way does not need it"
    assert down("c", "ab") == {"v-ab", "v-abe", "v-round"}
    assert down("f") == {"v-f", "v-up"}
    assert down("v-f") == {"v-f"}
    assert down("fg") == {"v-up"}, "what is at one site alone is down with all links that it uses"
    assert down("gone") == {"gone"}


STORM_NETWORK = random_network(40, 30, random.Random(1))
STORM_TOPOLOGY = Topology(STORM_NETWORK)


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_arrival_changes_nothing_and_every_event_is_in_one_problem(
    seed: int, order: random.Random
) -> None:
    told = list(storm(STORM_NETWORK, Weather(5, 80, noise=0.2), random.Random(seed)).events)
    found = correlate(told, STORM_TOPOLOGY, WINDOW)
    order.shuffle(told)
    assert correlate(told, STORM_TOPOLOGY, WINDOW) == found
    assert sorted(each for cluster in found for each in cluster.events) == sorted(each.id for each in told)


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_it_makes_no_difference_when_what_began_within_one_window_is_over(seed: int) -> None:
    told = storm(STORM_NETWORK, Weather(4, 60, span=2 * MINUTE, noise=0.0), random.Random(seed)).events
    within = [each for each in told if each.raised < WINDOW]
    open_still = [replace(each, cleared=None) for each in within]
    assert correlate(within, STORM_TOPOLOGY, WINDOW) == correlate(open_still, STORM_TOPOLOGY, WINDOW)


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_a_storm_in_one_part_of_the_network_changes_nothing_in_another(seed: int) -> None:
    apart = Network()
    for prefix in ("x", "y"):
        part = Network()
        part.CopyFrom(NETWORK_OF_PART[prefix])
        apart.MergeFrom(part)
    topology = Topology(NetworkRegistry(apart))
    source = random.Random(seed)
    here, there = (
        list(storm(NetworkRegistry(NETWORK_OF_PART[prefix]), Weather(3, 40), source).events) for prefix in ("x", "y")
    )
    there = [replace(each, id=f"there-{each.id}") for each in there]
    both = correlate([*here, *there], topology, WINDOW)
    alone = [*correlate(here, topology, WINDOW), *correlate(there, topology, WINDOW)]
    assert sorted(both, key=str) == sorted(alone, key=str)


def _part(prefix: str) -> Network:
    registry = random_network(15, 10, random.Random(3))
    return Network(
        sites=[Site(id=prefix + each, region="r") for each in registry.sites],
        links=[
            Link(id=prefix + each.id, site_a=prefix + each.site_a, site_b=prefix + each.site_b, region="r")
            for each in registry.links.values()
        ],
        services=[
            NetworkService(
                id=prefix + each.id,
                region="r",
                sites=[prefix + site for site in each.sites],
                links=[prefix + link for link in each.links],
            )
            for each in registry.services.values()
        ],
    )


NETWORK_OF_PART = {prefix: _part(prefix) for prefix in ("x", "y")}


@pytest.mark.parametrize("seed", range(5))
def test_the_causes_of_a_storm_are_found(seed: int) -> None:
    large = random_network(200, 300, random.Random(seed))
    for network, weather in ((shipped_network(), Weather(3, 300)), (large, Weather(20, 2_000))):
        told = storm(network, weather, random.Random(seed))
        found = quality(correlated(told.events, Topology(network)), told)
        assert found.pair_precision > 0.85
        assert found.pair_recall > 0.85
        assert found.root_recall >= 0.85
        assert found.root_precision >= 0.9
