"""The regions' measurements of a service's links: the diagnosis in a support request."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway.api.region.v1.support_envelopes_pb2 import LinksMeasured, SupportSearch
from gateway.api.region.v1.support_request_pb2 import SupportInquiry, SupportMeasurement
from gateway.api.region.v1.support_resource_service_pb2 import SupportUnanswered
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.errors import Refused, invalid
from gateway.federation.network import NetworkRegistry
from gateway.rpc.element_counts import parsed
from gateway.store.port import Store, Transaction
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from region_node.network.measurements.measurement_rows import HOUR, totals_since
from region_node.network.measurements.objects import LINK
from region_node.network.measurements.thresholds import DELAY, LOSS, VARIATION
from region_node.network.support.rules import HIGHEST_FIGURE, MOST_MEASUREMENTS, is_well_formed
from region_node.node.context import RegionContext
from region_node.requests.questions import Questions

_KIND = EnvelopeKind.ENVELOPE_KIND_SUPPORT_SEARCH
Measured = Mapping[str, Sequence[SupportMeasurement]]
"""Measurements, by their region."""


def measured_here(
    tx: Transaction, context: RegionContext, links: Sequence[str], now: datetime
) -> Sequence[SupportMeasurement]:
    """The means of this hour and the previous one, for links with an end in this region and with measurements.

    Raises Refused with REQUEST_INVALID for too many links.
    """
    if len(links) > MOST_MEASUREMENTS:
        raise invalid("links", f"more than {MOST_MEASUREMENTS}", f"超过{MOST_MEASUREMENTS}项")
    network, hour = context.federation.network, to_microseconds(now) // HOUR * HOUR
    own = [each for each in links if each in network.links and context.region in _ends(network, each)]
    totals, found = totals_since(tx, hour - HOUR) if own else {}, []
    for link in own:
        means = {figure: round(each.mean) for figure, each in totals.get(f"{LINK}/{link}", {}).items()}
        if not means.keys().isdisjoint((DELAY, VARIATION, LOSS)):
            found.append(
                SupportMeasurement(
                    link=link,
                    delay_us=min(means.get(DELAY, 0), HIGHEST_FIGURE),
                    delay_variation_us=min(means.get(VARIATION, 0), HIGHEST_FIGURE),
                    loss_ppb=means.get(LOSS, 0),
                    start_time=to_timestamp(from_microseconds(hour - HOUR)),
                    end_time=to_timestamp(now),
                )
            )
    return found


def wanted_of(network: NetworkRegistry, inquiry: SupportInquiry) -> Mapping[str, Sequence[str]]:
    """The links of the service that an inquiry does not name, by each region that has an end of them. Pure.

    Raises Refused with NETWORK_SERVICE_UNKNOWN.
    """
    named = {each.link for each in inquiry.measurements}
    room = max(MOST_MEASUREMENTS - len(named), 0)
    found: dict[str, list[str]] = {}
    for link in [each for each in network.service(inquiry.service).links if each not in named][:room]:
        for region in sorted(_ends(network, link)):
            found.setdefault(region, []).append(link)
    return found


def completed(network: NetworkRegistry, inquiry: SupportInquiry, measured: Measured) -> SupportInquiry:
    """The inquiry with the regions' measurements: each link once, by its maintainer where possible. Pure.

    Unrequested links and impossible values are left out.
    """
    told = SupportInquiry()
    told.CopyFrom(inquiry)
    wanted = wanted_of(network, inquiry)
    by_link: dict[str, dict[str, SupportMeasurement]] = {}
    for region, measurements in measured.items():
        for each in measurements:
            if each.link in wanted.get(region, ()) and is_well_formed(each):
                by_link.setdefault(each.link, {})[region] = each
    for link, known in sorted(by_link.items()):
        told.measurements.append(known.get(network.links[link].region) or known[min(known)])
    return told


async def with_measurements(
    context: RegionContext, store: Store, questions: Questions, inquiry: SupportInquiry, now: datetime
) -> tuple[SupportInquiry, Sequence[SupportUnanswered]]:
    """The inquiry with the measurements of all regions concerned, and the regions without a response.

    Raises Refused.
    """
    network = context.federation.network
    wanted = wanted_of(network, inquiry)
    own = wanted.get(context.region, ())
    measured = {context.region: await store.read(lambda tx: measured_here(tx, context, own, now))}
    others = sorted(wanted.keys() - {context.region})
    answers = await asyncio.gather(*(_ask(questions, region, wanted[region]) for region in others))
    unanswered = []
    for region, answer in zip(others, answers, strict=True):
        if isinstance(answer, Refused):
            unanswered.append(SupportUnanswered(region=region, reason=answer.reason))
        else:
            measured[region] = parsed(LinksMeasured, answer).measurements
    return completed(network, inquiry, measured), unanswered


async def _ask(questions: Questions, region: str, links: Sequence[str]) -> bytes | Refused:
    try:
        question = SupportSearch(links=SupportSearch.LinkSearch(links=links))
        return await questions.ask(region, _KIND, "SupportSearch", question)
    except Refused as refused:
        return refused


def _ends(network: NetworkRegistry, link: str) -> frozenset[str]:
    return network.regions_of(network.links[link])
