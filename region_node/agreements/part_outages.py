"""Outages of parts of the network as every region keeps them: those of its own parts, and what others tell of theirs.

What one region tells says when a part of its own was out; only who knows of all can say when services were down by
several together. So every region is told, and each finds it when it computes the months of its own agreements.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.api.region.v1.agreement_pb2 import OutageCause, PartOutage
from gateway.api.region.v1.outage_envelopes_pb2 import OutageTold
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import from_timestamp, to_microseconds
from gateway.errors import Refused
from gateway.federation.network import NetworkRegistry
from gateway.federation.network_ways import Parts, services_on
from gateway.store.port import Transaction
from region_node.agreements.outages import LONGEST, SUBJECTS, correct_soon, span_of, tell_every_region
from region_node.agreements.rules import Outage
from region_node.agreements.spans import Span
from region_node.agreements.together import PartsOut, down_together
from region_node.context import RegionContext

_LARGEST_VERSION = 2**63 - 1
_CAUSES = frozenset(
    {
        OutageCause.OUTAGE_CAUSE_OPERATOR,
        OutageCause.OUTAGE_CAUSE_PLANNED,
        OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE,
    }
)


@dataclass(frozen=True)
class _Known:
    end_time: int
    sites: str
    links: str
    cause: int
    announce_time: int | None
    withdrawn: int
    version: int


def note_parts_out(tx: Transaction, context: RegionContext, outage: PartOutage, now: datetime) -> None:
    """Notes that parts of this region's network were, or will be, out, and tells the others of what is news.

    Of parts that are not, or no longer, in the registry as this region's nothing is noted.
    """
    outage = _own(context.federation.network, outage)
    if not outage.sites and not outage.links:
        return
    require_own_parts(context.federation.network, outage)
    if not keep_parts_out(tx, context, outage, now):
        return
    payload = OutageTold(parts=outage).SerializeToString()
    name = f"parts/{span_of(outage).start}#{outage.version}"
    kind = EnvelopeKind.ENVELOPE_KIND_SERVICE_OUTAGE
    tell_every_region(tx, context, kind, f"{SUBJECTS}{outage.source}", name, payload, now)


def keep_parts_out(tx: Transaction, context: RegionContext, outage: PartOutage, now: datetime) -> bool:
    """Keeps what a region says of its parts; False where that, or a later word, is known.

    Statements of the services on them that exist already are looked at again.
    """
    span = span_of(outage)
    announced = to_microseconds(from_timestamp(outage.announce_time)) if outage.HasField("announce_time") else None
    sites, links, withdrawn = " ".join(outage.sites), " ".join(outage.links), int(outage.withdrawn)
    told = _Known(span.end, sites, links, outage.cause, announced, withdrawn, outage.version)
    known = tx.first(
        _Known,
        "SELECT end_time, sites, links, cause, announce_time, withdrawn, version FROM part_outages"
        " WHERE source = :source AND start_time = :start",
        source=outage.source,
        start=span.start,
    )
    if known is not None and (known.version >= told.version or replace(known, version=told.version) == told):
        return False
    tx.execute(
        "INSERT INTO part_outages (source, start_time, end_time, region, sites, links, cause, announce_time, version,"
        " withdrawn) VALUES (:source, :start, :end, :region, :sites, :links, :cause, :announced, :version, :withdrawn)"
        " ON CONFLICT (source, start_time) DO UPDATE SET end_time = excluded.end_time, region = excluded.region,"
        " sites = excluded.sites, links = excluded.links, cause = excluded.cause,"
        " announce_time = excluded.announce_time, version = excluded.version, withdrawn = excluded.withdrawn",
        source=outage.source,
        start=span.start,
        end=span.end,
        region=outage.region,
        sites=sites,
        links=links,
        cause=outage.cause,
        announced=announced,
        version=outage.version,
        withdrawn=withdrawn,
    )
    looked_at = Span(span.start, max(span.end, known.end_time if known is not None else span.end))
    for service in services_on(context.federation.network, _parts(outage.sites, outage.links)):
        correct_soon(tx, context, service.id, looked_at, now)
    return True


def together_outages_of(tx: Transaction, network: NetworkRegistry, service: str, span: Span) -> list[Outage]:
    """When parts that were out left a service without a way only together, in a stretch of time."""
    found = network.services.get(service)
    if found is None:
        return []
    out = tx.all(
        _part_out,
        "SELECT source, start_time, end_time, sites, links, cause, announce_time FROM part_outages"
        " WHERE end_time > :start AND start_time < :end AND withdrawn = 0",
        start=span.start,
        end=span.end,
    )
    return down_together(network, found, out)


def require_own_parts(network: NetworkRegistry, outage: PartOutage) -> None:
    """Raises Refused unless they are the region's own parts, with a source of its own and a time with an end."""
    if not outage.sites and not outage.links:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="links", problem="names no part")
    own = _own(network, outage)
    for each in {*outage.sites, *outage.links} - {*own.sites, *own.links}:
        raise Refused(Reason.REASON_NETWORK_NOT_OF_REGION, part=each)
    if not outage.source.startswith(f"{outage.region}/") or not 0 < outage.version <= _LARGEST_VERSION:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="source", problem="not of the region, or no version")
    if outage.cause not in _CAUSES:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="cause", problem="not of a part")
    span = span_of(outage)
    if not span.start < span.end <= span.start + LONGEST // timedelta(microseconds=1):
        problem = f"not later than the start, or more than {LONGEST.days} days later"
        raise Refused(Reason.REASON_REQUEST_INVALID, field="end_time", problem=problem)


def _own(network: NetworkRegistry, outage: PartOutage) -> PartOutage:
    """What it says of parts that are the region's by the registry."""
    own = PartOutage()
    own.CopyFrom(outage)
    del own.sites[:], own.links[:]
    own.sites.extend(each for each in outage.sites if _is_site_of(network, outage.region, each))
    own.links.extend(each for each in outage.links if _is_link_of(network, outage.region, each))
    return own


def _is_site_of(network: NetworkRegistry, region: str, site: str) -> bool:
    found = network.sites.get(site)
    return found is not None and found.region == region


def _is_link_of(network: NetworkRegistry, region: str, link: str) -> bool:
    found = network.links.get(link)
    return found is not None and region in {found.region, *network.regions_of(found)}


def _part_out(source: str, start: int, end: int, sites: str, links: str, cause: int, announced: int | None) -> PartsOut:
    parts = _parts(sites.split(), links.split())
    return PartsOut(source, Span(start, end), parts, OutageCause.ValueType(cause), announced)


def _parts(sites: Sequence[str], links: Sequence[str]) -> Parts:
    return Parts(frozenset(sites), frozenset(links))
