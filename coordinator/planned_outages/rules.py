"""Rules for planned windows that overlap. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from coordinator.registry import shares
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, in_both
from gateway.federation.network import NetworkRegistry
from gateway.federation.network_ways import Parts, cut_together
from gateway.time.clock import from_timestamp
from gateway.values.lists import joined

LONGEST = timedelta(days=31)
AHEAD = timedelta(days=366)
_KEPT_AFTER_END = timedelta(days=7)  # so that an overrun is seen
_MOST_WITHDRAWN = 32  # of one region: while they stay, an earlier version that comes late is refused
_UNIT = 256  # bytes of a window with a few parts
_MOST_PARTS = 64
_TOLD = 3  # of the cut services, in the text of a refusal
_ID = re.compile(r"(?P<region>[a-z][a-z0-9-]*)/planned/[A-Za-z0-9._/-]{1,130}", re.ASCII)
_LARGEST_VERSION = 2**63 - 1


def region_of(window_id: str) -> str:
    """The region in `<region>/planned/<key>`. Raises Refused for another form."""
    found = _ID.fullmatch(window_id)
    if found is None:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="planned_outage.id", problem="not region/planned/key")
    return found["region"]


def require_planned_outage(window: PlannedOutageHeader, region: str, network: NetworkRegistry, now: datetime) -> None:
    """Raises Refused unless a region may hold a window: parts of its own network, at a permitted time."""
    if region_of(window.id) != region:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="planned_outage.id", problem="of another region")
    if not 0 < window.version <= _LARGEST_VERSION:
        raise Refused(Reason.REASON_REQUEST_INVALID, field="planned_outage.version", problem="not from 1 on")
    if not 1 <= len(window.sites) + len(window.links) <= _MOST_PARTS:
        raise Refused(
            Reason.REASON_REQUEST_INVALID, field="planned_outage.links", problem=f"not 1 to {_MOST_PARTS} parts"
        )
    for run_by, part in _parts_run(window, network):
        if run_by != region:
            raise Refused(Reason.REASON_NETWORK_NOT_OF_REGION, part=part)
    try:
        start, end = from_timestamp(window.start_time), from_timestamp(window.end_time)
    except OverflowError:
        raise Refused(
            Reason.REASON_REQUEST_INVALID, field="planned_outage.start_time", problem="out of range"
        ) from None
    if not start < end <= start + LONGEST or start > now + AHEAD:
        problem = f"longer than {LONGEST.days} days, or more than {AHEAD.days} days ahead"
        raise Refused(Reason.REASON_REQUEST_INVALID, field="planned_outage.end_time", problem=problem)


def held_with(
    held: Sequence[PlannedOutageHeader], window: PlannedOutageHeader, network: NetworkRegistry, now: datetime
) -> list[PlannedOutageHeader] | None:
    """The held windows after a window is added or released; None for no change. Old ones are left out.

    A withdrawn window stays without its parts. Raises Refused with PLANNED_OUTAGE_CONFLICT, with TOO_BUSY where the
    share of the region has no room, and with PLANNED_OUTAGE_OVER for an earlier version than the held one.
    """
    wanted = _stored(window)
    before = next((each for each in held if each.id == window.id), None)
    if before in (wanted, window):
        return None
    if before is not None and before.version > window.version:
        raise Refused(Reason.REASON_PLANNED_OUTAGE_OVER, outage=window.id)
    others = [each for each in held if each.id != window.id and from_timestamp(each.end_time) > now - _KEPT_AFTER_END]
    if not window.withdrawn:
        _require_ways([each for each in others if from_timestamp(each.end_time) > now], window, network)
    return sorted(_with_room([*others, wanted], wanted, before, now), key=lambda each: each.id)


def _stored(window: PlannedOutageHeader) -> PlannedOutageHeader:
    """A window as it is held: a withdrawn one has its version and times alone."""
    if not window.withdrawn:
        return window
    return PlannedOutageHeader(
        id=window.id,
        start_time=window.start_time,
        end_time=window.end_time,
        version=window.version,
        withdrawn=True,
    )


def _with_room(
    windows: Sequence[PlannedOutageHeader],
    wanted: PlannedOutageHeader,
    before: PlannedOutageHeader | None,
    now: datetime,
) -> list[PlannedOutageHeader]:
    """The windows without those of a region that go for its wanted one: withdrawn and ended ones, earliest first.

    Raises Refused with TOO_BUSY where that gives no room, unless the wanted one takes no more than the one before it.
    """
    region = region_of(wanted.id)
    own = [each for each in windows if region_of(each.id) == region]
    withdrawn = sorted((each for each in own if each.withdrawn), key=_end)[:-_MOST_WITHDRAWN]
    gone = {each.id for each in withdrawn}
    left = sum(charge_of(each) for each in own if each.id not in gone)
    for each in sorted((each for each in own if each.withdrawn or _end(each) <= now), key=_end):
        if left > shares.PLANNED_OUTAGES and each.id not in gone:
            gone.add(each.id)
            left -= charge_of(each)
    grows = before is None or charge_of(wanted) > charge_of(before)
    if left > shares.PLANNED_OUTAGES and grows:
        raise Refused(Reason.REASON_TOO_BUSY)
    return [each for each in windows if each.id not in gone]


def charge_of(window: PlannedOutageHeader) -> int:
    """The charge of a window."""
    return shares.whole(window.ByteSize(), _UNIT)


def _end(window: PlannedOutageHeader) -> datetime:
    return from_timestamp(window.end_time)


def listed(held: Iterable[PlannedOutageHeader], region: str, now: datetime) -> list[PlannedOutageHeader]:
    """The windows that have not ended, earliest first; with `region`, only its own."""
    found = (
        each
        for each in held
        if not each.withdrawn and from_timestamp(each.end_time) > now and region in ("", region_of(each.id))
    )
    return sorted(found, key=lambda each: (each.start_time.seconds, each.start_time.nanos, each.id))


def active(held: Iterable[PlannedOutageHeader], now: datetime) -> list[PlannedOutageHeader]:
    """The windows with an outage now, earliest first."""
    return [each for each in listed(held, "", now) if _is_out(each, now)]


def _require_ways(others: Sequence[PlannedOutageHeader], window: PlannedOutageHeader, network: NetworkRegistry) -> None:
    """Checks each moment at which a window begins: no other moment adds an outage."""
    at_once = [each for each in others if not each.withdrawn and _overlap(each, window)]
    moments = {from_timestamp(window.start_time), *(from_timestamp(each.start_time) for each in at_once)}
    for moment in sorted(moments):
        active = [each for each in at_once if _is_out(each, moment)]
        if not active or not _is_out(window, moment):
            continue
        out = Parts()
        for each in active:
            out |= parts_of(each)
        cut = list(cut_together(network, parts_of(window), out))
        if cut:
            blamed = next((each for each in active if any(_cut_by(network, window, each))), active[0])
            told = in_both(affected=joined(cut[:_TOLD]))
            raise Refused(Reason.REASON_PLANNED_OUTAGE_CONFLICT, outage=blamed.id, **told)


def _cut_by(network: NetworkRegistry, window: PlannedOutageHeader, other: PlannedOutageHeader) -> Iterator[str]:
    return cut_together(network, parts_of(window), parts_of(other))


def parts_of(window: PlannedOutageHeader) -> Parts:
    """The parts that are out in a window."""
    return Parts(frozenset(window.sites), frozenset(window.links))


def _parts_run(window: PlannedOutageHeader, network: NetworkRegistry) -> Iterator[tuple[str, str]]:
    """Each part with its operating region. Raises Refused for parts missing from the registry of the network."""
    yield from ((network.site(each).region, each) for each in window.sites)
    yield from ((network.link(each).region, each) for each in window.links)


def _overlap(one: PlannedOutageHeader, other: PlannedOutageHeader) -> bool:
    first, second = from_timestamp(one.start_time), from_timestamp(other.start_time)
    return first < from_timestamp(other.end_time) and second < from_timestamp(one.end_time)


def _is_out(window: PlannedOutageHeader, moment: datetime) -> bool:
    return from_timestamp(window.start_time) <= moment < from_timestamp(window.end_time)
