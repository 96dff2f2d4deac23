"""Outages of parts of the network as every region stores them: of its own parts, and reported by others.

A region reports the outages of its own parts. Only with all reports can the times be computed in which several together
took a service down. So every region receives them, for the months of its own agreements.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from gateway.api.region.v1.agreement_pb2 import OutageCause, PartOutage
from gateway.api.region.v1.outage_envelopes_pb2 import PartOutageTold
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.network import NetworkRegistry
from gateway.federation.network_ways import Parts, services_on
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_timestamp
from region_node.network.agreements.outages import (
    OF_A_SERVICE,
    SUBJECTS,
    announced_at,
    correct_soon,
    require_told,
    span_of,
    tell_every_region,
)
from region_node.network.agreements.rules import Outage
from region_node.network.agreements.spans import Span
from region_node.network.agreements.together import PartsOut, down_together
from region_node.node.context import RegionContext

_COLUMNS = "source, start_time, end_time, region, sites, links, cause, announce_time, version, withdrawn"


@dataclass(frozen=True)
class _Row:
    source: str
    start_time: int
    end_time: int
    region: str
    sites: str
    links: str
    cause: int
    announce_time: int | None
    version: int
    withdrawn: int

    @classmethod
    def of(cls, outage: PartOutage) -> "_Row":
        """The stored row of an outage."""
        span = span_of(outage)
        return cls(
            source=outage.source,
            start_time=span.start,
            end_time=span.end,
            region=outage.region,
            sites=" ".join(outage.sites),
            links=" ".join(outage.links),
            cause=outage.cause,
            announce_time=announced_at(outage),
            version=outage.version,
            withdrawn=int(outage.withdrawn),
        )

    @property
    def parts(self) -> Parts:
        """The parts that were out."""
        return Parts(frozenset(self.sites.split()), frozenset(self.links.split()))

    @property
    def out(self) -> PartsOut:
        """For the calculation."""
        cause = OutageCause.ValueType(self.cause)
        return PartsOut(self.source, Span(self.start_time, self.end_time), self.parts, cause, self.announce_time)

    def withdrawal(self, version: int) -> PartOutage:
        """The report that the outage did not, or will not, take place."""
        announced = self.announce_time
        return PartOutage(
            source=self.source,
            region=self.region,
            sites=self.sites.split(),
            links=self.links.split(),
            start_time=to_timestamp(from_microseconds(self.start_time)),
            end_time=to_timestamp(from_microseconds(self.end_time)),
            cause=OutageCause.ValueType(self.cause),
            announce_time=None if announced is None else to_timestamp(from_microseconds(announced)),
            version=version,
            withdrawn=True,
        )


def note_parts_out(tx: Transaction, context: RegionContext, outage: PartOutage, now: datetime) -> None:
    """Stores outages of this region's parts, past or planned, and sends the news to the others.

    Parts that are not this region's in the registry are left out.
    """
    own = own_parts(context.federation.network, outage)
    if own.sites or own.links:
        _note(tx, context, own, now)


def withdraw_parts_out(
    tx: Transaction, context: RegionContext, source: str, version: int, now: datetime, start: int | None = None
) -> None:
    """Withdraws the part outages of a source, or the one that began at a time, even against the registry."""
    found = tx.all(
        _Row,
        f"SELECT {_COLUMNS} FROM part_outages WHERE source = :source AND withdrawn = 0",  # noqa: S608 - names
        source=source,
    )
    for each in found:
        if start in (None, each.start_time):
            _note(tx, context, each.withdrawal(version), now)


def believed_parts(tx: Transaction, network: NetworkRegistry, outage: PartOutage) -> PartOutage:
    """The storable part of another region's report: without parts unknown here.

    An earlier report can be withdrawn whatever the registry says by now. Raises Refused with NETWORK_NOT_OF_REGION for
    parts of others, and with REQUEST_INVALID for an impossible report.
    """
    require_told(outage)
    if outage.withdrawn and _known(tx, outage.source, span_of(outage).start) is not None:
        return outage
    own = own_parts(network, outage)
    known = {*network.sites, *network.links}
    for each in {*outage.sites, *outage.links} - {*own.sites, *own.links}:
        if each in known:
            raise Refused(Reason.REASON_NETWORK_NOT_OF_REGION, part=each)
    if not own.sites and not own.links:
        raise invalid("links", "names no part that is known", "其中没有已知的站点或链路")
    if outage.cause not in OF_A_SERVICE:
        raise invalid("cause", "not of a part", "不是站点或链路的原因")
    return own


def keep_parts_out(tx: Transaction, context: RegionContext, outage: PartOutage, now: datetime) -> bool:
    """Stores a region's report on its parts; returns False where that, or a later one, is stored.

    Existing statements of the services on the parts are checked again.
    """
    told = _Row.of(outage)
    known = _known(tx, told.source, told.start_time)
    if known is not None and (known.version >= told.version or replace(known, version=told.version) == told):
        return False
    tx.execute(
        f"INSERT INTO part_outages ({_COLUMNS}) VALUES (:source, :start, :end, :region, :sites, :links, :cause,"  # noqa: S608 - names
        " :announced, :version, :withdrawn)"
        " ON CONFLICT (source, start_time) DO UPDATE SET end_time = excluded.end_time, region = excluded.region,"
        " sites = excluded.sites, links = excluded.links, cause = excluded.cause,"
        " announce_time = excluded.announce_time, version = excluded.version, withdrawn = excluded.withdrawn",
        source=told.source,
        start=told.start_time,
        end=told.end_time,
        region=told.region,
        sites=told.sites,
        links=told.links,
        cause=told.cause,
        announced=told.announce_time,
        version=told.version,
        withdrawn=told.withdrawn,
    )
    before = known or told
    looked_at = Span(told.start_time, max(told.end_time, before.end_time))
    for service in services_on(context.federation.network, told.parts | before.parts):
        correct_soon(tx, context, service.id, looked_at, now)
    return True


def together_outages_of(tx: Transaction, network: NetworkRegistry, service: str, span: Span) -> list[Outage]:
    """When parts that were out left a service without a way only together, in a stretch of time."""
    found = network.services.get(service)
    if found is None:
        return []
    rows = tx.all(
        _Row,
        f"SELECT {_COLUMNS} FROM part_outages"  # noqa: S608 - names
        " WHERE end_time > :start AND start_time < :end AND withdrawn = 0",
        start=span.start,
        end=span.end,
    )
    return down_together(network, found, [each.out for each in rows])


def own_parts(network: NetworkRegistry, outage: PartOutage) -> PartOutage:
    """The part of an outage on parts of its own region by the registry."""
    own = PartOutage()
    own.CopyFrom(outage)
    del own.sites[:], own.links[:]
    own.sites.extend(each for each in outage.sites if _is_site_of(network, outage.region, each))
    own.links.extend(each for each in outage.links if _is_link_of(network, outage.region, each))
    return own


def _note(tx: Transaction, context: RegionContext, outage: PartOutage, now: datetime) -> None:
    require_told(outage)
    if not keep_parts_out(tx, context, outage, now):
        return
    kind, payload = EnvelopeKind.ENVELOPE_KIND_PART_OUTAGE, PartOutageTold(outage=outage).SerializeToString()
    name = f"{span_of(outage).start}#{outage.version}"
    tell_every_region(tx, context, kind, f"{SUBJECTS}{outage.source}", name, payload, now)


def _known(tx: Transaction, source: str, start: int) -> _Row | None:
    return tx.first(
        _Row,
        f"SELECT {_COLUMNS} FROM part_outages WHERE source = :source AND start_time = :start",  # noqa: S608 - names
        source=source,
        start=start,
    )


def _is_site_of(network: NetworkRegistry, region: str, site: str) -> bool:
    found = network.sites.get(site)
    return found is not None and found.region == region


def _is_link_of(network: NetworkRegistry, region: str, link: str) -> bool:
    found = network.links.get(link)
    return found is not None and region in network.regions_reporting(found)
