"""Paths over a graph of links: what they add up to, and that they are the best there are."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.network.paths import (
    Budget,
    LinkGraph,
    Measured,
    Path,
    Quality,
    added_up,
    budget,
    main_sites,
    upgraded,
)
from gateway.api.federation.v1.network_pb2 import Link, Network, QualityClass, Site
from gateway.federation.network import NetworkRegistry
from gateway.federation.network_ways import Parts, cut_together
from tests.shipped import shipped_configuration

SHIPPED = shipped_configuration().network
CLASSES = {each.name: each for each in SHIPPED.quality_classes}
MS = 1_000  # microseconds


def link(name: str, ends: str, delay_us: int, variation_us: int = 0, loss_ppb: int = 0) -> Link:
    return Link(
        id=name,
        site_a=ends[0],
        site_b=ends[1],
        delay_us=delay_us,
        delay_variation_us=variation_us,
        loss_ppb=loss_ppb,
    )


def network(*links: Link) -> Network:
    sites = sorted({end for each in links for end in (each.site_a, each.site_b)})
    return Network(sites=[Site(id=site, region=f"r-{site}") for site in sites], links=links)


def graph(*links: Link, down: Sequence[str] = ()) -> LinkGraph:
    return LinkGraph(network(*links), {}, down)


CHAIN = (link("ab", "ab", 40 * MS, 2 * MS, 100_000), link("bc", "bc", 35 * MS, 3 * MS), link("cd", "cd", 30 * MS))


def found(path: Path | None) -> Path:
    assert path is not None
    return path


def test_40_and_35_and_30_ms_fail_class_0_and_pass_class_1() -> None:
    quality = found(graph(*CHAIN).ways("a", "d").best).quality
    assert quality == Quality(105 * MS, 5 * MS, 100_000)
    assert budget(quality, CLASSES["y1541-0"]) == Budget(-5 * MS, 45 * MS, 900_000)
    assert not budget(quality, CLASSES["y1541-0"]).is_kept
    assert budget(quality, CLASSES["y1541-1"]).delay_us == 295 * MS
    assert budget(quality, CLASSES["y1541-1"]).is_kept


def test_a_bound_of_0_is_none() -> None:
    assert budget(Quality(10**9, 10**9, 10**9), QualityClass()) == Budget(None, None, None)


def test_the_bound_itself_is_kept() -> None:
    assert budget(Quality(100 * MS, 50 * MS, 1_000_000), CLASSES["y1541-0"]).is_kept
    assert not budget(Quality(100 * MS, 50 * MS, 1_000_001), CLASSES["y1541-0"]).is_kept


def test_what_two_links_deliver_is_the_product_of_what_each_does() -> None:
    half = Quality(1, 1, 500_000_000)
    assert added_up([half, half]).loss_ppb == 750_000_000
    assert added_up([]) == Quality(0, 0, 0)


figures = st.builds(Quality, st.integers(1, 10**6), st.integers(0, 10**5), st.integers(0, 10**9))


@given(st.lists(figures, max_size=8))
def test_a_path_loses_no_less_than_its_worst_link_and_no_more_than_all_together(parts: list[Quality]) -> None:
    told = added_up(parts).loss_ppb
    delivered = Fraction(1)
    for part in parts:
        delivered *= 1 - Fraction(part.loss_ppb, 10**9)
    assert 0 <= told - (1 - delivered) * 10**9 < 1
    assert max((part.loss_ppb for part in parts), default=0) <= told <= sum(part.loss_ppb for part in parts)
    assert added_up(parts[::-1]) == added_up(parts)


SITES = "abcde"
small_networks = st.lists(
    st.tuples(
        st.sampled_from([f"{a}{b}" for a, b in itertools.combinations(SITES, 2)]),
        st.integers(1, 6),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=9,
).map(lambda ends: [link(f"l{number}", *each) for number, each in enumerate(ends)])


def every_way(links: Sequence[Link], start: str, end: str, been: tuple[str, ...] = ()) -> Iterator[tuple[Link, ...]]:
    """All ways that pass no site twice, by brute force."""
    if start == end:
        yield ()
        return
    for each in links:
        ends = {each.site_a, each.site_b}
        if start in ends:
            (other,) = ends - {start}
            if other not in been:
                for rest in every_way(links, other, end, (*been, start)):
                    yield (each, *rest)


def passed(way: Sequence[Link]) -> set[str]:
    """The sites on a way from a to e, without these."""
    return {end for each in way for end in (each.site_a, each.site_b)} - {"a", "e"}


def cost(way: Sequence[Link]) -> tuple[int, int]:
    return sum(each.delay_us for each in way), sum(each.delay_variation_us for each in way)


def shared(way: Sequence[Link], other: Sequence[Link]) -> tuple[int, int]:
    links = {each.id for each in way} & {each.id for each in other}
    return len(links), len(passed(way) & passed(other))


@given(small_networks)
@pytest.mark.clause("5.3.3")
def test_the_best_way_is_the_best_of_all_and_the_alternative_shares_the_fewest_links(links: list[Link]) -> None:
    whole = Network(sites=[Site(id=site) for site in SITES], links=links)
    by_id = {each.id: each for each in links}
    ways = LinkGraph(whole, {}, []).ways("a", "e")
    every = list(every_way(links, "a", "e"))
    if not every:
        assert ways.best is None
        assert ways.alternative is None
        return
    best = found(ways.best)
    assert cost([by_id[each] for each in best.links]) == min(map(cost, every))
    assert (best.hops[0].start, best.hops[-1].end) == ("a", "e")
    assert all(one.end == other.start for one, other in itertools.pairwise(best.hops))
    best_way = [by_id[each] for each in best.links]
    least = min((*shared(way, best_way), *cost(way)) for way in every)
    if ways.alternative is None:
        assert least[0] == len(best.links)
        return
    alternative = [by_id[each] for each in ways.alternative.links]
    assert (*shared(alternative, best_way), *cost(alternative)) == least
    assert (len(ways.shared_links), len(ways.shared_sites)) == least[:2]


@given(small_networks)
def test_no_two_ways_share_less_than_those_that_are_found(links: list[Link]) -> None:
    whole = Network(sites=[Site(id=site) for site in SITES], links=links)
    by_id = {each.id: each for each in links}
    ways = LinkGraph(whole, {}, []).ways("a", "e")
    every = list(every_way(links, "a", "e"))
    if len(every) < 2:
        assert not ways.apart
        return
    delays = {
        (*shared(one, other), cost(one)[0] + cost(other)[0], cost(one)[1] + cost(other)[1])
        for one, other in itertools.combinations(every, 2)
    }
    if ways.apart:
        first, second = ([by_id[each] for each in way.links] for way in ways.apart)
        together = cost(first)[0] + cost(second)[0], cost(first)[1] + cost(second)[1]
        assert (*shared(first, second), *together) == min(delays)
        assert shared(first, second) < (len(ways.shared_links), len(ways.shared_sites))
        assert cost(first) <= cost(second)
        for way in ways.apart:
            assert (way.hops[0].start, way.hops[-1].end) == ("a", "e")
            assert all(one.end == other.start for one, other in itertools.pairwise(way.hops))
    elif ways.alternative is not None:
        assert (len(ways.shared_links), len(ways.shared_sites)) == min(delays)[:2]


@given(small_networks, st.data())
def test_two_windows_conflict_where_they_leave_no_path_that_each_of_them_alone_leaves(
    links: list[Link], data: st.DataObject
) -> None:
    whole = Network(sites=[Site(id=site) for site in SITES], links=links)
    one, other = (data.draw(st.frozensets(st.sampled_from([each.id for each in links]))) for _ in range(2))

    def is_reached(down: frozenset[str], start: str, end: str) -> bool:
        return LinkGraph(whole, {}, down).ways(start, end).best is not None

    conflicts = set(cut_together(NetworkRegistry(whole), Parts(links=one), Parts(links=other)))
    for start, end in itertools.combinations(SITES, 2):
        ways = LinkGraph(whole, {}, []).ways(start, end)
        is_cut = (
            is_reached(one, start, end) and is_reached(other, start, end) and not is_reached(one | other, start, end)
        )
        assert (f"{start} - {end}" in conflicts) == is_cut
        if is_cut:
            taken = one | other
            assert all(taken.intersection(way.links) for way in (ways.best, ways.alternative, *ways.apart) if way)


TRAP = (link("ab", "ab", 1), link("bc", "bc", 1), link("cd", "cd", 1), link("ac", "ac", 5), link("bd", "bd", 5))


def test_two_ways_without_a_common_link_are_found_where_none_is_left_beside_the_best_one() -> None:
    ways = graph(*TRAP).ways("a", "d")
    assert found(ways.best).links == ["ab", "bc", "cd"]
    assert graph(*TRAP, down=found(ways.best).links).ways("a", "d").best is None
    assert ways.shared_links, "the best one is kept, and its alternative says what it shares"
    assert [each.links for each in ways.apart] == [["ab", "bd"], ["ac", "cd"]]


def test_two_ways_without_a_common_site_are_found_where_none_is_left_beside_the_best_one() -> None:
    # The best one passes b and c; each other way passes one of them, and two of those pass one each.
    ways = graph(*TRAP, link("cb", "cb", 3)).ways("a", "d")
    assert (ways.shared_links, len(ways.shared_sites)) == ([], 2)
    assert [each.links for each in ways.apart] == [["ab", "bd"], ["ac", "cd"]]
    assert [each.sites for each in ways.apart] == [["b"], ["c"]]


def test_an_alternative_that_passes_a_site_of_the_best_one_says_so() -> None:
    ways = graph(link("am", "am", 1), link("am-2", "am", 2), link("me", "me", 1), link("me-2", "me", 2)).ways("a", "e")
    assert found(ways.alternative).links == ["am-2", "me-2"]
    assert (ways.shared_links, ways.shared_sites, ways.apart) == ([], ["m"], ())


def test_a_link_that_every_way_needs_is_shared_and_nothing_is_gained_without_the_best_one() -> None:
    links = [link("neck", "ax", 1), link("one", "xd", 1), link("two", "xd", 2)]
    ways = graph(*links).ways("a", "d")
    assert (ways.shared_links, ways.shared_sites, ways.apart) == (["neck"], ["x"], ())


def test_links_that_cost_nothing_lead_nowhere_in_circles() -> None:
    nothing = Measured(delay_us=0, delay_variation_us=0, loss_ppb=0)
    ways = LinkGraph(network(*TRAP), dict.fromkeys([each.id for each in TRAP], nothing), []).ways("a", "d")
    assert len(found(ways.best).links) <= 3
    assert not set(found(ways.best).links) & set(found(ways.alternative).links) or ways.apart


def test_links_between_the_same_two_sites_are_alternatives_to_each_other() -> None:
    ways = graph(link("slow", "ab", 5), link("fast", "ab", 3)).ways("a", "b")
    assert (found(ways.best).links, found(ways.alternative).links) == (["fast"], ["slow"])
    assert ways.shared_links == []


def test_what_every_way_needs_is_named_as_shared() -> None:
    ways = graph(link("neck", "ab", 1), link("one", "bc", 1), link("two", "bc", 2)).ways("a", "c")
    assert ways.shared_links == ["neck"]


def test_a_chain_has_no_alternative() -> None:
    assert graph(*CHAIN).ways("a", "d").alternative is None


def test_a_link_that_is_down_is_left_out() -> None:
    links = (*CHAIN, link("ad", "ad", 200 * MS))
    assert found(graph(*links).ways("a", "d").best).links == ["ab", "bc", "cd"]
    assert found(graph(*links, down=["bc"]).ways("a", "d").best).links == ["ad"]
    assert graph(*links, down=["bc", "ad"]).ways("a", "d").best is None


def test_what_was_measured_counts_and_the_rest_by_design() -> None:
    it = LinkGraph(network(*CHAIN), {"bc": Measured(delay_us=50 * MS), "cd": Measured()}, [])
    best = found(it.ways("a", "d").best)
    assert best.quality == Quality(120 * MS, 5 * MS, 100_000)
    assert [hop.is_measured for hop in best.hops] == [False, True, False]


@pytest.mark.clause("10.2(2)")
def test_an_upgrade_is_seen_before_and_after() -> None:
    before, after = network(*CHAIN), upgraded(network(*CHAIN), [link("bc", "bc", 5 * MS), link("bd", "bd", 1 * MS)])
    assert found(LinkGraph(before, {}, []).ways("a", "d").best).quality.delay_us == 105 * MS
    best = found(LinkGraph(after, {}, []).ways("a", "d").best)
    assert (best.links, best.quality.delay_us) == (["ab", "bd"], 41 * MS)
    assert [each.delay_us for each in before.links] == [40 * MS, 35 * MS, 30 * MS]


def test_a_region_is_stood_for_by_the_first_of_its_sites() -> None:
    sites = main_sites(SHIPPED)
    assert (sites["sichuan"], sites["guangdong"], sites["henan"]) == ("chengdu", "guangzhou", "zhengzhou")
    assert list(sites) == sorted(sites)


def test_every_pair_of_regions_that_ships_keeps_class_0() -> None:
    it = LinkGraph(SHIPPED, {}, [])
    for start, end in itertools.combinations(main_sites(SHIPPED).values(), 2):
        ways = it.ways(start, end)
        assert budget(found(ways.best).quality, CLASSES["y1541-0"]).is_kept, (start, end)


@pytest.mark.parametrize("name", ["delay_us", "delay_variation_us", "loss_ppb"])
def test_one_bound_that_is_passed_is_enough(name: str) -> None:
    kept = Quality(1, 1, 1)
    assert budget(kept, CLASSES["y1541-0"]).is_kept
    assert not budget(replace(kept, **{name: 10**8}), CLASSES["y1541-0"]).is_kept
