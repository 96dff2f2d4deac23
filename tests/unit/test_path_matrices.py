"""Matrices of paths between regions: each is kept, and told only while all that it is made of is the same."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.network.matrices import MOST_KEPT, Basis, KeptMatrices
from coordinator.network.paths import LinkGraph, Measured, main_sites, upgraded
from gateway.api.coordinator.v1.path_service_pb2 import RegionPaths
from gateway.api.federation.v1.network_pb2 import Link, Network, QualityClass, Site

LINKS = [
    Link(id=f"l{number}", site_a=ends[0], site_b=ends[1], delay_us=number + 1)
    for number, ends in enumerate(("ab", "bc", "ac", "ac"))
]
SITES = [Site(id=site, region=f"r-{site}") for site in "abc"]


@dataclass(frozen=True)
class Asked:
    """The question for a matrix in plain values."""

    links: tuple[int, ...] = tuple(each.delay_us for each in LINKS)
    measured: Mapping[str, Measured] = field(default_factory=dict)
    down: frozenset[str] = frozenset()
    bound: int | None = None
    changed: int | None = None
    more_sites: tuple[str, ...] = ()
    """Sites before all others, each of its own region."""

    def parts(self) -> tuple[Mapping[str, str], Basis]:
        """What the service gives, made anew."""
        network = Network(sites=[*(Site(id=f"{each}-0", region=f"r-{each}") for each in self.more_sites), *SITES])
        for link, delay in zip(LINKS, self.links, strict=True):
            network.links.add().CopyFrom(link)
            network.links[-1].delay_us = delay
        after = None
        if self.changed is not None:
            new = upgraded(network, [Link(id="l2", site_a="a", site_b="c", delay_us=self.changed)])
            after = LinkGraph(new, self.measured, self.down)
        allowed = None if self.bound is None else QualityClass(name="fast", delay_us=self.bound)
        return main_sites(network), Basis(LinkGraph(network, self.measured, self.down), after, allowed)


def told(kept: KeptMatrices, asked: Asked) -> list[RegionPaths]:
    return list(asyncio.run(kept.pairs(*asked.parts())))


def test_a_matrix_is_computed_once_while_nothing_changes() -> None:
    kept, asked = KeptMatrices(), Asked(bound=3, changed=1)
    first = asyncio.run(kept.pairs(*asked.parts()))
    assert asyncio.run(kept.pairs(*asked.parts())) is first


def test_each_kind_of_change_leads_to_another_matrix() -> None:
    kept, before = KeptMatrices(), Asked()
    first = told(kept, before)
    for changed in (
        replace(before, links=(9, *before.links[1:])),
        replace(before, measured={"l0": Measured(delay_us=5)}),
        replace(before, measured={"l0": Measured(delay_us=before.links[0])}),
        replace(before, measured={"l1": Measured(loss_ppb=7)}),
        replace(before, measured={"l1": Measured(delay_variation_us=7)}),
        replace(before, down=frozenset({"l0"})),
        replace(before, bound=2),
        replace(before, changed=1),
        replace(before, more_sites=("a",)),
        replace(before, more_sites=("z",)),
    ):
        assert told(kept, changed) != first, changed
        assert told(kept, before) == first, changed
    assert told(kept, replace(before, bound=2)) != told(kept, replace(before, bound=3))
    assert told(kept, replace(before, changed=1)) != told(kept, replace(before, changed=2))


questions = st.builds(
    Asked,
    links=st.tuples(*(st.integers(1, 2) for _ in LINKS)),
    measured=st.dictionaries(st.sampled_from(["l0", "l3"]), st.builds(Measured, st.none() | st.integers(0, 1))),
    down=st.frozensets(st.sampled_from(["l1", "l2"])),
    bound=st.none() | st.integers(1, 2),
    changed=st.none() | st.integers(1, 2),
    more_sites=st.sampled_from([(), ("a",), ("z",)]),
)


@settings(max_examples=40)
@given(st.lists(questions, max_size=12))
def test_what_is_kept_is_what_would_be_computed_now(asked: list[Asked]) -> None:
    kept = KeptMatrices()
    for each in asked:
        assert told(kept, each) == told(KeptMatrices(), each)


def test_only_the_matrices_that_were_asked_for_last_are_kept() -> None:
    kept = KeptMatrices()
    asked = [Asked(bound=bound) for bound in range(1, MOST_KEPT + 2)]
    found = [asyncio.run(kept.pairs(*each.parts())) for each in asked]
    assert asyncio.run(kept.pairs(*asked[-1].parts())) is found[-1]
    assert asyncio.run(kept.pairs(*asked[1].parts())) is found[1]
    assert asyncio.run(kept.pairs(*asked[0].parts())) is not found[0]
    assert asyncio.run(kept.pairs(*asked[1].parts())) is found[1]
    assert asyncio.run(kept.pairs(*asked[2].parts())) is not found[2]
