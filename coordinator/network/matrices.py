"""The answers about paths, of one pair or of all regions. A matrix is kept by all that it is made of."""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from coordinator.network.paths import Hop, LinkGraph, Path, Quality, Ways, budget
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.api.federation.v1.network_pb2 import QualityClass

MOST_KEPT = 4
"""The most matrices that are kept: each is as large as its answer."""


@dataclass(frozen=True)
class Basis:
    """The links now and after the changes, and the class of the comparison."""

    now: LinkGraph
    changed: LinkGraph | None
    allowed: QualityClass | None


class _Key(NamedTuple):
    """All that a matrix is made of."""

    sites: tuple[tuple[str, str], ...]
    now: tuple[Hop, ...]
    changed: tuple[Hop, ...] | None
    allowed: bytes | None


class KeptMatrices:
    """The last matrices. A report or a revision with other figures leads to another matrix."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, Sequence[contract.RegionPaths]] = OrderedDict()

    async def pairs(self, sites: Mapping[str, str], basis: Basis) -> Sequence[contract.RegionPaths]:
        """The paths between each pair of regions with the main sites `sites`. They are shared: nobody changes them."""
        key = _Key(
            tuple(sites.items()),
            basis.now.hops,
            basis.changed.hops if basis.changed is not None else None,
            basis.allowed.SerializeToString(deterministic=True) if basis.allowed is not None else None,
        )
        if key not in self._kept:
            # In a thread: with many sites it takes longer than envelopes may wait.
            self._kept[key] = await asyncio.to_thread(_pairs, sites, basis)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def _pairs(sites: Mapping[str, str], basis: Basis) -> Sequence[contract.RegionPaths]:
    """The paths between the main sites of each pair of regions."""
    found = []
    for start, end in itertools.combinations(sites, 2):
        pair = pair_of(sites[start], sites[end], basis)
        pair.start, pair.end = start, end
        found.append(pair)
    return found


def pair_of(start: str, end: str, basis: Basis) -> contract.RegionPaths:
    """The paths between two sites, without the names of their regions."""
    return contract.RegionPaths(
        paths=_told(start, end, basis.now, basis.allowed),
        changed=_told(start, end, basis.changed, basis.allowed) if basis.changed is not None else None,
    )


def _told(start: str, end: str, graph: LinkGraph, allowed: QualityClass | None) -> contract.SitePaths:
    ways: Ways = graph.ways(start, end)
    return contract.SitePaths(
        start=start,
        end=end,
        best=_path(ways.best, allowed) if ways.best is not None else None,
        alternative=_path(ways.alternative, allowed) if ways.alternative is not None else None,
        shared_links=ways.shared_links,
        shared_sites=ways.shared_sites,
        apart=[_path(each, allowed) for each in ways.apart],
    )


def _path(path: Path, allowed: QualityClass | None) -> contract.NetworkPath:
    hops = [
        contract.PathHop(
            link=hop.link, start=hop.start, end=hop.end, quality=_quality(hop.quality), measured=hop.is_measured
        )
        for hop in path.hops
    ]
    told = contract.NetworkPath(hops=hops, quality=_quality(path.quality))
    if allowed is not None:
        left = budget(path.quality, allowed)
        told.budget.CopyFrom(
            contract.QualityBudget(
                kept=left.is_kept,
                delay_us=left.delay_us,
                delay_variation_us=left.delay_variation_us,
                loss_ppb=left.loss_ppb,
            )
        )
    return told


def _quality(quality: Quality) -> contract.PathQuality:
    return contract.PathQuality(
        delay_us=quality.delay_us, delay_variation_us=quality.delay_variation_us, loss_ppb=quality.loss_ppb
    )
