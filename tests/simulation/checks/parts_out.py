"""Outages of parts of the network: at every home as their owners have noted them; what they take down only together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from gateway.api.region.v1.agreement_pb2 import OutageCause
from gateway.federation.network_ways import Parts, is_down
from gateway.time.clock import from_microseconds
from region_node.network.faults.outages import Span
from tests.simulation.evidence import Evidence
from tests.unit.situations import FEDERATION

PARTS = "outages of parts are at every home"
NOTICE = timedelta(hours=72)
_COLUMNS = "source, start_time, end_time, region, sites, links, cause, announce_time, withdrawn"
_NETWORK = FEDERATION.network


@dataclass(frozen=True)
class PartsNoted:
    """The part outages stored by a region."""

    source: str
    start_time: int
    end_time: int
    region: str
    sites: str
    links: str
    cause: int
    announce_time: int | None
    withdrawn: int

    @property
    def parts(self) -> Parts:
        """The parts."""
        return Parts(frozenset(self.sites.split()), frozenset(self.links.split()))

    @property
    def counts(self) -> bool:
        """Whether a service that is down by this is down by its operators."""
        start, told = from_microseconds(self.start_time), self.announce_time
        in_time = told is not None and start - from_microseconds(told) >= NOTICE
        planned = self.cause == OutageCause.OUTAGE_CAUSE_PLANNED and not in_time
        return planned or self.cause == OutageCause.OUTAGE_CAUSE_OPERATOR


def noted_parts(evidence: Evidence) -> Mapping[str, Sequence[PartsNoted]]:
    """Each region's part outages; every region stores the same of each region's own, once."""
    kept: dict[str, list[PartsNoted]] = {region.name: [] for region in evidence.regions}
    for region, row in evidence.rows(f"SELECT {_COLUMNS} FROM part_outages"):
        kept[region].append(PartsNoted(**dict(row)))
    own = Counter(each for region, rows in kept.items() for each in rows if each.region == region)
    for region, rows in kept.items():
        found = Counter(rows)
        told = own
        if region == evidence.joined_late:  # of what was noted before it joined nobody has told it
            known = {(each.source, each.start_time) for each in rows}
            told = Counter(each for each in own if (each.source, each.start_time) in known)
        for each in sorted({*(told - found), *(found - told)}, key=lambda each: each.source):
            evidence.broken(PARTS, each.source, f"{region} has it {found[each]} times, its owner {told[each]}: {each}")
    return kept


def down_together(service: str, noted: Sequence[PartsNoted]) -> tuple[list[Span], list[Span]]:
    """When a service was down by parts of several outages only: what counts, and what does not."""
    there = [each for each in noted if not each.withdrawn and _takes_part(service, each.parts)]
    times = sorted({time for each in there for time in (each.start_time, each.end_time)})
    counted: list[Span] = []
    excused: list[Span] = []
    for start, end in pairwise(times):
        out = [each for each in there if each.start_time <= start and end <= each.end_time]
        if any(_is_down(service, [each]) for each in out) or not _is_down(service, out):
            continue
        span = from_microseconds(start), from_microseconds(end)
        of_one = [[each for each in out if each.cause == cause] for cause in {each.cause for each in out}]
        enough = [each for each in of_one if _is_down(service, each)]
        excused += [span for each in enough if not any(one.counts for one in each)]
        if not enough or any(one.counts for each in enough for one in each):
            counted.append(span)
    return counted, excused


def _is_down(service: str, out: Sequence[PartsNoted]) -> bool:
    together = Parts()
    for each in out:
        together |= each.parts
    return is_down(_NETWORK, FEDERATION.network.service(service), together)


def _takes_part(service: str, parts: Parts) -> bool:
    found = _NETWORK.service(service)
    ends = {site for link in found.links for site in (_NETWORK.link(link).site_a, _NETWORK.link(link).site_b)}
    return bool(parts.links & set(found.links) or parts.sites & {*found.sites, *ends})
